//! The lives of load balancers: made, changed, moved, removed.

use cloud_provider_api::v1;

use super::{
    super::PortKey,
    cloud::World,
    rig::{Service, node, port},
};
use crate::api::{
    balancers::{Kind, Listener, ListenerChange},
    eip::Eip,
};

fn tcp(port: u16) -> PortKey {
    PortKey { udp: false, port }
}

/// `TestEnsureLoadBalancer`, `TestGetLoadBalancer`.
#[test]
fn one_is_made_of_each_kind_with_as_few_calls_as_will_do_and_goes_whole() {
    for (kind, calls) in [
        (
            Kind::Plain,
            &[
                "CreateLoadBalancer",
                "CreateTCPListener",
                "AddBackendServers",
                "CreateEip",
                "BindEip",
                "UpdateLoadBalancer",
            ][..],
        ),
        (
            Kind::App,
            &[
                "CreateLoadBalancer",
                "CreateGroup",
                "CreateGroupPort",
                "CreateTCPListener",
                "CreatePolicies",
                "CreateEip",
                "BindEip",
                "UpdateLoadBalancer",
            ],
        ),
        (
            Kind::Edge,
            &[
                "CreateLoadBalancer",
                "CreateGroup",
                "CreateGroupPort",
                "CreateTCPListener",
                "CreatePolicies",
                "UpdateLoadBalancer",
            ],
        ),
    ] {
        let service = Service::new(kind);
        let mut world = World::default();
        assert_eq!(service.ensure(&mut world), calls, "{kind:?}");
        let id = world.only().lb.id.clone();
        let (node_port, targets) = world.leads(&id, tcp(80)).unwrap();
        assert_eq!((node_port, targets.len()), (30080, 3), "{kind:?}");
        service.delete(&mut world);
        assert_eq!(world.balancers.len() + world.eips.len(), 0, "{kind:?}: {world:#?}");
    }
}

#[test]
fn every_change_takes_its_calls_and_can_be_taken_back() {
    type Edit = fn(Service) -> Service;
    let rows: &[(&str, Edit, &[&str])] = &[
        ("nothing", |s| s, &[]),
        ("scheduler", |s| s.with("load-balancer-scheduler", "LeastConnection"), &["UpdateTCPListener"]),
        ("checks", |s| s.with("load-balancer-health-check-interval", "5"), &["UpdateTCPListener"]),
        (
            "another port",
            |s| s.change(|s| s.spec.ports.push(port(v1::Protocol::Tcp, 443, 30443))),
            &["CreateTCPListener"],
        ),
        // 11.2.7: listeners were told apart by number alone.
        (
            "the same port for UDP",
            |s| s.change(|s| s.spec.ports.push(port(v1::Protocol::Udp, 80, 30081))),
            &["CreateUDPListener"],
        ),
        (
            "another protocol",
            |s| s.change(|s| s.spec.ports[0].protocol = v1::Protocol::Udp.into()),
            &["CreateUDPListener", "DeleteListeners"],
        ),
        ("port moved", |s| s.change(|s| s.spec.ports[0].port = 81), &["CreateTCPListener", "DeleteListeners"]),
        ("node port moved", |s| s.change(|s| s.spec.ports[0].node_port = Some(30099)), &["UpdateTCPListener"]),
        ("node", |s| s.change(|s| s.members.nodes.push(node(9))), &["AddBackendServers", "UpdateLoadBalancer"]),
        ("node gone", |s| s.change(|s| drop(s.members.nodes.pop())), &["RemoveBackendServers", "UpdateLoadBalancer"]),
        ("all nodes gone", |s| s.change(|s| s.members.nodes.clear()), &["RemoveBackendServers", "UpdateLoadBalancer"]),
        (
            "draining",
            |s| s.change(|s| s.members.nodes[0].draining = true),
            &["UpdateBackendServers", "UpdateLoadBalancer"],
        ),
        (
            "affinity",
            |s| s.change(|s| s.spec.client_ip_affinity = std::time::Duration::from_secs(9).try_into().ok()),
            &["UpdateTCPListener", "UpdateLoadBalancer"],
        ),
        ("bandwidth", |s| s.with("elastic-ip-bandwidth-in-mbps", "50"), &["ResizeEip"]),
        ("internal", |s| s.with("load-balancer-internal-vpc", "true"), &["UnbindEip", "DeleteEip"]),
    ];
    for (what, edit, calls) in rows {
        let before = Service::new(Kind::Plain);
        let mut world = World::default();
        before.ensure(&mut world);
        let after = edit(before.clone());
        assert_eq!(after.ensure(&mut world), *calls, "{what}");
        before.ensure(&mut world);
        let listeners: Vec<_> = world.only().listeners.iter().filter_map(Listener::key).collect();
        assert_eq!(listeners, [tcp(80)], "{what}");
        assert_eq!(world.only().listeners[0].settings.backend_port, Some(30080), "{what}");
        if *what == "affinity" {
            assert_eq!(world.only().listeners[0].settings.scheduler.as_deref(), Some("RoundRobin"));
        }
        before.delete(&mut world);
        assert_eq!(world.balancers.len() + world.eips.len(), 0, "{what}: {world:#?}");
    }
}

