//! Nodes, registered and kept alive as a kubelet with `--cloud-provider=external` does it: with the uninitialized taint, no
//! providerID, a host name for its only address, and a Ready condition that it renews.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus, Taint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";
const PROVIDED_NODE_IP: &str = "alpha.kubernetes.io/provided-node-ip";
/// How often a kubelet renews what it says about its node.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What the kubelet on a machine is started with.
#[derive(Clone, Debug, Default)]
pub struct NodeSettings {
    /// Name of the node.
    pub name: String,
    /// `--node-ip`: one address, or one of each family with a comma between.
    pub node_ip: Option<String>,
    /// The range of pod addresses, which an address allocator would give it.
    pub pod_cidr: Option<String>,
    /// `--node-labels`.
    pub labels: BTreeMap<String, String>,
    /// `--provider-id`.
    pub provider_id: Option<String>,
    /// `--cloud-provider=external` is not set: there is no taint, and the kubelet says its node's address itself.
    pub without_cloud: bool,
}

impl NodeSettings {
    /// A node of this name, with nothing set.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The Node object it registers.
    pub fn node(&self) -> Node {
        let mut labels = BTreeMap::from(
            [
                ("kubernetes.io/hostname", self.name.as_str()),
                ("kubernetes.io/os", "linux"),
                ("kubernetes.io/arch", "amd64"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        labels.extend(self.labels.clone());
        let annotation = |ip: &String| BTreeMap::from([(PROVIDED_NODE_IP.to_owned(), ip.clone())]);
        Node {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(labels),
                annotations: self.node_ip.as_ref().map(annotation),
                ..ObjectMeta::default()
            },
            spec: Some(NodeSpec {
                pod_cidr: self.pod_cidr.clone(),
                pod_cidrs: self.pod_cidr.clone().map(|cidr| vec![cidr]),
                provider_id: self.provider_id.clone(),
                taints: (!self.without_cloud).then(|| vec![uninitialized()]),
                ..NodeSpec::default()
            }),
            status: Some(self.status()),
        }
    }

    fn status(&self) -> NodeStatus {
        let capacity = [("cpu", "4"), ("memory", "16Gi"), ("pods", "110")];
        let capacity = BTreeMap::from(capacity.map(|(key, value)| (key.to_owned(), Quantity(value.to_owned()))));
        let address = |kind: &str, address: &String| NodeAddress { type_: kind.to_owned(), address: address.clone() };
        let inside = self.node_ip.iter().filter(|_| self.without_cloud).map(|ip| address("InternalIP", ip));
        NodeStatus {
            addresses: Some(inside.chain([address("Hostname", &self.name)]).collect()),
            allocatable: Some(capacity.clone()),
            capacity: Some(capacity),
            conditions: Some(vec![Readiness::Ready.condition()]),
            ..NodeStatus::default()
        }
    }
}

fn uninitialized() -> Taint {
    Taint {
        key: UNINITIALIZED.to_owned(),
        value: Some("true".to_owned()),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    }
}

/// What the Ready condition of a node can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The kubelet is well.
    Ready,
    /// The kubelet says that it is not.
    NotReady,
    /// Nobody has heard of the kubelet for a while; the node-lifecycle controller writes this.
    Unknown,
}

impl Readiness {
    fn condition(self) -> NodeCondition {
        let (status, reason, message) = match self {
            Self::Ready => ("True", "KubeletReady", "kubelet is posting ready status"),
            Self::NotReady => ("False", "KubeletNotReady", "container runtime is down"),
            Self::Unknown => ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."),
        };
        let now = Time(Timestamp::now());
        NodeCondition {
            type_: "Ready".to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_heartbeat_time: Some(now.clone()),
            last_transition_time: Some(now),
        }
    }
}

/// The kubelet of one node. Dropping it ends the heartbeats and leaves the Node as it is.
#[derive(Debug)]
pub struct FakeKubelet {
    name: String,
    nodes: Api<Node>,
    readiness: watch::Sender<Readiness>,
    heartbeats: JoinHandle<()>,
}

impl FakeKubelet {
    /// Registers the node and keeps saying that it is ready.
    pub async fn start(client: &Client, settings: &NodeSettings) -> Result<Self> {
        let nodes = Api::<Node>::all(client.clone());
        register(&nodes, settings).await?;
        let (readiness, said) = watch::channel(Readiness::Ready);
        let heartbeats = tokio::spawn(heartbeats(nodes.clone(), settings.name.clone(), said));
        Ok(Self { name: settings.name.clone(), nodes, readiness, heartbeats })
    }

    /// Name of the node.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes the Ready condition, at once and from now on. [`Readiness::Unknown`] is what becomes of a node whose machine
    /// was switched off, once the node-lifecycle controller has noticed.
    pub async fn set(&self, readiness: Readiness) -> Result<()> {
        self.readiness.send_replace(readiness);
        say(&self.nodes, &self.name, readiness).await
    }
}

impl Drop for FakeKubelet {
    fn drop(&mut self) {
        self.heartbeats.abort();
    }
}

async fn heartbeats(nodes: Api<Node>, name: String, readiness: watch::Receiver<Readiness>) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let said = *readiness.borrow();
        if said != Readiness::Unknown {
            // The apiserver may be down, or the node gone: a kubelet tries again with the next beat.
            let _ = say(&nodes, &name, said).await;
        }
    }
}

/// Writes the Ready condition of a node once. Conditions merge by their type, so that nothing else in the status is touched.
pub async fn say(nodes: &Api<Node>, name: &str, readiness: Readiness) -> Result<()> {
    let status = json!({ "status": { "conditions": [readiness.condition()] } });
    nodes
        .patch_status(name, &PatchParams::default(), &Patch::Strategic(status))
        .await
        .with_context(|| format!("post the status of node {name}"))?;
    Ok(())
}

async fn register(nodes: &Api<Node>, settings: &NodeSettings) -> Result<()> {
    nodes
        .create(&PostParams::default(), &settings.node())
        .await
        .with_context(|| format!("register node {}", settings.name))?;
    Ok(())
}

/// Registers many nodes, so many at a time, without heartbeats.
pub async fn register_all(client: &Client, settings: &[NodeSettings], parallel: usize) -> Result<()> {
    let nodes = Api::<Node>::all(client.clone());
    stream::iter(settings).map(|settings| register(&nodes, settings)).buffer_unordered(parallel).try_collect().await
}
