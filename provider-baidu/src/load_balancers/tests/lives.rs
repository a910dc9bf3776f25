//! Whole lives of each kind.

use std::time::Duration;

use cloud_provider_api::v1::load_balancer_state::Phase;

use super::rig::{Rig, port, udp};
use crate::api::balancers::Kind;

#[tokio::test]
async fn each_kind_lives_from_nothing_to_nothing() {
    for kind in Kind::ALL {
        for internal in [false, true] {
            let mut rig = Rig::of(kind).await;
            rig.slow(1500);
            let mut service = rig.service(kind);
            if internal {
                service = service.with("load-balancer-internal-vpc", "true");
            }
            let ready = rig.ensure(&mut service).await;
            assert_eq!(ready.spec_hash, "s1-m1", "{kind:?}");
            let ip = &ready.ingress[0].ip;
            let inside = if kind == Kind::Edge { "172.16." } else { "192.168." };
            assert_eq!(ip.starts_with(inside), internal, "{kind:?}: {ip}");

            // A restart finds all of it done, and says so without a write.
            rig.restart();
            rig.pass(Duration::from_secs(2)).await;
            rig.sim.forget_calls();
            let seen = rig.look(&service).await.unwrap();
            let Some(Phase::Ready(seen)) = seen.phase else { panic!("{kind:?}: {seen:?}") };
            assert_eq!((seen.spec_hash.as_str(), &seen.ingress), ("s1-m1", &ready.ingress), "{kind:?}");
            let (looks, writes) = rig.calls();
            assert!(looks.len() <= 2 && writes.is_empty(), "{kind:?}: {looks:?} {writes:?}");

            // Ensured again, nothing is done; even when the handle is lost.
            rig.sim.forget_calls();
            service.handle.clear();
            rig.ensure(&mut service).await;
            assert_eq!(rig.calls().1, [""; 0], "{kind:?}");

            // A change of the ports, and everything goes.
            let mut changed = service.clone().change(|s| {
                s.spec.ports = vec![port(443, 30443), udp(443, 30444)];
                s.hash = "s2-m1".to_owned();
            });
            rig.ensure(&mut changed).await;
            rig.delete(&changed).await;
            assert_eq!(rig.count(), (0, 0), "{kind:?}: {:#}", rig.shape());
            rig.delete(&changed).await;
        }
    }
}

#[tokio::test]
async fn a_daemon_with_patience_takes_one_call_where_the_cloud_is_quick() {
    for kind in Kind::ALL {
        let mut rig = Rig::of(kind).await;
        rig.slow(20);
        rig.patience = Duration::from_secs(30);
        let mut service = rig.service(kind);
        let state = rig.ensure_once(&service).await.unwrap();
        // The last change may be under way.
        assert!(!state.handle.is_empty());
        service.handle = state.handle;
        rig.ensure(&mut service).await;
        rig.delete(&service).await;
        assert_eq!(rig.count(), (0, 0), "{kind:?}");
    }
}

/// The names of the calls as the simulated cloud has them, which does not tell protocols apart.
fn as_made(kind: Kind, action: &str) -> &str {
    match (kind, action) {
        (_, "CreateTCPListener" | "CreateUDPListener") => "CreateListener",
        (_, "UpdateTCPListener" | "UpdateUDPListener") => "UpdateListener",
        (Kind::Edge, "CreateLoadBalancer") => "CreateAppBlb",
        (Kind::Edge, "UpdateLoadBalancer") => "UpdateAppBlb",
        (Kind::Edge, "DeleteLoadBalancer") => "DeleteAppBlb",
        (Kind::Edge, "CreateGroup") => "CreateAppIpGroup",
        (Kind::Edge, "UpdateGroup") => "UpdateAppIpGroup",
        (Kind::Edge, "DeleteGroup") => "DeleteAppIpGroup",
        (Kind::Edge, "CreateGroupPort") => "CreateAppIpGroupBackendPolicy",
        (Kind::Edge, "UpdateGroupPort") => "UpdateAppIpGroupBackendPolicy",
        (Kind::Edge, "DeleteGroupPorts") => "DeleteAppIpGroupBackendPolicies",
        (Kind::Edge, "AddGroupMembers") => "CreateAppIpGroupMembers",
        (Kind::Edge, "UpdateGroupMembers") => "UpdateAppIpGroupMembers",
        (Kind::Edge, "RemoveGroupMembers") => "DeleteAppIpGroupMembers",
        (_, "CreateGroup") => "CreateAppServerGroup",
        (_, "UpdateGroup") => "UpdateAppServerGroup",
        (_, "DeleteGroup") => "DeleteAppServerGroup",
        (_, "CreateGroupPort") => "CreateAppServerGroupPort",
        (_, "UpdateGroupPort") => "UpdateAppServerGroupPort",
        (_, "DeleteGroupPorts") => "DeleteAppServerGroupPorts",
        (_, "AddGroupMembers") => "CreateBlbRs",
        (_, "UpdateGroupMembers") => "UpdateBlbRs",
        (_, "RemoveGroupMembers") => "DeleteBlbRs",
        (_, other) => other,
    }
}

