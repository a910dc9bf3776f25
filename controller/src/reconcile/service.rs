//! service-controller: keeps a load balancer for every Service that wants one.
//!
//! Each provider has a lane of its own: a queue with as many workers as the provider finds useful, and the node set it is
//! sent. A provider that hangs fills its own lane and no other. Each Service has one entry, whose lock serialises
//! everything done for it whichever lane it is in; nodes only mark Services.

mod endpoints;
mod entries;
mod lane;
mod orphans;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use controller_core::{
    controllers_flag::Controller,
    names::event_source,
    node_set::{self, debounce::Debounce},
    service::{
        ownership::{self, Owner},
        picked::picked_nodes,
    },
    view::{Node, Service},
};
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::{
    entries::Entries,
    lane::{Lane, Lanes, Pick},
};
use crate::{
    clock,
    context::Context,
    kube::{cache::Change, events::ObjectRef, service_writes::ServiceWriter},
    progress,
    provider::{Providers, ServiceOwner},
};

/// Name of the loop among the signs of life.
const NAME: &str = Controller::Service.name();

/// How often parked keys are looked for while their provider is there.
const THAW_AGAIN: Duration = Duration::from_secs(10);

/// What all tasks of the loop share.
struct Shared {
    context: Arc<Context>,
    lanes: Lanes,
    entries: Entries,
    writer: ServiceWriter,
}

/// Runs until `context.stop`, and then until what is under way is done.
pub async fn run(context: Arc<Context>) {
    let stop = context.stop.clone();
    let synced = async { tokio::join!(context.services.wait_synced(), context.nodes.wait_synced()) };
    if stop.run_until_cancelled(synced).await.is_none() {
        return;
    }
    let shared = Arc::new(Shared {
        lanes: Lanes::new(&context),
        entries: Entries::new(context.config.service.audit_period),
        writer: ServiceWriter::new(context.client.clone()),
        context,
    });
    let mut tasks = JoinSet::new();
    for lane in shared.lanes.all() {
        tasks.spawn(Arc::clone(&shared).work(Arc::clone(lane)));
        tasks.spawn(Arc::clone(&shared).follow_provider(Arc::clone(lane)));
    }
    tasks.spawn(Arc::clone(&shared).follow_nodes());
    tasks.spawn(Arc::clone(&shared).follow_endpoints());
    tasks.spawn(Arc::clone(&shared).follow_tenants());
    tasks.spawn(Arc::clone(&shared).audit_orphans());
    stop.run_until_cancelled(shared.follow_services()).await;
    while tasks.join_next().await.is_some() {}
    shared.context.progress.ended(NAME);
}

