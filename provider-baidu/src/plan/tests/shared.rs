//! Load balancers of the user's, and several Services on one.

use cloud_provider_api::v1;

use super::{
    super::PortKey,
    cloud::World,
    rig::{Service, node, owner, port},
};
use crate::api::{
    balancers::{Backend, Kind, Listener, ListenerChange, LoadBalancer},
    eip::Eip,
};

fn theirs(world: &mut World, kind: Kind) -> String {
    world.add_balancer(LoadBalancer {
        kind,
        name: "theirs".to_owned(),
        desc: "ours, ask Li".to_owned(),
        ..Default::default()
    })
}

fn on(id: &str, kind: Kind, uid: &str, number: u32) -> Service {
    Service::new(kind).with("load-balancer-exist-id", id).change(|s| {
        s.owner = owner(uid);
        s.owner.service = uid.to_owned();
        s.spec.ports = vec![port(v1::Protocol::Tcp, number, 30000 + number)];
    })
}

fn listener(number: u16, backend_port: u16) -> Listener {
    let settings = ListenerChange {
        backend_port: Some(backend_port),
        scheduler: Some("RoundRobin".to_owned()),
        ..ListenerChange::default()
    };
    Listener::of(PortKey { udp: false, port: number }, settings)
}

/// 70, 81, 85, 11.2.7.
#[test]
fn services_share_a_load_balancer_and_leave_it_as_it_was() {
    for kind in [Kind::Plain, Kind::App] {
        let mut world = World::default();
        let id = theirs(&mut world, kind);
        world.of(&id).lb.public_ip = "1.2.3.4".to_owned();
        let before = world.clone();
        let (first, second) = (on(&id, kind, "u1", 80), on(&id, kind, "u2", 81));
        first.ensure(&mut world);
        second.ensure(&mut world);
        assert_eq!(first.plan(&world).unwrap(), [], "{kind:?}: neither undoes the other's");
        let clash = on(&id, kind, "u3", 80).plan(&world).unwrap_err();
        assert!(clash.message.contains("TCP/80"), "{kind:?}: {clash:?}");
        first.delete(&mut world);
        assert_eq!(world.balancers[&id].listeners.len(), 1, "{kind:?}: the other's stays");
        assert_eq!(second.plan(&world).unwrap(), [], "{kind:?}");
        second.delete(&mut world);
        assert_eq!(world.balancers, before.balancers, "{kind:?}");
    }
}

#[test]
fn what_the_user_put_there_stays() {
    let mut world = World::default();
    let id = theirs(&mut world, Kind::Plain);
    let balancer = world.of(&id);
    balancer.listeners.push(listener(22, 22));
    balancer.backends.push(Backend { instance: "i-users".to_owned(), weight: 100 });
    let before = world.clone();
    let service = on(&id, Kind::Plain, "u1", 80);
    service.ensure(&mut world);
    let fewer = service.clone().change(|s| drop(s.members.nodes.pop()));
    let plan = fewer.plan_as(&world, Some("h1")).unwrap();
    assert!(plan.steps.is_empty(), "a server that may be the user's is not taken away: {:#?}", plan.steps);
    assert!(plan.notes.iter().any(|note| note.reason == "ServersStay"));
    let refusal = on(&id, Kind::Plain, "u2", 22).plan(&world).unwrap_err();
    assert!(refusal.message.contains("TCP/22"), "{refusal:?}");
    service.delete(&mut world);
    assert_eq!(world.balancers[&id].listeners, before.balancers[&id].listeners);
    assert!(world.balancers[&id].backends.iter().any(|backend| backend.instance == "i-users"));
    assert_eq!(world.balancers[&id].lb.desc, before.balancers[&id].lb.desc);
}

