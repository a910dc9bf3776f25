//! The whole job on Huawei Cloud, with keys that are replaced while it is done.

use anyhow::{Context, Result, ensure};
use e2e::huawei::{Settings, World};
use kube::api::DeleteParams;
use serde_json::json;
use testkit::cloud::huawei::{HuaweiSettings, Keys, PROJECT};

const PORT: u16 = 8080;

#[tokio::test]
async fn the_whole_job_from_the_first_node_to_the_last_route() -> Result<()> {
    let controller_args = vec![format!("--provider-account={PROJECT}/ap-southeast-1")];
    let mut world = World::start(Settings { controller_args, ..Settings::default() }).await?;
    world.join(3).await?;
    world.routed(&[1, 2, 3]).await?;
    let mut entrances = Vec::new();
    for class in ["shared", "dedicated"] {
        let made = world.create(&World::service(class, PORT, class)).await?;
        world.serve(&made).await?;
        let address = world.address(class).await?;
        world.answered_by(address, PORT, &["node-1", "node-2", "node-3"]).await?;
        entrances.push(address);
    }
    keys_are_replaced(&mut world).await?;
    world.stop_and_start("node-2").await?;
    world.terminate("node-3").await?;
    for address in &entrances {
        world.answered_by(*address, PORT, &["node-1", "node-2"]).await?;
    }
    world.routed(&[1, 2]).await?;
    for (class, address) in ["shared", "dedicated"].iter().zip(entrances) {
        let entrance = world.cloud.reach(address, PORT).await?;
        world.delete(class).await?;
        ensure!(testkit::http::get(entrance, "/").await.is_err(), "the {class} load balancer still answers");
    }
    ensure!(world.cloud.leftovers().await? == 0, "something is left: {:?}", world.balancers().await?);
    world.nodes().delete("node-2", &DeleteParams::default()).await?;
    world.routed(&[1]).await?;
    for action in ["CreateLoadbalancer", "DeletePublicip"] {
        ensure!(world.audit()?.contains(action), "the audit log has no {action}: {}", world.audit()?);
    }
    world.ends_well().await
}

const BAD_SECRET: &str = "marker-of-a-secret-that-is-wrong";

/// A bad key is refused and the old one kept; a temporary key with its token is taken over.
async fn keys_are_replaced(world: &mut World) -> Result<()> {
    world.hide(BAD_SECRET);
    let with = |keys| HuaweiSettings { keys, ..HuaweiSettings::default() };
    let wrong = Keys::Given { access: "NOSUCHKEY".to_owned(), secret: BAD_SECRET.to_owned(), token: String::new() };
    world.cloud.configure(&with(wrong))?;
    world.measured("the bad key is told", r#"cloud_credentials_stale{account=""} 1"#).await?;

    let asked = json!({"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": 3600}}}});
    let given = world.cloud.user().call("POST", "/v3.0/OS-CREDENTIAL/securitytokens", Some(&asked)).await?;
    let field = |name: &str| given["credential"][name].as_str().map(str::to_owned).context("a temporary key");
    let keys = Keys::Given { access: field("access")?, secret: field("secret")?, token: field("securitytoken")? };
    world.cloud.configure(&with(keys))?;
    world.measured("the temporary key is in use", r#"cloud_credentials_stale{account=""} 0"#).await
}
