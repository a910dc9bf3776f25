//! Killed after every call that changes something, with its answer given and with it lost: the end is the undisturbed one.

use std::time::Duration;

use cloud_provider_api::v1;
use serde_json::Value;
use simulators::engine::{LastAnswer, each_kill};

use super::rig::{Rig, Service, port, udp};
use crate::api::balancers::Kind;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Create,
    Update,
    /// From public to internal.
    Hide,
    /// Other nodes, and nothing else.
    Members,
    Delete,
}

fn changed(service: &Service) -> Service {
    service.clone().with("load-balancer-scheduler", "LeastConnection").change(|s| {
        s.spec.ports = vec![port(443, 30443), udp(80, 30081)];
        s.members.nodes.remove(0);
        s.hash = "s2-m2".to_owned();
    })
}

async fn act(rig: &Rig, deed: Deed, service: &mut Service) {
    let mut new = match deed {
        Deed::Create => return drop(rig.ensure(service).await),
        Deed::Delete => return drop(rig.delete(service).await),
        Deed::Members => return follow(rig, &other_members(rig, service)).await,
        Deed::Update => changed(service),
        Deed::Hide => service.clone().with("load-balancer-internal-vpc", "true").change(|s| s.hash = "s3".to_owned()),
    };
    rig.ensure(&mut new).await;
    service.handle = new.handle;
}

/// One node more, one less, and one that drains.
fn other_members(rig: &Rig, service: &Service) -> Service {
    service.clone().change(|s| {
        s.members.nodes = vec![v1::NodeMember { draining: true, ..rig.node(2) }, rig.node(3)];
        s.hash = "s1-m2".to_owned();
    })
}

/// Brings the members to what they should be as a controller does that has just begun.
async fn follow(rig: &Rig, service: &Service) {
    for _ in 0..20 {
        match rig.looks_like(service).await.as_str() {
            "s1-m2" => return,
            "s1-m1" | "s1-" => drop(rig.update_members(service).await.unwrap()),
            other => panic!("{other:?} is achieved"),
        }
    }
    panic!("never achieved");
}

/// The end, and how many calls changed something. `before`: something of another cluster's with the same names.
async fn run(kind: Kind, deed: Deed, kill: Option<(u64, LastAnswer)>) -> (Value, usize) {
    let mut rig = Rig::of(kind).await;
    let mut other = rig.service(kind).change(|s| s.cluster = "c2".to_owned());
    rig.ensure(&mut other).await;
    let mut service = rig.service(kind);
    if deed != Deed::Create {
        rig.ensure(&mut service).await;
    }
    rig.sim.forget_calls();
    if let Some((after, answer)) = kill {
        rig.sim.halt_after(after, answer);
        // What the controller was told before the kill, it keeps.
        tokio::select! {
            () = act(&rig, deed, &mut service) => panic!("the cloud did not halt"),
            () = rig.sim.halted() => {}
        }
        rig.sim.go_on();
        rig.restart();
        service.attempted = true;
    }
    act(&rig, deed, &mut service).await;
    let writes = rig.sim.calls().iter().filter(|call| call.mutating && call.executed).count();
    (rig.shape(), writes)
}

async fn check(kind: Kind, deeds: &[Deed]) {
    for deed in deeds {
        let (undisturbed, writes) = run(kind, *deed, None).await;
        assert!(writes > 0, "{kind:?} {deed:?}");
        each_kill(writes as u64, async |after, answer| {
            let (end, _) = run(kind, *deed, Some((after, answer))).await;
            assert_eq!(end, undisturbed, "{kind:?} {deed:?}, killed after call {after}, its answer {answer:?}");
        });
    }
}

#[tokio::test]
async fn a_blb_in_the_making_survives_a_kill_after_any_call() {
    check(Kind::Plain, &[Deed::Create, Deed::Delete]).await;
}

#[tokio::test]
async fn a_blb_that_changes_survives_a_kill_after_any_call() {
    check(Kind::Plain, &[Deed::Update, Deed::Hide]).await;
}

#[tokio::test]
async fn an_appblb_in_the_making_survives_a_kill_after_any_call() {
    check(Kind::App, &[Deed::Create, Deed::Delete]).await;
}

#[tokio::test]
async fn an_appblb_that_changes_survives_a_kill_after_any_call() {
    check(Kind::App, &[Deed::Update, Deed::Hide]).await;
}

#[tokio::test]
async fn servers_that_come_and_go_survive_a_kill_after_any_call() {
    check(Kind::Plain, &[Deed::Members]).await;
    check(Kind::App, &[Deed::Members]).await;
}

#[tokio::test]
async fn one_of_the_edge_in_the_making_survives_a_kill_after_any_call() {
    check(Kind::Edge, &[Deed::Create, Deed::Delete]).await;
}

#[tokio::test]
async fn one_of_the_edge_that_changes_survives_a_kill_after_any_call() {
    check(Kind::Edge, &[Deed::Update]).await;
}

/// 38, 63, 117: the answer to a creation is lost, the lists are behind, daemon and controller die, and no handle is left.
#[tokio::test]
async fn lists_that_are_behind_after_a_kill_lead_to_no_second_load_balancer_or_address() {
    for call in ["CreateLoadBalancer", "CreateEip", "BindEip"] {
        let rig = Rig::start().await;
        rig.ensure(&mut rig.service(Kind::Plain)).await;
        let after = rig.calls().1.iter().position(|name| name == call).expect(call) as u64 + 1;

        let mut rig = Rig::start().await;
        rig.lag(Duration::from_secs(25));
        let mut service = rig.service(Kind::Plain);
        rig.sim.halt_after(after, LastAnswer::Lost);
        tokio::select! {
            () = act(&rig, Deed::Create, &mut service) => panic!("the cloud did not halt"),
            () = rig.sim.halted() => {}
        }
        rig.sim.go_on();
        rig.restart();
        (service.handle, service.attempted) = (String::new(), true);
        rig.ensure(&mut service).await;
        assert_eq!(rig.count(), (1, 1), "killed after {call}: {:#}", rig.shape());
        rig.pass(Duration::from_secs(60)).await;
        rig.delete(&service).await;
        assert_eq!(rig.count(), (0, 0), "killed after {call}: {:#}", rig.shape());
    }
}

#[tokio::test]
async fn a_removal_does_not_believe_a_list_that_is_behind_either() {
    let mut rig = Rig::start().await;
    rig.lag(Duration::from_secs(25));
    let mut service = rig.service(Kind::Plain);
    rig.sim.halt_after(1, LastAnswer::Lost);
    tokio::select! {
        () = act(&rig, Deed::Create, &mut service) => panic!("the cloud did not halt"),
        () = rig.sim.halted() => {}
    }
    rig.sim.go_on();
    rig.restart();
    (service.handle, service.attempted) = (String::new(), true);
    rig.delete(&service).await;
    assert_eq!(rig.count(), (0, 0), "{:#}", rig.shape());
}

#[tokio::test]
async fn a_service_that_was_never_attempted_does_not_wait() {
    let rig = Rig::start().await;
    rig.lag(Duration::from_secs(25));
    rig.ensure_once(&rig.service(Kind::Plain)).await.unwrap();
    assert_eq!(rig.count().0, 1);
}