#[test]
fn groups_follow_every_change() {
    type Edit = fn(Service) -> Service;
    let rows: &[(&str, Edit)] = &[
        ("scheduler", |s| s.with("load-balancer-scheduler", "LeastConnection")),
        ("checks", |s| s.with("load-balancer-unhealthy-threshold", "5")),
        ("another port", |s| s.change(|s| s.spec.ports.push(port(v1::Protocol::Tcp, 443, 30443)))),
        ("both protocols", |s| s.change(|s| s.spec.ports.push(port(v1::Protocol::Udp, 80, 30081)))),
        ("another protocol", |s| s.change(|s| s.spec.ports[0].protocol = v1::Protocol::Udp.into())),
        ("port moved", |s| s.change(|s| s.spec.ports[0].port = 81)),
        ("node port moved", |s| s.change(|s| s.spec.ports[0].node_port = Some(30099))),
        ("node", |s| s.change(|s| s.members.nodes.push(node(9)))),
        ("no nodes", |s| s.change(|s| s.members.nodes.clear())),
        ("draining", |s| s.change(|s| s.members.nodes[0].draining = true)),
    ];
    for kind in [Kind::App, Kind::Edge] {
        for (what, edit) in rows {
            let before = Service::new(kind);
            let mut world = World::default();
            before.ensure(&mut world);
            let after = edit(before.clone());
            after.ensure(&mut world);
            for wanted in &after.spec.ports {
                let udp = wanted.protocol() == v1::Protocol::Udp;
                let key = PortKey { udp, port: u16::try_from(wanted.port).unwrap() };
                let (node_port, targets) = world.leads(&world.only().lb.id, key).expect(what);
                assert_eq!(targets.len(), after.members.nodes.len(), "{kind:?} {what}");
                let expected = if targets.is_empty() && kind == Kind::Edge { 0 } else { wanted.node_port.unwrap() };
                assert_eq!(u32::from(node_port), expected, "{kind:?} {what}");
            }
            before.ensure(&mut world);
            assert_eq!(world.only().groups.len(), 1, "{kind:?} {what}");
            before.delete(&mut world);
            assert_eq!(world.balancers.len() + world.eips.len(), 0, "{kind:?} {what}: {world:#?}");
        }
    }
}

/// 68: many servers.
#[test]
fn new_servers_come_before_old_ones_go_but_for_room() {
    let service = Service::new(Kind::Plain).change(|s| s.members.nodes = (1..=30).map(node).collect());
    let mut world = World::default();
    service.ensure(&mut world);
    let moved = service.change(|s| s.members.nodes = (31..=60).map(node).collect());
    assert_eq!(
        moved.ensure(&mut world),
        ["RemoveBackendServers", "AddBackendServers", "RemoveBackendServers", "UpdateLoadBalancer"],
        "ten make room, twenty go last"
    );
    let many = Service::new(Kind::Plain).change(|s| s.members.nodes = (1..=500).map(node).collect());
    many.ensure(&mut world);
    assert_eq!(world.only().backends.len(), 50);
}

