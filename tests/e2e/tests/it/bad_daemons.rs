//! Daemons that hang, lie or vanish: nothing is removed, nothing is believed, and all is well again afterwards.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Settings, World};
use kube::api::ListParams;
use serde_json::{Value, json};
use testkit::{events, kubelet::Readiness, look, wait::throughout};

/// Longer than a node whose machine is really gone stays with the world's short waits.
const OBSERVE: Duration = Duration::from_secs(12);

/// All nodes but one are not ready, and calls meet this effect for a while: no node goes, none is tainted.
async fn nothing_happens(effect: Value) -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    world.join(4).await?;
    let rules = json!([{"match": {"method": ["BatchGetInstances"]}, "effects": [effect]}]);
    world.mock.control().set_rules(&rules).await?;
    for node in ["node-1", "node-2", "node-3"] {
        world.kubelets[node].set(Readiness::Unknown).await?;
    }
    unharmed(&world).await?;

    world.mock.control().set_rules(&json!([])).await?;
    for node in ["node-1", "node-2", "node-3"] {
        world.kubelets[node].set(Readiness::Ready).await?;
    }
    recovers(&mut world).await
}

async fn unharmed(world: &World) -> Result<()> {
    throughout("all nodes are there and none is tainted", OBSERVE, async || {
        world.controller.ensure_running()?;
        let nodes = world.nodes().list(&ListParams::default()).await?.items;
        ensure!(nodes.len() == 4, "{} nodes are left", nodes.len());
        let tainted = nodes.iter().filter(|node| look::has_taint(node, look::SHUTDOWN)).count();
        ensure!(tainted == 0, "{tainted} nodes are tainted");
        Ok(())
    })
    .await
    .map_err(|error| world.explain(&error))
}

/// The same controller process goes on with its work.
async fn recovers(world: &mut World) -> Result<()> {
    world.register(9).await?;
    world.initialised("node-9").await?;
    world.controller.ensure_running()
}

#[tokio::test]
async fn one_that_says_every_machine_is_gone() -> Result<()> {
    nothing_happens(json!({"lie": "notFound"})).await
}

#[tokio::test]
async fn one_that_looks_into_another_account() -> Result<()> {
    nothing_happens(json!({"lie": {"wrongAccount": "somebody-elses"}})).await
}

#[tokio::test]
async fn one_whose_credentials_are_refused() -> Result<()> {
    nothing_happens(json!({"fail": {"code": "UNAUTHENTICATED"}})).await
}

#[tokio::test]
async fn one_that_hangs() -> Result<()> {
    nothing_happens(json!("hang")).await
}

#[tokio::test]
async fn one_that_forgets_items() -> Result<()> {
    nothing_happens(json!({"lie": {"dropItems": 3}})).await
}

#[tokio::test]
async fn one_that_vanishes() -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    world.join(4).await?;
    world.mock.program_mut().kill().await;
    for node in ["node-1", "node-2"] {
        world.kubelets[node].set(Readiness::Unknown).await?;
    }
    unharmed(&world).await?;
    world.mock.program_mut().restart()?;
    world.mock.wait_until_ready().await?;
    recovers(&mut world).await
}

#[tokio::test]
async fn malformed_addresses_are_not_written_and_the_node_says_why() -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    let rules = json!([{"match": {"method": ["BatchGetInstances"]}, "effects": [{"lie": "malformedAddresses"}]}]);
    world.mock.control().set_rules(&rules).await?;
    world.register(1).await?;
    world
        .see("a warning on the node", async || {
            let lines = events::lines(&world.client, "Node", "node-1").await?;
            ensure!(lines.iter().any(|line| line.contains("Warning")), "events: {lines:?}");
            Ok(())
        })
        .await?;
    ensure!(look::has_taint(&world.nodes().get("node-1").await?, look::UNINITIALIZED), "it was believed");
    world.mock.control().set_rules(&json!([])).await?;
    world.initialised("node-1").await.map(drop)
}

#[tokio::test]
async fn an_empty_ingress_is_not_written_and_the_service_says_why() -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    world.join(1).await?;
    let rules =
        json!([{"match": {"method": ["EnsureLoadBalancer", "GetLoadBalancer"]}, "effects": [{"lie": "emptyIngress"}]}]);
    world.mock.control().set_rules(&rules).await?;
    let service = testkit::services::load_balancer("web", 8080);
    world.services().create(&kube::api::PostParams::default(), &service).await?;
    world
        .see("a warning on the Service that names the provider", async || {
            let lines = events::lines(&world.client, "Service", "web").await?;
            let said = lines.iter().any(|line| line.contains("SyncLoadBalancerFailed") && line.contains("mock"));
            ensure!(said, "events: {lines:?}");
            Ok(())
        })
        .await?;
    world.mock.control().set_rules(&json!([])).await?;
    world.address("web").await.map(drop)
}
