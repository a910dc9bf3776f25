//! The cloud's clock: wall time that stands still when tokio's time is paused, so that tests can step it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// This moment and then some.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// How long from `earlier` to this moment; zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<Time> for prost_types::Timestamp {
    fn from(time: Time) -> Self {
        let (seconds, millis) = (time.0 / 1000, time.0 % 1000);
        Self {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            nanos: i32::try_from(millis * 1_000_000).unwrap_or_default(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Tells the time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Time,
    since: Instant,
}

impl Clock {
    /// A clock that shows the machine's time now and runs with tokio's from here on.
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { wall: Time(millis(wall)), since: Instant::now() }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.wall.plus(self.since.elapsed())
    }
}
