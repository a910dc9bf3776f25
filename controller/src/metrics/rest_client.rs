//! `rest_client_*`, as client-go names them.

use super::families::{CounterVec, FloatGauge, HistogramVec, Registrar};

/// Calls to the kube-apiserver.
#[derive(Clone, Debug)]
pub struct RestClientMetrics {
    /// Requests, by status code (`<error>` when there was none), method and host.
    pub requests: CounterVec<3>,
    /// Requests sent again, by the code that caused it, verb and host.
    pub retries: CounterVec<3>,
    /// Seconds until the answer's head was there, by verb and host.
    pub duration: HistogramVec<2>,
    /// Seconds a request was held back by our own limiter, by verb and host.
    pub rate_limiter_duration: HistogramVec<2>,
    /// Bytes of request bodies, by verb and host.
    pub request_size: HistogramVec<2>,
    /// Bytes of answers whose length is known beforehand, by verb and host.
    pub response_size: HistogramVec<2>,
    /// Requests the adaptive limiter now lets run side by side. Ours.
    pub concurrency_limit: FloatGauge,
}

impl RestClientMetrics {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
        let seconds = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0];
        let bytes =
            [64.0, 256.0, 512.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0];
        Self {
            requests: to.counters(
                "rest_client_requests",
                "Number of HTTP requests, partitioned by status code, method, and host",
                ["code", "method", "host"],
            ),
            retries: to.counters(
                "rest_client_request_retries",
                "Number of request retries, partitioned by status code, verb, and host",
                ["code", "verb", "host"],
            ),
            duration: to.histograms(
                "rest_client_request_duration_seconds",
                "Request latency in seconds. Broken down by verb, and host",
                ["verb", "host"],
                &seconds,
            ),
            rate_limiter_duration: to.histograms(
                "rest_client_rate_limiter_duration_seconds",
                "Client side rate limiter latency in seconds. Broken down by verb, and host",
                ["verb", "host"],
                &seconds,
            ),
            request_size: to.histograms(
                "rest_client_request_size_bytes",
                "Request size in bytes. Broken down by verb and host",
                ["verb", "host"],
                &bytes,
            ),
            response_size: to.histograms(
                "rest_client_response_size_bytes",
                "Response size in bytes. Broken down by verb and host",
                ["verb", "host"],
                &bytes,
            ),
            concurrency_limit: to.float_gauge(
                "cloud_controller_manager_apiserver_concurrency_limit",
                "Requests that the adaptive limiter lets run side by side",
            ),
        }
    }
}
