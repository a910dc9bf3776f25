//! What a tenant's first Service takes, alone and while another tenant of the account wants 300 at once.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, PostParams},
    runtime::{watcher, watcher::Event},
};
use serde_json::json;
use testkit::{services, wait::eventually};

use super::{Extent, Site, Tally, World};
use crate::{
    lab::Lab,
    report::{Report, Target, as_f64},
    services::create_all,
    watch::all_initialised,
};

const NODES: u32 = 3;
/// Services of the flood.
const FLOOD: u32 = 300;
/// Calls the cloud takes in a second, over all.
const LIMIT: f64 = 20.0;
/// How often all of it is done anew, with programs that know nothing.
const ROUNDS: usize = 5;
/// How long the flood has been going on when the other tenant comes.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// No Service takes as long.
const PATIENCE: Duration = Duration::from_secs(120);
/// Namespaces, each of the tenant of its name.
const BUSY: &str = "busy";
const CALM: &str = "calm";

/// What one round measured, in seconds.
struct Round {
    alone: f64,
    beside: f64,
    /// Services of the flood that were ready when the other tenant's was, and that came to be meanwhile.
    made: usize,
    meanwhile: usize,
    tally: Tally,
}

/// A tenant's first Service alone, and in the midst of another's 300, while the cloud takes 20 calls a second.
pub async fn tenants(site: &'static Site, extent: Extent) -> Result<Report> {
    let mut report = Report::new(format!("{}-tenants", site.name));
    let mut rounds = Vec::new();
    for _ in 0..if extent == Extent::Full { ROUNDS } else { 1 } {
        rounds.push(round(site, extent).await?);
    }
    let (alone, beside) = (median(&rounds, |round| round.alone), median(&rounds, |round| round.beside));
    report.figure("first Service alone (median)", alone, "s", Target::None);
    report.figure("first Service beside 300 of another tenant's (median)", beside, "s", Target::None);
    report.figure("slower by", 100.0 * (beside / alone - 1.0), "%", Target::AtMost(20.0));
    let worst = rounds.iter().map(|round| round.beside / round.alone).fold(0.0, f64::max);
    report.figure("slower by, in the worst round", 100.0 * (worst - 1.0), "%", Target::None);
    let unmade = rounds.iter().map(|round| FLOOD as usize - round.made).min().unwrap_or_default();
    report.figure("Services the other tenant still waited for, at least", as_f64(unmade), "", Target::None);
    let throttled: u64 = rounds.iter().map(|round| round.tally.throttled).sum();
    let all: u64 = rounds.iter().map(|round| round.tally.all() + round.tally.throttled).sum();
    report.figure("answered 429", 100.0 * as_f64(throttled) / as_f64(all.max(1)), "%", Target::None);
    let seen: Vec<String> =
        rounds.iter().map(|round| format!("{:.2}/{:.2} (+{})", round.alone, round.beside, round.meanwhile)).collect();
    report.remark(format!(
        "{NODES} nodes; Services with public addresses; the cloud takes {LIMIT} calls a second over all; the flood \
         has been going on for {} s. By round, seconds alone/beside (Services of the flood made meanwhile): {}.",
        UNDER_WAY.as_secs(),
        seen.join(", ")
    ));
    Ok(report)
}

async fn round(site: &'static Site, extent: Extent) -> Result<Round> {
    let lab = Lab::start_with(extent.profile()).await?;
    let (access, map) = (lab.plane.folder().join("access.yaml"), lab.plane.folder().join("tenants.yaml"));
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(lab.plane.folder())?);
    let access_text = format!(
        "callers: [{{ uid: {uid}, tenants: [{BUSY}, {CALM}] }}]\ntenants: {{ {BUSY}: {{ account: default }}, {CALM}: {{ account: \
         default }} }}\n"
    );
    std::fs::write(&access, access_text)?;
    std::fs::write(&map, format!("namespaces: {{ {BUSY}: {BUSY}, {CALM}: {CALM} }}\n"))?;
    let world = World::start_in(lab, site, vec![format!("--access-file={}", access.display())]).await?;
    let client = &world.lab.client;
    for namespace in [BUSY, CALM] {
        let object = serde_json::from_value(json!({"metadata": {"name": namespace}}))?;
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &object).await?;
    }
    world.machines(0..NODES, NODES).await?;
    let map = format!("--tenant-map={}", map.display());
    let controller = world.lab.controller("controller", world.cloud.endpoint(), &["--leader-elect=true", &map])?;
    all_initialised(client, NODES as usize, Duration::from_secs(60)).await?;
    world.at_rest(0, Duration::from_secs(2), &controller).await?;
    world.simulator()?.turn(&json!({ "limits": { "callsPerSecond": LIMIT } })).await?;

    // What everybody's first needs to know, such as the subnets, is known before either is measured.
    let measured = async {
        timed(client, &of(site, BUSY, 0)).await?;
        let alone = timed(client, &of(site, CALM, 1)).await?;
        gone(client, &of(site, CALM, 1)).await?;
        world.at_rest(0, Duration::from_secs(15), &controller).await?;
        let before = world.last_call().await?;
        create_all(client, (0..FLOOD).map(|n| of(site, BUSY, n + 2))).await?;
        tokio::time::sleep(UNDER_WAY).await;
        let earlier = made(client).await?;
        let beside = timed(client, &of(site, CALM, 1)).await?;
        let made = made(client).await?;
        anyhow::ensure!(made < FLOOD as usize, "the flood was over before it could disturb anybody");
        let tally = Tally::of(&world.calls(before).await?);
        Ok(Round { alone, beside, made, meanwhile: made - earlier, tally })
    };
    let measured: Result<Round> = measured.await;
    measured.with_context(|| world.explained(&controller))
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// The nth Service, in this namespace.
fn of(site: &Site, namespace: &str, n: u32) -> Service {
    let mut service = (site.public)(n);
    service.metadata.namespace = Some(namespace.to_owned());
    service
}

/// Seconds from the creation of a Service to its address.
async fn timed(client: &Client, service: &Service) -> Result<f64> {
    let (api, name) = named(client, service);
    let started = Instant::now();
    api.create(&PostParams::default(), service).await?;
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let watching = async {
        let mut events = pin!(watcher::watcher(api, only));
        while let Some(event) = events.next().await {
            let (Event::Apply(service) | Event::InitApply(service)) = event? else { continue };
            if !services::ingress_ips(&service).is_empty() {
                return Ok(started.elapsed().as_secs_f64());
            }
        }
        bail!("the watch ended")
    };
    let waited = tokio::time::timeout(PATIENCE, watching).await;
    waited.with_context(|| format!("{name} was not ready within {PATIENCE:?}"))?
}

async fn gone(client: &Client, service: &Service) -> Result<()> {
    let (api, name) = named(client, service);
    api.delete(&name, &DeleteParams::default()).await?;
    eventually(format!("{name} is gone"), PATIENCE, async || {
        anyhow::ensure!(api.get_opt(&name).await?.is_none(), "it is still there");
        Ok(())
    })
    .await
}

fn named(client: &Client, service: &Service) -> (Api<Service>, String) {
    (Api::namespaced(client.clone(), &service.namespace().unwrap_or_default()), service.name_any())
}

/// Services of the flood that have an address.
async fn made(client: &Client) -> Result<usize> {
    let all = Api::<Service>::namespaced(client.clone(), BUSY).list(&kube::api::ListParams::default()).await?;
    Ok(all.iter().filter(|service| !services::ingress_ips(service).is_empty()).count().saturating_sub(1))
}
