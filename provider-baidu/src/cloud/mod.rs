//! One account profile's cloud: everything a call needs beside its own path and body.

mod request;

use std::{path::PathBuf, sync::Arc};

use cloud_rest::{Actor, Call, Client, Settings, Transport, TransportSettings};
use http::Method;
use provider_kit::rest::Traces;

pub use self::request::{BY_MARKER, BY_NUMBER, Request};
use crate::{
    config::Config,
    credentials::{self, Signing},
    endpoints::Service,
};

/// One account profile's cloud. Clones share everything.
#[derive(Clone, Debug)]
pub struct Cloud {
    shared: Arc<Shared>,
    client: Client,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    watched: Vec<PathBuf>,
}

impl Cloud {
    /// Puts it together; nothing is called yet. `account` names the profile in logs and metrics; `file` is where the configuration
    /// was read, whose keys are read again when it changes. The error says what is unfit: a CA file, a proxy.
    pub fn new(account: &str, config: Config, file: Option<PathBuf>, traces: &Traces) -> Result<Self, String> {
        let open = |settings: &TransportSettings| Transport::new(settings).map_err(|error| error.to_string());
        let transport = open(&config.transport)?;
        let direct =
            open(&TransportSettings { proxy: None, proxy_from_environment: false, ..config.transport.clone() })?;
        let Signing { sign, dialect, source, watched } =
            credentials::signing(account, &config, file, &transport, &direct, traces)?;
        let (metrics, audit) = (traces.metrics(), Some(traces.audit()));
        let settings = Settings::new(account, transport, sign, dialect, source);
        let client = Client::new(Settings { start_rate, metrics, audit, probe: Some(probe(&config)), ..settings });
        Ok(Self { shared: Arc::new(Shared { config, watched }), client })
    }

    /// The same cloud, working for someone.
    #[must_use]
    pub fn on_behalf_of(&self, actor: Actor) -> Self {
        Self { shared: self.shared.clone(), client: self.client.on_behalf_of(actor) }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.shared.config.region
    }

    /// The account profile's name.
    pub fn account(&self) -> &str {
        self.client.account()
    }

    /// What makes the calls.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Files and folders whose change means that there may be other keys.
    pub fn watched(&self) -> &[PathBuf] {
        &self.shared.watched
    }

    /// A read. `path` is its segments.
    pub fn get(&self, service: Service, name: &'static str, path: &[&str]) -> Request<'_> {
        Request::new(self, service, name, Method::GET, path)
    }

    /// A call that makes something, so never sent twice without a client token.
    pub fn post(&self, service: Service, name: &'static str, path: &[&str]) -> Request<'_> {
        Request::new(self, service, name, Method::POST, path)
    }

    /// A call that sets something: the same again does no harm.
    pub fn put(&self, service: Service, name: &'static str, path: &[&str]) -> Request<'_> {
        Request::new(self, service, name, Method::PUT, path)
    }

    /// A call that removes something by its id: the same again finds nothing.
    pub fn delete(&self, service: Service, name: &'static str, path: &[&str]) -> Request<'_> {
        Request::new(self, service, name, Method::DELETE, path)
    }
}

/// What the cloud's own network plugin keeps to, in calls per second: the cloud names no numbers itself.
fn start_rate(family: &str, mutates: bool) -> f64 {
    match (family, mutates) {
        ("vpc", false) => 1.0,
        (_, true) | ("bcc" | "bbc" | "bec", _) => 5.0,
        _ => 10.0,
    }
}

/// A read that new keys are tried out with before they take the place of those in use: whether it is allowed is not the question.
fn probe(config: &Config) -> Call {
    let (service, name, path) = if config.profile.features.bcc {
        (Service::Bcc, "ListInstances", ["v2", "instance"].as_slice())
    } else {
        (Service::Bec, "ListVmInstances", ["v2", "vm", "instance"].as_slice())
    };
    let call = Call::new(name, service.name(), Method::GET, config.endpoints.of(service).clone(), path);
    Call { query: vec![("maxKeys".to_owned(), "1".to_owned())], ..call }
}
