//! Load balancers of Services: gather what is there, plan, apply.

mod request;

use std::{future::Future, ops::RangeInclusive, time::Duration};

use cloud_provider_api::{
    error::Reason,
    v1::{
        self, delete_load_balancer_response::Outcome, load_balancer_state::Phase, load_balancers_server::LoadBalancers,
    },
};
use futures::future::BoxFuture;
use tonic::{Request, Response, Status};

use self::request::Change;
use super::{
    Call, Refusal, Who,
    check::Checker,
    gate::pause,
    pages::{Answers, Listing},
    plan::{Step, Wanted, plan},
};
use crate::{
    MockProvider,
    cloud::{Cloud, LoadBalancer, NewLoadBalancer, Operation, Owner, Time},
    scenario::{IpModeSetting, Scenario},
};

/// Shortest and longest `poll_after` of the API.
const POLL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(5);

#[tonic::async_trait]
impl LoadBalancers for MockProvider {
    async fn ensure_load_balancer(
        &self,
        request: Request<v1::EnsureLoadBalancerRequest>,
    ) -> Result<Response<v1::EnsureLoadBalancerResponse>, Status> {
        let (call, request) = Call::of("EnsureLoadBalancer", request);
        let call = call.about_key(request.key.as_ref());
        // Read at once: a request with thousands of members is large, what is left of it is not.
        let change = Change::ensure(self.cloud(), &call.who(), &request);
        drop(request);
        let work = async {
            let change = change?;
            let state = self
                .write(&change.owner.clone(), change, |provider, change| async move { provider.ensure(change).await });
            Ok(v1::EnsureLoadBalancerResponse { state: Some(state.await?) })
        };
        self.answer(call, work).await.map(Response::new)
    }

    async fn update_load_balancer_members(
        &self,
        request: Request<v1::UpdateLoadBalancerMembersRequest>,
    ) -> Result<Response<v1::UpdateLoadBalancerMembersResponse>, Status> {
        let (call, request) = Call::of("UpdateLoadBalancerMembers", request);
        let call = call.about_key(request.key.as_ref());
        let change = Change::members(self.cloud(), &call.who(), &request);
        drop(request);
        let work = async {
            let change = change?;
            let state = self.write(&change.owner.clone(), change, |provider, change| async move {
                provider.update_members(change).await
            });
            Ok(v1::UpdateLoadBalancerMembersResponse { state: Some(state.await?) })
        };
        self.answer(call, work).await.map(Response::new)
    }

    async fn delete_load_balancer(
        &self,
        request: Request<v1::DeleteLoadBalancerRequest>,
    ) -> Result<Response<v1::DeleteLoadBalancerResponse>, Status> {
        let (call, request) = Call::of("DeleteLoadBalancer", request);
        let call = call.about_key(request.key.as_ref());
        let who = call.who();
        let work = async {
            let key = checked_key(&self.cloud().scenario(), &who, request.key.as_ref())?;
            let progress =
                self.write(&Owner::of(&key), key, |provider, key| async move { provider.delete(&key).await });
            let outcome = progress.await?.map_or(Outcome::Deleted(v1::Deleted {}), Outcome::InProgress);
            Ok(v1::DeleteLoadBalancerResponse { outcome: Some(outcome), notices: Vec::new() })
        };
        self.answer(call, work).await.map(Response::new)
    }

    async fn get_load_balancer(
        &self,
        request: Request<v1::GetLoadBalancerRequest>,
    ) -> Result<Response<v1::GetLoadBalancerResponse>, Status> {
        let (call, request) = Call::of("GetLoadBalancer", request);
        let call = call.about_key(request.key.as_ref());
        let who = call.who();
        let work = async {
            let key = checked_key(&self.cloud().scenario(), &who, request.key.as_ref())?;
            let owner = Owner::of(&key);
            let there = self.gather(&owner, &service_key(&key)).await?.ok_or_else(|| absent(&owner))?;
            let now = self.cloud().now();
            Ok(v1::GetLoadBalancerResponse { state: Some(self.state(&there, now)), observed_at: Some(now.into()) })
        };
        self.answer(call, work).await.map(Response::new)
    }

