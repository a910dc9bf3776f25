//! Whole lives of Services.

mod attempts;
mod tenants;
mod world;

use world::{AUDIT, End, POLL, World, fault, finalized, ingress, nodes, not_found};

use super::*;
use crate::{
    fault::{Code, Fault, Origin, Retry, reason},
    names::ANNOTATION_PROVIDER,
    service::{
        ownership,
        tests::{port, service},
    },
    view::{Protocol, ServiceType},
};

#[test]
fn a_service_gets_or_loses_its_load_balancer() {
    // TestSyncLoadBalancerIfNeeded: finalizer and status are one patch when they are taken away.
    let ported = |protocol| Service { ports: vec![port(protocol)], ..service() };
    let unwanted = || finalized(Service { kind: ServiceType::ClusterIp, ingress: ingress(), ..service() });
    let foreign = Service { load_balancer_class: Some("foreign.example/lb".into()), ..service() };
    let deleting = finalized(Service { deleting: true, ingress: ingress(), ..service() });
    for (case, service, in_cloud, steps) in [
        ("service doesn't want LB", Service { kind: ServiceType::ClusterIp, ..service() }, false, &[] as &[&str]),
        ("udp service that wants LB", ported(Protocol::Udp), false, &["claim", "ensure", "report"]),
        ("tcp service that wants LB", ported(Protocol::Tcp), false, &["claim", "ensure", "report"]),
        ("sctp service that wants LB", ported(Protocol::Sctp), false, &["claim", "ensure", "report"]),
        ("service specifies loadBalancerClass", foreign, false, &[]),
        ("service with finalizer that no longer wants LB", unwanted(), true, &["look", "delete uid-1@fake", "release"]),
        ("service that needs cleanup", deleting, true, &["delete uid-1@fake", "release"]),
        ("service with finalizer that wants LB", finalized(service()), false, &["claim", "look", "ensure", "report"]),
    ] {
        let mut world = World::new(service);
        if world.service.as_ref().unwrap().load_balancer_class.is_some() {
            world.by_class = Owner::Foreign;
        }
        if in_cloud {
            world.cloud().load_balancers.insert("uid-1".into(), "old".into());
        }
        world.run();
        assert_eq!(world.take_log(), steps, "{case}");
    }
}

#[test]
fn the_finalizer_is_written_once_and_taken_away_once() {
    // TestAddFinalizer, TestRemoveFinalizer and TestPatchStatus.
    let mut world = World::new(service());
    let steps = |world: &mut World, what: &str| world.take_log().iter().any(|step| step == what);
    world.run();
    let log = world.log.clone();
    assert!(steps(&mut world, "claim"), "add finalizer");
    assert!(log.contains(&"report".to_owned()), "add status");
    world.run();
    assert_eq!(world.take_log(), [""; 0], "{} and {}", "no-op add finalizer", "no-op add status");

    world.edit(|service| service.kind = ServiceType::ClusterIp);
    world.run();
    assert!(steps(&mut world, "release"), "{} and {}", "remove finalizer", "clear status");
    let left = world.service.clone().unwrap();
    assert!(left.ingress.is_empty() && left.finalizers.is_empty() && left.annotations.is_empty());
    world.run();
    assert_eq!(world.take_log(), [""; 0], "{} and {}", "no-op remove finalizer", "no-op clear status");
}

#[test]
fn a_changed_service_is_processed_as_it_is_now() {
    // TestProcessServiceCreateOrUpdate: "If updating a valid service", "If Updating Loadbalancer IP".
    let mut world = World::settled();
    world.edit(|service| service.load_balancer_ip = "9.9.9.9".into());
    world.expect(&["ensure"]);
    assert_eq!(world.record.claim.as_ref().unwrap().service.load_balancer_ip, "9.9.9.9");
}

