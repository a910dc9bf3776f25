//! A map that forgets what was used longest ago.

use std::collections::{BTreeMap, HashMap};

use super::Key;

#[derive(Debug)]
pub(super) struct Lru<V> {
    capacity: usize,
    clock: u64,
    entries: HashMap<Key, (u64, V)>,
    by_use: BTreeMap<u64, Key>,
}

impl<V> Lru<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), clock: 0, entries: HashMap::new(), by_use: BTreeMap::new() }
    }

    /// The value of `key`, made when it is not there; counts as a use.
    pub(super) fn get_or_insert_with(&mut self, key: Key, make: impl FnOnce() -> V) -> &mut V {
        self.clock += 1;
        if let Some((used, _)) = self.entries.get(&key) {
            self.by_use.remove(used);
        } else if self.entries.len() == self.capacity
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.by_use.insert(self.clock, key);
        let (used, value) = self.entries.entry(key).or_insert_with(|| (0, make()));
        *used = self.clock;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_used_longest_ago() {
        let mut lru = Lru::new(2);
        lru.get_or_insert_with(1, || 1);
        lru.get_or_insert_with(2, || 2);
        assert_eq!(*lru.get_or_insert_with(1, || 9), 1, "still there, and now the younger one");
        lru.get_or_insert_with(3, || 3);
        assert_eq!(*lru.get_or_insert_with(1, || 9), 1);
        assert_eq!(*lru.get_or_insert_with(2, || 9), 9, "2 was forgotten for 3");
        assert_eq!((lru.entries.len(), lru.by_use.len()), (2, 2));
    }
}
