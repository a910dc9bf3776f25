//! cloud-node-lifecycle: taints Nodes whose machines are stopped and removes those whose machines are gone.
//!
//! Each provider has a monitor of its own. It looks at a Node when it stops being Ready and from then on as
//! [`controller_core::lifecycle`] says; all that are due are asked about together, with canaries among them. Nothing is
//! asked, and nothing written, while every Node is Ready; nothing changes while the provider is away.

mod apply;
mod state;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use controller_core::{
    fault::{Code, Fault},
    lifecycle::LifecycleSettings,
    provider::{InstanceAnswer, Observed},
    time::Timestamp,
    view::Node,
};
use futures::{StreamExt, stream};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::task::TaskTracker;

use self::state::State;
use super::claim::{Claim, claim, reference};
use crate::{
    clock,
    context::Context,
    kube::{cache::Change, node_writes::NodeWriter},
    progress::BEAT,
    provider::{Hint, Info, Provider, Status},
};

/// The loop's name, as `--controllers` has it.
pub const NAME: &str = "cloud-node-lifecycle-controller";

/// How long a change waits for company before the nodes are looked at.
const COMPANY: Duration = Duration::from_millis(100);
/// Most canaries in one look-up.
const CANARIES: usize = 20;
/// Most look-ups at once.
const LOOK_UPS: usize = 8;
/// A pass that takes longer than this is stuck: its calls have deadlines of their own.
const LONGEST_PASS: Duration = Duration::from_secs(100);

/// Runs the loop until the context is stopped.
pub async fn run(ctx: Arc<Context>) {
    if ctx.stop.run_until_cancelled(ctx.nodes.wait_synced()).await.is_none() {
        return;
    }
    let tasks = TaskTracker::new();
    let monitors: Vec<Arc<Monitor>> =
        ctx.providers.all().iter().map(|provider| Arc::new(Monitor::new(Arc::clone(&ctx), provider.clone()))).collect();
    for monitor in &monitors {
        let monitor = Arc::clone(monitor);
        tasks.spawn(async move { monitor.run().await });
    }
    tasks.close();
    let mut beat = interval(BEAT);
    while ctx.stop.run_until_cancelled(beat.tick()).await.is_some() {
        if monitors.iter().all(|monitor| monitor.is_alive()) {
            ctx.progress.beat(NAME);
        }
    }
    tasks.wait().await;
    ctx.progress.ended(NAME);
}

/// Looks after the Nodes of one provider.
struct Monitor {
    ctx: Arc<Context>,
    provider: Provider,
    settings: LifecycleSettings,
    writer: NodeWriter,
    state: Mutex<State>,
    alive: Mutex<Instant>,
}

/// What one look-up said: the canaries' answers and those about the Nodes that are not Ready.
struct Looked {
    asked: Timestamp,
    canaries: Vec<(Arc<Node>, Observed)>,
    suspects: Vec<(Arc<Node>, Observed)>,
}

impl Monitor {
    fn new(ctx: Arc<Context>, provider: Provider) -> Self {
        let config = &ctx.config.lifecycle;
        Self {
            settings: LifecycleSettings {
                monitor_period: config.monitor_period,
                out_of_service_after: config.out_of_service_after,
                removal: config.removal.clone(),
            },
            writer: NodeWriter::new(ctx.client.clone(), ctx.metrics.node.writes.clone()),
            state: Mutex::default(),
            alive: Mutex::new(Instant::now()),
            ctx,
            provider,
        }
    }

    async fn run(&self) {
        let mut changes = self.ctx.nodes.subscribe();
        let mut hints = self.provider.hints();
        let mut status = self.provider.status();
        let mut tick = interval(self.settings.monitor_period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            let look = tokio::select! {
                () = self.ctx.stop.cancelled() => return,
                Some(change) = changes.recv() => {
                    if self.note_change(&change) {
                        sleep(COMPANY).await;
                    }
                    self.note_changes(&mut changes) | is_urgent(&change)
                }
                hint = hints.recv() => match hint {
                    Ok(hint) => self.hinted(&hint),
                    Err(RecvError::Lagged(_)) => self.hinted(&Hint::All),
                    Err(RecvError::Closed) => return,
                },
                Ok(()) = status.changed() => matches!(&*status.borrow_and_update(), Status::Ready(_)),
                _ = tick.tick() => true,
            };
            if look {
                // Not cancelled half-way: what was decided is written before the process ends.
                self.pass().await;
            }
        }
    }

    fn is_alive(&self) -> bool {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < LONGEST_PASS
    }

    /// Notes a change; tells whether it is worth a look at once.
    fn note_change(&self, change: &Change<Node>) -> bool {
        if let Change { old: Some(old), new: None } = change {
            self.forget(&old.name);
        }
        is_urgent(change)
    }

    fn note_changes(&self, changes: &mut mpsc::UnboundedReceiver<Change<Node>>) -> bool {
        let mut urgent = false;
        while let Ok(change) = changes.try_recv() {
            urgent |= self.note_change(&change);
        }
        urgent
    }

