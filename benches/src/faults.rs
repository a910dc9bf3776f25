//! What happens to nodes when the cloud, the daemon or the answers are broken: nothing. And what happens when a machine is
//! really gone.

use std::{
    collections::BTreeMap,
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
    /// The mock answers by these rules.
    Rules(Value),
    /// The daemon is killed and comes back when the observation ends.
    Killed,
}

fn all_faults() -> Vec<(&'static str, Fault)> {
    const LOOK_UP: &str = "BatchGetInstances";
    // The nodes that are not ready, and no other.
    let not_ready = |lie: &Value| {
        let tens = (0..NOT_READY / 10).map(|ten| {
            let node = format!("{}*", &name(ten * 10)[..name(0).len() - 1]);
            json!({"match": {"method": LOOK_UP, "node": node}, "effects": [{"lie": lie}]})
        });
        tens.collect::<Vec<_>>()
    };
    let rule = |methods: Value, effect: Value| json!({"match": {"method": methods}, "effects": [effect]});
    let everything = |effect: Value| Fault::Rules(json!([rule(json!([LOOK_UP, "List*"]), effect)]));
    vec![
        ("unauthenticated", everything(json!({"fail": {"code": "UNAUTHENTICATED"}}))),
        ("permission denied", everything(json!({"fail": {"code": "PERMISSION_DENIED"}}))),
        ("not-found for everything", everything(json!({"lie": "notFound"}))),
        (
            "empty inventory",
            Fault::Rules(json!([
                rule(json!(LOOK_UP), json!({"lie": {"dropItems": 1000}})),
                rule(json!("List*"), json!({"lie": "emptyInventory"}))
            ])),
        ),
        (
            "truncated list",
            Fault::Rules(json!(
                [
                    not_ready(&json!({"dropItems": 1000})),
                    vec![rule(json!("List*"), json!({"lie": {"truncateList": 1}}))]
                ]
                .concat()
            )),
        ),
        ("timeouts", everything(json!("hang"))),
        ("daemon killed", Fault::Killed),
        ("wrong account", everything(json!({"lie": {"wrongAccount": "somebody-elses-account"}}))),
        ("not-found for what is not ready", Fault::Rules(json!(not_ready(&json!("notFound"))))),
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
        let signs = outcome.cause.len();
        report.figure(
            format!("{what}: signs of the cause missing"),
            as_f64(usize::from(signs == 0)),
            "",
            Target::Exactly(0.0),
        );
        report.figure(format!("{what}: time to recover"), outcome.recovered.as_secs_f64(), "s", Target::AtMost(120.0));
        report.remark(format!("{what}: seen as: {}", outcome.cause.join(", ")));
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
    /// Where a person sees what is wrong.
    cause: Vec<String>,
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
        Fault::Rules(rules) => cloud.mock.control().set_rules(rules).await?,
        Fault::Killed => cloud.mock.program_mut().kill().await,
    }
    set_all(&lab.client, Readiness::NotReady).await?;
    tokio::time::sleep(OBSERVE).await;
    controller.ensure_running()?;
    let left: Vec<Node> = nodes(&lab.client).await?;
    let cause = cause(&lab.client, &metrics_before, &metrics(port).await?).await?;

    match fault {
        Fault::Rules(_) => cloud.mock.control().set_rules(&json!([])).await?,
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

/// Samples by series.
type Samples = BTreeMap<String, f64>;

async fn metrics(port: u16) -> Result<Samples> {
    let mut config = kube::Config::new(format!("https://127.0.0.1:{port}").parse()?);
    config.accept_invalid_certs = true;
    let client = kube::Client::try_from(config)?;
    Ok(samples(&client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?))
}

fn samples(text: &str) -> Samples {
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    lines.filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?))).collect()
}

/// Series that tell what is wrong and have moved: a removal lock, a provider that is away, calls that fail, answers that
/// are refused.
fn telling(before: &Samples, after: &Samples) -> Vec<String> {
    const TELLING: [&str; 6] = [
        "cloud_node_lifecycle_controller_node_removals_held",
        "cloud_node_lifecycle_controller_removal_breaker_open",
        "cloudprovider_ready",
        "cloudprovider_condition",
        "cloudprovider_answers_refused",
        "cloudprovider_request_duration_seconds_count",
    ];
    let tells = |series: &str| TELLING.iter().any(|name| series.starts_with(name)) && !series.contains("code=\"OK\"");
    let moved = |series: &str, value: f64| (before.get(series).copied().unwrap_or(0.0) - value).abs() > f64::EPSILON;
    let told = after.iter().filter(|(series, value)| tells(series) && moved(series, **value));
    told.map(|(series, value)| format!("metric {series} {value}")).collect()
}

/// Where a person sees what is wrong: Warning Events and metrics.
async fn cause(client: &Client, before: &Samples, after: &Samples) -> Result<Vec<String>> {
    let events = Api::<Event>::all(client.clone()).list(&ListParams::default()).await?;
    let warnings = events.items.iter().filter(|event| event.type_.as_deref() == Some("Warning"));
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in warnings.filter_map(|event| event.reason.as_deref()) {
        *reasons.entry(reason).or_default() += 1;
    }
    let mut signs: Vec<String> =
        reasons.into_iter().map(|(reason, count)| format!("Event {reason} on {count} objects")).collect();
    signs.extend(telling(before, after));
    Ok(signs)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_moved_and_tells_something_is_a_sign() {
        let before = samples("# HELP\ncloudprovider_ready 1\nother{code=\"NOT_FOUND\"} 0\n");
        let calls = |code: &str| format!("cloudprovider_request_duration_seconds_count{{code=\"{code}\"}}");
        let after = format!(
            "cloudprovider_ready 0\nother{{code=\"NOT_FOUND\"}} 1\n{} 9\n{} 2\n",
            calls("OK"),
            calls("ABORTED")
        );
        let expected = ["metric cloudprovider_ready 0".to_owned(), format!("metric {} 2", calls("ABORTED"))];
        assert_eq!(telling(&before, &samples(&after)), expected);
        assert!(telling(&before, &before).is_empty());
    }
}
