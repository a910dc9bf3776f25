//! cloud-node: initialises Nodes and keeps their addresses and labels up to date.
//!
//! Each provider has a worker with a queue of its own, so that one that hangs costs the others nothing. Into the queue go
//! Nodes that wait for their initialisation, Nodes about which something changed, and once a period all others. Out of it
//! they come in batches: one look-up for up to a hundred Nodes, then the writes, side by side. A Node whose provider is away
//! waits without growing older.

mod memory;
mod settle;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use controller_core::{
    backoff::Backoff,
    node::{self, NodeSettings, Problem},
    provider::{InstanceAnswer, Observed},
    view::Node,
};
use futures::future::join_all;
use tokio::{
    sync::{Semaphore, broadcast::error::RecvError, mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, interval_at},
};
use tokio_util::task::TaskTracker;

use self::memory::Memory;
use super::claim::{Claim, claim, contenders, reference};
use crate::{
    clock,
    context::Context,
    kube::{cache::Change, node_writes::NodeWriter},
    progress::BEAT,
    provider::{Hint, Provider, Status},
    queue::{Batching, Outcome, Queue, Taken},
};

/// The loop's name, as `--controllers` has it.
pub const NAME: &str = "cloud-node-controller";

/// Most Nodes in one look-up: what a provider takes at least, and what its own limit splits further.
const BATCH: usize = 100;
/// How long a look-up waits for company.
const LINGER: Duration = Duration::from_millis(5);
/// Most look-ups at once; the apiserver is the slower end.
const LOOK_UPS: usize = 8;
/// How old an answer may be after a hint that something changed.
const HINTED_AGE: Duration = Duration::from_secs(1);
/// The group of parked keys; a queue belongs to one provider.
const AWAY: &str = "away";

/// Runs the loop until the context is stopped.
pub async fn run(ctx: Arc<Context>) {
    if ctx.stop.run_until_cancelled(ctx.nodes.wait_synced()).await.is_none() {
        return;
    }
    let tasks = TaskTracker::new();
    let workers: Vec<Arc<Worker>> = ctx
        .providers
        .all()
        .iter()
        .enumerate()
        .map(|(nth, provider)| Arc::new(Worker::new(Arc::clone(&ctx), provider.clone(), nth)))
        .collect();
    for worker in &workers {
        tasks.spawn(Arc::clone(worker).run());
    }
    tasks.close();
    let mut beat = interval(BEAT);
    while ctx.stop.run_until_cancelled(beat.tick()).await.is_some() {
        // A worker that is stuck must show, however many others are not.
        if workers.iter().all(|worker| worker.is_alive()) {
            ctx.progress.beat(NAME);
        }
    }
    tasks.wait().await;
    ctx.progress.ended(NAME);
}

/// Looks after the Nodes of one provider.
struct Worker {
    ctx: Arc<Context>,
    provider: Provider,
    settings: NodeSettings,
    queue: Queue,
    writer: NodeWriter,
    /// Bounds the Nodes that are written at once.
    permits: Semaphore,
    memory: Memory,
    /// Nodes seen before the provider had said what it owns.
    unclaimed: Mutex<HashSet<String>>,
    alive: Mutex<Instant>,
}

impl Worker {
    fn new(ctx: Arc<Context>, provider: Provider, nth: usize) -> Self {
        // Upstream's queue is called `Nodes`; further providers get a number.
        let name = if nth == 0 { "Nodes".to_owned() } else { format!("Nodes-{}", nth + 1) };
        Self {
            settings: NodeSettings { adopt_untainted: ctx.config.node.adopt_untainted },
            queue: Queue::new("Nodes", Backoff::NODE, ctx.metrics.workqueue(&name)),
            writer: NodeWriter::new(ctx.client.clone(), ctx.metrics.node.writes.clone()),
            permits: Semaphore::new(ctx.config.node.workers.max(1)),
            memory: Memory::new(ctx.metrics.node.uninitialized.clone()),
            unclaimed: Mutex::default(),
            alive: Mutex::new(Instant::now()),
            ctx,
            provider,
        }
    }

