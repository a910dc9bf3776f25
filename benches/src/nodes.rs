//! How long it takes until all nodes of a fresh cluster are initialised, beside a bare client that makes the same writes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Event, Node};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use testkit::kubelet::{NodeSettings, register_all};

use crate::{
    lab::{Lab, since, tail, with_latency},
    report::{Report, Target, as_f64},
    watch::all_initialised,
};

const PATIENCE: Duration = Duration::from_secs(600);
/// Registrations under way at once while a cluster is prepared.
const REGISTER: usize = 32;

/// Initialises `count` nodes with default flags against a mock that takes 30 ms a call. `concurrency` is how many writes the
/// bare client has under way at once: as many as the controller.
pub async fn nodes(count: u32, concurrency: usize) -> Result<Report> {
    let mut report = Report::new(format!("nodes {count}"));
    let lab = Lab::start().await?;
    register(&lab.client, count).await?;
    let cloud = lab.cloud(&with_latency("30ms")).await?;
    let before = lab.writes().await?;

    let started = Instant::now();
    let controller = lab.controller("controller", cloud.endpoint(), &[])?;
    let seen = all_initialised(&lab.client, count as usize, PATIENCE).await.with_context(|| tail(&controller))?;
    let took = seen.finished.duration_since(started);
    // Events are sent behind the writes; the last ones may still be under way.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let writes = since(&before, &lab.writes().await?);
    let calls = cloud.calls().await?;
    drop((controller, cloud, lab));

    let node_writes: u64 = writes.iter().filter(|(key, _)| key.contains(" nodes")).map(|(_, value)| value).sum();
    let event_writes: u64 = writes.iter().filter(|(key, _)| key.contains(" events")).map(|(_, value)| value).sum();
    let floor = floor(count, event_writes > 0, concurrency).await?;

    let batches = calls.get("BatchGetInstances").copied().unwrap_or(0);
    let all_calls: u64 = calls.iter().filter(|(name, _)| *name != "WatchInstances").map(|(_, value)| value).sum();
    report.figure("time from start to all initialised", took.as_secs_f64(), "s", Target::None);
    report.figure("bare client, the same writes", floor.as_secs_f64(), "s", Target::None);
    report.figure("ratio", took.as_secs_f64() / floor.as_secs_f64(), "", Target::AtMost(1.25));
    report.figure("provider calls", as_f64(all_calls), "", Target::AtMost(f64::from(count.div_ceil(100) + 5)));
    report.figure("of these BatchGetInstances", as_f64(batches), "", Target::None);
    report.figure("node writes a node", as_f64(node_writes) / f64::from(count), "", Target::AtMost(2.0));
    report.figure("events a node", as_f64(event_writes) / f64::from(count), "", Target::None);
    report.figure("nodes seen usable before complete", as_f64(seen.too_early), "", Target::Exactly(0.0));
    report.remark(format!(
        "Mock: 30 ms a call. Bare client: {concurrency} writes under way at once. Writes: {writes:?}."
    ));
    Ok(report)
}

/// Registers `count` nodes as kubelets do.
pub async fn register(client: &Client, count: u32) -> Result<()> {
    let nodes: Vec<NodeSettings> = (0..count).map(|n| NodeSettings::named(name(n))).collect();
    register_all(client, &nodes, REGISTER).await
}

/// Name of the nth node.
pub fn name(n: u32) -> String {
    format!("node-{n:05}")
}

/// The same writes by a client that decides nothing, on a control plane of its own, watched by the same watcher.
async fn floor(count: u32, events: bool, concurrency: usize) -> Result<Duration> {
    let lab = Lab::start().await?;
    register(&lab.client, count).await?;
    let client = &lab.client;
    let started = Instant::now();
    let writing = stream::iter(0..count)
        .map(|n| async move { bare_writes(client, n, events).await })
        .buffer_unordered(concurrency)
        .try_collect::<()>();
    let (seen, written) = tokio::join!(all_initialised(client, count as usize, PATIENCE), writing);
    written?;
    Ok(seen?.finished.duration_since(started))
}

async fn bare_writes(client: &Client, n: u32, event: bool) -> Result<()> {
    let (nodes, name) = (Api::<Node>::all(client.clone()), name(n));
    let (high, low) = (n / 250, n % 250 + 1);
    let status = json!({"status": {"addresses": [
        {"type": "InternalIP", "address": format!("127.2.{high}.{low}")}, {"type": "Hostname", "address": name}]}});
    nodes.patch_status(&name, &PatchParams::default(), &Patch::Strategic(status)).await?;
    let spec = json!({
        "metadata": {"labels": {
            "topology.kubernetes.io/zone": "zone-a", "failure-domain.beta.kubernetes.io/zone": "zone-a",
            "topology.kubernetes.io/region": "region", "failure-domain.beta.kubernetes.io/region": "region",
            "node.kubernetes.io/instance-type": "type", "beta.kubernetes.io/instance-type": "type"}},
        "spec": {"providerID": format!("bare://{name}"), "taints": null}});
    nodes.patch(&name, &PatchParams::default(), &Patch::Merge(spec)).await?;
    if event {
        let event: Event = serde_json::from_value(json!({
            "metadata": {"generateName": format!("{name}."), "namespace": "default"},
            "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": name},
            "reason": "Synced", "message": "Node synced successfully", "type": "Normal", "count": 1}))?;
        Api::<Event>::namespaced(client.clone(), "default").create(&PostParams::default(), &event).await?;
    }
    Ok(())
}
