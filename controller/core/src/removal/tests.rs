use super::*;
use crate::{
    fixtures::{self, at, not_found},
    provider::InstanceAnswer,
    view::ConditionStatus,
};

/// The present of these tests. The Node was made at 0 and has not been Ready since 800.
const NOW: u64 = 1000;

fn node() -> fixtures::Node {
    fixtures::Node::new().provider_id("fake://12345").ready(ConditionStatus::Unknown, 800)
}

fn absence() -> Absence {
    match not_found(0).answer {
        InstanceAnswer::NotFound(absence) => absence,
        other => panic!("{other:?}"),
    }
}

fn sighting(seconds: u64) -> Sighting {
    Sighting { asked: at(seconds), observed: at(seconds) }
}

/// Called absent at 900 and now, with a canary both times.
fn absent() -> Absent {
    Absent { absence: absence(), first: Some(sighting(900)), last: sighting(NOW), canary: Canary::Seen }
}

fn served() -> Vec<Account> {
    vec![Account { id: "acc".to_owned(), region: "r1".to_owned() }]
}

fn pool(served: &[Account]) -> Pool<'_> {
    Pool { nodes: 100, served, auth_fault: None, removed: 0, absent: 1 }
}

fn verdict(node: fixtures::Node, absent: &Absent, pool: Pool<'_>) -> Verdict {
    judge(&node.build(), absent, pool, &RemovalSettings::default(), at(NOW))
}

fn held_for(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Hold(hold) => hold.reason(),
        Verdict::Remove => "removed",
        Verdict::Wait(_) => "waits",
    }
}

#[test]
fn a_machine_that_is_really_gone_lets_its_node_go() {
    assert_eq!(verdict(node(), &absent(), pool(&served())), Verdict::Remove);
    assert_eq!(verdict(node().without_ready(), &absent(), pool(&served())), Verdict::Remove, "no condition Ready");
}

#[test]
fn the_defaults_let_a_node_go_within_150_seconds() {
    let RemovalSettings { not_ready_grace, min_node_age, confirm_interval, .. } = RemovalSettings::default();
    // kube-controller-manager takes 50 s to call a silent kubelet not Ready; the answers may begin at once after that.
    let not_ready = Duration::from_secs(50);
    let answers = crate::lifecycle::LifecycleSettings::default().monitor_period + confirm_interval;
    assert!(not_ready + answers.max(not_ready_grace).max(min_node_age) < Duration::from_secs(150));
}

/// 10.2.2: upstream removes on the first "not found", whatever else is the case.
#[test]
fn each_condition_of_the_lock_holds_on_its_own() {
    let served = served();
    let wait = |node: fixtures::Node, absent: &Absent| verdict(node, absent, pool(&served));
    assert_eq!(wait(node().ready(ConditionStatus::True, 1), &absent()), Verdict::Wait(Wait::NotACandidate));
    assert_eq!(wait(node().deleting(), &absent()), Verdict::Wait(Wait::NotACandidate));
    assert_eq!(wait(node().provider_id(""), &absent()), Verdict::Wait(Wait::NotACandidate));
    assert_eq!(wait(node().created(NOW - 59), &absent()), Verdict::Wait(Wait::Young));
    assert_eq!(wait(node().ready(ConditionStatus::False, NOW - 29), &absent()), Verdict::Wait(Wait::Grace));
    let once = Absent { first: Some(sighting(NOW)), ..absent() };
    assert_eq!(wait(node(), &once), Verdict::Wait(Wait::Confirmation));
    let soon = Absent { first: Some(sighting(NOW - 59)), ..absent() };
    assert_eq!(wait(node(), &soon), Verdict::Wait(Wait::Confirmation));
    let same_answer = Sighting { asked: at(900), observed: at(NOW) };
    let repeated = Absent { first: Some(same_answer), ..absent() };
    assert_eq!(wait(node(), &repeated), Verdict::Wait(Wait::Confirmation), "one observation told twice");

    assert_eq!(held_for(&wait(node().uninitialized(), &absent())), "NodeUninitialized");
    let canary = |canary| Absent { canary, ..absent() };
    assert_eq!(held_for(&wait(node(), &canary(Canary::Missing))), "NoCanary");
    assert_eq!(held_for(&wait(node(), &canary(Canary::Absent))), "CanaryAbsent");
    let stale = Absent { last: Sighting { asked: at(NOW), observed: at(NOW - 31) }, ..absent() };
    assert_eq!(held_for(&wait(node(), &stale)), "StaleAnswer");
    let elsewhere = |absence| Absent { absence, ..absent() };
    let other_account = elsewhere(Absence { account: "other".to_owned(), ..absence() });
    assert_eq!(held_for(&wait(node(), &other_account)), "OtherAccount");
    let other_region = elsewhere(Absence { region: "r2".to_owned(), ..absence() });
    assert_eq!(held_for(&wait(node(), &other_region)), "OtherAccount");
    assert_eq!(held_for(&verdict(node(), &absent(), Pool { served: &[], ..pool(&served) })), "OtherAccount");
}