    async fn run(self: Arc<Self>) {
        let at_once = (self.ctx.config.node.workers / BATCH).clamp(1, LOOK_UPS);
        let batching = Batching { size: BATCH, at_once, linger: LINGER };
        let worker = Arc::clone(&self);
        let work =
            self.queue.run_batches(batching, self.ctx.stop.clone(), move |batch| Arc::clone(&worker).batch(batch));
        tokio::join!(work, self.feed());
    }

    /// Brings into the queue what needs a look, until the context is stopped.
    async fn feed(&self) {
        let period = self.ctx.config.node.status_update_frequency;
        let mut changes = self.ctx.nodes.subscribe();
        let mut hints = self.provider.hints();
        let mut status = self.provider.status();
        status.mark_changed();
        let mut epoch = None;
        let mut refresh = interval_at(Instant::now() + period, period);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beat = interval(BEAT);
        loop {
            *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            tokio::select! {
                () = self.ctx.stop.cancelled() => return,
                Some(change) = changes.recv() => self.changed(change, &mut changes),
                Ok(()) = status.changed() => self.status_changed(&mut status, &mut epoch),
                hint = hints.recv() => match hint {
                    Ok(hint) => self.hinted(&hint),
                    Err(RecvError::Lagged(_)) => self.hinted(&Hint::All),
                    Err(RecvError::Closed) => return,
                },
                _ = refresh.tick() => self.refresh(period / 2),
                // A key that was parked just as the provider came back has missed the thaw.
                _ = beat.tick() => if self.provider.info().is_some() { self.queue.thaw(AWAY, false) },
            }
        }
    }

    fn is_alive(&self) -> bool {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < 2 * BEAT
    }

