//! Machines that the cloud's lists lack, though it shows each when asked for it. Nothing goes wrong by it, as no list is believed
//! about what it lacks; but somebody should know. Pure: time is an argument.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// Machines by id, and when each was last shown.
#[derive(Debug, Default)]
pub(super) struct Unlisted(HashMap<String, Instant>);

/// Nobody asks for a machine any more that has not been shown for so long.
const FORGOTTEN: Duration = Duration::from_mins(10);

impl Unlisted {
    /// These were shown, each by itself, after lists that lacked them.
    pub(super) fn shown<'a>(&mut self, ids: impl Iterator<Item = &'a String>, now: Instant) {
        self.0.extend(ids.map(|id| (id.clone(), now)));
    }

    /// A list has these, or the cloud has them no more.
    pub(super) fn listed(&mut self, has: impl Fn(&str) -> bool) {
        self.0.retain(|id, _| !has(id));
    }

    /// How many there are.
    pub(super) fn count(&mut self, now: Instant) -> usize {
        self.0.retain(|_, at| now.saturating_duration_since(*at) < FORGOTTEN);
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_has_again_or_nobody_asks_for_is_forgotten() {
        let start = Instant::now();
        let mut unlisted = Unlisted::default();
        let ids = ["a", "b", "c"].map(str::to_owned);
        unlisted.shown(ids.iter(), start);
        assert_eq!(unlisted.count(start), 3);
        unlisted.listed(|id| id == "a");
        unlisted.shown(ids[1..2].iter(), start + FORGOTTEN / 2);
        assert_eq!(unlisted.count(start + FORGOTTEN), 1);
    }
}
