//! What the controller keeps of Kubernetes objects: only the fields a decision reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use crate::time::Timestamp;

/// The kind of a node address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum AddressType {
    Hostname,
    InternalIp,
    ExternalIp,
    InternalDns,
    ExternalDns,
}

impl AddressType {
    /// As Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hostname => "Hostname",
            Self::InternalIp => "InternalIP",
            Self::ExternalIp => "ExternalIP",
            Self::InternalDns => "InternalDNS",
            Self::ExternalDns => "ExternalDNS",
        }
    }

    /// Reads what Kubernetes writes; `None` for a kind this build does not know.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hostname, Self::InternalIp, Self::ExternalIp, Self::InternalDns, Self::ExternalDns]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// One address of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeAddress {
    /// Kind.
    pub kind: AddressType,
    /// IP literal or DNS name.
    pub address: String,
}

impl NodeAddress {
    /// An address of this kind.
    pub fn new(kind: AddressType, address: impl Into<String>) -> Self {
        Self { kind, address: address.into() }
    }
}

/// A taint. `time_added` is kept so that taints of others are written back unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value; `None` when absent.
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
    /// RFC 3339, as read.
    pub time_added: Option<String>,
}

/// The three values of a condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// A condition of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Status.
    pub status: ConditionStatus,
    /// CamelCase reason.
    pub reason: String,
    /// When the status last changed; `None` when the writer did not say.
    pub last_transition: Option<Timestamp>,
}

/// A Node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.creationTimestamp`.
    pub created: Timestamp,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// Keys of the labels whose present value our node controller wrote (field manager
    /// [`crate::names::FIELD_MANAGER_NODE`]). A label that somebody else has written since is no longer among them.
    pub owned_labels: BTreeSet<String>,
    /// Annotations, without values over 4 KiB and the `kubectl` last-applied one.
    pub annotations: BTreeMap<String, String>,
    /// `spec.providerID`; empty when unset.
    pub provider_id: String,
    /// `spec.podCIDRs`.
    pub pod_cidrs: Vec<String>,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// `status.addresses`, in order; kinds this build does not know are left out.
    pub addresses: Vec<NodeAddress>,
    /// Condition `Ready`; `None` when absent.
    pub ready: Option<Condition>,
    /// Condition `NetworkUnavailable`; `None` when absent.
    pub network_unavailable: Option<Condition>,
    /// Condition [`crate::names::CONDITION_REMOVAL_BLOCKED`]; `None` when absent.
    pub removal_blocked: Option<Condition>,
}

impl Node {
    /// Whether a taint with this key is there, whatever its value and effect.
    pub fn has_taint_key(&self, key: &str) -> bool {
        self.taints.iter().any(|taint| taint.key == key)
    }

    /// Whether condition `Ready` is `True`.
    pub fn is_ready(&self) -> bool {
        self.ready.as_ref().is_some_and(|ready| ready.status == ConditionStatus::True)
    }

    /// The scheme of the providerID: what stands before `://`. `Some("")` for an id without one, `None` when unset.
    pub fn provider_id_scheme(&self) -> Option<&str> {
        if self.provider_id.is_empty() {
            return None;
        }
        Some(self.provider_id.split_once("://").map_or("", |(scheme, _)| scheme))
    }
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// An IP family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum IpFamily {
    V4,
    V6,
}

/// `spec.ipFamilyPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IpFamilyPolicy {
    #[default]
    SingleStack,
    PreferDualStack,
    RequireDualStack,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ServicePort {
    pub name: String,
    pub protocol: Protocol,
    pub port: u16,
    /// `None`: not allocated.
    pub node_port: Option<u16>,
    /// As written: a number or a name; empty when unset.
    pub target_port: String,
    /// Empty when unset.
    pub app_protocol: String,
}

/// `spec.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ServiceType {
    #[default]
    ClusterIp,
    NodePort,
    LoadBalancer,
    ExternalName,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// All annotations but the `kubectl` last-applied one.
    pub annotations: BTreeMap<String, String>,
    /// `spec.type`.
    pub kind: ServiceType,
    /// `spec.loadBalancerClass`; `None` when unset.
    pub load_balancer_class: Option<String>,
    /// `spec.loadBalancerIP`; empty when unset.
    pub load_balancer_ip: String,
    /// `spec.loadBalancerSourceRanges`, as written.
    pub source_ranges: Vec<String>,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// `spec.sessionAffinity` is `ClientIP`: its timeout.
    pub client_ip_affinity: Option<Duration>,
    /// `spec.externalIPs`.
    pub external_ips: Vec<String>,
    /// `spec.externalTrafficPolicy` is `Local`.
    pub local_traffic: bool,
    /// `spec.healthCheckNodePort`; `None` when zero or unset.
    pub health_check_node_port: Option<u16>,
    /// `spec.ipFamilies`.
    pub ip_families: Vec<IpFamily>,
    /// `spec.ipFamilyPolicy`.
    pub ip_family_policy: IpFamilyPolicy,
    /// `status.loadBalancer.ingress`.
    pub ingress: Vec<Ingress>,
}

impl Service {
    /// The addresses and host names that its status shows.
    pub fn published(&self) -> Vec<String> {
        let shown = self.ingress.iter().map(|way| if way.ip.is_empty() { &way.hostname } else { &way.ip });
        shown.filter(|address| !address.is_empty()).cloned().collect()
    }
}

/// An `EndpointSlice`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSlice {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Name of the Service whose endpoints these are; empty when they are nobody's.
    pub service: String,
    /// Ports every endpoint listens on.
    pub ports: Vec<EndpointPort>,
    /// Endpoints that have an IP address.
    pub endpoints: Vec<Endpoint>,
}

/// A port of the endpoints of an [`EndpointSlice`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPort {
    /// Name of the Service's port; empty for its only one.
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// What is listened on.
    pub port: u16,
}

/// An endpoint of an [`EndpointSlice`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The first address. All of them are of the same pod, and no more than one is to be used.
    pub address: IpAddr,
    /// It may get new connections.
    pub ready: bool,
    /// It answers, be it terminating or not.
    pub serving: bool,
    /// It is about to go away.
    pub terminating: bool,
    /// Name of its Node; empty when not known.
    pub node_name: String,
    /// Its zone; empty when not known.
    pub zone: String,
}

/// A way into a load balancer, as in `status.loadBalancer.ingress`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingress {
    /// Empty when a hostname is given.
    pub ip: String,
    /// Empty when an IP is given.
    pub hostname: String,
    /// `VIP` or `Proxy`; `None` when unset.
    pub ip_mode: Option<IpMode>,
    /// Ports and what is wrong with them.
    pub ports: Vec<PortStatus>,
}

/// How packets arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IpMode {
    Vip,
    Proxy,
}

/// A port in [`Ingress`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PortStatus {
    pub port: u16,
    pub protocol: Protocol,
    /// `None`: the port works.
    pub error: Option<String>,
}
