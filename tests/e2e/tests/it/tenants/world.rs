//! A cluster with a namespace of tenant `a`, one of tenant `b`, whose Services are hostile, and one that is nobody's, on a simulated cloud
//! whose account all of them share.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use e2e::PATIENCE;
use k8s_openapi::api::core::v1::{Namespace, Node, Service};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use provider_kit::tenancy::TENANT_TAG;
use serde_json::{Value, json};
use testkit::{
    Binaries, ControlPlane, FakeKubelet, Profile,
    cloud::{
        baidu::{Baidu, BaiduSettings},
        huawei::{Huawei, HuaweiSettings},
    },
    controller::{ControllerSettings, rights},
    events, eventually,
    kubelet::NodeSettings,
    look,
    program::{self, Program},
    services,
    simulator::Simulator,
};

/// Namespace of tenant `a`.
pub(super) const SHOP: &str = "shop";
/// Namespace of tenant `b`.
pub(super) const BANK: &str = "bank";
/// Namespace of no tenant: the daemon's own account's.
pub(super) const NOBODYS: &str = "default";
/// What a Service keeps of its load balancer's ids, and of its tenant.
pub(super) const HANDLE: &str = "ccm.cloudprovider.io/load-balancer-handle";
const NOTE: &str = "ccm.cloudprovider.io/load-balancer-tenant";
const TENANT_MAP: &str = "namespaces: { shop: a, bank: b }\n";
const NODE: &str = "node-1";
const ADDRESS: &str = "192.168.1.1";

/// A simulated cloud and its daemon.
pub(super) enum Cloud {
    Baidu(Box<Baidu>),
    Huawei(Box<Huawei>),
}

impl Cloud {
    pub(super) async fn baidu(binaries: &Binaries, folder: &Path, flags: &[String]) -> Result<Self> {
        let settings = BaiduSettings { args: flags.to_vec(), ..BaiduSettings::default() };
        Ok(Self::Baidu(Box::new(Baidu::start_with(binaries, folder, None, settings).await?)))
    }

    pub(super) async fn huawei(binaries: &Binaries, folder: &Path, flags: &[String]) -> Result<Self> {
        let settings = HuaweiSettings { args: flags.to_vec(), ..HuaweiSettings::default() };
        Ok(Self::Huawei(Box::new(Huawei::start_with(binaries, folder, None, settings).await?)))
    }

    pub(super) fn simulator(&self) -> &Simulator {
        match self {
            Self::Baidu(cloud) => cloud.simulator(),
            Self::Huawei(cloud) => cloud.simulator(),
        }
    }

    fn daemon(&self) -> &Program {
        match self {
            Self::Baidu(cloud) => cloud.daemon(),
            Self::Huawei(cloud) => cloud.daemon(),
        }
    }

    fn endpoint(&self) -> &str {
        match self {
            Self::Baidu(cloud) => cloud.endpoint(),
            Self::Huawei(cloud) => cloud.endpoint(),
        }
    }

    /// Kinds of objects that load balancers are made of, the load balancers and the public addresses first.
    fn kinds(&self) -> &'static [&'static str] {
        match self {
            Self::Baidu(_) => &["/blbs", "/eips"],
            Self::Huawei(_) => {
                &["/elb/load_balancers", "/publicips", "/elb/listeners", "/elb/pools", "/elb/members", "/elb/monitors"]
            }
        }
    }

    /// Adds the node's machine, and answers its id.
    async fn add_machine(&self) -> Result<String> {
        let (kind, machine) = match self {
            Self::Baidu(_) => ("machines", json!({"name": NODE, "hostname": NODE, "address": ADDRESS})),
            Self::Huawei(_) => ("servers", json!({"name": NODE, "address": ADDRESS})),
        };
        let seeded = self.simulator().seed(&json!({kind: [machine]})).await?;
        text(&seeded[kind][0])
    }
}

/// Dropped in the order of the fields: first what uses something, then what is used.
pub(super) struct Tenants {
    _kubelet: FakeKubelet,
    controller: Program,
    pub(super) cloud: Cloud,
    client: Client,
    access_file: PathBuf,
    _plane: ControlPlane,
}

