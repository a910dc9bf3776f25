//! `instances.proto`: the machines behind nodes.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use cloud_provider_api::v1::{self, instance_result::Answer, watch_instances_response::Event};
use controller_core::{
    fault::{Fault, reason},
    provider::{Absence, Account, Instance, InstanceAnswer, InstanceState, NodeReference, Observed},
    time::Timestamp,
};

use super::{
    Refusal,
    common::{
        Excerpt, ID, InvalidField, addresses, item_fault, label_value, labels, observed_at, required, text,
        wire_addresses, wire_annotations, wire_cluster, wire_duration,
    },
    distrust,
};
use crate::provider::{Cluster, Hint, Info};

/// How much older than asked for an answer may be: the clocks of two machines differ.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(10);

/// An answer about a machine that is refused.
#[derive(Debug, thiserror::Error)]
pub(in crate::provider) enum InvalidInstance {
    #[error(transparent)]
    Field(#[from] InvalidField),
    #[error("results names node {0}, which was not asked for")]
    NotAsked(Excerpt),
    #[error("results names node {0} twice")]
    Twice(Excerpt),
    #[error("results lacks node {0}")]
    Left(Excerpt),
    #[error("no answer this build knows about node {0}")]
    Nothing(Excerpt),
    #[error("provider_id {0} has a scheme this provider does not own")]
    ForeignScheme(Excerpt),
    #[error("provider_id {answered} is not the one asked for, {asked}")]
    OtherMachine { asked: Excerpt, answered: Excerpt },
    #[error("account {account} in region {region} is not among those of the handshake")]
    ForeignAccount { account: Excerpt, region: Excerpt },
    #[error("observed_at is {} s old, asked for at most {} s", .age.as_secs(), .asked.as_secs())]
    Stale { age: Duration, asked: Duration },
}

impl Refusal for InvalidInstance {
    fn reason(&self) -> &'static str {
        match self {
            Self::ForeignAccount { .. } => reason::WRONG_ACCOUNT,
            Self::Left(_) => reason::MISSING_ANSWER,
            Self::Stale { .. } => reason::STALE_ANSWER,
            _ => reason::BAD_ANSWER,
        }
    }
}

/// The question about these nodes.
pub(in crate::provider) fn request(
    cluster: &Cluster,
    nodes: &[NodeReference],
    max_age: Option<Duration>,
    info: &Info,
) -> v1::BatchGetInstancesRequest {
    v1::BatchGetInstancesRequest {
        cluster: Some(wire_cluster(cluster)),
        nodes: nodes.iter().map(|node| wire_reference(node, info)).collect(),
        max_age: max_age.map(wire_duration),
    }
}

fn wire_reference(node: &NodeReference, info: &Info) -> v1::NodeReference {
    v1::NodeReference {
        node_name: node.node_name.clone(),
        node_uid: node.node_uid.clone(),
        provider_id: node.provider_id.clone(),
        addresses: wire_addresses(&node.addresses),
        annotations: wire_annotations(&node.annotations, &info.annotation_prefixes),
    }
}

/// The question an answer is held against.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) struct Asked<'a> {
    /// The nodes.
    pub(in crate::provider) nodes: &'a [NodeReference],
    /// How old the answer may be.
    pub(in crate::provider) max_age: Option<Duration>,
    /// When the question was sent.
    pub(in crate::provider) at: Timestamp,
    /// Who was asked.
    pub(in crate::provider) info: &'a Info,
}

/// One answer for each node asked for.
///
/// A broken item is unknown, and says nothing about the others. An item nobody asked for refuses the whole answer: a daemon
/// that mixes up its callers may mix up their machines.
pub(in crate::provider) fn answers(
    asked: Asked<'_>,
    wire: v1::BatchGetInstancesResponse,
    now: Timestamp,
) -> Result<HashMap<String, Observed>, Fault> {
    let provider = &asked.info.name;
    let nodes: HashMap<&str, &NodeReference> = asked.nodes.iter().map(|node| (node.node_name.as_str(), node)).collect();
    let mut answers = HashMap::with_capacity(nodes.len());
    let mut twice = HashSet::new();
    for result in wire.results {
        let Some(node) = nodes.get(result.node_name.as_str()) else {
            return Err(distrust(provider, &InvalidInstance::NotAsked(Excerpt::of(&result.node_name))));
        };
        let answer =
            answer(asked, node, result, now).unwrap_or_else(|refusal| unknown(distrust(provider, &refusal), now));
        if answers.insert(node.node_name.clone(), answer).is_some() {
            twice.insert(node.node_name.as_str());
        }
    }
    for node in asked.nodes {
        let refusal = if twice.contains(node.node_name.as_str()) {
            InvalidInstance::Twice(Excerpt::of(&node.node_name))
        } else if answers.contains_key(&node.node_name) {
            continue;
        } else {
            InvalidInstance::Left(Excerpt::of(&node.node_name))
        };
        answers.insert(node.node_name.clone(), unknown(distrust(provider, &refusal), now));
    }
    Ok(answers)
}

