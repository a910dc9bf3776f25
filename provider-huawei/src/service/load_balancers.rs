//! Load balancers of Services.

use std::{future::Future, time::SystemTime};

use cloud_provider_api::v1::{
    self, delete_load_balancer_response::Outcome as Deletion, load_balancers_server::LoadBalancers,
};
use futures::stream;
use provider_kit::{Batch, Call, Checker, Listing, Result, listing};
use tonic::{Request, Response, Status};

use super::Provider;
use crate::{
    fault,
    load_balancers::{Engine, Outcome, owned_by},
    plan::step::Step,
};

#[tonic::async_trait]
impl LoadBalancers for Provider {
    async fn ensure_load_balancer(
        &self,
        request: Request<v1::EnsureLoadBalancerRequest>,
    ) -> Result<Response<v1::EnsureLoadBalancerResponse>, Status> {
        let (call, mut request) = parts(request)?;
        let mut checker = Checker::default();
        checker.key(request.key.as_ref());
        checker.text("spec_hash", &request.spec_hash, 1..=64);
        checker.finish()?;
        let work = |engine: Owned, request: v1::EnsureLoadBalancerRequest| async move {
            engine.with(async |engine| engine.ensure(&request).await).await
        };
        let state = self.write(&call, request.key.take(), request, work).await?;
        Ok(Response::new(v1::EnsureLoadBalancerResponse { state: Some(state) }))
    }

    async fn update_load_balancer_members(
        &self,
        request: Request<v1::UpdateLoadBalancerMembersRequest>,
    ) -> Result<Response<v1::UpdateLoadBalancerMembersResponse>, Status> {
        let (call, mut request) = parts(request)?;
        let mut checker = Checker::default();
        checker.key(request.key.as_ref());
        checker.text("spec_hash", &request.spec_hash, 1..=64);
        checker.finish()?;
        let work = |engine: Owned, request: v1::UpdateLoadBalancerMembersRequest| async move {
            engine.with(async |engine| engine.update_members(&request).await).await
        };
        let state = self.write(&call, request.key.take(), request, work).await?;
        Ok(Response::new(v1::UpdateLoadBalancerMembersResponse { state: Some(state) }))
    }

    async fn delete_load_balancer(
        &self,
        request: Request<v1::DeleteLoadBalancerRequest>,
    ) -> Result<Response<v1::DeleteLoadBalancerResponse>, Status> {
        let (call, mut request) = parts(request)?;
        let mut checker = Checker::default();
        checker.key(request.key.as_ref());
        checker.finish()?;
        let work = |engine: Owned, request: v1::DeleteLoadBalancerRequest| async move {
            engine.with(async |engine| engine.delete(&request.annotations).await).await
        };
        let outcome = match self.write(&call, request.key.take(), request, work).await? {
            Outcome::Deleted => Deletion::Deleted(v1::Deleted {}),
            Outcome::Waiting(wait) => Deletion::InProgress(wait),
        };
        Ok(Response::new(v1::DeleteLoadBalancerResponse { outcome: Some(outcome), notices: Vec::new() }))
    }

    async fn get_load_balancer(
        &self,
        request: Request<v1::GetLoadBalancerRequest>,
    ) -> Result<Response<v1::GetLoadBalancerResponse>, Status> {
        let (call, request) = parts(request)?;
        let engine = self.engine(&call, request.key)?;
        let observed_at = SystemTime::now();
        let state = engine.with(async |engine| engine.look(&request.annotations).await).await?;
        Ok(Response::new(v1::GetLoadBalancerResponse { state: Some(state), observed_at: Some(observed_at.into()) }))
    }

    async fn plan_load_balancer(
        &self,
        request: Request<v1::PlanLoadBalancerRequest>,
    ) -> Result<Response<v1::PlanLoadBalancerResponse>, Status> {
        let (call, request) = parts(request)?;
        let engine = self.engine(&call, request.key)?;
        let spec = request.spec.unwrap_or_default();
        let steps = if request.delete {
            engine.with(async |engine| engine.plan_removal(&spec.annotations).await).await?
        } else {
            engine.with(async |engine| engine.plan(&spec, request.members.as_ref()).await).await?
        };
        Ok(Response::new(v1::PlanLoadBalancerResponse { steps: steps.iter().map(Step::describe).collect() }))
    }

    type ListLoadBalancersStream = Listing<v1::ListLoadBalancersResponse>;

    async fn list_load_balancers(
        &self,
        request: Request<v1::ListLoadBalancersRequest>,
    ) -> Result<Response<Self::ListLoadBalancersStream>, Status> {
        let (call, request) = parts(request)?;
        let cluster = call.caller.cluster(request.cluster.as_ref())?.clone();
        let account = self.account(&call, &request.tenant)?;
        let observed_at = SystemTime::now();
        let all = account.cloud.load_balancers().await.map_err(|error| fault::of(&error))?;
        let items = all.iter().filter_map(|lb| owned_by(&cluster, &request.tenant, lb)).collect();
        Ok(Response::new(listing(stream::iter([Ok(Batch { items, observed_at })]))))
    }
}

/// What an engine borrows, owned, for a task of its own.
pub(super) struct Owned {
    provider: Provider,
    account: std::sync::Arc<crate::accounts::Account>,
    cloud: crate::cloud::Cloud,
    key: v1::LoadBalancerKey,
    most: Option<u32>,
}

impl Owned {
    async fn with<T>(&self, work: impl AsyncFnOnce(&Engine<'_>) -> T) -> T {
        work(&Engine {
            cloud: &self.cloud,
            options: &self.provider.0.accounts.options.load_balancers,
            memory: &self.account.load_balancers,
            key: &self.key,
            most: self.most,
        })
        .await
    }
}

fn parts<T>(request: Request<T>) -> Result<(Call, T)> {
    let call = Call::of(&request)?.clone();
    Ok((call, request.into_inner()))
}

impl Provider {
    fn engine(&self, call: &Call, key: Option<v1::LoadBalancerKey>) -> Result<Owned> {
        let mut checker = Checker::default();
        checker.key(key.as_ref());
        checker.finish()?;
        let key = key.unwrap_or_default();
        call.caller.cluster(key.cluster.as_ref())?;
        let tenant = call.caller.tenant(&key.tenant)?;
        let account = self.0.accounts.of(tenant)?.clone();
        let cloud = account.acting_for(call, &write_key(&key));
        Ok(Owned { provider: self.clone(), account, cloud, most: tenant.max_load_balancers, key })
    }

    /// Runs a write to its end even when its caller goes away, one at a time for each load balancer. The key is apart from what is
    /// asked for: who asks again joins, whatever it has learnt of handles since.
    async fn write<R, T, F>(
        &self,
        call: &Call,
        key: Option<v1::LoadBalancerKey>,
        request: R,
        work: impl FnOnce(Owned, R) -> F,
    ) -> Result<T>
    where
        R: Clone + PartialEq + Send + 'static,
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let engine = self.engine(call, key)?;
        let key = write_key(&engine.key);
        let work = work(engine, request.clone());
        self.0.kit.writes().run(&key, request, work).await
    }
}

fn write_key(key: &v1::LoadBalancerKey) -> String {
    let cluster = key.cluster.as_ref().map_or("", |cluster| &cluster.id);
    format!("{}/{cluster}/{}", key.tenant, key.service_uid)
}
