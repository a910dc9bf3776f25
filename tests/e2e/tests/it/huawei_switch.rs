//! A cluster changes over from the Go provider: what that has made is taken over as it is, and serves on.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::{
    huawei::{CLASS, Settings, World},
    name,
};
use k8s_openapi::api::core::v1::{NodeAddress, Service};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use testkit::{
    cloud::huawei::{GoService, HuaweiSettings, Made, MadeFor},
    look, services,
    wait::throughout,
};

const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";
/// What everybody's cluster is called.
const CLUSTER: &str = "kubernetes";
/// `business-name`, which stands for the cluster in the names of its load balancers.
const BUSINESS: &str = "shop";
const NODES: u8 = 2;
const SETTLED: std::time::Duration = std::time::Duration::from_secs(3);

/// A node as it is under the Go provider: its providerID is the server's bare id.
async fn settled_node(world: &mut World, number: u8) -> Result<(String, String)> {
    let (place, name) = (world.machine(number).await?, name(number));
    let mut node = world.node_settings(number)?.node();
    let (spec, status) = (node.spec.as_mut().context("a spec")?, node.status.as_mut().context("a status")?);
    spec.taints = None;
    spec.provider_id = Some(world.cloud.id(&name)?.to_owned());
    let address = NodeAddress { type_: "InternalIP".to_owned(), address: place.address.to_string() };
    status.addresses.get_or_insert_default().push(address);
    world.nodes().create(&PostParams::default(), &node).await?;
    Ok((name, place.address.to_string()))
}

