//! Whose business a Node is, and how its machine is asked about.

use controller_core::{fault::Retry, provider::NodeReference, view::Node};

use crate::{
    provider::{NodeOwner, Provider, Providers},
    queue::Outcome,
};

/// What becomes of a key whose call failed.
pub(super) fn outcome(retry: Retry) -> Outcome {
    match retry {
        Retry::Backoff => Outcome::Backoff,
        Retry::After(delay) => Outcome::After(delay),
        Retry::Slow => Outcome::Slow,
        Retry::Halt => Outcome::Halt,
    }
}

/// What a look-up of the Node's machine sends.
pub(super) fn reference(node: &Node) -> NodeReference {
    NodeReference {
        node_name: node.name.clone(),
        node_uid: node.uid.clone(),
        provider_id: node.provider_id.clone(),
        addresses: node.addresses.clone(),
        annotations: node.annotations.clone(),
    }
}

/// Whether two handles are of the same endpoint.
fn same(a: &Provider, b: &Provider) -> bool {
    a.endpoint() == b.endpoint()
}

/// How a Node stands to one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The provider owns the scheme of its providerID, or is the only one to ask.
    Sole,
    /// The Node has no providerID yet, and several are asked.
    OneOfSeveral,
    /// Not its business.
    None,
}

/// How the Node stands to the provider.
pub(super) fn claim(providers: &Providers, provider: &Provider, node: &Node) -> Claim {
    match providers.for_node(node) {
        NodeOwner::One(owner) if same(&owner, provider) => Claim::Sole,
        NodeOwner::Ask(asked) if asked.iter().any(|other| same(other, provider)) => match asked.len() {
            1 => Claim::Sole,
            _ => Claim::OneOfSeveral,
        },
        _ => Claim::None,
    }
}
