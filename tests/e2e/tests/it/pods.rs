//! Load balancers that send to pods directly: the mock is told to have that capability.

use anyhow::{Result, ensure};
use e2e::{Settings, World};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use testkit::services;

const CAPABILITIES: [&str; 4] = ["INSTANCES", "LOAD_BALANCERS", "LOAD_BALANCER_PLAN", "POD_ENDPOINTS"];

fn slice(ready: &[u8]) -> Value {
    let endpoint =
        |n: &u8| json!({"addresses": [format!("10.244.1.{n}")], "conditions": {"ready": true}, "nodeName": "node-1"});
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": ready.iter().map(endpoint).collect::<Vec<_>>(),
        "ports": [{"name": "", "port": 9090, "protocol": "TCP"}],
    })
}

/// Addresses of the pods behind the Service's load balancer.
async fn pods(world: &World) -> Result<Vec<String>> {
    let balancers = world.mock.control().load_balancers().await?;
    let pods = balancers.iter().flat_map(|balancer| &balancer.pods);
    let mut pods: Vec<String> = pods.filter_map(|pod| Some(pod["address"].as_str()?.to_owned())).collect();
    pods.sort();
    Ok(pods)
}

#[tokio::test]
async fn pods_come_and_go_with_their_endpoint_slices() -> Result<()> {
    let scenario = json!({"provider": {"capabilities": CAPABILITIES}, "loadBalancers": {"provisioning": "300ms"}});
    let mut world = World::start(Settings { scenario, ..Settings::default() }).await?;
    world.join(1).await?;
    let slices = Api::<EndpointSlice>::default_namespaced(world.client.clone());
    slices.create(&PostParams::default(), &serde_json::from_value(slice(&[1]))?).await?;
    world.services().create(&PostParams::default(), &services::load_balancer("web", 8080)).await?;
    world.address("web").await?;
    for (ready, expected) in
        [(&[1_u8][..], vec!["10.244.1.1"]), (&[1, 2], vec!["10.244.1.1", "10.244.1.2"]), (&[2], vec!["10.244.1.2"])]
    {
        slices.patch("web-1", &PatchParams::default(), &Patch::Merge(slice(ready))).await?;
        world
            .see(&format!("traffic goes to {expected:?}"), async || {
                let pods = pods(&world).await?;
                ensure!(pods == expected, "it goes to {pods:?}");
                Ok(())
            })
            .await?;
    }
    Ok(())
}