/// `TestEnsureEIPWithSpecificIP`; 11.2.12: what the Service's status says is not even asked.
#[test]
fn the_users_address_is_bound_and_never_released() {
    for kind in [Kind::Plain, Kind::App] {
        let mut world = World::default();
        let theirs = world.add_eip(Eip::default());
        let service = Service::new(kind).change(|s| s.spec.load_balancer_ip.clone_from(&theirs));
        service.ensure(&mut world);
        assert_eq!(world.only().lb.public_ip, theirs);
        // To an address of our own: the bound one does as well.
        let made = service.clone().change(|s| s.spec.load_balancer_ip.clear());
        made.ensure(&mut world);
        assert_eq!(world.eips.len(), 1, "{kind:?}");
        let internal = made.with("load-balancer-internal-vpc", "true");
        internal.ensure(&mut world);
        assert!(world.eips[&theirs].instance_id.is_empty(), "{kind:?}: it is unbound");
        service.ensure(&mut world);
        service.delete(&mut world);
        assert!(world.eips[&theirs].instance_id.is_empty() && world.balancers.is_empty());
    }
}

#[test]
fn the_users_address_takes_the_place_of_ours_and_gives_it_back() {
    let mut world = World::default();
    let plain = Service::new(Kind::Plain);
    plain.ensure(&mut world);
    let theirs = world.add_eip(Eip::default());
    let named = plain.clone().change(|s| s.spec.load_balancer_ip.clone_from(&theirs));
    assert_eq!(named.ensure(&mut world), ["UnbindEip", "BindEip", "DeleteEip", "UpdateLoadBalancer"]);
    assert_eq!(world.eips.keys().collect::<Vec<_>>(), [&theirs]);
}

#[test]
fn an_address_that_is_bound_elsewhere_or_not_there_is_refused() {
    let mut world = World::default();
    let taken = world.add_eip(Eip { instance_id: "i-7".to_owned(), ..Eip::default() });
    let service = Service::new(Kind::Plain);
    let refusal = service.clone().change(|s| s.spec.load_balancer_ip = taken).plan(&world).unwrap_err();
    assert!(refusal.message.contains("bound to i-7"), "{refusal:?}");
    let missing = service.change(|s| s.spec.load_balancer_ip = "9.9.9.9".to_owned());
    assert!(missing.plan(&world).unwrap_err().message.contains("no such address"));
}

/// `TestEnsureEIPWithNoSpecificIP`: existing with the same and with changed parameters.
#[test]
fn how_an_address_is_paid_cannot_be_changed() {
    let mut world = World::default();
    let service = Service::new(Kind::Plain);
    service.ensure(&mut world);
    let changed = service.clone().with("elastic-ip-billing-method", "ByBandwidth");
    let refusal = changed.plan(&world).unwrap_err();
    assert!(refusal.message.contains("not support change ElasticIP PaymentTiming or ElasticIP BillingMethod"));
    assert_eq!(service.with("elastic-ip-billing-method", "ByTraffic").plan(&world).unwrap(), []);
}

#[test]
fn an_address_paid_in_advance_is_kept_and_told() {
    let service = Service::new(Kind::Plain)
        .with("elastic-ip-payment-timing", "Prepaid")
        .with("elastic-ip-reservation-length", "1");
    let mut world = World::default();
    service.ensure(&mut world);
    let plan = service.removal_as(&world).unwrap();
    assert!(plan.notes.iter().any(|note| note.reason == "AddressKept" && note.warning), "{plan:?}");
    service.delete(&mut world);
    let eip = world.eips.values().next().unwrap();
    assert!(eip.instance_id.is_empty() && world.balancers.is_empty());
}

/// 36, 11.2.11: public to internal, and back.
#[test]
fn an_address_goes_when_the_service_is_internal_and_another_comes_back() {
    for kind in [Kind::Plain, Kind::App] {
        let public = Service::new(kind);
        let internal = public.clone().with("load-balancer-internal-vpc", "true");
        let mut world = World::default();
        public.ensure(&mut world);
        let first: Vec<String> = world.eips.keys().cloned().collect();
        internal.ensure(&mut world);
        assert!(world.eips.is_empty());
        public.ensure(&mut world);
        assert_ne!(world.eips.keys().cloned().collect::<Vec<_>>(), first, "not the one that is gone, by its token");
        public.delete(&mut world);
        assert!(world.eips.is_empty() && world.balancers.is_empty());
    }
}

/// BPC: internal only.
#[test]
fn the_private_cloud_has_no_addresses_outside() {
    let service = Service::new(Kind::Plain).change(|s| s.public = false);
    let mut world = World::default();
    let calls = service.ensure(&mut world);
    assert!(!calls.iter().any(|call| call.contains("Eip")), "{calls:?}");
    let fixed = service.change(|s| s.spec.load_balancer_ip = "192.168.0.77".to_owned());
    let refusal = fixed.plan(&world).unwrap_err();
    assert!(refusal.message.contains("cannot be changed"), "{refusal:?}");
    let mut world = World::default();
    fixed.ensure(&mut world);
    assert_eq!(world.only().lb.address, "192.168.0.77");
}

