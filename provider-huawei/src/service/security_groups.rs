//! Nodes and their security group, as a side effect of looking at them.

use std::sync::{Arc, PoisonError};

use cloud_provider_api::error::Reason;
use futures::{StreamExt as _, stream};
use provider_kit::{
    Call, Class, Kit,
    inventory::{Outcome, Question},
};
use tokio::time::Instant;

use super::Provider;
use crate::{accounts::Account, cloud::Cloud, fault, nodes::machine::Machine};

/// Servers seen to at once.
const AT_ONCE: usize = 4;
/// The condition that says how it goes.
const CONDITION: &str = "NodesInSecurityGroup";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Join,
    Leave,
}

impl Provider {
    /// Puts the servers of nodes into the configured group, and takes those of former nodes out, without anybody waiting for
    /// it. Only for callers that may change something: looking at nodes is a read.
    pub(super) fn keep_security_group(
        &self,
        account: &Arc<Account>,
        call: &Call,
        cluster: &str,
        machines: &[Arc<Machine>],
        is_round: bool,
    ) {
        let Some(group) = account.cloud.config().vpc.security_group_id.clone() else { return };
        if !call.caller.may(Class::Write) || self.0.kit.draining().is_cancelled() {
            return;
        }
        let now = Instant::now();
        let (joins, leaves) = {
            let mut tracker = account.node_groups.lock().unwrap_or_else(PoisonError::into_inner);
            if is_round {
                tracker.asked(cluster, machines.iter().map(|machine| machine.id.as_str()), now);
            }
            let joins = tracker.joins(machines.iter().map(|machine| &**machine), &group, now);
            (joins, if is_round { tracker.left(cluster, now) } else { Vec::new() })
        };
        if joins.is_empty() && leaves.is_empty() {
            return;
        }
        let (kit, account, call) = (self.0.kit.clone(), account.clone(), call.clone());
        let work = async move {
            let leaves = still_in(&account, leaves, &group).await;
            let steps = joins.into_iter().map(|server| (server, Step::Join));
            let steps = steps.chain(leaves.into_iter().map(|server| (server, Step::Leave)));
            let each = stream::iter(steps).map(|(server, step)| {
                let cloud = account.acting_for(&call, &format!("node-security-group/{server}"));
                step_of(kit.clone(), account.clone(), cloud, group.clone(), server, step)
            });
            each.buffer_unordered(AT_ONCE).collect::<()>().await;
        };
        tokio::spawn(work);
    }
}

/// Those of former nodes' servers that are there and in the group.
async fn still_in(account: &Account, servers: Vec<String>, group: &str) -> Vec<String> {
    if servers.is_empty() {
        return servers;
    }
    let questions: Vec<Question<'_>> = servers.iter().cloned().map(Question::Id).collect();
    let answers = account.inventory.look_up(&questions, None).await;
    let is_in = |machine: &Machine| machine.security_groups.iter().any(|known| known == group);
    let found = answers.into_iter().filter_map(|answer| match answer.ok()?.outcome {
        Outcome::Found(machine) if is_in(&machine) => Some(machine.id.clone()),
        _ => None,
    });
    found.collect()
}

async fn step_of(kit: Kit, account: Arc<Account>, cloud: Cloud, group: String, server: String, step: Step) {
    let key = format!("node-security-group/{server}");
    let work = {
        let server = server.clone();
        async move {
            let outcome = match step {
                Step::Join => cloud.add_security_group(&server, &group).await,
                Step::Leave => cloud.remove_security_group(&server, &group).await,
            };
            outcome.map_err(|error| fault::of(&error))
        }
    };
    let outcome = kit.writes().run(&key, step == Step::Join, work).await;
    account.node_groups.lock().unwrap_or_else(PoisonError::into_inner).tried(&server, outcome.is_ok());
    match outcome {
        Ok(()) => {
            tracing::info!(server, joined = step == Step::Join, "security group of a node changed");
            kit.status().set_condition(CONDITION, Some(true), "Changed", "");
        }
        Err(error) if error.reason() == Reason::Busy => {}
        Err(error) => {
            tracing::warn!(server, %error, "the security group of a node could not be changed");
            let message = format!("server {server}: {}", error.message());
            kit.status().set_condition(CONDITION, Some(false), "ChangeFailed", &message);
        }
    }
}
