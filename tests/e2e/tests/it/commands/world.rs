use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _, process::Output, time::Duration};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Parser as _;
use cloud_provider_api::v1;
use cpctl::{
    Args, Failure, Provider,
    pull_secrets::{Cluster, DockerConfig, Format, Scope, host},
    registry_user::{Order, Outcome, Stage, Watcher, survey},
};
use k8s_openapi::{
    ByteString,
    api::core::v1::{LocalObjectReference, Namespace, Secret, ServiceAccount},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use provider_kit::{Access, Class, Daemon, Identity, IdentityService, ProviderInfo, Running, Settings, hop::Endpoint};
use serde_json::{Value, json};
use testkit::{Binaries, ControlPlane, Profile};
use tokio::{process::Command, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::robots::{OLD, OLD_ID, REGISTRY, Robots};

/// A login of somebody else's, which nobody may touch.
const OTHER: &str = "elsewhere.example";

/// A cluster with pull secrets for a registry, and the daemon of the registry's cloud.
pub(crate) struct World {
    pub(crate) plane: ControlPlane,
    pub(crate) client: Client,
    pub(crate) robots: Robots,
    pub(crate) endpoint: String,
    _running: Running,
}

/// Stops before the step of this number, counted from 0, as a kill there would.
#[derive(Default)]
pub(crate) struct StopAt {
    pub(crate) at: Option<usize>,
    pub(crate) seen: Vec<Stage>,
}

impl Watcher for StopAt {
    fn stage(&mut self, stage: &Stage) -> Result<(), Failure> {
        if self.at == Some(self.seen.len()) {
            return Err(Failure::failed("interrupted"));
        }
        self.seen.push(stage.clone());
        Ok(())
    }

    fn note(&mut self, _: &str) {}
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let plane = ControlPlane::builder().start().await?;
        let client = plane.client().await?;
        let robots = Robots::default();
        robots.serve_docker().await;
        robots.reset();
        let path = plane.folder().join("robots.sock");
        let uid = std::fs::metadata(plane.folder())?.uid();
        let settings = Settings {
            listen: vec![Endpoint::Unix(path.clone())],
            access: Access::nobody().allow(Identity::Uid(uid), [Class::Read, Class::Secret], None),
            ..Settings::default()
        };
        let daemon = Daemon::new(settings);
        let info = ProviderInfo {
            name: "robots".to_owned(),
            provider_id_schemes: vec!["robots".to_owned()],
            accounts: vec![v1::Account { id: "a".to_owned(), region: "bj".to_owned() }],
            capabilities: vec![v1::Capability::Registries],
            ..ProviderInfo::default()
        };
        let identity = IdentityService::new(daemon.kit(), info);
        let running = daemon.identity(identity).registries(robots.clone()).start().await?;
        let endpoint = format!("unix:{}", path.display());
        let world = Self { plane, client, robots, endpoint, _running: running };
        for name in ["a", "b"] {
            let namespace = Namespace { metadata: named(name), ..Namespace::default() };
            Api::<Namespace>::all(world.client.clone()).create(&PostParams::default(), &namespace).await?;
        }
        Ok(world)
    }

    fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(crate) fn accounts(&self, namespace: &str) -> Api<ServiceAccount> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The pull secrets as they were before anything happened: two forms, a second registry in one, one that is somebody else's.
    pub(crate) async fn reset(&self) -> Result<()> {
        for namespace in ["a", "b"] {
            self.secrets(namespace).delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
            self.accounts(namespace).delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
        }
        self.robots.reset();
        let registry = self.robots.state().host.clone();
        let auth = |login: &str| json!({ "auth": STANDARD.encode(login), "email": "kept@example.com" });
        let old = auth(&format!("{OLD}:old-password"));
        let two = json!({ "auths": { registry.clone(): old, OTHER: auth("someone:else") } });
        self.make("a", "pull", Format::DockerConfigJson, &two, false).await?;
        self.make("a", "legacy", Format::DockerCfg, &json!({ format!("http://{registry}/v1/"): old }), false).await?;
        self.make("b", "pull", Format::DockerConfigJson, &json!({ "auths": { registry: old } }), false).await?;
        let theirs = json!({ "auths": { OTHER: auth(&format!("{OLD}:old-password")) } });
        self.make("b", "theirs", Format::DockerConfigJson, &theirs, false).await
    }

    /// An immutable secret with the old login, and the ServiceAccount that pulls with it.
    pub(crate) async fn add_immutable(&self) -> Result<()> {
        let registry = self.robots.state().host.clone();
        let auth = STANDARD.encode(format!("{OLD}:old-password"));
        let auths = json!({ "auths": { registry: { "auth": auth }, OTHER: { "auth": STANDARD.encode("x:y") } } });
        self.make("b", "frozen", Format::DockerConfigJson, &auths, true).await?;
        let reference = |name: &str| LocalObjectReference { name: name.to_owned() };
        let account = ServiceAccount {
            metadata: named("default"),
            image_pull_secrets: Some(vec![reference("first"), reference("frozen")]),
            ..ServiceAccount::default()
        };
        self.accounts("b").create(&PostParams::default(), &account).await?;
        Ok(())
    }

    async fn make(&self, namespace: &str, name: &str, format: Format, content: &Value, immutable: bool) -> Result<()> {
        let data = BTreeMap::from([(format.key().to_owned(), ByteString(content.to_string().into_bytes()))]);
        let secret = Secret {
            metadata: named(name),
            type_: Some(format.secret_type().to_owned()),
            data: Some(data),
            immutable: Some(immutable),
            ..Secret::default()
        };
        self.secrets(namespace).create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    /// What the change is about, with the grace over at once.
    pub(crate) fn order(&self) -> Order {
        Order {
            registry: REGISTRY.to_owned(),
            username: "new".to_owned(),
            replaces: Some(OLD_ID.to_owned()),
            scope: Scope::Namespaces(vec!["a".to_owned(), "b".to_owned()]),
            secret: None,
            accounts: false,
            grace: Duration::ZERO,
            take_over: false,
            skip_verify: false,
            state_namespace: "a".to_owned(),
        }
    }

    pub(crate) async fn provider(&self) -> Result<Provider> {
        let args = Args::try_parse_from(["cpctl", "provider", "info", "--provider", &self.endpoint])?;
        Ok(Provider::connect(&args.provider).await?)
    }

    /// Makes the change and ends the old user, as one run of the command with `--finish` would.
    pub(crate) async fn change(&self, order: &Order, watcher: &mut StopAt) -> Result<Option<Outcome>, Failure> {
        let provider = self.provider().await.map_err(|error| Failure::failed(error.to_string()))?;
        let cluster = Cluster::of(self.client.clone());
        let mut survey = survey(&provider, &cluster, order).await?;
        if survey.is_done() {
            return Ok(None);
        }
        let outcome = survey.carry_out(&provider, &cluster, order, watcher).await?;
        survey.finish(&provider, &cluster, order, &outcome, watcher).await?;
        Ok(Some(outcome))
    }

    /// Runs the real program against this cluster and daemon.
    pub(crate) async fn program(&self, words: &[&str], limit: Option<Duration>) -> Result<Option<Output>> {
        let binaries = Binaries::build(Profile::Test).await?;
        let child = Command::new(binaries.cpctl())
            .args(words)
            .args(["--provider", &self.endpoint])
            .arg(format!("--kubeconfig={}", self.plane.kubeconfig().display()))
            .env("HOME", self.plane.folder())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.wait_with_output();
        match limit {
            None => Ok(Some(output.await?)),
            // Dropped, it is killed.
            Some(limit) => Ok(tokio::time::timeout(limit, output).await.ok().transpose()?),
        }
    }

    /// All logins for the registry, by secret, immutable ones left out.
    async fn logins(&self) -> Result<Vec<(String, Secret, String, String)>> {
        let registry = self.robots.state().host.clone();
        let mut found = Vec::new();
        for namespace in ["a", "b"] {
            for secret in self.secrets(namespace).list(&ListParams::default()).await?.items {
                if secret.immutable == Some(true) {
                    continue;
                }
                for (username, password) in logins_of(&secret, &registry) {
                    let name = format!("{namespace}/{}", secret.metadata.name.clone().unwrap_or_default());
                    found.push((name, secret.clone(), username, password));
                }
            }
        }
        Ok(found)
    }

    /// Everything is as it should be in the end.
    pub(crate) async fn check_changed(&self) -> Result<()> {
        let logins = self.logins().await?;
        let names: Vec<&str> = logins.iter().map(|(name, ..)| name.as_str()).collect();
        ensure!(["a/legacy", "a/pull", "b/pull"].iter().all(|name| names.contains(name)), "{names:?}");
        for (name, _, username, password) in &logins {
            ensure!(username == "robot$new", "{name} logs in as {username}");
            ensure!(self.robots.accepts(username, password), "{name} has a login that does not work");
        }
        let theirs = self.secrets("b").get("theirs").await?;
        ensure!(logins_of(&theirs, OTHER) == [(OLD.to_owned(), "old-password".to_owned())], "another registry's login");
        let both = self.secrets("a").get("pull").await?;
        ensure!(logins_of(&both, OTHER) == [("someone".to_owned(), "else".to_owned())], "the login beside it");
        let raw = both.data.and_then(|mut data| data.remove(".dockerconfigjson")).context("its content")?;
        let raw: Value = serde_json::from_slice(&raw.0)?;
        ensure!(raw["auths"][&self.robots.state().host]["email"] == "kept@example.com", "{raw}");
        Ok(())
    }

    /// Whether a record of a change is left.
    pub(crate) async fn has_record(&self) -> Result<bool> {
        let all = self.secrets("a").list(&ListParams::default()).await?.items;
        Ok(all.iter().any(|secret| secret.type_.as_deref().is_some_and(|kind| kind.starts_with("cpctl."))))
    }

    /// Looks at every pull secret all the time until it is told to stop, and answers each login that did not work when it was there.
    pub(crate) fn watch(&self, stop: &CancellationToken) -> JoinHandle<Result<(usize, Vec<String>)>> {
        let (registry, robots) = (self.robots.state().host.clone(), self.robots.clone());
        watch(&self.client, registry, move |username, password| robots.accepts(username, password), stop)
    }
}

/// Looks at every pull secret of namespaces `a` and `b` until it is told to stop: how often, and each that had a login for the registry
/// that did not work when it was there.
pub(crate) fn watch(
    client: &Client,
    registry: String,
    accepts: impl Fn(&str, &str) -> bool + Send + Sync + 'static,
    stop: &CancellationToken,
) -> JoinHandle<Result<(usize, Vec<String>)>> {
    let (watched, stop) = (Watched { client: client.clone(), registry, accepts: Box::new(accepts) }, stop.clone());
    tokio::spawn(async move { watched.until(&stop).await })
}

/// Whether a registry lets a user with a password in.
type Accepts = dyn Fn(&str, &str) -> bool + Send + Sync;

struct Watched {
    client: Client,
    registry: String,
    accepts: Box<Accepts>,
}

impl Watched {
    async fn until(&self, stop: &CancellationToken) -> Result<(usize, Vec<String>)> {
        let (mut looks, mut wrong) = (0, Vec::new());
        while !stop.is_cancelled() {
            for namespace in ["a", "b"] {
                let api = Api::<Secret>::namespaced(self.client.clone(), namespace);
                for secret in api.list(&ListParams::default()).await?.items {
                    looks += 1;
                    if self.is_wrong(&secret) && self.is_wrong_still(&api, &secret).await? {
                        wrong.push(format!("{namespace}/{}", secret.metadata.name.unwrap_or_default()));
                    }
                }
            }
        }
        Ok((looks, wrong))
    }

    fn is_wrong(&self, secret: &Secret) -> bool {
        secret.immutable != Some(true)
            && logins_of(secret, &self.registry).iter().any(|(username, password)| !(self.accepts)(username, password))
    }

    /// The user may have ended between the look at the secret and the question: then the secret was changed before.
    async fn is_wrong_still(&self, api: &Api<Secret>, seen: &Secret) -> Result<bool> {
        let now = api.get_opt(seen.metadata.name.as_deref().unwrap_or_default()).await?;
        Ok(now.is_some_and(|now| now.data == seen.data && self.is_wrong(&now)))
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

/// Users and passwords a secret has for a host.
pub(crate) fn logins_of(secret: &Secret, registry: &str) -> Vec<(String, String)> {
    let Some(format) = Format::ALL.into_iter().find(|one| secret.type_.as_deref() == Some(one.secret_type())) else {
        return Vec::new();
    };
    let content = secret.data.as_ref().and_then(|data| data.get(format.key()));
    let config = content.and_then(|content| DockerConfig::parse(format, &content.0));
    let held = config.map(|config| config.held()).unwrap_or_default().into_iter();
    held.filter(|held| held.host == host(registry))
        .filter_map(|held| held.login)
        .map(|login| (login.username, login.password.expose().to_owned()))
        .collect()
}
