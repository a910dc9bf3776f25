//! The one place that reads the wall clock for decisions.

use std::time::{Duration, SystemTime};

use controller_core::time::Timestamp;

/// Now.
pub fn now() -> Timestamp {
    Timestamp::default() + since_epoch()
}

#[cfg(not(test))]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// In tests the wall clock goes with tokio's, which may be paused and stepped.
#[cfg(test)]
fn since_epoch() -> Duration {
    use std::{sync::OnceLock, time::Instant};

    static START: OnceLock<(Duration, Instant)> = OnceLock::new();
    let (wall, steady) = START
        .get_or_init(|| (SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(), Instant::now()));
    *wall + tokio::time::Instant::now().into_std().saturating_duration_since(*steady)
}

/// What a daemon made of a script takes for the time.
#[cfg(test)]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(now().0)
}
