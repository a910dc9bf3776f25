//! What the control loops call.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use cloud_provider_api::v1::{
    self, instances_client::InstancesClient, load_balancers_client::LoadBalancersClient, routes_client::RoutesClient,
};
use controller_core::{
    fault::{Fault, Origin},
    provider::{
        Capability, DeleteState, EndpointMember, InstanceAnswer, LoadBalancerKey, LoadBalancerSpec, LoadBalancerState,
        NodeMember, NodeReference, Observed, OwnedLoadBalancer, PlanStep, Route,
    },
    time::Timestamp,
};
use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    Info, Inner, Limits, Provider,
    call::{Answered, over_limit},
    convert::{
        Refusal,
        instances::{self, Asked},
        load_balancers::{self as lb, About, Wanted},
        routes,
    },
    exchange::{Kind, Method},
    link::Link,
    lookups::{Ask, MaxAge},
    session::Session,
};
use crate::clock;

const fn method(name: &'static str, kind: Kind, needs: Capability) -> Method {
    Method { name, kind, needs: Some(needs) }
}

const BATCH_GET_INSTANCES: Method = method("BatchGetInstances", Kind::Read, Capability::Instances);
const ENSURE: Method = method("EnsureLoadBalancer", Kind::Write, Capability::LoadBalancers);
const UPDATE_MEMBERS: Method = method("UpdateLoadBalancerMembers", Kind::Write, Capability::LoadBalancers);
const DELETE: Method = method("DeleteLoadBalancer", Kind::Write, Capability::LoadBalancers);
const GET: Method = method("GetLoadBalancer", Kind::Read, Capability::LoadBalancers);
const PLAN: Method = method("PlanLoadBalancer", Kind::Read, Capability::LoadBalancerPlan);
const LIST_LOAD_BALANCERS: Method = method("ListLoadBalancers", Kind::List, Capability::LoadBalancerList);
const LIST_ROUTES: Method = method("ListRoutes", Kind::List, Capability::Routes);
const CREATE_ROUTES: Method = method("CreateRoutes", Kind::Write, Capability::Routes);
const DELETE_ROUTES: Method = method("DeleteRoutes", Kind::Write, Capability::Routes);

fn instances(link: Link) -> InstancesClient<Link> {
    let origin = link.origin();
    InstancesClient::with_origin(link, origin)
}

fn load_balancers(link: Link) -> LoadBalancersClient<Link> {
    let origin = link.origin();
    LoadBalancersClient::with_origin(link, origin)
}

fn route_table(link: Link) -> RoutesClient<Link> {
    let origin = link.origin();
    RoutesClient::with_origin(link, origin)
}

/// Nodes.
impl Provider {
    /// Looks up the machine of one node. Calls of many tasks are gathered into batches.
    ///
    /// `max_age` zero asks the cloud now: nothing remembered, here or in the daemon, serves. `None`: as old as the daemon
    /// sees fit, at most 60 s.
    pub async fn instance(&self, node: NodeReference, max_age: Option<Duration>) -> Result<Observed, Fault> {
        let answer = self.0.lookups.one(&Batches(self.0.clone()), node, max_age).await;
        answer.unwrap_or_else(|| Err(self.0.away(None)))
    }

    /// Looks up many machines, in batches as large as the provider takes. Every name asked for is in the answer: what the
    /// provider left out is unknown, and so is what a failed batch was about; the fault is returned when all failed. Of
    /// several references with one name the first counts.
    pub async fn instances(
        &self,
        nodes: Vec<NodeReference>,
        max_age: Option<Duration>,
    ) -> Result<HashMap<String, Observed>, Fault> {
        let mut names = HashSet::new();
        let nodes = nodes.into_iter().filter(|node| names.insert(node.node_name.clone())).collect();
        let unknown = |fault| instances::unknown(fault, clock::now());
        self.0.lookups.many(&Batches(self.0.clone()), nodes, max_age, unknown).await
    }
}

