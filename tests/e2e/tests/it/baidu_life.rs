//! The whole job on Baidu AI Cloud, with keys that are replaced while it is done.

use anyhow::{Result, ensure};
use e2e::baidu::{BACKEND_LABEL, Settings, World, given, with};
use kube::api::DeleteParams;
use serde_json::json;
use testkit::cloud::baidu::{ACCESS_KEY, ACCOUNT};

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
    nodes_are_picked_by_label(&world, "blb").await?;
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

/// Only nodes with the labels a Service names are its servers, as long as they have them.
async fn nodes_are_picked_by_label(world: &World, service: &str) -> Result<()> {
    let address = world.address(service).await?;
    world.label("node-1", &json!({"pool": "web", "disk": "ssd"})).await?;
    world.label("node-2", &json!({"pool": "web"})).await?;
    world.annotate(service, &json!({ BACKEND_LABEL: "pool=web, disk=ssd" })).await?;
    world.answered_by(address, PORT, &["node-1"]).await?;
    world.label("node-2", &json!({"disk": "ssd"})).await?;
    world.answered_by(address, PORT, &["node-1", "node-2"]).await?;
    world.label("node-1", &json!({"disk": null})).await?;
    world.answered_by(address, PORT, &["node-2"]).await?;
    world.annotate(service, &json!({ BACKEND_LABEL: null })).await?;
    world.answered_by(address, PORT, &["node-1", "node-2", "node-3"]).await?;
    Ok(())
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
