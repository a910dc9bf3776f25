//! The facade of the provider daemons: the one place that knows there is a wire.
//!
//! Above it the controller speaks of [`controller_core::provider`] values and [`Fault`]s; below it are the generated
//! clients. In between each call gets a deadline, a request id, a span and a histogram; look-ups of many tasks become
//! batches; a throttled provider is left in peace; and no answer passes that breaks a rule of the API: a daemon is trusted
//! with credentials, not with the cluster.
//!
//! Providers share nothing: no lock, no queue, no limit. One that hangs costs the others nothing.

mod dial;
mod info;
mod metrics;
mod registry;
mod settings;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use controller_core::{
    fault::{Code, Fault, Origin, reason},
    provider::{
        DeleteState, EndpointMember, LoadBalancerKey, LoadBalancerSpec, LoadBalancerState, NodeMember, NodeReference,
        Observed, OwnedLoadBalancer, PlanStep, Route,
    },
    time::Timestamp,
};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::clock;

pub use self::{
    dial::{Dialer, Remote, Stream},
    info::{Hint, Info, Limits, Status},
    metrics::Metrics,
    registry::{NodeOwner, Providers, ServiceOwner},
    settings::{Cluster, Deadlines, Settings},
};

/// Hints kept for a receiver that is behind; past that it looks at everything.
const HINTS: usize = 4096;

/// One `--provider` endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    /// The endpoint as written on the command line: the name until the first handshake.
    endpoint: String,
    status: watch::Sender<Status>,
    hints: broadcast::Sender<Hint>,
}

impl Provider {
    fn start(remote: Remote, settings: &Settings, metrics: &Metrics, stop: &CancellationToken) -> Self {
        let _ = (settings, metrics, stop);
        let away = Status::Away { since: clock::now(), fault: None, last: None };
        Self(Arc::new(Inner {
            endpoint: remote.endpoint,
            status: watch::Sender::new(away),
            hints: broadcast::Sender::new(HINTS),
        }))
    }

    /// The name the provider gave itself in the handshake; the endpoint before that. Kept while it is away.
    pub fn name(&self) -> String {
        self.0.status.borrow().info().map_or_else(|| self.0.endpoint.clone(), |info| info.name.clone())
    }

    /// What the provider said of itself. `None` unless it is connected, has shaken hands and serves.
    pub fn info(&self) -> Option<Arc<Info>> {
        match &*self.0.status.borrow() {
            Status::Ready(info) => Some(info.clone()),
            Status::Away { .. } => None,
        }
    }

    /// Whether the provider can be asked, and every change of that. Also changes when a restarted daemon says something
    /// else of itself.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.status.subscribe()
    }

    /// Looks up the machine of one node. Calls of many tasks are gathered into batches.
    ///
    /// `max_age` zero asks the cloud now: nothing remembered, here or in the daemon, serves. `None`: as old as the daemon
    /// sees fit, at most 60 s.
    pub async fn instance(&self, node: NodeReference, max_age: Option<Duration>) -> Result<Observed, Fault> {
        let _ = (node, max_age);
        Err(self.away())
    }

    /// Looks up many machines, in batches as large as the provider takes. Every name asked for is in the answer: what the
    /// provider left out is unknown. Names must be distinct.
    pub async fn instances(
        &self,
        nodes: Vec<NodeReference>,
        max_age: Option<Duration>,
    ) -> Result<HashMap<String, Observed>, Fault> {
        let _ = (nodes, max_age);
        Err(self.away())
    }

    /// Hints that a machine changed. A receiver that lags behind must take it as [`Hint::All`].
    pub fn hints(&self) -> broadcast::Receiver<Hint> {
        self.0.hints.subscribe()
    }

    /// Makes the cloud match `spec`, `members` and `endpoints`, whatever is there. `hash` stands for the three of them.
    pub async fn ensure_load_balancer(
        &self,
        key: &LoadBalancerKey,
        spec: &LoadBalancerSpec,
        members: &[NodeMember],
        endpoints: &[EndpointMember],
        hash: &str,
    ) -> Result<LoadBalancerState, Fault> {
        let _ = (key, spec, members, endpoints, hash);
        Err(self.away())
    }

    /// Tells the provider that only the members changed.
    pub async fn update_load_balancer_members(
        &self,
        key: &LoadBalancerKey,
        spec: &LoadBalancerSpec,
        members: &[NodeMember],
        endpoints: &[EndpointMember],
        hash: &str,
    ) -> Result<LoadBalancerState, Fault> {
        let _ = (key, spec, members, endpoints, hash);
        Err(self.away())
    }

    /// Removes what we own of the load balancer.
    pub async fn delete_load_balancer(
        &self,
        key: &LoadBalancerKey,
        annotations: &BTreeMap<String, String>,
    ) -> Result<DeleteState, Fault> {
        let _ = (key, annotations);
        Err(self.away())
    }

    /// What the cloud shows now, and when it said so. [`Code::NotFound`]: the cloud answered that it is not there.
    pub async fn get_load_balancer(
        &self,
        key: &LoadBalancerKey,
        annotations: &BTreeMap<String, String>,
    ) -> Result<(LoadBalancerState, Timestamp), Fault> {
        let _ = (key, annotations);
        Err(self.away())
    }

    /// The steps [`Self::ensure_load_balancer`] would take now, or with `delete` [`Self::delete_load_balancer`].
    pub async fn plan_load_balancer(
        &self,
        key: &LoadBalancerKey,
        spec: &LoadBalancerSpec,
        members: &[NodeMember],
        endpoints: &[EndpointMember],
        delete: bool,
    ) -> Result<Vec<PlanStep>, Fault> {
        let _ = (key, spec, members, endpoints, delete);
        Err(self.away())
    }

    /// All load balancers this cluster owns in the tenant's account; empty for the default one. Whole or not at all.
    pub async fn list_load_balancers(&self, tenant: &str) -> Result<Vec<OwnedLoadBalancer>, Fault> {
        let _ = tenant;
        Err(self.away())
    }

    /// Every route of the configured table, those of others too. Whole or not at all.
    pub async fn list_routes(&self) -> Result<Vec<Route>, Fault> {
        Err(self.away())
    }

    /// Makes routes. The string is what the cloud's name is derived from: the UID of the Node. One result a route, in the
    /// order given; the outer fault when nothing could be sent at all.
    pub async fn create_routes(&self, routes: Vec<(Route, String)>) -> Result<Vec<Result<(), Fault>>, Fault> {
        let _ = routes;
        Err(self.away())
    }

    /// Removes routes. One result a route, in the order given.
    pub async fn delete_routes(&self, routes: Vec<Route>) -> Result<Vec<Result<(), Fault>>, Fault> {
        let _ = routes;
        Err(self.away())
    }

    /// Why no call can be made now.
    fn away(&self) -> Fault {
        Fault::new(Code::Unavailable, Origin::Provider, self.name(), "not connected").with_reason(reason::AWAY)
    }
}
