//! Load balancers of Services.

use std::{collections::HashMap, sync::Arc, time::Duration};

use cloud_provider_api::v1;
use provider_kit::{
    Call, Result, Tenant,
    load_balancers::{Balancers, Engine as Work, Outcome},
};

use super::Provider;
use crate::{
    accounts::Account,
    api::balancers::Kind,
    cloud::Cloud,
    load_balancers::{Engine, all_balancers, kinds, owned_by},
    plan::step::Step,
};

/// How long a call may wait for what is busy before it answers: a few changes one after the other.
const PATIENCE: Duration = Duration::from_secs(8);

#[tonic::async_trait]
impl Balancers for Provider {
    type Engine = Owned;

    fn engine(&self, call: &Call, tenant: &Arc<Tenant>, key: v1::LoadBalancerKey, write_key: &str) -> Result<Owned> {
        let account = self.0.accounts.of(tenant)?.clone();
        let cloud = account.acting_for_tenant(call, tenant, write_key);
        let kinds = kinds(cloud.config());
        Ok(Owned { account, cloud, kinds, tenant: Arc::clone(tenant), key })
    }

    async fn owned(&self, call: &Call, cluster: &v1::Cluster, named: &str) -> Result<Vec<v1::OwnedLoadBalancer>> {
        let (cloud, tenant) = (&self.account(call, named)?.cloud, call.caller.tenant(named)?);
        let all = all_balancers(cloud, &kinds(cloud.config())).await?;
        Ok(all.iter().filter_map(|lb| owned_by(cluster, tenant, named, lb)).collect())
    }
}

/// What an engine borrows, owned, for a task of its own.
pub(crate) struct Owned {
    account: Arc<Account>,
    cloud: Cloud,
    kinds: Vec<Kind>,
    key: v1::LoadBalancerKey,
    tenant: Arc<Tenant>,
}

impl Owned {
    fn engine(&self) -> Engine<'_> {
        Engine {
            cloud: &self.cloud,
            memory: &self.account.load_balancers,
            key: &self.key,
            kinds: &self.kinds,
            vpc: self.cloud.config().vpc_id.clone().or_else(|| self.account.hints.vpc()),
            tenant: &self.tenant,
            patience: PATIENCE,
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
        Ok(self.engine().plan(spec, members).await?.iter().map(Step::describe).collect())
    }

    async fn plan_removal(&self, annotations: &HashMap<String, String>) -> Result<Vec<v1::PlanStep>> {
        Ok(self.engine().plan_removal(annotations).await?.iter().map(Step::describe).collect())
    }
}