impl Shared {
    /// Brings every change of a Service to the lane of its provider.
    async fn follow_services(&self) {
        let mut changes = self.context.services.subscribe();
        let mut beat = tokio::time::interval(progress::BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut undecided = BTreeSet::new();
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Some(change) => self.dispatch(&change, &mut undecided),
                    None => return,
                },
                () = self.lanes.some_provider_spoke() => {
                    for key in std::mem::take(&mut undecided) {
                        let new = self.context.services.get(&key);
                        self.dispatch(&Change { old: None, new }, &mut undecided);
                    }
                }
                _ = beat.tick() => {}
            }
            self.context.progress.beat(NAME);
        }
    }

    fn dispatch(&self, change: &Change<Service>, undecided: &mut BTreeSet<String>) {
        let Some(service) = change.new.as_ref().or(change.old.as_ref()) else { return };
        let key = format!("{}/{}", service.namespace, service.name);
        if change.new.is_none() {
            if let Some(lane) = self.entries.lane_of(&key) {
                self.lanes.get(lane).queue.add(&key);
            }
            return;
        }
        if !is_of_interest(service) && self.entries.lane_of(&key).is_none() {
            return;
        }
        match self.lane_for(service, &key) {
            Some(lane) => {
                self.entries.put_in_lane(&key, lane.index);
                // What shows an address already was looked after before this process began.
                let settled = change.old.is_none() && !service.ingress.is_empty() && !service.deleting;
                if settled { lane.queue.add_audit(&key) } else { lane.queue.add(&key) }
            }
            None => _ = undecided.insert(key),
        }
    }

    /// The lane of the provider that answers for the Service; `None`: not known yet.
    fn lane_for(&self, service: &Service, key: &str) -> Option<&Arc<Lane>> {
        match ByClass::of(service, &self.context.providers).owner(service) {
            Owner::Provider(name) => match self.lanes.named(name) {
                lane::Named::One(lane) => Some(lane),
                // A provider that is not configured: any lane can tell that.
                lane::Named::Nobody => self.lanes.all().first(),
                lane::Named::Unknown => None,
            },
            // Nothing is done for it but what is left over from the time it was ours.
            Owner::Foreign => self.entries.lane_of(key).map(|index| self.lanes.get(index)),
            Owner::Waiting => None,
        }
    }

    /// Works on the keys of a lane.
    async fn work(self: Arc<Self>, lane: Arc<Lane>) {
        let stop = self.context.stop.clone();
        let limit = self.context.config.service.workers;
        let mut workers = lane.provider.status();
        loop {
            let Some(Some(at_once)) = stop.run_until_cancelled(lane::concurrency(&mut workers, None)).await else {
                return;
            };
            let round = CancellationToken::new();
            let (shared, mine) = (Arc::clone(&self), Arc::clone(&lane));
            let run = lane.queue.run(at_once.min(limit), round.clone(), move |key| {
                let (shared, mine) = (Arc::clone(&shared), Arc::clone(&mine));
                async move { shared.reconcile(&mine, &key).await }
            });
            let other = async {
                // Until the provider finds another number useful, or the end.
                stop.run_until_cancelled(lane::concurrency(&mut workers, Some(at_once))).await;
                round.cancel();
            };
            tokio::join!(run, other);
        }
    }

    /// Wakes what waits for the provider of a lane.
    async fn follow_provider(self: Arc<Self>, lane: Arc<Lane>) {
        let stop = self.context.stop.clone();
        let mut status = lane.provider.status();
        let mut epoch = None;
        while let Some(Some(info)) = stop.run_until_cancelled(lane::next_ready(&mut status)).await {
            let met_before = epoch.is_some();
            if epoch.as_ref() != Some(&info.epoch) {
                epoch = Some(info.epoch.clone());
                self.refresh_nodes(&lane);
                // What this daemon's forerunner refused, this one may do.
                for key in self.entries.held_in(lane.index) {
                    lane.queue.add(&key);
                }
            }
            self.lanes.provider_spoke();
            lane.queue.thaw(lane::AWAY, met_before);
            // A key may be parked just after the provider has come back.
            let another = lane::next_other(&mut status, &info.epoch);
            let _ = stop.run_until_cancelled(tokio::time::timeout(THAW_AGAIN, another)).await;
        }
    }

    /// Gives changed node sets to the Services, bursts at a time.
    async fn follow_nodes(self: Arc<Self>) {
        let stop = self.context.stop.clone();
        let mut changes = self.context.nodes.subscribe();
        let mut debounce = Debounce::default();
        loop {
            let wait = debounce.due().map(|due| due.since(clock::now()));
            let given = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                more = self.gather_nodes(&mut changes, &mut debounce) => if !more { return },
                () = given => {
                    debounce.given(clock::now());
                    for lane in self.lanes.all() {
                        self.refresh_nodes(lane);
                    }
                }
            }
        }
    }

    /// Looks anew at the Services of namespaces that have another tenant than before.
    async fn follow_tenants(self: Arc<Self>) {
        let stop = self.context.stop.clone();
        let mut changes = self.context.tenants.follow();
        let mut before = changes.borrow_and_update().clone();
        while let Some(Ok(())) = stop.run_until_cancelled(changes.changed()).await {
            let now = changes.borrow_and_update().clone();
            for service in self.context.services.list() {
                let key = format!("{}/{}", service.namespace, service.name);
                if before.of(&service.namespace) != now.of(&service.namespace)
                    && let Some(lane) = self.entries.lane_of(&key)
                {
                    self.lanes.get(lane).queue.add(&key);
                }
            }
            before = now;
        }
    }

    /// Works out the node sets of a lane, and marks the Services that have another one than before.
    fn refresh_nodes(&self, lane: &Lane) {
        let Some(info) = lane.info() else { return };
        let mut by_pick: BTreeMap<Pick, Vec<String>> = BTreeMap::new();
        for key in self.entries.in_lane(lane.index) {
            // A Service that is gone or makes no sense follows no nodes.
            let service = self.context.services.get(&key);
            let pick = service.map(|service| picked_nodes(&service, &info.node_selector_annotations));
            if let Some(Ok(pick)) = pick {
                by_pick.entry(pick).or_default().push(key);
            }
        }
        let changed = lane.refresh_nodes(&self.context.nodes, by_pick.keys());
        let keys: Vec<_> = changed.into_iter().flat_map(|pick| &by_pick[pick]).collect();
        if keys.is_empty() {
            return;
        }
        tracing::info!(provider = lane.provider.name(), services = keys.len(), "nodes of load balancers changed");
        for key in keys {
            lane.queue.add_audit(key);
        }
    }

    /// Takes in at least one change and all that are there; `false`: there will be no more.
    async fn gather_nodes(&self, changes: &mut UnboundedReceiver<Change<Node>>, debounce: &mut Debounce) -> bool {
        let Some(mut change) = changes.recv().await else { return false };
        let by_label = self.lanes.all().iter().any(|lane| lane.reads_labels());
        loop {
            let (old, new) = (change.old.as_deref(), change.new.as_deref());
            let relabelled = || old.map(|node| &node.labels) != new.map(|node| &node.labels);
            if node_set::affects(old, new) || (by_label && relabelled()) {
                debounce.changed(clock::now());
            }
            match changes.try_recv() {
                Ok(next) => change = next,
                Err(_) => return true,
            }
        }
    }

    fn tell(&self, service: &Service, notices: Vec<controller_core::provider::Notice>) {
        let object = ObjectRef::service(service);
        for notice in notices {
            let source = event_source::SERVICE;
            self.context.events.event(source, &object, notice.warning, &notice.reason, &notice.message);
        }
    }
}

