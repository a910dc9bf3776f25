//! When a changed node set is given to the Services.

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

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
