//! A cluster with pull secrets. Every change is bound to what was read: what somebody else changed meanwhile is read again.

use std::{collections::BTreeMap, path::PathBuf};

use k8s_openapi::{
    ByteString, NamespaceResourceScope,
    api::core::v1::{Namespace, Secret, ServiceAccount},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Config, Resource,
    api::{ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Account, DockerConfig, Format, PullSecret, Rewrite, Successor, Use};
use crate::{
    Failure, Kind, Login,
    args::ClusterAccess,
    names::{CPCTL, MANAGED_BY, SUCCESSOR_OF},
};

/// Items of a page.
const PAGE: u32 = 500;
/// How often a change that met another's is begun again.
const ATTEMPTS: u32 = 10;

/// Which namespaces are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// These.
    Namespaces(Vec<String>),
    /// All there are.
    All,
}

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

/// The logins that are put in.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) hosts: &'a [String],
    pub(crate) old: Option<&'a str>,
    pub(crate) login: &'a Login,
}

impl Cluster {
    /// The one a kubeconfig leads to, or the one this pod is in.
    pub async fn connect(access: &ClusterAccess) -> Result<Self, Failure> {
        let config = config(access).await?;
        let client =
            Client::try_from(config).map_err(|error| Failure::of_cluster("connecting to the cluster", &error))?;
        Ok(Self { client })
    }

    /// The one a client leads to.
    pub fn of(client: Client) -> Self {
        Self { client }
    }

    /// The id the controller uses unless told otherwise.
    pub(crate) async fn id(&self) -> Result<String, Failure> {
        let namespace = Api::<Namespace>::all(self.client.clone()).get("kube-system").await;
        let namespace = namespace.map_err(|error| Failure::of_cluster("reading namespace kube-system", &error))?;
        namespace.metadata.uid.ok_or_else(|| Failure::failed("namespace kube-system has no UID"))
    }

    /// All pull secrets, of both forms.
    pub async fn pull_secrets(&self, scope: &Scope) -> Result<Vec<PullSecret>, Failure> {
        let mut all = Vec::new();
        for format in Format::ALL {
            let fields = format!("type={}", format.secret_type());
            let secrets: Vec<Secret> = self.list(scope, "pull secrets", &fields).await?;
            all.extend(secrets.into_iter().map(|secret| view(secret, format)));
        }
        all.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Ok(all)
    }

    /// All ServiceAccounts.
    pub async fn accounts(&self, scope: &Scope) -> Result<Vec<Account>, Failure> {
        let accounts: Vec<ServiceAccount> = self.list(scope, "ServiceAccounts", "").await?;
        Ok(accounts.into_iter().map(account).collect())
    }

    /// The namespaces, those that are being deleted left out.
    pub async fn namespaces(&self, scope: &Scope) -> Result<Vec<String>, Failure> {
        if let Scope::Namespaces(names) = scope {
            return Ok(names.clone());
        }
        let api = Api::<Namespace>::all(self.client.clone());
        let namespaces = pages(&api, "namespaces", "").await?;
        let alive = namespaces.into_iter().filter(|one| one.metadata.deletion_timestamp.is_none());
        Ok(alive.filter_map(|one| one.metadata.name).collect())
    }

