//! Load balancers of Services.

use std::{collections::HashMap, sync::Arc};

use cloud_provider_api::v1;
use provider_kit::{
    Call, Result, Tenant,
    load_balancers::{Balancers, Engine as Work, Outcome},
};

use super::Provider;
use crate::{
    accounts::Account,
    cloud::Cloud,
    fault,
    load_balancers::{Engine, owned_by},
};

#[tonic::async_trait]
impl Balancers for Provider {
    type Engine = Owned;

    fn engine(&self, call: &Call, tenant: &Arc<Tenant>, key: v1::LoadBalancerKey, write_key: &str) -> Result<Owned> {
        let account = self.0.accounts.of(tenant)?.clone();
        let cloud = account.acting_for_tenant(call, tenant, write_key);
        Ok(Owned { provider: self.clone(), account, cloud, tenant: tenant.clone(), key })
    }

    async fn owned(&self, call: &Call, cluster: &v1::Cluster, named: &str) -> Result<Vec<v1::OwnedLoadBalancer>> {
        let (account, tenant) = (self.account(call, named)?, call.caller.tenant(named)?);
        let all = account.cloud.load_balancers().await.map_err(|error| fault::of(&error))?;
        Ok(all.iter().filter_map(|lb| owned_by(cluster, tenant, named, lb)).collect())
    }
}

/// What an engine borrows, owned, for a task of its own.
pub(crate) struct Owned {
    provider: Provider,
    account: Arc<Account>,
    cloud: Cloud,
    key: v1::LoadBalancerKey,
    tenant: Arc<Tenant>,
}

impl Owned {
    fn engine(&self) -> Engine<'_> {
        Engine {
            cloud: &self.cloud,
            options: &self.provider.0.accounts.options.load_balancers,
            memory: &self.account.load_balancers,
            key: &self.key,
            tenant: &self.tenant,
        }
    }
}

#[tonic::async_trait]
impl Work for Owned {
    async fn ensure(&self, request: &v1::EnsureLoadBalancerRequest) -> Result<v1::LoadBalancerState> {
        self.engine().ensure(request).await
    }

    async fn update_members(&self, request: &v1::UpdateLoadBalancerMembersRequest) -> Result<v1::LoadBalancerState> {
        self.engine().update_members(request).await
    }

    async fn delete(&self, annotations: &HashMap<String, String>) -> Result<Outcome> {
        self.engine().delete(annotations).await
    }

    async fn look(&self, annotations: &HashMap<String, String>) -> Result<v1::LoadBalancerState> {
        self.engine().look(annotations).await
    }

    async fn plan(&self, spec: &v1::LoadBalancerSpec, members: Option<&v1::Members>) -> Result<Vec<v1::PlanStep>> {
        self.engine().plan(spec, members).await
    }

    async fn plan_removal(&self, annotations: &HashMap<String, String>) -> Result<Vec<v1::PlanStep>> {
        self.engine().plan_removal(annotations).await
    }
}
