//! A daemon as a value: services and settings in, a running daemon out.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use cloud_provider_api::{FILE_DESCRIPTOR_SET, v1};
use http::Request;
use provider_hop::{
    Endpoint, ReloadTask,
    listen::{ListenError, ListenOptions, Listener},
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::DropGuard;
use tonic::{
    body::Body,
    codegen::Service,
    server::NamedService,
    service::{Routes, RoutesBuilder},
};
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

use crate::{
    access::{Access, AccessSource, LiveAccess},
    admin,
    audit::Audit,
    gate::{Gate, Rules},
    kit::Kit,
    metrics::Metrics,
    serve::Server,
};

/// Longest message either way, in bytes: the API's limit.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// What is left of the drain time for the last answers to leave.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How a daemon runs. The defaults suit tests: no listener, this process's user only.
pub struct Settings {
    /// Where calls are taken. At least one.
    pub listen: Vec<Endpoint>,
    /// How.
    pub listen_options: ListenOptions,
    /// From whom.
    pub access: Access,
    /// What `access` was made of, to be made again when its file changes. `None`: it stays as it is.
    pub access_source: Option<AccessSource>,
    /// Shortest time a caller may give a call.
    pub min_deadline: Duration,
    /// Most time a shutdown waits for running writes.
    pub drain_timeout: Duration,
    /// When clients with certificates have to connect anew, give or take a tenth.
    pub max_connection_age: Duration,
    /// Where probes and metrics are served over plain HTTP. `None`: nowhere.
    pub metrics_address: Option<SocketAddr>,
    /// The record of every change.
    pub audit: Audit,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            listen_options: ListenOptions::default(),
            access: Access::own_uid(),
            access_source: None,
            min_deadline: Duration::from_millis(5),
            drain_timeout: Duration::from_secs(25),
            max_connection_age: Duration::from_mins(30),
            metrics_address: None,
            audit: Audit::off(),
        }
    }
}

/// Why a daemon does not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says it")]
pub enum StartError {
    #[error("a daemon needs an endpoint to listen on (--listen)")]
    NoListener,
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("cannot serve probes and metrics on {address}: {source}")]
    Metrics { address: SocketAddr, source: std::io::Error },
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A daemon that does not run yet.
pub struct Daemon {
    settings: Settings,
    kit: Kit,
    routes: RoutesBuilder,
    services: Vec<&'static str>,
}

impl Daemon {
    /// A daemon without services.
    pub fn new(settings: Settings) -> Self {
        let metrics = Metrics::new(settings.listen_options.tls.clone());
        let kit = Kit::new(settings.audit.clone(), metrics);
        Self { settings, kit, routes: Routes::builder(), services: Vec::new() }
    }

    /// What the services need of the daemon.
    pub fn kit(&self) -> Kit {
        self.kit.clone()
    }

    /// Adds `Identity`.
    #[must_use]
    pub fn identity(self, service: impl v1::identity_server::Identity) -> Self {
        self.service(v1::identity_server::IdentityServer::new(service))
    }

