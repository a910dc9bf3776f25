//! How many calls it takes.

use std::time::Duration;

use cloud_provider_api::error::Reason;

use super::rig::Rig;
use crate::api::balancers::Kind;

/// The least from nothing to ready: it has to be looked for before it is made, for nobody may ever make it twice, in the lists of both
/// kinds; then itself, what hangs on it, and for one outside a look whether an address is there, the address, and its binding; and a
/// look that all of it is there.
async fn check(kind: Kind, internal: bool, least: usize) {
    let rig = Rig::of(kind).await;
    let mut service = rig.service(kind);
    if internal {
        service = service.with("load-balancer-internal-vpc", "true");
    }
    rig.sim.forget_calls();
    rig.ensure(&mut service).await;
    let (reads, writes) = rig.calls();
    let calls = reads.len() + writes.len();
    assert!(calls <= least + 2, "{kind:?}: {calls} calls, {least} at least: {reads:?} {writes:?}");
}

#[tokio::test]
async fn nothing_to_ready_is_at_most_two_calls_above_the_least() {
    // Lists, load balancer, listener, servers, look.
    check(Kind::Plain, true, 6).await;
    check(Kind::Plain, false, 8).await;
    // Lists, load balancer, group with servers, its port, listener, policy, look.
    check(Kind::App, true, 8).await;
    check(Kind::App, false, 10).await;
    // List, load balancer with its address, group with members, its policy, listener, policy, look.
    check(Kind::Edge, true, 7).await;
    check(Kind::Edge, false, 7).await;
}

#[tokio::test]
async fn a_settled_service_costs_few_reads_and_no_write() {
    for (kind, most) in [(Kind::Plain, 4), (Kind::App, 6), (Kind::Edge, 6)] {
        let rig = Rig::of(kind).await;
        let mut service = rig.service(kind);
        rig.ensure(&mut service).await;
        rig.sim.forget_calls();
        rig.ensure(&mut service).await;
        let (reads, writes) = rig.calls();
        assert!(reads.len() <= most && writes.is_empty(), "{kind:?}: {reads:?} {writes:?}");
    }
}

#[tokio::test]
async fn one_node_more_or_less_is_one_write_and_a_restart_still_knows_it() {
    for (kind, more, less) in
        [(Kind::Plain, "AddBackendServers", "RemoveBackendServers"), (Kind::App, "CreateBlbRs", "DeleteBlbRs")]
    {
        let mut rig = Rig::of(kind).await;
        let mut service = rig.service(kind);
        rig.ensure(&mut service).await;
        service.members.nodes.push(rig.node(3));
        service.hash = "s1-m2".to_owned();
        rig.sim.forget_calls();
        rig.update_members(&service).await.unwrap();
        let (reads, writes) = rig.calls();
        assert_eq!((reads.len(), &*writes), (2, &[more.to_owned()][..]), "{kind:?}: {reads:?}");
        assert_eq!(rig.looks_like(&service).await, "s1-m2", "{kind:?}");

        // A daemon that begins anew knows of the spec that it is achieved, and has but to compare the members, with what it saw.
        rig.restart();
        rig.sim.forget_calls();
        assert_eq!(rig.looks_like(&service).await, "s1-", "{kind:?}");
        rig.update_members(&service).await.unwrap();
        let (reads, writes) = rig.calls();
        assert_eq!((reads.len(), writes.len()), (2, 0), "{kind:?}: {reads:?} {writes:?}");
        assert_eq!(rig.looks_like(&service).await, "s1-m2", "{kind:?}");

        service.members.nodes.remove(0);
        service.hash = "s1-m3".to_owned();
        rig.sim.forget_calls();
        rig.update_members(&service).await.unwrap();
        assert_eq!(rig.calls().1, [less], "{kind:?}");
        assert!(rig.plan(&service).await.unwrap().is_empty(), "{kind:?}");
        // An ensure has but to write it down.
        for writes in [&["UpdateLoadBalancer"][..], &[]] {
            rig.sim.forget_calls();
            rig.ensure(&mut service).await;
            assert_eq!(rig.calls().1, writes, "{kind:?}");
        }
        // Servers that somebody else takes away are missed, and put back when it is sure that no list lacks them.
        rig.rob();
        assert_eq!(rig.looks_like(&service).await, "s1-", "{kind:?}");
        let error = rig.update_members(&service).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ListingUnfinished, "{kind:?}");
        rig.pass(Duration::from_secs(60)).await;
        rig.update_members(&service).await.unwrap();
        assert_eq!(rig.looks_like(&service).await, "s1-m3", "{kind:?}");
    }
}