/// Asks about one batch of nodes.
#[derive(Clone)]
struct Batches(Arc<Inner>);

impl Ask for Batches {
    fn most(&self) -> usize {
        let status = self.0.status.borrow();
        status.info().map_or_else(Limits::default, |info| info.limits).instances
    }

    async fn ask(&self, nodes: Vec<NodeReference>, max_age: MaxAge) -> Result<HashMap<String, Observed>, Fault> {
        let inner = &self.0;
        let at = clock::now();
        let build = |info: &Info| {
            // A daemon that restarted with a smaller limit, between the gathering and the asking.
            if nodes.len() > info.limits.instances {
                return Err(over_limit(info, format!("{} nodes in one question", nodes.len())));
            }
            Ok(instances::request(&inner.settings.cluster, &nodes, max_age, info))
        };
        let sent = inner.call(BATCH_GET_INSTANCES, build, |link, request| async move {
            instances(link).batch_get_instances(request).await
        });
        // Not to be allowed to look at machines is as bad as not to be logged in; what else is forbidden says nothing of them.
        let note = |fault: &Fault| {
            if fault.is_auth() {
                inner.note_auth_fault();
            }
        };
        let Answered { answer, session } = sent.await.inspect_err(note)?;
        let name = &session.info.name;
        inner.metrics.instances_asked.with([name]).inc_by(nodes.len() as u64);
        let now = clock::now();
        let asked = Asked { nodes: &nodes, max_age, at, info: &session.info };
        let answers = instances::answers(asked, answer, now).inspect_err(|fault| inner.heed(fault))?;
        let faults = || {
            answers.values().filter_map(|answer| match &answer.answer {
                InstanceAnswer::Unknown(fault) => Some(fault),
                _ => None,
            })
        };
        faults().for_each(note);
        heed_items(inner, faults());
        if let Some(oldest) = answers.values().map(|answer| answer.at).min() {
            inner.metrics.observed_age.with([name]).set(now.since(oldest).as_secs_f64());
        }
        Ok(answers)
    }
}

/// Draws the consequences of the faults of items, once for each kind.
fn heed_items<'a>(inner: &Inner, faults: impl Iterator<Item = &'a Fault>) {
    let mut seen = HashSet::new();
    for fault in faults {
        if (fault.origin == Origin::Distrust || fault.is_throttle()) && seen.insert((fault.code, &fault.reason)) {
            inner.heed(fault);
        }
    }
}

/// Load balancers.
impl Provider {
    /// Makes the cloud match `spec`, `members` and `endpoints`, whatever is there. `hash` stands for the three of them.
    pub async fn ensure_load_balancer(
        &self,
        key: &LoadBalancerKey,
        spec: &LoadBalancerSpec,
        members: &[NodeMember],
        endpoints: &[EndpointMember],
        hash: &str,
    ) -> Result<LoadBalancerState, Fault> {
        let wanted = Wanted { spec, members, endpoints, hash };
        let send = |link, request| async move {
            let answer = load_balancers(link).ensure_load_balancer(request).await?;
            Ok(answer.map(|answer| answer.state))
        };
        self.towards(ENSURE, key, wanted, lb::ensure_request, send).await
    }

    /// Tells the provider that only the members changed.
    pub async fn update_load_balancer_members(
        &self,
        key: &LoadBalancerKey,
        spec: &LoadBalancerSpec,
        members: &[NodeMember],
        endpoints: &[EndpointMember],
        hash: &str,
    ) -> Result<LoadBalancerState, Fault> {
        let wanted = Wanted { spec, members, endpoints, hash };
        let send = |link, request| async move {
            let answer = load_balancers(link).update_load_balancer_members(request).await?;
            Ok(answer.map(|answer| answer.state))
        };
        self.towards(UPDATE_MEMBERS, key, wanted, lb::members_request, send).await
    }

