use super::*;

fn event(name: &str, message: &str) -> Event {
    Event {
        source: "service-controller",
        object: ObjectRef { name: name.to_owned(), kind: "Service".to_owned(), ..ObjectRef::default() },
        warning: true,
        reason: "SyncLoadBalancerFailed".to_owned(),
        message: message.to_owned(),
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + seconds)
}

#[test]
fn the_same_event_is_counted_up_in_one_object() {
    let mut limits = EventLimits::default();
    let first = limits.admit(&event("a", "no quota"), at(0), 0xabc).expect("admitted");
    assert_eq!(first, Record { name: "a.abc".into(), message: "no quota".into(), count: 1, first: at(0) });
    let second = limits.admit(&event("a", "no quota"), at(9), 0xdef).expect("admitted");
    assert_eq!(second, Record { count: 2, ..first });
}

#[test]
fn the_tenth_similar_message_within_the_window_is_combined() {
    let mut limits = EventLimits::default();
    let mut admit = |i: u64| limits.admit(&event("a", &format!("request {i}")), at(i), i).expect("admitted");
    for i in 0..9 {
        let single = admit(i);
        assert_eq!((single.count, single.message), (1, format!("request {i}")));
    }
    let combined = admit(9);
    assert_eq!(combined.message, "(combined from similar events): request 9");
    assert_eq!((combined.name.as_str(), combined.count), ("a.9", 1));
    let next = admit(10);
    assert_eq!((next.name.as_str(), next.count), ("a.9", 2), "the combined ones share an object");
}

#[test]
fn similar_messages_are_told_apart_again_after_a_quiet_window() {
    let mut limits = EventLimits::default();
    for i in 0..12 {
        limits.admit(&event("a", &format!("request {i}")), at(i), i);
    }
    let later = limits.admit(&event("a", "request 99"), at(11 + 601), 99).expect("admitted");
    assert_eq!(later.message, "request 99");
}

#[test]
fn an_object_gets_25_at_once_and_one_more_every_300_seconds() {
    let mut limits = EventLimits::default();
    let mut admitted = |seconds| limits.admit(&event("a", "no quota"), at(seconds), 0).is_some();
    assert_eq!((0..40).filter(|_| admitted(0)).count(), 25);
    assert!(!admitted(299));
    assert!(admitted(300) && !admitted(300));
    assert_eq!((0..40).filter(|_| admitted(1_000_000)).count(), 25, "and never more than 25 saved up");
}

#[test]
fn the_share_of_one_object_is_not_used_up_by_another_nor_by_another_source() {
    let mut limits = EventLimits::default();
    for _ in 0..30 {
        limits.admit(&event("a", "no quota"), at(0), 0);
    }
    assert!(limits.admit(&event("b", "no quota"), at(0), 0).is_some());
    let other = Event { source: "cloud-node-controller", ..event("a", "no quota") };
    assert!(limits.admit(&other, at(0), 0).is_some());
    assert!(limits.admit(&event("a", "no quota"), at(0), 0).is_none());
}

#[test]
fn a_clock_that_steps_back_neither_refills_nor_panics() {
    let mut limits = EventLimits::default();
    for _ in 0..25 {
        limits.admit(&event("a", "m"), at(100), 0);
    }
    assert!(limits.admit(&event("a", "m"), at(0), 0).is_none());
    assert!(limits.admit(&event("a", "m"), at(399), 0).is_none());
    assert!(limits.admit(&event("a", "m"), at(400), 0).is_some());
}
