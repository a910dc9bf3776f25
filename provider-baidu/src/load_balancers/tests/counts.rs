//! How many calls it takes.

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
async fn one_node_more_or_less_is_one_write_and_its_record_and_a_restart_still_knows_it() {
    for (kind, more, less, record) in [
        (Kind::Plain, "AddBackendServers", "RemoveBackendServers", "UpdateLoadBalancer"),
        (Kind::App, "CreateBlbRs", "DeleteBlbRs", "UpdateLoadBalancer"),
        (Kind::Edge, "CreateAppIpGroupMembers", "DeleteAppIpGroupMembers", "UpdateAppBlb"),
    ] {
        let mut rig = Rig::of(kind).await;
        let mut service = rig.service(kind);
        rig.ensure(&mut service).await;
        service.members.nodes.push(rig.node(3));
        service.hash = "s1-m2".to_owned();
        rig.sim.forget_calls();
        rig.update_members(&mut service).await.unwrap();
        assert_eq!(rig.calls().1, [more, record], "{kind:?}");
        rig.restart();
        rig.sim.forget_calls();
        let seen = rig.look(&service).await.unwrap();
        assert!(format!("{seen:?}").contains("s1-m2"), "{kind:?}: {seen:?}");
        assert!(rig.calls().0.len() <= 2);
        service.members.nodes.remove(0);
        service.hash = "s1-m3".to_owned();
        rig.sim.forget_calls();
        rig.update_members(&mut service).await.unwrap();
        assert_eq!(rig.calls().1, [less, record], "{kind:?}");
        let seen = rig.look(&service).await.unwrap();
        assert!(format!("{seen:?}").contains("s1-m3"), "{kind:?}: {seen:?}");
        // An ensure finds nothing left to do.
        rig.sim.forget_calls();
        rig.ensure(&mut service).await;
        assert_eq!(rig.calls().1, [""; 0], "{kind:?}");
    }
}
