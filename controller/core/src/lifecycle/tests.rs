use super::*;
use crate::{
    fault::Code,
    fixtures::{self, at, found_in, not_found, unknown},
    names::{CONDITION_REMOVAL_BLOCKED, TAINT_SHUTDOWN},
    provider::{Absence, Account, InstanceState},
    view::{Condition, Node},
};

/// The Node of these tests was made at 0 and stopped being Ready now.
const NOW: u64 = 1000;

fn node(ready: ConditionStatus) -> fixtures::Node {
    fixtures::Node::new().provider_id("fake://12345").ready(ready, NOW)
}

fn pool(served: &[Account]) -> Pool<'_> {
    Pool { nodes: 10, served, auth_fault: None, removed: 0, absent: 1 }
}

/// What became of a Node.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Kept,
    Tainted,
    Removed,
}

/// Follows a Node for three minutes, looking when it is due, while the cloud answers `answer` and a canary is seen.
fn follow(node: &Node, answer: impl Fn(u64) -> Observed) -> End {
    let settings = LifecycleSettings::default();
    let served = [Account { id: "acc".to_owned(), region: "r1".to_owned() }];
    if node.is_ready() {
        return if taints_when_ready(node).is_some() { End::Tainted } else { End::Kept };
    }
    let mut end = End::Kept;
    let mut track = Track::new(node, at(NOW), &settings);
    for second in NOW..NOW + 180 {
        if track.next > at(second) {
            continue;
        }
        let observed = answer(second);
        track = track.record(node, &observed, Canary::Seen, at(second), &settings);
        let step = decide(node, &observed, &track, pool(&served), &settings, at(second));
        if step.removal == Some(Verdict::Remove) {
            return End::Removed;
        }
        if step.taints.is_some() {
            end = End::Tainted;
        }
    }
    end
}

fn check(case: &str, ready: ConditionStatus, answer: impl Fn(u64) -> Observed, expected: End) {
    assert_eq!(follow(&node(ready).build(), answer), expected, "{case}");
}

fn running(second: u64) -> Observed {
    found_in(InstanceState::Running, second)
}

fn stopped(second: u64) -> Observed {
    found_in(InstanceState::Stopped, second)
}

fn error(second: u64) -> Observed {
    unknown(Code::Unavailable, second)
}

#[test]
fn nodes_are_removed_when_their_machines_are_gone() {
    use ConditionStatus::{False, True, Unknown};
    // Upstream's Test_NodesDeleted.
    check("node is not ready and does not exist", False, not_found, End::Removed);
    check("node is not ready and provider returns err", False, error, End::Kept);
    check("node is not ready but still exists", False, running, End::Kept);
    check("node ready condition is unknown, node doesn't exist", Unknown, not_found, End::Removed);
    check("node ready condition is unknown, node exists", Unknown, running, End::Kept);
    check("node is ready, but provider said it is deleted (maybe a bug in provider)", True, not_found, End::Kept);
    // The same cases under their names for InstancesV2; there is one kind of answer here.
    check("[instance2] node is not ready and does not exist", False, not_found, End::Removed);
    check("[instancev2] node is not ready and provider returns err", False, error, End::Kept);
    check("[instancev2] node is not ready but still exists", False, running, End::Kept);
    check("[instancev2] node ready condition is unknown, node doesn't exist", Unknown, not_found, End::Removed);
    check("[instancev2] node ready condition is unknown, node exists", Unknown, running, End::Kept);
    check(
        "[instancev2] node is ready, but provider said it is deleted (maybe a bug in provider)",
        True,
        not_found,
        End::Kept,
    );
}

#[test]
fn nodes_are_tainted_when_their_machines_are_stopped() {
    use ConditionStatus::{False, True, Unknown};
    // Upstream's Test_NodesShutdown.
    check("node is not ready and was shutdown, but exists", False, stopped, End::Tainted);
    check("node with error when getting providerID does not have shutdown taint", False, error, End::Kept);
    check("node with InstanceID returning InstanceNotFound gets deleted", False, not_found, End::Removed);
    check("node is not ready, but there is error checking if node is shutdown", False, not_found, End::Removed);
    check("node is not ready and is not shutdown", False, not_found, End::Removed);
    check("node is ready but provider says it's shutdown (maybe a bug by provider)", True, stopped, End::Kept);
    check("node is shutdown but provider says it does not exist", Unknown, not_found, End::Removed);
    check("the machine is about to be gone", Unknown, |s| found_in(InstanceState::Terminating, s), End::Tainted);
    for state in [InstanceState::Pending, InstanceState::Changing, InstanceState::Failed, InstanceState::Unknown] {
        check("a state that says nothing certain", False, |s| found_in(state, s), End::Kept);
    }
}

/// 10.2.1: upstream takes "not found" from its second interface for an error and keeps the Node for ever.
#[test]
fn not_found_is_an_answer_and_unknown_is_not() {
    check("not found", ConditionStatus::Unknown, not_found, End::Removed);
    check("unknown", ConditionStatus::Unknown, error, End::Kept);
    let faltering = |second| if second % 2 == 0 { not_found(second) } else { error(second) };
    check("an unknown in between is no life sign", ConditionStatus::Unknown, faltering, End::Removed);
    let alive = |second| if second < NOW + 59 { not_found(second) } else { running(second) };
    check("it was there after all", ConditionStatus::Unknown, alive, End::Kept);
}

