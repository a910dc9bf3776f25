//! The whole job on Huawei Cloud, with keys that are replaced while it is done.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use e2e::{
    huawei::{Settings, World},
    name, pod_cidr,
};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use testkit::{
    cloud::huawei::{HuaweiSettings, Keys, PROJECT},
    kubelet::Readiness,
    look,
};

const PORT: u16 = 8080;

#[tokio::test]
async fn the_whole_job_from_the_first_node_to_the_last_route() -> Result<()> {
    let controller_args = vec![format!("--provider-account={PROJECT}/ap-southeast-1")];
    let mut world = World::start(Settings { controller_args, ..Settings::default() }).await?;
    world.join(3).await?;
    routes(&world, &[1, 2, 3]).await?;
    let mut entrances = Vec::new();
    for class in ["shared", "dedicated"] {
        let made = world.create(&World::service(class, PORT, class)).await?;
        world.serve(&made).await?;
        let address = world.address(class).await?;
        world.answered_by(address, PORT, &["node-1", "node-2", "node-3"]).await?;
        entrances.push(address);
    }
    keys_are_replaced(&mut world).await?;
    a_stopped_machine_is_tainted(&world).await?;
    a_terminated_machine_loses_its_node(&mut world, &entrances).await?;
    routes(&world, &[1, 2]).await?;
    for (class, address) in ["shared", "dedicated"].iter().zip(entrances) {
        let entrance = world.cloud.reach(address, PORT).await?;
        world.delete(class).await?;
        ensure!(testkit::http::get(entrance, "/").await.is_err(), "the {class} load balancer still answers");
    }
    ensure!(world.cloud.leftovers().await? == 0, "something is left: {:?}", world.balancers().await?);
    world.nodes().delete("node-2", &DeleteParams::default()).await?;
    routes(&world, &[1]).await?;
    for action in ["CreateLoadbalancer", "DeletePublicip"] {
        ensure!(world.audit()?.contains(action), "the audit log has no {action}: {}", world.audit()?);
    }
    world.ends_well().await
}

const BAD_SECRET: &str = "marker-of-a-secret-that-is-wrong";

/// A bad key is refused and the old one kept; a temporary key with its token is taken over.
async fn keys_are_replaced(world: &mut World) -> Result<()> {
    world.hide(BAD_SECRET);
    let world = &*world;
    let condition = async |what: &str, sign: &str| {
        world
            .see(what, async || {
                let metrics = world.cloud.metrics().await?;
                ensure!(metrics.lines().any(|line| line == sign), "{sign} is not among the metrics");
                Ok(())
            })
            .await
    };
    let with = |keys| HuaweiSettings { keys, ..HuaweiSettings::default() };
    let wrong = Keys::Given { access: "NOSUCHKEY".to_owned(), secret: BAD_SECRET.to_owned(), token: String::new() };
    world.cloud.configure(&with(wrong))?;
    condition("the bad key is told", r#"cloud_credentials_stale{account=""} 1"#).await?;

    let asked = json!({"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 3600}}}});
    let given = world.cloud.user().call("POST", "/v3.0/OS-CREDENTIAL/securitytokens", Some(&asked)).await?;
    let field = |name: &str| given["credential"][name].as_str().map(str::to_owned).context("a temporary key");
    let keys = Keys::Given { access: field("access")?, secret: field("secret")?, token: field("securitytoken")? };
    world.cloud.configure(&with(keys))?;
    condition("the temporary key is in use", r#"cloud_credentials_stale{account=""} 0"#).await
}

async fn routes(world: &World, numbers: &[u8]) -> Result<()> {
    world
        .see(&format!("routes to the pods of {numbers:?}"), async || {
            let mut found: Vec<_> =
                world.cloud.routes().await?.into_iter().map(|route| (route.destination, route.target)).collect();
            found.sort();
            let expected: Vec<_> = numbers.iter().map(|number| (pod_cidr(*number), name(*number))).collect();
            ensure!(found == expected, "there are {found:?}");
            Ok(())
        })
        .await?;
    for number in numbers {
        let node = name(*number);
        world
            .see(&format!("the network of {node} is available"), async || {
                look::network_available(&world.nodes().get(&node).await?)
            })
            .await?;
    }
    Ok(())
}

async fn a_stopped_machine_is_tainted(world: &World) -> Result<()> {
    for (on, readiness) in [(false, Readiness::Unknown), (true, Readiness::Ready)] {
        world.cloud.power("node-2", on).await?;
        world.kubelets["node-2"].set(readiness).await?;
        world
            .see(&format!("node-2 runs: {on}"), async || look::shut_down(&world.nodes().get("node-2").await?, !on))
            .await?;
    }
    Ok(())
}

async fn a_terminated_machine_loses_its_node(world: &mut World, entrances: &[IpAddr]) -> Result<()> {
    world.cloud.terminate("node-3").await?;
    let kubelet = world.kubelets.remove("node-3").context("node-3 has a kubelet")?;
    kubelet.set(Readiness::Unknown).await?;
    world.backends.retain(|name, _| !name.ends_with("/node-3"));
    drop(kubelet);
    world
        .see("node-3 is removed", async || {
            ensure!(world.nodes().get_opt("node-3").await?.is_none(), "it is still there");
            Ok(())
        })
        .await?;
    let left = world.nodes().list_metadata(&ListParams::default()).await?.items.len();
    ensure!(left == 2, "{left} nodes are left");
    for address in entrances {
        world.answered_by(*address, PORT, &["node-1", "node-2"]).await?;
    }
    Ok(())
}
