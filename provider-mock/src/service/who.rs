//! Who calls, as far as it matters here: for which clusters and tenants.

use std::sync::Arc;

use cloud_provider_api::{error::Reason, v1};
use provider_kit::{Caller, Tenant};

use super::Refusal;
use crate::scenario::Scenario;

/// A caller. Without one (a call in the same process) everything the scenario knows is allowed.
#[derive(Clone, Debug)]
pub(crate) struct Who(pub(super) Option<Caller>);

impl Who {
    /// Checks that the caller speaks for a cluster. That it is named well is checked before.
    pub(crate) fn cluster(&self, cluster: Option<&v1::Cluster>) -> Result<(), Refusal> {
        match &self.0 {
            Some(caller) => Ok(caller.cluster(cluster).map(drop)?),
            None => Ok(()),
        }
    }

    /// The tenant meant by the one a request names.
    pub(crate) fn tenant(&self, scenario: &Scenario, named: &str) -> Result<Arc<Tenant>, Refusal> {
        let listed = scenario.tenants.iter().find(|tenant| tenant.name == named);
        let listed = listed.map(|tenant| {
            Arc::new(Tenant { name: tenant.name.clone(), max_load_balancers: tenant.quota, ..Tenant::default() })
        });
        match (&self.0, listed) {
            // Whoever has tenants of its own, in the daemon's access file, has no others.
            (Some(caller), None) => Ok(caller.tenant(named)?.clone()),
            (Some(caller), Some(_)) if !caller.tenants().is_empty() => Ok(caller.tenant(named)?.clone()),
            (_, Some(listed)) => Ok(listed),
            (None, None) if named.is_empty() => Ok(Arc::default()),
            (None, None) => {
                let message = format!("tenant {named:?} is not one of the scenario's");
                Err(Refusal::new(Reason::TenantNotAllowed, message))
            }
        }
    }

    /// The tenants it may name.
    pub(crate) fn tenants(&self, scenario: &Scenario) -> Vec<String> {
        let own = self.0.as_ref().map(Caller::tenants).unwrap_or_default();
        if own.is_empty() { scenario.tenants.iter().map(|tenant| tenant.name.clone()).collect() } else { own }
    }
}
