//! Whether the cloud may have a load balancer that nobody was told of.

use super::*;

/// `code`: how the first ensure ends. Whether the next call says that it may have been made.
fn check(case: &str, fault: Fault, expected: bool) {
    let mut world = World::new(service());
    world.cloud().faults.push_back(fault);
    world.run();
    assert_eq!(attempted(&world), expected, "{case}");
    world.now = world.now + Duration::from_secs(1200);
    world.edit(|service| service.load_balancer_ip = "9.9.9.9".into());
    world.run();
    assert!(!attempted(&world), "{case}: what is ready is known");
}

fn attempted(world: &World) -> bool {
    world.record.attempted(world.service.as_ref().unwrap())
}

#[test]
fn only_an_ensure_of_which_nobody_knows_how_it_ended_may_have_been_made() {
    for (code, expected) in [
        (Code::InvalidArgument, false),
        (Code::FailedPrecondition, false),
        (Code::ResourceExhausted, false),
        (Code::PermissionDenied, false),
        (Code::Aborted, false),
        (Code::Unavailable, true),
        (Code::DeadlineExceeded, true),
        (Code::Cancelled, true),
        (Code::Unknown, true),
        (Code::Internal, true),
    ] {
        check(&format!("{code:?}"), fault(code), expected);
    }
    check("away", Fault::new(Code::Unavailable, Origin::Provider, "fake", "").with_reason(reason::AWAY), false);
    check("distrust", Fault::new(Code::InvalidArgument, Origin::Distrust, "fake", ""), true);
}

#[test]
fn a_new_service_was_never_attempted() {
    let mut world = World::new(service());
    world.cloud().slow = 2;
    assert_eq!(world.run(), End::Wait(POLL));
    assert!(!attempted(&world), "the finalizer is ours and the answers are kept");
}

#[test]
fn after_a_restart_whatever_holds_our_finalizer_may_have_been_attempted_until_it_is_ready() {
    let mut world = World::new(finalized(service()));
    world.cloud().slow = 2;
    assert_eq!(world.run(), End::Wait(POLL));
    assert!(attempted(&world), "a look that finds nothing, or a wait, proves nothing");
    world.now = world.now + POLL;
    world.run();
    world.now = world.now + POLL;
    world.run();
    assert!(!attempted(&world));
    world.restart_controller();
    assert!(attempted(&world));
}

#[test]
fn a_service_that_comes_back_after_its_load_balancer_is_gone_begins_anew() {
    let mut world = World::settled();
    world.edit(|service| service.kind = ServiceType::ClusterIp);
    world.run();
    world.edit(|service| service.kind = ServiceType::LoadBalancer);
    world.cloud().slow = 2;
    world.run();
    assert!(!attempted(&world));
}

#[test]
fn a_finalizer_that_somebody_takes_away_does_not_make_an_unknown_end_known() {
    let mut world = World::new(service());
    world.cloud().faults.push_back(fault(Code::Unavailable));
    world.run();
    world.now = world.now + RESTORE_PAUSE;
    world.edit(|service| service.finalizers.clear());
    world.cloud().slow = 2;
    world.run();
    assert!(attempted(&world));
}
