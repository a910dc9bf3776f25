//! Calls to the provider daemons: one uniform family for all clouds. Ours; upstream has none.

use super::families::{CounterVec, FloatGaugeVec, GaugeVec, HistogramVec, Registrar};

/// Calls to the provider daemons.
#[derive(Clone, Debug)]
pub struct ProviderMetrics {
    /// Seconds a call took, by provider, method and gRPC code.
    pub request_duration: HistogramVec<3>,
    /// Nodes asked about in batches, by provider; with the calls of `BatchGetInstances` it shows the batch size.
    pub instances_asked: CounterVec<1>,
    /// Answers refused by the controller's own checks, by provider and reason.
    pub distrusted: CounterVec<2>,
    /// 1 while the provider is connected, hand shaken and serving.
    pub ready: GaugeVec<1>,
    /// Name, version, API minor and epoch of a connected provider; the value is 1.
    pub info: GaugeVec<3>,
    /// Times the daemon was seen to have restarted (its epoch changed), by provider.
    pub restarts: CounterVec<1>,
    /// Seconds left until calls are let through again after throttling, by provider and account.
    pub paused_seconds: FloatGaugeVec<2>,
    /// Unix time at which the certificate shown to the provider ends, by provider.
    pub certificate_expiration: FloatGaugeVec<1>,
}

impl ProviderMetrics {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
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
            paused_seconds: to.float_gauges(
                "cloudprovider_paused_seconds",
                "Seconds for which calls are held back because the cloud throttles, by provider and account",
                ["provider", "account"],
            ),
            certificate_expiration: to.float_gauges(
                "cloudprovider_client_certificate_expiration_seconds",
                "Unix time at which the client certificate shown to the provider ends",
                ["provider"],
            ),
        }
    }
}
