//! What goes wrong at the cloud, one after the other: no node and no load balancer goes, somebody can read why nothing moves, and
//! all goes on by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::huawei::{Settings, World};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testkit::{
    cloud::huawei::{HuaweiSettings, Keys, PROJECT},
    events,
    kubelet::Readiness,
    wait::throughout,
};

/// Longer than a node takes to go whose machine is gone, with the flags of these tests.
const UNDER_FAULT: Duration = Duration::from_secs(7);
const PORT: u16 = 8080;
/// Another account's project, in which nothing is.
const OTHER: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

const OTHER_ACCESS: &str = "OTHERACCESSKEY";
const OTHER_SECRET: &str = "secret-of-another-account";

/// What goes wrong.
enum Fault {
    /// Calls do.
    Calls(Value),
    /// The daemon was started with this configuration.
    Started(HuaweiSettings),
    /// The metadata service, when the daemon starts and needs it.
    Metadata,
}

fn refuse(status: u16, code: &str, message: &str) -> Fault {
    Fault::Calls(json!({"effect": {"kind": "refuse", "status": status, "code": code, "message": message}}))
}

fn answer(status: u16, body: &str) -> Fault {
    Fault::Calls(json!({"effect": {"kind": "answer", "status": status, "body": body}}))
}

fn short(keep: usize) -> Fault {
    Fault::Calls(json!({"effect": {"kind": "shortList", "keep": keep}}))
}

/// Name, what goes wrong, and what is to be read somewhere.
type Row = (&'static str, Fault, &'static str);

