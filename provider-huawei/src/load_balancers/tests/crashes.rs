//! Killed after every call that changes something, with its answer given and with it lost: the end is the undisturbed one.

use std::time::Duration;

use simulators::engine::{LastAnswer, each_kill};

use super::rig::{EIP, Rig, Service, port};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Create,
    Update,
    Delete,
    /// From shared to dedicated, or back.
    Reclass,
}

fn changed(service: &Service) -> Service {
    service.clone().change(|s| {
        s.spec.ports = vec![port(80, 30080), port(443, 30443)];
        s.members.nodes.remove(0);
        s.hash = "s2-m2".to_owned();
        if !s.annotations.contains_key("kubernetes.io/natgateway.id") {
            s.spec.source_ranges = vec!["203.0.113.0/24".to_owned()];
            s.annotations.insert("kubernetes.io/elb.lb-algorithm".to_owned(), "LEAST_CONNECTIONS".to_owned());
        }
    })
}

async fn act(rig: &Rig, deed: Deed, service: &mut Service) {
    match deed {
        Deed::Create => drop(rig.ensure(service).await),
        Deed::Update => {
            let mut new = changed(service);
            rig.ensure(&mut new).await;
            service.handle = new.handle;
        }
        Deed::Delete => rig.delete(service).await,
        Deed::Reclass => {
            let dedicated = service.annotations["kubernetes.io/elb.class"] == "dedicated";
            let mut new = rig.service(if dedicated { "shared" } else { "dedicated" }).await.with(EIP);
            (new.handle, new.attempted) = (service.handle.clone(), service.attempted);
            new.hash = "s3-m1".to_owned();
            rig.ensure(&mut new).await;
            service.handle = new.handle;
        }
    }
}

/// The end, and how many calls changed something.
async fn run(class: &str, deed: Deed, kill: Option<(u64, LastAnswer)>) -> (serde_json::Value, usize) {
    let mut rig = Rig::start().await;
    // Another cluster's, of the name the Go provider would have given ours: it has to be there in the end as it is now.
    rig.made_by_go("kubernetes", &rig.address(3)).await;
    let mut service = rig.service(class).await;
    if class != "dnat" {
        service = service.with(EIP);
    }
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

async fn check(class: &str) {
    for deed in [Deed::Create, Deed::Update, Deed::Delete, Deed::Reclass] {
        if deed == Deed::Reclass && class == "dnat" {
            continue;
        }
        let (undisturbed, writes) = run(class, deed, None).await;
        assert!(writes > 0, "{class} {deed:?}");
        each_kill(writes as u64, async |after, answer| {
            let (end, _) = run(class, deed, Some((after, answer))).await;
            assert_eq!(end, undisturbed, "{class} {deed:?}, killed after call {after}, its answer {answer:?}");
        });
    }
}

#[tokio::test]
async fn a_shared_load_balancer_survives_a_kill_after_any_call() {
    check("shared").await;
}

#[tokio::test]
async fn a_dedicated_load_balancer_survives_a_kill_after_any_call() {
    check("dedicated").await;
}

#[tokio::test]
async fn dnat_rules_survive_a_kill_after_any_call() {
    check("dnat").await;
}

/// The lists are behind by less than the daemon allows for, daemon and controller die after this call, and its answer is lost.
async fn check_lag(class: &str, call: &str) {
    let (undisturbed, _) = run(class, Deed::Create, None).await;
    let rig = Rig::start().await;
    let mut service = rig.service(class).await.with(EIP);
    let calls = {
        rig.sim.forget_calls();
        rig.ensure(&mut service).await;
        rig.calls().1
    };
    let after = calls.iter().position(|name| name == call).expect(call) as u64 + 1;

    let mut rig = Rig::start().await;
    rig.made_by_go("kubernetes", &rig.address(3)).await;
    rig.lag(Duration::from_secs(25));
    let mut service = rig.service(class).await.with(EIP);
    rig.sim.halt_after(after, LastAnswer::Lost);
    tokio::select! {
        () = act(&rig, Deed::Create, &mut service) => panic!("the cloud did not halt"),
        () = rig.sim.halted() => {}
    }
    rig.sim.go_on();
    rig.restart();
    (service.handle, service.attempted) = (String::new(), true);
    rig.ensure(&mut service).await;
    assert_eq!(rig.shape(), undisturbed, "{class}, killed after {call}");
}

#[tokio::test]
async fn lists_that_are_behind_after_a_kill_lead_to_no_second_load_balancer_or_address() {
    Box::pin(check_lag("shared", "CreateLoadbalancer")).await;
    Box::pin(check_lag("shared", "CreatePublicip")).await;
    Box::pin(check_lag("dedicated", "CreateLoadBalancer")).await;
}

#[tokio::test]
async fn a_removal_does_not_believe_a_list_that_is_behind_either() {
    for class in ["shared", "dedicated"] {
        let mut rig = Rig::start().await;
        rig.lag(Duration::from_secs(25));
        let mut service = rig.service(class).await.with(EIP);
        rig.sim.halt_after(1, LastAnswer::Lost);
        tokio::select! {
            () = act(&rig, Deed::Create, &mut service) => panic!("the cloud did not halt"),
            () = rig.sim.halted() => {}
        }
        rig.sim.go_on();
        rig.restart();
        (service.handle, service.attempted) = (String::new(), true);
        rig.delete(&service).await;
        let shape = rig.shape();
        assert!(shape["balancers"].as_array().unwrap().is_empty(), "{class}: {shape:#}");
        assert!(shape["addresses"].as_array().unwrap().is_empty(), "{class}: {shape:#}");
    }
}

#[tokio::test]
async fn a_service_that_was_never_attempted_does_not_wait() {
    let rig = Rig::start().await;
    rig.lag(Duration::from_secs(25));
    let service = rig.service("shared").await;
    rig.ensure_once(&service).await.unwrap();
    assert_eq!(rig.shape()["balancers"].as_array().unwrap().len(), 1);
}