/// What a Service got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) uid: String,
    /// Its load balancer, as the simulated cloud has it.
    pub(super) balancer: Value,
    pub(super) address: String,
    pub(super) handle: String,
}

/// One hostile Service: its name, annotations, fields of its spec, and what people have to be told.
pub(super) struct Attempt<'a> {
    pub(super) name: &'a str,
    pub(super) annotations: Vec<(&'a str, &'a str)>,
    pub(super) spec: Value,
    pub(super) told: Vec<&'a str>,
}

/// What the story of the hostile tenant needs to know of a cloud.
pub(super) struct Story<'a> {
    pub(super) attempts: Vec<Attempt<'a>>,
    /// Two that have to be told alike, up to the ids they name: what is another's, and what is not there.
    pub(super) alike: [(&'a str, &'a str); 2],
    /// Annotations of a Service with a public address, and of one without.
    pub(super) public: Vec<(&'a str, &'a str)>,
    pub(super) inside: Vec<(&'a str, &'a str)>,
    /// Annotations that say things of another's, and lead nowhere.
    pub(super) lies: Vec<(&'a str, &'a str)>,
}

/// A text of an object of the cloud's.
pub(super) fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}

fn access(tenants: &str) -> String {
    let uid = rustix::process::geteuid().as_raw();
    format!("callers: [{{ uid: {uid}, tenants: [a, b] }}]\ntenants:\n{tenants}")
}

