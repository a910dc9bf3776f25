//! What happens to nodes when the cloud, the daemon or the answers are broken: nothing. And what happens when a machine is
//! really gone.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Event, Node};
use kube::{Api, Client, ResourceExt, api::ListParams};
use serde_json::{Value, json};
use testkit::{eventually, kubelet::Readiness, mock::MockSettings, program::Program};

use crate::{
    lab::{Lab, free_address, tail},
    nodes::{name, register},
    report::{Report, Target, as_f64},
    watch::all_initialised,
};

const NODES: u32 = 200;
const NOT_READY: u32 = 40;
/// Longer than a node whose machine is really gone stays.
const OBSERVE: Duration = Duration::from_secs(150);
/// Labs at once: each has a control plane of its own.
const PARALLEL: usize = 4;
const SHUTDOWN: &str = "node.cloudprovider.kubernetes.io/shutdown";

/// A way to be broken.
#[derive(Clone, Debug)]
enum Fault {
    /// The mock answers by these effects.
    Rule(Value),
    /// The daemon is killed and comes back when the observation ends.
    Killed,
}

fn all_faults() -> Vec<(&'static str, Fault)> {
    let rule = |effect: Value| {
        Fault::Rule(json!([{"match": {"method": ["BatchGetInstances", "List*"]}, "effects": [effect]}]))
    };
    vec![
        ("unauthenticated", rule(json!({"fail": {"code": "UNAUTHENTICATED"}}))),
        ("permission denied", rule(json!({"fail": {"code": "PERMISSION_DENIED"}}))),
        ("not-found for everything", rule(json!({"lie": "notFound"}))),
        ("empty inventory", rule(json!({"lie": "emptyInventory"}))),
        ("truncated list", rule(json!({"lie": {"dropItems": 60}}))),
        ("timeouts", rule(json!("hang"))),
        ("daemon killed", Fault::Killed),
        ("wrong account", rule(json!({"lie": {"wrongAccount": "somebody-elses-account"}}))),
    ]
}

/// Each fault with 20 % of 200 nodes not ready, default flags.
pub async fn faults() -> Result<Report> {
    let mut report = Report::new("faults");
    let outcomes: Vec<(&str, Outcome)> = stream::iter(all_faults())
        .map(|(what, fault)| async move { Ok::<_, anyhow::Error>((what, one(&fault).await.context(what)?)) })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    for (what, outcome) in outcomes {
        report.figure(format!("{what}: Nodes deleted"), as_f64(outcome.deleted), "", Target::Exactly(0.0));
        report.figure(format!("{what}: new shutdown taints"), as_f64(outcome.tainted), "", Target::Exactly(0.0));
        report.figure(format!("{what}: time to recover"), outcome.recovered.as_secs_f64(), "s", Target::AtMost(120.0));
        report.remark(format!("{what}: seen as: {}", outcome.cause));
    }
    report.remark(format!(
        "{NODES} nodes, {NOT_READY} of them NotReady for {} s under the fault, default flags. Recovered: the same controller process initialises a new node.",
        OBSERVE.as_secs()
    ));
    Ok(report)
}

struct Outcome {
    deleted: usize,
    tainted: usize,
    recovered: Duration,
    cause: String,
}

async fn one(fault: &Fault) -> Result<Outcome> {
    let lab = Lab::start().await?;
    register(&lab.client, NODES).await?;
    let mut cloud = lab.cloud(&MockSettings::default()).await?;
    let port = free_address()?.port();
    let controller = lab.serving_controller("controller", cloud.endpoint(), port)?;
    all_initialised(&lab.client, NODES as usize, Duration::from_secs(60)).await?;
    let metrics_before = metrics(port).await?;

    match fault {
        Fault::Rule(rules) => cloud.mock.control().set_rules(rules).await?,
        Fault::Killed => cloud.mock.program_mut().kill().await,
    }
    set_all(&lab.client, Readiness::NotReady).await?;
    tokio::time::sleep(OBSERVE).await;
    controller.ensure_running()?;
    let left: Vec<Node> = nodes(&lab.client).await?;
    let cause = cause(&lab.client, &metrics_before, &metrics(port).await?).await?;

    match fault {
        Fault::Rule(_) => cloud.mock.control().set_rules(&json!([])).await?,
        Fault::Killed => cloud.mock.program_mut().restart()?,
    }
    set_all(&lab.client, Readiness::Ready).await?;
    let recovered = recover(&lab, &controller).await?;
    drop(cloud);
    Ok(Outcome {
        deleted: NODES as usize - left.len(),
        tainted: left.iter().filter(|node| has_taint(node, SHUTDOWN)).count(),
        recovered,
        cause,
    })
}