/// Nothing can be said, and why.
pub(in crate::provider) const fn unknown(fault: Fault, at: Timestamp) -> Observed {
    Observed { answer: InstanceAnswer::Unknown(fault), at }
}

fn answer(
    asked: Asked<'_>,
    node: &NodeReference,
    wire: v1::InstanceResult,
    now: Timestamp,
) -> Result<Observed, InvalidInstance> {
    let answer = match wire.answer {
        None => return Err(InvalidInstance::Nothing(Excerpt::of(&wire.node_name))),
        Some(Answer::Unknown(status)) => {
            let at = observed_at("observed_at", wire.observed_at, now).unwrap_or(now);
            return Ok(unknown(item_fault(&asked.info.name, &status), at));
        }
        Some(Answer::Found(machine)) => InstanceAnswer::Found(instance(asked.info, node, machine)?),
        Some(Answer::NotFound(absent)) => InstanceAnswer::NotFound(absence(asked.info, absent)?),
        Some(Answer::NotOurs(not_ours)) => InstanceAnswer::NotOurs { reason: text(&not_ours.reason) },
    };
    let at = observed_at("observed_at", wire.observed_at, now)?;
    if let Some(max_age) = asked.max_age {
        let age = asked.at.since(at);
        if age > max_age + CLOCK_DIFFERENCE {
            return Err(InvalidInstance::Stale { age, asked: max_age });
        }
    }
    Ok(Observed { answer, at })
}

fn instance(info: &Info, node: &NodeReference, wire: v1::Instance) -> Result<Instance, InvalidInstance> {
    let state = state(wire.state());
    let provider_id = required("provider_id", wire.provider_id, ID)?;
    let (scheme, id) = provider_id.split_once("://").unwrap_or(("", &provider_id));
    if !info.schemes.iter().any(|owned| owned == scheme) || id.is_empty() {
        return Err(InvalidInstance::ForeignScheme(Excerpt::of(&provider_id)));
    }
    if !node.provider_id.is_empty() && node.provider_id != provider_id {
        return Err(InvalidInstance::OtherMachine {
            asked: Excerpt::of(&node.provider_id),
            answered: Excerpt::of(&provider_id),
        });
    }
    let account = required("account", wire.account, ID)?;
    if !info.accounts.iter().any(|served| served.id == account) {
        return Err(InvalidInstance::ForeignAccount {
            account: Excerpt::of(&account),
            region: Excerpt::of(&wire.region),
        });
    }
    Ok(Instance {
        provider_id,
        instance_type: label_value("instance_type", wire.instance_type)?,
        zone: label_value("zone", wire.zone)?,
        region: label_value("region", wire.region)?,
        addresses: addresses("addresses", wire.addresses)?,
        state,
        labels: labels("labels", wire.labels)?,
        account,
    })
}

fn absence(info: &Info, wire: v1::InstanceAbsent) -> Result<Absence, InvalidInstance> {
    let account = Account {
        id: required("not_found.account", wire.account, ID)?,
        region: required("not_found.region", wire.region, 253)?,
    };
    if !info.accounts.contains(&account) {
        return Err(InvalidInstance::ForeignAccount {
            account: Excerpt::of(&account.id),
            region: Excerpt::of(&account.region),
        });
    }
    Ok(Absence { account: account.id, region: account.region, evidence: text(&wire.evidence) })
}

const fn state(wire: v1::InstanceState) -> InstanceState {
    match wire {
        v1::InstanceState::Unspecified => InstanceState::Unknown,
        v1::InstanceState::Pending => InstanceState::Pending,
        v1::InstanceState::Running => InstanceState::Running,
        v1::InstanceState::Changing => InstanceState::Changing,
        v1::InstanceState::Stopped => InstanceState::Stopped,
        v1::InstanceState::Terminating => InstanceState::Terminating,
        v1::InstanceState::Failed => InstanceState::Failed,
    }
}

/// The question for hints.
pub(in crate::provider) fn watch_request(cluster: &Cluster) -> v1::WatchInstancesRequest {
    v1::WatchInstancesRequest { cluster: Some(wire_cluster(cluster)) }
}

/// A hint; `None` for a sign of life. What this build does not know may be a change: look at everything.
pub(in crate::provider) fn hint(wire: v1::WatchInstancesResponse) -> Option<Hint> {
    match wire.event {
        Some(Event::Heartbeat(_)) => None,
        Some(Event::Changed(changed)) if !(changed.provider_id.is_empty() && changed.node_name.is_empty()) => {
            Some(Hint::Changed { provider_id: changed.provider_id, node_name: changed.node_name })
        }
        Some(Event::Changed(_) | Event::Lost(_)) | None => Some(Hint::All),
    }
}

#[cfg(test)]
mod tests;
