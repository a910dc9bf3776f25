//! The pause a throttled provider asks for. It holds for all its calls, since the limit is the account's and not the
//! item's.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// The longest wait inside a call. A longer pause is given back to the queue at once: its workers serve other providers.
const WAIT: Duration = Duration::from_secs(1);

/// Holds back the calls to one provider.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Option<Instant>>);

impl Throttle {
    /// No call for this long. A longer pause that is under way stays. Answers whether a pause has begun with this.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let now = Instant::now();
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = until.is_none_or(|until| until <= now);
        *until = (*until).max(Some(now + pause));
        idle
    }

    /// How long no call may be made; `None` when it may.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.map(|until| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// Waits out a short pause. A long one is the error: come back after that time.
    pub(super) async fn admit(&self) -> Result<(), Duration> {
        let patience = Instant::now() + WAIT;
        while let Some(left) = self.remaining() {
            let over = Instant::now() + left;
            if over > patience {
                return Err(left);
            }
            sleep_until(over).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_short_pause_is_waited_out() {
        let throttle = Throttle::default();
        assert!(throttle.pause(Duration::from_millis(800)));
        let start = Instant::now();
        assert_eq!(throttle.admit().await, Ok(()));
        assert_eq!(start.elapsed(), Duration::from_millis(800));
        assert_eq!(throttle.remaining(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_pause_is_given_back_at_once() {
        let throttle = Throttle::default();
        throttle.pause(Duration::from_secs(20));
        let start = Instant::now();
        assert_eq!(throttle.admit().await, Err(Duration::from_secs(20)));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_pause_does_not_end_a_longer_one() {
        let throttle = Throttle::default();
        assert!(throttle.pause(Duration::from_secs(20)));
        assert!(!throttle.pause(Duration::from_secs(1)));
        assert_eq!(throttle.remaining(), Some(Duration::from_secs(20)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_renewed_while_waiting_holds() {
        let throttle = Throttle::default();
        throttle.pause(Duration::from_millis(500));
        let (admitted, ()) = tokio::join!(throttle.admit(), async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            throttle.pause(Duration::from_secs(5));
        });
        assert!(admitted.is_err(), "the renewed pause is longer than a call waits");
    }
}
