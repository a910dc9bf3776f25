//! How many calls a caller may make, so that a broken one cannot use the account up.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Calls per second, with room for a burst of two seconds' worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(NonZeroU32);

impl Rate {
    /// `None` for zero: no limit.
    pub fn per_second(calls: u32) -> Option<Self> {
        NonZeroU32::new(calls).map(Self)
    }
}

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    since: Option<Instant>,
}

impl Bucket {
    pub(crate) fn new(rate: Rate) -> Self {
        let per_second = f64::from(rate.0.get());
        Self { per_second, state: Mutex::new(State { tokens: 2.0 * per_second, since: None }) }
    }

    /// Whether both let as many calls through.
    pub(crate) fn is_as_fast_as(&self, other: &Self) -> bool {
        self.per_second.total_cmp(&other.per_second).is_eq()
    }

    /// Takes a token, or says when there will be one.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = state.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        state.since = Some(now);
        state.tokens = (state.tokens + elapsed.as_secs_f64() * self.per_second).min(2.0 * self.per_second);
        if state.tokens >= 1.0 {
            state.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - state.tokens) / self.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_calls_are_paced() {
        let bucket = Bucket::new(Rate::per_second(10).unwrap());
        let start = Instant::now();
        for _ in 0..20 {
            bucket.take(start).unwrap();
        }
        let wait = bucket.take(start).unwrap_err();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        bucket.take(start + wait + Duration::from_millis(1)).unwrap();
        bucket.take(start + wait + Duration::from_millis(2)).unwrap_err();
    }

    #[test]
    fn rest_fills_the_bucket_but_not_beyond_the_burst() {
        let bucket = Bucket::new(Rate::per_second(10).unwrap());
        let start = Instant::now();
        bucket.take(start).unwrap();
        let later = start + Duration::from_mins(10);
        assert_eq!((0..100).filter(|_| bucket.take(later).is_ok()).count(), 20);
    }
}
