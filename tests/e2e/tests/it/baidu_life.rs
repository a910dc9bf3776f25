//! The whole job on Baidu AI Cloud, with keys that are replaced while it is done.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::baidu::{Settings, World, given, with};
use kube::api::DeleteParams;
use serde_json::json;
use testkit::{
    FakeKubelet,
    backend::Backend,
    cloud::baidu::{ACCESS_KEY, ACCOUNT, BaiduSettings, EDGE},
    kubelet::{NodeSettings, Readiness},
    look, services,
    wait::throughout,
};

const PORT: u16 = 8080;

#[tokio::test]
async fn the_whole_job_from_the_first_node_to_the_last_route() -> Result<()> {
    let mut world: World = World::start(Settings {
        controller_args: vec![format!("--provider-account={ACCOUNT}")],
        ..Settings::default()
    })
    .await?;
    world.join(3).await?;
    world.routed(&[1, 2, 3]).await?;
    let mut addresses = Vec::new();
    for kind in ["blb", "appblb"] {
        let made = world.create(&World::service(kind, PORT, kind)).await?;
        world.serve(&made).await?;
        let address = world.address(kind).await?;
        world.answered_by(address, PORT, &["node-1", "node-2", "node-3"]).await?;
        addresses.push((kind, address));
    }
    keys_are_replaced(&mut world).await?;
    world.stop_and_start("node-2").await?;
    world.terminate("node-3").await?;
    for (_, address) in &addresses {
        world.answered_by(*address, PORT, &["node-1", "node-2"]).await?;
    }
    world.routed(&[1, 2]).await?;
    for (kind, address) in addresses {
        let entrance = world.cloud.reach(address, PORT).await?;
        world.delete(kind).await?;
        ensure!(testkit::http::get(entrance, "/").await.is_err(), "the {kind} still answers");
    }
    ensure!(world.cloud.leftovers().await? == 0, "load balancers or addresses are left");
    world.nodes().delete("node-2", &DeleteParams::default()).await?;
    world.routed(&[1]).await?;
    for action in ["CreateLoadBalancer", "DeleteEip"] {
        ensure!(world.audit()?.contains(action), "the audit log has no {action}: {}", world.audit()?);
    }
    world.ends_well().await
}

const NEXT: &str = "ALTAKthenextone000000001";
const NEXT_SECRET: &str = "marker-of-the-secret-that-comes-after";

/// Another key is taken over; what comes after works only with it.
async fn keys_are_replaced(world: &mut World) -> Result<()> {
    let key = json!({"accessKey": NEXT, "secretKey": NEXT_SECRET});
    world.cloud.simulator().seed(&json!({ "keys": [key] })).await?;
    world.cloud.configure(&with(given(NEXT, NEXT_SECRET)))?;
    world.cloud.simulator().operate("disable-key", &json!({ "id": ACCESS_KEY })).await
}

/// A host of the user's own, which joined a cluster at the edge.
const OWN: &str = "own-host";
const OWN_ADDRESS: &str = "10.20.30.40";

#[tokio::test]
async fn at_the_edge_machines_are_the_clouds_and_hosts_of_the_users_own_are_left_alone() -> Result<()> {
    let daemon = BaiduSettings { profile: EDGE, ..BaiduSettings::default() };
    let mut world: World = World::start(Settings { daemon, ..Settings::default() }).await?;
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
