//! Who the daemon is.

use cloud_provider_api::v1::{Account, Capability, Limits};
use provider_kit::{Caller, Describe, ProviderInfo, Result};

use super::{ANNOTATION_PREFIXES, Provider, routes};
use crate::{PROVIDER, nodes::provider_id};

/// Most nodes in one request: as many servers as one page of a listing holds.
pub(super) const MAX_INSTANCES: u32 = 1000;
/// Most routes in one request.
pub(super) const MAX_ROUTES: u32 = 100;

#[tonic::async_trait]
impl Describe for Provider {
    async fn describe(&self, caller: &Caller) -> Result<ProviderInfo> {
        let served = self.0.accounts.for_caller(caller)?;
        // The caller's own account decides; of the others only those are named that are known.
        served[0].project()?;
        let accounts = served.iter().filter_map(|account| {
            let id = account.project().ok()?.to_string();
            Some(Account { id, region: account.cloud.region().to_owned() })
        });
        Ok(ProviderInfo {
            name: PROVIDER.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // Servers' ids stand alone on many nodes: an id without a scheme is ours, too.
            provider_id_schemes: vec![provider_id::SCHEME.to_owned(), String::new()],
            accounts: accounts.collect(),
            capabilities: capabilities(caller, routes::is_configured(&served[0].cloud)),
            limits: Limits { max_instances: Some(MAX_INSTANCES), max_routes: Some(MAX_ROUTES), ..Limits::default() },
            annotation_prefixes: ANNOTATION_PREFIXES.map(str::to_owned).to_vec(),
            node_selector_annotations: Vec::new(),
        })
    }
}

fn capabilities(caller: &Caller, has_routes: bool) -> Vec<Capability> {
    let mut capabilities = vec![
        Capability::Instances,
        Capability::LoadBalancers,
        Capability::LoadBalancerPlan,
        Capability::LoadBalancerList,
        Capability::PodEndpoints,
        Capability::Clusters,
        Capability::Registries,
    ];
    if has_routes {
        capabilities.push(Capability::Routes);
    }
    if !caller.tenants().is_empty() {
        capabilities.push(Capability::Tenants);
    }
    capabilities
}
