//! When each loop last showed a sign of life, for the health endpoints: a wedged loop must be visible from outside.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Every loop calls [`Progress::beat`] at least this often, also when it has nothing to do.
pub const BEAT: Duration = Duration::from_secs(10);

/// A loop silent for longer than this counts as stuck.
pub const STUCK: Duration = Duration::from_secs(120);

/// The last sign of life of each loop. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<BTreeMap<&'static str, Instant>>>);

impl Progress {
    /// The loop of this name is alive.
    pub fn beat(&self, name: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Instant::now());
    }

    /// The loop of this name ended in order and is no longer watched.
    pub fn ended(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Every running loop and how long ago it showed a sign of life.
    pub fn ages(&self) -> BTreeMap<&'static str, Duration> {
        let beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        beats.iter().map(|(name, at)| (*name, at.elapsed())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ages_grow_until_the_next_beat() {
        let progress = Progress::default();
        progress.beat("service");
        tokio::time::advance(Duration::from_secs(130)).await;
        assert!(progress.ages()["service"] > STUCK);
        progress.beat("service");
        assert_eq!(progress.ages()["service"], Duration::ZERO);
        progress.ended("service");
        assert!(progress.ages().is_empty());
    }
}
