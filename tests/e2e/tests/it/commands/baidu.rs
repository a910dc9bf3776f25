use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Parser as _;
use cpctl::{
    Args, Failure, Kind, Provider,
    pull_secrets::{Cluster, Scope},
    registry_user::{Order, survey},
};
use k8s_openapi::{
    ByteString,
    api::core::v1::{Namespace, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, api::PostParams};
use provider_kit::{Access, Class, Daemon, Identity, Settings, hop::Endpoint};
use serde_json::{Map, Value, json};
use simulators::{
    baidu::{Baidu, state},
    engine,
};
use testkit::ControlPlane;
use tokio_util::sync::CancellationToken;

use super::world::{StopAt, logins_of, watch};

const REGISTRY: &str = "ccr-1";

async fn connect(endpoint: &Endpoint) -> Result<Provider> {
    let args = Args::try_parse_from(["cpctl", "provider", "info", "--provider", &endpoint.to_string()])?;
    Ok(Provider::connect(&args.provider).await?)
}

/// The robots of the simulated CCR through the daemon of the cloud: the login in a secret is changed step by step, each time cut off
/// one step later, and the strict cloud lets it in at every moment.
#[tokio::test]
async fn a_robot_of_ccr_takes_anothers_place_with_no_moment_without_a_login_that_works() -> Result<()> {
    let plane = ControlPlane::builder().start().await?;
    let client = plane.client().await?;
    let cloud = Arc::new(Baidu::default().start(engine::Settings::default()).await?);
    let host = cloud.address().to_string();
    let seeded = cloud.seed(json!({ "registries": [{ "id": REGISTRY, "name": "images", "publicUrl": host }] }));
    seeded.map_err(anyhow::Error::msg)?;
    let services = ["bcc", "bbc", "vpc", "blb", "eip", "cce", "ccr", "bec", "sts", "iam"];
    let endpoints: Map<String, Value> =
        services.iter().map(|&name| (name.to_owned(), json!(format!("{}/{name}", cloud.http())))).collect();
    let config = json!({ "ClusterId": "cce-demo0001", "Region": cloud.cloud().region, "AccessKeyID": state::ACCESS_KEY,
        "SecretAccessKey": state::SECRET_KEY, "VpcId": state::VPC, "Endpoints": endpoints });
    let file = testkit::pki::write(plane.folder(), "baidu-config", &config.to_string())?;
    let args = provider_baidu::Args::parse_from(["provider-baidu", "--cloud-config", &file.display().to_string()]);
    let listen = Endpoint::Unix(plane.folder().join("baidu.sock"));
    let uid = Identity::Uid(std::fs::metadata(plane.folder())?.uid());
    let access = Access::nobody().allow(uid, [Class::Read, Class::Secret], None);
    let daemon = Daemon::new(Settings { listen: vec![listen.clone()], access, ..Settings::default() });
    let daemon = provider_baidu::serve(daemon, &args, &|_| None).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    let _running = daemon.start().await?;
    let provider = connect(&listen).await?;

    // The user there is: a robot, as the console makes them.
    let old = provider.replace_registry_user(REGISTRY, "old", None, false).await?;
    let (old, login) = old.user.zip(old.credential).context("a user and its login")?;
    let host = login.hosts.first().context("a host")?.clone();
    for name in ["a", "b"] {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        let auths = json!({ "auths": { host.clone(): { "username": login.username, "password": login.password } } });
        let data = BTreeMap::from([(".dockerconfigjson".to_owned(), ByteString(auths.to_string().into_bytes()))]);
        let secret = Secret {
            metadata: ObjectMeta { name: Some("pull".to_owned()), ..ObjectMeta::default() },
            type_: Some("kubernetes.io/dockerconfigjson".to_owned()),
            data: Some(data),
            ..Secret::default()
        };
        Api::<Secret>::namespaced(client.clone(), name).create(&PostParams::default(), &secret).await?;
    }
    let admits = {
        let cloud = cloud.clone();
        move |username: &str, password: &str| {
            let now = cloud.now();
            cloud.look(|state| state.admits_login(REGISTRY, username, password, now))
        }
    };
    ensure!(admits(&login.username, &login.password), "the login there is");
    let stop = CancellationToken::new();
    let watched = watch(&client, host.clone(), admits.clone(), &stop);

    let order = Order {
        registry: REGISTRY.to_owned(),
        username: "new".to_owned(),
        replaces: Some(old.id.clone()),
        scope: Scope::All,
        secret: None,
        accounts: false,
        grace: Duration::ZERO,
        take_over: false,
        skip_verify: false,
        state_namespace: "a".to_owned(),
    };
    let cluster = Cluster::of(client.clone());
    let mut ended = None;
    for at in 0..40 {
        let mut watcher = StopAt { at: Some(at), ..StopAt::default() };
        let run = async {
            let mut survey = survey(&provider, &cluster, &order).await?;
            if !survey.is_done() {
                let outcome = survey.carry_out(&provider, &cluster, &order, &mut watcher).await?;
                survey.finish(&provider, &cluster, &order, &outcome, &mut watcher).await?;
            }
            Ok::<_, Failure>(())
        };
        match run.await {
            Ok(()) => {
                ended = Some(at);
                break;
            }
            Err(failure) => ensure!(failure.kind() == Kind::Failed, "{failure}"),
        }
    }
    ensure!(ended.is_some_and(|at| at > 3), "it came to an end: {ended:?}");
    stop.cancel();
    let (looks, wrong) = watched.await??;
    ensure!(wrong.is_empty() && looks > 2, "logins that did not work were in {wrong:?}");
    ensure!(!admits(&login.username, &login.password), "the old user is gone");
    for namespace in ["a", "b"] {
        let secret = Api::<Secret>::namespaced(client.clone(), namespace).get("pull").await?;
        let [(username, password)] = &logins_of(&secret, &host)[..] else { anyhow::bail!("one login in {namespace}") };
        ensure!(username == "new" && admits(username, password), "{namespace} logs in as {username}");
    }
    let users = provider.registry_users(REGISTRY).await?;
    ensure!(users.iter().filter(|user| user.ours).count() == 1, "{users:?}");
    let calls = cloud.calls();
    let tried = calls.iter().filter(|call| call.action == "GetDockerToken" && call.status == Some(200)).count();
    ensure!(tried > 0, "no login was tried before it was given away");
    Ok(())
}
