//! Services whose tenant is given, taken away, changed, and made up.

use super::{
    World,
    world::{End, fault, finalized, nodes},
};
use crate::{
    fault::{Code, Retry},
    names::{ANNOTATION_HANDLE, ANNOTATION_PROVIDER, ANNOTATION_TENANT},
    service::tests::service,
    view::{Service, ServiceType},
};

/// In a namespace of tenant `a`, with its load balancer.
fn settled() -> World {
    let mut world = World { mapped: Some("a"), ..World::new(service()) };
    world.expect(&["claim", "ensure as a", "report"]);
    world.events.clear();
    world
}

fn noted(world: &World) -> Option<&str> {
    world.service.as_ref().unwrap().annotations.get(ANNOTATION_TENANT).map(String::as_str)
}

fn note(world: &mut World, tenant: &str) {
    world.edit(|service| _ = service.annotations.insert(ANNOTATION_TENANT.into(), tenant.into()));
}

fn balancers(world: &mut World) -> Vec<String> {
    world.cloud().load_balancers.keys().cloned().collect()
}

#[test]
fn a_service_is_made_for_the_tenant_of_its_namespace_and_says_so() {
    let mut world = settled();
    assert_eq!(noted(&world), Some("a"));
    assert_eq!(balancers(&mut world), ["uid-1 as a"]);
    world.restart_controller();
    world.expect(&["look as a"]);
}

#[test]
fn a_namespace_without_a_tenant_gets_nothing_and_is_told_why() {
    let mut world = World { mapped: None, ..World::new(service()) };
    assert_eq!(world.expect(&[]), End::Retry(Retry::Halt));
    assert!(world.events.pop().unwrap().message.contains("namespace \"default\" has no tenant"));
    assert!(world.service.as_ref().unwrap().finalizers.is_empty(), "nothing is written, either");
    world.mapped = Some("b");
    world.expect(&["claim", "ensure as b", "report"]);
}

#[test]
fn a_load_balancer_stays_with_the_tenant_it_was_made_for_and_is_cleaned_up_there() {
    for restart in [false, true] {
        let mut world = settled();
        world.mapped = Some("b");
        if restart {
            world.restart_controller();
        }
        world.run();
        assert_eq!(world.take_log(), if restart { vec!["look as a"] } else { vec![] });
        let told = world.events.pop().unwrap().message;
        assert!(told.contains("made for tenant \"a\"") && told.contains("has tenant \"b\" now"), "{told}");
        world.run();
        assert!(world.events.is_empty(), "told once");

        world.nodes = nodes(&["node3"]);
        world.expect(&["update as a"]);
        world.events.clear();
        world.edit(|service| service.load_balancer_ip = "9.9.9.9".into());
        assert_eq!(world.expect(&[]), End::Retry(Retry::Halt), "nothing new in an account that is another's now");

        world.edit(|service| service.deleting = true);
        world.run();
        let log = world.take_log();
        assert_eq!(log[0], "delete uid-1 as a@fake");
        assert!(balancers(&mut world).is_empty() && world.service.is_none(), "{log:?}");
    }
}

#[test]
fn a_namespace_that_is_given_back_goes_on_where_it_was() {
    let mut world = settled();
    world.mapped = None;
    world.edit(|service| service.load_balancer_ip = "9.9.9.9".into());
    world.expect(&[]);
    assert!(world.events.pop().unwrap().message.contains("has no tenant now"));
    world.mapped = Some("a");
    world.expect(&["ensure as a"]);
}

#[test]
fn what_was_never_made_is_the_new_tenants_from_the_start() {
    let mut world = World { mapped: Some("a"), ..World::new(service()) };
    world.cloud().faults.push_back(fault(Code::Unavailable));
    world.expect(&["claim", "ensure as a"]);
    world.mapped = Some("b");
    // That ensure may have made something, for all anybody knows: as long as it is not looked for, it is a's.
    world.expect(&[]);
    world.restart_controller();
    world.expect(&["look as a", "claim", "look as b", "ensure as b", "report"]);
    assert_eq!(noted(&world), Some("b"));
}

