//! The services of the API: gather, plan, apply.

mod clusters;
mod identity;
mod instances;
mod load_balancers;
mod registries;
mod routes;

use std::sync::Arc;

use provider_kit::{
    Call, Daemon, IdentityService, Kit, Profiles, Result, clusters::ClusterService,
    load_balancers::LoadBalancerService, routes::RouteService,
};

pub(crate) use self::clusters::warn_of_managed_controller;
use crate::accounts::Account;

/// Answers for all account profiles. Clones share everything.
#[derive(Clone)]
pub(crate) struct Provider(Arc<Shared>);

struct Shared {
    kit: Kit,
    accounts: Profiles<Account>,
}

impl Provider {
    pub(crate) fn new(kit: Kit, accounts: Profiles<Account>) -> Self {
        Self(Arc::new(Shared { kit, accounts }))
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