    async fn list<K>(&self, scope: &Scope, what: &str, fields: &str) -> Result<Vec<K>, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        match scope {
            Scope::All => pages(&Api::all(self.client.clone()), what, fields).await,
            Scope::Namespaces(names) => {
                let mut all = Vec::new();
                for name in names {
                    let api = Api::namespaced(self.client.clone(), name);
                    all.extend(pages(&api, &format!("{what} of namespace {name}"), fields).await?);
                }
                Ok(all)
            }
        }
    }

    /// Puts the login into a secret. Success as well if it is there already or the secret is gone.
    pub(crate) async fn rewrite(&self, wanted: &Rewrite, change: Change<'_>) -> Result<(), Failure> {
        let Rewrite { namespace, name, format, ensure, .. } = wanted;
        let (what, api) = (format!("secret {namespace}/{name}"), self.secrets(namespace));
        for _ in 0..ATTEMPTS {
            let secret =
                api.get_opt(name).await.map_err(|error| Failure::of_cluster(&format!("reading {what}"), &error))?;
            let Some(secret) = secret else { return Ok(()) };
            let (uid, version) = (secret.metadata.uid.clone(), secret.metadata.resource_version.clone());
            let mut config = view(secret, *format)
                .config
                .ok_or_else(|| Failure::refused(format!("{what} cannot be read any more")))?;
            let mut changed = change.old.is_some_and(|old| config.replace(change.hosts, old, change.login));
            changed |= *ensure && config.ensure(change.hosts, change.login);
            if !changed {
                return Ok(());
            }
            let content = ByteString(config.to_bytes());
            let patch = json!({
                "metadata": { "uid": uid, "resourceVersion": version },
                "data": { format.key(): content },
            });
            if self.patch(&api, &what, name, &patch).await? {
                return Ok(());
            }
        }
        Err(contended(&what))
    }

    /// Makes a secret with the login; one that takes the place of another has all its other logins, too.
    pub(crate) async fn make(&self, wanted: &Successor, change: Change<'_>) -> Result<(), Failure> {
        let Successor { namespace, name, of } = wanted;
        let (what, api) = (format!("secret {namespace}/{name}"), self.secrets(namespace));
        let mut format = Format::DockerConfigJson;
        let mut config = DockerConfig::empty(format);
        if let Some(predecessor) = of {
            let secret = api.get_opt(predecessor).await;
            let secret = secret
                .map_err(|error| Failure::of_cluster(&format!("reading secret {namespace}/{predecessor}"), &error))?;
            let Some(secret) = secret else { return Ok(()) };
            format = Format::ALL
                .into_iter()
                .find(|one| secret.type_.as_deref() == Some(one.secret_type()))
                .unwrap_or(format);
            config = view(secret, format).config.unwrap_or_else(|| DockerConfig::empty(format));
        }
        if let Some(old) = change.old {
            config.replace(change.hosts, old, change.login);
        }
        config.ensure(change.hosts, change.login);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), CPCTL.to_owned())])),
                annotations: of.as_ref().map(|of| BTreeMap::from([(SUCCESSOR_OF.to_owned(), of.clone())])),
                ..ObjectMeta::default()
            },
            type_: Some(format.secret_type().to_owned()),
            data: Some(BTreeMap::from([(format.key().to_owned(), ByteString(config.to_bytes()))])),
            ..Secret::default()
        };
        match api.create(&post(), &secret).await {
            Ok(_) => Ok(()),
            // Somebody was faster: the next look decides what has to become of it.
            Err(kube::Error::Api(status)) if status.is_already_exists() => Err(Failure::new(
                Kind::TryAgain,
                format!("{what} was made by somebody else just now: run the command again"),
            )),
            Err(error) => Err(Failure::of_cluster(&format!("making {what}"), &error)),
        }
    }

    /// Has a ServiceAccount pull with more secrets. Those it got meanwhile stay.
    pub(crate) async fn use_secrets(&self, wanted: &Use) -> Result<(), Failure> {
        let Use { namespace, account: name, pull_secrets } = wanted;
        let what = format!("ServiceAccount {namespace}/{name}");
        let api = Api::<ServiceAccount>::namespaced(self.client.clone(), namespace);
        for _ in 0..ATTEMPTS {
            let found =
                api.get_opt(name).await.map_err(|error| Failure::of_cluster(&format!("reading {what}"), &error))?;
            let Some(found) = found else { return Ok(()) };
            let (uid, version) = (found.metadata.uid.clone(), found.metadata.resource_version.clone());
            let now = account(found).pull_secrets;
            if pull_secrets.iter().all(|secret| now.contains(secret)) {
                return Ok(());
            }
            let new = pull_secrets.iter().chain(now.iter().filter(|one| !pull_secrets.contains(one)));
            let new: Vec<Value> = new.map(|name| json!({ "name": name })).collect();
            let patch = json!({ "metadata": { "uid": uid, "resourceVersion": version }, "imagePullSecrets": new });
            if self.patch(&api, &what, name, &patch).await? {
                return Ok(());
            }
        }
        Err(contended(&what))
    }

    /// Whether it took; if not, it changed meanwhile.
    async fn patch<K>(&self, api: &Api<K>, what: &str, name: &str, patch: &Value) -> Result<bool, Failure>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        let parameters = PatchParams { field_manager: Some(CPCTL.to_owned()), ..PatchParams::default() };
        match api.patch(name, &parameters, &Patch::Merge(patch)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(false),
            Err(error) => Err(Failure::of_cluster(&format!("writing {what}"), &error)),
        }
    }

    /// The Secrets of a namespace.
    pub(crate) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// Of something that is made.
