//! The pages of the server: which request gets which answer. Who may ask is decided before.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use provider_hop::telemetry::Verbosity;
use tokio::time::Instant;

use super::{
    health::{Health, Probe, Verdict},
    pages,
    text::parameters,
};
use crate::{args::Flags, config::Config, metrics::Metrics};

pub(super) type Answer = Response<Full<Bytes>>;

const PLAIN: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";
/// Where the log level is set.
const LEVEL: &str = "/debug/flags/v";
const PATHS: [&str; 8] =
    ["/healthz", "/livez", "/readyz", "/metrics", "/metrics/slis", "/configz", "/statusz", "/flagz"];

/// What the pages show.
#[derive(Clone, Debug)]
pub struct Served {
    /// What was configured.
    pub config: Arc<Config>,
    /// How it was written.
    pub flags: Flags,
    /// The health checks.
    pub health: Health,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// Changes the log level; `None`: nobody can.
    pub verbosity: Option<Verbosity>,
}

/// The pages.
#[derive(Debug)]
pub(super) struct Endpoints {
    served: Served,
    profiling: bool,
    started: Instant,
    started_unix: u64,
}

/// What was asked, body included.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl Endpoints {
    pub(super) fn new(served: Served, profiling: bool) -> Self {
        let started_unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { served, profiling, started: Instant::now(), started_unix }
    }

    pub(super) fn answer(&self, asked: &Asked<'_>) -> Answer {
        if asked.path == LEVEL && self.profiling {
            return self.set_level(asked);
        }
        let answer = self.page(asked);
        if answer.status() != StatusCode::NOT_FOUND && asked.method != Method::GET && asked.method != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n");
        }
        answer
    }

    fn page(&self, asked: &Asked<'_>) -> Answer {
        let served = &self.served;
        match asked.path {
            "/metrics" => self.metrics(asked.headers),
            "/metrics/slis" => typed(PROMETHEUS, self.slis()),
            "/configz" => typed(JSON, pages::configz(&served.config, &served.flags).to_string()),
            "/statusz" => plain(StatusCode::OK, &pages::statusz(self.started, self.started_unix, &PATHS)),
            "/flagz" => plain(StatusCode::OK, &pages::flagz(&served.flags)),
            path => {
                self.probe(path, asked.query).unwrap_or_else(|| plain(StatusCode::NOT_FOUND, "404 page not found\n"))
            }
        }
    }

    /// `/healthz` and its like, and single checks below them.
    fn probe(&self, path: &str, query: &str) -> Option<Answer> {
        Probe::ALL.into_iter().find_map(|probe| {
            let rest = path.strip_prefix('/')?.strip_prefix(probe.name)?;
            let verdict = match rest.strip_prefix('/') {
                None if rest.is_empty() => {
                    let verbose = !parameters(query, "verbose").is_empty();
                    self.served.health.verdict(probe, verbose, &parameters(query, "exclude"))
                }
                Some(name) => self.served.health.single(probe, name)?,
                None => return None,
            };
            Some(of_verdict(&verdict))
        })
    }

    fn metrics(&self, headers: &HeaderMap) -> Answer {
        let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accepted.contains("application/openmetrics-text") {
            typed(OPEN_METRICS, self.served.metrics.open_metrics_text())
        } else {
            typed(PROMETHEUS, self.served.metrics.prometheus_text())
        }
    }

    fn slis(&self) -> String {
        for probe in Probe::ALL {
            pages::record_checks(&self.served.metrics, probe.name, &self.served.health.outcomes(probe));
        }
        self.served.metrics.slis_text()
    }

    fn set_level(&self, asked: &Asked<'_>) -> Answer {
        if asked.method != Method::PUT {
            return plain(StatusCode::NOT_ACCEPTABLE, "unrecognized http method: PUT a number from 0 to 255\n");
        }
        let text = String::from_utf8_lossy(asked.body);
        match (text.trim().parse::<u8>(), &self.served.verbosity) {
            (Ok(level), Some(verbosity)) => {
                verbosity.set(level);
                tracing::info!(level, "log level set");
                plain(StatusCode::OK, &format!("successfully set klog.logging.verbosity to {level}\n"))
            }
            (Ok(_), None) => plain(StatusCode::NOT_FOUND, "the log level of this process cannot be changed\n"),
            (Err(_), _) => {
                let shown: String = text.chars().take(32).collect();
                plain(StatusCode::BAD_REQUEST, &format!("{shown:?} is not a log level: PUT a number from 0 to 255\n"))
            }
        }
    }
}

fn of_verdict(verdict: &Verdict) -> Answer {
    plain(if verdict.healthy { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }, &verdict.text)
}

fn plain(code: StatusCode, text: &str) -> Answer {
    let mut answer = typed(PLAIN, text.to_owned());
    *answer.status_mut() = code;
    answer
}

fn typed(kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::from(text));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// A refusal as the apiserver writes it: a `Status` object.
pub(super) fn status(code: StatusCode, reason: &str, message: &str) -> Answer {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    });
    let mut answer = typed(JSON, body.to_string());
    *answer.status_mut() = code;
    answer
}

/// The path as a label: one of those served, so that callers cannot make labels up.
pub(super) fn label(path: &str) -> &'static str {
    let known = PATHS.into_iter().chain([LEVEL]).find(|known| *known == path);
    known.unwrap_or("other")
}