#[test]
fn servers_of_a_sole_service_follow_its_nodes() {
    let mut world = World::default();
    let id = theirs(&mut world, Kind::Plain);
    let service = on(&id, Kind::Plain, "u1", 80);
    service.ensure(&mut world);
    let moved = service.change(|s| s.members.nodes = (5..=6).map(node).collect());
    moved.ensure(&mut world);
    let there: Vec<_> = world.balancers[&id].backends.iter().map(|backend| backend.instance.as_str()).collect();
    assert_eq!(there, ["i-5", "i-6"]);
    moved.clone().change(|s| s.members.nodes.clear()).ensure(&mut world);
    assert!(world.balancers[&id].backends.is_empty(), "an empty set drains");
}

/// The Go provider's listeners on a load balancer of the user's, where nothing says whose they are.
#[test]
fn a_listener_that_leads_to_our_node_port_on_our_nodes_is_taken_over() {
    let mut world = World::default();
    let id = theirs(&mut world, Kind::Plain);
    let balancer = world.of(&id);
    balancer.listeners.push(listener(80, 30080));
    balancer.backends = (1..=3).map(|n| Backend { instance: format!("i-{n}"), weight: 100 }).collect();
    let service = on(&id, Kind::Plain, "u1", 80).with("load-balancer-internal-vpc", "true");
    let calls = service.ensure(&mut world);
    assert_eq!(calls, ["UpdateLoadBalancer"], "nothing is made again");
    let foreign = on(&id, Kind::Plain, "u2", 80);
    foreign.plan(&world).unwrap_err();
}

/// The `id` of another Service's own load balancer, by annotation.
#[test]
fn anothers_own_load_balancer_is_nothing_to_share() {
    let mut world = World::default();
    Service::new(Kind::Plain).ensure(&mut world);
    let id = world.only().lb.id.clone();
    let thief = on(&id, Kind::Plain, "u2", 81);
    let hints = super::super::owner::Hints::default();
    let claim = thief.owner.claim_balancer(&world.only().lb, &hints);
    assert_eq!(claim, super::super::owner::Claim::Other("k8s:c1/u1".to_owned()));
}

#[test]
fn the_users_own_address_stays_and_serves() {
    let mut world = World::default();
    let id = theirs(&mut world, Kind::Plain);
    let ip = world.add_eip(Eip { instance_id: id.clone(), ..Eip::default() });
    world.of(&id).lb.public_ip.clone_from(&ip);
    let service = on(&id, Kind::Plain, "u1", 80);
    service.ensure(&mut world);
    let other = world.add_eip(Eip::default());
    let named = service.clone().change(|s| s.spec.load_balancer_ip = other);
    assert!(named.plan(&world).unwrap_err().message.contains("not bound for this Service"));
    service.clone().with("load-balancer-internal-vpc", "true").ensure(&mut world);
    service.delete(&mut world);
    assert_eq!(world.eips[&ip].instance_id, id);
}

/// A Service that moves from its own load balancer to the user's, and back.
#[test]
fn moving_to_the_users_load_balancer_and_back_leaves_nothing_behind() {
    let mut world = World::default();
    let own = Service::new(Kind::Plain);
    own.ensure(&mut world);
    let id = theirs(&mut world, Kind::Plain);
    let moved = own.clone().with("load-balancer-exist-id", &id);
    let calls = moved.ensure(&mut world);
    let place = |name: &str| calls.iter().position(|call| *call == name).unwrap();
    assert!(place("CreateTCPListener") < place("DeleteLoadBalancer"), "{calls:?}");
    assert_eq!((world.balancers.len(), world.eips.len()), (1, 1), "{world:#?}");
    // The first creation is remembered by the cloud, and what it made is gone.
    let back = own.change(|s| {
        s.former = vec![id.clone()];
        s.gone = "lb-1".to_owned();
    });
    back.ensure(&mut world);
    assert!(world.balancers[&id].listeners.is_empty() && world.balancers[&id].lb.desc == "ours, ask Li");
    back.delete(&mut world);
    assert_eq!((world.balancers.len(), world.eips.len()), (1, 0), "{world:#?}");
}
