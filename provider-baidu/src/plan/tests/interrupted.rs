//! Whoever is interrupted after any call, and begins again, ends where the undisturbed one does.

use cloud_provider_api::v1;

use super::{
    super::step::{Made, Step},
    cloud::World,
    rig::{Service, node, port},
};
use crate::api::{
    balancers::{Kind, LoadBalancer},
    eip::Eip,
};

type Steps = fn(&Service, &World) -> Vec<Step>;

fn ensure(service: &Service, world: &World) -> Vec<Step> {
    service.plan(world).unwrap()
}

fn remove(service: &Service, world: &World) -> Vec<Step> {
    service.removal(world).unwrap()
}

/// The first so many steps.
fn carry_out(steps: &[Step], most: usize, world: &mut World) {
    let mut made = Made::default();
    for step in steps.iter().take(most) {
        world.apply(step, &mut made);
    }
}

/// Interrupted after any number of calls, and after any number of calls once more; then left alone.
fn check(what: &str, before: &World, service: &Service, steps: Steps) {
    let mut undisturbed = before.clone();
    carry_out(&steps(service, before), usize::MAX, &mut undisturbed);
    assert!(steps(service, &undisturbed).is_empty(), "{what}: {:#?}", steps(service, &undisturbed));
    for first in 0..=steps(service, before).len() {
        let mut once = before.clone();
        carry_out(&steps(service, &once), first, &mut once);
        for second in 0..=steps(service, &once).len() {
            let mut world = once.clone();
            carry_out(&steps(service, &world), second, &mut world);
            carry_out(&steps(service, &world), usize::MAX, &mut world);
            let rest = steps(service, &world);
            assert!(rest.is_empty(), "{what}, interrupted after {first} and {second}: {rest:#?}");
            assert_eq!(world.shape(), undisturbed.shape(), "{what}, interrupted after {first} and {second}");
        }
    }
}

fn changed(service: &Service) -> Service {
    service.clone().with("load-balancer-scheduler", "LeastConnection").change(|s| {
        s.spec.ports = vec![port(v1::Protocol::Udp, 80, 30081), port(v1::Protocol::Tcp, 443, 30443)];
        s.members.nodes.remove(0);
        s.members.nodes.push(node(7));
    })
}

#[test]
fn the_whole_life_of_each_kind_survives_any_two_interruptions() {
    for kind in Kind::ALL {
        let service = Service::new(kind);
        let mut world = World::default();
        check(&format!("{kind:?} made"), &world, &service, ensure);
        service.ensure(&mut world);
        check(&format!("{kind:?} removed"), &world, &service, remove);
        check(&format!("{kind:?} changed"), &world, &changed(&service), ensure);
        let internal = changed(&service).with("load-balancer-internal-vpc", "true");
        if kind != Kind::Edge {
            check(&format!("{kind:?} made internal"), &world, &internal, ensure);
            internal.ensure(&mut world);
            check(&format!("{kind:?} made public"), &world, &service, ensure);
            let theirs = world.add_eip(Eip::default());
            let named = service.clone().change(|s| s.spec.load_balancer_ip.clone_from(&theirs));
            check(&format!("{kind:?} with the user's address"), &world, &named, ensure);
            service.ensure(&mut world);
            check(&format!("{kind:?} with the user's address in place of ours"), &world, &named, ensure);
        }
        changed(&service).ensure(&mut world);
        check(&format!("{kind:?} removed after a change"), &world, &changed(&service), remove);
    }
}

#[test]
fn a_creation_that_was_interrupted_can_be_removed_from_anywhere() {
    for kind in Kind::ALL {
        let service = Service::new(kind);
        for after in 0..=ensure(&service, &World::default()).len() {
            let mut world = World::default();
            carry_out(&ensure(&service, &world), after, &mut world);
            check(&format!("{kind:?} half made ({after}), removed"), &world, &service, remove);
            service.delete(&mut world);
            assert_eq!(world.balancers.len() + world.eips.len(), 0, "{kind:?} {after}: {world:#?}");
        }
    }
}

#[test]
fn work_on_the_users_load_balancer_survives_any_two_interruptions() {
    for kind in [Kind::Plain, Kind::App] {
        let mut world = World::default();
        let id = world.add_balancer(LoadBalancer {
            kind,
            name: "theirs".to_owned(),
            desc: "the team's".to_owned(),
            ..LoadBalancer::default()
        });
        let empty = world.clone();
        let service = Service::new(kind).with("load-balancer-exist-id", &id);
        check(&format!("{kind:?} come"), &world, &service, ensure);
        service.ensure(&mut world);
        check(&format!("{kind:?} changed"), &world, &changed(&service), ensure);
        check(&format!("{kind:?} gone"), &world, &service, remove);
        service.delete(&mut world);
        assert_eq!(world.balancers, empty.balancers, "{kind:?}: the user's load balancer is as it was");
        assert!(world.eips.is_empty());
    }
}
