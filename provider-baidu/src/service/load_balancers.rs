//! Load balancers of Services.

use std::{collections::HashMap, sync::Arc, time::Duration};

use cloud_provider_api::{error::Reason, v1};
use futures::future::try_join_all;
use provider_kit::{
    Call, Error, Result, Tenant,
    load_balancers::{Balancers, Engine as Work, Outcome},
};

use super::Provider;
use crate::{
    accounts::Account,
    api::balancers::Kind,
    cloud::Cloud,
    fault,
    load_balancers::{Engine, kinds, owned_by},
    plan::step::Step,
};

/// How long a call may wait for what is busy before it answers: a few changes one after the other.
const PATIENCE: Duration = Duration::from_secs(8);

#[tonic::async_trait]
impl Balancers for Provider {
    type Engine = Owned;

    fn engine(&self, call: &Call, tenant: &Arc<Tenant>, key: v1::LoadBalancerKey, write_key: &str) -> Result<Owned> {
        supported(tenant)?;
        let account = self.0.accounts.of(tenant)?.clone();
        let cloud = account.acting_for_tenant(call, tenant, write_key);
        let kinds = kinds(cloud.config());
        Ok(Owned { account, cloud, kinds, most: tenant.max_load_balancers, key })
    }

    async fn owned(&self, call: &Call, cluster: &v1::Cluster, tenant: &str) -> Result<Vec<v1::OwnedLoadBalancer>> {
        supported(call.caller.tenant(tenant)?)?;
        let cloud = &self.account(call, tenant)?.cloud;
        let listed = try_join_all(kinds(cloud.config()).into_iter().map(|kind| cloud.load_balancers(kind)));
        let all = listed.await.map_err(|error| fault::of(&error))?;
        Ok(all.iter().flatten().filter_map(|lb| owned_by(cluster, tenant, lb)).collect())
    }
}

/// Tenants are kept apart by their accounts here, and by nothing else: what could not be held to is refused, not passed over.
fn supported(tenant: &Tenant) -> Result<()> {
    let Tenant { name, max_public_addresses, max_bandwidth, classes, vpcs, subnets, billing, tags, .. } = tenant;
    let lists = [classes, vpcs, subnets, billing].iter().any(|list| !list.is_empty());
    let limits = max_public_addresses.is_some() || max_bandwidth.is_some() || lists || !tags.is_empty();
    let why = match (name.is_empty(), tenant.shares_account, limits) {
        (true, ..) | (false, false, false) => return Ok(()),
        (false, true, _) => "shares an account with others: give it an account of its own, for instance by a role",
        (false, false, true) => {
            "has limits beside maxLoadBalancers, callsPerSecond and concurrentWrites: take them out"
        }
    };
    let message = format!("tenant {name:?} cannot be served by provider-baidu: in the access file it {why}");
    Err(Error::new(Reason::TenantNotAllowed, message))
}

/// What an engine borrows, owned, for a task of its own.
pub(crate) struct Owned {
    account: Arc<Account>,
    cloud: Cloud,
    kinds: Vec<Kind>,
    key: v1::LoadBalancerKey,
    most: Option<u32>,
}

impl Owned {
    fn engine(&self) -> Engine<'_> {
        Engine {
            cloud: &self.cloud,
            memory: &self.account.load_balancers,
            key: &self.key,
            kinds: &self.kinds,
            vpc: self.cloud.config().vpc_id.clone().or_else(|| self.account.hints.vpc()),
            most: self.most,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_held_to_is_refused() {
        let own = Tenant { name: "a".to_owned(), max_load_balancers: Some(3), ..Tenant::default() };
        supported(&own).unwrap();
        supported(&Tenant { shares_account: true, ..Tenant::default() }).unwrap();
        for tenant in [
            Tenant { shares_account: true, ..own.clone() },
            Tenant { max_bandwidth: Some(5), ..own.clone() },
            Tenant { subnets: ["s".to_owned()].into(), ..own.clone() },
            Tenant { tags: [("k".to_owned(), "v".to_owned())].into(), ..own },
        ] {
            let error = supported(&tenant).unwrap_err();
            assert!(error.message().contains("access file"), "{}", error.message());
        }
    }
}
