//! When a changed node set is given to the Services.

use std::{collections::HashMap, time::Duration};

use crate::time::Timestamp;

/// A set is given out when nothing changed for this long: the members of a scale-up arrive together.
pub const QUIET: Duration = Duration::from_secs(1);
/// The longest a change waits for quiet.
pub const LONGEST: Duration = Duration::from_secs(5);
/// Shortest time between two sets given out. A burst that goes on costs every Service one update per this time, whatever
/// number of nodes come and go in it.
pub const APART: Duration = Duration::from_secs(10);

/// Gathers bursts of changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Debounce {
    /// The oldest and the newest change that was not given out yet.
    pending: Option<(Timestamp, Timestamp)>,
    /// When a set was last given out.
    given: Option<Timestamp>,
}

impl Debounce {
    /// Something changed.
    pub fn changed(&mut self, now: Timestamp) {
        let first = self.pending.map_or(now, |(first, _)| first);
        self.pending = Some((first, now));
    }

    /// When the set is to be given out; `None` when nothing changed.
    pub fn due(&self) -> Option<Timestamp> {
        let (first, last) = self.pending?;
        let settled = (last + QUIET).min(first + LONGEST);
        Some(self.given.map_or(settled, |given| settled.max(given + APART)))
    }

    /// The set was given out.
    pub fn given(&mut self, now: Timestamp) {
        *self = Self { pending: None, given: Some(now) };
    }
}

/// Gathers the bursts of many things, each for itself: one that never rests does not hold up the others.
#[derive(Debug, Default)]
pub struct Debounces(HashMap<String, Debounce>);

impl Debounces {
    /// This one changed.
    pub fn changed(&mut self, key: &str, now: Timestamp) {
        self.0.entry(key.to_owned()).or_default().changed(now);
    }

    /// When the first of them is to be given out; `None` when nothing changed.
    pub fn due(&self) -> Option<Timestamp> {
        self.0.values().filter_map(Debounce::due).min()
    }

    /// Those that are to be given out now; they count as given.
    pub fn give(&mut self, now: Timestamp) -> Vec<String> {
        let mut due = Vec::new();
        for (key, one) in &mut self.0 {
            if one.due().is_some_and(|at| at <= now) {
                one.given(now);
                due.push(key.clone());
            }
        }
        // What has rested this long is as good as new.
        self.0.retain(|_, one| one.pending.is_some() || one.given.is_some_and(|given| now.since(given) < APART));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_never_rests_holds_nobody_up() {
        let mut all = Debounces::default();
        let (mut busy, mut quiet) = (Vec::new(), Vec::new());
        all.changed("quiet", Timestamp(0));
        for now in (0..30_000).step_by(100).map(Timestamp) {
            all.changed("busy", now);
            assert!(all.due().is_some());
            for key in all.give(now) {
                if key == "busy" { busy.push(now.0) } else { quiet.push(now.0) }
            }
        }
        assert_eq!((busy, quiet), (vec![5000, 15_000, 25_000], vec![1000]));
        all.give(Timestamp(60_000));
        assert!(all.give(Timestamp(80_000)).is_empty() && all.0.is_empty(), "nothing is remembered for ever");
    }

    /// The moments, in ms, at which sets are given out when changes happen at `changes` ms.
    fn given_at(changes: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let (mut debounce, mut given) = (Debounce::default(), Vec::new());
        let mut give_until = |debounce: &mut Debounce, until: u64| {
            while let Some(due) = debounce.due().filter(|due| due.0 <= until) {
                given.push(due.0);
                debounce.given(due);
            }
        };
        for change in changes {
            give_until(&mut debounce, change);
            debounce.changed(Timestamp(change));
        }
        give_until(&mut debounce, u64::MAX);
        given
    }

    #[test]
    fn a_single_change_waits_for_a_moment_of_quiet_only() {
        assert_eq!(given_at([500]), [1500]);
    }

    #[test]
    fn changes_close_together_are_given_out_once() {
        assert_eq!(given_at([0, 300, 900]), [1900]);
    }

    #[test]
    fn a_hundred_flips_in_ten_seconds_are_given_out_twice_at_most() {
        for gap in [10, 50, 100] {
            let flips: Vec<u64> = (0..100).map(|n| n * gap).collect();
            assert!(given_at(flips.iter().copied()).len() <= 2, "{gap} ms apart");
        }
        // Also when they come in waves with quiet between them.
        let waves = (0..100).map(|n| (n / 20) * 2000 + n % 20);
        assert!(given_at(waves).len() <= 2);
    }

    #[test]
    fn the_last_change_is_never_lost() {
        let given = given_at((0..1000).map(|n| n * 100));
        assert!(*given.last().unwrap() >= 99_900, "{given:?}");
    }

    #[test]
    fn a_change_waits_its_limit_although_others_keep_coming() {
        assert_eq!(given_at((0..60).map(|n| n * 100))[0], 5000);
    }
}
