//! Objects of one kind, in the order they were made, with what they looked like a while ago.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::clock::earlier;

/// How long past looks are kept: the most a listing can lag.
pub(crate) const MEMORY: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
struct Entry<T> {
    now: Option<T>,
    /// What it was until a moment, oldest first. `None`: it was not there.
    past: VecDeque<(Timestamp, Option<T>)>,
}

impl<T> Entry<T> {
    fn remember(&mut self, until: Timestamp, look: Option<T>) {
        let oldest = earlier(until, MEMORY);
        while self.past.front().is_some_and(|(until, _)| *until < oldest) {
            self.past.pop_front();
        }
        self.past.push_back((until, look));
    }

    fn seen_at(&self, at: Timestamp) -> Option<&T> {
        let look = self.past.iter().find(|(until, _)| *until > at).map_or(&self.now, |(_, look)| look);
        look.as_ref()
    }
}

/// Objects by id. Reading by id is always up to date; a listing may ask for an earlier look.
#[derive(Clone, Debug)]
pub struct Table<T> {
    entries: BTreeMap<u64, Entry<T>>,
    places: HashMap<String, u64>,
    /// Deleted entries that are still remembered.
    gone: VecDeque<(Timestamp, u64)>,
    next: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), places: HashMap::new(), gone: VecDeque::new(), next: 0 }
    }
}

impl<T: Clone> Table<T> {
    /// The object.
    pub fn get(&self, id: &str) -> Option<&T> {
        self.entries.get(self.places.get(id)?)?.now.as_ref()
    }

    /// All objects with their ids, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.values().filter_map(|entry| entry.now.as_ref())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// All objects as they were at a moment.
    pub fn seen_at(&self, at: Timestamp) -> impl Iterator<Item = &T> {
        self.entries.values().filter_map(move |entry| entry.seen_at(at))
    }

    /// An object that is there now, as it was at a moment. `None`: it is gone, or was not there yet.
    pub fn seen(&self, id: &str, at: Timestamp) -> Option<&T> {
        self.entries.get(self.places.get(id)?)?.seen_at(at)
    }

    /// Adds an object. What was seeded and not made by a call is added at [`Timestamp::MIN`]: no listing is late for it.
    ///
    /// # Panics
    /// When there is one of that id.
    pub fn insert(&mut self, now: Timestamp, id: &str, object: T) {
        self.forget(now);
        let place = self.next;
        self.next += 1;
        assert!(self.places.insert(id.to_owned(), place).is_none(), "there is an object {id} already");
        let past = if now == Timestamp::MIN { VecDeque::new() } else { VecDeque::from([(now, None)]) };
        self.entries.insert(place, Entry { now: Some(object), past });
    }

    /// The object, to be changed.
    pub fn change(&mut self, now: Timestamp, id: &str) -> Option<&mut T> {
        let entry = self.entries.get_mut(self.places.get(id)?)?;
        entry.remember(now, entry.now.clone());
        entry.now.as_mut()
    }

    /// Takes the object away.
    pub fn remove(&mut self, now: Timestamp, id: &str) -> Option<T> {
        let place = self.places.remove(id)?;
        let entry = self.entries.get_mut(&place)?;
        let object = entry.now.take();
        entry.remember(now, object.clone());
        self.gone.push_back((now, place));
        object
    }

    /// Takes away all objects that are not to be kept.
    pub fn retain(&mut self, now: Timestamp, id_of: impl Fn(&T) -> String, keep: impl Fn(&T) -> bool) {
        let leaving: Vec<_> = self.iter().filter(|object| !keep(object)).map(id_of).collect();
        for id in leaving {
            self.remove(now, &id);
        }
    }

    fn forget(&mut self, now: Timestamp) {
        let oldest = earlier(now, MEMORY);
        while let Some((at, place)) = self.gone.front()
            && *at < oldest
        {
            self.entries.remove(place);
            self.gone.pop_front();
        }
    }
}

impl<T: Clone + Serialize> Serialize for Table<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen(table: &Table<&'static str>, second: i64) -> Vec<&'static str> {
        table.seen_at(at(second)).copied().collect()
    }

    #[test]
    fn a_listing_can_show_how_things_were() {
        let mut table = Table::default();
        table.insert(Timestamp::MIN, "seeded", "seeded");
        table.insert(at(10), "a", "a");
        *table.change(at(20), "a").unwrap() = "A";
        table.remove(at(30), "a");
        for (second, expected) in
            [(5, vec!["seeded"]), (10, vec!["seeded", "a"]), (25, vec!["seeded", "A"]), (30, vec!["seeded"])]
        {
            assert_eq!(seen(&table, second), expected, "at {second}");
        }
        assert_eq!(table.get("a"), None, "by id it is up to date");
        assert_eq!(table.seen("a", at(25)), None, "what is gone has no parts to list");
        *table.change(at(40), "seeded").unwrap() = "changed";
        assert_eq!((table.seen("seeded", at(39)), table.seen("seeded", at(40))), (Some(&"seeded"), Some(&"changed")));
    }

    #[test]
    fn an_id_may_be_used_again() {
        let mut table = Table::default();
        table.insert(at(1), "a", "first");
        table.remove(at(2), "a");
        table.insert(at(3), "a", "second");
        assert_eq!(table.get("a"), Some(&"second"));
        assert_eq!((seen(&table, 1), seen(&table, 2), seen(&table, 3)), (vec!["first"], vec![], vec!["second"]));
    }

    #[test]
    fn what_is_long_gone_is_forgotten() {
        let mut table = Table::default();
        table.insert(at(1), "a", "a");
        table.remove(at(2), "a");
        table.insert(at(2 + 601), "b", "b");
        assert_eq!(table.entries.len(), 1);
    }
}
