//! A cluster changes over from the Go provider: what that has made is taken over as it is, and serves on.

use std::path::Path;

use anyhow::{Result, ensure};
use e2e::{
    huawei::{CLASS, Settings, World},
    name,
    simulated::Settled,
};
use serde_json::{Value, json};
use testkit::cloud::huawei::{GoService, HuaweiSettings, MadeFor};

/// What everybody's cluster is called.
const CLUSTER: &str = "kubernetes";
/// `business-name`, which stands for the cluster in the names of its load balancers.
const BUSINESS: &str = "shop";
const NODES: u8 = 2;

/// A Service the Go provider has seen to, and what it has made for it.
async fn settled_service(world: &World, kind: MadeFor, members: &[(String, String)]) -> Result<Settled> {
    let (service, class) = match kind {
        MadeFor::Shared => ("web-shared", "shared"),
        MadeFor::Dedicated => ("web-dedicated", "dedicated"),
        MadeFor::Existing => ("web-existing", "shared"),
    };
    let mut object = World::service(service, 8080, class);
    if kind == MadeFor::Existing {
        object.metadata.annotations = Some([(CLASS.to_owned(), class.to_owned())].into());
    }
    let node_port = world.settled_service(object).await?;
    let of_go = GoService { cluster: BUSINESS, namespace: "default", name: service, port: 8080, node_port, members };
    let made = world.cloud.user().make_as_go(kind, of_go).await?;
    let settled = Settled { service: service.to_owned(), balancer: made.balancer, address: made.address };
    let annotations = match kind {
        MadeFor::Existing => json!({"kubernetes.io/elb.id": settled.balancer}),
        _ => json!({}),
    };
    world.record(&settled, &annotations).await?;
    Ok(settled)
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

#[tokio::test]
async fn what_the_go_provider_made_is_taken_over_and_nothing_made_again() -> Result<()> {
    let folder = testkit::scratch_folder("huawei-switch")?;
    let daemon = HuaweiSettings { args: vec![config_map(folder.path())?], ..HuaweiSettings::default() };
    let settings = Settings { daemon, cluster_name: CLUSTER.to_owned(), ..Settings::default() };
    let mut world = World::prepare(settings).await?;
    let mut members = Vec::new();
    for number in 1..=NODES {
        // A providerID of the Go provider is the server's bare id.
        members.push(world.settled_node(number, |cloud| Ok(cloud.id(&name(number))?.to_owned())).await?);
    }
    let mut all = Vec::new();
    for kind in [MadeFor::Shared, MadeFor::Dedicated, MadeFor::Existing] {
        all.push(settled_service(&world, kind, &members).await?);
    }
    let wrong = |name: &str| {
        ["CreateLoad", "CreatePublicip", "Delete", "CreateListener", "CreatePool"].iter().any(|no| name.starts_with(no))
    };
    world.taken_over(&all, wrong).await?;
    let listens = |listener: &Value, port: u16| listener["fields"]["protocol_port"] == json!(port);
    world.another_port(&all[0].service, "/elb/listeners", listens).await?;
    everything_can_be_deleted(&world, &all).await?;
    world.ends_well().await
}

/// Load balancers and addresses made for a Service go with it; the user's own stays.
async fn everything_can_be_deleted(world: &World, all: &[Settled]) -> Result<()> {
    for settled in all {
        world.delete(&settled.service).await?;
    }
    let existing = &all[2].balancer;
    let left = world.balancers().await?;
    ensure!(matches!(&left[..], [one] if one.id == *existing), "left are {left:?}");
    let listeners: Vec<Value> = world.cloud.simulator().objects("/elb/listeners").await?;
    ensure!(listeners.is_empty(), "the user's load balancer still has {listeners:?}");
    ensure!(world.addresses().await?.is_empty(), "addresses are left: {:?}", world.addresses().await?);
    Ok(())
}
