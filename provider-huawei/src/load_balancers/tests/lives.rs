//! Whole lives of each class.

use super::rig::{EIP, Rig, port};

fn nothing(rig: &Rig) -> bool {
    let shape = rig.shape();
    ["balancers", "strays", "rules"].iter().all(|kind| shape[kind].as_array().is_some_and(Vec::is_empty))
}

#[tokio::test]
async fn each_class_lives_from_nothing_to_nothing() {
    for (class, with_eip) in
        [("shared", false), ("shared", true), ("dedicated", false), ("dedicated", true), ("dnat", false)]
    {
        let mut rig = Rig::start().await;
        rig.slow("loadbalancer.create", 1500);
        let mut service = rig.service(class).await;
        if with_eip {
            service = service.with(EIP);
        }
        let ready = rig.ensure(&mut service).await;
        assert_eq!(ready.spec_hash, "s1-m1", "{class}");
        let ip = &ready.ingress[0].ip;
        let public = with_eip || class == "dnat";
        assert_eq!(ip.starts_with("203.0.113."), public, "{class}: {ip}");

        // A restart finds all of it done, and says so without a write.
        rig.restart();
        rig.sim.forget_calls();
        let seen = rig.look(&service).await.unwrap();
        let Some(cloud_provider_api::v1::load_balancer_state::Phase::Ready(seen)) = seen.phase else {
            panic!("{class}: {seen:?}")
        };
        assert_eq!((seen.spec_hash.as_str(), &seen.ingress), ("s1-m1", &ready.ingress), "{class}");
        let (looks, writes) = rig.calls();
        assert!(looks.len() <= 2 && writes.is_empty(), "{class}: {looks:?} {writes:?}");

        // Ensured again, nothing is done.
        rig.sim.forget_calls();
        rig.ensure(&mut service).await;
        assert_eq!(rig.calls().1, [""; 0], "{class}");

        // A change of the ports, and everything goes.
        let mut changed = service.clone().change(|s| {
            s.spec.ports = vec![port(80, 30080), port(443, 30443)];
            s.hash = "s2-m1".to_owned();
        });
        rig.ensure(&mut changed).await;
        rig.delete(&changed).await;
        assert!(nothing(&rig), "{class}: {:#}", rig.shape());
        let left = rig.shape()["addresses"].as_array().unwrap().len();
        assert_eq!(left, usize::from(class == "dnat"), "{class}: only the user's address stays");
    }
}

#[tokio::test]
async fn a_plan_is_what_the_run_makes() {
    for class in ["shared", "dedicated", "dnat"] {
        let rig = Rig::start().await;
        let mut service = rig.service(class).await;
        for ports in [vec![port(80, 30080)], vec![port(80, 30080), port(81, 30081)], vec![port(81, 30081)]] {
            service.spec.ports = ports;
            service.hash = format!("s{}-m1", service.hash.len());
            let planned = rig.planned(&service).await;
            rig.sim.forget_calls();
            rig.ensure(&mut service).await;
            assert_eq!(rig.calls().1, planned, "{class}");
        }
        assert!(rig.plan(&service).await.unwrap().is_empty(), "{class}");
        let planned = rig.planned_removal(&service).await;
        rig.sim.forget_calls();
        rig.delete(&service).await;
        assert_eq!(rig.calls().1, planned, "{class}");
    }
}

#[tokio::test]
async fn one_class_turns_into_another() {
    let rig = Rig::start().await;
    rig.users_address().await;
    let mut handle = String::new();
    for class in ["shared", "dedicated", "shared", "dnat", "dedicated"] {
        let mut service = rig.service(class).await;
        service.hash = format!("s-{class}");
        service.handle.clone_from(&handle);
        rig.ensure(&mut service).await;
        handle = service.handle.clone();
        let shape = rig.shape();
        let (balancers, rules) = (shape["balancers"].as_array().unwrap(), shape["rules"].as_array().unwrap());
        assert_eq!(balancers.len() + rules.len(), 1, "{class}: {shape:#}");
        if let Some(balancer) = balancers.first() {
            assert_eq!(balancer["guaranteed"], class == "dedicated");
        }
    }
}