    async fn plan_load_balancer(
        &self,
        request: Request<v1::PlanLoadBalancerRequest>,
    ) -> Result<Response<v1::PlanLoadBalancerResponse>, Status> {
        let (call, request) = Call::of("PlanLoadBalancer", request);
        let call = call.about_key(request.key.as_ref());
        let who = call.who();
        let work = async {
            let scenario = self.cloud().scenario();
            let key = checked_key(&scenario, &who, request.key.as_ref())?;
            let there = self.gather(&Owner::of(&key), &service_key(&key)).await?;
            let steps = if request.delete {
                removal_steps(&scenario, there.as_ref())
            } else {
                self.creation_steps(&scenario, there, Change::plan(self.cloud(), &who, &request)?)
            };
            Ok(v1::PlanLoadBalancerResponse { steps })
        };
        self.answer(call, work).await.map(Response::new)
    }

    type ListLoadBalancersStream = Answers<v1::ListLoadBalancersResponse>;

    async fn list_load_balancers(
        &self,
        request: Request<v1::ListLoadBalancersRequest>,
    ) -> Result<Response<Self::ListLoadBalancersStream>, Status> {
        let (call, request) = Call::of("ListLoadBalancers", request);
        let who = call.who();
        let work = async {
            let scenario = self.cloud().scenario();
            let mut checker = Checker::default();
            checker.cluster("cluster", request.cluster.as_ref());
            checker.finish()?;
            who.cluster(request.cluster.as_ref())?;
            let tenant = who.tenant(&scenario, &request.tenant)?.name.clone();
            let cluster = request.cluster.clone().unwrap_or_default();
            let list = |cloud: &Cloud| cloud.list_load_balancers(&cluster.id, &tenant);
            let objects = self.call(Operation::DescribeLoadBalancers, "", list).await?;
            let owned = objects.into_iter().map(|object| owned(object, &cluster, &request.tenant)).collect();
            Ok(Listing::of(owned, scenario.page_size, self.cloud().now()))
        };
        Ok(Response::new(self.answer(call, work).await?.into_stream()))
    }
}

impl Call {
    fn about_key(self, key: Option<&v1::LoadBalancerKey>) -> Self {
        match key {
            Some(key) => self.about_service(&key.service_namespace, &key.service_name),
            None => self,
        }
    }
}

impl MockProvider {
    /// Runs a write to its end even when its caller goes away, one at a time for each load balancer.
    fn write<R, A, F>(
        &self,
        owner: &Owner,
        request: R,
        work: impl FnOnce(Self, R) -> F,
    ) -> BoxFuture<'static, Result<A, Refusal>>
    where
        R: Clone + PartialEq + Send + 'static,
        A: Clone + Send + Sync + 'static,
        F: Future<Output = Result<A, Refusal>> + Send + 'static,
    {
        let key = format!("{}/{}/{}", owner.tenant, owner.cluster, owner.service);
        let writes = self.writes().clone();
        let work = work(self.clone(), request.clone());
        // What a rule wants is no error of the kit's; wrapped up, it gets past.
        Box::pin(async move { writes.run(&key, request, async { Ok(work.await) }).await? })
    }

    /// A call of the cloud about load balancers.
    async fn call<T>(&self, operation: Operation, service: &str, act: impl FnOnce(&Cloud) -> T) -> Result<T, Refusal> {
        pause(self.cloud().scenario().load_balancers.call_duration).await;
        self.cloud_call(operation, service, act).await
    }

    /// What the cloud has under this key.
    async fn gather(&self, owner: &Owner, service: &str) -> Result<Option<LoadBalancer>, Refusal> {
        let find = |cloud: &Cloud| cloud.find_load_balancers(owner);
        let mut found = self.call(Operation::DescribeLoadBalancers, service, find).await?;
        if found.len() > 1 {
            let ids: Vec<_> = found.iter().map(|object| object.id.as_str()).collect();
            let message = format!(
                "{} load balancers carry the key of Service {}: {}; delete the wrong ones at the cloud",
                ids.len(),
                owner.service,
                ids.join(", ")
            );
            return Err(Refusal::new(Reason::DuplicateKey, message));
        }
        Ok(found.pop())
    }

    async fn ensure(&self, change: Change) -> Result<v1::LoadBalancerState, Refusal> {
        let service = change.service_key();
        let there = match self.gather(&change.owner, &service).await? {
            Some(there) => there,
            None => self.create(&change, &service).await?,
        };
        if let Some(address) = change.address.filter(|address| *address != there.address) {
            let message =
                format!("the load balancer has {}, not {address}: an address cannot be changed", there.address);
            return Err(Refusal::field(Reason::Unsupported, "spec.load_balancer_ip", message));
        }
        self.bring_about(there, change).await
    }

