//! What every control loop is given.

use std::sync::Arc;

use controller_core::view::{EndpointSlice, Node, Service};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    kube::{cache::Cache, events::Recorder},
    metrics::Metrics,
    progress::Progress,
    provider::Providers,
    tenants::Tenants,
};

/// What every control loop is given. Shared as `Arc<Context>`; the loops hold nothing else in common.
#[derive(Clone)]
pub struct Context {
    /// Talks to the kube-apiserver.
    pub client: kube::Client,
    /// Nodes, followed by one watch.
    pub nodes: Cache<Node>,
    /// Services, followed by one watch.
    pub services: Cache<Service>,
    /// `EndpointSlices`, followed by one watch once a provider asks for pods.
    pub slices: Cache<EndpointSlice>,
    /// The provider daemons.
    pub providers: Providers,
    /// Where Events go.
    pub events: Recorder,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// Whose Services are whose.
    pub tenants: Tenants,
    /// What was configured.
    pub config: Arc<Config>,
    /// Signs of life of the loops.
    pub progress: Progress,
    /// Cancelled when the process is to end: a loop takes no new work and returns once what is under way is done.
    pub stop: CancellationToken,
}
