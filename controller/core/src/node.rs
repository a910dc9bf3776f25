//! cloud-node: what a Node needs to become and stay what the cloud says it is.
//!
//! A Node that the kubelet registers carries the uninitialized taint, which keeps pods away. It is initialised by two writes:
//! first the addresses, then providerID, labels and the removal of the taint in one patch, so that nobody sees a Node
//! that is open for pods and lacks any of these. Later the same decision keeps addresses and labels up to date.

use std::fmt;

use crate::{
    addresses::{self, NodeIpError},
    fault::{Code, Fault, Retry},
    labels::{self, LabelChanges},
    names::{ANNOTATION_PROVIDED_NODE_IP, TAINT_UNINITIALIZED},
    provider::{Instance, InstanceAnswer, InstanceState, Observed},
    taints,
    view::{Node, NodeAddress, Taint},
};

/// What to write to a Node. The parts are written in the order of the fields, and the second only after the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePlan {
    /// The whole of `status.addresses`.
    pub addresses: Option<Vec<NodeAddress>>,
    /// One patch of metadata and spec.
    pub patch: Option<NodePatch>,
}

/// One patch of a Node's metadata and spec, valid only for the resource version it was decided on: `taints` is the whole
/// list, and what somebody else has put in since must not be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePatch {
    /// `spec.providerID`, where it is unset.
    pub provider_id: Option<String>,
    /// Labels.
    pub labels: LabelChanges,
    /// The whole of `spec.taints`.
    pub taints: Option<Vec<Taint>>,
}

impl NodePatch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.provider_id.is_none() && self.labels.is_empty() && self.taints.is_none()
    }
}

impl NodePlan {
    /// Whether there is nothing to write.
    pub const fn is_empty(&self) -> bool {
        self.addresses.is_none() && self.patch.is_none()
    }

    /// How many requests it takes.
    pub fn writes(&self) -> usize {
        usize::from(self.addresses.is_some()) + usize::from(self.patch.is_some())
    }
}

/// What follows from an answer about a Node's machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing concerns us here.
    Ignore,
    /// The Node becomes, or is, what the cloud says. An empty plan: it is already.
    Apply {
        /// What to write.
        plan: NodePlan,
        /// The plan takes the uninitialized taint away.
        initialises: bool,
    },
    /// Nothing is written.
    Hold(Problem),
}

/// Why a Node is not initialised or not kept up to date.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// The annotation with the kubelet's `--node-ip` cannot be followed.
    InvalidNodeIp(NodeIpError),
    /// Neither the Node nor the provider has a providerID.
    MissingProviderId,
    /// The provider speaks of another machine than the Node names.
    OtherMachine {
        /// What the Node says.
        node: String,
        /// What the provider says.
        answer: String,
    },
    /// The machine has no address yet, and the Node neither.
    NoAddressYet(InstanceState),
    /// The cloud knows no such machine.
    NotFound(String),
    /// Somebody else's machine.
    NotOurs(String),
    /// Several providers have found a machine for it. Their names.
    SeveralProviders(Vec<String>),
    /// The provider could not say.
    Unknown(Box<Fault>),
}

/// How loudly a [`Problem`] is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loudness {
    /// A Warning Event each time it is met.
    Warning,
    /// A Warning Event from the third time in a row on: it may pass by itself.
    WarningIfItStays,
    /// No Event: it concerns the provider, not the Node, and the provider's own condition shows it.
    Quiet,
}

impl Problem {
    /// Reason of the Event and label of the metric.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::InvalidNodeIp(_) => "InvalidNodeIP",
            Self::MissingProviderId => "MissingProviderID",
            Self::OtherMachine { .. } => "ProviderIDMismatch",
            Self::NoAddressYet(_) => "NoAddressYet",
            Self::NotFound(_) => "InstanceNotFound",
            Self::NotOurs(_) => "InstanceNotOurs",
            Self::SeveralProviders(_) => "SeveralProviders",
            Self::Unknown(_) => "InstanceUnknown",
        }
    }

    /// When to look again.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::NotOurs(_) => Retry::Slow,
            // A cloud shows a machine only some time after its kubelet has registered: what has to change outside mostly does,
            // and soon.
            Self::Unknown(fault) => match (fault.code, fault.retry()) {
                (Code::FailedPrecondition, Retry::Slow) => Retry::Backoff,
                (_, retry) => retry,
            },
            _ => Retry::Backoff,
        }
    }

    /// How loudly to say it.
    pub fn loudness(&self) -> Loudness {
        match self {
            Self::Unknown(fault) if fault.is_away() || fault.is_throttle() => Loudness::Quiet,
            Self::Unknown(fault) => match self.retry() {
                Retry::Backoff | Retry::After(_) if !fault.is_auth() => Loudness::WarningIfItStays,
                _ => Loudness::Warning,
            },
            // A cloud may show a machine only some time after it has booted.
            Self::NoAddressYet(_) | Self::NotFound(_) => Loudness::WarningIfItStays,
            _ => Loudness::Warning,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidNodeIp(error) => write!(f, "{error}"),
            Self::MissingProviderId => {
                f.write_str("neither the Node's spec.providerID nor the provider's answer has a provider id")
            }
            Self::OtherMachine { node, answer } => write!(
                f,
                "spec.providerID is {node}, but the provider answered for {answer}; a Node registered for another machine \
                 must be deleted so that the kubelet registers it anew"
            ),
            Self::NoAddressYet(state) => {
                write!(f, "the cloud gives no address for the machine (state {state:?}) and the Node has none")
            }
            Self::NotFound(evidence) => write!(f, "the cloud knows no machine for this Node: {evidence}"),
            Self::NotOurs(reason) => write!(f, "the provider says that the machine is not its own: {reason}"),
            Self::SeveralProviders(names) => write!(
                f,
                "providers {} all have a machine for this Node, so none of them takes it; set spec.providerID by the kubelet's \
                 --provider-id, or tell their nodes apart with --provider-node-selector",
                names.join(", ")
            ),
            Self::Unknown(fault) => write!(f, "{fault}"),
        }
    }
}

