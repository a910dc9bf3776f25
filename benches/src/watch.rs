//! Watches all nodes as a user would, and checks on every single event that no node is usable before it is complete.

use std::{
    collections::BTreeSet,
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, ResourceExt,
    runtime::watcher::{self, Event},
};

const TAINT: &str = "node.cloudprovider.kubernetes.io/uninitialized";
const ZONE: &str = "topology.kubernetes.io/zone";

/// What was seen until all nodes were initialised.
#[derive(Debug)]
pub struct Seen {
    /// When the first taint was gone.
    pub first: Instant,
    /// When half of the taints were gone.
    pub half: Instant,
    /// When the last taint was gone.
    pub finished: Instant,
    /// Nodes that were seen without the taint before addresses and labels were there.
    pub too_early: usize,
}

/// Waits until `count` nodes are there and none has the uninitialized taint.
pub async fn all_initialised(client: &Client, count: usize, within: Duration) -> Result<Seen> {
    let work = follow(client, count);
    match tokio::time::timeout(within, work).await {
        Ok(seen) => seen,
        Err(_) => bail!("not all of {count} nodes were initialised within {within:?}"),
    }
}

async fn follow(client: &Client, count: usize) -> Result<Seen> {
    let mut events = pin!(watcher::watcher(Api::<Node>::all(client.clone()), watcher::Config::default()));
    let (mut done, mut too_early) = (BTreeSet::new(), BTreeSet::new());
    let (mut first, mut half) = (None, None);
    while let Some(event) = events.next().await {
        let (Event::Apply(node) | Event::InitApply(node)) = event? else { continue };
        if tainted(&node) {
            continue;
        }
        if !complete(&node) {
            too_early.insert(node.name_any());
        }
        done.insert(node.name_any());
        let now = Instant::now();
        let first = *first.get_or_insert(now);
        if done.len() * 2 >= count {
            half.get_or_insert(now);
        }
        if done.len() == count {
            return Ok(Seen { first, half: half.unwrap_or(now), finished: now, too_early: too_early.len() });
        }
    }
    bail!("the watch ended")
}

fn tainted(node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints.iter().any(|taint| taint.key == TAINT)
}

fn complete(node: &Node) -> bool {
    let addresses = node.status.as_ref().and_then(|status| status.addresses.as_deref()).unwrap_or_default();
    let provider_id = node.spec.as_ref().and_then(|spec| spec.provider_id.as_deref()).unwrap_or_default();
    addresses.iter().any(|address| address.type_ == "InternalIP")
        && node.labels().contains_key(ZONE)
        && !provider_id.is_empty()
}