fn steps(node: &Node, observed: &Observed) -> Step {
    let settings = LifecycleSettings::default();
    let track = Track::new(node, at(NOW), &settings).record(node, observed, Canary::Seen, at(NOW), &settings);
    decide(node, observed, &track, pool(&[]), &settings, at(NOW))
}

/// 10.2.4: upstream takes the shutdown taint away only once the Node is Ready.
#[test]
fn the_shutdown_taint_goes_when_the_cloud_says_running_or_the_node_is_ready() {
    let down = || node(ConditionStatus::Unknown).taint("other").taint(TAINT_SHUTDOWN);
    let others = [fixtures::taint("other", "NoSchedule")];
    assert_eq!(steps(&down().build(), &running(NOW)).taints.as_deref(), Some(&others[..]));
    assert_eq!(taints_when_ready(&down().ready(ConditionStatus::True, NOW).build()).as_deref(), Some(&others[..]));
    for unsure in [error(NOW), not_found(NOW), found_in(InstanceState::Changing, NOW), stopped(NOW)] {
        assert_eq!(steps(&down().build(), &unsure).taints, None, "{unsure:?}");
    }
}

/// 10.2.4
#[test]
fn a_machine_stopped_for_long_is_put_out_of_service_if_wanted() {
    let after = Duration::from_secs(300);
    let settings = LifecycleSettings { out_of_service_after: Some(after), ..LifecycleSettings::default() };
    let node = node(ConditionStatus::Unknown).build();
    let taints_at = |node: &Node, seconds: &[u64]| {
        let track = seconds.iter().fold(Track::new(node, at(NOW), &settings), |track, second| {
            track.record(node, &stopped(*second), Canary::Seen, at(*second), &settings)
        });
        let now = *seconds.last().expect("an answer");
        decide(node, &stopped(now), &track, pool(&[]), &settings, at(now)).taints
    };
    assert_eq!(taints_at(&node, &[NOW]), Some(vec![taints::shutdown()]), "not at once");
    let long = taints_at(&node, &[NOW, NOW + 300]).expect("a change");
    assert_eq!(long, [taints::shutdown(), taints::out_of_service()]);
    let mut put_out = node.clone();
    put_out.taints = long;
    assert_eq!(taints_at(&put_out, &[NOW, NOW + 400]), None, "once");
    assert_eq!(steps(&put_out, &running(NOW)).taints, Some(Vec::new()), "it came back");
    put_out.taints[1].value = Some("nodeshutdown".to_owned());
    assert_eq!(
        steps(&put_out, &running(NOW)).taints.map(|taints| taints.len()),
        Some(1),
        "a person's taint is that person's"
    );
}

/// 10.2.5: upstream asks about every such node in every pass.
#[test]
fn looks_at_a_node_that_stays_as_it_is_grow_rare() {
    let settings = LifecycleSettings::default();
    let node = node(ConditionStatus::Unknown).build();
    let mut track = Track::new(&node, at(0), &settings);
    let mut gaps = Vec::new();
    for _ in 0..7 {
        let asked = track.next;
        track = track.record(&node, &stopped(0), Canary::Seen, asked, &settings);
        gaps.push(track.next.since(asked).as_secs());
    }
    assert_eq!(gaps, [5, 10, 20, 40, 60, 60, 60]);
    track = track.record(&node, &not_found(300), Canary::Seen, at(300), &settings);
    assert_eq!(track.next, at(360), "another answer: the date of the confirmation");
    track = track.record(&node, &running(400), Canary::Seen, at(400), &settings);
    assert_eq!((track.next, track.absent.is_none()), (at(405), true), "and again");
}

#[test]
fn a_node_that_is_only_starting_is_not_looked_at_yet() {
    let settings = LifecycleSettings::default();
    let next = |node: fixtures::Node| Track::new(&node.created(NOW).build(), at(NOW + 5), &settings).next;
    assert_eq!(next(node(ConditionStatus::False).ready(ConditionStatus::False, NOW)), at(NOW + 60));
    assert_eq!(next(fixtures::Node::new().without_ready()), at(NOW + 60));
    assert_eq!(next(node(ConditionStatus::False).ready(ConditionStatus::False, NOW + 10)), at(NOW + 5), "it was Ready");
}

#[test]
fn only_initialised_nodes_that_are_not_ready_are_watched() {
    let down = || node(ConditionStatus::Unknown);
    assert!(is_watched(&down().build()) && is_watched(&down().without_ready().build()));
    for other in [node(ConditionStatus::True), down().uninitialized(), down().deleting(), down().provider_id("")] {
        assert!(!is_watched(&other.build()));
    }
}