/// Choices of the cluster's owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// Also take on Nodes that were registered without the uninitialized taint and without a providerID.
    pub adopt_untainted: bool,
}

/// Whether the Node still waits for its initialisation.
pub fn is_uninitialized(node: &Node) -> bool {
    node.has_taint_key(TAINT_UNINITIALIZED)
}

/// Whether the Node is any provider's business at all.
pub fn concerns_us(node: &Node, settings: NodeSettings) -> bool {
    !node.deleting && (is_uninitialized(node) || !node.provider_id.is_empty() || settings.adopt_untainted)
}

/// Whether a change of a Node is a reason to look at its machine. `prefixes` are those of the annotations that the provider
/// reads. Our own writes and the kubelet's heartbeats are no reason; what else the cloud may have to say is learnt by
/// the periodic look and by hints.
pub fn wakes(old: Option<&Node>, new: &Node, prefixes: &[String], settings: NodeSettings) -> bool {
    if !concerns_us(new, settings) {
        return false;
    }
    let tainted = is_uninitialized(new);
    let Some(old) = old.filter(|old| old.uid == new.uid) else { return tainted || labels::needs_repair(new) };
    let lost = |key: &String| !new.labels.contains_key(key);
    (tainted && (!is_uninitialized(old) || old.provider_id != new.provider_id))
        || told(old, prefixes).ne(told(new, prefixes))
        || (labels::needs_repair(new) && !labels::needs_repair(old))
        || old.owned_labels.iter().any(lost)
}

/// The annotations by which people and the kubelet tell us something about the machine.
fn told<'a>(node: &'a Node, prefixes: &'a [String]) -> impl Iterator<Item = (&'a String, &'a String)> {
    node.annotations.iter().filter(move |(key, _)| {
        *key == ANNOTATION_PROVIDED_NODE_IP || prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()))
    })
}

/// What to do, given what the provider answered. `node` has been found to be this provider's, or nobody's yet.
pub fn decide(node: &Node, observed: &Observed, settings: NodeSettings) -> Decision {
    if !concerns_us(node, settings) {
        return Decision::Ignore;
    }
    match &observed.answer {
        InstanceAnswer::Found(instance) => match apply(node, instance) {
            Ok(plan) => Decision::Apply { plan, initialises: is_uninitialized(node) },
            Err(problem) => Decision::Hold(problem),
        },
        InstanceAnswer::NotFound(absence) => Decision::Hold(Problem::NotFound(absence.evidence.clone())),
        InstanceAnswer::NotOurs { reason } => Decision::Hold(Problem::NotOurs(reason.clone())),
        InstanceAnswer::Unknown(fault) => Decision::Hold(Problem::Unknown(Box::new(fault.clone()))),
    }
}

fn apply(node: &Node, instance: &Instance) -> Result<NodePlan, Problem> {
    let uninitialized = is_uninitialized(node);
    let patch = NodePatch {
        provider_id: provider_id(node, instance)?,
        labels: labels::changes(node, instance, uninitialized),
        taints: taints::without_key(&node.taints, TAINT_UNINITIALIZED),
    };
    let wanted = addresses::wanted(node, &instance.addresses).map_err(Problem::InvalidNodeIp)?;
    if uninitialized && !addresses::has_ip(wanted.as_ref().unwrap_or(&node.addresses)) {
        return Err(Problem::NoAddressYet(instance.state));
    }
    Ok(NodePlan {
        addresses: wanted.filter(|wanted| *wanted != node.addresses),
        patch: (!patch.is_empty()).then_some(patch),
    })
}

/// The providerID to write; `None` when the Node has it already.
fn provider_id(node: &Node, instance: &Instance) -> Result<Option<String>, Problem> {
    match (node.provider_id.as_str(), instance.provider_id.as_str()) {
        ("", "") => Err(Problem::MissingProviderId),
        ("", answer) => Ok(Some(answer.to_owned())),
        (_, "") => Ok(None),
        (present, answer) if present == answer => Ok(None),
        (present, answer) => Err(Problem::OtherMachine { node: present.to_owned(), answer: answer.to_owned() }),
    }
}

#[cfg(test)]
mod tests;