/// Whose a Service is by its class alone.
enum ByClass {
    /// The provider of this name.
    Provider(String),
    Foreign,
    Waiting,
}

impl ByClass {
    fn of(service: &Service, providers: &Providers) -> Self {
        match providers.for_service(service) {
            ServiceOwner::One(provider) => Self::Provider(provider.name()),
            ServiceOwner::NotOurs => Self::Foreign,
            ServiceOwner::Waiting => Self::Waiting,
        }
    }

    /// Whose the Service is.
    fn owner<'a>(&'a self, service: &'a Service) -> Owner<'a> {
        let by_class = match self {
            Self::Provider(name) => Owner::Provider(name),
            Self::Foreign => Owner::Foreign,
            Self::Waiting => Owner::Waiting,
        };
        ownership::owner(service, by_class)
    }
}

/// Whether a Service can be of any concern: most Services of a cluster are not.
fn is_of_interest(service: &Service) -> bool {
    ownership::wants_load_balancer(service)
        || ownership::has_finalizer(service)
        || ownership::marked_provider(service).is_some()
}

/// Spreads what would else happen together: between 85 % and 115 % of `period`.
fn jittered(period: Duration) -> Duration {
    period.mul_f64(0.85 + 0.3 * rand::random::<f64>())
}

#[cfg(test)]
mod tests;