    /// Tells the provider what is wanted, and takes in how far it is.
    async fn towards<Q, F, Fut>(
        &self,
        method: Method,
        key: &LoadBalancerKey,
        wanted: Wanted<'_>,
        request: fn(About<'_>, Wanted<'_>) -> Q,
        send: F,
    ) -> Result<LoadBalancerState, Fault>
    where
        Q: Message,
        F: Fn(Link, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<Option<v1::LoadBalancerState>>, Status>>,
    {
        let build = |info: &Info| {
            wanted.within(info)?;
            Ok(request(self.about(info, key), wanted))
        };
        let Answered { answer, session } = self.0.call(method, build, send).await?;
        self.take(&session, lb::state(answer))
    }

    /// Removes what we own of the load balancer.
    pub async fn delete_load_balancer(
        &self,
        key: &LoadBalancerKey,
        annotations: &BTreeMap<String, String>,
    ) -> Result<DeleteState, Fault> {
        let build = |info: &Info| Ok(lb::delete_request(self.about(info, key), annotations));
        let sent = self.0.call(DELETE, build, |link, request| async move {
            load_balancers(link).delete_load_balancer(request).await
        });
        let Answered { answer, session } = sent.await?;
        self.take(&session, lb::delete_state(answer))
    }

    /// What the cloud shows now, and when it said so. A fault with code `NotFound`: the cloud answered that it is not there.
    pub async fn get_load_balancer(
        &self,
        key: &LoadBalancerKey,
        annotations: &BTreeMap<String, String>,
    ) -> Result<(LoadBalancerState, Timestamp), Fault> {
        let build = |info: &Info| Ok(lb::get_request(self.about(info, key), annotations));
        let sent = self
            .0
            .call(GET, build, |link, request| async move { load_balancers(link).get_load_balancer(request).await });
        let Answered { answer, session } = sent.await?;
        self.take(&session, lb::observed_state(answer, clock::now()))
    }

    /// The steps [`Self::ensure_load_balancer`] would take now, or with `delete` [`Self::delete_load_balancer`].
    pub async fn plan_load_balancer(
        &self,
        key: &LoadBalancerKey,
        spec: &LoadBalancerSpec,
        members: &[NodeMember],
        endpoints: &[EndpointMember],
        delete: bool,
    ) -> Result<Vec<PlanStep>, Fault> {
        let wanted = Wanted { spec, members, endpoints, hash: "" };
        let build = |info: &Info| {
            wanted.within(info)?;
            Ok(lb::plan_request(self.about(info, key), wanted, delete))
        };
        let sent = self
            .0
            .call(PLAN, build, |link, request| async move { load_balancers(link).plan_load_balancer(request).await });
        Ok(lb::steps(sent.await?.answer))
    }

    /// All load balancers this cluster owns in the tenant's account; empty for the default one. Whole or not at all.
    pub async fn list_load_balancers(&self, tenant: &str) -> Result<Vec<OwnedLoadBalancer>, Fault> {
        let cluster = &self.0.settings.cluster;
        let build = |_: &Info| Ok(lb::list_request(cluster, tenant));
        let send = |link, request| async move { load_balancers(link).list_load_balancers(request).await };
        let Answered { answer, session } = self.0.list(LIST_LOAD_BALANCERS, build, send, lb::page).await?;
        self.take(&session, lb::owned(cluster, tenant, answer))
    }

    fn about<'a>(&'a self, info: &'a Info, key: &'a LoadBalancerKey) -> About<'a> {
        About { cluster: &self.0.settings.cluster, info, key }
    }

    /// An answer, or the fault of the daemon that gave it.
    fn take<T>(&self, session: &Session, answer: Result<T, impl Refusal>) -> Result<T, Fault> {
        answer.map_err(|refusal| self.0.refuse(session, &refusal))
    }
}

