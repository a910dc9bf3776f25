//! What is asked of a provider and what it answers, in the controller's own words. The facade translates to and from the
//! wire and lets nothing through that is not well-formed, so the decisions can take these values at their word.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use crate::{
    fault::Fault,
    time::Timestamp,
    view::{Ingress, NodeAddress, Protocol},
};

/// What is known of the machine behind one node.
#[derive(Clone, Debug, PartialEq)]
pub enum InstanceAnswer {
    /// It exists.
    Found(Instance),
    /// The cloud itself said about this one machine that it is not there.
    NotFound(Absence),
    /// Somebody else's machine: leave the node alone.
    NotOurs {
        /// For people.
        reason: String,
    },
    /// Nothing can be said. Never absence.
    Unknown(Fault),
}

/// An [`InstanceAnswer`] and when the cloud gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// What is known.
    pub answer: InstanceAnswer,
    /// When the cloud said so.
    pub at: Timestamp,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `<scheme>://<id>`, of a scheme this provider owns.
    pub provider_id: String,
    /// `None`: not known, the label is not written.
    pub instance_type: Option<String>,
    /// `None`: not known.
    pub zone: Option<String>,
    /// `None`: not known.
    pub region: Option<String>,
    /// In the order the Node shows them. Empty: not known, the Node's stay.
    pub addresses: Vec<NodeAddress>,
    /// Power state.
    pub state: InstanceState,
    /// Further labels, unfiltered.
    pub labels: BTreeMap<String, String>,
    /// The account it is in.
    pub account: String,
}

/// Power state of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// Being made or starting.
    Pending,
    /// Running.
    Running,
    /// Rebooting, resizing, on its way down: may come back by itself.
    Changing,
    /// Stopped until somebody starts it.
    Stopped,
    /// Deletion has begun but it is still there.
    Terminating,
    /// In an error state of the cloud's.
    Failed,
    /// Not said: nothing may be concluded.
    Unknown,
}

impl InstanceState {
    /// Whether the machine is down for good as far as scheduling goes.
    pub const fn is_shutdown(self) -> bool {
        matches!(self, Self::Stopped | Self::Terminating)
    }
}

/// The cloud's own word that one machine is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Account asked.
    pub account: String,
    /// Region asked.
    pub region: String,
    /// The cloud's words.
    pub evidence: String,
}

/// An account in a region that a provider serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    /// The cloud's id of it.
    pub id: String,
    /// Region.
    pub region: String,
}

/// A behaviour a provider announced. Unknown ones are dropped by the facade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Capability {
    Instances,
    InstanceWatch,
    LoadBalancers,
    LoadBalancerPlan,
    LoadBalancerList,
    PodEndpoints,
    DualStack,
    MemberDrain,
    Routes,
    Clusters,
    Registries,
    Tenants,
}

impl Capability {
    /// Every behaviour this build knows.
    pub const ALL: [Self; 12] = [
        Self::Instances,
        Self::InstanceWatch,
        Self::LoadBalancers,
        Self::LoadBalancerPlan,
        Self::LoadBalancerList,
        Self::PodEndpoints,
        Self::DualStack,
        Self::MemberDrain,
        Self::Routes,
        Self::Clusters,
        Self::Registries,
        Self::Tenants,
    ];
}

/// What a node look-up sends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeReference {
    /// Name of the Node.
    pub node_name: String,
    /// UID of the Node.
    pub node_uid: String,
    /// `spec.providerID`; empty when unset.
    pub provider_id: String,
    /// `status.addresses`.
    pub addresses: Vec<NodeAddress>,
    /// All annotations kept of the Node; the facade sends those under the provider's prefixes.
    pub annotations: BTreeMap<String, String>,
}

/// Which load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerKey {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub name: String,
    /// UID of the Service.
    pub uid: String,
    /// Tenant of the namespace; empty for the default.
    pub tenant: String,
    /// The handle kept on the Service; empty when there is none.
    pub handle: String,
    /// An ensure of it may have been made whose answer was not kept.
    pub attempted: bool,
    /// Addresses and host names that the Service shows.
    pub published: Vec<String>,
}