    /// Handles a change and all others that have come already.
    fn changed(&self, first: Change<Node>, more: &mut mpsc::UnboundedReceiver<Change<Node>>) {
        let info = self.provider.last_info();
        let prefixes = info.as_ref().map_or(&[][..], |info| &info.annotation_prefixes);
        for change in std::iter::once(first).chain(std::iter::from_fn(|| more.try_recv().ok())) {
            self.drop_what_is_over(&change);
            match (change.old, change.new) {
                (Some(old), None) => {
                    self.queue.remove(&old.name);
                    self.memory.forget(&old.name);
                }
                (old, Some(new))
                    if node::wakes(old.as_deref(), &new, prefixes, self.settings)
                        || self.has_become_ours(old.as_deref(), &new) =>
                {
                    if info.is_none() {
                        self.lock_unclaimed().insert(new.name.clone());
                    } else if self.claims(&new) {
                        self.queue.add(&new.name);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether the Node's labels have made it this provider's.
    fn has_become_ours(&self, old: Option<&Node>, new: &Node) -> bool {
        old.is_some_and(|old| !self.provider.selects(old))
            && self.provider.selects(new)
            && node::concerns_us(new, self.settings)
    }

    /// Forgets what was wrong with a Node that somebody else has taken on or has initialised.
    fn drop_what_is_over(&self, change: &Change<Node>) {
        let (Some(old), Some(new)) = (&change.old, &change.new) else { return };
        if old.provider_id != new.provider_id && !self.claims(new) {
            self.queue.remove(&new.name);
            self.memory.forget(&new.name);
        } else if node::is_uninitialized(old) && !node::is_uninitialized(new) {
            self.memory.initialised(&new.name);
        }
    }

    /// The provider came, went, or says something else of itself.
    fn status_changed(&self, status: &mut watch::Receiver<Status>, epoch: &mut Option<String>) {
        let Status::Ready(info) = status.borrow_and_update().clone() else { return };
        self.queue.thaw(AWAY, false);
        for name in std::mem::take(&mut *self.lock_unclaimed()) {
            if self.ctx.nodes.get(&name).is_some_and(|node| self.claims(&node)) {
                self.queue.add(&name);
            }
        }
        let before = epoch.replace(info.epoch.clone());
        if before.is_some_and(|before| before != info.epoch) {
            // A new daemon may do what the old one could not.
            self.add_all(node::is_uninitialized);
        }
        self.refresh(self.ctx.config.node.status_update_frequency / 2);
    }

    fn hinted(&self, hint: &Hint) {
        match hint {
            Hint::All => self.add_all(|_| true),
            Hint::Changed { provider_id, node_name } => {
                let is_meant = |node: &Node| {
                    node.name == *node_name || (!provider_id.is_empty() && node.provider_id == *provider_id)
                };
                let named = self.ctx.nodes.get(node_name);
                let meant = named.or_else(|| self.ctx.nodes.list().into_iter().find(|node| is_meant(node)));
                if let Some(node) = meant.filter(|node| node::concerns_us(node, self.settings) && self.claims(node)) {
                    self.memory.hinted(&node.name);
                    self.queue.add(&node.name);
                }
            }
        }
    }

    /// Queues the initialised Nodes that were last looked at longer ago than this. Those that wait for their initialisation
    /// are in the queue already.
    fn refresh(&self, age: Duration) {
        if self.provider.info().is_some() {
            self.add_all(|node| !node::is_uninitialized(node) && self.memory.is_older(&node.name, age));
        }
    }

    fn add_all(&self, wanted: impl Fn(&Node) -> bool) {
        for node in self.ctx.nodes.list() {
            if node::concerns_us(&node, self.settings) && wanted(&node) && self.claims(&node) {
                self.queue.add_audit(&node.name);
            }
        }
    }

    fn claims(&self, node: &Node) -> bool {
        claim(&self.ctx.providers, &self.provider, node) != Claim::None
    }

    /// Looks up the machines of a batch and brings each Node to what the answer says.
    async fn batch(self: Arc<Self>, batch: Vec<Taken>) {
        let mut nodes = Vec::with_capacity(batch.len());
        for taken in batch {
            match self.ctx.nodes.get(taken.key()) {
                Some(node) if node::concerns_us(&node, self.settings) && self.claims(&node) => {
                    nodes.push((taken, node));
                }
                _ => {
                    self.memory.forget(taken.key());
                    taken.finish(Outcome::Done);
                }
            }
        }
        if nodes.is_empty() {
            return;
        }
        if self.provider.info().is_none() {
            for (taken, _) in nodes {
                taken.finish(Outcome::Park(AWAY.to_owned()));
            }
            return;
        }
        let hinted = nodes.iter().filter(|(_, node)| self.memory.take_hint(&node.name)).count() > 0;
        let references = nodes.iter().map(|(_, node)| reference(node)).collect();
        let answers = self.provider.instances(references, hinted.then_some(HINTED_AGE)).await;
        let work = nodes.into_iter().map(|(taken, node)| {
            let answer = match &answers {
                Ok(answers) => answers.get(&node.name).cloned(),
                Err(fault) => Some(Observed { answer: InstanceAnswer::Unknown(fault.clone()), at: clock::now() }),
            };
            self.one(taken, node, answer)
        });
        join_all(work).await;
    }

    async fn one(&self, taken: Taken, node: Arc<Node>, answer: Option<Observed>) {
        let Some(answer) = answer else { return taken.finish(Outcome::Backoff) };
        let found = matches!(answer.answer, InstanceAnswer::Found(_));
        let names = if found { contenders(&self.ctx.providers, &self.provider, &node).await } else { None };
        if let Some(names) = names {
            return taken.finish(self.held(&node, &Problem::SeveralProviders(names)));
        }
        // Never closed.
        let _permit = self.permits.acquire().await;
        let outcome = self.settle(&node, &answer).await;
        taken.finish(outcome);
    }

    fn lock_unclaimed(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
