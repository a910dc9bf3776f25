//! What the Go provider made is adopted, and only where something proves whose it is.

use cloud_provider_api::v1;

use super::{
    cloud::World,
    rig::{EIP, SHARED, Service, port},
};
use crate::{
    api::elb::{Id, Listener, LoadBalancer, Member, Pool},
    plan::{
        adopt::{Verdict, judge},
        record::Record,
        seen::{Balancer, Seen},
        step::Made,
    },
};

/// A load balancer as the Go provider makes it, with one member.
fn made_by_go(world: &mut World, address: Option<&str>) -> String {
    let lb = LoadBalancer {
        name: "k8s_service_kubernetes_default_web".to_owned(),
        description: "Created by the ELB service(default/web) of the k8s cluster(kubernetes).".to_owned(),
        guaranteed: Some(false),
        vpc_id: "vpc-1".to_owned(),
        ..LoadBalancer::default()
    };
    let id = world.add_balancer(lb, &mut Made::default());
    let balancer = world.balancers.get_mut(&id).unwrap();
    balancer.listeners.push(Listener {
        id: "l-go".to_owned(),
        name: "web_TCP_80".to_owned(),
        protocol: "TCP".to_owned(),
        protocol_port: 80,
        ..Listener::default()
    });
    balancer.pools.push(Pool {
        id: "p-go".to_owned(),
        name: "sg_web_TCP_80".to_owned(),
        protocol: "TCP".to_owned(),
        lb_algorithm: "ROUND_ROBIN".to_owned(),
        listeners: vec![Id { id: "l-go".to_owned() }],
        ..Pool::default()
    });
    let member = |address: &str| Member {
        id: "m-go".to_owned(),
        address: address.to_owned(),
        protocol_port: 30080,
        weight: Some(1),
        ..Member::default()
    };
    balancer.members.insert("p-go".to_owned(), address.map(member).into_iter().collect());
    id
}

fn verdict(service: &Service, address: Option<&str>) -> Verdict {
    let mut world = World::default();
    let id = made_by_go(&mut world, address);
    judge(&world.balancers[&id], &service.wanted().unwrap())
}

#[test]
fn a_member_of_this_service_proves_it_and_a_name_does_not() {
    let service = Service::new(SHARED);
    assert_eq!(verdict(&service, Some("192.168.0.3")), Verdict::Ours);
    assert_eq!(verdict(&service, Some("192.168.7.7")), Verdict::Foreign, "another cluster's");
    assert_eq!(verdict(&service, None), Verdict::Unclear);
    let nobody = service.clone().change(|s| s.members.nodes.clear());
    assert_eq!(verdict(&nobody, Some("192.168.7.7")), Verdict::Unclear);
}

#[test]
fn a_person_decides_what_is_unclear() {
    let service = Service::new(SHARED);
    assert_eq!(verdict(&service.clone().with(&[("adopt", "lb-1")]), None), Verdict::Ours);
    assert_eq!(verdict(&service.clone().with(&[("adopt", "lb-9")]), None), Verdict::Foreign);
    assert_eq!(verdict(&service.with(&[("adopt", "none")]), Some("192.168.0.3")), Verdict::Foreign);
}

#[test]
fn what_is_adopted_is_marked_and_not_made_again() {
    let service = Service::new(SHARED);
    let mut world = World::default();
    let id = made_by_go(&mut world, Some("192.168.0.3"));
    let target = Balancer { owned: true, ..world.balancers[&id].clone() };
    let seen = Seen { target: Some(target), ..Seen::default() };
    let steps = crate::plan::balancer::plan(&service.wanted().unwrap(), &seen, Some("h1")).unwrap();
    let calls = super::rig::names(&steps);
    assert_eq!(
        calls,
        [
            "BatchCreateLoadBalancerTags",
            "UpdateLoadBalancer",
            "UpdatePool",
            "BatchCreateMembers",
            "CreateHealthMonitor",
            "UpdateListener",
            "UpdateLoadBalancer"
        ]
    );
    super::rig::carry_out(&steps, &mut world);
    assert_eq!(service.plan(&world).unwrap(), [], "found by its mark from now on");
    service.delete(&mut world);
    assert!(world.balancers.is_empty());
}

