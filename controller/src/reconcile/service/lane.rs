//! What belongs to one provider.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
};

use controller_core::{
    backoff::Backoff,
    node_set::{NodeSet, Takes},
    provider::Capability,
    selector::Selector,
    view::Node,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    context::Context,
    kube::cache::Cache,
    provider::{Info, Provider, Status},
    queue::Queue,
    tenants::Tenants,
};

/// The group of keys that wait for the provider of their lane.
pub(super) const AWAY: &str = "away";

/// What belongs to one provider.
pub(super) struct Lane {
    /// Its place among the lanes.
    pub(super) index: usize,
    pub(super) provider: Provider,
    pub(super) queue: Queue,
    nodes: RwLock<BTreeMap<Pick, Nodes>>,
}

/// By which labels Services pick their nodes; `None`: not at all.
pub(super) type Pick = Option<Selector>;

/// A node set and since when it holds.
#[derive(Clone)]
pub(super) struct Nodes {
    pub(super) set: Arc<NodeSet>,
    pub(super) since: Instant,
}

impl Lane {
    /// What the provider last said of itself, be it away or not.
    pub(super) fn info(&self) -> Option<Arc<Info>> {
        self.provider.last_info()
    }

    /// The nodes that Services with this pick get now. `None`: the provider has not said what its nodes are.
    pub(super) fn nodes(&self, nodes: &Cache<Node>, pick: &Pick) -> Option<Nodes> {
        if let Some(known) = self.nodes.read().unwrap_or_else(PoisonError::into_inner).get(pick) {
            return Some(known.clone());
        }
        let info = self.info()?;
        let mut known = self.lock();
        let worked_out = || self.work_out(&nodes.list(), &info, pick);
        Some(known.entry(pick.clone()).or_insert_with(worked_out).clone())
    }

    /// Works the node sets of these picks out anew and forgets all others. Gives the picks whose Services have to be looked at: those
    /// with another set than before, or whose set was not known.
    pub(super) fn refresh_nodes<'a>(
        &self,
        nodes: &Cache<Node>,
        picks: impl IntoIterator<Item = &'a Pick>,
    ) -> BTreeSet<&'a Pick> {
        let Some(info) = self.info() else { return BTreeSet::new() };
        let mut known = self.lock();
        let all = nodes.list();
        let mut before = std::mem::take(&mut *known);
        let mut changed = BTreeSet::new();
        for pick in picks {
            let now = self.work_out(&all, &info, pick);
            let same = before.remove(pick).filter(|before| before.set.digest == now.set.digest);
            if same.is_none() {
                changed.insert(pick);
            }
            known.insert(pick.clone(), same.unwrap_or(now));
        }
        changed
    }

    /// Whether labels of nodes tell which of them a load balancer of this provider gets.
    pub(super) fn reads_labels(&self) -> bool {
        let picks = || self.info().is_some_and(|info| !info.node_selector_annotations.is_empty());
        self.provider.node_selector().is_some() || picks()
    }

    fn work_out(&self, all: &[Arc<Node>], info: &Info, pick: &Pick) -> Nodes {
        let takes = Takes {
            schemes: &info.schemes,
            selector: self.provider.node_selector(),
            draining: info.can(Capability::MemberDrain),
        };
        let picked = |node: &&Node| pick.as_ref().is_none_or(|pick| pick.matches(&node.labels));
        let set = NodeSet::new(all.iter().map(|node| &**node).filter(picked), takes);
        Nodes { set: Arc::new(set), since: Instant::now() }
    }

    fn lock(&self) -> RwLockWriteGuard<'_, BTreeMap<Pick, Nodes>> {
        self.nodes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lanes, in the order of the providers on the command line.
pub(super) struct Lanes {
    lanes: Vec<Arc<Lane>>,
    spoke: Notify,
}

/// What is found under a provider's name.
pub(super) enum Named<'a> {
    /// This one.
    One(&'a Arc<Lane>),
    /// No provider of ours has that name.
    Nobody,
    /// Not every provider has said its name yet, or two say the same.
    Unknown,
}

impl Lanes {
    pub(super) fn new(context: &Context) -> Self {
        let lane = |(index, provider): (usize, &Provider)| {
            let tenants = context.tenants.clone();
            let group = move |key: &str| group_of(&tenants, key);
            let queue = Queue::fair("service", Backoff::SERVICE, context.metrics.workqueue("service"), group);
            Arc::new(Lane { index, provider: provider.clone(), queue, nodes: RwLock::default() })
        };
        Self { lanes: context.providers.all().iter().enumerate().map(lane).collect(), spoke: Notify::new() }
    }

    pub(super) fn all(&self) -> &[Arc<Lane>] {
        &self.lanes
    }

    pub(super) fn get(&self, index: usize) -> &Arc<Lane> {
        &self.lanes[index]
    }

    pub(super) fn named(&self, name: &str) -> Named<'_> {
        let mut found = self.lanes.iter().filter(|lane| lane.info().is_some_and(|info| info.name == name));
        match (found.next(), found.next()) {
            (Some(lane), None) => Named::One(lane),
            (None, _) if self.lanes.iter().all(|lane| lane.info().is_some()) => Named::Nobody,
            _ => Named::Unknown,
        }
    }

    /// A provider has said what it is.
    pub(super) fn provider_spoke(&self) {
        self.spoke.notify_one();
    }

    pub(super) async fn some_provider_spoke(&self) {
        self.spoke.notified().await;
    }
}

/// Services of different tenants are worked on in turns. Where nobody is told apart there are no groups.
fn group_of(tenants: &Tenants, key: &str) -> Option<String> {
    let map = tenants.current();
    let namespace = key.split_once('/').map_or("", |(namespace, _)| namespace);
    // Those without a tenant are turned away at once, and must not keep anybody waiting while there are many.
    map.is_in_use().then(|| map.of(namespace).unwrap_or_default().to_owned())
}

/// How many calls the provider finds useful at once, as soon as it says another number than `unlike`. `None`: it will
/// never say.
pub(super) async fn concurrency(status: &mut watch::Receiver<Status>, unlike: Option<usize>) -> Option<usize> {
    let said = |status: &Status| status.info().map(|info| info.limits.load_balancer_concurrency);
    let status = status.wait_for(|status| said(status).is_some_and(|number| Some(number) != unlike)).await.ok()?;
    said(&status)
}

/// The provider, as soon as it can be asked.
pub(super) async fn next_ready(status: &mut watch::Receiver<Status>) -> Option<Arc<Info>> {
    let status = status.wait_for(|status| matches!(status, Status::Ready(_))).await.ok()?;
    status.info().cloned()
}

/// As soon as the provider is away, or a daemon of another epoch.
pub(super) async fn next_other(status: &mut watch::Receiver<Status>, epoch: &str) -> Option<()> {
    let other = |status: &Status| match status {
        Status::Ready(info) => info.epoch != epoch,
        Status::Away { .. } => true,
    };
    status.wait_for(other).await.ok().map(drop)
}
