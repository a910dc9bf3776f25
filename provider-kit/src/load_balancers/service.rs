//! The service of the API around a cloud's load balancers: requests are checked, writes outlive their callers, and one load balancer
//! is changed by one call at a time.

use std::{collections::HashMap, future::Future, sync::Arc, time::SystemTime};

use cloud_provider_api::v1::{
    self, delete_load_balancer_response::Outcome as Deletion, load_balancers_server::LoadBalancers,
};
use tonic::{Request, Response, Status, async_trait};

use super::progress::Outcome;
use crate::{
    caller::Call,
    check::Checker,
    error::Result,
    kit::Kit,
    pages::{Listing, whole},
    tenancy::Tenant,
};

/// All that is done about the load balancer of one Service.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Makes the cloud match.
    async fn ensure(&self, request: &v1::EnsureLoadBalancerRequest) -> Result<v1::LoadBalancerState>;

    /// Brings the members to what they should be; the rest stays as it was last ensured.
    async fn update_members(&self, request: &v1::UpdateLoadBalancerMembersRequest) -> Result<v1::LoadBalancerState>;

    /// Removes what is ours.
    async fn delete(&self, annotations: &HashMap<String, String>) -> Result<Outcome>;

    /// What the cloud shows now.
    async fn look(&self, annotations: &HashMap<String, String>) -> Result<v1::LoadBalancerState>;

    /// The calls an ensure would make.
    async fn plan(&self, spec: &v1::LoadBalancerSpec, members: Option<&v1::Members>) -> Result<Vec<v1::PlanStep>>;

    /// The calls a removal would make.
    async fn plan_removal(&self, annotations: &HashMap<String, String>) -> Result<Vec<v1::PlanStep>>;
}

/// Whose load balancers they are.
#[async_trait]
pub trait Balancers: Send + Sync + 'static {
    /// Works on one.
    type Engine: Engine;

    /// For one Service, acting for the caller, who may act for this cluster and tenant. `write_key`: what tells its load balancer from
    /// others.
    fn engine(
        &self,
        call: &Call,
        tenant: &Arc<Tenant>,
        key: v1::LoadBalancerKey,
        write_key: &str,
    ) -> Result<Self::Engine>;

    /// All that are the cluster's and the tenant's by the cloud's record. `tenant` is named as in the request.
    async fn owned(&self, call: &Call, cluster: &v1::Cluster, tenant: &str) -> Result<Vec<v1::OwnedLoadBalancer>>;
}

/// Serves [`Balancers`]. Add it with [`Daemon::load_balancers`](crate::Daemon::load_balancers).
#[derive(Debug)]
pub struct LoadBalancerService<B> {
    kit: Kit,
    balancers: B,
}

/// An engine, and for what and whom it works.
struct Work<E> {
    key: String,
    tenant: Arc<Tenant>,
    engine: E,
}

impl<B: Balancers> LoadBalancerService<B> {
    /// For the daemon of this kit.
    pub fn new(kit: Kit, balancers: B) -> Self {
        Self { kit, balancers }
    }

    /// `hash`: that of the request, if it has one.
    fn engine(&self, call: &Call, key: Option<v1::LoadBalancerKey>, hash: Option<&str>) -> Result<Work<B::Engine>> {
        let mut checker = Checker::default();
        checker.key(key.as_ref());
        if let Some(hash) = hash {
            checker.text("spec_hash", hash, 1..=64);
        }
        checker.finish()?;
        let key = key.unwrap_or_default();
        call.caller.cluster(key.cluster.as_ref())?;
        let write_key = write_key(&key);
        let tenant = call.caller.tenant(&key.tenant)?.clone();
        let engine = self.balancers.engine(call, &tenant, key, &write_key)?;
        Ok(Work { key: write_key, tenant, engine })
    }

    /// Runs a write to its end even when its caller goes away, one at a time for each load balancer. The key is apart from what is
    /// asked for: who asks again joins, whatever it has learnt of handles since.
    async fn write<R, T, F>(
        &self,
        engine: Result<Work<B::Engine>>,
        request: R,
        work: impl FnOnce(B::Engine, R) -> F,
    ) -> Result<T>
    where
        R: Clone + PartialEq + Send + 'static,
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let Work { key, tenant, engine } = engine?;
        let work = work(engine, request.clone());
        self.kit.writes().run_for(&tenant, &key, request, work).await
    }
}

