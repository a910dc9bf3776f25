//! Installations without ELB v3: shared load balancers through v2 alone.

use simulators::engine::{LastAnswer, each_kill};

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
        s.annotations.insert("kubernetes.io/elb.lb-algorithm".to_owned(), "LEAST_CONNECTIONS".to_owned());
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

#[tokio::test]
async fn a_shared_load_balancer_lives_from_nothing_to_nothing_without_v3() {
    let mut rig = Rig::without_v3().await;
    rig.slow("loadbalancer.create", 1500);
    let mut service = rig.service("shared").await.with(EIP);
    let ready = rig.ensure(&mut service).await;
    assert!(ready.ingress[0].ip.starts_with("203.0.113."), "{ready:?}");
    rig.restart();
    rig.sim.forget_calls();
    rig.ensure(&mut service).await;
    assert_eq!(rig.calls().1, [""; 0], "a restart finds all of it done");
    let looked = rig.look(&service).await.unwrap();
    assert!(format!("{looked:?}").contains("s1-m1"), "{looked:?}");
    let mut more = service.clone().change(|s| {
        s.members.nodes.push(rig.node(3));
        s.hash = "s1-m2".to_owned();
    });
    rig.update_members(&mut more).await.unwrap();
    rig.ensure(&mut changed(&more)).await;
    let pool = rig.shape()["balancers"][0]["listeners"][1]["pool"].clone();
    assert_eq!((pool["members"].as_array().unwrap().len(), &pool["lb_algorithm"]), (2, &"LEAST_CONNECTIONS".into()));
    rig.delete(&more).await;
    let shape = rig.shape();
    for kind in ["balancers", "strays", "addresses"] {
        assert_eq!(shape[kind], serde_json::json!([]), "{kind}");
    }
}

#[tokio::test]
async fn a_plan_names_every_single_call() {
    let rig = Rig::without_v3().await;
    let mut service = rig.service("shared").await.with(EIP);
    let more = |service: &Service| {
        service.clone().change(|s| {
            s.members.nodes.push(rig.node(3));
            s.hash = "s1-m2".to_owned();
        })
    };
    let fewer_ports = |service: &Service| {
        service.clone().change(|s| {
            s.spec.ports = vec![port(443, 30443)];
            s.hash = "s3-m2".to_owned();
        })
    };
    let changes: [&dyn Fn(&Service) -> Service; 4] = [&Service::clone, &more, &changed, &fewer_ports];
    for change in changes {
        service = change(&service);
        let planned = rig.planned(&service).await;
        rig.sim.forget_calls();
        rig.ensure(&mut service).await;
        assert_eq!(rig.calls().1, planned);
        assert!(planned.len() > 1, "{planned:?}");
    }
    assert_eq!(rig.planned(&service).await, [""; 0]);
    let planned = rig.planned_removal(&service).await;
    rig.sim.forget_calls();
    rig.delete(&service).await;
    assert_eq!(rig.calls().1, planned);
    assert_eq!(planned.last().map(String::as_str), Some("DeleteLoadbalancer"));
}

/// The end, and how many calls changed something.
async fn run(deed: Deed, kill: Option<(u64, LastAnswer)>) -> (serde_json::Value, usize) {
    let mut rig = Rig::without_v3().await;
    let mut service = rig.service("shared").await.with(EIP);
    if deed != Deed::Create {
        rig.ensure(&mut service).await;
    }
    rig.sim.forget_calls();
    if let Some((after, answer)) = kill {
        rig.sim.halt_after(after, answer);
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

#[tokio::test]
async fn it_survives_a_kill_after_any_call() {
    for deed in [Deed::Create, Deed::Update, Deed::Delete] {
        let (undisturbed, writes) = run(deed, None).await;
        each_kill(writes as u64, async |after, answer| {
            let (end, _) = run(deed, Some((after, answer))).await;
            assert_eq!(end, undisturbed, "{deed:?}, killed after call {after}, its answer {answer:?}");
        });
    }
}

#[tokio::test]
async fn what_v2_cannot_do_is_refused_and_not_left_out() {
    let rig = Rig::without_v3().await;
    let shared = rig.service("shared").await;
    let ranged = shared.clone().change(|s| s.spec.source_ranges = vec!["203.0.113.0/24".to_owned()]);
    for (service, field) in [
        (rig.service("dedicated").await, "elb.class"),
        (ranged, "spec.source_ranges"),
        (shared.clone().with(("elb.acl-id", "group-1")), "elb.acl-id"),
        (shared.clone().with(("elb.idle-timeout", "60")), "elb.idle-timeout"),
        (shared.with(("elb.enable-transparent-client-ip", "true")), "elb.enable-transparent-client-ip"),
    ] {
        let error = rig.ensure_once(&service).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::InvalidArgument, "{field}: {error}");
        assert!(error.message().contains(field) && error.message().contains("this installation has no"), "{error}");
    }
    assert!(rig.shape()["balancers"].as_array().unwrap().is_empty());
}
