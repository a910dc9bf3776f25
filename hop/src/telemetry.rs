//! Logs on standard error and traces over OTLP, the same for every binary.

mod collector;

use std::{env, io, str::FromStr, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt, layer::SubscriberExt as _, registry::LookupSpan, reload,
    util::SubscriberInitExt as _,
};

/// Most time the last traces may take to leave when the process ends.
const FLUSH: Duration = Duration::from_secs(2);
/// Where the OTLP endpoint is looked for when no flag gives one, in this order.
const ENDPOINT_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// Crates of this workspace, whose logs `-v` turns up. Those of others stay quiet: at their finest levels they print
/// what they carry.
const OURS: [&str; 12] = [
    "cloud_controller_manager",
    "controller_core",
    "provider_hop",
    "provider_kit",
    "provider_mock",
    "provider_huawei",
    "provider_baidu",
    "provider_conformance",
    "cloud_rest",
    "cpctl",
    "testkit",
    "control_plane",
];

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("log format {other:?}: must be text or json")),
        }
    }
}

/// What a binary says about itself and how much.
#[derive(Clone, Debug)]
pub struct TelemetryOptions {
    /// `service.name` of traces.
    pub service_name: &'static str,
    /// `service.version` of traces.
    pub service_version: &'static str,
    /// Format of the log.
    pub format: LogFormat,
    /// klog's `-v`: 0-3 information, 4-5 debugging, 6 and more everything of ours.
    pub verbosity: u8,
    /// gRPC endpoint traces are sent to (`http://HOST:PORT`, or `https://HOST:PORT` of one the system's CAs
    /// vouch for). `None`: what the environment says
    /// (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT`), else none are sent.
    pub otlp_endpoint: Option<String>,
    /// The share of traces begun here that is sent, 0.0 to 1.0. A caller's decision is followed.
    pub sampling_ratio: f64,
}

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says it")]
pub enum TelemetryError {
    #[error("OTLP endpoint {endpoint:?}: {problem}")]
    Endpoint { endpoint: String, problem: String },
    #[error("logging is already set up in this process: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends what is left when dropped.
#[must_use = "the last traces are lost when this is dropped at once"]
#[derive(Debug)]
pub struct TelemetryGuard {
    provider: Option<SdkTracerProvider>,
    verbosity: Verbosity,
}

/// Changes how much is logged while the process runs.
#[derive(Clone, Debug)]
pub struct Verbosity(reload::Handle<Targets, Registry>);

impl Verbosity {
    /// From now on, as if the process had been started with this `-v`.
    pub fn set(&self, verbosity: u8) {
        // Fails only when logging has ended.
        let _ = self.0.reload(filter(verbosity));
    }
}

impl TelemetryGuard {
    /// Changes how much is logged; traces stay as they are.
    pub fn verbosity(&self) -> Verbosity {
        self.verbosity.clone()
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take()
            && let Err(error) = provider.shutdown_with_timeout(FLUSH)
        {
            tracing::debug!(%error, "the last traces were not delivered");
        }
    }
}

/// Sets logging and tracing up for the whole process. Needs a tokio runtime of several threads when traces are sent.
pub fn init(options: &TelemetryOptions) -> Result<TelemetryGuard, TelemetryError> {
    let provider = tracer_provider(options)?;
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(options.service_name))
            .with_filter(filter(options.verbosity))
    });
    let (log_filter, reload) = reload::Layer::new(filter(options.verbosity));
    let logs = log_layer(options.format, io::stderr).with_filter(log_filter);
    tracing_subscriber::registry().with(logs).with(traces).try_init()?;
    Ok(TelemetryGuard { provider, verbosity: Verbosity(reload) })
}

fn filter(verbosity: u8) -> Targets {
    let ours = match verbosity {
        0..=3 => LevelFilter::INFO,
        4..=5 => LevelFilter::DEBUG,
        6.. => LevelFilter::TRACE,
    };
    let others = if verbosity < 4 { LevelFilter::WARN } else { LevelFilter::INFO };
    Targets::new()
        .with_default(others)
        // Says each failed request once more, as an error, whatever its caller makes of it.
        .with_target("kube_client::client", LevelFilter::OFF)
        .with_targets(OURS.map(|name| (name, ours)))
}

fn log_layer<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    match format {
        LogFormat::Text => {
            let colours = io::IsTerminal::is_terminal(&io::stderr());
            fmt::layer().with_writer(writer).with_ansi(colours).boxed()
        }
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(writer).boxed(),
    }
}

fn tracer_provider(options: &TelemetryOptions) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    let from_environment =
        || ENDPOINT_VARIABLES.iter().find_map(|name| env::var(name).ok()).filter(|value| !value.is_empty());
    let Some(endpoint) = options.otlp_endpoint.clone().or_else(from_environment) else { return Ok(None) };
    let failed = |problem: String| TelemetryError::Endpoint { endpoint: endpoint.clone(), problem };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_channel(collector::channel(&endpoint).map_err(&failed)?)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let resource = Resource::builder()
        .with_service_name(options.service_name)
        .with_attribute(opentelemetry::KeyValue::new("service.version", options.service_version))
        .build();
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(options.sampling_ratio)));
    Ok(Some(
        SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .with_sampler(sampler)
            .build(),
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(verbosity: u8, format: LogFormat, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = {
            let sink = sink.clone();
            move || sink.clone()
        };
        let layer = log_layer(format, writer).with_filter(filter(verbosity));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn verbosity_turns_up_our_crates_only() {
        let lines = |verbosity| {
            logged(verbosity, LogFormat::Text, || {
                tracing::info!(target: "provider_kit::x", "ours-info");
                tracing::debug!(target: "provider_kit::x", "ours-debug");
                tracing::trace!(target: "cloud_controller_manager", "ours-trace");
                tracing::warn!(target: "hyper", "others-warn");
                tracing::debug!(target: "hyper", "others-debug");
            })
        };
        let check = |verbosity: u8, expected: &[&str]| {
            let text = lines(verbosity);
            for word in ["ours-info", "ours-debug", "ours-trace", "others-warn", "others-debug"] {
                assert_eq!(text.contains(word), expected.contains(&word), "-v={verbosity}, {word}: {text}");
            }
        };
        check(0, &["ours-info", "others-warn"]);
        check(4, &["ours-info", "ours-debug", "others-warn"]);
        check(10, &["ours-info", "ours-debug", "ours-trace", "others-warn"]);
    }

    #[test]
    fn verbosity_can_be_changed_while_logging() {
        let sink = Sink::default();
        let writer = {
            let sink = sink.clone();
            move || sink.clone()
        };
        let (log_filter, handle) = reload::Layer::new(filter(0));
        let layer = log_layer(LogFormat::Text, writer).with_filter(log_filter);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::debug!(target: "provider_kit", "before");
            Verbosity(handle.clone()).set(4);
            tracing::debug!(target: "provider_kit", "after");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("after") && !text.contains("before"), "{text}");
    }

    #[test]
    fn json_is_an_object_a_line() {
        let text = logged(0, LogFormat::Json, || tracing::info!(target: "provider_kit", node = "n1", "looked up"));
        assert!(text.starts_with('{') && text.ends_with("}\n"), "{text}");
        assert!(text.contains(r#""message":"looked up""#) && text.contains(r#""node":"n1""#), "{text}");
    }

    #[test]
    fn log_format_names_the_choices() {
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        assert!("xml".parse::<LogFormat>().unwrap_err().contains("text or json"));
    }
}