#[test]
fn a_service_that_is_gone_takes_its_load_balancer_with_it() {
    // TestProcessServiceDeletion, and TestSyncService's "if valid service".
    let mut world = World::new(service());
    world.service = None;
    assert_eq!(world.run(), End::Forgotten, "If a non-existent service is deleted");

    let mut world = World::settled();
    world.service = None; // Somebody stripped the finalizer.
    world.cloud().faults.push_back(fault(Code::Internal));
    assert_eq!(world.run(), End::Retry(Retry::Backoff), "If cloudprovided failed to delete the service");
    assert_eq!(world.reasons(), ["DeletingLoadBalancer", "DeleteLoadBalancerFailed"]);
    assert_eq!(world.run(), End::Forgotten, "If delete was successful");
    assert!(world.cloud().load_balancers.is_empty());
    assert_eq!(world.reasons(), ["DeletedLoadBalancer"]);
}

#[test]
fn failures_follow_the_one_classification() {
    // TestServiceQueueDelay: "processing successful", "regular error", "retry error".
    assert!(matches!(World::new(service()).run(), End::Rest(_)));
    let throttled = Fault { retry_after: Some(Duration::from_secs(42)), ..fault(Code::ResourceExhausted) };
    for (case, fault, expected) in [
        ("regular error", fault(Code::Internal), End::Retry(Retry::Backoff)),
        ("retry error", throttled, End::Retry(Retry::After(Duration::from_secs(42)))),
        ("wrong annotation", fault(Code::InvalidArgument), End::Retry(Retry::Halt)),
        ("missing subnet", fault(Code::FailedPrecondition), End::Retry(Retry::Slow)),
        ("away", Fault::new(Code::Unavailable, Origin::Provider, "fake", "").with_reason(reason::AWAY), End::Park),
    ] {
        let mut world = World::new(service());
        world.cloud().faults.push_back(fault);
        assert_eq!(world.run(), expected, "{case}");
    }
}

#[test]
fn the_delay_a_provider_asks_for_holds_for_deletion_too() {
    let mut world = World::settled();
    world.edit(|service| service.deleting = true);
    let busy = Fault { retry_after: Some(Duration::from_secs(42)), ..fault(Code::Aborted) };
    world.cloud().faults.push_back(busy);
    assert_eq!(world.run(), End::Retry(Retry::After(Duration::from_secs(42))));
    assert!(world.service.is_some(), "the finalizer stays");
}

#[test]
fn a_new_service_is_told_about_in_upstreams_words() {
    let mut world = World::new(service());
    world.run();
    let texts: Vec<_> = world.events.iter().map(|n| (n.warning, n.reason.as_str(), n.message.as_str())).collect();
    assert_eq!(
        texts,
        [
            (false, "EnsuringLoadBalancer", "Ensuring load balancer"),
            (false, "EnsuredLoadBalancer", "Ensured load balancer"),
        ]
    );
}

#[test]
fn no_nodes_are_told_and_do_not_stop_the_work() {
    let mut world = World::new(service());
    world.nodes = nodes(&[]);
    world.expect(&["claim", "ensure", "report"]);
    let told = world.events[1].clone();
    assert!(told.warning);
    assert_eq!(
        (&*told.reason, &*told.message),
        ("UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer")
    );
}

#[test]
fn nothing_is_told_or_done_while_nothing_changes() {
    let mut world = World::settled();
    for _ in 0..5 {
        world.edit(|service| service.resource_version.push('1'));
        assert!(matches!(world.expect(&[]), End::Rest(Some(time)) if time <= AUDIT));
    }
    assert_eq!(world.reasons(), [""; 0]);
}

#[test]
fn only_members_are_sent_when_only_nodes_changed() {
    // TestUpdateNodesInExternalLoadBalancer and TestNodeChangesInExternalLoadBalancer, for each of the Services.
    let mut world = World::settled();
    for (case, names) in [
        ("only 1 node", &["node1"] as &[&str]),
        ("2 nodes", &["node1", "node2"]),
        ("4 nodes", &["node1", "node2", "node3", "node4"]),
    ] {
        world.nodes = nodes(names);
        world.run();
        assert_eq!(world.take_log(), ["update"], "{case}");
    }
    assert_eq!(world.reasons(), ["UpdatedLoadBalancer"; 3]);
    world.nodes = nodes(&[]);
    world.expect(&["update"]);
    assert_eq!(world.reasons(), ["UnAvailableLoadBalancer"]);
}

