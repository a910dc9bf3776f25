//! How long a failed item waits. Upstream's limits, with jitter, so that items which failed together do not return together.

use std::time::Duration;

/// Growth of the wait of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Wait after the first failure.
    pub base: Duration,
    /// Longest wait.
    pub max: Duration,
}

impl Backoff {
    /// The service queue's: 5 s growing to 300 s.
    pub const SERVICE: Self = Self { base: Duration::from_secs(5), max: Duration::from_secs(300) };
    /// The node queue's: 500 ms growing to 300 s. Upstream starts at 5 ms, which asks the cloud again before anything can
    /// have changed, and ends at 1000 s, which leaves a node unusable long after the cause is gone.
    pub const NODE: Self = Self { base: Duration::from_millis(500), max: Duration::from_secs(300) };

    /// The wait after `failures` failures in a row (1 is the first), between half and all of `base * 2^(failures-1)`.
    /// `unit` is a random number in `[0, 1)`.
    pub fn delay(self, failures: u32, unit: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.base.saturating_mul(1 << doublings).min(self.max);
        full.mul_f64(0.5 + unit.clamp(0.0, 1.0) / 2.0)
    }
}

/// The wait of an item that only a change from outside can cure: 10 to 30 minutes. `unit` is random in `[0, 1)`.
pub fn slow(unit: f64) -> Duration {
    Duration::from_secs(600).mul_f64(1.0 + 2.0 * unit.clamp(0.0, 1.0))
}

/// How long the `nth` (from 0) of many thawed items waits: the pace begins at five a second and doubles every second, so
/// that a provider that has just come back is not struck down again, and thousands of items still return within seconds.
pub fn thaw(nth: usize) -> Duration {
    #[allow(clippy::cast_precision_loss)] // A queue never holds 2^52 items.
    let nth = nth as f64;
    Duration::from_secs_f64((1.0 + nth / 5.0).log2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_doubling_up_to_the_limit() {
        let full = |failures| Backoff::SERVICE.delay(failures, 1.0).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 8, 1000].map(full), [5, 10, 20, 160, 300, 300, 300]);
    }

    #[test]
    fn jitter_takes_at_most_half() {
        assert_eq!(Backoff::SERVICE.delay(1, 0.0), Duration::from_millis(2500));
        assert_eq!(slow(0.0), Duration::from_secs(600));
        assert_eq!(slow(1.0), Duration::from_secs(1800));
    }

    #[test]
    fn thaw_starts_slowly_and_ends_soon() {
        assert_eq!(thaw(0), Duration::ZERO);
        assert!(thaw(5) <= Duration::from_secs(1), "five in the first second");
        assert!(thaw(6) > Duration::from_secs(1));
        assert!(thaw(5000) < Duration::from_secs(10));
    }
}