/// What tells the load balancer of one Service from all others.
pub fn write_key(key: &v1::LoadBalancerKey) -> String {
    let cluster = key.cluster.as_ref().map_or("", |cluster| &cluster.id);
    format!("{}/{cluster}/{}", key.tenant, key.service_uid)
}

fn parts<T>(request: Request<T>) -> Result<(Call, T)> {
    let call = Call::of(&request)?.clone();
    Ok((call, request.into_inner()))
}

#[async_trait]
impl<B: Balancers> LoadBalancers for LoadBalancerService<B> {
    async fn ensure_load_balancer(
        &self,
        request: Request<v1::EnsureLoadBalancerRequest>,
    ) -> Result<Response<v1::EnsureLoadBalancerResponse>, Status> {
        let (call, mut request) = parts(request)?;
        let engine = self.engine(&call, request.key.take(), Some(&request.spec_hash));
        let work = |engine: B::Engine, request| async move { engine.ensure(&request).await };
        let state = self.write(engine, request, work).await?;
        Ok(Response::new(v1::EnsureLoadBalancerResponse { state: Some(state) }))
    }

    async fn update_load_balancer_members(
        &self,
        request: Request<v1::UpdateLoadBalancerMembersRequest>,
    ) -> Result<Response<v1::UpdateLoadBalancerMembersResponse>, Status> {
        let (call, mut request) = parts(request)?;
        let engine = self.engine(&call, request.key.take(), Some(&request.spec_hash));
        let work = |engine: B::Engine, request| async move { engine.update_members(&request).await };
        let state = self.write(engine, request, work).await?;
        Ok(Response::new(v1::UpdateLoadBalancerMembersResponse { state: Some(state) }))
    }

    async fn delete_load_balancer(
        &self,
        request: Request<v1::DeleteLoadBalancerRequest>,
    ) -> Result<Response<v1::DeleteLoadBalancerResponse>, Status> {
        let (call, mut request) = parts(request)?;
        let engine = self.engine(&call, request.key.take(), None);
        let work = |engine: B::Engine, request: v1::DeleteLoadBalancerRequest| async move {
            engine.delete(&request.annotations).await
        };
        let (outcome, notes) = match self.write(engine, request, work).await? {
            Outcome::Deleted(notes) => (Deletion::Deleted(v1::Deleted {}), notes),
            Outcome::Waiting(wait) => (Deletion::InProgress(wait), Vec::new()),
        };
        let notices = notes.into_iter().map(Into::into).collect();
        Ok(Response::new(v1::DeleteLoadBalancerResponse { outcome: Some(outcome), notices }))
    }

    async fn get_load_balancer(
        &self,
        request: Request<v1::GetLoadBalancerRequest>,
    ) -> Result<Response<v1::GetLoadBalancerResponse>, Status> {
        let (call, request) = parts(request)?;
        let Work { engine, .. } = self.engine(&call, request.key, None)?;
        let observed_at = SystemTime::now();
        let state = engine.look(&request.annotations).await?;
        Ok(Response::new(v1::GetLoadBalancerResponse { state: Some(state), observed_at: Some(observed_at.into()) }))
    }

    async fn plan_load_balancer(
        &self,
        request: Request<v1::PlanLoadBalancerRequest>,
    ) -> Result<Response<v1::PlanLoadBalancerResponse>, Status> {
        let (call, request) = parts(request)?;
        let Work { engine, .. } = self.engine(&call, request.key, None)?;
        let spec = request.spec.unwrap_or_default();
        let steps = if request.delete {
            engine.plan_removal(&spec.annotations).await?
        } else {
            engine.plan(&spec, request.members.as_ref()).await?
        };
        Ok(Response::new(v1::PlanLoadBalancerResponse { steps }))
    }

    type ListLoadBalancersStream = Listing<v1::ListLoadBalancersResponse>;

    async fn list_load_balancers(
        &self,
        request: Request<v1::ListLoadBalancersRequest>,
    ) -> Result<Response<Self::ListLoadBalancersStream>, Status> {
        let (call, request) = parts(request)?;
        let cluster = call.caller.cluster(request.cluster.as_ref())?.clone();
        let observed_at = SystemTime::now();
        let items = self.balancers.owned(&call, &cluster, &request.tenant).await?;
        Ok(whole(items, observed_at))
    }
}