#[test]
fn a_made_up_note_gives_nothing_to_anybody() {
    // Who may edit Services writes another tenant's name on one of its own.
    let mut world = World { mapped: Some("a"), ..World::new(service()) };
    note(&mut world, "b");
    world.expect(&["claim", "ensure as a", "report"]);
    assert_eq!(noted(&world), Some("a"), "a note without our mark means nothing");

    note(&mut world, "b");
    world.now = world.now + super::RESTORE_PAUSE;
    world.expect(&["claim"]);
    assert_eq!(noted(&world), Some("a"), "put back");

    note(&mut world, "b");
    world.restart_controller();
    world.expect(&["look as b", "claim", "look as a"]);
    assert_eq!(noted(&world), Some("a"));
    assert_eq!(balancers(&mut world), ["uid-1 as a"]);
}

#[test]
fn a_made_up_note_on_a_service_that_goes_leaks_nothing() {
    for (case, restart, steps) in [
        ("we know whose it is", false, &["delete uid-1 as a@fake", "release"] as &[&str]),
        ("nobody knows", true, &["delete uid-1 as b@fake", "delete uid-1 as a@fake", "release"]),
    ] {
        let mut world = settled();
        if restart {
            world.restart_controller();
        }
        note(&mut world, "b");
        world.edit(|service| service.deleting = true);
        world.run();
        assert_eq!(world.take_log(), steps, "{case}");
        assert!(balancers(&mut world).is_empty() && world.service.is_none(), "{case}");
    }
}

#[test]
fn a_note_that_is_taken_away_is_put_back_or_asked_about() {
    let mut world = settled();
    world.edit(|service| _ = service.annotations.remove(ANNOTATION_TENANT));
    world.restart_controller();
    world.expect(&["look", "claim", "look as a"]);
    assert_eq!(noted(&world), Some("a"));
}

#[test]
fn a_note_of_a_tenant_that_is_not_served_is_a_persons_to_sort_out() {
    let mut world = settled();
    note(&mut world, "z");
    world.restart_controller();
    assert_eq!(world.expect(&[]), End::Retry(Retry::Halt));
    let told = world.events.pop().unwrap().message;
    assert!(told.contains(ANNOTATION_TENANT) && told.contains("\"z\""), "{told}");
    world.edit(|service| service.deleting = true);
    assert_eq!(world.expect(&[]), End::Retry(Retry::Halt), "it may have one there");
    assert!(world.service.is_some());
    note(&mut world, "a");
    world.expect(&["delete uid-1 as a@fake", "release"]);
}

#[test]
fn a_service_moved_between_tenants_by_its_owner_starts_anew_without_the_handle() {
    let mut world = settled();
    world.edit(|service| service.kind = ServiceType::ClusterIp);
    world.expect(&["delete uid-1 as a@fake", "release"]);
    let left = world.service.clone().unwrap();
    assert!(left.annotations.is_empty());
    world.mapped = Some("b");
    world.edit(|service| service.kind = ServiceType::LoadBalancer);
    world.expect(&["claim", "ensure as b", "report"]);
}

#[test]
fn a_service_adopted_with_its_finalizer_only_is_its_namespaces_tenants() {
    let service = finalized(Service { annotations: [(ANNOTATION_HANDLE.into(), "lb".into())].into(), ..service() });
    let mut world = World { mapped: Some("a"), ..World::new(service) };
    world.expect(&["claim", "look as a", "ensure as a", "report"]);
    assert!(world.service.as_ref().unwrap().annotations.contains_key(ANNOTATION_PROVIDER));
}

#[test]
fn what_was_made_before_there_were_tenants_is_handed_over_by_a_note() {
    for restart in [false, true] {
        let mut world = World::settled();
        world.mapped = Some("a");
        world.run();
        assert!(world.events.pop().unwrap().message.contains("made for tenant \"\""), "not by the map alone");
        note(&mut world, "a");
        // The daemon knows the load balancer by its Service's UID, in the account both use.
        let hash = world.cloud().load_balancers.remove("uid-1").unwrap();
        world.cloud().load_balancers.insert("uid-1 as a".into(), hash);
        if restart {
            world.restart_controller();
        }
        world.run();
        let log = world.take_log();
        assert_eq!(log, if restart { vec!["look as a", "ensure as a"] } else { vec!["ensure as a"] });
        world.expect(&[]);
    }
}
