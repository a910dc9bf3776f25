//! Whether asking for machines by id is cheaper than a listing. Pure: time is an argument.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Calls by id of late.
///
/// Who refreshes thousands of nodes asks in batches, and each batch by itself is cheaper by id: together they would cost many
/// times a listing that answers them all. So calls by id are only made until they come to what a listing costs.
#[derive(Debug, Default)]
pub(super) struct Spent(VecDeque<(Instant, usize)>);

/// Calls made longer ago are forgotten.
const KEPT: Duration = super::DEFAULT_AGE;

impl Spent {
    /// Whether so many calls more, with those made at `not_before` or later, are fewer than a listing's. If so they are counted.
    pub(super) fn afford(&mut self, calls: usize, listing: usize, not_before: Instant, now: Instant) -> bool {
        while self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > KEPT) {
            self.0.pop_front();
        }
        let spent: usize = self.0.iter().filter(|(at, _)| *at >= not_before).map(|(_, calls)| calls).sum();
        let affords = spent + calls < listing;
        if affords {
            self.0.push_back((now, calls));
        }
        affords
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_by_id_end_where_a_listing_is_cheaper() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        // Seconds, since when calls count, how many more, and whether there are.
        for (what, calls) in [
            ("batches of one refresh", &[(0, 0, 1, true), (0, 0, 1, true), (1, 0, 1, false), (2, 0, 2, false)][..]),
            ("too many at once", &[(0, 0, 3, false), (0, 0, 2, true)]),
            ("each wants it fresh", &[(1, 1, 2, true), (2, 2, 2, true), (3, 3, 2, true)]),
            ("long ago", &[(0, 0, 2, true), (30, 0, 2, false), (31, 0, 2, true)]),
        ] {
            let mut spent = Spent::default();
            for (now, since, more, affords) in calls {
                assert_eq!(spent.afford(*more, 3, at(*since), at(*now)), *affords, "{what}: {more} at {now}");
            }
        }
    }
}
