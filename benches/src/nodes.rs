//! How long it takes until all nodes of a fresh cluster are initialised, beside a bare client that makes the same writes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

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
    watch::{Seen, all_initialised},
};

const PATIENCE: Duration = Duration::from_secs(600);
/// Registrations under way at once while a cluster is prepared.
const REGISTER: usize = 32;

/// How many writes the bare client has under way at once: the controller begins with 64 and goes on to what the apiserver
/// bears, up to 256. The controller is compared with the fastest of these.
const CONCURRENCY: [usize; 4] = [32, 64, 128, 256];

/// What was seen of the controller.
struct Run {
    seen: Seen,
    took: Took,
    /// Events written when the last node was initialised.
    events: u64,
    /// All writes, those behind the last node included.
    writes: BTreeMap<String, u64>,
    calls: BTreeMap<String, u64>,
}

/// From the start to the first node, half of them and all.
struct Took {
    first: Duration,
    half: Duration,
    all: Duration,
}

impl Took {
    fn new(started: Instant, seen: &Seen) -> Self {
        let since = |at: Instant| at.duration_since(started);
        Self { first: since(seen.first), half: since(seen.half), all: since(seen.finished) }
    }

    fn say(&self, who: &str, report: &mut Report) {
        for (which, time) in [("first", self.first), ("half", self.half), ("all", self.all)] {
            report.figure(format!("{who}: {which}"), time.as_secs_f64(), "s", Target::None);
        }
    }
}

/// Initialises `count` nodes with default flags against a mock that takes 30 ms a call, beside bare clients. The controller runs
/// before them and after them, so that neither side has the machine cold or warm alone; the faster counts, as with the bare
/// clients, and the larger of its counts.
pub async fn nodes(count: u32) -> Result<Report> {
    let mut report = Report::new(format!("nodes {count}"));
    let before = controlled(count).await?;
    before.took.say("controller, before the bare clients", &mut report);
    let mut fastest = Duration::MAX;
    for concurrency in CONCURRENCY {
        let took = floor(count, before.events, concurrency).await?;
        took.say(&format!("bare client, the same writes, {concurrency} at once"), &mut report);
        fastest = fastest.min(took.all);
    }
    let after = controlled(count).await?;
    after.took.say("controller, after them", &mut report);

    let runs = [&before, &after];
    let most = |what: fn(&Run) -> u64| as_f64(runs.map(what).into_iter().max().unwrap_or(0));
    let nodes = f64::from(count);
    let took = before.took.all.min(after.took.all);
    let ratio = took.as_secs_f64() / fastest.as_secs_f64();
    report.figure("the controller's faster to the fastest bare client's", ratio, "", Target::AtMost(1.25));
    let calls =
        most(|run| run.calls.iter().filter(|(name, _)| *name != "WatchInstances").map(|(_, value)| value).sum());
    report.figure("provider calls", calls, "", Target::AtMost(f64::from(count.div_ceil(100) + 5)));
    let batches = most(|run| run.calls.get("BatchGetInstances").copied().unwrap_or(0));
    report.figure("of these BatchGetInstances", batches, "", Target::None);
    report.figure("node writes a node", most(|run| of(&run.writes, " nodes")) / nodes, "", Target::AtMost(2.0));
    report.figure("Events a node written at the finish", most(|run| run.events) / nodes, "", Target::None);
    report.figure("Events a node written 5 s later", most(|run| of(&run.writes, " events")) / nodes, "", Target::None);
    let too_early = runs.map(|run| run.seen.too_early).into_iter().max().unwrap_or(0);
    report.figure("nodes seen usable before complete", as_f64(too_early), "", Target::Exactly(0.0));
    report.remark(format!("Mock: 30 ms a call. The controller's writes: {:?}.", before.writes));
    Ok(report)
}

/// One run of the controller, on a control plane of its own.
async fn controlled(count: u32) -> Result<Run> {
    let lab = Lab::start().await?;
    register(&lab.client, count).await?;
    let cloud = lab.cloud(&with_latency("30ms")).await?;
    let before = lab.writes().await?;

    let started = Instant::now();
    let controller = lab.controller("controller", cloud.endpoint(), &[])?;
    let seen = all_initialised(&lab.client, count as usize, PATIENCE).await.with_context(|| tail(&controller))?;
    let events = of(&since(&before, &lab.writes().await?), " events");
    // Events are sent behind the writes; the bare client makes as many as there were at the finish.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let writes = since(&before, &lab.writes().await?);
    let calls = cloud.calls().await?;
    Ok(Run { took: Took::new(started, &seen), seen, events, writes, calls })
}

/// Writes of this kind of object.
fn of(writes: &BTreeMap<String, u64>, kind: &str) -> u64 {
    writes.iter().filter(|(key, _)| key.contains(kind)).map(|(_, value)| value).sum()
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

/// The same writes by a client that decides nothing, on a control plane of its own, watched by the same watcher: two writes
/// a node, and this many Events among them.
async fn floor(count: u32, events: u64, concurrency: usize) -> Result<Took> {
    let lab = Lab::start().await?;
    register(&lab.client, count).await?;
    let client = &lab.client;
    let started = Instant::now();
    let writing = stream::iter(0..count)
        .map(|n| async move { bare_writes(client, n, has_event(n, count, events)).await })
        .buffer_unordered(concurrency)
        .try_collect::<()>();
    let (seen, written) = tokio::join!(all_initialised(client, count as usize, PATIENCE), writing);
    written?;
    Ok(Took::new(started, &seen?))
}

/// Whether the nth of `count` nodes is among those with an Event, `events` of them in all, evenly spread.
fn has_event(n: u32, count: u32, events: u64) -> bool {
    let events_before = |n: u32| u64::from(n) * events.min(u64::from(count)) / u64::from(count);
    events_before(n + 1) > events_before(n)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_spread_over_the_nodes() {
        for (count, events, expected) in
            [(10, 0, 0), (10, 3, 3), (10, 10, 10), (7, 5, 5), (5000, 1747, 1747), (3, 9, 3)]
        {
            let with = (0..count).filter(|n| has_event(*n, count, events)).count();
            assert_eq!(with, expected, "{events} Events, {count} nodes");
        }
        let first_half = (0..500).filter(|n| has_event(*n, 1000, 100)).count();
        assert_eq!(first_half, 50);
    }
}