#[tokio::test]
async fn a_plan_is_what_the_run_makes() {
    for kind in Kind::ALL {
        let rig = Rig::of(kind).await;
        let mut service = rig.service(kind);
        for (number, ports) in [
            vec![port(80, 30080)],
            vec![port(80, 30080), port(81, 30081)],
            vec![port(81, 30082), udp(53, 30053)],
            vec![udp(53, 30053)],
        ]
        .into_iter()
        .enumerate()
        {
            service.spec.ports = ports;
            service.hash = format!("s{number}-m1");
            let planned = rig.plan(&service).await.unwrap();
            let planned: Vec<&str> = planned.iter().map(|step| as_made(kind, step.action.name())).collect();
            rig.sim.forget_calls();
            rig.ensure(&mut service).await;
            assert_eq!(rig.calls().1, planned, "{kind:?}");
        }
        assert!(rig.plan(&service).await.unwrap().is_empty(), "{kind:?}");
        let planned = rig.plan_removal(&service).await.unwrap();
        let planned: Vec<&str> = planned.iter().map(|step| as_made(kind, step.action.name())).collect();
        rig.sim.forget_calls();
        rig.delete(&service).await;
        assert_eq!(rig.calls().1, planned, "{kind:?}");
    }
}

#[tokio::test]
async fn the_private_cloud_is_served_under_its_prefix_without_addresses() {
    let rig = Rig::with_profile("private").await;
    let mut service = rig.service(Kind::Plain);
    let ready = rig.ensure(&mut service).await;
    assert!(ready.ingress[0].ip.starts_with("192.168."), "{ready:?}");
    assert_eq!(rig.count(), (1, 0));
    let paths: Vec<String> = rig.sim.calls().iter().map(|call| call.path.clone()).collect();
    assert!(paths.iter().all(|path| path.starts_with("/internal-api/v1/")), "{paths:?}");
    rig.delete(&service).await;
    assert_eq!(rig.count(), (0, 0));
}

#[tokio::test]
async fn services_on_the_users_load_balancer_come_and_go() {
    for kind in Kind::ALL {
        let rig = Rig::of(kind).await;
        let id = rig.users_balancer(kind, "theirs", "ask Li").await;
        let empty = rig.shape();
        let internal = |rig: &Rig| {
            rig.service(kind).with("load-balancer-exist-id", &id).with("load-balancer-internal-vpc", "true")
        };
        let mut first = internal(&rig);
        let mut second = internal(&rig).change(|s| {
            s.uid = "u2".to_owned();
            s.spec.ports = vec![port(81, 30081)];
        });
        rig.ensure(&mut first).await;
        rig.ensure(&mut second).await;
        let clash = internal(&rig).change(|s| s.uid = "u3".to_owned());
        let error = rig.ensure_once(&clash).await.unwrap_err();
        assert!(error.message().contains("TCP/80"), "{kind:?}: {error}");
        rig.sim.forget_calls();
        rig.ensure(&mut first).await;
        assert_eq!(rig.calls().1, [""; 0], "{kind:?}");
        rig.delete(&first).await;
        rig.delete(&second).await;
        assert_eq!(rig.shape(), empty, "{kind:?}");
    }
}

#[tokio::test]
async fn the_users_address_is_bound_and_given_back() {
    for kind in [Kind::Plain, Kind::App] {
        let rig = Rig::start().await;
        rig.slow(300);
        let theirs = rig.users_address();
        let mut service = rig.service(kind).change(|s| s.spec.load_balancer_ip.clone_from(&theirs));
        let ready = rig.ensure(&mut service).await;
        assert_eq!(ready.ingress[0].ip, theirs, "{kind:?}");
        rig.delete(&service).await;
        assert_eq!(rig.count(), (0, 1), "{kind:?}");
        let missing = rig.service(kind).change(|s| s.spec.load_balancer_ip = "9.9.9.9".to_owned());
        let error = rig.ensure_once(&missing).await.unwrap_err();
        assert!(error.message().contains("no such address"), "{error}");
    }
}
