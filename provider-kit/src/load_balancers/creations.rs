//! Creations of which nobody knows how they ended. Nothing in it that a restart may not forget.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::progress::{POLL, Progress};

/// How long it is remembered since when a list lacks something: longer than anybody pauses between two looks.
const REMEMBER: Duration = Duration::from_mins(10);
/// How long a list may lack what was just made. Clouds promise nothing; lists have been seen to be half a minute behind, and a
/// second load balancer costs more than a late one.
pub const SETTLE: Duration = Duration::from_secs(30);

/// By the key of the Service.
#[derive(Debug, Default)]
pub struct Creations {
    lost: Mutex<HashMap<String, Instant>>,
    /// When a list that lacks the load balancer of a Service that may have one is to be believed.
    believed: Mutex<HashMap<String, Instant>>,
    /// Found, and being deleted.
    going: Mutex<HashMap<String, Instant>>,
}

impl Creations {
    /// A creation whose outcome is unknown.
    pub fn lost(&self, key: &str) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.retain(|_, at| at.elapsed() < SETTLE);
        lost.insert(key.to_owned(), Instant::now());
        // When it was made is known, so a list is not doubted for as long once more.
        self.believed.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), Instant::now() + SETTLE);
    }

    /// How long a list that lacks this key's load balancer still proves nothing.
    fn doubtful(&self, key: &str) -> Option<Duration> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        SETTLE.checked_sub(lost.get(key)?.elapsed()).filter(|left| !left.is_zero())
    }

    /// A list lacks a load balancer that a forerunner of ours may have made: how long it still proves nothing. Counted from the
    /// first look, as nobody knows when it was made.
    fn lacking(&self, key: &str) -> Option<Duration> {
        let now = Instant::now();
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        believed.retain(|_, at| now.saturating_duration_since(*at) < REMEMBER);
        let at = *believed.entry(key.to_owned()).or_insert(now + SETTLE);
        at.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// It was found.
    pub fn found(&self, key: &str) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.believed.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.going.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// It was found, and is being deleted: a list that lacks it is right.
    pub fn going(&self, key: &str) {
        let now = Instant::now();
        self.believed.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), now);
        let mut going = self.going.lock().unwrap_or_else(PoisonError::into_inner);
        going.retain(|_, at| now.saturating_duration_since(*at) < REMEMBER);
        going.insert(key.to_owned(), now);
    }

    /// Whether it was found of late, and its deletion begun.
    pub fn is_going(&self, key: &str) -> bool {
        let going = self.going.lock().unwrap_or_else(PoisonError::into_inner);
        going.get(key).is_some_and(|at| at.elapsed() < REMEMBER)
    }

    /// Nothing was found, which is not believed yet: something may have been made of which nobody knows. `expected`: something may
    /// be there, as an earlier call may have made it (`LoadBalancerKey.attempted`), or as the Service shows an address.
    pub fn may_show_up(&self, key: &str, expected: bool) -> Option<Progress> {
        let left = self.doubtful(key).or_else(|| self.lacking(key).filter(|_| expected))?;
        let what = "a load balancer that the cloud's lists lack may show up yet".to_owned();
        Some(Progress::Wait { after: left.min(POLL * 5), what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_may_have_been_made_is_waited_for_and_no_longer() {
        let creations = Creations::default();
        assert_eq!(creations.may_show_up("never-attempted", false), None);
        assert!(creations.may_show_up("attempted", true).is_some());
        creations.lost("lost");
        assert!(creations.may_show_up("lost", false).is_some());
        creations.going("going");
        assert_eq!(creations.may_show_up("going", true), None);
        assert!(creations.is_going("going") && !creations.is_going("lost"));
        tokio::time::advance(SETTLE).await;
        for key in ["attempted", "lost"] {
            assert_eq!(creations.may_show_up(key, true), None, "{key}");
        }
        creations.lost("lost");
        creations.found("lost");
        assert_eq!(creations.may_show_up("lost", false), None);
    }
}
