//! Whole lives.

use cloud_provider_api::v1;

use super::{
    cloud::World,
    rig::{DEDICATED, EIP, SHARED, Service, carry_out, names, node, owner, port},
};
use crate::{api::elb::LoadBalancer, plan::step::Made};

const PORT: [&str; 4] = ["CreatePool", "BatchCreateMembers", "CreateHealthMonitor", "CreateListener"];

fn with_port(before: &[&'static str], after: &[&'static str]) -> Vec<&'static str> {
    [before, &PORT, after].concat()
}

#[test]
fn a_load_balancer_is_made_with_one_call_for_each_object_and_one_for_the_record() {
    for (annotations, eip, calls) in [
        (SHARED, false, with_port(&["CreateLoadbalancer"], &["UpdateLoadBalancer"])),
        (DEDICATED, false, with_port(&["CreateLoadBalancer"], &["UpdateLoadBalancer"])),
        (SHARED, true, with_port(&["CreateLoadbalancer"], &["CreatePublicip", "UpdateLoadBalancer"])),
        // The address of a dedicated one is part of its creation.
        (DEDICATED, true, with_port(&["CreateLoadBalancer"], &["UpdateLoadBalancer"])),
    ] {
        let service = if eip { Service::new(annotations).with(&[EIP]) } else { Service::new(annotations) };
        let mut world = World::default();
        assert_eq!(service.ensure(&mut world), calls, "{annotations:?} {eip}");
        let lb = &world.balancers.values().next().unwrap().lb;
        assert_eq!(lb.eips.len(), usize::from(eip));
        assert!(lb.description.contains("k8s:c1/u1") && lb.description.contains("h1"), "{}", lb.description);
        service.delete(&mut world);
        assert_eq!((world.balancers.len(), world.eips.len()), (0, 0), "{annotations:?}: nothing stays");
    }
}

