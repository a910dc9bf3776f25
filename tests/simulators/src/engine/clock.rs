//! The cloud's clock: it runs with tokio's time, so that a test that pauses time pauses the cloud, and can be put forward.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the cloud's time. Starts at the machine's.
#[derive(Debug)]
pub struct Clock {
    start: Timestamp,
    since: Instant,
    ahead: Mutex<Duration>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { start: Timestamp::now(), since: Instant::now(), ahead: Mutex::default() }
    }
}

impl Clock {
    /// The time.
    pub fn now(&self) -> Timestamp {
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        later(self.start, self.since.elapsed() + ahead)
    }

    /// Puts the clock forward: what takes the cloud time is done that much sooner, and signatures look that much older.
    pub fn advance(&self, by: Duration) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

/// `from` and then some; the last moment there is when that is past it.
pub fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// `from` less some; the first moment there is when that is before it.
pub fn earlier(from: Timestamp, by: Duration) -> Timestamp {
    from.checked_sub(by).unwrap_or(Timestamp::MIN)
}