#[test]
fn a_service_without_a_load_balancer_is_not_updated_with_nodes() {
    // TestUpdateNodesInExternalLoadBalancer: "Services do not have external load balancers".
    for kind in [ServiceType::ClusterIp, ServiceType::NodePort] {
        let mut world = World::new(Service { kind, ..service() });
        world.nodes = nodes(&["node3"]);
        world.expect(&[]);
    }
}

#[test]
fn a_service_that_was_ensured_with_new_nodes_is_not_updated_again() {
    // "TestSlowNodeSync": the node change and the Service's own change meet in one record.
    let mut world = World::settled();
    world.nodes = nodes(&["node1", "node2", "node3"]);
    world.edit(|service| service.load_balancer_ip = "9.9.9.9".into());
    world.expect(&["ensure"]);
    world.expect(&[]);
}

#[test]
fn a_failed_update_is_retried_with_the_nodes_of_then() {
    // TestNodeChangesForStableNodeSetEnabled, "1 new node gets added - with retries", but that ours does retry.
    let mut world = World::settled();
    world.nodes = nodes(&["node1", "node2", "node3"]);
    world.cloud().faults.push_back(fault(Code::DeadlineExceeded));
    assert_eq!(world.expect(&["update"]), End::Retry(Retry::Backoff));
    world.nodes = nodes(&["node1", "node3"]);
    world.expect(&["update"]);
    let hash = world.wanted().unwrap().unwrap().hash.to_string();
    assert_eq!(world.cloud().load_balancers["uid-1"], hash);
}

#[test]
fn an_update_that_finds_nothing_or_is_refused_becomes_a_full_ensure() {
    let mut world = World::settled();
    world.cloud().load_balancers.clear();
    world.nodes = nodes(&["node1"]);
    world.expect(&["update", "ensure"]);

    let mut world = World::settled();
    world.nodes = nodes(&["node1"]);
    world.cloud().faults.push_back(fault(Code::FailedPrecondition));
    assert_eq!(world.expect(&["update"]), End::Retry(Retry::Slow));
    assert_eq!(world.reasons(), ["UpdateLoadBalancerFailed"]);
    world.expect(&["ensure"]);
}

#[test]
fn long_work_holds_no_caller_and_is_asked_about_with_the_same_call() {
    let mut world = World::new(service());
    world.cloud().slow = 2;
    world.cloud().handle = "lb-77".into();
    assert_eq!(world.expect(&["claim", "ensure"]), End::Wait(POLL));
    assert_eq!(world.expect(&["report"]), End::Rest(Some(POLL)), "the handle is kept at once");
    world.now = world.now + POLL;
    assert_eq!(world.expect(&["ensure"]), End::Wait(POLL));
    world.now = world.now + POLL;
    world.expect(&["ensure", "report"]);
    assert_eq!(world.reasons(), ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]);
    assert_eq!(world.service.as_ref().unwrap().annotations[ANNOTATION_HANDLE], "lb-77");
}

#[test]
fn a_change_during_long_work_does_not_wait_for_its_end() {
    let mut world = World::new(service());
    world.cloud().slow = 1;
    world.run();
    world.take_log();
    world.expect(&[]);
    world.edit(|service| service.load_balancer_ip = "9.9.9.9".into());
    world.expect(&["ensure", "report"]);
}

#[test]
fn a_deletion_in_progress_is_not_asked_about_before_its_time() {
    let mut world = World::settled();
    world.edit(|service| service.deleting = true);
    world.cloud().slow = 1;
    assert_eq!(world.expect(&["delete uid-1@fake"]), End::Wait(POLL));
    assert_eq!(world.expect(&[]), End::Rest(Some(POLL)));
    world.now = world.now + POLL;
    assert_eq!(world.expect(&["delete uid-1@fake", "release"]), End::Forgotten);
    assert_eq!(world.reasons(), ["DeletingLoadBalancer", "DeletedLoadBalancer"]);
}

#[test]
fn after_a_restart_work_that_is_done_is_not_done_again() {
    let mut world = World::settled();
    world.restart_controller();
    world.expect(&["look"]);
    assert_eq!(world.reasons(), [""; 0]);
}