#[tokio::test]
async fn at_the_edge_one_node_more_or_less_is_one_write_and_its_record() {
    let mut rig = Rig::of(Kind::Edge).await;
    let mut service = rig.service(Kind::Edge);
    rig.ensure(&mut service).await;
    service.members.nodes.push(rig.node(3));
    service.hash = "s1-m2".to_owned();
    rig.sim.forget_calls();
    rig.update_members(&service).await.unwrap();
    assert_eq!(rig.calls().1, ["CreateAppIpGroupMembers", "UpdateAppBlb"]);
    rig.restart();
    rig.sim.forget_calls();
    assert_eq!(rig.looks_like(&service).await, "s1-m2");
    assert!(rig.calls().0.len() <= 2);
}

/// As it was written before records named groups: every change of servers was written down with it.
#[tokio::test]
async fn a_record_of_an_earlier_release_is_believed_and_written_anew_with_the_next_change() {
    let mut rig = Rig::of(Kind::App).await;
    let mut service = rig.service(Kind::App);
    rig.ensure(&mut service).await;
    rig.describe(|desc| {
        let words = desc.split(' ').filter(|word| !word.starts_with("group="));
        words.collect::<Vec<_>>().join(" ")
    });
    rig.restart();
    rig.sim.forget_calls();
    assert_eq!(rig.looks_like(&service).await, "s1-m1");
    rig.ensure(&mut service).await;
    assert_eq!(rig.calls().1, [""; 0]);
    for (hash, writes) in [("s1-m2", &["CreateBlbRs", "UpdateLoadBalancer"][..]), ("s1-m3", &["DeleteBlbRs"])] {
        if hash == "s1-m2" {
            service.members.nodes.push(rig.node(3));
        } else {
            service.members.nodes.pop();
        }
        service.hash = hash.to_owned();
        rig.sim.forget_calls();
        rig.update_members(&service).await.unwrap();
        assert_eq!(rig.calls().1, writes);
    }
}

#[tokio::test]
async fn a_change_of_the_spec_is_read_once_and_not_looked_at_again() {
    for (kind, reads) in [(Kind::Plain, 4), (Kind::App, 6)] {
        let rig = Rig::of(kind).await;
        let mut service = rig.service(kind);
        rig.ensure(&mut service).await;
        let mut service = service.with("load-balancer-scheduler", "LeastConnection");
        service.hash = "s2-m1".to_owned();
        rig.sim.forget_calls();
        rig.ensure_once(&service).await.unwrap();
        let (looks, writes) = rig.calls();
        assert!(looks.len() <= reads && writes.len() == 2, "{kind:?}: {looks:?} {writes:?}");
    }
}

/// The cloud takes its time for everything: until a load balancer can be changed, and until it shows its address, it alone is read.
#[tokio::test]
async fn whoever_waits_reads_the_load_balancer_alone() {
    for kind in [Kind::Plain, Kind::App] {
        let rig = Rig::of(kind).await;
        rig.slow(1500);
        let mut service = rig.service(kind);
        rig.ensure(&mut service).await;
        let (reads, _) = rig.calls();
        let of = |name: &str| reads.iter().filter(|read| *read == name).count();
        let passes = rig.calls().0.iter().filter(|read| *read == "ListListeners").count();
        // Each pass but the first and the last makes a change before the cloud is busy with it.
        let changes = rig.calls().1.iter().filter(|write| *write != "BindEip").count();
        assert!(passes <= changes, "{kind:?}: {reads:?}");
        assert!(of("GetLoadBalancer") > passes, "{kind:?}: {reads:?}");
    }
}

/// The least: a look, what its listeners are for, its address; the address off and away, itself, and a look that it is gone.
#[tokio::test]
async fn something_to_nothing_reads_nothing_that_goes_with_it() {
    for kind in [Kind::Plain, Kind::App] {
        for (internal, least) in [(false, 7), (true, 4)] {
            let rig = Rig::of(kind).await;
            let mut service = rig.service(kind);
            if internal {
                service = service.with("load-balancer-internal-vpc", "true");
            }
            rig.ensure(&mut service).await;
            rig.sim.forget_calls();
            rig.delete(&service).await;
            let (reads, writes) = rig.calls();
            // Without an address bound, all are looked through for one that a removal before this one left.
            assert!(reads.len() + writes.len() <= least + 2, "{kind:?}: {reads:?} {writes:?}");
        }
    }
}
