//! The services of the API: gather, plan, apply.

mod clusters;
mod identity;
mod instances;
mod load_balancers;
mod registries;
mod routes;
mod security_groups;

use std::sync::Arc;

use provider_kit::{
    Call, Daemon, IdentityService, Kit, Result, clusters::ClusterService, load_balancers::LoadBalancerService,
    routes::RouteService,
};

pub(crate) use self::routes::RouteTables;
use crate::{
    accounts::{Account, Accounts},
    setup::Setup,
};

/// Prefixes of the annotations that are read: of load balancers, of NAT gateways, and the kubelet's `--node-ip`.
const ANNOTATION_PREFIXES: [&str; 3] =
    ["kubernetes.io/elb.", "kubernetes.io/natgateway.", provider_kit::inventory::PROVIDED_NODE_IP];

/// Answers for all account profiles. Clones share everything.
#[derive(Clone)]
pub(crate) struct Provider(Arc<Shared>);

struct Shared {
    kit: Kit,
    accounts: Arc<Accounts>,
    tag_labels: Vec<String>,
    routes_per_request: usize,
}

impl Provider {
    pub(crate) fn new(kit: Kit, accounts: Arc<Accounts>, setup: &Setup) -> Self {
        let Setup { tag_labels, routes_per_request, .. } = setup.clone();
        Self(Arc::new(Shared { kit, accounts, tag_labels, routes_per_request }))
    }

    /// Adds all services to a daemon.
    pub(crate) fn serve(self, daemon: Daemon) -> Daemon {
        daemon
            .identity(IdentityService::new(self.0.kit.clone(), self.clone()))
            .instances(self.clone())
            .load_balancers(LoadBalancerService::new(self.0.kit.clone(), self.clone()))
            .routes(RouteService::new(self.0.kit.clone(), self.clone()))
            .clusters(ClusterService(self.clone()))
            .registries(self)
    }

    /// The account profile behind a request's tenant; empty is the caller's own.
    fn account(&self, call: &Call, tenant: &str) -> Result<&Arc<Account>> {
        self.0.accounts.of(call.caller.tenant(tenant)?)
    }
}