    async fn create(&self, change: &Change, service: &str) -> Result<LoadBalancer, Refusal> {
        let new = NewLoadBalancer {
            owner: change.owner.clone(),
            namespace: change.namespace.clone(),
            service: change.service.clone(),
            address: change.address,
            limit: change.limit,
            addresses: change.addresses,
        };
        let create = |cloud: &Cloud| cloud.create_load_balancer(new);
        Ok(self.call(Operation::CreateLoadBalancer, service, create).await??)
    }

    async fn update_members(&self, change: Change) -> Result<v1::LoadBalancerState, Refusal> {
        let there = self.gather(&change.owner, &change.service_key()).await?;
        let there = there.filter(|there| there.gone_at.is_none()).ok_or_else(|| absent(&change.owner))?;
        self.bring_about(there, change).await
    }

    /// Takes the steps that are missing, or tells what has to be waited for.
    async fn bring_about(&self, there: LoadBalancer, change: Change) -> Result<v1::LoadBalancerState, Refusal> {
        let now = self.cloud().now();
        if there.gone_at.is_some() || there.is_provisioning(now) {
            return Ok(self.state(&there, now));
        }
        let service = change.service_key();
        for step in plan(&there, &self.cloud().members(there.members), &change.wanted) {
            let act = |cloud: &Cloud| match step.clone() {
                Step::CreateListener(listener) | Step::ModifyListener(listener) => {
                    cloud.put_listener(&there.id, listener)
                }
                Step::DeleteListener(protocol, port) => cloud.delete_listener(&there.id, protocol, port),
                Step::SetAttributes(attributes) => cloud.set_attributes(&there.id, attributes),
                Step::SetMembers(members) => cloud.set_members(&there.id, members),
                Step::Tag(hash) => cloud.tag_load_balancer(&there.id, &hash),
            };
            self.call(step.operation(), &service, act).await??;
        }
        if !self.cloud().port_faults(&there.id).is_empty() {
            self.cloud().retry_ports(&there.id);
        }
        // As the cloud shows it now: it may have gone meanwhile.
        let done = self.cloud().load_balancer(&there.id).ok_or_else(|| absent(&change.owner))?;
        Ok(self.state(&done, self.cloud().now()))
    }

    async fn delete(&self, key: &v1::LoadBalancerKey) -> Result<Option<v1::InProgress>, Refusal> {
        let service = service_key(key);
        let Some(there) = self.gather(&Owner::of(key), &service).await? else { return Ok(None) };
        let mut gone_at = there.gone_at;
        if gone_at.is_none() {
            for listener in &there.listeners {
                let delete = |cloud: &Cloud| cloud.delete_listener(&there.id, listener.protocol, listener.port);
                self.call(Operation::DeleteListener, &service, delete).await??;
            }
            let delete = |cloud: &Cloud| cloud.delete_load_balancer(&there.id);
            gone_at = self.call(Operation::DeleteLoadBalancer, &service, delete).await?;
        }
        let now = self.cloud().now();
        Ok(gone_at.filter(|at| *at > now).map(|at| self.in_progress(at, now, "being deleted")))
    }

    fn in_progress(&self, until: Time, now: Time, what: &str) -> v1::InProgress {
        let longest = self.cloud().scenario().load_balancers.longest_poll.clamp(*POLL.start(), *POLL.end());
        let poll_after = until.since(now).clamp(*POLL.start(), longest);
        v1::InProgress { poll_after: poll_after.try_into().ok(), message: format!("the load balancer is {what}") }
    }

    fn state(&self, there: &LoadBalancer, now: Time) -> v1::LoadBalancerState {
        let (phase, notices) = if let Some(gone_at) = there.gone_at {
            (Phase::InProgress(self.in_progress(gone_at, now, "being deleted")), Vec::new())
        } else if there.is_provisioning(now) {
            (Phase::InProgress(self.in_progress(there.ready_at, now, "being made")), Vec::new())
        } else {
            self.ready(there)
        };
        v1::LoadBalancerState { phase: Some(phase), handle: there.id.clone(), notices }
    }

