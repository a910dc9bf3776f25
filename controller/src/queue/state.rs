//! The state of a queue, without waiting: every method takes the time.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use controller_core::backoff::{self, Backoff};
use tokio::time::Instant;

use super::{Outcome, Priority};

#[derive(Debug)]
pub(super) struct State {
    backoff: Backoff,
    keys: HashMap<String, Key>,
    /// Keys with a date, soonest first.
    waiting: BTreeSet<(Instant, u64, String)>,
    groups: HashMap<Option<String>, Group>,
    sequence: u64,
}

/// Keys that are worked on in turns with those of other groups.
#[derive(Debug, Default)]
struct Group {
    /// Keys that are due, most urgent first, then longest due.
    due: BTreeSet<(Priority, u64, String)>,
    /// How many are being worked on.
    taken: usize,
}

#[derive(Debug, Default)]
struct Key {
    place: Place,
    /// The group it is due or being worked on in.
    group: Option<String>,
    failures: u32,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Out,
    Waiting {
        at: Instant,
        sequence: u64,
        priority: Priority,
    },
    Due {
        since: Instant,
        sequence: u64,
        priority: Priority,
    },
    /// Being worked on; `again` says when and how urgently it goes back in.
    Taken {
        again: Option<(Priority, Instant)>,
    },
    Parked {
        group: String,
        sequence: u64,
    },
    Halted,
}

/// What [`State::next`] found.
#[derive(Debug)]
pub(super) enum Next {
    Key { key: String, waited: Duration, left: usize },
    Until(Instant),
    Nothing,
}

impl State {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { backoff, keys: HashMap::new(), waiting: BTreeSet::new(), groups: HashMap::new(), sequence: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn add(&mut self, key: &str, priority: Priority, at: Instant) {
        let entry = self.keys.entry(key.to_owned()).or_default();
        let (priority, at) = match &mut entry.place {
            Place::Taken { again } => {
                let sooner = again.map_or((priority, at), |(p, t)| (p.min(priority), t.min(at)));
                *again = Some(sooner);
                return;
            }
            Place::Due { priority: old, .. } if *old <= priority => return,
            Place::Due { since, .. } => (priority, *since),
            Place::Waiting { at: old, priority: old_priority, .. } => ((*old_priority).min(priority), (*old).min(at)),
            Place::Out | Place::Parked { .. } | Place::Halted => (priority, at),
        };
        self.place_at(key, priority, at);
    }

    pub(super) fn remove(&mut self, key: &str) {
        match self.keys.get_mut(key) {
            Some(Key { place: Place::Taken { again }, .. }) => *again = None,
            Some(_) => {
                self.take_out(key);
                self.keys.remove(key);
            }
            None => {}
        }
    }

    /// The next key, of a group of which fewer than `most` are being worked on. Without groups there is no such limit.
    pub(super) fn next(&mut self, now: Instant, most: usize, group_of: &dyn Fn(&str) -> Option<String>) -> Next {
        while let Some((at, _, key)) = self.waiting.first() {
            if *at > now {
                break;
            }
            let (at, key) = (*at, key.clone());
            self.become_due(&key, at, group_of(&key));
        }
        if let Some(key) = self.pop(most) {
            let waited = self.take(&key, now);
            return Next::Key { key, waited, left: self.groups.values().map(|group| group.due.len()).sum() };
        }
        self.waiting.first().map_or(Next::Nothing, |(at, _, _)| Next::Until(*at))
    }

