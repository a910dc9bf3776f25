//! The places that are not a public region: clusters that CCE runs, the private cloud, and the edge.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use e2e::baidu::{Settings, World};
use k8s_openapi::api::core::v1::Service;
use testkit::{
    FakeKubelet,
    backend::Backend,
    cloud::baidu::{BaiduSettings, EDGE, GATEWAY, Keys, PRIVATE},
    kubelet::{NodeSettings, Readiness},
    look, services,
    wait::throughout,
};

const PORT: u16 = 8080;

async fn world(profile: &'static str, keys: Keys) -> Result<World> {
    let daemon = BaiduSettings { profile, keys, ..BaiduSettings::default() };
    World::start(Settings { daemon, ..Settings::default() }).await
}

/// Two nodes with routes and a Service, one of them less, and nothing left. Answers the Service's address.
async fn lives(world: &mut World, service: &Service) -> Result<IpAddr> {
    world.join(2).await?;
    world.routed(&[1, 2]).await?;
    let made = world.create(service).await?;
    world.serve(&made).await?;
    let address = world.address("web").await?;
    world.answered_by(address, PORT, &["node-1", "node-2"]).await?;
    world.terminate("node-2").await?;
    world.answered_by(address, PORT, &["node-1"]).await?;
    world.routed(&[1]).await?;
    world.delete("web").await?;
    ensure!(world.cloud.leftovers().await? == 0, "load balancers or addresses are left");
    Ok(address)
}

#[tokio::test]
async fn a_cluster_that_cce_runs_has_no_key_and_does_the_job_by_the_gateway() -> Result<()> {
    let mut world = world(GATEWAY, Keys::Gateway).await?;
    lives(&mut world, &World::service("web", PORT, "appblb")).await?;
    world.ends_well().await
}

#[tokio::test]
async fn the_private_cloud_does_the_job_at_one_address_with_load_balancers_inside() -> Result<()> {
    let mut world = world(PRIVATE, Keys::default()).await?;
    let address = lives(&mut world, &services::load_balancer("web", PORT)).await?;
    ensure!(address.to_string().starts_with("192.168."), "{address} is not inside");
    let calls = world.cloud.calls(0).await?;
    let strays: Vec<_> = calls.iter().filter(|call| !call.path.starts_with("/internal-api/")).collect();
    ensure!(strays.is_empty(), "calls past the prefix: {strays:?}");
    world.ends_well().await
}

/// A host of the user's own, which joined a cluster at the edge.
const OWN: &str = "own-host";
const OWN_ADDRESS: &str = "10.20.30.40";

#[tokio::test]
async fn at_the_edge_machines_are_the_clouds_and_hosts_of_the_users_own_are_left_alone() -> Result<()> {
    let mut world = world(EDGE, Keys::default()).await?;
    world.join(2).await?;
    let settings =
        NodeSettings { node_ip: Some(OWN_ADDRESS.to_owned()), without_cloud: true, ..NodeSettings::named(OWN) };
    let own = FakeKubelet::start(&world.client, &settings).await?;
    let made = world.create(&services::load_balancer("web", PORT)).await?;
    world.serve(&made).await?;
    let played_by = world.cloud.simulator().played_by(OWN_ADDRESS.parse()?).await?;
    let node_port = services::node_port(&made).context("a node port")?;
    let _backend = Backend::start(OWN, played_by, node_port).await?;
    let address = world.address("web").await?;
    world.answered_by(address, PORT, &["node-1", "node-2", OWN]).await?;
    world.terminate("node-2").await?;
    // What the cloud knows nothing of is not gone for that.
    own.set(Readiness::Unknown).await?;
    throughout("the user's own host stays a node", Duration::from_secs(10), async || {
        ensure!(world.nodes().get_opt(OWN).await?.is_some(), "it was deleted");
        look::shut_down(&world.nodes().get(OWN).await?, false)
    })
    .await?;
    world.delete("web").await?;
    ensure!(world.cloud.leftovers().await? == 0, "load balancers or addresses are left");
    world.ends_well().await
}
