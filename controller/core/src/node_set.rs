//! Which nodes receive the traffic of load balancers. Worked out once for all Services of a provider, whenever nodes change.

pub mod debounce;

use crate::{
    digest::Digest,
    names::{LABEL_EXCLUDE_FROM_LB, LABEL_ZONE, LABEL_ZONE_BETA, TAINT_TO_BE_DELETED, TAINT_UNINITIALIZED},
    provider::NodeMember,
    selector::Selector,
    view::Node,
};

/// The members of every load balancer of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet {
    /// In the order of their names.
    pub members: Vec<NodeMember>,
    /// Stands for the members: two sets with one digest are equal.
    pub digest: String,
}

/// What a provider makes of nodes.
#[derive(Clone, Copy, Debug)]
pub struct Takes<'a> {
    /// Schemes of providerIDs it owns. A node without a providerID may be anybody's and counts.
    pub schemes: &'a [String],
    /// Which of them are its nodes, where somebody has said so.
    pub selector: Option<&'a Selector>,
    /// It can let a member finish what it has without giving it anything new.
    pub draining: bool,
}

impl NodeSet {
    /// The set of these nodes.
    pub fn new<'a>(nodes: impl IntoIterator<Item = &'a Node>, takes: Takes<'_>) -> Self {
        let mut members: Vec<NodeMember> = nodes.into_iter().filter_map(|node| member(node, takes)).collect();
        members.sort_by(|a, b| a.node_name.cmp(&b.node_name));
        let digest = digest(&members);
        Self { members, digest }
    }
}

/// The member a node is, if it is one.
///
/// Readiness, cordons and traffic policy play no part: the load balancer's own health check answers for those, and a
/// kubelet that stutters must not take its node out of two hundred load balancers. A node the cloud controller has not
/// introduced yet is left out, since neither its machine nor its addresses are known: it joins once, complete.
pub fn member(node: &Node, takes: Takes<'_>) -> Option<NodeMember> {
    let foreign = node.provider_id_scheme().is_some_and(|scheme| takes.schemes.iter().all(|owned| owned != scheme));
    let selected = takes.selector.is_none_or(|selector| selector.matches(&node.labels));
    if node.deleting || foreign || !selected || is_excluded(node) || node.has_taint_key(TAINT_UNINITIALIZED) {
        return None;
    }
    let draining = node.has_taint_key(TAINT_TO_BE_DELETED);
    if draining && !takes.draining {
        return None;
    }
    Some(NodeMember {
        node_name: node.name.clone(),
        provider_id: node.provider_id.clone(),
        addresses: node.addresses.clone(),
        zone: zone(node).to_owned(),
        draining,
    })
}

/// Whether a change of a node can change anybody's set. Providers differ in what they take, so this asks about one that
/// takes everything; where there are selectors, labels count besides.
pub fn affects(old: Option<&Node>, new: Option<&Node>) -> bool {
    let seen = |node: Option<&Node>| {
        let node = node?;
        let own = node.provider_id_scheme().map(|scheme| vec![scheme.to_owned()]).unwrap_or_default();
        member(node, Takes { schemes: &own, selector: None, draining: true })
    };
    seen(old) != seen(new)
}

/// Whether a person keeps the node out of load balancers. A label that does not plainly say `false` counts: whoever put
/// it there meant something by it.
fn is_excluded(node: &Node) -> bool {
    let Some(value) = node.labels.get(LABEL_EXCLUDE_FROM_LB) else { return false };
    !matches!(value.as_str(), "0" | "f" | "F" | "false" | "FALSE" | "False")
}

fn zone(node: &Node) -> &str {
    [LABEL_ZONE, LABEL_ZONE_BETA].into_iter().find_map(|label| node.labels.get(label)).map_or("", String::as_str)
}

/// Bytes of a set's digest.
const DIGEST_BYTES: usize = 8;

fn digest(members: &[NodeMember]) -> String {
    let mut digest = Digest::new();
    digest.list(members, |digest, member| {
        // Taken apart so that a new field cannot be forgotten here.
        let NodeMember { node_name, provider_id, addresses, zone, draining } = member;
        digest.text(node_name).text(provider_id).text(zone).flag(*draining).list(addresses, |digest, address| {
            digest.text(address.kind.as_str()).text(&address.address);
        });
    });
    digest.finish(DIGEST_BYTES)
}

#[cfg(test)]
pub(crate) mod tests;
