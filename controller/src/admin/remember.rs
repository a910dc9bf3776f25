//! Answers remembered for a while.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Most answers kept; past that the oldest go.
const MOST: usize = 1024;

/// Answers by question, each with a time after which it is forgotten.
#[derive(Debug)]
pub(super) struct Remember<K, V>(Mutex<HashMap<K, (V, Instant)>>);

impl<K: Eq + Hash + Clone, V: Clone> Remember<K, V> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(_, until)| Instant::now() < *until).map(|(value, _)| value.clone())
    }

    pub(super) fn put(&self, key: K, value: V, time: Duration) {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (_, until)| now < *until);
        }
        if known.len() >= MOST
            && let Some(oldest) = known.iter().min_by_key(|(_, (_, until))| *until).map(|(key, _)| key.clone())
        {
            known.remove(&oldest);
        }
        known.insert(key, (value, now + time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn forgets_after_the_time_and_keeps_a_bounded_number() {
        let known = Remember::new();
        known.put("a", 1, Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(known.get(&"a"), Some(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(known.get(&"a"), None);

        let known = Remember::new();
        for key in 0..MOST + 10 {
            known.put(key, (), Duration::from_secs(1 + key as u64));
        }
        assert_eq!(known.get(&9), None, "the first to be forgotten went first");
        assert_eq!(known.get(&(MOST + 9)), Some(()));
    }
}
