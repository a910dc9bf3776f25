//! The world a scenario describes: who the provider is and what its cloud holds and allows.

use std::{collections::BTreeMap, fmt, net::IpAddr, time::Duration};

use cloud_provider_api::v1::Capability;
use ipnet::Ipv4Net;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Glob, text};
use crate::cloud::{Address, AddressKind, MachineState, Route};

/// Who the provider is, as the handshake tells it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ProviderSettings {
    /// Name of the provider. Default `mock`.
    pub name: String,
    /// Schemes of providerIDs it owns; the first is written on machines made here. Default: the name.
    pub schemes: Vec<String>,
    /// Minors of the API it speaks. Default: those of this build.
    pub api_minors: Vec<u32>,
    /// Capabilities it announces, as in the proto file without `CAPABILITY_`. Default: all it has, `CLUSTERS` and
    /// `REGISTRIES` only with such data, `TENANTS` only with tenants, `POD_ENDPOINTS` only when it is named here. A call
    /// behind one that is missing answers UNIMPLEMENTED.
    #[serde(deserialize_with = "capabilities")]
    pub capabilities: Option<Vec<Capability>>,
    /// Prefixes of annotations it reads.
    pub annotation_prefixes: Vec<String>,
    /// Annotations by which Services pick their nodes. Default: `mock.cloudprovider.io/node-selector`.
    pub node_selector_annotations: Vec<String>,
    /// Most nodes in one `BatchGetInstances`. Default 100.
    pub max_instances: u32,
    /// Most routes in one call. Default 100.
    pub max_routes: u32,
    /// Most members of a load balancer. Default 5000.
    pub max_members: u32,
    /// How many load balancer calls at once are useful. Default 10.
    pub load_balancer_concurrency: u32,
}

impl Default for ProviderSettings {
    fn default() -> Self {
        Self {
            name: "mock".to_owned(),
            schemes: Vec::new(),
            api_minors: cloud_provider_api::API_MINORS.to_vec(),
            capabilities: None,
            annotation_prefixes: vec![
                crate::annotations::PREFIX.to_owned(),
                crate::annotations::PROVIDED_NODE_IP.to_owned(),
            ],
            node_selector_annotations: vec![crate::annotations::NODE_SELECTOR.to_owned()],
            max_instances: 100,
            max_routes: 100,
            max_members: 5000,
            load_balancer_concurrency: 10,
        }
    }
}

impl ProviderSettings {
    /// The schemes it owns, never empty.
    pub fn schemes(&self) -> &[String] {
        if self.schemes.is_empty() { std::slice::from_ref(&self.name) } else { &self.schemes }
    }
}

/// An account in a region.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AccountSettings {
    /// The cloud's id of it.
    pub id: String,
    /// Region.
    pub region: String,
    /// Zones. Default: the region's name with `-a`, `-b` and `-c`.
    #[serde(default)]
    pub zones: Vec<String>,
}

impl AccountSettings {
    /// The zones, never empty.
    pub fn zones(&self) -> Vec<String> {
        if self.zones.is_empty() {
            ["a", "b", "c"].map(|zone| format!("{}-{zone}", self.region)).to_vec()
        } else {
            self.zones.clone()
        }
    }
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self { id: "mock-account".to_owned(), region: "mock-region".to_owned(), zones: Vec::new() }
    }
}

/// Where addresses come from. Two mocks on one machine that carry traffic want networks of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Network {
    /// Addresses of machines that nobody gave one. Default `127.2.0.0/16`.
    #[serde(deserialize_with = "text::parse")]
    pub machines: Ipv4Net,
    /// Addresses of load balancers. Default `127.1.0.0/16`.
    #[serde(deserialize_with = "text::parse")]
    pub load_balancers: Ipv4Net,
}

impl Default for Network {
    fn default() -> Self {
        let network = |octet| Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, octet, 0, 0), 16);
        Self { machines: network(2), load_balancers: network(1) }
    }
}

/// Whether machines are made for whoever is asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InstanceMode {
    /// A node without a providerID gets a machine of its name; an id nobody terminated is taken in.
    #[default]
    OnDemand,
    /// Only the machines of the list and those added at run time exist.
    Listed,
}

/// What machines there are. Also written as the mode alone: `instances: onDemand`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstanceSettings {
    /// Made on demand or listed. Default: on demand without a list, listed with one.
    pub mode: InstanceMode,
    /// With `onDemand`: only nodes whose name matches one of these get a machine, the others are not ours. Default: all.
    pub names: Vec<Glob>,
    /// Types given to machines that do not say theirs. Default `mock.small`.
    pub types: Vec<String>,
    /// The machines there are at the start.
    pub list: Vec<MachineSettings>,
}

