//! Whose business a Node is, and how its machine is asked about.

use std::time::Duration;

use controller_core::{
    fault::Retry,
    provider::{InstanceAnswer, NodeReference, Observed},
    view::Node,
};
use futures::future::join_all;
use tokio::time::timeout;

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
        NodeOwner::One(owner) if owner.is(provider) => Claim::Sole,
        NodeOwner::Ask(asked) if asked.iter().any(|other| other.is(provider)) => match asked.len() {
            1 => Claim::Sole,
            _ => Claim::OneOfSeveral,
        },
        _ => Claim::None,
    }
}

/// How long the other providers are waited for before a Node without a providerID is taken on. One that hangs costs its Nodes
/// to nobody for longer than that, and soon counts as away.
const RIVALS: Duration = Duration::from_secs(3);

/// The names of all providers that have a machine for a Node without a providerID, if they are several. `provider` has found
/// one.
///
/// A provider that is away or does not know is no reason to wait: what it would say may never come.
pub(super) async fn contenders(providers: &Providers, provider: &Provider, node: &Node) -> Option<Vec<String>> {
    let NodeOwner::Ask(asked) = providers.for_node(node) else { return None };
    let others = asked.iter().filter(|other| !other.is(provider) && other.info().is_some());
    let found = others.map(|other| async {
        let answer = timeout(RIVALS, other.instance(reference(node), None)).await;
        let found = matches!(answer, Ok(Ok(Observed { answer: InstanceAnswer::Found(_), .. })));
        found.then(|| other.name())
    });
    let mut names: Vec<String> = join_all(found).await.into_iter().flatten().collect();
    if names.is_empty() {
        return None;
    }
    names.push(provider.name());
    names.sort();
    Some(names)
}
