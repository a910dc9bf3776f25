//! Brings one Node to what the answer about its machine says, and tells people when that fails.

use std::time::Duration;

use controller_core::{
    names::event_source,
    node::{self, Decision, Loudness, Problem},
    provider::Observed,
    view::Node,
};

use super::{AWAY, Worker};
use crate::{
    clock,
    kube::{events::ObjectRef, node_writes::WriteError},
    queue::Outcome,
    reconcile::claim::{Claim, claim, outcome},
};

/// Tries of a write whose Node others keep changing.
const TRIES: u32 = 8;
/// Time between two of them; half of it by chance.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// From this time in a row on a [`Loudness::WarningIfItStays`] is said.
const STAYS: u32 = 3;

/// What became of a Node.
#[derive(Debug)]
enum Applied {
    /// It is as it should be. `initialised`: it lost the uninitialized taint by our write.
    Done { initialised: bool },
    /// The answer forbids it.
    Held(Problem),
}

impl Worker {
    /// Brings the Node to what the answer says.
    pub(super) async fn settle(&self, node: &Node, observed: &Observed) -> Outcome {
        match self.apply(node, observed).await {
            Ok(Applied::Done { initialised }) => {
                self.memory.settled(&node.name);
                if initialised {
                    self.initialised(node);
                }
                Outcome::Done
            }
            Ok(Applied::Held(problem)) => self.held(node, &problem),
            Err(WriteError::Gone) => Outcome::Done,
            Err(error) => self.not_written(node, &error),
        }
    }

    /// Decides and writes, again from the Node as it is after each write or conflict, until nothing is left to write.
    async fn apply(&self, seen: &Node, observed: &Observed) -> Result<Applied, WriteError> {
        let mut node = seen.clone();
        let mut addresses_written = false;
        for _ in 0..TRIES {
            let (plan, initialises) = match node::decide(&node, observed, self.settings) {
                Decision::Apply { plan, initialises } => (plan, initialises),
                Decision::Hold(problem) => return Ok(Applied::Held(problem)),
                Decision::Ignore => return Ok(Applied::Done { initialised: false }),
            };
            // Addresses that did not stay as they were written (an admission webhook?) must not keep us here.
            if let Some(addresses) = plan.addresses.filter(|_| !addresses_written) {
                node = self.writer.addresses(&node, &addresses).await?;
                addresses_written = true;
                continue;
            }
            let Some(patch) = plan.patch else { return Ok(Applied::Done { initialised: false }) };
            if !patch.labels.kept.is_empty() {
                tracing::debug!(node = node.name, labels = ?patch.labels.kept, "labels written by others are left alone");
            }
            match self.writer.patch(&node, &patch).await {
                Ok(_) => return Ok(Applied::Done { initialised: initialises }),
                Err(WriteError::Conflict) => {
                    tokio::time::sleep(TRY_AGAIN.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
                    node = self.fresh(seen).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(WriteError::Conflict)
    }

    /// The same Node as it is now.
    async fn fresh(&self, seen: &Node) -> Result<Node, WriteError> {
        let node = self.writer.get(&seen.name).await?;
        if node.uid == seen.uid { Ok(node) } else { Err(WriteError::Gone) }
    }

    fn initialised(&self, node: &Node) {
        let delay = clock::now().since(node.created).as_secs_f64();
        self.ctx.metrics.node.taint_removal_delay.observe(delay);
        self.ctx.metrics.node.initial_sync_delay.observe(delay);
        self.tell(node, false, "Synced", "Node synced successfully");
        tracing::info!(node = node.name, "node initialised");
    }

    pub(super) fn held(&self, node: &Node, problem: &Problem) -> Outcome {
        if let Problem::Unknown(fault) = problem
            && fault.is_away()
        {
            return Outcome::Park(AWAY.to_owned());
        }
        let uninitialized = node::is_uninitialized(node);
        let times = self.memory.met(&node.name, problem.reason(), uninitialized);
        tracing::debug!(node = node.name, reason = problem.reason(), %problem, times, "node is left as it is");
        if self.is_worth_saying(node, problem, uninitialized, times) {
            self.tell(node, true, problem.reason(), &problem.to_string());
        }
        // An initialised Node works; the periodic look comes back to it.
        if uninitialized { outcome(problem.retry()) } else { Outcome::Done }
    }

    /// Whether a person should read of it on the Node.
    fn is_worth_saying(&self, node: &Node, problem: &Problem, uninitialized: bool, times: u32) -> bool {
        if !uninitialized {
            // It works; only what somebody must put right on the Node itself is said, and once.
            return times == 1 && matches!(problem, Problem::InvalidNodeIp(_) | Problem::OtherMachine { .. });
        }
        match (problem, problem.loudness()) {
            // Another provider may well know it.
            (Problem::NotOurs(_) | Problem::NotFound(_), _)
                if claim(&self.ctx.providers, &self.provider, node) == Claim::OneOfSeveral =>
            {
                false
            }
            (_, Loudness::Warning) => true,
            (_, Loudness::WarningIfItStays) => times >= STAYS,
            (_, Loudness::Quiet) => false,
        }
    }

    fn not_written(&self, node: &Node, error: &WriteError) -> Outcome {
        let times = self.memory.met(&node.name, "WriteFailed", node::is_uninitialized(node));
        tracing::warn!(node = node.name, %error, times, "node could not be written");
        if times >= STAYS {
            self.tell(node, true, "NodeWriteFailed", &error.to_string());
        }
        Outcome::Backoff
    }

    fn tell(&self, node: &Node, warning: bool, reason: &str, message: &str) {
        self.ctx.events.event(event_source::NODE, &ObjectRef::node(node), warning, reason, message);
    }
}