#[test]
fn refused_credentials_hold_removals_for_a_while() {
    let served = served();
    let refused = |seconds| Pool { auth_fault: Some(at(seconds)), ..pool(&served) };
    assert_eq!(
        verdict(node(), &absent(), refused(NOW - 599)),
        Verdict::Hold(Hold::AuthFault { left: Duration::from_secs(1) })
    );
    assert_eq!(verdict(node(), &absent(), refused(NOW - 600)), Verdict::Remove);
}

#[test]
fn the_breaker_opens_before_the_first_node_too_many_goes() {
    let served = served();
    let check = |nodes, removed, absent_now, expected: &str| {
        let pool = Pool { nodes, removed, absent: absent_now, ..pool(&served) };
        let verdict = verdict(node(), &absent(), pool);
        assert_eq!(held_for(&verdict), expected, "{removed} removed and {absent_now} absent of {nodes}");
        assert_eq!(pool.breaker_is_open(&RemovalSettings::default()), expected == "BreakerOpen");
    };
    check(200, 0, 40, "BreakerOpen");
    check(200, 0, 21, "BreakerOpen");
    check(200, 0, 20, "removed");
    check(200, 19, 1, "removed");
    check(200, 20, 1, "BreakerOpen");
    check(3, 0, 1, "removed");
    check(3, 0, 2, "BreakerOpen");
    check(3, 1, 1, "BreakerOpen");
    check(1, 0, 1, "removed");
}

#[test]
fn a_few_may_go_of_a_small_cluster_but_never_half_of_it() {
    let served = served();
    let check = |nodes, removed, absent_now, expected: &str| {
        let pool = Pool { nodes, removed, absent: absent_now, ..pool(&served) };
        let verdict = verdict(node(), &absent(), pool);
        assert_eq!(held_for(&verdict), expected, "{removed} removed and {absent_now} absent of {nodes}");
    };
    check(4, 0, 2, "BreakerOpen");
    check(5, 0, 2, "removed");
    check(5, 0, 3, "BreakerOpen");
    check(7, 0, 3, "removed");
    check(7, 0, 4, "BreakerOpen");
    check(19, 0, 3, "removed");
    // More than a few: none of them, for it may all be a lie.
    check(19, 0, 4, "BreakerOpen");
    check(19, 0, 19, "BreakerOpen");
    // Those that went within the window count, so that a lie told bit by bit comes no further.
    check(19, 2, 1, "removed");
    check(19, 3, 1, "BreakerOpen");
    check(39, 0, 4, "BreakerOpen");
    check(40, 0, 4, "removed");
}

#[test]
fn by_default_fewer_than_half_go_in_a_window_whatever_the_size() {
    let settings = RemovalSettings::default();
    for nodes in 3..=5000 {
        let limit = settings.limit(nodes);
        assert!(limit * 2 < nodes && limit >= (nodes / 10).max(1), "{limit} of {nodes}");
    }
}

#[test]
fn the_share_is_a_setting() {
    let limit = |max_percent, nodes| RemovalSettings { max_percent, ..RemovalSettings::default() }.limit(nodes);
    assert_eq!([limit(10, 0), limit(10, 9), limit(10, 59), limit(100, 25), limit(0, 25)], [1, 3, 5, 25, 0]);
}