impl Wanted<'_> {
    /// Refuses more members than the provider takes. A load balancer sends to nodes or to pods, never to both.
    fn within(&self, info: &Info) -> Result<(), Fault> {
        let (members, most) = (self.members.len().max(self.endpoints.len()), info.limits.members);
        if members <= most {
            return Ok(());
        }
        Err(over_limit(info, format!("the load balancer has {members} members, the provider takes at most {most}")))
    }
}

/// Routes.
impl Provider {
    /// Every route of the configured table, those of others too. Whole or not at all.
    pub async fn list_routes(&self) -> Result<Vec<Route>, Fault> {
        let build = |_: &Info| Ok(routes::list_request(&self.0.settings.cluster));
        let send = |link, request| async move { route_table(link).list_routes(request).await };
        let Answered { answer, session } = self.0.list(LIST_ROUTES, build, send, routes::page).await?;
        self.take(&session, routes::routes(answer))
    }

    /// Makes routes. The string is what the cloud's name is derived from: the UID of the Node. One result a route, in the
    /// order given; the outer fault when nothing could be sent at all.
    pub async fn create_routes(&self, routes: Vec<(Route, String)>) -> Result<Vec<Result<(), Fault>>, Fault> {
        let mut outcomes = Outcomes::of(&routes);
        for chunk in routes.chunks(self.most_routes()) {
            let build = |info: &Info| Ok(routes::create_request(&self.0.settings.cluster, info, chunk));
            let send = |link, request| async move { route_table(link).create_routes(request).await };
            let results =
                self.0.call(CREATE_ROUTES, build, send).await.map(|Answered { answer, session }| {
                    routes::results(&session.info.name, chunk.len(), answer.results)
                });
            if outcomes.add(results) == Next::Stop {
                break;
            }
        }
        self.heed_results(outcomes.finish())
    }

    /// Removes routes. One result a route, in the order given; the outer fault when nothing could be sent at all.
    pub async fn delete_routes(&self, routes: Vec<Route>) -> Result<Vec<Result<(), Fault>>, Fault> {
        let mut outcomes = Outcomes::of(&routes);
        for chunk in routes.chunks(self.most_routes()) {
            let build = |info: &Info| Ok(routes::delete_request(&self.0.settings.cluster, info, chunk));
            let send = |link, request| async move { route_table(link).delete_routes(request).await };
            let results =
                self.0.call(DELETE_ROUTES, build, send).await.map(|Answered { answer, session }| {
                    routes::results(&session.info.name, chunk.len(), answer.results)
                });
            if outcomes.add(results) == Next::Stop {
                break;
            }
        }
        self.heed_results(outcomes.finish())
    }

    /// Most routes of one call.
    fn most_routes(&self) -> usize {
        self.last_info().map_or_else(Limits::default, |info| info.limits).routes
    }

    fn heed_results(&self, results: Result<Vec<Result<(), Fault>>, Fault>) -> Result<Vec<Result<(), Fault>>, Fault> {
        let results = results?;
        heed_items(&self.0, results.iter().filter_map(|result| result.as_ref().err()));
        Ok(results)
    }
}

/// The results of items that are sent in chunks, one after the other. A chunk that fails fails its items, and those after
/// it are not sent.
struct Outcomes {
    total: usize,
    results: Vec<Result<(), Fault>>,
    failed: Option<Fault>,
}

#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

impl Outcomes {
    fn of<T>(items: &[T]) -> Self {
        Self { total: items.len(), results: Vec::with_capacity(items.len()), failed: None }
    }

    fn add(&mut self, chunk: Result<Vec<Result<(), Fault>>, Fault>) -> Next {
        match chunk {
            Ok(results) => {
                self.results.extend(results);
                Next::Go
            }
            Err(fault) => {
                self.failed = Some(fault);
                Next::Stop
            }
        }
    }

    fn finish(mut self) -> Result<Vec<Result<(), Fault>>, Fault> {
        let Some(fault) = self.failed else { return Ok(self.results) };
        if self.results.is_empty() {
            return Err(fault);
        }
        self.results.resize(self.total, Err(fault));
        Ok(self.results)
    }
}
