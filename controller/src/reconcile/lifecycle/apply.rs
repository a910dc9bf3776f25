//! Writes what a pass has decided, and tells people what it did and what it held back.

use std::sync::Arc;

use controller_core::{
    fault::Fault,
    lifecycle::{self, ConditionChange},
    names::event_source,
    provider::{InstanceAnswer, Observed},
    removal::{Hold, Pool, Verdict},
    view::{Node, Taint},
};
use futures::{StreamExt, stream};
use jiff::Timestamp as WallClock;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Looked, Monitor};
use crate::{
    clock,
    kube::{events::ObjectRef, node_writes::WriteError},
    provider::Info,
};

/// Reason of the Event that a removal is held back.
const HELD: &str = "NodeRemovalHeld";
/// Reason of the Event that nothing is known of a machine.
const UNKNOWN: &str = "InstanceUnknown";
/// How many answers in a row must have said nothing until that is said.
const STAYS: u32 = 3;

impl Monitor {
    /// Takes from Ready Nodes what only those that are not have.
    pub(super) async fn tend_ready(&self, nodes: &[Arc<Node>]) {
        let ready = nodes.iter().filter(|node| node.is_ready() && !node.deleting).map(|node| async move {
            self.unhold(&node.name);
            if let Some(taints) = lifecycle::taints_when_ready(node) {
                self.taint(node, taints).await;
            }
            if let Some(change) = lifecycle::condition_when_ready(node) {
                self.condition(node, &change).await;
            }
        });
        self.side_by_side(ready).await;
    }

    /// Does what follows from the answers.
    pub(super) async fn follow(&self, nodes: &[Arc<Node>], looked: Vec<Looked>, info: &Info) {
        let pool = {
            let mut state = self.state();
            for looked in &looked {
                state.record(looked, &info.accounts, &self.settings);
            }
            let auth_fault = self.provider.last_auth_fault();
            state.pool(nodes, &info.accounts, auth_fault, self.settings.removal.window, clock::now())
        };
        let open = pool.breaker_is_open(&self.settings.removal);
        self.ctx.metrics.lifecycle.breaker_open.with([&self.provider.name()]).set(open.into());
        let answers = looked.iter().flat_map(|looked| &looked.suspects);
        self.side_by_side(answers.map(|(node, observed)| self.one(node, observed, pool))).await;
    }

    async fn side_by_side(&self, work: impl Iterator<Item = impl Future<Output = ()>>) {
        stream::iter(work).for_each_concurrent(self.ctx.config.lifecycle.workers.max(1), |work| work).await;
    }

    async fn one(&self, node: &Node, observed: &Observed, pool: Pool<'_>) {
        let Some(track) = self.state().tracks.get(&node.name).cloned() else { return };
        let step = lifecycle::decide(node, observed, &track, pool, &self.settings, clock::now());
        tracing::debug!(node = node.name, answer = ?observed.answer, removal = ?step.removal, "node is not ready");
        match (&observed.answer, &step.removal) {
            (_, Some(Verdict::Hold(hold))) => self.hold(node, hold),
            // What held a removal still does, as far as anyone knows.
            (InstanceAnswer::Unknown(fault), _) => self.tell_unknown(node, fault, track.unknown_in_a_row()),
            _ => self.unhold(&node.name),
        }
        if step.removal == Some(Verdict::Remove) {
            return self.remove(node).await;
        }
        if let Some(taints) = step.taints {
            self.taint(node, taints).await;
        }
        if let Some(change) = step.condition {
            self.condition(node, &change).await;
        }
    }

    /// Says, once, that the cloud has said nothing for some time: somebody may wonder why the Node stays.
    fn tell_unknown(&self, node: &Node, fault: &Fault, times: u32) {
        if times == STAYS && !fault.is_throttle() {
            let text = format!("Leaving the node as it is: nothing is known of its machine: {fault}");
            self.tell(node, true, UNKNOWN, &text);
        }
    }

    async fn remove(&self, node: &Node) {
        let text = format!("Deleting node {} because it does not exist in the cloud provider", node.name);
        self.tell(node, false, "DeletingNode", &text);
        match self.writer.delete(node).await {
            Ok(()) => {
                tracing::info!(node = node.name, provider_id = node.provider_id, "node removed, its machine is gone");
                self.ctx.metrics.lifecycle.removals.inc();
                self.state().removed(node, clock::now());
            }
            Err(WriteError::Gone) => self.forget(&node.name),
            Err(error) => {
                // Whatever has changed on the Node is looked at before it is tried again.
                if let Some(track) = self.state().tracks.get_mut(&node.name) {
                    track.next = clock::now();
                }
                if !matches!(error, WriteError::Conflict) {
                    self.tell(node, true, "DeletingNodeFailed", &error.to_string());
                }
                tracing::warn!(node = node.name, %error, "node could not be removed");
            }
        }
    }

    async fn taint(&self, node: &Node, taints: Vec<Taint>) {
        match self.writer.taints(node, taints).await {
            Ok(_) => tracing::info!(node = node.name, "taints brought in line with the machine's power state"),
            Err(WriteError::Gone) => {}
            Err(error) => self.again_soon(node, "taints", &error),
        }
    }

    async fn condition(&self, node: &Node, change: &ConditionChange) {
        match self.writer.condition(node, change, &Time(WallClock::now())).await {
            Ok(_) | Err(WriteError::Gone) => {}
            Err(error) => self.again_soon(node, "condition", &error),
        }
    }

    fn again_soon(&self, node: &Node, what: &str, error: &WriteError) {
        tracing::debug!(node = node.name, what, %error, "node not written, trying again");
        if let Some(track) = self.state().tracks.get_mut(&node.name) {
            track.next = clock::now();
        }
    }

    /// Counts a held removal, and says why when that is news.
    fn hold(&self, node: &Node, hold: &Hold) {
        let before = self.state().holds.insert(node.name.clone(), hold.reason());
        if before == Some(hold.reason()) {
            return;
        }
        self.count_held(before, -1);
        self.count_held(Some(hold.reason()), 1);
        let text = format!("Not removing the node, though its machine is called absent: {hold}");
        tracing::warn!(node = node.name, reason = hold.reason(), %hold, "removal is held");
        self.tell(node, true, HELD, &text);
    }

    fn unhold(&self, name: &str) {
        let before = self.state().holds.remove(name);
        self.count_held(before, -1);
    }

    /// The Node is gone.
    pub(super) fn forget(&self, name: &str) {
        self.unhold(name);
        self.state().forget(name);
    }

    fn count_held(&self, reason: Option<&'static str>, change: i64) {
        if let Some(reason) = reason {
            self.ctx.metrics.lifecycle.removals_held.with([&self.provider.name(), reason]).inc_by(change);
        }
    }

    fn tell(&self, node: &Node, warning: bool, reason: &str, message: &str) {
        self.ctx.events.event(event_source::LIFECYCLE, &ObjectRef::node(node), warning, reason, message);
    }
}
