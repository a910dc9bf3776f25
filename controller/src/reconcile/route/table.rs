//! One provider's route table: as it was listed, and as our own changes have left it since.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use controller_core::{
    fault::{Code, Fault},
    names::event_source,
    provider::Route,
    route::{
        condition::{ConditionWrite, condition, has_all_routes},
        ledger::{Item, Ledger, deletion},
        plan::{Creation, NodeRoutes, Plan, RouteNode, Wish, plan},
    },
    time::Timestamp,
    view::Node,
};
use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff};
use kube::Client;

use crate::{
    clock,
    context::Context,
    kube::{events::ObjectRef, route_writes::write_condition, write_error::WriteError},
    provider::Provider,
};

/// Conditions written at once.
const WRITES: usize = 64;

pub(super) struct Table {
    context: Arc<Context>,
    provider: Provider,
    listing: Option<Listing>,
    ledger: Ledger,
    /// What was last written to each Node, by UID.
    said: HashMap<String, bool>,
}

struct Listing {
    routes: Vec<Route>,
    since: Instant,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pass {
    /// The table was listed.
    pub(super) listed: bool,
    /// Something in the cloud is different now.
    pub(super) changed: bool,
    /// Something did not work.
    pub(super) failed: bool,
}

impl Table {
    pub(super) fn new(context: &Arc<Context>, provider: &Provider) -> Self {
        Self {
            context: Arc::clone(context),
            provider: provider.clone(),
            listing: None,
            ledger: Ledger::default(),
            said: HashMap::new(),
        }
    }

    /// The next pass lists the table.
    pub(super) fn forget_listing(&mut self) {
        self.listing = None;
    }

    /// How long until something that failed is to be tried again.
    pub(super) fn next_retry(&self, now: Timestamp) -> Option<Duration> {
        self.ledger.next(now)
    }