#[test]
fn a_reserved_load_balancer_outlives_its_service_empty() {
    for kind in Kind::ALL {
        let service = Service::new(kind).with("load-balancer-reserve-lb", "true");
        let mut world = World::default();
        service.ensure(&mut world);
        service.delete(&mut world);
        let left = world.only();
        assert!(left.listeners.is_empty() && left.backends.is_empty() && left.groups.is_empty(), "{left:#?}");
        assert_eq!((left.lb.desc.as_str(), world.eips.len()), ("reserved", 0), "{kind:?}");
    }
}

#[test]
fn one_that_is_gone_is_made_again_with_another_token() {
    let mut service = Service::new(Kind::Plain).with("load-balancer-internal-vpc", "true");
    let mut world = World::default();
    service.ensure(&mut world);
    let gone = world.only().lb.id.clone();
    world.balancers.clear();
    service.gone.clone_from(&gone);
    service.ensure(&mut world);
    assert_ne!(world.only().lb.id, gone);
}

#[test]
fn somebodys_listener_or_protection_keeps_our_load_balancer_from_being_deleted() {
    let service = Service::new(Kind::Plain);
    let mut world = World::default();
    service.ensure(&mut world);
    let id = world.only().lb.id.clone();
    let by_hand: Listener =
        serde_json::from_value(serde_json::json!({ "listenerPort": 443, "listenerType": "HTTPS" })).unwrap();
    world.of(&id).listeners.push(by_hand);
    let refusal = service.removal(&world).unwrap_err();
    assert!(refusal.message.contains("HTTPS") && refusal.message.contains("443"), "{refusal:?}");
    assert_eq!(service.plan(&world).unwrap(), [], "and an ensure leaves it alone");
    let clash = service.clone().change(|s| s.spec.ports.push(port(v1::Protocol::Tcp, 443, 30443)));
    assert!(clash.plan(&world).unwrap_err().message.contains("HTTPS"));
    world.of(&id).listeners.pop();
    world.of(&id).lb.allow_delete = Some(false);
    assert!(service.removal(&world).unwrap_err().message.contains("deletion protection"));
}

/// `TestCreateListener`, `TestUpdateListener`: what is said and what is not.
#[test]
fn listeners_are_made_with_what_is_said_and_changed_in_nothing_else() {
    let service = Service::new(Kind::Plain)
        .change(|s| s.spec.ports.push(port(v1::Protocol::Udp, 53, 30053)))
        .with("load-balancer-health-check-string", "ping")
        .with("load-balancer-healthy-threshold", "2");
    let mut world = World::default();
    service.ensure(&mut world);
    let of = |world: &World, key| world.only().listener(key).unwrap().settings.clone();
    let udp = PortKey { udp: true, port: 53 };
    assert_eq!(of(&world, udp).health_check_string.as_deref(), Some("ping"));
    assert_eq!(of(&world, tcp(80)).healthy_threshold, Some(2));
    assert_eq!(of(&world, tcp(80)).health_check_string, None);
    // The console's settings stay where no annotation speaks of them.
    let id = world.only().lb.id.clone();
    for listener in &mut world.of(&id).listeners {
        listener.settings = ListenerChange {
            health_check_interval: Some(9),
            scheduler: Some("Hash".to_owned()),
            ..listener.settings.clone()
        };
    }
    assert_eq!(service.plan(&world).unwrap(), []);
    let plain = service.without("load-balancer-health-check-string").without("load-balancer-healthy-threshold");
    assert_eq!(plain.plan(&world).unwrap(), []);
    assert_eq!(
        plain.with("load-balancer-health-check-interval", "3").ensure(&mut world),
        ["UpdateTCPListener", "UpdateUDPListener"]
    );
}

#[test]
fn the_type_of_one_that_is_there_stays_and_is_told() {
    let mut world = World::default();
    Service::new(Kind::Plain).ensure(&mut world);
    let other = Service::new(Kind::App);
    let plan = other.plan_as(&world, Some("h1")).unwrap();
    assert!(plan.steps.is_empty() && plan.notes.iter().any(|note| note.reason == "TypeUnchanged"), "{plan:?}");
}
