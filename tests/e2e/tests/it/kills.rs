//! Either end, or both, killed in the middle of work: the work is finished once, by whoever comes back.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Settings, Victim, World};
use kube::{ResourceExt, api::PostParams};
use serde_json::json;
use testkit::services;

/// Long enough to kill something while the cloud still works.
const PROVISIONING: &str = "2s";

#[tokio::test]
async fn the_controller_killed_while_a_load_balancer_is_made() -> Result<()> {
    made_once(Victim::Controller).await
}

#[tokio::test]
async fn the_daemon_killed_while_a_load_balancer_is_made() -> Result<()> {
    made_once(Victim::Daemon).await
}

#[tokio::test]
async fn both_killed_while_a_load_balancer_is_made() -> Result<()> {
    made_once(Victim::Both).await
}

async fn made_once(victim: Victim) -> Result<()> {
    let scenario = json!({"loadBalancers": {"provisioning": PROVISIONING}});
    let mut world = World::start(Settings { scenario, ..Settings::default() }).await?;
    world.join(2).await?;
    world.services().create(&PostParams::default(), &services::load_balancer("web", 8080)).await?;
    world
        .see("the cloud has begun to make the load balancer", async || {
            ensure!(!world.mock.control().load_balancers().await?.is_empty(), "it has not");
            Ok(())
        })
        .await?;
    kill(&mut world, victim).await?;
    world.address("web").await?;
    let made = world.mock.control().load_balancers().await?;
    ensure!(made.len() == 1, "there are {} load balancers: {made:?}", made.len());

    // And again while it is removed.
    world.services().delete("web", &kube::api::DeleteParams::default()).await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    kill(&mut world, victim).await?;
    world
        .see("the Service and its load balancer are gone", async || {
            ensure!(world.services().get_opt("web").await?.is_none(), "the Service is still there");
            ensure!(world.mock.control().load_balancers().await?.is_empty(), "the load balancer is still there");
            Ok(())
        })
        .await
}

async fn kill(world: &mut World, victim: Victim) -> Result<()> {
    if victim.is_controller() {
        world.controller.kill().await;
    }
    if victim.is_daemon() {
        world.mock.program_mut().kill().await;
        world.mock.program_mut().restart()?;
        world.mock.wait_until_ready().await?;
    }
    if victim.is_controller() {
        world.controller.restart()?;
    }
    Ok(())
}

#[tokio::test]
async fn nodes_that_join_while_everything_is_killed_are_initialised_all_the_same() -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    for number in 1..=10 {
        world.register(number).await?;
        if number % 3 == 0 {
            kill(&mut world, if number % 2 == 0 { Victim::Daemon } else { Victim::Both }).await?;
        }
    }
    for number in 1..=10 {
        world.initialised(&e2e::name(number)).await?;
    }
    let nodes = world.nodes().list(&kube::api::ListParams::default()).await?;
    let mut ids: Vec<_> = nodes.iter().filter_map(|node| node.spec.as_ref()?.provider_id.clone()).collect();
    ids.sort();
    ids.dedup();
    ensure!(ids.len() == 10, "{} different providerIDs of {} nodes", ids.len(), nodes.items.len());
    Ok(())
}

#[tokio::test]
async fn the_apiserver_restarting_costs_neither_process() -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    world.join(2).await?;
    let entrance = world.expose("web", 8080).await?;
    let before = world.services().get("web").await?;

    world.plane.restart_apiserver().await?;
    world.controller.ensure_running()?;
    world.register(3).await?;
    world.initialised("node-3").await?;
    world.answered_by(entrance, &["node-1", "node-2"]).await?;
    let after = world.services().get("web").await?;
    ensure!(services::ingress_ips(&before) == services::ingress_ips(&after), "the address changed");
    ensure!(before.uid() == after.uid() && world.mock.control().load_balancers().await?.len() == 1);
    world.controller.ensure_running()
}