    /// `unit` is random in `[0, 1)`.
    pub(super) fn finish(&mut self, key: &str, outcome: Outcome, now: Instant, unit: f64) {
        let Some(entry) = self.keys.get_mut(key) else { return };
        let Place::Taken { again } = std::mem::take(&mut entry.place) else { return };
        let group = entry.group.take();
        if let Some(of) = self.groups.get_mut(&group) {
            of.taken = of.taken.saturating_sub(1);
            if of.taken == 0 && of.due.is_empty() {
                self.groups.remove(&group);
            }
        }
        match outcome {
            Outcome::Done => entry.failures = 0,
            Outcome::Backoff => entry.failures = entry.failures.saturating_add(1),
            _ => {}
        }
        let own = match outcome {
            Outcome::Backoff => Some(self.backoff.delay(entry.failures, unit)),
            Outcome::After(delay) => Some(delay.mul_f64(1.0 + unit / 10.0)),
            Outcome::Slow => Some(backoff::slow(unit)),
            Outcome::Halt if again.is_none() => {
                entry.place = Place::Halted;
                return;
            }
            Outcome::Park(group) if again.is_none() => {
                self.sequence += 1;
                entry.place = Place::Parked { group, sequence: self.sequence };
                return;
            }
            Outcome::Done | Outcome::Halt | Outcome::Park(_) => None,
        };
        let own = own.map(|delay| (Priority::Audit, now + delay));
        match (again, own) {
            (Some((p, a)), Some((q, b))) => self.place_at(key, p.min(q), a.min(b)),
            (Some((priority, at)), None) | (None, Some((priority, at))) => self.place_at(key, priority, at),
            (None, None) => {
                self.keys.remove(key);
            }
        }
    }

    pub(super) fn thaw(&mut self, group: &str, paced: bool, now: Instant) {
        let mut parked: Vec<(u64, String)> = self
            .keys
            .iter()
            .filter_map(|(key, entry)| match &entry.place {
                Place::Parked { group: of, sequence } if of == group => Some((*sequence, key.clone())),
                _ => None,
            })
            .collect();
        parked.sort_unstable();
        for (nth, (_, key)) in parked.into_iter().enumerate() {
            let delay = if paced { backoff::thaw(nth) } else { Duration::ZERO };
            self.place_at(&key, Priority::Audit, now + delay);
        }
    }

    fn place_at(&mut self, key: &str, priority: Priority, at: Instant) {
        self.take_out(key);
        self.sequence += 1;
        let sequence = self.sequence;
        self.waiting.insert((at, sequence, key.to_owned()));
        self.keys.entry(key.to_owned()).or_default().place = Place::Waiting { at, sequence, priority };
    }

    /// Takes the first key of the group of which the fewest are being worked on.
    fn pop(&mut self, most: usize) -> Option<String> {
        let free = |(name, group): &(&Option<String>, &mut Group)| name.is_none() || group.taken < most;
        let waiting = self.groups.iter_mut().filter(|(_, group)| !group.due.is_empty());
        let (_, group) = waiting.filter(free).min_by_key(|(_, group)| {
            let first = group.due.first().map(|(priority, sequence, _)| (*priority, *sequence));
            (group.taken, first)
        })?;
        group.taken += 1;
        group.due.pop_first().map(|(_, _, key)| key)
    }

    fn become_due(&mut self, key: &str, since: Instant, group: Option<String>) {
        let Some(entry) = self.keys.get_mut(key) else { return };
        let Place::Waiting { at, sequence, priority } = entry.place else { return };
        self.waiting.remove(&(at, sequence, key.to_owned()));
        entry.place = Place::Due { since, sequence, priority };
        entry.group.clone_from(&group);
        self.groups.entry(group).or_default().due.insert((priority, sequence, key.to_owned()));
    }

    fn take(&mut self, key: &str, now: Instant) -> Duration {
        let Some(entry) = self.keys.get_mut(key) else { return Duration::ZERO };
        let place = std::mem::replace(&mut entry.place, Place::Taken { again: None });
        match place {
            Place::Due { since, .. } => now.saturating_duration_since(since),
            _ => Duration::ZERO,
        }
    }

    /// Takes the key out of the ordered sets; its place is about to be set anew.
    fn take_out(&mut self, key: &str) {
        match self.keys.get(key).map(|entry| (&entry.place, &entry.group)) {
            Some((Place::Waiting { at, sequence, .. }, _)) => {
                self.waiting.remove(&(*at, *sequence, key.to_owned()));
            }
            Some((Place::Due { priority, sequence, .. }, group)) => {
                if let Some(of) = self.groups.get_mut(group) {
                    of.due.remove(&(*priority, *sequence, key.to_owned()));
                }
            }
            _ => {}
        }
    }
}