impl InstanceSettings {
    /// Whether a node of this name gets a machine on demand.
    pub fn claims(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|glob| glob.matches(name))
    }

    /// The types, never empty.
    pub fn types(&self) -> Vec<String> {
        if self.types.is_empty() { vec!["mock.small".to_owned()] } else { self.types.clone() }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[derive(Default)]
struct InstanceFields {
    mode: Option<InstanceMode>,
    names: Vec<Glob>,
    types: Vec<String>,
    list: Vec<MachineSettings>,
}

impl<'de> Deserialize<'de> for InstanceSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = InstanceSettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`onDemand`, `listed`, or a map of mode, names, types and list")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
                let mode = match value {
                    "onDemand" => InstanceMode::OnDemand,
                    "listed" => InstanceMode::Listed,
                    _ => return Err(E::unknown_variant(value, &["onDemand", "listed"])),
                };
                Ok(InstanceSettings { mode, ..InstanceSettings::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let fields = InstanceFields::deserialize(MapAccessDeserializer::new(map))?;
                let implied = if fields.list.is_empty() { InstanceMode::OnDemand } else { InstanceMode::Listed };
                Ok(InstanceSettings {
                    mode: fields.mode.unwrap_or(implied),
                    names: fields.names,
                    types: fields.types,
                    list: fields.list,
                })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A machine, as a scenario or the control endpoint describes it. What is not said follows from the name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MachineSettings {
    /// Name of the machine and of its node.
    pub name: String,
    /// The cloud's id, the part of the providerID after `://`.
    #[serde(default)]
    pub id: Option<String>,
    /// Account id. Default: the first.
    #[serde(default)]
    pub account: Option<String>,
    /// Zone. Default: one of the account's.
    #[serde(default)]
    pub zone: Option<String>,
    /// Machine type. Default: one of the listed types.
    #[serde(default, rename = "type")]
    pub instance_type: Option<String>,
    /// Addresses in the order nodes show them. Default: a loopback address, the name, and a DNS name.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// Power state. Default `running`.
    #[serde(default)]
    pub state: MachineState,
    /// Labels the node gets.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// How the cloud's load balancers behave.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LoadBalancerSettings {
    /// How long the cloud takes to make one. Default 500 ms.
    #[serde(deserialize_with = "text::duration")]
    pub provisioning: Duration,
    /// How many are made at once; the others queue. Default 10.
    pub parallel: u32,
    /// How long the cloud takes to delete one. Default 0.
    #[serde(deserialize_with = "text::duration")]
    pub deletion: Duration,
    /// How long each cloud call of an ensure or delete takes. Default 0.
    #[serde(deserialize_with = "text::duration")]
    pub call_duration: Duration,
    /// Longest `poll_after` to answer. Default 5 s.
    #[serde(deserialize_with = "text::duration")]
    pub longest_poll: Duration,
    /// Most load balancers of an account, or of a tenant that has no quota of its own. Default: no limit.
    pub quota: Option<u32>,
    /// How packets arrive, told in the ingress. Default `proxy`, which is what the carried traffic does.
    pub ip_mode: IpModeSetting,
}

impl Default for LoadBalancerSettings {
    fn default() -> Self {
        Self {
            provisioning: Duration::from_millis(500),
            parallel: 10,
            deletion: Duration::ZERO,
            call_duration: Duration::ZERO,
            longest_poll: Duration::from_secs(5),
            quota: None,
            ip_mode: IpModeSetting::default(),
        }
    }
}

/// Kubernetes' `ipMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum IpModeSetting {
    /// Connections arrive with the node's address as destination.
    #[default]
    Proxy,
    /// Packets arrive with the load balancer's address as destination.
    Vip,
}

/// How the cloud's route table behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RouteSettings {
    /// Most routes of the table. Default: no limit.
    pub quota: Option<u32>,
    /// Routes whose addresses differ from their node's are to be replaced. Default false.
    pub compare_addresses: bool,
    /// Routes of others that are in the table from the start.
    pub list: Vec<RouteEntry>,
}

/// A route that nobody asked this provider to make.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RouteEntry {
    /// The cloud's name of it.
    pub name: String,
    /// One CIDR.
    pub destination: String,
    /// Name of the machine it leads to. Empty: none of this cluster's.
    #[serde(default)]
    pub target: String,
    /// Addresses of the target.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// It leads nowhere.
    #[serde(default)]
    pub blackhole: bool,
}

impl From<&RouteEntry> for Route {
    fn from(entry: &RouteEntry) -> Self {
        let address = |ip: &IpAddr| Address::new(AddressKind::InternalIP, ip.to_string());
        Self {
            name: entry.name.clone(),
            destination: entry.destination.clone(),
            target: entry.target.clone(),
            addresses: entry.addresses.iter().map(address).collect(),
            cluster: String::new(),
            blackhole: entry.blackhole,
        }
    }
}

/// An account profile that callers may name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TenantSettings {
    /// The name in requests.
    pub name: String,
    /// Most load balancers of this tenant. Default: `loadBalancers.quota`.
    #[serde(default)]
    pub quota: Option<u32>,
}

/// A managed cluster that Clusters tells of. Its kubeconfigs are made up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClusterSettings {
    /// The cloud's id.
    pub id: String,
    /// Default: the id.
    #[serde(default)]
    pub name: Option<String>,
    /// Kubernetes version.
    #[serde(default)]
    pub version: String,
    /// URL of the public endpoint. Absent: it has none.
    #[serde(default)]
    pub public_endpoint: Option<String>,
    /// URL of the endpoint inside the VPC. Absent: it has none.
    #[serde(default)]
    pub vpc_endpoint: Option<String>,
}

/// An image registry that Registries tells of. Its credentials are made up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RegistrySettings {
    /// The cloud's id.
    pub id: String,
    /// Default: the id.
    #[serde(default)]
    pub name: Option<String>,
    /// Hosts images are pulled from.
    pub hosts: Vec<String>,
    /// Users that are there from the start and not ours.
    #[serde(default)]
    pub users: Vec<String>,
}

fn capabilities<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Capability>>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names
        .into_iter()
        .map(|name| {
            Capability::from_str_name(&format!("CAPABILITY_{name}")).ok_or_else(|| {
                de::Error::custom(format!(
                    "unknown capability {name:?}: write one of the proto file's without CAPABILITY_, for instance ROUTES"
                ))
            })
        })
        .collect::<Result<_, _>>()
        .map(Some)
}
