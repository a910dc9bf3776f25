//! Who the daemon is.

use cloud_provider_api::v1::{self, Capability, Limits};
use provider_kit::{Caller, Describe, ProviderInfo, Result, inventory::PROVIDED_NODE_IP};

use super::Provider;
use crate::{PROVIDER, annotations, hints::NODE_ANNOTATIONS, nodes::provider_id};

/// Most nodes in one request: as many machines as one page of a listing holds.
pub(super) const MAX_INSTANCES: u32 = 1000;
/// Most routes in one request: each is a call of its own.
pub(super) const MAX_ROUTES: u32 = 50;

#[tonic::async_trait]
impl Describe for Provider {
    async fn describe(&self, caller: &Caller) -> Result<ProviderInfo> {
        let served = self.0.accounts.for_caller(caller)?;
        let mut capabilities = vec![
            Capability::Instances,
            Capability::LoadBalancers,
            Capability::LoadBalancerPlan,
            Capability::LoadBalancerList,
            Capability::MemberDrain,
        ];
        let features = &served[0].cloud.config().profile.features;
        if features.routes {
            capabilities.push(Capability::Routes);
        }
        capabilities.push(Capability::Clusters);
        if features.registries {
            capabilities.push(Capability::Registries);
        }
        if !caller.tenants().is_empty() {
            capabilities.push(Capability::Tenants);
        }
        let accounts = served.iter().map(|account| v1::Account {
            id: account.cloud.config().account_id.clone(),
            region: account.cloud.region().to_owned(),
        });
        Ok(ProviderInfo {
            name: PROVIDER.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // Ids stand alone on some nodes: an id without a scheme may be ours, too.
            provider_id_schemes: vec![provider_id::SCHEME.to_owned(), String::new()],
            accounts: accounts.collect(),
            capabilities,
            limits: Limits { max_instances: Some(MAX_INSTANCES), max_routes: Some(MAX_ROUTES), ..Limits::default() },
            annotation_prefixes: [
                NODE_ANNOTATIONS,
                PROVIDED_NODE_IP,
                annotations::PREFIXES[0],
                annotations::PREFIXES[1],
            ]
            .map(str::to_owned)
            .to_vec(),
            node_selector_annotations: vec![annotations::BACKEND_LABEL.to_owned()],
        })
    }
}