#[test]
fn a_listener_of_the_same_name_on_the_users_load_balancer_needs_proof_too() {
    for (address, adopted) in [("192.168.0.3", true), ("192.168.7.7", false)] {
        let mut world = World::default();
        let id = made_by_go(&mut world, Some(address));
        let service = Service::new(SHARED).with(&[("id", &id)]);
        assert_eq!(service.plan(&world).is_ok(), adopted, "{address}");
        if adopted {
            let calls = service.ensure(&mut world);
            assert!(!calls.contains(&"CreateListener"), "{calls:?}");
            assert_eq!(service.plan(&world).unwrap(), [], "what is done is recorded on the adopted listener");
        }
    }
}

#[test]
fn the_record_on_the_users_load_balancer_moves_to_a_listener_that_replaces_the_first() {
    let mut world = World::default();
    let id = made_by_go(&mut world, Some("192.168.0.3"));
    let service = Service::new(SHARED).with(&[("id", &id)]);
    service.ensure(&mut world);
    let service = service.with(&[("x-forwarded-host", "true")]);
    let calls = service.ensure(&mut world);
    assert!(calls.contains(&"DeleteListenerForce") && calls.contains(&"CreateListener"), "{calls:?}");
    assert_eq!(service.plan(&world).unwrap(), []);
}

#[test]
fn the_record_on_the_users_load_balancer_is_on_one_listener_whatever_port_comes_first() {
    let mut world = World::default();
    let id = made_by_go(&mut world, Some("192.168.0.3"));
    let other = port(v1::Protocol::Tcp, 81, 30081);
    let mut service = Service::new(SHARED).with(&[("id", &id)]).change(|s| s.spec.ports.push(other));
    for turn in 0..3 {
        service.ensure(&mut world);
        let listeners = &world.balancers[&id].listeners;
        let done: Vec<u16> = listeners
            .iter()
            .filter(|listener| Record::read(&listener.description).done.is_some())
            .map(|listener| listener.protocol_port)
            .collect();
        assert_eq!(done, [if turn % 2 == 0 { 80 } else { 81 }]);
        assert_eq!(service.plan(&world).unwrap(), []);
        service = service.change(|s| s.spec.ports.reverse());
    }
}

/// An adopted load balancer has an address whose bandwidth is called so. What is left of it after the Service, with these
/// annotations all along.
fn address_left(bandwidth: &str, annotations: &[(&str, &str)]) -> bool {
    let service = Service::new(SHARED).with(annotations);
    let mut world = World::default();
    let id = made_by_go(&mut world, Some("192.168.0.3"));
    let eip = world.bound_eip(&id, bandwidth);
    let target = Balancer { owned: true, ..world.balancers[&id].clone() };
    let seen = Seen { target: Some(target), eips: world.eips.clone(), ..Seen::default() };
    let steps = crate::plan::balancer::plan(&service.wanted().unwrap(), &seen, Some("h1")).unwrap();
    super::rig::carry_out(&steps, &mut world);
    assert!(!world.eips[&eip].port_id.is_empty(), "{bandwidth} {annotations:?}: adoption unbinds nothing");
    assert_eq!(service.plan(&world).unwrap(), [], "{bandwidth} {annotations:?}");
    service.delete(&mut world);
    world.eips.contains_key(&eip)
}

#[test]
fn an_address_the_go_provider_allocated_goes_with_the_service_and_no_other() {
    for (bandwidth, annotations, left) in [
        ("default_web", &[EIP] as &[_], false),
        ("default_web", &[], false),
        ("default_web", &[EIP, ("keep-eip", "true")], true),
        ("other_web", &[], true),
        ("other_web", &[EIP], true),
    ] {
        assert_eq!(address_left(bandwidth, annotations), left, "{bandwidth} {annotations:?}");
    }
}
