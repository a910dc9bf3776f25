//! Builders of test values.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    fault::{Code, Fault, Origin},
    names,
    provider::{Absence, Instance, InstanceAnswer, InstanceState, Observed},
    time::Timestamp,
    view::{self, AddressType, Condition, ConditionStatus, NodeAddress, Taint},
};

/// `I10.0.0.1`, `E…`, `H…`, `d…` (internal DNS), `D…` (external DNS).
pub(crate) fn address(text: &str) -> NodeAddress {
    let kind = match text.as_bytes()[0] {
        b'I' => AddressType::InternalIp,
        b'E' => AddressType::ExternalIp,
        b'H' => AddressType::Hostname,
        b'd' => AddressType::InternalDns,
        b'D' => AddressType::ExternalDns,
        other => panic!("no address kind {other}"),
    };
    NodeAddress::new(kind, &text[1..])
}

/// Addresses separated by blanks.
pub(crate) fn addresses(text: &str) -> Vec<NodeAddress> {
    text.split_whitespace().map(address).collect()
}

/// `key=value` pairs separated by blanks.
pub(crate) fn labels(text: &str) -> BTreeMap<String, String> {
    text.split_whitespace()
        .map(|pair| pair.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).expect("key=value"))
        .collect()
}

pub(crate) fn taint(key: &str, effect: &str) -> Taint {
    Taint { key: key.to_owned(), value: None, effect: effect.to_owned(), time_added: None }
}

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

pub(crate) fn fault(code: Code, origin: Origin) -> Fault {
    Fault::new(code, origin, "fake", "it went wrong")
}

/// A Node named `node0`, created at 0, Ready.
#[derive(Clone)]
pub(crate) struct Node(view::Node);

impl Node {
    pub(crate) fn new() -> Self {
        Self(view::Node {
            name: "node0".to_owned(),
            uid: "uid-0".to_owned(),
            resource_version: "1".to_owned(),
            created: at(0),
            deleting: false,
            labels: BTreeMap::new(),
            owned_labels: BTreeSet::new(),
            annotations: BTreeMap::new(),
            provider_id: String::new(),
            pod_cidrs: Vec::new(),
            taints: Vec::new(),
            addresses: Vec::new(),
            ready: None,
            network_unavailable: None,
            removal_blocked: None,
        })
        .ready(ConditionStatus::True, 0)
    }

    fn with(mut self, change: impl FnOnce(&mut view::Node)) -> Self {
        change(&mut self.0);
        self
    }

    pub(crate) fn named(self, name: &str) -> Self {
        self.with(|node| {
            node.name = name.to_owned();
            node.uid = format!("uid-{name}");
        })
    }

    pub(crate) fn provider_id(self, id: &str) -> Self {
        self.with(|node| id.clone_into(&mut node.provider_id))
    }

    pub(crate) fn created(self, seconds: u64) -> Self {
        self.with(|node| node.created = at(seconds))
    }

    pub(crate) fn deleting(self) -> Self {
        self.with(|node| node.deleting = true)
    }

    pub(crate) fn labels(self, text: &str) -> Self {
        self.with(|node| node.labels.extend(labels(text)))
    }

    /// Labels that our field manager wrote.
    pub(crate) fn our_labels(self, text: &str) -> Self {
        self.with(|node| {
            let labels = labels(text);
            node.owned_labels.extend(labels.keys().cloned());
            node.labels.extend(labels);
        })
    }

    pub(crate) fn annotation(self, key: &str, value: &str) -> Self {
        self.with(|node| drop(node.annotations.insert(key.to_owned(), value.to_owned())))
    }

    pub(crate) fn node_ip(self, value: &str) -> Self {
        self.annotation(names::ANNOTATION_PROVIDED_NODE_IP, value)
    }

    pub(crate) fn taint(self, key: &str) -> Self {
        self.with(|node| node.taints.push(taint(key, "NoSchedule")))
    }

    pub(crate) fn uninitialized(self) -> Self {
        self.with(|node| {
            node.taints
                .push(Taint { value: Some("true".to_owned()), ..taint(names::TAINT_UNINITIALIZED, "NoSchedule") });
        })
    }

    pub(crate) fn addresses(self, text: &str) -> Self {
        self.with(|node| node.addresses = addresses(text))
    }

    /// Condition Ready, with the second of its last transition.
    pub(crate) fn ready(self, status: ConditionStatus, since: u64) -> Self {
        self.with(|node| {
            node.ready = Some(Condition { status, reason: "Tested".to_owned(), last_transition: Some(at(since)) });
        })
    }

    pub(crate) fn without_ready(self) -> Self {
        self.with(|node| node.ready = None)
    }

    pub(crate) fn build(self) -> view::Node {
        self.0
    }
}

/// A running machine `fake://12345` in account `acc`, region `r1`.
pub(crate) fn instance() -> Instance {
    Instance {
        provider_id: "fake://12345".to_owned(),
        instance_type: None,
        zone: None,
        region: Some("r1".to_owned()),
        addresses: addresses("Hnode0.cloud.internal I10.0.0.1 E132.143.154.163"),
        state: InstanceState::Running,
        labels: BTreeMap::new(),
        account: "acc".to_owned(),
    }
}

pub(crate) fn found(instance: Instance, seconds: u64) -> Observed {
    Observed { answer: InstanceAnswer::Found(instance), at: at(seconds) }
}

pub(crate) fn found_in(state: InstanceState, seconds: u64) -> Observed {
    found(Instance { state, ..instance() }, seconds)
}

pub(crate) fn not_found(seconds: u64) -> Observed {
    let absence = Absence {
        account: "acc".to_owned(),
        region: "r1".to_owned(),
        evidence: "InstanceNotFound, request 7".to_owned(),
    };
    Observed { answer: InstanceAnswer::NotFound(absence), at: at(seconds) }
}

pub(crate) fn unknown(code: Code, seconds: u64) -> Observed {
    Observed { answer: InstanceAnswer::Unknown(fault(code, Origin::Cloud)), at: at(seconds) }
}