/// A Service the Go provider has seen to, and what it has made for it.
async fn settled_service(world: &World, kind: MadeFor, members: &[(String, String)]) -> Result<(String, Made)> {
    let (service, class) = match kind {
        MadeFor::Shared => ("web-shared", "shared"),
        MadeFor::Dedicated => ("web-dedicated", "dedicated"),
        MadeFor::Existing => ("web-existing", "shared"),
    };
    let mut object = World::service(service, 8080, class);
    object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    if kind == MadeFor::Existing {
        object.metadata.annotations = Some([(CLASS.to_owned(), class.to_owned())].into());
    }
    let created = world.create(&object).await?;
    let of_go = GoService {
        cluster: BUSINESS,
        namespace: "default",
        name: service,
        port: 8080,
        node_port: services::node_port(&created).context("a node port")?,
        members,
    };
    let made = world.cloud.user().make_as_go(kind, of_go).await?;
    let id = json!({"metadata": {"annotations": {"kubernetes.io/elb.id": made.balancer}}});
    if kind == MadeFor::Existing {
        world.services().patch(service, &PatchParams::default(), &Patch::Merge(id)).await?;
    }
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": made.address}]}}});
    world.services().patch_status(service, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok((service.to_owned(), made))
}

/// The ConfigMap of the Go provider, mounted as a folder, and the flag that names it.
fn config_map(folder: &Path) -> Result<String> {
    let options = json!({
        "lb-algorithm": "ROUND_ROBIN", "keep-eip": false, "session-affinity-flag": "off", "health-check": {"enable": "on"},
        "health-check-flag": "on", "health-check-option": {"delay": 5, "timeout": 3, "max_retries": 3},
        "business-name": BUSINESS,
    });
    std::fs::write(folder.join("loadBalancerOption"), options.to_string())?;
    std::fs::write(folder.join("networkingOption"), "{}")?;
    std::fs::write(folder.join("metadataOption"), r#"{"search-order": "metadataService,configDrive"}"#)?;
    Ok(format!("--loadbalancer-config={}", folder.display()))
}

async fn patch(world: &World, service: &str, with: serde_json::Value) -> Result<Service> {
    Ok(world.services().patch(service, &PatchParams::default(), &Patch::Merge(with)).await?)
}

#[tokio::test]
async fn what_the_go_provider_made_is_taken_over_and_nothing_made_again() -> Result<()> {
    let folder = testkit::scratch_folder("huawei-switch")?;
    let daemon = HuaweiSettings { args: vec![config_map(folder.path())?], ..HuaweiSettings::default() };
    let settings = Settings { daemon, cluster_name: CLUSTER.to_owned(), ..Settings::default() };
    let mut world = World::prepare(settings).await?;
    let mut members = Vec::new();
    for number in 1..=NODES {
        members.push(settled_node(&mut world, number).await?);
    }
    let mut all = Vec::new();
    for kind in [MadeFor::Shared, MadeFor::Dedicated, MadeFor::Existing] {
        all.push(settled_service(&world, kind, &members).await?);
    }
    let before = (world.balancers().await?, world.addresses().await?);
    let last = world.last_call().await?;
    world.start_controller().await?;

    for (service, made) in &all {
        world
            .see(&format!("{service} is taken over"), async || {
                let object = world.services().get(service).await?;
                let annotations = object.metadata.annotations.clone().unwrap_or_default();
                let handle = annotations.values().any(|value| value.contains(&made.balancer) && value.contains("elb:"));
                ensure!(handle, "no handle names {}: {annotations:?}", made.balancer);
                Ok(())
            })
            .await?;
    }
    throughout("what is taken over is neither made again nor deleted", SETTLED, async || {
        let changes = world.changes_after(last).await?;
        let wrong = |name: &String| {
            ["CreateLoad", "CreatePublicip", "Delete", "CreateListener", "CreatePool"]
                .iter()
                .any(|no| name.starts_with(no))
        };
        ensure!(!changes.iter().any(wrong), "{changes:?}");
        for (service, made) in &all {
            let shown = look::address(&world.services().get(service).await?)?.to_string();
            ensure!(shown == made.address, "{service} shows {shown} instead of {}", made.address);
        }
        Ok(())
    })
    .await
    .map_err(|error| world.explain(&error))?;
    let ids = |balancers: &[e2e::huawei::Balancer]| balancers.iter().map(|lb| lb.id.clone()).collect::<Vec<_>>();
    ensure!((ids(&world.balancers().await?), world.addresses().await?) == (ids(&before.0), before.1.clone()));
    for number in 1..=NODES {
        let node = world.nodes().get(&name(number)).await?;
        let id = node.spec.and_then(|spec| spec.provider_id);
        ensure!(id.as_deref() == Some(world.cloud.id(&name(number))?), "a bare providerID was rewritten: {id:?}");
    }

    a_change_works(&world, &all[0].0).await?;
    everything_can_be_deleted(&world, &all).await?;
    world.ends_well().await
}

/// A port more: on the same load balancer.
async fn a_change_works(world: &World, service: &str) -> Result<()> {
    let ports = json!({"spec": {"ports": [
        {"name": "one", "port": 8080, "protocol": "TCP"}, {"name": "two", "port": 8081, "protocol": "TCP"},
    ]}});
    let count = world.balancers().await?.len();
    patch(world, service, ports).await?;
    world
        .see("the new port has a listener", async || {
            let listeners: Vec<serde_json::Value> = world.cloud.simulator().objects("/elb/listeners").await?;
            let ports: Vec<_> = listeners.iter().map(|listener| listener["fields"]["protocol_port"].clone()).collect();
            ensure!(ports.contains(&json!(8081)), "there are {ports:?}: {listeners:?}");
            Ok(())
        })
        .await?;
    ensure!(world.balancers().await?.len() == count);
    Ok(())
}

/// Load balancers and addresses made for a Service go with it; the user's own stays.
async fn everything_can_be_deleted(world: &World, all: &[(String, Made)]) -> Result<()> {
    for (service, _) in all {
        world.delete(service).await?;
    }
    let existing = &all[2].1.balancer;
    let left = world.balancers().await?;
    ensure!(matches!(&left[..], [one] if one.id == *existing), "left are {left:?}");
    let listeners: Vec<serde_json::Value> = world.cloud.simulator().objects("/elb/listeners").await?;
    ensure!(listeners.is_empty(), "the user's load balancer still has {listeners:?}");
    ensure!(world.addresses().await?.is_empty(), "addresses are left: {:?}", world.addresses().await?);
    Ok(())
}