#[test]
fn answers_that_say_nothing_are_counted_in_a_row() {
    let settings = LifecycleSettings::default();
    let node = node(ConditionStatus::Unknown).build();
    let mut track = Track::new(&node, at(0), &settings);
    let mut counts = Vec::new();
    for answer in [error(1), error(2), running(3), error(4), not_found(5)] {
        track = track.record(&node, &answer, Canary::Missing, answer.at, &settings);
        counts.push(track.unknown_in_a_row());
    }
    assert_eq!(counts, [1, 2, 0, 1, 0]);
}

#[test]
fn another_daemon_begins_anew() {
    let settings = LifecycleSettings::default();
    let node = node(ConditionStatus::Unknown).build();
    let mut track = Track::new(&node, at(0), &settings).record(&node, &not_found(0), Canary::Seen, at(0), &settings);
    track.restart(at(7));
    assert_eq!(track, Track::new(&node, at(7), &settings));
}

#[test]
fn without_a_canary_it_is_asked_again_at_growing_intervals() {
    let settings = LifecycleSettings::default();
    let node = node(ConditionStatus::Unknown).build();
    let asked = |track: Track, second, canary| track.record(&node, &not_found(second), canary, at(second), &settings);
    let track = asked(Track::new(&node, at(0), &settings), 0, Canary::Missing);
    assert_eq!(track.next, at(5));
    let track = asked(track, 5, Canary::Missing);
    assert_eq!(track.next, at(15));
    let track = asked(track, 15, Canary::Seen);
    assert_eq!(track.next, at(75), "from here on a confirmation is worth waiting for");
}

#[test]
fn what_holds_a_removal_shows_as_a_condition_until_it_passes() {
    let settings = LifecycleSettings::default();
    let held = |node: &Node, observed: &Observed| {
        let before = Track::new(node, at(0), &settings).record(node, &not_found(100), Canary::Seen, at(100), &settings);
        let track = before.record(node, observed, Canary::Absent, at(NOW), &settings);
        let served = [Account { id: "acc".to_owned(), region: "r1".to_owned() }];
        decide(node, observed, &track, pool(&served), &settings, at(NOW))
    };
    let mut node = node(ConditionStatus::Unknown).ready(ConditionStatus::Unknown, 0).build();
    let step = held(&node, &not_found(NOW));
    assert_eq!(step.removal, Some(Verdict::Hold(Hold::CanaryAbsent)));
    let Some(ConditionChange::Set { reason, .. }) = step.condition else { panic!("{:?}", step.condition) };

    let shown = Condition { status: ConditionStatus::True, reason: reason.to_owned(), last_transition: None };
    node.removal_blocked = Some(shown);
    assert_eq!(held(&node, &not_found(NOW)).condition, None, "it is shown already");
    assert_eq!(held(&node, &error(NOW)).condition, None, "nothing new is known");
    assert_eq!(held(&node, &running(NOW)).condition, Some(ConditionChange::Clear));
    assert_eq!(condition_when_ready(&node), Some(ConditionChange::Clear));
    node.removal_blocked = None;
    assert_eq!(held(&node, &running(NOW)).condition, None);
    assert!(!CONDITION_REMOVAL_BLOCKED.is_empty());
}

/// The fault table: 200 nodes, 40 of them not Ready, the Ready ones answering as the canary says.
#[test]
fn a_provider_that_is_wrong_about_everything_removes_nothing() {
    let settings = LifecycleSettings::default();
    let served = [Account { id: "acc".to_owned(), region: "r1".to_owned() }];
    let check = |case: &str, answer: &dyn Fn(u64) -> Observed, canary: Canary, auth_fault: Option<u64>| {
        let node = node(ConditionStatus::Unknown).build();
        let mut track = Track::new(&node, at(NOW), &settings);
        for second in (NOW..NOW + 1200).step_by(60) {
            let observed = answer(second);
            track = track.record(&node, &observed, canary, at(second), &settings);
            let pool = Pool { nodes: 200, served: &served, auth_fault: auth_fault.map(at), removed: 0, absent: 40 };
            let step = decide(&node, &observed, &track, pool, &settings, at(second));
            assert_ne!(step.removal, Some(Verdict::Remove), "{case}");
            assert_eq!(step.taints, None, "{case}");
        }
    };
    check("unauthenticated", &|s| unknown(Code::Unauthenticated, s), Canary::Missing, Some(NOW));
    check("permission denied", &|s| unknown(Code::PermissionDenied, s), Canary::Missing, Some(NOW));
    check("not-found for everything", &not_found, Canary::Absent, None);
    check("empty inventory, told as not found", &not_found, Canary::Absent, None);
    check("truncated list, told as not found, canary in the part that was read", &not_found, Canary::Seen, None);
    check("timeouts", &|s| unknown(Code::DeadlineExceeded, s), Canary::Missing, None);
    let wrong_account = |second| {
        let absence = Absence { account: "b".to_owned(), region: "r1".to_owned(), evidence: String::new() };
        Observed { answer: InstanceAnswer::NotFound(absence), at: at(second) }
    };
    check("wrong account", &wrong_account, Canary::Missing, None);
    check("wrong account, canaries there too", &wrong_account, Canary::Seen, None);
}
