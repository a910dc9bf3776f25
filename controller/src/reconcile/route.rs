//! route-controller: keeps the cloud's route table in step with the Nodes' pod CIDRs.
//!
//! Each provider with routes has a loop of its own. Changes of Nodes start a pass at once and work on the table as it was
//! last listed; the table is listed anew every period, to find what others changed. Routes that fail are tried again one by
//! one, with growing waits, and cause no further listing.

mod table;

use std::{sync::Arc, time::Duration};

use controller_core::{
    backoff::Backoff,
    controllers_flag::Controller,
    fault::Retry,
    provider::Capability,
    route::plan::{RouteNode, affects},
    view::Node,
};
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet, time::Instant};

use self::table::{Pass, Table};
use crate::{
    clock,
    context::Context,
    kube::cache::Change,
    progress,
    provider::{NodeOwner, Provider, Status},
};

/// Name of the loop among the signs of life.
const NAME: &str = Controller::Route.name();
/// Changes that come together are worked on together.
const GATHER: Duration = Duration::from_millis(250);
/// A table listed no longer ago than this is good enough for a change of a Node.
const FRESH: Duration = Duration::from_secs(10);

/// What started a pass. The label values are upstream's, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    Periodic,
    NodeChange,
    Retry,
}

impl Trigger {
    const fn label(self) -> &'static str {
        match self {
            Self::Periodic => "periodic",
            Self::NodeChange => "node_change",
            Self::Retry => "retry",
        }
    }
}

/// Runs until `context.stop`, and then until the pass under way is done.
pub async fn run(context: Arc<Context>) {
    let stop = context.stop.clone();
    if stop.run_until_cancelled(context.nodes.wait_synced()).await.is_none() {
        return;
    }
    let mut loops = JoinSet::new();
    for provider in context.providers.all() {
        let keeper = Keeper { context: Arc::clone(&context), provider: provider.clone() };
        loops.spawn(keeper.run());
    }
    while loops.join_next().await.is_some() {}
    context.progress.ended(NAME);
}

/// Keeps the table of one provider.
struct Keeper {
    context: Arc<Context>,
    provider: Provider,
}

/// What a keeper waits for next.
struct Agenda {
    /// When the table is to be listed and compared.
    audit: Instant,
    /// When something that failed is to be tried again.
    retry: Option<Instant>,
    /// When changes that came in are to be worked on.
    changes: Option<Instant>,
    /// Passes in a row whose listing failed.
    failures: u32,
}

impl Agenda {
    fn new() -> Self {
        Self { audit: Instant::now(), retry: None, changes: None, failures: 0 }
    }

    /// What is due first, and when.
    fn next(&self) -> (Instant, Trigger) {
        let others = [(self.changes, Trigger::NodeChange), (self.retry, Trigger::Retry)];
        others
            .into_iter()
            .filter_map(|(at, trigger)| at.map(|at| (at, trigger)))
            .chain([(self.audit, Trigger::Periodic)])
            .min_by_key(|(at, _)| *at)
            .unwrap_or((self.audit, Trigger::Periodic))
    }
}

impl Keeper {
    async fn run(self) {
        let stop = self.context.stop.clone();
        let mut status = self.provider.status();
        let mut table = Table::new(&self.context, &self.provider);
        loop {
            self.context.progress.beat(NAME);
            let serving = tokio::time::timeout(progress::BEAT, status.wait_for(has_routes));
            match stop.run_until_cancelled(serving).await {
                None | Some(Ok(Err(_))) => return,
                Some(Ok(Ok(_))) => {}
                Some(Err(_)) => continue,
            }
            // A daemon that was away may have been another one meanwhile.
            table.forget_listing();
            if self.keep(&mut table).await.is_none() {
                return;
            }
        }
    }

    /// Keeps the table until the provider is away. `None`: the end.
    async fn keep(&self, table: &mut Table) -> Option<()> {
        let stop = &self.context.stop;
        let mut changes = self.context.nodes.subscribe();
        let mut agenda = Agenda::new();
        loop {
            self.context.progress.beat(NAME);
            let (at, trigger) = agenda.next();
            tokio::select! {
                () = stop.cancelled() => return None,
                change = relevant(&mut changes) => {
                    change?;
                    agenda.changes.get_or_insert_with(|| Instant::now() + GATHER);
                }
                () = tokio::time::sleep(progress::BEAT) => {}
                () = tokio::time::sleep_until(at) => {
                    if self.provider.info().is_none_or(|info| !info.can(Capability::Routes)) {
                        return Some(());
                    }
                    self.pass(table, trigger, &mut agenda).await;
                }
            }
        }
    }

    async fn pass(&self, table: &mut Table, trigger: Trigger, agenda: &mut Agenda) {
        agenda.changes = None;
        let period = self.context.config.route.period;
        let oldest = match trigger {
            Trigger::Periodic => Duration::ZERO,
            Trigger::NodeChange => FRESH,
            Trigger::Retry => period,
        };
        let nodes = self.context.nodes.list();
        let places: Vec<RouteNode<'_>> =
            nodes.iter().map(|node| RouteNode { node, ours: self.is_ours(node) }).collect();
        let result = table.pass(&places, oldest).await;
        let outcome = match &result {
            Ok(Pass { failed: true, .. }) | Err(_) => "error",
            Ok(Pass { changed: true, .. }) => "changed",
            Ok(_) => "noop",
        };
        self.context.metrics.route.sync_total.with([outcome, trigger.label()]).inc();
        match result {
            Ok(pass) => {
                if pass.listed {
                    agenda.audit = Instant::now() + period;
                    agenda.failures = 0;
                }
                agenda.retry = table.next_retry(clock::now()).map(|wait| Instant::now() + wait);
            }
            Err(fault) => {
                tracing::warn!(provider = self.provider.name(), %fault, "routes could not be listed");
                agenda.failures = agenda.failures.saturating_add(1);
                let wait = match fault.retry() {
                    Retry::After(wait) => wait,
                    _ => Backoff::SERVICE.delay(agenda.failures, rand::random()),
                };
                agenda.audit = Instant::now() + wait;
                agenda.retry = None;
            }
        }
    }

    /// Whether routes to this Node belong into this provider's table.
    fn is_ours(&self, node: &Node) -> bool {
        let name = self.provider.name();
        match self.context.providers.for_node(node) {
            NodeOwner::One(provider) => provider.name() == name,
            // Nobody knows its machine yet: with one table there is no choice where a route to it belongs.
            NodeOwner::Ask(_) => {
                let tables = |provider: &&Provider| has_routes(&provider.status().borrow());
                self.context.providers.all().iter().filter(tables).count() == 1
            }
            NodeOwner::Foreign | NodeOwner::Waiting => false,
        }
    }
}

fn has_routes(status: &Status) -> bool {
    matches!(status, Status::Ready(info) if info.can(Capability::Routes))
}

/// The next change that can matter to a route; `None`: there will be no more.
async fn relevant(changes: &mut UnboundedReceiver<Change<Node>>) -> Option<()> {
    loop {
        let change = changes.recv().await?;
        if affects(change.old.as_deref(), change.new.as_deref()) {
            return Some(());
        }
    }
}

#[cfg(test)]
mod tests;