#[test]
fn after_a_restart_only_what_changed_meanwhile_is_done() {
    let mut world = World::settled();
    world.restart_controller();
    world.nodes = nodes(&["node1"]);
    world.expect(&["look", "update"]);

    world.restart_controller();
    world.edit(|service| service.load_balancer_ip = "9.9.9.9".into());
    world.expect(&["look", "ensure"]);

    world.restart_controller();
    world.edit(|service| service.deleting = true);
    world.expect(&["delete uid-1@fake", "release"]);
}

#[test]
fn members_that_nobody_wrote_down_are_compared_after_a_restart_and_nobody_is_told_of_others() {
    let mut world = World::settled();
    let spec = world.cloud().load_balancers["uid-1"].split_once('-').unwrap().0.to_owned();
    world.cloud().load_balancers.insert("uid-1".into(), format!("{spec}-"));
    world.restart_controller();
    world.expect(&["look", "update"]);
    assert_eq!(world.reasons(), [""; 0]);
    // The next change is known to be one.
    world.nodes = nodes(&["a", "b", "c"]);
    world.expect(&["update"]);
    assert_eq!(world.reasons(), ["UpdatedLoadBalancer"]);
}

#[test]
fn after_a_restart_half_made_work_is_carried_on() {
    let mut world = World::new(service());
    world.cloud().slow = 1;
    world.run();
    world.restart_controller();
    world.expect(&["look", "ensure", "report"]);
}

#[test]
fn a_provider_that_keeps_no_hash_is_asked_in_full_once_per_start() {
    let mut world = World::new(service());
    world.cloud().forgetful = true;
    world.expect(&["claim", "ensure", "report"]);
    world.now = world.now + AUDIT;
    world.expect(&["look", "compare"]);
    world.restart_controller();
    world.expect(&["look", "ensure"]);
}

#[test]
fn an_audit_repairs_what_drifted() {
    let mut world = World::settled();
    world.now = world.now + AUDIT;
    world.expect(&["look", "compare"]);
    world.expect(&[]);

    world.now = world.now + AUDIT;
    world.cloud().drifted = true;
    world.expect(&["look", "compare", "ensure"]);

    world.now = world.now + AUDIT;
    world.cloud().load_balancers.clear();
    world.expect(&["look", "ensure"]);
    assert_eq!(world.reasons(), ["EnsuringLoadBalancer", "EnsuredLoadBalancer"].repeat(2));
}

#[test]
fn a_status_that_somebody_wiped_comes_back_without_a_fight() {
    let mut world = World::settled();
    world.now = world.now + RESTORE_PAUSE;
    world.edit(|service| service.ingress.clear());
    world.expect(&["report"]);
    world.edit(|service| service.ingress.clear());
    assert_eq!(world.expect(&[]), End::Rest(Some(RESTORE_PAUSE)));
    world.now = world.now + RESTORE_PAUSE;
    world.expect(&["report"]);
}

#[test]
fn a_finalizer_that_somebody_took_comes_back_without_a_fight() {
    let mut world = World::settled();
    world.edit(|service| service.finalizers.clear());
    assert_eq!(world.expect(&[]), End::Rest(Some(RESTORE_PAUSE)));
    world.now = world.now + RESTORE_PAUSE;
    world.expect(&["claim"]);
}

#[test]
fn a_service_being_deleted_without_our_finalizer_is_left_alone() {
    let held = Service { deleting: true, finalizers: vec!["someone.else/holds".into()], ..service() };
    World::new(held).expect(&[]);
}

#[test]
fn a_load_balancer_goes_when_the_finalizer_was_stripped_before_deletion() {
    let mut world = World::settled();
    world.edit(|service| (service.deleting, service.finalizers) = (true, vec!["someone.else/holds".into()]));
    world.expect(&["delete uid-1@fake"]);
    assert!(world.cloud().load_balancers.is_empty());
}

#[test]
fn a_load_balancer_is_deleted_although_a_look_would_not_find_it() {
    let mut world = World::settled();
    world.cloud().load_balancers.clear();
    world.edit(|service| service.deleting = true);
    assert_eq!(world.expect(&["delete uid-1@fake", "release"]), End::Forgotten);
}

#[test]
fn not_found_is_what_a_deletion_wants() {
    let mut world = World::settled();
    world.cloud().faults.push_back(not_found());
    world.edit(|service| service.deleting = true);
    assert_eq!(world.expect(&["delete uid-1@fake", "release"]), End::Forgotten);
}