    /// Makes the Nodes that are meant due; tells whether there is any.
    fn hinted(&self, hint: &Hint) -> bool {
        let now = clock::now();
        let meant: Vec<String> = match hint {
            Hint::All => self.state().tracks.keys().cloned().collect(),
            Hint::Changed { provider_id, node_name } => {
                let is_meant = |node: &Arc<Node>| node.name == *node_name || node.provider_id == *provider_id;
                self.ctx.nodes.list().into_iter().filter(is_meant).map(|node| node.name.clone()).collect()
            }
        };
        let mut state = self.state();
        let mut any = false;
        for name in meant {
            if let Some(track) = state.tracks.get_mut(&name) {
                track.next = now;
                any = true;
            }
        }
        any
    }

    /// Looks at all Nodes of the provider once.
    async fn pass(&self) {
        let Some(info) = self.provider.info() else { return };
        let started = Instant::now();
        let nodes: Vec<Arc<Node>> = self.ctx.nodes.list().into_iter().filter(|node| self.is_ours(node)).collect();
        let nodes = self.state().still_there(nodes);
        let due = self.state().due(&nodes, &info.epoch, &self.settings, clock::now());
        self.tend_ready(&nodes).await;
        let looked = self.look(&nodes, due, &info).await;
        // Answers of a daemon that has been replaced meanwhile may be another account's.
        if self.provider.info().is_some_and(|now| now.epoch == info.epoch) {
            self.follow(&nodes, looked, &info).await;
        }
        self.ctx.metrics.lifecycle.monitor_duration.observe(started.elapsed().as_secs_f64());
    }

    fn is_ours(&self, node: &Node) -> bool {
        !node.provider_id.is_empty() && claim(&self.ctx.providers, &self.provider, node) == Claim::Sole
    }

    /// Asks about the Nodes that are due, each time with canaries.
    async fn look(&self, nodes: &[Arc<Node>], due: Vec<Arc<Node>>, info: &Info) -> Vec<Looked> {
        if due.is_empty() {
            return Vec::new();
        }
        let limit = info.limits.instances;
        let canaries: Vec<Arc<Node>> = self.state().canaries(nodes, CANARIES.min(limit / 2));
        let chunks: Vec<Vec<Arc<Node>>> =
            due.chunks((limit - canaries.len()).max(1)).map(<[Arc<Node>]>::to_vec).collect();
        let look_ups = chunks.into_iter().map(|chunk| self.look_up(&canaries, chunk));
        stream::iter(look_ups).buffer_unordered(LOOK_UPS).filter_map(std::future::ready).collect().await
    }

    /// `None`: the provider has gone away, so nothing was said.
    async fn look_up(&self, canaries: &[Arc<Node>], suspects: Vec<Arc<Node>>) -> Option<Looked> {
        let asked = clock::now();
        let references = canaries.iter().chain(&suspects).map(|node| reference(node)).collect();
        let answers = self.provider.instances(references, Some(Duration::ZERO)).await;
        let answer = |node: &Node| match &answers {
            Ok(answers) => answers.get(&node.name).cloned(),
            Err(fault) => Some(Observed { answer: InstanceAnswer::Unknown(fault.clone()), at: asked }),
        };
        if answers.as_ref().is_err_and(Fault::is_away) {
            return None;
        }
        let with_answers = |nodes: &[Arc<Node>]| {
            nodes.iter().filter_map(|node| Some((Arc::clone(node), answer(node)?))).collect::<Vec<_>>()
        };
        let looked = Looked { asked, canaries: with_answers(canaries), suspects: with_answers(&suspects) };
        for (_, observed) in &looked.suspects {
            self.count_call(observed);
        }
        Some(looked)
    }

    /// Counts a look-up under upstream's names: one answer tells both whether the machine is there and whether it is shut
    /// down.
    fn count_call(&self, observed: &Observed) {
        let calls = &self.ctx.metrics.lifecycle.provider_calls;
        match &observed.answer {
            InstanceAnswer::Found(_) => {
                calls.with(["instance_exists", "success"]).inc();
                calls.with(["instance_shutdown", "success"]).inc();
            }
            InstanceAnswer::NotOurs { .. } => drop(calls.with(["instance_exists", "success"]).inc()),
            InstanceAnswer::NotFound(_) => drop(calls.with(["instance_exists", "instance_not_found"]).inc()),
            InstanceAnswer::Unknown(fault) => {
                let result = match fault.code {
                    Code::Unimplemented => "not_implemented",
                    Code::Cancelled => "canceled",
                    _ => "error",
                };
                calls.with(["instance_exists", result]).inc();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a change is worth a look at once: a Node has become Ready or stopped being so.
fn is_urgent(change: &Change<Node>) -> bool {
    let was_ready = change.old.as_ref().is_none_or(|old| old.is_ready());
    change.new.as_ref().is_some_and(|new| new.is_ready() != was_ready)
}

#[cfg(test)]
mod tests;