    /// Brings the table nearer to what the nodes say. A listing older than `oldest` is made anew; when that fails, nothing
    /// is done.
    pub(super) async fn pass(&mut self, nodes: &[RouteNode<'_>], oldest: Duration) -> Result<Pass, Fault> {
        let mut pass = Pass::default();
        if self.listing.as_ref().is_none_or(|listing| listing.since.elapsed() >= oldest) {
            self.list().await?;
            pass.listed = true;
        }
        let mut plan = self.plan(nodes);
        if !pass.listed && plan.deletions.iter().any(|route| route.name.is_empty()) {
            // One that we made since the listing: the cloud's name of it is not known yet.
            self.list().await?;
            pass.listed = true;
            plan = self.plan(nodes);
        }
        self.ledger.keep_only(&plan);
        let gone = self.delete(&plan, &mut pass).await;
        let made = self.create(&plan, &gone, nodes, &mut pass).await;
        self.write_conditions(nodes, &plan.nodes, &made).await;
        Ok(pass)
    }

    async fn list(&mut self) -> Result<(), Fault> {
        let since = Instant::now();
        let routes = self.provider.list_routes().await?;
        self.listing = Some(Listing { routes, since });
        Ok(())
    }

    fn plan(&self, nodes: &[RouteNode<'_>]) -> Plan {
        let routes = self.listing.as_ref().map_or(&[][..], |listing| &listing.routes);
        plan(nodes.iter().copied(), routes, &self.context.config.route.cluster_cidrs)
    }

    /// Removes what is due. Gives the indices of what is gone.
    async fn delete(&mut self, plan: &Plan, pass: &mut Pass) -> BTreeSet<usize> {
        let mut gone = BTreeSet::new();
        let due: Vec<usize> = (0..plan.deletions.len())
            .filter(|index| self.ledger.is_due(&deletion(&plan.deletions[*index]), clock::now()))
            .collect();
        for batch in due.chunks(self.batch()) {
            self.context.progress.beat(super::NAME);
            let routes = batch.iter().map(|index| plan.deletions[*index].clone()).collect();
            let Some(results) = spread(self.provider.delete_routes(routes).await, batch.len()) else { break };
            for (index, result) in batch.iter().zip(results) {
                let route = &plan.deletions[*index];
                let item = deletion(route);
                self.count("delete", &result);
                match result {
                    Ok(()) => {
                        tracing::info!(route.name, route.destination_cidr, route.target_node, "route deleted");
                        self.ledger.succeeded(&item);
                        self.note(|routes| routes.retain(|listed| listed != route));
                        gone.insert(*index);
                        pass.changed = true;
                    }
                    Err(fault) => {
                        tracing::warn!(route.name, route.destination_cidr, %fault, "route not deleted");
                        self.ledger.failed(item, &fault, clock::now(), rand::random());
                        pass.failed = true;
                    }
                }
            }
        }
        gone
    }

    /// Makes what is due and not blocked. Gives what was made.
    async fn create(
        &mut self,
        plan: &Plan,
        gone: &BTreeSet<usize>,
        nodes: &[RouteNode<'_>],
        pass: &mut Pass,
    ) -> BTreeSet<Wish> {
        let free = |creation: &&Creation| creation.after.iter().all(|index| gone.contains(index));
        let wanted: Vec<&Creation> = plan.creations.iter().filter(free).collect();
        let (mut made, mut taken) = (BTreeSet::new(), Vec::new());
        for batch in wanted.chunks(self.batch()) {
            self.context.progress.beat(super::NAME);
            // Asked anew for each batch: a quota that is used up by one ends all.
            let is_due = |creation: &&&Creation| self.ledger.is_due(&Item::Create(creation.wish.clone()), clock::now());
            let due: Vec<&Creation> = batch.iter().filter(is_due).copied().collect();
            if due.is_empty() {
                continue;
            }
            let started = Instant::now();
            let routes = due.iter().map(|creation| (creation.route.clone(), creation.hint.clone())).collect();
            let Some(results) = spread(self.provider.create_routes(routes).await, due.len()) else { break };
            for (creation, result) in due.into_iter().zip(results) {
                self.count("create", &result);
                match result {
                    Ok(()) => {
                        self.made(creation, &mut made);
                        pass.changed = true;
                    }
                    Err(fault) if fault.code == Code::AlreadyExists => taken.push((creation, fault)),
                    Err(fault) => self.not_made(creation, &fault, nodes, started.elapsed(), pass),
                }
            }
        }
        if !taken.is_empty() {
            self.settle(taken, nodes, &mut made, pass).await;
        }
        made
    }

    /// Destinations that the cloud says are taken: by the very route that is wanted, or by another one?
    async fn settle(
        &mut self,
        taken: Vec<(&Creation, Fault)>,
        nodes: &[RouteNode<'_>],
        made: &mut BTreeSet<Wish>,
        pass: &mut Pass,
    ) {
        let started = Instant::now();
        let missing: Option<BTreeSet<Wish>> = match self.list().await {
            Ok(()) => Some(self.plan(nodes).nodes.into_iter().flat_map(|node| node.missing).collect()),
            Err(_) => None,
        };
        for (creation, fault) in taken {
            if missing.as_ref().is_some_and(|missing| !missing.contains(&creation.wish)) {
                self.ledger.succeeded(&Item::Create(creation.wish.clone()));
                made.insert(creation.wish.clone());
            } else {
                self.not_made(creation, &fault, nodes, started.elapsed(), pass);
            }
        }
    }

    fn made(&mut self, creation: &Creation, made: &mut BTreeSet<Wish>) {
        let Wish { node, cidr } = &creation.wish;
        tracing::info!(node, cidr, "route created");
        self.ledger.succeeded(&Item::Create(creation.wish.clone()));
        // Whether the provider compares addresses is known at the next listing, which a difference brings about.
        self.note(|routes| routes.push(Route { compare_addresses: true, ..creation.route.clone() }));
        made.insert(creation.wish.clone());
    }

    fn not_made(
        &mut self,
        creation: &Creation,
        fault: &Fault,
        nodes: &[RouteNode<'_>],
        after: Duration,
        pass: &mut Pass,
    ) {
        let Wish { node, cidr } = &creation.wish;
        tracing::warn!(node, cidr, %fault, "route not created");
        self.ledger.failed(Item::Create(creation.wish.clone()), fault, clock::now(), rand::random());
        pass.failed = true;
        let Some(place) = nodes.iter().find(|place| place.node.name == *node) else { return };
        let hint = &creation.hint;
        let text = format!("Could not create route {hint} {cidr} for node {node} after {after:.1?}: {fault}");
        let object = ObjectRef::node(place.node);
        self.context.events.event(event_source::ROUTE, &object, true, "FailedToCreateRoute", &text);
    }

    /// Keeps the listing in step with our own changes.
    fn note(&mut self, change: impl FnOnce(&mut Vec<Route>)) {
        if let Some(listing) = &mut self.listing {
            change(&mut listing.routes);
        }
    }

    fn batch(&self) -> usize {
        self.provider.info().map_or(1, |info| info.limits.routes)
    }

    fn count(&self, operation: &str, result: &Result<(), Fault>) {
        let result = if result.is_ok() { "success" } else { "error" };
        self.context.metrics.route.operations.with([operation, result]).inc();
    }

    async fn write_conditions(&mut self, nodes: &[RouteNode<'_>], routes: &[NodeRoutes], made: &BTreeSet<Wish>) {
        let by_name: HashMap<&str, &Node> = nodes.iter().map(|place| (place.node.name.as_str(), place.node)).collect();
        let uids: BTreeSet<&str> = nodes.iter().map(|place| place.node.uid.as_str()).collect();
        self.said.retain(|uid, _| uids.contains(uid.as_str()));
        let now = time(clock::now());
        let mut writes = Vec::new();
        for entry in routes {
            let Some(node) = by_name.get(entry.node.as_str()).copied() else { continue };
            let is_routed = has_all_routes(entry, made);
            let said = self.said.get(&node.uid).copied();
            if let Some(write) = condition(node.network_unavailable.as_ref(), is_routed, said) {
                writes.push(say(&self.context.client, node, is_routed, write, &now).boxed());
            }
        }
        let done: Vec<_> = futures::stream::iter(writes).buffer_unordered(WRITES).collect().await;
        for (node, is_routed, result) in done {
            match result {
                Ok(()) => _ = self.said.insert(node.uid.clone(), is_routed),
                Err(WriteError::Gone) => {}
                // The condition still differs at the next pass.
                Err(error) => tracing::warn!(node = node.name, %error, "condition NetworkUnavailable not written"),
            }
        }
    }
}

async fn say<'a>(
    client: &Client,
    node: &'a Node,
    is_routed: bool,
    write: ConditionWrite,
    now: &Time,
) -> (&'a Node, bool, Result<(), WriteError>) {
    (node, is_routed, write_condition(client, node, &write, now).await)
}

/// One result an item, also when the call as a whole failed. `None`: the provider is away, nothing was sent.
fn spread(answer: Result<Vec<Result<(), Fault>>, Fault>, items: usize) -> Option<Vec<Result<(), Fault>>> {
    match answer {
        Err(fault) if fault.is_away() => None,
        Err(fault) => Some(vec![Err(fault); items]),
        Ok(results) => Some(results),
    }
}

fn time(at: Timestamp) -> Time {
    Time(jiff::Timestamp::from_millisecond(i64::try_from(at.0).unwrap_or(i64::MAX)).unwrap_or_default())
}