/// What a load balancer should be. Annotations are all the Service's; the facade sends those under the provider's prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerSpec {
    /// Ports, in the Service's order.
    pub ports: Vec<crate::view::ServicePort>,
    /// Normalised; empty means everybody.
    pub source_ranges: Vec<String>,
    /// `externalTrafficPolicy: Local`.
    pub local_traffic: bool,
    /// `healthCheckNodePort`, when it is used.
    pub health_check_node_port: Option<u16>,
    /// Client-IP affinity and its timeout.
    pub client_ip_affinity: Option<Duration>,
    /// `loadBalancerIP`.
    pub load_balancer_ip: String,
    /// `loadBalancerClass`.
    pub load_balancer_class: String,
    /// `ipFamilies`.
    pub ip_families: Vec<crate::view::IpFamily>,
    /// `ipFamilyPolicy`.
    pub ip_family_policy: crate::view::IpFamilyPolicy,
    /// All annotations of the Service.
    pub annotations: BTreeMap<String, String>,
    /// `externalIPs`.
    pub external_ips: Vec<String>,
}

/// A node that receives traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeMember {
    /// Name of the Node.
    pub node_name: String,
    /// Its providerID; may be empty.
    pub provider_id: String,
    /// Its addresses.
    pub addresses: Vec<NodeAddress>,
    /// Its zone; may be empty.
    pub zone: String,
    /// About to go away.
    pub draining: bool,
}

/// A pod that receives traffic directly.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct EndpointMember {
    pub address: IpAddr,
    pub port: u16,
    pub port_name: String,
    pub node_name: String,
    pub zone: String,
    pub ready: bool,
    pub draining: bool,
}

/// How far a load balancer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Traffic can flow; never empty.
    Ready {
        /// The ways in.
        ingress: Vec<Ingress>,
        /// The hash the cloud's record holds; empty when it cannot hold one.
        spec_hash: String,
    },
    /// Ask again after this time.
    InProgress {
        /// 100 ms to 5 min.
        poll_after: Duration,
        /// What is being waited for.
        message: String,
    },
}

/// The answer to ensure, update members and get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerState {
    /// How far it is.
    pub phase: Phase,
    /// To be kept on the Service; empty means "keep what you have".
    pub handle: String,
    /// To become Events.
    pub notices: Vec<Notice>,
}

/// The answer to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteState {
    /// `None`: nothing of ours is left. `Some`: ask again after this time.
    pub in_progress: Option<(Duration, String)>,
    /// To become Events.
    pub notices: Vec<Notice>,
}

/// Something a person should read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Warning or Normal.
    pub warning: bool,
    /// Reason of the Event.
    pub reason: String,
    /// Text of the Event.
    pub message: String,
}

/// A route of the cloud's table, or one to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The cloud's name; empty on creation.
    pub name: String,
    /// Node it leads to; empty when unknown.
    pub target_node: String,
    /// Addresses of the target.
    pub target_addresses: Vec<NodeAddress>,
    /// The provider wants the route replaced when the addresses differ.
    pub compare_addresses: bool,
    /// One CIDR.
    pub destination_cidr: String,
    /// It leads nowhere.
    pub blackhole: bool,
    /// providerID of the target, for creation.
    pub target_provider_id: String,
    /// Annotations of the target Node, for creation.
    pub annotations: BTreeMap<String, String>,
}

/// One mutating call to the cloud that a load balancer still needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanStep {
    /// The cloud's name of the call.
    pub action: String,
    /// What it acts on.
    pub target: String,
    /// Why, for people.
    pub reason: String,
    /// The cloud has to be waited for afterwards.
    pub waits: bool,
}

/// A load balancer found by the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedLoadBalancer {
    /// Namespace of the Service; may be empty.
    pub namespace: String,
    /// Name of the Service; may be empty.
    pub name: String,
    /// UID of the Service.
    pub uid: String,
    /// The tenant it was asked for as; empty: the caller's own.
    pub tenant: String,
    /// The provider's handle of it.
    pub handle: String,
    /// The cloud's name of it.
    pub cloud_name: String,
}

/// The protocol's wire-independent name.
impl Protocol {
    /// As Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}
