//! What the facade counts. No label holds an id: names of methods, codes and providers only.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Labels of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// Method, as the proto names it.
    pub method: &'static str,
    /// gRPC code of the outcome.
    pub code: &'static str,
    /// Name of the provider.
    pub provider: String,
}

/// Label of what belongs to a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProviderLabel {
    /// Name of the provider.
    pub provider: String,
}

/// Labels of a condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConditionLabels {
    /// Name of the provider.
    pub provider: String,
    /// Type of the condition, as the provider names it.
    pub r#type: String,
}

/// Labels of a refused answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    /// Name of the provider.
    pub provider: String,
    /// Which rule the answer broke.
    pub reason: String,
}

/// What the facade counts. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Calls and how long they took.
    pub calls: Family<CallLabels, Histogram, fn() -> Histogram>,
    /// Nodes asked for in one look-up.
    pub batch: Family<ProviderLabel, Histogram, fn() -> Histogram>,
    /// 1 while the provider is connected, has shaken hands and serves.
    pub ready: Family<ProviderLabel, Gauge>,
    /// Conditions of the provider: 1 true, 0 false, -1 unknown.
    pub condition: Family<ConditionLabels, Gauge>,
    /// Answers refused by the controller's own checks.
    pub refusals: Family<RefusalLabels, Counter>,
    /// Pauses a provider asked for.
    pub throttles: Family<ProviderLabel, Counter>,
    /// Age of the oldest observation in the last answer, in seconds.
    pub age: Family<ProviderLabel, Gauge<f64, std::sync::atomic::AtomicU64>>,
    /// Changes hinted at.
    pub hints: Family<ProviderLabel, Counter>,
}

impl Metrics {
    /// Registers all of them.
    pub fn new(registry: &mut Registry) -> Self {
        // From 1 ms to about a minute: one call never takes longer than its deadline.
        let calls =
            Family::new_with_constructor((|| Histogram::new(exponential_buckets(0.001, 2.0, 17))) as fn() -> Histogram);
        let batch =
            Family::new_with_constructor((|| Histogram::new(exponential_buckets(1.0, 2.0, 11))) as fn() -> Histogram);
        let this = Self {
            calls,
            batch,
            ready: Family::default(),
            condition: Family::default(),
            refusals: Family::default(),
            throttles: Family::default(),
            age: Family::default(),
            hints: Family::default(),
        };
        let registry = registry.sub_registry_with_prefix("cloud_provider");
        registry.register_with_unit(
            "call_duration",
            "Calls to a provider, by outcome",
            Unit::Seconds,
            this.calls.clone(),
        );
        registry.register("lookup_batch_size", "Nodes asked for in one look-up", this.batch.clone());
        registry.register("ready", "1 while the provider can be asked", this.ready.clone());
        registry.register("condition", "Conditions of a provider: 1 true, 0 false, -1 unknown", this.condition.clone());
        registry.register("refused_answers", "Answers refused by the controller's own checks", this.refusals.clone());
        registry.register("throttles", "Pauses a provider asked for", this.throttles.clone());
        registry.register_with_unit(
            "observed_age",
            "Age of the oldest observation in the last answer",
            Unit::Seconds,
            this.age.clone(),
        );
        registry.register("hints", "Changes of machines a provider hinted at", this.hints.clone());
        this
    }
}