    fn ready(&self, there: &LoadBalancer) -> (Phase, Vec<v1::Notice>) {
        let faults = self.cloud().port_faults(&there.id);
        let attributes = there.attributes.clone().unwrap_or_default();
        let ports = there.listeners.iter().map(|listener| v1::PortStatus {
            port: listener.port.into(),
            protocol: listener.protocol.on_wire().into(),
            error: faults
                .iter()
                .find(|fault| (fault.protocol, fault.port) == (listener.protocol, listener.port))
                .map(|_| format!("{}PortUnavailable", crate::annotations::PREFIX))
                .unwrap_or_default(),
        });
        let ip_mode = match attributes.ip_mode {
            IpModeSetting::Proxy => v1::IpMode::Proxy,
            IpModeSetting::Vip => v1::IpMode::Vip,
        };
        let (ip, hostname) = match attributes.hostname {
            Some(hostname) => (String::new(), hostname),
            None => (there.address.to_string(), String::new()),
        };
        let ingress = vec![v1::Ingress { ip, hostname, ip_mode: ip_mode.into(), ports: ports.collect() }];
        let notices = faults.into_iter().map(|fault| v1::Notice {
            severity: v1::Severity::Warning.into(),
            reason: "PortUnavailable".to_owned(),
            message: format!("{} port {} carries no traffic: {}", fault.protocol, fault.port, fault.message),
        });
        (Phase::Ready(v1::Ready { ingress, spec_hash: there.spec_hash.clone() }), notices.collect())
    }

    fn creation_steps(&self, scenario: &Scenario, there: Option<LoadBalancer>, change: Change) -> Vec<v1::PlanStep> {
        let mut steps = Vec::new();
        let there = there.unwrap_or_else(|| {
            steps.push(v1::PlanStep {
                action: Operation::CreateLoadBalancer.to_string(),
                target: format!("k8s-{}-{}", change.owner.cluster, change.owner.service),
                reason: "the Service has none".to_owned(),
                waits: !scenario.load_balancers.provisioning.is_zero(),
            });
            change.fresh()
        });
        // A plan has no hash: whatever is there is as good, but nothing is not.
        let spec_hash = if there.spec_hash.is_empty() { "planned".to_owned() } else { there.spec_hash.clone() };
        let wanted = Wanted { spec_hash, ..change.wanted };
        let missing = plan(&there, &self.cloud().members(there.members), &wanted);
        steps.extend(missing.iter().map(|step| step.describe(&there.id)));
        steps
    }
}

fn removal_steps(scenario: &Scenario, there: Option<&LoadBalancer>) -> Vec<v1::PlanStep> {
    let Some(there) = there.filter(|there| there.gone_at.is_none()) else { return Vec::new() };
    let listeners = there
        .listeners
        .iter()
        .map(|listener| Step::DeleteListener(listener.protocol, listener.port).describe(&there.id));
    let object = v1::PlanStep {
        action: Operation::DeleteLoadBalancer.to_string(),
        target: there.id.clone(),
        reason: "the Service wants none".to_owned(),
        waits: !scenario.load_balancers.deletion.is_zero(),
    };
    listeners.chain([object]).collect()
}

/// The key, with the tenant it means.
fn checked_key(
    scenario: &Scenario,
    who: &Who,
    key: Option<&v1::LoadBalancerKey>,
) -> Result<v1::LoadBalancerKey, Refusal> {
    let mut checker = Checker::default();
    checker.key(key);
    checker.finish()?;
    let key = key.cloned().unwrap_or_default();
    who.cluster(key.cluster.as_ref())?;
    let tenant = who.tenant(scenario, &key.tenant)?.name.clone();
    Ok(v1::LoadBalancerKey { tenant, ..key })
}

fn service_key(key: &v1::LoadBalancerKey) -> String {
    format!("{}/{}", key.service_namespace, key.service_name)
}

fn absent(owner: &Owner) -> Refusal {
    Refusal::new(Reason::ObjectAbsent, format!("no load balancer carries the key of Service {}", owner.service))
}

/// `tenant`: as the caller named it, which is not how the cloud knows a caller's own.
fn owned(object: LoadBalancer, cluster: &v1::Cluster, tenant: &str) -> v1::OwnedLoadBalancer {
    v1::OwnedLoadBalancer {
        key: Some(v1::LoadBalancerKey {
            cluster: Some(cluster.clone()),
            service_namespace: object.namespace,
            service_name: object.service,
            service_uid: object.owner.service,
            tenant: tenant.to_owned(),
            handle: object.id,
            attempted: false,
            published_addresses: Vec::new(),
        }),
        name: object.name,
        addresses: vec![object.address.to_string()],
        created_at: Some(object.created_at.into()),
    }
}