async fn nodes(client: &Client) -> Result<Vec<Node>> {
    Ok(Api::<Node>::all(client.clone()).list(&ListParams::default()).await?.items)
}

async fn set_all(client: &Client, readiness: Readiness) -> Result<()> {
    stream::iter(0..NOT_READY)
        .map(|n| async move { testkit::kubelet::say(&Api::all(client.clone()), &name(n), readiness).await })
        .buffer_unordered(16)
        .try_collect::<()>()
        .await
}

fn has_taint(node: &Node, key: &str) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints.iter().any(|taint| taint.key == key)
}

async fn recover(lab: &Lab, controller: &Program) -> Result<Duration> {
    let started = Instant::now();
    register_new(&lab.client).await?;
    all_initialised(&lab.client, NODES as usize + 1, Duration::from_secs(180))
        .await
        .with_context(|| tail(controller))?;
    controller.ensure_running()?;
    Ok(started.elapsed())
}

async fn register_new(client: &Client) -> Result<()> {
    testkit::kubelet::register_all(client, &[testkit::kubelet::NodeSettings::named("node-new")], 1).await
}

async fn metrics(port: u16) -> Result<BTreeSet<String>> {
    let mut config = kube::Config::new(format!("https://127.0.0.1:{port}").parse()?);
    config.accept_invalid_certs = true;
    let client = kube::Client::try_from(config)?;
    let text = client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?;
    Ok(text.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" 0")).map(str::to_owned).collect())
}

/// Where a person sees what is wrong: new warning Events, and metrics that name a removal lock or a failing call.
async fn cause(client: &Client, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Result<String> {
    let events = Api::<Event>::all(client.clone()).list(&ListParams::default()).await?;
    let mut reasons: BTreeSet<String> = BTreeSet::new();
    for event in events.items.iter().filter(|event| event.type_.as_deref() == Some("Warning")) {
        reasons.insert(event.reason.clone().unwrap_or_default());
    }
    let series = |line: &String| line.rsplit_once(' ').map_or("", |(series, _)| series).to_owned();
    let known: BTreeSet<String> = before.iter().map(series).collect();
    let telling = |line: &&String| line.contains("lock") || line.contains("code=") || line.contains("provider_up");
    let new: BTreeSet<String> =
        after.iter().filter(telling).map(series).filter(|s| !known.contains(s) && !s.contains("_bucket")).collect();
    ensure!(!reasons.is_empty() || !new.is_empty(), "the cause is visible nowhere");
    let mut text = format!("Events {reasons:?}");
    if !new.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, "; metrics {new:?}");
    }
    Ok(text)
}

/// How long the Node of a machine that is really gone stays.
pub async fn gone() -> Result<Report> {
    let mut report = Report::new("machine gone");
    let lab = Lab::start().await?;
    register(&lab.client, 10).await?;
    let cloud = lab.cloud(&MockSettings::default()).await?;
    let controller = lab.controller("controller", cloud.endpoint(), &[])?;
    all_initialised(&lab.client, 10, Duration::from_secs(60)).await?;
    let victim = name(3);
    let started = Instant::now();
    cloud.mock.control().set_machine_state(&victim, "terminated").await?;
    testkit::kubelet::say(&Api::all(lab.client.clone()), &victim, Readiness::Unknown).await?;
    eventually("the Node is gone", Duration::from_secs(300), async || {
        let left = nodes(&lab.client).await?;
        ensure!(left.iter().all(|node| node.name_any() != victim), "it is still there");
        Ok(())
    })
    .await
    .with_context(|| tail(&controller))?;
    report.figure(
        "from termination to the Node's removal",
        started.elapsed().as_secs_f64(),
        "s",
        Target::AtMost(150.0),
    );
    report.figure("Nodes left of 10", as_f64(nodes(&lab.client).await?.len()), "", Target::Exactly(9.0));
    report.remark("A cluster a few seconds old; the node's Ready condition turns Unknown in the moment of termination. Default flags.");
    Ok(report)
}
