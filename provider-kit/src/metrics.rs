//! What a daemon counts about itself. A provider registers its own beside it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use provider_hop::tls::Tls;
use tokio::sync::watch;

use crate::access::AccessStatus;

/// Upper bounds of the durations, in seconds: from an answer out of memory to a slow cloud's.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

/// The daemon's metrics. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    calls: Family<CallLabels, Histogram>,
    in_flight: Gauge,
    refused: Family<RefusalLabels, Counter>,
    certificate: Option<Certificate>,
    access_file: Mutex<Option<AccessFile>>,
}

struct AccessFile {
    status: watch::Receiver<AccessStatus>,
    reloads: Gauge,
    refused: Gauge,
    stale: Gauge,
}

struct Certificate {
    tls: Arc<Tls>,
    expires: Gauge,
    reloads: Gauge,
    refused: Gauge,
    stale: Gauge,
}

impl Metrics {
    pub(crate) fn new(tls: Option<Arc<Tls>>) -> Self {
        let mut registry = Registry::default();
        let calls: Family<CallLabels, Histogram> = Family::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register(
            "provider_request_duration_seconds",
            "Calls answered, by method and gRPC code",
            calls.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("provider_requests_in_flight", "Calls being worked on", in_flight.clone());
        let refused = Family::default();
        registry.register("provider_requests_refused", "Calls refused before any work, by reason", refused.clone());
        let certificate = tls.map(|tls| Certificate::register(tls, &mut registry));
        Self(Arc::new(Inner {
            registry: Mutex::new(registry),
            calls,
            in_flight,
            refused,
            certificate,
            access_file: Mutex::default(),
        }))
    }

    /// Registers metrics of the provider's own.
    pub fn register(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.0.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All of them, in the `OpenMetrics` text format.
    pub fn render(&self) -> String {
        if let Some(certificate) = &self.0.certificate {
            certificate.update();
        }
        if let Some(file) = &*self.0.access_file.lock().unwrap_or_else(PoisonError::into_inner) {
            file.update();
        }
        let mut text = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry).expect("writing to a string does not fail");
        text
    }

    /// Shows how the access file fares from now on.
    pub(crate) fn show_access_file(&self, status: watch::Receiver<AccessStatus>) {
        let mut registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let file = AccessFile::register(status, &mut registry);
        *self.0.access_file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    pub(crate) fn begun(&self) {
        self.0.in_flight.inc();
    }

    pub(crate) fn ended(&self, method: &str, code: &'static str, duration: Duration) {
        self.0.in_flight.dec();
        let labels = CallLabels { method: method.to_owned(), code };
        self.0.calls.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        self.0.refused.get_or_create(&RefusalLabels { reason }).inc();
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

impl AccessFile {
    fn register(status: watch::Receiver<AccessStatus>, registry: &mut Registry) -> Self {
        let mut gauge = |name: &str, help: &str| gauge(registry, name, help);
        Self {
            reloads: gauge(
                "provider_access_file_reloads",
                "How often a changed access file was taken over since the start",
            ),
            refused: gauge("provider_access_file_reload_failures", "How often one was refused since the start"),
            stale: gauge("provider_access_file_stale", "1 while the access file on disk is not the one in force"),
            status,
        }
    }

    fn update(&self) {
        let status = self.status.borrow();
        self.reloads.set(i64::try_from(status.reloads).unwrap_or(i64::MAX));
        self.refused.set(i64::try_from(status.refused).unwrap_or(i64::MAX));
        self.stale.set(i64::from(status.fault.is_some()));
    }
}

impl Certificate {
    fn register(tls: Arc<Tls>, registry: &mut Registry) -> Self {
        let mut gauge = |name: &str, help: &str| gauge(registry, name, help);
        Self {
            expires: gauge("provider_certificate_expiration_seconds", "When the certificate in use ends, Unix time"),
            reloads: gauge("provider_certificate_reloads", "How often certificates were taken over since the start"),
            refused: gauge(
                "provider_certificate_reload_failures",
                "How often new certificates were refused since the start",
            ),
            stale: gauge("provider_certificate_stale", "1 while the files on disk are not the ones in use"),
            tls,
        }
    }

    fn update(&self) {
        let status = self.tls.status().borrow().clone();
        let seconds = status.not_after.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.expires.set(i64::try_from(seconds).unwrap_or(i64::MAX));
        self.reloads.set(i64::try_from(status.reloads).unwrap_or(i64::MAX));
        self.refused.set(i64::try_from(status.refused).unwrap_or(i64::MAX));
        self.stale.set(i64::from(status.fault.is_some()));
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
