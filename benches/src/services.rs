//! Many Services at once, and what a change of nodes costs them.

use std::{
    collections::BTreeMap,
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Node, Service};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::watcher::{self, Event},
};
use serde_json::json;
use testkit::{services, wait::eventually};

use crate::{
    lab::{Cloud, Lab, since, tail, without_traffic},
    nodes::{name, register},
    report::{Report, Target, as_f64},
    watch::all_initialised,
};

/// How long all Services may take to be ready.
pub const PATIENCE: Duration = Duration::from_secs(300);
const NODES: u32 = 20;
const SERVICES: u32 = 200;
/// What the mock takes to make a load balancer, and how many it makes at once.
const PROVISIONING: f64 = 2.0;
const PARALLEL: f64 = 10.0;
const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// 200 Services at once; then one new node; then 100 node flips in 10 s.
pub async fn services() -> Result<Report> {
    let mut report = Report::new(format!("services {SERVICES}"));
    let lab = Lab::start().await?;
    register(&lab.client, NODES).await?;
    let cloud = lab.cloud(&without_traffic(json!({"loadBalancers": {"provisioning": "2s", "parallel": 10}}))).await?;
    let controller = lab.controller("controller", cloud.endpoint(), &[])?;
    all_initialised(&lab.client, NODES as usize, Duration::from_secs(60)).await?;

    let started = Instant::now();
    create(&lab.client, SERVICES).await?;
    let finished = all_ready(&lab.client, SERVICES as usize, PATIENCE).await.with_context(|| tail(&controller))?;
    let took = finished.duration_since(started).as_secs_f64();
    let ideal = f64::from(SERVICES) / PARALLEL * PROVISIONING;
    report.figure("time until all are ready", took, "s", Target::None);
    report.figure("ideal", ideal, "s", Target::None);
    report.figure("ratio to the ideal", took / ideal, "", Target::AtMost(1.2));

    let before = updates(&cloud).await?;
    let extra = name(NODES);
    register_one(&lab.client, &extra).await?;
    members_everywhere(&cloud, NODES as usize + 1).await?;
    let per_service = since(&before, &updates(&cloud).await?);
    report.figure(
        "Services reached by one new node",
        as_f64(per_service.len()),
        "",
        Target::Exactly(f64::from(SERVICES)),
    );
    report.figure("most updates a Service for it", most(&per_service), "", Target::Exactly(1.0));

    let before = updates(&cloud).await?;
    flip(&lab.client, &extra).await?;
    members_everywhere(&cloud, NODES as usize + 1).await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let per_service = since(&before, &updates(&cloud).await?);
    report.figure("most updates a Service for 100 node flips in 10 s", most(&per_service), "", Target::AtMost(2.0));
    report.remark("Mock: 2 s to make a load balancer, 10 at once. The 100 flips take one node out of all load balancers and put it back, 50 times.");
    Ok(report)
}

/// Creates `count` Services named `service-N`.
pub async fn create(client: &Client, count: u32) -> Result<()> {
    create_all(client, (0..count).map(|n| services::load_balancer(&format!("service-{n}"), 8080))).await
}

/// Creates Services, 16 at a time.
pub async fn create_all(client: &Client, services: impl IntoIterator<Item = Service>) -> Result<()> {
    stream::iter(services)
        .map(|service| {
            let namespace = service.namespace().unwrap_or_else(|| "default".to_owned());
            let api = Api::<Service>::namespaced(client.clone(), &namespace);
            async move { api.create(&PostParams::default(), &service).await.map(drop) }
        })
        .buffer_unordered(16)
        .try_collect::<()>()
        .await?;
    Ok(())
}

/// Waits until `count` Services have an address.
pub async fn all_ready(client: &Client, count: usize, within: Duration) -> Result<Instant> {
    let watching = async {
        let mut events = pin!(watcher::watcher(Api::<Service>::all(client.clone()), watcher::Config::default()));
        let mut ready = std::collections::BTreeSet::new();
        while let Some(event) = events.next().await {
            let (Event::Apply(service) | Event::InitApply(service)) = event? else { continue };
            if !services::ingress_ips(&service).is_empty() {
                ready.insert(service.name_any());
            }
            if ready.len() == count {
                return Ok(Instant::now());
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(within, watching)
        .await
        .with_context(|| format!("not all of {count} Services were ready within {within:?}"))?
}

async fn register_one(client: &Client, node: &str) -> Result<()> {
    testkit::kubelet::register_all(client, &[testkit::kubelet::NodeSettings::named(node)], 1).await
}

/// Updates so far, by load balancer.
async fn updates(cloud: &Cloud) -> Result<BTreeMap<String, u64>> {
    let balancers = cloud.mock.control().load_balancers().await?;
    Ok(balancers.into_iter().map(|balancer| (balancer.service, balancer.updates)).collect())
}

async fn members_everywhere(cloud: &Cloud, count: usize) -> Result<()> {
    eventually(format!("{count} members everywhere"), Duration::from_secs(120), async || {
        let balancers = cloud.mock.control().load_balancers().await?;
        let short = balancers.iter().filter(|balancer| balancer.members.len() != count).count();
        anyhow::ensure!(short == 0, "{short} of {} load balancers have another number of members", balancers.len());
        Ok(())
    })
    .await
}

async fn flip(client: &Client, node: &str) -> Result<()> {
    let nodes = Api::<Node>::all(client.clone());
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    for n in 0..100 {
        tick.tick().await;
        let value = if n % 2 == 0 { json!("true") } else { json!(null) };
        let patch = json!({"metadata": {"labels": {EXCLUDE: value}}});
        nodes.patch(node, &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss)] // Counts of a bench are far below 2^52.
fn most(per_service: &BTreeMap<String, u64>) -> f64 {
    per_service.values().max().copied().unwrap_or(0) as f64
}