#[test]
fn every_change_makes_the_calls_it_needs_and_no_more() {
    type Edit = fn(Service) -> Service;
    let rows: &[(&str, Edit, &[&str])] = &[
        ("nothing", |s| s, &[]),
        ("algorithm", |s| s.with(&[("lb-algorithm", "LEAST_CONNECTIONS")]), &["UpdatePool"]),
        ("idle timeout", |s| s.with(&[("idle-timeout", "100")]), &["UpdateListener"]),
        ("client address", |s| s.with(&[("enable-transparent-client-ip", "true")]), &["UpdateListener"]),
        ("health check", |s| s.with(&[("health-check-option", r#"{"delay":9}"#)]), &["UpdateHealthMonitor"]),
        ("no health check", |s| s.with(&[("health-check-flag", "off")]), &["DeleteHealthMonitor"]),
        (
            "affinity",
            |s| s.change(|s| s.spec.client_ip_affinity = Some(prost_types::Duration { seconds: 600, nanos: 0 })),
            &["UpdatePool"],
        ),
        (
            "health port",
            |s| {
                s.change(|s| {
                    s.spec.external_traffic_policy = v1::TrafficPolicy::Local.into();
                    s.spec.health_check_node_port = Some(31000);
                })
            },
            &["UpdateHealthMonitor"],
        ),
        (
            "source ranges",
            |s| s.change(|s| s.spec.source_ranges = vec!["203.0.113.0/24".to_owned()]),
            &["CreateIpGroup", "UpdateListener"],
        ),
        ("open to all", |s| s.change(|s| s.spec.source_ranges = vec!["0.0.0.0/0".to_owned()]), &[]),
        (
            "another port",
            |s| s.change(|s| s.spec.ports.push(port(v1::Protocol::Udp, 80, 30081))),
            &["CreatePool", "BatchCreateMembers", "CreateHealthMonitor", "CreateListener", "UpdateLoadBalancer"],
        ),
        (
            "port moved",
            |s| s.change(|s| s.spec.ports[0].port = 81),
            &["CreatePool", "BatchCreateMembers", "CreateHealthMonitor", "CreateListener", "DeleteListenerForce"],
        ),
        (
            "node port moved",
            |s| s.change(|s| s.spec.ports[0].node_port = Some(30099)),
            &["BatchCreateMembers", "BatchDeleteMembers", "UpdateLoadBalancer"],
        ),
        (
            "HTTP",
            |s| s.with(&[("x-forwarded-host", "true")]),
            // The record says that clients within the cluster have to go through the load balancer now.
            &[
                "CreatePool",
                "BatchCreateMembers",
                "CreateHealthMonitor",
                "DeleteListenerForce",
                "CreateListener",
                "UpdateLoadBalancer",
            ],
        ),
        ("member", |s| s.change(|s| s.members.nodes.push(node(9))), &["BatchCreateMembers", "UpdateLoadBalancer"]),
        (
            "draining",
            |s| s.change(|s| s.members.nodes[0].draining = true),
            &["BatchUpdateMembers", "UpdateLoadBalancer"],
        ),
        ("public address", |s| s.with(&[EIP]), &["CreatePublicip", "UpdateLoadBalancer"]),
    ];
    for (what, edit, calls) in rows {
        let before = Service::new(SHARED);
        let mut world = World::default();
        before.ensure(&mut world);
        let after = edit(before.clone());
        assert_eq!(after.ensure(&mut world), *calls, "{what}");
        // And back: what an annotation asked for goes with it.
        let back = before.ensure(&mut world);
        assert_eq!(back.is_empty(), calls.is_empty(), "{what}: {back:?}");
        before.delete(&mut world);
        assert_eq!(world.balancers.len() + world.groups.len() + world.eips.len(), 0, "{what}: {world:#?}");
    }
}

#[test]
fn new_members_come_before_old_ones_go_and_500_take_three_calls() {
    let service = Service::new(SHARED).change(|s| s.members.nodes = (1..=500).map(node).collect());
    let mut world = World::default();
    let calls = service.ensure(&mut world);
    assert_eq!(calls.iter().filter(|name| **name == "BatchCreateMembers").count(), 3);
    let moved = service.change(|s| s.members.nodes = (501..=600).map(node).collect());
    let calls = moved.ensure(&mut world);
    let place = |name: &str| calls.iter().position(|other| *other == name).unwrap();
    assert!(place("BatchCreateMembers") < place("BatchDeleteMembers"), "{calls:?}");
}

#[test]
fn tls_ends_at_either_kind_in_its_own_words() {
    for (annotations, word) in [(SHARED, "TERMINATED_HTTPS"), (DEDICATED, "HTTPS")] {
        let service = Service::new(annotations).with(&[("default-tls-container-ref", "cert-1")]);
        let mut world = World::default();
        service.ensure(&mut world);
        assert_eq!(world.balancers.values().next().unwrap().listeners[0].protocol, word);
        // The cloud turns one word into the other, and either is recognised.
        for other in ["TERMINATED_HTTPS", "HTTPS"] {
            let balancer = world.balancers.values_mut().next().unwrap();
            balancer.listeners[0].protocol = other.to_owned();
            assert_eq!(service.plan(&world).unwrap(), [], "{word} as {other}");
        }
        let renewed = service.with(&[("default-tls-container-ref", "cert-2")]);
        assert_eq!(renewed.ensure(&mut world), ["UpdateListener"]);
    }
}

#[test]
fn another_class_is_made_before_the_old_one_goes_and_the_address_moves() {
    for (from, to) in [(SHARED, DEDICATED), (DEDICATED, SHARED)] {
        let mut world = World::default();
        Service::new(from).with(&[EIP]).ensure(&mut world);
        let address: Vec<String> = world.eips.keys().cloned().collect();
        let calls = Service::new(to).with(&[EIP]).ensure(&mut world);
        let place = |name: &str| calls.iter().position(|other| *other == name).unwrap();
        assert!(place("CreateListener") < place("UpdatePublicip"), "{calls:?}");
        assert!(place("UpdatePublicip") < place("DeleteLoadBalancerForce"), "{calls:?}");
        assert_eq!(world.balancers.len(), 1);
        assert_eq!(world.eips.keys().cloned().collect::<Vec<_>>(), address, "the address is the same");
        assert_eq!(world.balancers.values().next().unwrap().lb.eips[0].eip_id, address[0]);
    }
}

#[test]
fn the_users_address_is_bound_and_never_released() {
    for annotations in [SHARED, DEDICATED] {
        let mut world = World::default();
        let eip = world.add_eip("theirs".to_owned());
        let service = Service::new(annotations).with(&[("eip-id", &eip)]);
        service.ensure(&mut world);
        assert_eq!(world.balancers.values().next().unwrap().lb.eips[0].eip_id, eip);
        service.delete(&mut world);
        assert!(world.eips[&eip].port_id.is_empty() && world.balancers.is_empty());
    }
}

#[test]
fn an_allocated_address_can_outlive_its_service() {
    for annotations in [SHARED, DEDICATED] {
        let service = Service::new(annotations).with(&[EIP, ("keep-eip", "true")]);
        let mut world = World::default();
        service.ensure(&mut world);
        service.delete(&mut world);
        assert_eq!((world.balancers.len(), world.eips.len()), (0, 1));
    }
}

#[test]
fn on_the_users_load_balancer_only_our_listeners_come_and_go() {
    let mut world = World::default();
    let theirs = LoadBalancer { name: "theirs".to_owned(), guaranteed: Some(false), ..LoadBalancer::default() };
    let id = world.add_balancer(theirs, &mut Made::default());
    let before = world.clone();
    let first = Service::new(SHARED).with(&[("id", &id)]);
    let mut second = first.clone().change(|s| s.spec.ports[0].port = 81);
    second.owner = owner("u2");
    first.ensure(&mut world);
    second.ensure(&mut world);
    let clash = Service { owner: owner("u3"), ..first.clone() };
    let refusal = clash.plan(&world).unwrap_err();
    assert!(refusal.message.contains("TCP/80") && refusal.message.contains("k8s:c1/u1"), "{refusal:?}");
    first.delete(&mut world);
    assert_eq!(world.balancers[&id].listeners.len(), 1, "the other Service's stays");
    second.delete(&mut world);
    assert_eq!(world.balancers[&id], before.balancers[&id]);
}

#[test]
fn leaving_the_users_load_balancer_cleans_up_there() {
    let mut world = World::default();
    let theirs = LoadBalancer { guaranteed: Some(false), ..LoadBalancer::default() };
    let id = world.add_balancer(theirs, &mut Made::default());
    let service = Service::new(SHARED).with(&[("id", &id)]);
    service.ensure(&mut world);
    let moved = service.clone().without("id");
    let wanted = moved.wanted().unwrap();
    let mut seen = world.see(&moved.owner, false, None);
    // The handle tells where it was.
    seen.leftovers.push(world.balancers[&id].clone());
    let steps = super::super::balancer::plan(&wanted, &seen, Some("h1")).unwrap();
    carry_out(&steps, &mut world);
    assert!(world.balancers[&id].listeners.is_empty() && world.balancers[&id].pools.is_empty());
    assert_eq!(names(&steps).last(), Some(&"UpdateLoadBalancer"));
}

#[test]
fn somebodys_listener_keeps_our_load_balancer_from_being_deleted() {
    let service = Service::new(SHARED);
    let mut world = World::default();
    service.ensure(&mut world);
    let other = crate::api::elb::Listener {
        id: "l-x".to_owned(),
        name: "by hand".to_owned(),
        protocol: "TCP".to_owned(),
        protocol_port: 9000,
        ..Default::default()
    };
    world.balancers.values_mut().next().unwrap().listeners.push(other);
    let refusal = service.removal(&world).unwrap_err();
    assert!(refusal.message.contains("l-x"), "{refusal:?}");
    assert_eq!(service.plan(&world).unwrap(), [], "and an ensure leaves it alone");
}

#[test]
fn dual_stack_is_made_where_it_can_be_and_refused_with_a_reason_where_not() {
    let dual = |policy: v1::IpFamilyPolicy| {
        move |s: &mut Service| {
            s.spec.ip_family_policy = policy.into();
            s.spec.ip_families = vec![v1::IpFamily::Ipv4.into(), v1::IpFamily::Ipv6.into()];
        }
    };
    let mut world = World::default();
    Service::new(DEDICATED).change(dual(v1::IpFamilyPolicy::RequireDualStack)).ensure(&mut world);
    assert!(!world.balancers.values().next().unwrap().lb.ipv6_vip_address.is_empty());
    let refusal = Service::new(SHARED).change(dual(v1::IpFamilyPolicy::RequireDualStack)).wanted().unwrap_err();
    assert!(refusal.precondition && refusal.message.contains("dedicated"), "{refusal:?}");
    let wanted = Service::new(SHARED).change(dual(v1::IpFamilyPolicy::PreferDualStack)).wanted().unwrap();
    assert!(!wanted.families.v6 && wanted.notes.iter().any(|note| note.reason == "SingleStack"));
}

#[test]
fn what_cannot_be_is_refused_by_field() {
    type Edit = fn(Service) -> Service;
    let rows: &[(&str, Edit)] = &[
        ("SCTP", |s| s.change(|s| s.spec.ports[0].protocol = v1::Protocol::Sctp.into())),
        ("is no CIDR", |s| s.change(|s| s.spec.source_ranges = vec!["x".to_owned()])),
        ("no subnet of the VPC", |s| {
            s.change(|s| s.members.nodes.iter_mut().for_each(|node| node.addresses[0].address = "10.9.9.9".to_owned()))
        }),
        ("acl-id", |s| {
            s.with(&[("acl-id", "g1")]).change(|s| s.spec.source_ranges = vec!["203.0.113.0/24".to_owned()])
        }),
        ("1 to 60 minutes", |s| {
            s.with(&[("session-affinity-flag", "on"), ("session-affinity-option", r#"{"persistence_timeout":90}"#)])
        }),
        ("cookies need an HTTP port", |s| {
            s.with(&[("session-affinity-flag", "on"), ("session-affinity-option", r#"{"type":"HTTP_COOKIE"}"#)])
        }),
    ];
    for (word, edit) in rows {
        let refusal = edit(Service::new(SHARED)).wanted().unwrap_err();
        assert!(refusal.message.contains(word), "{word}: {refusal:?}");
    }
}
