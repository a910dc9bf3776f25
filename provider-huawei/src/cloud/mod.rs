//! One account profile's cloud: everything a call needs beside its own path and body.

mod project;
mod request;

use std::sync::Arc;

use cloud_rest::{
    Actor, Audit, Call, Client, Clock, Error, Metrics, Settings, Source, Transport, TransportError, TransportSettings,
    Watch,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;

use self::project::Project;
pub use self::request::{PROJECT, Request};
use crate::{
    config::{Config, Signature},
    credentials::{Assumed, Configured},
    dialect::Huawei,
    endpoints::Service,
    sign::{AkSk, Algorithm},
};

/// One account profile's cloud. Clones share everything.
#[derive(Clone, Debug)]
pub struct Cloud {
    shared: Arc<Shared>,
    client: Client,
}

struct Shared {
    config: Config,
    project: Project,
    source: Arc<Configured>,
    /// With an agency: makes calls with the keys that may assume it.
    base: Option<Client>,
}

/// What a cloud shares with its daemon.
#[derive(Clone)]
pub struct Surroundings {
    /// Where calls are counted.
    pub metrics: Metrics,
    /// Where calls that change something are recorded.
    pub audit: Option<Arc<dyn Audit>>,
    /// The time signatures carry.
    pub clock: Clock,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { metrics: Metrics::default(), audit: None, clock: Arc::new(Timestamp::now) }
    }
}

impl Cloud {
    /// Puts it together, with nothing around it.
    pub fn new(account: &str, config: Config) -> Result<Self, TransportError> {
        Self::with(account, config, &Surroundings::default())
    }

    /// Puts it together; nothing is called yet. `account` names the profile in logs and metrics.
    pub fn with(account: &str, config: Config, surroundings: &Surroundings) -> Result<Self, TransportError> {
        let transport = transport(&config)?;
        let source = Arc::new(Configured::new(&config)?);
        let settings = |source: Arc<dyn Source>| {
            let sign = Arc::new(AkSk { algorithm: algorithm(&config), host: config.profile.sign_host });
            let Surroundings { metrics, audit, clock } = surroundings.clone();
            let base = Settings::new(account, transport.clone(), sign, Arc::new(Huawei), source);
            Settings { start_rate, metrics, audit, clock, ..base }
        };
        let probe = Some(probe(&config));
        let (base, client) = match &config.agency {
            None => (None, Client::new(Settings { probe, ..settings(source.clone()) })),
            Some(agency) => {
                let iam = config.endpoints.of(Service::Iam).clone();
                // The keys below may do no more than assume the agency, so that they are tried with that.
                let base = Client::new(settings(source.clone()));
                let assumed = Assumed::new(base.clone(), iam, agency.clone());
                (Some(base), Client::new(Settings { probe, ..settings(Arc::new(assumed)) }))
            }
        };
        let project = Project::new(config.project_id.clone());
        Ok(Self { shared: Arc::new(Shared { config, project, source, base }), client })
    }

    /// The same cloud, working for someone.
    #[must_use]
    pub fn on_behalf_of(&self, actor: Actor) -> Self {
        Self { shared: self.shared.clone(), client: self.client.on_behalf_of(actor) }
    }

    /// The configuration it was started with.
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

    /// The project's id: given, or looked up once by the region's name.
    pub async fn project_id(&self) -> Result<Arc<str>, Error> {
        self.shared.project.id(&self.client, &self.shared.config).await
    }

    /// Takes over keys when the file or the mounted Secret they are in changes, within seconds. New keys are tried out first; bad
    /// ones are refused, and the old ones go on. `None`: they come from where nothing changes, or renew themselves.
    pub fn follow_keys(&self) -> Option<Watch> {
        let files = self.shared.source.files();
        let cloud = self.clone();
        let follow = move || {
            let cloud = cloud.clone();
            async move { cloud.reload_keys().await }
        };
        (!files.is_empty()).then(|| Watch::start(&files, follow))
    }

    /// Reads the keys again from where they come from.
    pub async fn reload_keys(&self) {
        if let Some(base) = &self.shared.base {
            base.reload_credentials().await;
        }
        self.client.reload_credentials().await;
    }

    /// A read. `path` is its segments; [`PROJECT`] stands for the project's id.
    pub fn get(&self, service: Service, name: &'static str, path: &[&str]) -> Request<'_> {
        Request::new(self, service, name, Method::GET, path)
    }

    /// A call that makes something, so never sent twice.
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

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

fn transport(config: &Config) -> Result<Transport, TransportError> {
    let connection = &config.connection;
    Transport::new(&TransportSettings {
        connect_timeout: connection.connect_timeout,
        timeout: connection.request_timeout,
        ca_files: connection.ca_files.clone(),
        proxy: connection.proxy.clone(),
        proxy_from_environment: connection.proxy_from_environment,
        user_agent: crate::USER_AGENT.to_owned(),
        ..TransportSettings::default()
    })
}

fn algorithm(config: &Config) -> Algorithm {
    match config.profile.signature {
        Signature::Sdk => Algorithm::Sdk,
        Signature::V11 => Algorithm::Derived { region: config.region.clone() },
    }
}

/// Calls per second at first; the limits find out by themselves what the services bear. The Go provider keeps to 10 reads, and to 1
/// to 3 writes by service.
fn start_rate(family: &str, mutates: bool) -> f64 {
    match (family, mutates) {
        ("nat", true) => 1.0,
        ("elb", true) => 5.0,
        (_, true) => 3.0,
        (_, false) => 10.0,
    }
}

/// A read that any key may try itself on: whether it is allowed is not the question. IAM is out of reach in some installations, and
/// not needed where the project is given.
fn probe(config: &Config) -> Call {
    let Some(project) = &config.project_id else { return project::list(config) };
    let base = config.endpoints.of(Service::Vpc).clone();
    let value = HeaderValue::from_str(project).ok();
    let headers = value.map(|value| (HeaderName::from_static("x-project-id"), value));
    Call {
        query: vec![("limit".to_owned(), "1".to_owned())],
        headers: HeaderMap::from_iter(headers),
        ..Call::new("ListVpcs", Service::Vpc.name(), Method::GET, base, &["v1", project, "vpcs"])
    }
}