pub(crate) fn post() -> PostParams {
    PostParams { field_manager: Some(CPCTL.to_owned()), ..PostParams::default() }
}

fn contended(what: &str) -> Failure {
    Failure::new(Kind::TryAgain, format!("{what} is changed by others all the time: run the command again"))
}

async fn pages<K>(api: &Api<K>, what: &str, fields: &str) -> Result<Vec<K>, Failure>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut parameters = ListParams::default().limit(PAGE);
    if !fields.is_empty() {
        parameters = parameters.fields(fields);
    }
    let mut all = Vec::new();
    loop {
        let page = api.list(&parameters).await;
        let page = page.map_err(|error| Failure::of_cluster(&format!("listing {what}"), &error))?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}

async fn config(access: &ClusterAccess) -> Result<Config, Failure> {
    let options = KubeConfigOptions { context: access.kube_context.clone(), ..KubeConfigOptions::default() };
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("the kubeconfig of the cluster cannot be used: {error}"))
    };
    if let Some(file) = &access.kubeconfig {
        let file: &PathBuf = file;
        let read = Kubeconfig::read_from(file).map_err(|error| unusable(&error))?;
        return Config::from_custom_kubeconfig(read, &options).await.map_err(|error| unusable(&error));
    }
    match Config::from_kubeconfig(&options).await {
        Ok(config) => Ok(config),
        Err(error) if access.kube_context.is_some() => Err(unusable(&error)),
        Err(error) => Config::incluster().map_err(|_| unusable(&error)),
    }
}

fn view(secret: Secret, format: Format) -> PullSecret {
    let ObjectMeta { namespace, name, labels, annotations, owner_references, managed_fields: _, .. } = secret.metadata;
    let owner = owner_references.into_iter().flatten().next().map(|owner| format!("{} {}", owner.kind, owner.name));
    let manager = labels.and_then(|mut labels| labels.remove(MANAGED_BY)).filter(|manager| manager != CPCTL);
    let content = secret.data.and_then(|mut data| data.remove(format.key()));
    PullSecret {
        namespace: namespace.unwrap_or_default(),
        name: name.unwrap_or_default(),
        format,
        immutable: secret.immutable.unwrap_or_default(),
        config: content.and_then(|ByteString(bytes)| DockerConfig::parse(format, &bytes)),
        managed_by: owner.or(manager).unwrap_or_default(),
        successor_of: annotations.and_then(|mut annotations| annotations.remove(SUCCESSOR_OF)),
    }
}

fn account(account: ServiceAccount) -> Account {
    let pull_secrets = account.image_pull_secrets.into_iter().flatten().map(|reference| reference.name);
    Account {
        namespace: account.metadata.namespace.unwrap_or_default(),
        name: account.metadata.name.unwrap_or_default(),
        pull_secrets: pull_secrets.collect(),
    }
}