#[test]
fn another_service_of_the_same_name_waits_for_the_old_load_balancer_to_go() {
    let mut world = World::settled();
    world.service = Some(Arc::new(Service { uid: "uid-2".into(), ..service() }));
    world.cloud().faults.push_back(fault(Code::Internal));
    assert_eq!(world.expect(&["delete uid-1@fake"]), End::Retry(Retry::Backoff));
    world.expect(&["delete uid-1@fake", "claim", "ensure", "report"]);
    assert_eq!(world.cloud().load_balancers.keys().collect::<Vec<_>>(), ["uid-2"]);
}

#[test]
fn a_foreign_class_keeps_its_finalizer_and_status_whatever_happens() {
    let foreign =
        Service { load_balancer_class: Some("foreign.example/lb".into()), ingress: ingress(), ..finalized(service()) };
    let edits: [fn(&mut Service); 3] = [|_| (), |service| service.deleting = true, |service| service.ingress.clear()];
    for edit in edits {
        let mut world = World::new(foreign.clone());
        world.by_class = Owner::Foreign;
        world.edit(edit);
        assert_eq!(world.expect(&[]), End::Rest(None));
    }
}

#[test]
fn a_finalizer_of_unknown_origin_is_left_where_the_cloud_knows_nothing() {
    // Changing the type drops a foreign class, and with it the sign that the finalizer is another controller's.
    let left_behind = finalized(Service { kind: ServiceType::ClusterIp, ..service() });
    let mut world = World::new(left_behind);
    assert_eq!(world.expect(&["look"]), End::Rest(None));
    world.edit(|service| service.deleting = true);
    assert_eq!(world.expect(&[]), End::Retry(Retry::Halt));
    assert_eq!(world.expect(&[]), End::Retry(Retry::Halt));
    assert_eq!(world.reasons(), ["SyncLoadBalancerFailed"], "told once");
}

#[test]
fn a_class_that_changes_to_a_foreign_one_takes_our_load_balancer_and_nothing_else() {
    let mut world = World::settled();
    world.edit(|service| service.load_balancer_class = Some("foreign.example/lb".into()));
    world.by_class = Owner::Foreign;
    world.expect(&["delete uid-1@fake", "disclaim"]);
    let service = world.service.as_ref().unwrap();
    assert!(ownership::has_finalizer(service) && !service.ingress.is_empty());
    assert!(world.cloud().load_balancers.is_empty());
}

#[test]
fn a_provider_that_loses_its_balancers_in_the_configuration_deletes_nothing() {
    let mut world = World::settled();
    world.by_class = Owner::Foreign;
    world.edit(|service| _ = service.annotations.remove(ANNOTATION_PROVIDER));
    world.expect(&[]);
}

#[test]
fn a_class_that_names_another_provider_moves_the_load_balancer() {
    let mut world = World::settled();
    world.cloud().handle = "lb-77".into();
    world.edit(|service| service.load_balancer_class = Some("ccm.cloudprovider.io/other".into()));
    world.by_class = Owner::Provider("other");
    let wanted = world.wanted().unwrap().unwrap();
    let Step::Delete(target) = world.step(Some(Ok(&wanted))) else { panic!("the old one goes first") };
    assert_eq!(target.provider, "fake");
    // The same after a restart, when only the mark is left to tell.
    world.restart_controller();
    let Step::Delete(target) = world.step(Some(Ok(&wanted))) else { panic!("the old one goes first") };
    assert_eq!(target.provider, "fake");
    world.delete(&target);
    let step = world.step(Some(Ok(&wanted)));
    assert_eq!(step, Step::Claim { provider: "other".into(), tenant: String::new(), anew: false });
}

#[test]
fn a_service_is_not_touched_before_its_owner_is_known() {
    let mut world = World::new(service());
    world.by_class = Owner::Waiting;
    assert_eq!(world.expect(&[]), End::AwaitOwner);
}