#[tokio::test]
async fn calls_that_go_wrong_cost_neither_nodes_nor_load_balancers() -> Result<()> {
    let limit = "The throttling threshold has been reached: policy user over ratelimit,limit:200,time:1 minute";
    let faults = vec![
        ("401", refuse(401, "APIGW.0301", "verify aksk signature fail"), "CREDENTIALS_REJECTED"),
        ("403", refuse(403, "PAP.0001", "not allowed by policy"), "ACTION_DENIED"),
        ("404 of a gateway", answer(404, "<html><h1>404 Not Found</h1></html>"), "CLOUD_UNAVAILABLE"),
        ("429 storm", refuse(429, "APIGW.0308", limit), r#"outcome="throttled""#),
        ("503", refuse(503, "APIGW.0201", "backend unavailable"), "CLOUD_UNAVAILABLE"),
        ("502 of a gateway", answer(502, "<html>Bad Gateway</html>"), "CLOUD_UNAVAILABLE"),
        ("empty lists", short(0), r#"provider_condition{condition="ListingsComplete"} 0"#),
        ("truncated lists", short(1), "LISTING_UNFINISHED"),
    ];
    all_weathered(Vec::new(), faults).await
}

#[tokio::test]
async fn a_daemon_started_wrong_costs_neither_nodes_nor_load_balancers() -> Result<()> {
    let expected = vec![format!("--provider-account={PROJECT}/ap-southeast-1")];
    let wrong_region = HuaweiSettings { region: "eu-west-101".to_owned(), ..of_other_account() };
    let faults = vec![
        ("wrong project", Fault::Started(HuaweiSettings { project: OTHER.to_owned(), ..of_agency() }), "WRONG_ACCOUNT"),
        ("wrong account", Fault::Started(of_other_account()), "WRONG_ACCOUNT"),
        ("wrong region", Fault::Started(wrong_region), "WRONG_ACCOUNT"),
        ("metadata service gone", Fault::Metadata, "the metadata service does not answer"),
    ];
    all_weathered(expected, faults).await
}

#[tokio::test]
async fn the_wrong_account_costs_nothing_even_where_nobody_said_which_is_right() -> Result<()> {
    let faults = vec![
        ("wrong project", Fault::Started(HuaweiSettings { project: OTHER.to_owned(), ..of_agency() }), "ACTION_DENIED"),
        ("wrong account", Fault::Started(of_other_account()), "check section [Vpc] of the configuration"),
    ];
    all_weathered(Vec::new(), faults).await
}

/// What the daemon is started with when all is well: the keys of the machine's agency.
fn of_agency() -> HuaweiSettings {
    HuaweiSettings { keys: Keys::Metadata, ..HuaweiSettings::default() }
}

fn of_other_account() -> HuaweiSettings {
    let keys = Keys::Given { access: OTHER_ACCESS.to_owned(), secret: OTHER_SECRET.to_owned(), token: String::new() };
    HuaweiSettings { project: OTHER.to_owned(), keys, ..HuaweiSettings::default() }
}

async fn all_weathered(controller_args: Vec<String>, faults: Vec<Row>) -> Result<()> {
    let mut world = World::prepare(Settings { controller_args, ..Settings::default() }).await?;
    let agency = json!({"metadata": {"agencyOf": "d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0"}, "accounts": [{
        "domainId": "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1", "projectId": OTHER,
        "accessKey": OTHER_ACCESS, "secretKey": OTHER_SECRET,
    }]});
    world.cloud.simulator().seed(&agency).await?;
    world.cloud.configure(&of_agency())?;
    restart(&mut world).await?;
    world.start_controller().await?;
    world.join(3).await?;
    // Nobody has heard of this one for a while, so the cloud is asked all the time whether its machine is gone.
    world.kubelets["node-3"].set(Readiness::Unknown).await?;
    for (number, (name, fault, sign)) in faults.into_iter().enumerate() {
        let came = weathered(&mut world, number, &fault, sign).await;
        came.map_err(|error| world.explain(&error)).with_context(|| name.to_owned())?;
    }
    world.ends_well().await
}

async fn weathered(world: &mut World, number: usize, fault: &Fault, sign: &str) -> Result<()> {
    // Each fault has a Service of its own, as Events about one object are limited.
    let service = format!("web-{number}");
    world.create(&World::service(&service, PORT, "shared")).await?;
    world.address(&service).await?;
    let (balancers, last) = (ids(world).await?, world.last_call().await?);
    let before = everything_said(world, &service).await?;
    begin(world, fault).await?;
    // Something is to be done at the cloud.
    want(world, &service, 2 * number).await?;
    throughout("no node and no load balancer goes or is made", UNDER_FAULT, async || {
        for node in 1..=3 {
            ensure!(world.nodes().get_opt(&e2e::name(node)).await?.is_some(), "node {node} was removed");
        }
        ensure!(ids(world).await? == balancers, "load balancers came or went");
        let changes = world.changes_after(last).await?;
        let grave = |name: &String| name.starts_with("Create") || name.starts_with("Delete");
        // What was refused was not carried out, but need not have been tried.
        ensure!(!changes.iter().any(grave), "{changes:?}");
        Ok(())
    })
    .await?;
    world
        .see(&format!("{sign} can be read somewhere"), async || {
            let mut said = everything_said(world, &service).await?;
            said.retain(|line| !before.contains(line));
            ensure!(said.iter().any(|line| line.contains(sign)), "it cannot: {said:#?}");
            Ok(())
        })
        .await?;
    end(world, fault).await?;
    want(world, &service, 2 * number + 1).await?;
    world
        .see("work goes on by itself", async || {
            let monitors: Vec<Value> = world.cloud.simulator().objects("/elb/monitors").await?;
            let wanted = json!(delay(2 * number + 1));
            ensure!(monitors.iter().any(|monitor| monitor["fields"]["delay"] == wanted), "they are {monitors:?}");
            Ok(())
        })
        .await
}

async fn begin(world: &mut World, fault: &Fault) -> Result<()> {
    match fault {
        Fault::Calls(rule) => world.cloud.simulator().break_with(rule).await,
        Fault::Started(settings) => {
            world.cloud.configure(settings)?;
            restart(world).await
        }
        Fault::Metadata => {
            let gone = json!({"when": {"service": "metadata"}, "effect": {"kind": "drop", "executed": false}});
            world.cloud.simulator().break_with(&gone).await?;
            restart(world).await
        }
    }
}

async fn end(world: &mut World, fault: &Fault) -> Result<()> {
    world.cloud.simulator().mend().await?;
    if matches!(fault, Fault::Started(_)) {
        // A project or region is taken over at a start of the daemon; the controller goes on.
        world.cloud.configure(&of_agency())?;
        restart(world).await?;
    }
    Ok(())
}

async fn restart(world: &mut World) -> Result<()> {
    world.cloud.daemon_mut().kill().await;
    world.cloud.daemon_mut().restart()?;
    world.cloud.wait_until_ready().await
}

/// Seconds between two health checks: another number each time, so that something has to be changed.
fn delay(number: usize) -> usize {
    10 + number
}

async fn ids(world: &World) -> Result<Vec<String>> {
    Ok(world.balancers().await?.into_iter().map(|balancer| balancer.id).collect())
}

async fn want(world: &World, service: &str, number: usize) -> Result<()> {
    let option = json!({"delay": delay(number), "timeout": 3, "max_retries": 3}).to_string();
    let change = json!({"metadata": {"annotations": {"kubernetes.io/elb.health-check-option": option}}});
    world.services().patch(service, &PatchParams::default(), &Patch::Merge(change)).await?;
    Ok(())
}

/// Events of the Service and of the node in doubt, conditions, and the metrics that tell of failures.
async fn everything_said(world: &World, service: &str) -> Result<Vec<String>> {
    let mut said = events::lines(&world.client, "Service", service).await?;
    said.extend(events::lines(&world.client, "Node", "node-3").await?);
    let is_telling = |line: &&str| {
        (line.starts_with("provider_condition") && line.ends_with(" 0"))
            || (line.starts_with("cloud_calls") && !line.contains(r#"outcome="ok""#))
            || line.starts_with("cloudprovider_ready")
            || line.starts_with("cloudprovider_answers_refused")
            || line.starts_with("cloudprovider_handshake")
    };
    for metrics in [world.cloud.metrics().await?, world.ask_controller("/metrics").await?] {
        said.extend(metrics.lines().filter(is_telling).map(str::to_owned));
    }
    Ok(said)
}
