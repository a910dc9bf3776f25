use super::*;

const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(15),
    renew_deadline: Duration::from_secs(10),
    retry_period: Duration::from_secs(2),
};

/// Our steady clock started at 0 when the wall clock showed 1,000,000.
fn at(seconds: u64) -> Moment {
    Moment { steady: Duration::from_secs(seconds), wall: Timestamp::from_secs(1_000_000 + seconds) }
}

fn me() -> Election {
    Election::new("me", TIMING)
}

fn record(holder: &str, renewed: u64, transitions: i32) -> Record {
    Record {
        holder: holder.to_owned(),
        duration: Duration::from_secs(15),
        acquired: Timestamp::from_secs(1_000_000),
        renewed: Timestamp::from_secs(1_000_000 + renewed),
        transitions,
    }
}

fn leader(since: u64) -> Election {
    let mut election = me();
    let Seen::Create(record) = election.seen(None, at(since)) else { panic!("no Lease is created") };
    election.written(record, at(since));
    election
}

#[test]
fn a_missing_lease_is_created_and_makes_a_leader() {
    let mut election = me();
    assert_eq!(election.next(at(0)), Next::Read);
    let Seen::Create(created) = election.seen(None, at(0)) else { panic!("created") };
    assert_eq!(created, record("me", 0, 0));
    assert!(!election.is_leader(), "not before the apiserver has agreed");
    election.written(created, at(0));
    assert!(election.is_leader());
    assert_eq!(election.leader(), Some("me"));
}

#[test]
fn a_held_lease_is_waited_for_by_our_own_clock_and_never_by_what_it_says() {
    for renewed_by_holder in [0, 10, 999_999] {
        let mut election = me();
        // The holder's clock may be far behind or ahead; only the time since we saw the record counts.
        let found = record("other", renewed_by_holder, 3);
        let held = Seen::Held { by: "other".to_owned() };
        assert_eq!(election.seen(Some(found.clone()), at(100)), held);
        assert_eq!(election.seen(Some(found.clone()), at(114)), held);
        let Seen::Update(taken) = election.seen(Some(found), at(115)) else { panic!("taken over") };
        assert_eq!((taken.holder.as_str(), taken.transitions), ("me", 4));
        assert_eq!(taken.acquired, at(115).wall);
    }
}

#[test]
fn each_renewal_by_the_holder_starts_the_wait_anew() {
    let mut election = me();
    for (seconds, renewed) in [(0, 0), (14, 14), (28, 28), (42, 42)] {
        assert!(matches!(election.seen(Some(record("other", renewed, 0)), at(seconds)), Seen::Held { .. }));
    }
    assert!(matches!(election.seen(Some(record("other", 42, 0)), at(57)), Seen::Update(_)));
}

#[test]
fn the_holders_own_duration_counts() {
    let mut election = me();
    let found = Record { duration: Duration::from_secs(60), ..record("other", 0, 0) };
    election.seen(Some(found.clone()), at(0));
    assert!(matches!(election.seen(Some(found.clone()), at(59)), Seen::Held { .. }));
    assert!(matches!(election.seen(Some(found), at(60)), Seen::Update(_)));
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let mut election = me();
    let Seen::Update(taken) = election.seen(Some(record("", 0, 7)), at(5)) else { panic!("taken") };
    assert_eq!(taken.transitions, 8);
}

#[test]
fn a_leader_renews_without_reading_and_keeps_when_it_began() {
    let election = leader(0);
    let Next::Renew(renewal) = election.next(at(2)) else { panic!("renews") };
    assert_eq!(renewal, record("me", 2, 0));
}

#[test]
fn after_a_failed_write_the_lease_is_read_first() {
    let mut election = leader(0);
    election.failed();
    assert_eq!(election.next(at(2)), Next::Read);
    let Seen::Update(renewal) = election.seen(Some(record("me", 0, 0)), at(2)) else { panic!("still ours") };
    assert_eq!(renewal.acquired, at(0).wall);
    election.written(renewal, at(2));
    assert!(matches!(election.next(at(4)), Next::Renew(_)));
}

#[test]
fn a_write_whose_answer_was_lost_is_recognised() {
    let mut election = me();
    election.seen(None, at(0));
    election.failed();
    let Seen::Update(renewal) = election.seen(Some(record("me", 0, 0)), at(2)) else { panic!("ours") };
    assert_eq!(renewal.transitions, 0);
}

#[test]
fn a_leader_that_finds_another_holder_leads_no_more() {
    let mut election = leader(0);
    election.failed();
    assert!(matches!(election.seen(Some(record("other", 9, 1)), at(9)), Seen::Held { .. }));
    assert!(!election.is_leader());
}

#[test]
fn a_leader_that_does_not_get_through_steps_down_before_anyone_can_take_over() {
    let mut election = leader(0);
    let Next::Renew(renewal) = election.next(at(2)) else { panic!("renews") };
    election.written(renewal.clone(), at(2));
    assert!(!election.must_step_down(at(11)));
    assert!(election.must_step_down(at(12)), "10 s after the last success was sent");

    // Another candidate that saw the renewal the moment it was written waits until 17.
    let mut other = Election::new("other", TIMING);
    assert!(matches!(other.seen(Some(renewal.clone()), at(2)), Seen::Held { .. }));
    assert!(matches!(other.seen(Some(renewal.clone()), at(16)), Seen::Held { .. }));
    assert!(matches!(other.seen(Some(renewal), at(17)), Seen::Update(_)));
}

#[test]
fn slow_answers_do_not_stretch_the_lease() {
    let mut election = leader(0);
    let Next::Renew(renewal) = election.next(at(2)) else { panic!("renews") };
    // Sent at 2, answered at 7: counts from 2.
    election.written(renewal, at(2));
    assert_eq!(election.step_down_at(), Some(Duration::from_secs(12)));
}

#[test]
fn releasing_empties_the_holder_once() {
    let mut election = leader(0);
    let released = election.release(at(5)).expect("we led");
    assert_eq!((released.holder.as_str(), released.duration), ("", Duration::from_secs(1)));
    assert!(!election.is_leader());
    assert_eq!(election.release(at(5)), None);
    assert_eq!(me().release(at(0)), None, "one that never led has nothing to release");
}

#[test]
fn health_fails_only_for_a_leader_long_overdue() {
    let election = leader(0);
    assert!(!election.is_overdue(at(35)));
    assert!(election.is_overdue(at(36)));
    assert!(!me().is_overdue(at(1000)), "a standby is healthy");
}

#[test]
fn timing_is_validated_as_upstream_does() {
    let secs = Duration::from_secs;
    for (lease, renew, retry, faults) in
        [(15, 10, 2, 0), (10, 10, 2, 1), (15, 10, 9, 1), (15, 12, 10, 1), (5, 10, 9, 2), (0, 0, 0, 4)]
    {
        let timing = Timing { lease_duration: secs(lease), renew_deadline: secs(renew), retry_period: secs(retry) };
        assert_eq!(timing.faults().len(), faults, "{timing:?}: {:?}", timing.faults());
    }
    assert_eq!(TIMING.request_timeout(), secs(5));
}
