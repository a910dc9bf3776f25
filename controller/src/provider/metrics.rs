//! Calls to the provider daemons: one uniform family for all clouds. Ours; upstream has none.

use crate::metrics::{CounterVec, FloatGaugeVec, GaugeVec, HistogramVec, Registrar};

/// What the facade counts. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Seconds a call took, by provider, method and gRPC code.
    pub request_duration: HistogramVec<3>,
    /// Nodes asked about in batches, by provider; with the calls of `BatchGetInstances` it shows the batch size.
    pub instances_asked: CounterVec<1>,
    /// Answers refused by the controller's own checks, by provider and reason.
    pub distrusted: CounterVec<2>,
    /// 1 while the provider is connected, hand shaken and serving.
    pub ready: GaugeVec<1>,
    /// Name, version and API minor of a connected provider; the value is 1.
    pub info: GaugeVec<3>,
    /// Times the daemon was seen to have restarted (its epoch changed), by provider.
    pub restarts: CounterVec<1>,
    /// Pauses a provider asked for, by provider.
    pub throttles: CounterVec<1>,
    /// What a provider says of its own state, by provider and condition: 1 true, 0 false, -1 unknown.
    pub condition: GaugeVec<2>,
    /// Until when a provider's cloud credentials are valid, as Unix time, by provider. Absent: unknown or for ever.
    pub credentials_expiry: FloatGaugeVec<1>,
    /// Seconds for which a provider is throttled by its cloud, as it last said, by provider; 0 when it is not.
    pub throttled: FloatGaugeVec<1>,
    /// When a provider's cloud last answered it well, as Unix time, by provider. Absent: never since its start.
    pub cloud_success: FloatGaugeVec<1>,
    /// When the certificate that we show to daemons ends, as Unix time. Absent: there is none.
    pub certificate_expiry: FloatGaugeVec<0>,
    /// Age of the oldest observation in the last answer about instances, by provider.
    pub observed_age: FloatGaugeVec<1>,
    /// Changes of machines hinted at, by provider.
    pub hints: CounterVec<1>,
}

impl Metrics {
    pub(crate) fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            request_duration: to.histograms(
                "cloudprovider_request_duration_seconds",
                "Duration of calls to a provider daemon, by provider, method and gRPC code",
                ["provider", "method", "code"],
                &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0],
            ),
            instances_asked: to.counters(
                "cloudprovider_instances_asked",
                "Nodes asked about in batches, by provider",
                ["provider"],
            ),
            distrusted: to.counters(
                "cloudprovider_answers_refused",
                "Answers of a provider refused by the controller's checks, by provider and reason",
                ["provider", "reason"],
            ),
            ready: to.gauges("cloudprovider_ready", "1 while the provider is connected and serving", ["provider"]),
            info: to.gauges(
                "cloudprovider_info",
                "A connected provider; the value is always 1",
                ["provider", "version", "api"],
            ),
            restarts: to.counters(
                "cloudprovider_restarts",
                "Times a provider daemon was seen to have restarted",
                ["provider"],
            ),
            throttles: to.counters("cloudprovider_throttles", "Pauses a provider asked for", ["provider"]),
            condition: to.gauges(
                "cloudprovider_condition",
                "What a provider says of its own state: 1 true, 0 false, -1 unknown",
                ["provider", "condition"],
            ),
            credentials_expiry: to.float_gauges(
                "cloudprovider_credentials_expiry_timestamp_seconds",
                "Until when a provider's cloud credentials are valid, as Unix time; absent when unknown",
                ["provider"],
            ),
            throttled: to.float_gauges(
                "cloudprovider_throttled_seconds",
                "For how long a provider is throttled by its cloud, as it last said; 0 when it is not",
                ["provider"],
            ),
            cloud_success: to.float_gauges(
                "cloudprovider_last_cloud_success_timestamp_seconds",
                "When a provider's cloud last answered it well, as Unix time",
                ["provider"],
            ),
            certificate_expiry: to.float_gauges(
                "cloudprovider_client_certificate_expiry_timestamp_seconds",
                "When the certificate shown to provider daemons ends, as Unix time",
                [],
            ),
            observed_age: to.float_gauges(
                "cloudprovider_observed_age_seconds",
                "Age of the oldest observation in the last answer about instances",
                ["provider"],
            ),
            hints: to.counters("cloudprovider_hints", "Changes of machines a provider hinted at", ["provider"]),
        }
    }
}