#[test]
fn a_refused_wish_waits_for_a_change_or_another_daemon() {
    let mut world = World::new(service());
    world.cloud().faults.push_back(fault(Code::InvalidArgument));
    world.run();
    assert_eq!(world.reasons(), ["EnsuringLoadBalancer", "SyncLoadBalancerFailed"]);
    world.take_log();
    assert_eq!(world.expect(&[]), End::Rest(None));
    world.epoch = "2";
    world.cloud().faults.push_back(fault(Code::InvalidArgument));
    world.expect(&["ensure"]);
    world.edit(|service| _ = service.annotations.insert("fake.example/size".into(), "small".into()));
    world.expect(&["ensure", "report"]);
}

#[test]
fn new_nodes_do_not_hurry_what_waits_for_a_quota_or_a_right() {
    for fault in [
        Fault { quota: true, ..fault(Code::ResourceExhausted) },
        Fault { quota: true, ..fault(Code::FailedPrecondition) },
    ]
    .into_iter()
    .chain([fault(Code::PermissionDenied)])
    {
        let mut world = World::new(service());
        let told = format!("{fault:?}");
        world.cloud().faults.push_back(fault);
        assert_eq!(world.run(), End::Retry(Retry::Slow), "{told}");
        world.take_log();
        world.nodes = nodes(&["node9"]);
        world.expect(&[]);
        world.now = world.now + Duration::from_secs(600);
        world.expect(&["ensure", "report"]);
    }
}

#[test]
fn new_nodes_end_the_wait_for_what_they_may_cure() {
    // A load balancer that is made where the nodes are cannot be made before there is one.
    let mut world = World::new(service());
    world.nodes = nodes(&[]);
    world.cloud().faults.push_back(fault(Code::FailedPrecondition));
    assert_eq!(world.run(), End::Retry(Retry::Slow));
    world.take_log();
    world.expect(&[]);
    world.nodes = nodes(&["node1"]);
    world.expect(&["ensure", "report"]);
}

#[test]
fn an_answer_for_an_older_wish_is_asked_again_and_a_lie_is_told() {
    let mut world = World::new(service());
    world.cloud().lies = Some("something-else".into());
    assert_eq!(world.expect(&["claim", "ensure"]), End::Wait(Duration::from_secs(1)));
    assert_eq!(world.expect(&["report", "ensure"]), End::Retry(Retry::Backoff));
    assert!(world.events.last().unwrap().message.contains("answered that something-else is done"));
    world.cloud().lies = None;
    world.expect(&["ensure"]);
    world.expect(&[]);
}

#[test]
fn notices_of_a_provider_are_told_once_per_content() {
    let mut world = World::new(service());
    let notice = |text: &str| Notice { warning: false, reason: "Note".into(), message: text.into() };
    world.cloud().notices = vec![notice("a")];
    world.cloud().slow = 1;
    world.run();
    world.now = world.now + POLL;
    world.cloud().notices = vec![notice("a"), notice("b")];
    world.run();
    let told: Vec<_> =
        world.events.iter().filter(|told| told.reason == "Note").map(|told| told.message.as_str()).collect();
    assert_eq!(told, ["a", "b"]);
}

#[test]
fn a_handle_goes_back_to_the_provider_although_a_look_found_nothing() {
    let mut world = World::settled();
    world.cloud().handle = "lb-77".into();
    world.now = world.now + AUDIT;
    world.run();
    world.take_log();
    assert_eq!(world.service.as_ref().unwrap().annotations[ANNOTATION_HANDLE], "lb-77");
    world.restart_controller();
    world.cloud().load_balancers.clear();
    world.expect(&["look", "ensure"]);
    assert_eq!(world.record.handle, "lb-77");
    assert_eq!(world.service.as_ref().unwrap().annotations[ANNOTATION_HANDLE], "lb-77");
}

#[test]
fn wrong_source_ranges_are_told_once_and_nothing_is_made() {
    let mut world = World::new(Service { source_ranges: vec!["10.0.0.1".into()], ..service() });
    for _ in 0..2 {
        assert_eq!(world.expect(&[]), End::Retry(Retry::Halt));
    }
    assert_eq!(world.reasons(), ["SyncLoadBalancerFailed"]);
    world.edit(|service| service.source_ranges = vec!["10.0.0.1/32".into()]);
    world.expect(&["claim", "ensure", "report"]);
}
