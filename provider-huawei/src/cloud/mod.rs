//! One account profile's cloud: everything a call needs beside its own path and body.

mod project;
mod request;

use std::sync::Arc;

use cloud_rest::{Actor, Client, Error, Source, Transport, TransportError, TransportSettings};
use http::Method;

use self::project::Project;
pub use self::request::{PROJECT, Request};
use crate::{
    config::{Config, Signature},
    credentials::Configured,
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

#[derive(Debug)]
struct Shared {
    config: Config,
    project: Project,
}

impl Cloud {
    /// Puts it together; nothing is called yet. `account` names the profile in logs and metrics.
    pub fn new(account: &str, config: Config) -> Result<Self, TransportError> {
        let connection = &config.connection;
        let transport = Transport::new(&TransportSettings {
            connect_timeout: connection.connect_timeout,
            timeout: connection.request_timeout,
            ca_files: connection.ca_files.clone(),
            proxy: connection.proxy.clone(),
            proxy_from_environment: connection.proxy_from_environment,
            user_agent: concat!("provider-huawei/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..TransportSettings::default()
        })?;
        let credentials: Arc<dyn Source> = Arc::new(Configured(config.keys.clone()));
        let algorithm = match config.profile.signature {
            Signature::Sdk => Algorithm::Sdk,
            Signature::V11 => Algorithm::Derived { region: config.region.clone() },
        };
        let sign = Arc::new(AkSk { algorithm, host: config.profile.sign_host });
        let settings = cloud_rest::Settings::new(account, transport, sign, Arc::new(Huawei), credentials);
        let client = Client::new(settings);
        let project = Project::new(config.project_id.clone());
        Ok(Self { shared: Arc::new(Shared { config, project }), client })
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

    /// The project's id: given, or looked up once by the region's name.
    pub async fn project_id(&self) -> Result<Arc<str>, Error> {
        self.shared.project.id(&self.client, &self.shared.config).await
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