#[test]
fn a_person_overrides_the_breaker_and_the_canary_and_nothing_else() {
    let served = served();
    let allowed = || node().annotation(ANNOTATION_ALLOW_REMOVAL, "true");
    let many = Pool { absent: 40, ..pool(&served) };
    assert_eq!(verdict(allowed(), &absent(), many), Verdict::Remove);
    let lone = Absent { canary: Canary::Missing, ..absent() };
    assert_eq!(verdict(allowed(), &lone, pool(&served)), Verdict::Remove);
    assert_eq!(held_for(&verdict(node().annotation(ANNOTATION_ALLOW_REMOVAL, "yes"), &absent(), many)), "BreakerOpen");
    let once = Absent { first: Some(sighting(NOW)), ..absent() };
    assert_eq!(verdict(allowed(), &once, many), Verdict::Wait(Wait::Confirmation));
    assert_eq!(held_for(&verdict(allowed().uninitialized(), &absent(), many)), "NodeUninitialized");
    let refused = Pool { auth_fault: Some(at(NOW)), ..many };
    assert_eq!(held_for(&verdict(allowed(), &absent(), refused)), "CredentialsRefused");
}

#[test]
fn what_the_autoscaler_announced_does_not_open_the_breaker() {
    let served = served();
    let announced = || node().taint(TAINT_TO_BE_DELETED);
    assert!(!counts(&announced().build()) && counts(&node().build()));
    assert_eq!(verdict(announced(), &absent(), Pool { absent: 40, ..pool(&served) }), Verdict::Remove);
}

#[test]
fn the_first_answer_counts_only_when_it_can_be_trusted() {
    let settings = RemovalSettings::default();
    let node = node().build();
    let record = |before, last, canary| Absent::record(before, &node, (&absence(), last, canary), &settings);
    assert_eq!(record(None, sighting(10), Canary::Seen).first, Some(sighting(10)));
    assert_eq!(record(None, sighting(10), Canary::Missing).first, None);
    assert_eq!(record(None, sighting(10), Canary::Absent).first, None);
    let old = Sighting { asked: at(100), observed: at(10) };
    assert_eq!(record(None, old, Canary::Seen).first, None, "not fresh");

    let first = || Some(record(None, sighting(10), Canary::Seen));
    assert_eq!(record(first(), sighting(70), Canary::Seen).first, Some(sighting(10)), "it keeps its date");
    assert_eq!(record(first(), sighting(70), Canary::Missing).first, Some(sighting(10)), "nothing was said against it");
    assert_eq!(record(first(), sighting(70), Canary::Absent).first, None, "the answers are worth nothing");
    let elsewhere = Absence { account: "other".to_owned(), ..absence() };
    let other = Absent::record(first(), &node, (&elsewhere, sighting(70), Canary::Seen), &settings);
    assert_eq!(other.first, Some(sighting(70)), "another account answers: it begins anew");
}

#[test]
fn the_second_look_comes_when_both_clocks_have_moved_on() {
    let settings = RemovalSettings::default();
    assert_eq!(Absent { last: sighting(900), ..absent() }.confirm_at(&settings), Some(at(960)));
    assert_eq!(absent().confirm_at(&settings), None, "confirmed");
    assert_eq!(Absent { first: None, ..absent() }.confirm_at(&settings), None, "nothing to confirm");
    let behind = Absent { last: Sighting { asked: at(960), observed: at(950) }, ..absent() };
    assert_eq!(behind.confirm_at(&settings), Some(at(970)));
}

#[test]
fn a_hold_says_what_is_wrong_and_what_to_do() {
    let breaker = Hold::Breaker { removed: 3, absent: 40, limit: 20, window: Duration::from_secs(600) }.to_string();
    for part in ["40 machines", "3 Nodes", "at most 20", "600s", ANNOTATION_ALLOW_REMOVAL, "--node-removal-max-percent"]
    {
        assert!(breaker.contains(part), "{part}: {breaker}");
    }
    assert!(Hold::CanaryAbsent.to_string().contains("credentials"));
}
