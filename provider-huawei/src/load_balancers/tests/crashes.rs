//! Killed after every call that changes something, with its answer given and with it lost: the end is the undisturbed one.

use simulators::engine::LastAnswer;

use super::rig::{EIP, Rig, Service, port};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Create,
    Update,
    Delete,
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
    }
}

/// The end, and how many calls changed something.
async fn run(class: &str, deed: Deed, kill: Option<(u64, LastAnswer)>) -> (serde_json::Value, usize) {
    let mut rig = Rig::start().await;
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
    }
    act(&rig, deed, &mut service).await;
    let writes = rig.sim.calls().iter().filter(|call| call.mutating && call.executed).count();
    (rig.shape(), writes)
}

async fn check(class: &str) {
    for deed in [Deed::Create, Deed::Update, Deed::Delete] {
        let (undisturbed, writes) = run(class, deed, None).await;
        assert!(writes > 0, "{class} {deed:?}");
        for after in 1..=writes as u64 {
            for answer in [LastAnswer::Given, LastAnswer::Lost] {
                let (end, _) = run(class, deed, Some((after, answer))).await;
                assert_eq!(end, undisturbed, "{class} {deed:?}, killed after call {after}, its answer {answer:?}");
            }
        }
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
