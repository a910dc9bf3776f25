//! Node labels that come from the cloud: which to write, which to leave.
//!
//! A label is ours while our field manager wrote its present value ([`Node::owned_labels`]). What is ours follows the cloud
//! for as long as the Node lives; what somebody else wrote stays theirs. Only at initialisation are zone, region and
//! type written over whatever is there, as upstream does: the kubelet may have guessed. Zone, region and type that an
//! earlier cloud controller wrote become ours with the first change: that it wrote them shows in both spellings being
//! there, equal, and neither being ours (a person who overrides one writes the present spelling only).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    names::{
        LABEL_INSTANCE_TYPE, LABEL_INSTANCE_TYPE_BETA, LABEL_REGION, LABEL_REGION_BETA, LABEL_ZONE, LABEL_ZONE_BETA,
    },
    provider::Instance,
    view::Node,
};

/// Labels that exist in two spellings: the present one, which is the source of truth, and the deprecated one, which is
/// written too because selectors still use it.
const TWINS: [(&str, &str); 3] =
    [(LABEL_ZONE, LABEL_ZONE_BETA), (LABEL_REGION, LABEL_REGION_BETA), (LABEL_INSTANCE_TYPE, LABEL_INSTANCE_TYPE_BETA)];

/// What to change. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelChanges {
    /// To be written.
    pub set: BTreeMap<String, String>,
    /// To be taken away: ours, and no longer given by the cloud.
    pub remove: BTreeSet<String>,
    /// Given by the cloud, but somebody else wrote another value: left alone.
    pub kept: BTreeSet<String>,
}

impl LabelChanges {
    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

/// Whether a key is Kubernetes' own and not for a provider to set: `kubernetes.io/…`, `k8s.io/…` and anything under them.
pub fn is_reserved(key: &str) -> bool {
    ["kubernetes.io/", "k8s.io/"]
        .iter()
        .any(|suffix| key.match_indices(suffix).any(|(at, _)| at == 0 || key.as_bytes()[at - 1] == b'.'))
}

/// What to change on the Node. `initialising`: the Node is about to lose the uninitialized taint.
pub fn changes(node: &Node, instance: &Instance, initialising: bool) -> LabelChanges {
    let mut changes = LabelChanges::default();
    for ((label, beta), value) in TWINS.into_iter().zip([&instance.zone, &instance.region, &instance.instance_type]) {
        match value {
            Some(value) => twin_from_cloud(node, (label, beta), value, initialising, &mut changes),
            None => repair_twin(node, (label, beta), &mut changes),
        }
    }
    for (key, value) in instance.labels.iter().filter(|(key, _)| !is_reserved(key)) {
        put(node, key, value, node.owned_labels.contains(key), &mut changes);
    }
    let gone =
        |key: &&String| !is_reserved(key) && node.labels.contains_key(*key) && !instance.labels.contains_key(*key);
    changes.remove = node.owned_labels.iter().filter(gone).cloned().collect();
    changes
}

/// Whether the two spellings disagree in a way that a look at the cloud or at each other cures.
pub fn needs_repair(node: &Node) -> bool {
    let mut changes = LabelChanges::default();
    for twin in TWINS {
        repair_twin(node, twin, &mut changes);
    }
    !changes.is_empty()
}

/// The cloud knows the value. The deprecated spelling follows the present one, whoever wrote that.
fn twin_from_cloud(node: &Node, (label, beta): (&str, &str), value: &str, force: bool, changes: &mut LabelChanges) {
    let ours = |key| node.owned_labels.contains(key);
    let inherited = !ours(beta) && node.labels.get(beta) == node.labels.get(label);
    put(node, label, value, force || ours(label) || inherited, changes);
    let value = if changes.kept.contains(label) { &node.labels[label] } else { value };
    put(node, beta, value, true, changes);
}

/// The cloud does not know the value: a Node that another controller initialised may have only the deprecated spelling.
fn repair_twin(node: &Node, (label, beta): (&str, &str), changes: &mut LabelChanges) {
    match (node.labels.get(label), node.labels.get(beta)) {
        (None, Some(value)) => put(node, label, value, true, changes),
        (Some(value), Some(old)) if value != old => put(node, beta, value, true, changes),
        _ => {}
    }
}

fn put(node: &Node, key: &str, value: &str, over: bool, changes: &mut LabelChanges) {
    match node.labels.get(key) {
        Some(present) if present == value => {}
        Some(_) if !over => drop(changes.kept.insert(key.to_owned())),
        _ => drop(changes.set.insert(key.to_owned(), value.to_owned())),
    }
}

#[cfg(test)]
mod tests;