impl Tenants {
    /// `tenants`: those of the access file, as YAML. `inside`: annotations of a Service without a public address.
    pub(super) async fn start(
        start: impl AsyncFnOnce(&Binaries, &Path, &[String]) -> Result<Cloud>,
        tenants: &str,
        inside: &[(&str, &str)],
    ) -> Result<Self> {
        let plane = ControlPlane::builder().start().await?;
        let binaries = Binaries::build(Profile::Test).await?;
        let folder = plane.folder();
        let (access_file, tenant_map) = (folder.join("access.yaml"), folder.join("tenants.yaml"));
        std::fs::write(&access_file, access(tenants))?;
        std::fs::write(&tenant_map, TENANT_MAP)?;
        let cloud = start(binaries, folder, &[format!("--access-file={}", access_file.display())]).await?;
        let client = plane.client().await?;
        for namespace in [SHOP, BANK] {
            let object = serde_json::from_value(json!({"metadata": {"name": namespace}}))?;
            Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &object).await?;
        }
        let settings = ControllerSettings::new(rights(&plane).await?, cloud.endpoint())
            .arg(format!("--tenant-map={}", tenant_map.display()))
            .arg("--node-monitor-period=500ms")
            .arg("--concurrent-service-syncs=4");
        let controller = Program::start(settings.launch(binaries, folder, "controller"))?;
        let machine = cloud.add_machine().await?;
        let node = NodeSettings { node_ip: Some(ADDRESS.to_owned()), ..NodeSettings::named(NODE) };
        let kubelet = FakeKubelet::start(&client, &node).await?;
        let world = Self { _kubelet: kubelet, controller, cloud, client, access_file, _plane: plane };
        let nodes: Api<Node> = Api::all(world.client.clone());
        world.see("the node is initialised", async || look::initialized(&nodes.get(NODE).await?).map(drop)).await?;
        world.node_serves(&machine, inside).await?;
        Ok(world)
    }

    /// Waits until load balancers get the new node: what is made afterwards has it from the start, and is left alone once it is made.
    async fn node_serves(&self, machine: &str, inside: &[(&str, &str)]) -> Result<()> {
        self.create(NOBODYS, "first", inside, &json!({})).await?;
        let probe = async || {
            let all = Value::from(self.everything().await?).to_string();
            ensure!(all.contains(machine), "{machine} is at no load balancer: {all}");
            Ok(())
        };
        self.see("load balancers lead to the node", probe).await?;
        self.delete(NOBODYS, "first").await
    }

    /// The administrator changes what tenants may have; the daemon takes it over by itself.
    pub(super) fn allow(&self, tenants: &str) -> Result<()> {
        Ok(std::fs::write(&self.access_file, access(tenants))?)
    }

    pub(super) async fn see<T>(&self, what: &str, probe: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        eventually(what, PATIENCE, probe).await.map_err(|error| {
            program::explain(&error, &[("the controller", &self.controller), ("the daemon", self.cloud.daemon())])
        })
    }

    pub(super) fn services(&self, namespace: &str) -> Api<Service> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) async fn create(
        &self,
        namespace: &str,
        name: &str,
        annotations: &[(&str, &str)],
        spec: &Value,
    ) -> Result<Service> {
        let mut service = services::load_balancer(name, 8080);
        service.metadata.namespace = Some(namespace.to_owned());
        let given = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        service.metadata.annotations = Some(given.collect());
        let mut object = serde_json::to_value(&service)?;
        for (field, value) in spec.as_object().into_iter().flatten() {
            object["spec"][field] = value.clone();
        }
        let service = serde_json::from_value(object)?;
        Ok(self.services(namespace).create(&PostParams::default(), &service).await?)
    }

    /// Waits for the address of a Service, and answers what it got in the cloud.
    pub(super) async fn made(&self, namespace: &str, name: &str) -> Result<Made> {
        let services = self.services(namespace);
        let probe = async || {
            let service = services.get(name).await?;
            match look::address(&service) {
                Ok(address) => Ok((service, address.to_string())),
                Err(error) => Err(error.context(format!("{:#?}", self.told(name).await?))),
            }
        };
        let (service, address) = self.see(&format!("{namespace}/{name} has an address"), probe).await?;
        let uid = service.uid().context("a UID")?;
        let all: Vec<Value> = self.cloud.simulator().objects(self.cloud.kinds()[0]).await?;
        let balancer = all.iter().find(|lb| lb.to_string().contains(&uid));
        let balancer = balancer.with_context(|| format!("no load balancer of {name} in {all:?}"))?.clone();
        let handle = service.annotations().get(HANDLE).cloned().unwrap_or_default();
        Ok(Made { uid, balancer, address, handle })
    }

    async fn told(&self, service: &str) -> Result<Vec<String>> {
        events::lines(&self.client, "Service", service).await
    }

    /// Waits until people are told this about a Service of `b`'s, and checks that it got nothing.
    async fn refused(&self, name: &str, parts: &[&str]) -> Result<String> {
        let probe = async || {
            let lines = self.told(name).await?;
            let says = |line: &&String| {
                line.starts_with("Warning SyncLoadBalancerFailed") && parts.iter().all(|part| line.contains(part))
            };
            lines.iter().find(says).cloned().with_context(|| format!("told so far: {lines:#?}"))
        };
        let line = self.see(&format!("{name} is refused, and it is said why: {parts:?}"), probe).await?;
        let service = self.services(BANK).get(name).await?;
        ensure!(look::address(&service).is_err(), "{name} got an address");
        Ok(line)
    }

    /// Deletes a Service and waits until it is gone.
    pub(super) async fn delete(&self, namespace: &str, name: &str) -> Result<()> {
        self.services(namespace).delete(name, &DeleteParams::default()).await?;
        let probe = async || {
            let left = self.services(namespace).get_opt(name).await?;
            ensure!(left.is_none(), "it is still there: {:#?}", self.told(name).await?);
            Ok(())
        };
        self.see(&format!("{namespace}/{name} is gone"), probe).await
    }

    /// All that load balancers are made of, as the cloud has it.
    pub(super) async fn everything(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for kind in self.cloud.kinds() {
            all.extend(self.cloud.simulator().objects::<Value>(kind).await?);
        }
        Ok(all)
    }

    /// Fails with what is not as it was.
    async fn unchanged(&self, before: &[Value]) -> Result<()> {
        let after = self.everything().await?;
        let missing = |from: &[Value], of: &[Value]| -> Vec<Value> {
            of.iter().filter(|object| !from.contains(object)).cloned().collect()
        };
        let (were, are) = (missing(&after, before), missing(before, &after));
        ensure!(were.is_empty() && are.is_empty(), "something of another's was changed, from {were:#?} to {are:#?}");
        Ok(())
    }

    /// Tenant `b` tries everything, and has its Services work all the same. `web` is that of `a`, which has a public address.
    pub(super) async fn hostile(&self, web: &Made, story: &Story<'_>) -> Result<()> {
        let before = self.everything().await?;
        self.tell_all_refusals(web, story).await?;
        self.unchanged(&before).await?;
        self.lies_lead_nowhere(web, story).await?;
        self.quotas_hold(story).await?;

        // Going leaves what is another's as it is, whatever the Services say by then.
        let mut last_words = json!({HANDLE: web.handle, NOTE: "a"});
        for (key, value) in &story.lies {
            last_words[*key] = json!(value);
        }
        let last_words = Patch::Merge(json!({"metadata": {"annotations": last_words}}));
        self.services(BANK).patch("second", &PatchParams::default(), &last_words).await?;
        for Attempt { name, .. } in &story.attempts {
            self.delete(BANK, name).await?;
        }
        for name in ["web", "second", "third"] {
            self.delete(BANK, name).await?;
        }
        self.unchanged(&before).await?;
        ensure!(self.made(SHOP, "web").await? == *web, "a's Service is not what it was");
        Ok(())
    }

    async fn tell_all_refusals(&self, web: &Made, story: &Story<'_>) -> Result<()> {
        ensure!(story.attempts.len() >= 20, "{} attempts", story.attempts.len());
        for Attempt { name, annotations, spec, .. } in &story.attempts {
            self.create(BANK, name, annotations, spec).await.with_context(|| (*name).to_owned())?;
        }
        let mut lines = BTreeMap::new();
        for Attempt { name, told, .. } in &story.attempts {
            let line = self.refused(name, told).await?;
            for secret in ["tenant \"a\"", "tenant=a", SHOP, &web.uid] {
                ensure!(!line.contains(secret), "{name} learns whose it is: {line}");
            }
            lines.insert(*name, line);
        }
        let [one, other] = story.alike.map(|(name, id)| lines[name].replace(id, "ID"));
        ensure!(one == other, "what is another's is told unlike what is not there: {one} {other}");
        Ok(())
    }

    /// Name, handle, note, status and labels of the other tenant's: a Service with them gets what is its own.
    async fn lies_lead_nowhere(&self, web: &Made, story: &Story<'_>) -> Result<()> {
        let mut annotations = vec![(NOTE, "a"), (HANDLE, web.handle.as_str())];
        annotations.extend(&story.public);
        annotations.extend(&story.lies);
        self.create(BANK, "web", &annotations, &json!({})).await?;
        let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": web.address}]}}});
        self.services(BANK).patch_status("web", &PatchParams::default(), &Patch::Merge(status)).await?;
        let own = async || {
            let made = self.made(BANK, "web").await?;
            ensure!(made.address != web.address, "it still shows the other's address");
            Ok(made)
        };
        let made = self.see("bank/web has an address of its own", own).await?;
        ensure!(made.handle != web.handle && made.uid != web.uid, "the other's was taken: {made:?}");
        ensure!(made.balancer.to_string().contains("tenant=b"), "it is not marked: {}", made.balancer);
        let service = self.services(BANK).get("web").await?;
        ensure!(service.annotations().get(NOTE).map(String::as_str) == Some("b"), "the note was believed");
        // Nor does a label of the Namespace say whose it is.
        let label = json!({"metadata": {"labels": {"ccm.cloudprovider.io/tenant": "a", TENANT_TAG: "a"}}});
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.patch(BANK, &PatchParams::default(), &Patch::Merge(label)).await?;
        Ok(())
    }

    /// One public address is there; a second load balancer is all there may be.
    async fn quotas_hold(&self, story: &Story<'_>) -> Result<()> {
        self.create(BANK, "second-address", &story.public, &json!({})).await?;
        self.refused("second-address", &["may have 1 public addresses and has 1", "raise the limit"]).await?;
        self.delete(BANK, "second-address").await?;
        self.create(BANK, "second", &story.inside, &json!({})).await?;
        self.made(BANK, "second").await?;
        self.create(BANK, "third", &story.inside, &json!({})).await?;
        self.refused("third", &["may have 2 load balancers and has 2", "raise the limit"]).await.map(drop)
    }
}