    /// Adds `Instances`.
    #[must_use]
    pub fn instances(self, service: impl v1::instances_server::Instances) -> Self {
        let server = v1::instances_server::InstancesServer::new(service);
        self.service(server.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Adds `LoadBalancers`.
    #[must_use]
    pub fn load_balancers(self, service: impl v1::load_balancers_server::LoadBalancers) -> Self {
        let server = v1::load_balancers_server::LoadBalancersServer::new(service);
        self.service(server.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Adds `Routes`.
    #[must_use]
    pub fn routes(self, service: impl v1::routes_server::Routes) -> Self {
        let server = v1::routes_server::RoutesServer::new(service);
        self.service(server.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Adds `Clusters`.
    #[must_use]
    pub fn clusters(self, service: impl v1::clusters_server::Clusters) -> Self {
        let server = v1::clusters_server::ClustersServer::new(service);
        self.service(server.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Adds `Registries`.
    #[must_use]
    pub fn registries(self, service: impl v1::registries_server::Registries) -> Self {
        let server = v1::registries_server::RegistriesServer::new(service);
        self.service(server.max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Adds any tonic service. Calls to services the gate does not know are treated as secret.
    #[must_use]
    pub fn service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = http::Response<Body>, Error = std::convert::Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.services.push(S::NAME);
        self.routes.add_service(service);
        self
    }

    /// Binds and serves. Ends with [`Running::stop`]; dropping cuts every connection and all work at once, as a crash does.
    pub async fn start(mut self) -> Result<Running, StartError> {
        if self.settings.listen.is_empty() {
            return Err(StartError::NoListener);
        }
        let (health, reporter) = self.add_plumbing()?;
        let access = LiveAccess::new(
            std::mem::take(&mut self.settings.access),
            std::mem::take(&mut self.settings.access_source),
        );
        if let Some(status) = access.status() {
            self.kit.metrics().show_access_file(status);
        }
        let rules = Rules { kit: self.kit.clone(), access: access.clone(), min_deadline: self.settings.min_deadline };
        let gate = Gate::new(std::mem::take(&mut self.routes).routes(), rules);
        let server = Server::new(gate, &self.kit, self.settings.max_connection_age);
        let mut listeners = Vec::new();
        for endpoint in &self.settings.listen {
            listeners.push(Listener::bind(endpoint, &self.settings.listen_options).await?);
        }
        let metrics = match self.settings.metrics_address {
            Some(address) => {
                Some(admin::bind(address).await.map_err(|source| StartError::Metrics { address, source })?)
            }
            None => None,
        };
        Ok(self.spawn(server, listeners, metrics, health, reporter, &access))
    }

    fn add_plumbing(&mut self) -> Result<(HealthReporter, Vec<&'static str>), StartError> {
        let reporter = HealthReporter::new();
        self.routes.add_service(HealthServer::new(HealthService::from_health_reporter(reporter.clone())));
        let builder = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        self.routes.add_service(builder().build_v1()?);
        self.routes.add_service(builder().build_v1alpha()?);
        let mut services = vec![""];
        services.append(&mut self.services);
        Ok((reporter, services))
    }

    fn spawn(
        self,
        server: Server,
        listeners: Vec<Listener>,
        metrics: Option<TcpListener>,
        reporter: HealthReporter,
        services: Vec<&'static str>,
        access: &Arc<LiveAccess>,
    ) -> Running {
        let endpoints: Vec<Endpoint> = listeners.iter().map(|listener| listener.endpoint().clone()).collect();
        let metrics_address = metrics.as_ref().and_then(|listener| listener.local_addr().ok());
        let certificates = self.settings.listen_options.tls.as_ref().map(provider_hop::tls::Tls::watch);
        let reload = certificates.into_iter().chain(access.watch(&self.kit)).collect();
        for endpoint in &endpoints {
            tracing::info!(%endpoint, epoch = %self.kit.epoch(), "listening");
        }
        let mut tasks = Tasks(Vec::new());
        tasks.0.extend(listeners.into_iter().map(|listener| tokio::spawn(server.clone().accept(listener))));
        tasks.0.push(tokio::spawn(report_health(self.kit.clone(), reporter, services)));
        tasks.0.extend(metrics.map(|listener| tokio::spawn(admin::serve(listener, self.kit.clone()))));
        self.kit.serving().cancel();
        Running {
            server,
            endpoints,
            metrics_address,
            drain_timeout: self.settings.drain_timeout,
            _tasks: tasks,
            _kill: self.kit.killed().clone().drop_guard(),
            kit: self.kit,
            _reload: reload,
        }
    }
}

/// Keeps `grpc.health.v1` truthful: serving is said only while it is true.
async fn report_health(kit: Kit, reporter: HealthReporter, services: Vec<&'static str>) {
    let mut starting = kit.starting();
    loop {
        let serving = kit.not_ready().is_none();
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in &services {
            reporter.set_service_status(*service, status).await;
        }
        if kit.draining().is_cancelled() {
            // Only now: those who watch health hear of the shutdown before their watch ends.
            kit.watches_over().cancel();
            return;
        }
        tokio::select! {
            changed = starting.changed() => if changed.is_err() { return },
            () = kit.draining().cancelled() => {}
        }
    }
}

struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// A running daemon.
pub struct Running {
    kit: Kit,
    server: Server,
    endpoints: Vec<Endpoint>,
    metrics_address: Option<SocketAddr>,
    drain_timeout: Duration,
    _tasks: Tasks,
    _kill: DropGuard,
    _reload: Vec<ReloadTask>,
}

impl Running {
    /// Where it listens; ports of zero have become real ones.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Where probes and metrics are served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// What its services share.
    pub fn kit(&self) -> &Kit {
        &self.kit
    }

    /// Shuts down in order: health says so, watches end, no new write begins; reads are served until the running writes
    /// are done or the drain time is over; then every connection is closed. `false`: writes had to be left behind, to
    /// be found by the next start as after a crash.
    pub async fn stop(self) -> bool {
        self.kit.draining().cancel();
        let running = self.kit.writes().running();
        tracing::info!(writes = running, limit = ?self.drain_timeout, "shutting down");
        let done = timeout(self.drain_timeout, self.kit.writes().finished()).await.is_ok();
        if !done {
            tracing::error!(writes = self.kit.writes().running(), "writes are left unfinished");
        }
        let _ = timeout(LAST_WORDS, self.server.close()).await;
        done
    }
}
