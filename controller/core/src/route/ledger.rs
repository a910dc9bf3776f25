//! Which routes failed, and when each is tried again. Failures cost their own item a wait and nobody else anything, and
//! cause no further listing.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    backoff::{self, Backoff},
    fault::{Fault, Retry},
    time::Timestamp,
};

use super::plan::{Plan, Wish};

/// One thing to do to the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// Make the route of this wish.
    Create(Wish),
    /// Remove the route to this destination that leads to this target.
    Delete(Wish),
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    in_a_row: u32,
    again: Timestamp,
}

/// The memory of failures.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    failures: BTreeMap<Item, Failure>,
    /// No route is made before then: the quota is used up.
    full_until: Option<Timestamp>,
    /// Nothing is sent before then: the cloud throttles.
    throttled_until: Option<Timestamp>,
}

impl Ledger {
    /// Forgets what is not planned any more.
    pub fn keep_only(&mut self, plan: &Plan) {
        let planned = |item: &Item| match item {
            Item::Create(wish) => plan.creations.iter().any(|creation| creation.wish == *wish),
            Item::Delete(wish) => plan.deletions.iter().any(|route| deletion(route) == Item::Delete(wish.clone())),
        };
        self.failures.retain(|item, _| planned(item));
    }

    /// Whether this is to be tried now.
    pub fn is_due(&self, item: &Item, now: Timestamp) -> bool {
        let full = matches!(item, Item::Create(_)) && self.full_until.is_some_and(|until| now < until);
        let throttled = self.throttled_until.is_some_and(|until| now < until);
        !full && !throttled && self.failures.get(item).is_none_or(|failure| failure.again <= now)
    }

    /// It worked.
    pub fn succeeded(&mut self, item: &Item) {
        self.failures.remove(item);
        if matches!(item, Item::Delete(_)) {
            // There is room again.
            self.full_until = None;
        }
    }

    /// It failed. `unit` is random in `[0, 1)`.
    pub fn failed(&mut self, item: Item, fault: &Fault, now: Timestamp, unit: f64) {
        let in_a_row = self.failures.get(&item).map_or(0, |failure| failure.in_a_row).saturating_add(1);
        let wait = match fault.retry() {
            Retry::Backoff => Backoff::SERVICE.delay(in_a_row, unit),
            Retry::After(time) => time.mul_f64(1.0 + unit / 10.0),
            Retry::Slow | Retry::Halt => backoff::slow(unit),
        };
        if fault.quota && matches!(item, Item::Create(_)) {
            self.full_until = Some(now + backoff::slow(unit));
        }
        if fault.is_throttle() {
            self.throttled_until = self.throttled_until.max(Some(now + wait));
        }
        self.failures.insert(item, Failure { in_a_row, again: now + wait });
    }

    /// How long until something is to be tried again; `None`: nothing has failed.
    pub fn next(&self, now: Timestamp) -> Option<Duration> {
        let held = |item: &Item| match item {
            Item::Create(_) => self.full_until.max(self.throttled_until),
            Item::Delete(_) => self.throttled_until,
        };
        self.failures
            .iter()
            .map(|(item, failure)| held(item).map_or(failure.again, |held| held.max(failure.again)))
            .min()
            .map(|again| again.since(now))
    }

    /// How many items have failed and were not tried with success since.
    pub fn failing(&self) -> usize {
        self.failures.len()
    }
}

/// The item that a route of [`Plan::deletions`] is.
pub fn deletion(route: &crate::provider::Route) -> Item {
    Item::Delete(Wish { node: route.target_node.clone(), cidr: super::plan::canonical(&route.destination_cidr) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::{Code, Origin},
        fixtures::fault,
        route::plan::{Creation, RouteNode},
    };

    const NOW: Timestamp = Timestamp::from_secs(1000);

    fn wish(node: &str) -> Wish {
        Wish { node: node.into(), cidr: "10.0.0.0/24".into() }
    }

    fn create(node: &str) -> Item {
        Item::Create(wish(node))
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_failing_route_waits_longer_each_time_and_alone() {
        let mut ledger = Ledger::default();
        let broken = fault(Code::Internal, Origin::Cloud);
        let mut now = NOW;
        for wait in [5, 10, 20, 40] {
            ledger.failed(create("a"), &broken, now, 1.0);
            assert_eq!(ledger.next(now), Some(secs(wait)));
            assert!(!ledger.is_due(&create("a"), now + secs(wait - 1)));
            assert!(ledger.is_due(&create("b"), now));
            now = now + secs(wait);
            assert!(ledger.is_due(&create("a"), now));
        }
        ledger.succeeded(&create("a"));
        assert_eq!((ledger.next(now), ledger.failing()), (None, 0));
    }

    #[test]
    fn a_used_up_quota_stops_every_creation_until_there_is_room() {
        let mut ledger = Ledger::default();
        let full = Fault { quota: true, ..fault(Code::ResourceExhausted, Origin::Cloud) };
        ledger.failed(create("a"), &full, NOW, 0.0);
        assert!(!ledger.is_due(&create("b"), NOW), "no route is made");
        let removal = Item::Delete(wish("c"));
        assert!(ledger.is_due(&removal, NOW), "but routes are removed");
        assert!(ledger.is_due(&create("b"), NOW + secs(600)), "and after a long while it is tried again");
        ledger.succeeded(&removal);
        assert!(ledger.is_due(&create("b"), NOW));
    }

    #[test]
    fn a_throttled_provider_is_left_in_peace() {
        let mut ledger = Ledger::default();
        let throttled = Fault { retry_after: Some(secs(7)), ..fault(Code::ResourceExhausted, Origin::Cloud) };
        ledger.failed(create("a"), &throttled, NOW, 0.0);
        for item in [create("b"), Item::Delete(wish("c"))] {
            assert!(!ledger.is_due(&item, NOW + secs(6)));
            assert!(ledger.is_due(&item, NOW + secs(7)));
        }
    }

    #[test]
    fn what_is_no_longer_planned_is_forgotten() {
        let mut ledger = Ledger::default();
        for node in ["a", "b"] {
            ledger.failed(create(node), &fault(Code::Internal, Origin::Cloud), NOW, 0.0);
        }
        let node = crate::fixtures::Node::new().named("a").build();
        let node = &crate::view::Node { pod_cidrs: vec!["10.0.0.0/24".into()], ..node };
        let plan = crate::route::plan::plan([RouteNode { node, ours: true }], &[], &[]);
        assert!(matches!(plan.creations.as_slice(), [Creation { .. }]));
        ledger.keep_only(&plan);
        assert_eq!(ledger.failing(), 1);
    }
}
