//! What is counted about calls.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Upper bounds of an attempt's duration, in seconds.
const BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    account: String,
    family: &'static str,
    call: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FamilyLabels {
    account: String,
    family: &'static str,
    verb: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AccountLabels {
    account: String,
}

/// The metrics of all clients of a daemon. Clones share them; they count whether registered or not.
#[derive(Clone, Debug)]
pub struct Metrics {
    attempts: Family<AttemptLabels, Counter>,
    durations: Family<FamilyLabels, Histogram>,
    waits: Family<FamilyLabels, Counter<f64, std::sync::atomic::AtomicU64>>,
    rates: Family<FamilyLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    stale: Family<AccountLabels, Gauge>,
    replaced: Family<AccountLabels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            attempts: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            waits: Family::default(),
            rates: Family::default(),
            stale: Family::default(),
            replaced: Family::default(),
        }
    }
}

impl Metrics {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        let clone = self.clone();
        registry.register("cloud_calls", "Attempts of cloud calls, by outcome", clone.attempts);
        registry.register("cloud_call_duration_seconds", "Time an attempt of a cloud call took", clone.durations);
        registry.register("cloud_call_wait_seconds", "Time calls waited for the rate limit", clone.waits);
        registry.register("cloud_call_rate", "Calls per second the rate limit allows at present", clone.rates);
        registry.register("cloud_credentials_stale", "1 while the newest credentials are not in use", clone.stale);
        registry.register("cloud_credentials_replaced", "How often credentials were taken over", clone.replaced);
    }

    pub(crate) fn attempt(&self, of: &Of<'_>, outcome: &'static str, took: Duration) {
        let labels = AttemptLabels { account: of.account.to_owned(), family: of.family, call: of.call, outcome };
        self.attempts.get_or_create(&labels).inc();
        self.durations.get_or_create(&of.family_labels()).observe(took.as_secs_f64());
    }

    pub(crate) fn waited(&self, of: &Of<'_>, waited: Duration) {
        self.waits.get_or_create(&of.family_labels()).inc_by(waited.as_secs_f64());
    }

    pub(crate) fn rate(&self, of: &Of<'_>, per_second: f64) {
        self.rates.get_or_create(&of.family_labels()).set(per_second);
    }

    pub(crate) fn credentials(&self, account: &str, replaced: u64, stale: bool) {
        let labels = AccountLabels { account: account.to_owned() };
        self.stale.get_or_create(&labels).set(i64::from(stale));
        self.replaced.get_or_create(&labels).set(i64::try_from(replaced).unwrap_or(i64::MAX));
    }
}

/// What a number is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    pub account: &'a str,
    pub family: &'static str,
    pub call: &'static str,
    pub mutates: bool,
}

impl Of<'_> {
    fn family_labels(&self) -> FamilyLabels {
        let verb = if self.mutates { "write" } else { "read" };
        FamilyLabels { account: self.account.to_owned(), family: self.family, verb }
    }
}
