//! Load balancers.

use serde::{Deserialize, Serialize};

use super::Id;
use crate::api::nothing::or_default;

/// A load balancer, as either version of the API shows it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct LoadBalancer {
    /// Its id.
    pub id: String,
    /// Its name, which need not be unique.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Free text, at most 255 characters.
    #[serde(deserialize_with = "or_default")]
    pub description: String,
    /// `ACTIVE`, `PENDING_*` or `ERROR`.
    #[serde(deserialize_with = "or_default")]
    pub provisioning_status: String,
    /// Dedicated. v2 does not say.
    pub guaranteed: Option<bool>,
    /// Its VPC.
    #[serde(deserialize_with = "or_default")]
    pub vpc_id: String,
    /// IPv4 subnet of the virtual address.
    #[serde(deserialize_with = "or_default", alias = "vip_subnet_id")]
    pub vip_subnet_cidr_id: String,
    /// Virtual IPv4 address.
    #[serde(deserialize_with = "or_default")]
    pub vip_address: String,
    /// Its port, which public addresses are bound to.
    #[serde(deserialize_with = "or_default")]
    pub vip_port_id: String,
    /// Virtual IPv6 address.
    #[serde(deserialize_with = "or_default")]
    pub ipv6_vip_address: String,
    /// Members may be given by address alone.
    #[serde(deserialize_with = "or_default")]
    pub ip_target_enable: bool,
    /// Bound public addresses, in v3's words.
    #[serde(deserialize_with = "or_default")]
    pub eips: Vec<BoundEip>,
    /// Bound public addresses, in v2's words.
    #[serde(deserialize_with = "or_default")]
    pub publicips: Vec<BoundEip>,
    /// Its listeners.
    #[serde(deserialize_with = "or_default")]
    pub listeners: Vec<Id>,
    /// Its pools.
    #[serde(deserialize_with = "or_default")]
    pub pools: Vec<Id>,
    /// Its tags.
    #[serde(deserialize_with = "or_default")]
    pub tags: Vec<Tag>,
    /// It cannot be deleted.
    #[serde(deserialize_with = "or_default")]
    pub deletion_protection_enable: bool,
    /// When it was made: UTC, with or without `Z`.
    #[serde(deserialize_with = "or_default")]
    pub created_at: String,
}

impl LoadBalancer {
    /// The public IPv4 address bound to it.
    pub fn eip(&self) -> Option<&BoundEip> {
        self.eips.iter().chain(&self.publicips).find(|eip| eip.ip_version != Some(6))
    }

    /// Whether changes can be made.
    pub fn is_active(&self) -> bool {
        self.provisioning_status == "ACTIVE"
    }
}

/// A public address bound to a load balancer.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct BoundEip {
    /// Its id.
    #[serde(alias = "publicip_id")]
    pub eip_id: String,
    /// The address.
    #[serde(deserialize_with = "or_default", alias = "publicip_address")]
    pub eip_address: String,
    /// 4 or 6.
    pub ip_version: Option<u8>,
}

/// A tag: v3 writes an object, v2 `key=value`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Tag {
    /// v3's.
    Pair {
        /// At most 36 characters.
        key: String,
        /// At most 43 characters.
        value: String,
    },
    /// v2's.
    Text(String),
}

impl Tag {
    /// Key and value.
    pub fn pair(&self) -> (&str, &str) {
        match self {
            Self::Pair { key, value } => (key, value),
            Self::Text(text) => text.split_once('=').unwrap_or((text, "")),
        }
    }
}

/// A dedicated load balancer to make (v3).
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct NewLoadBalancer {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Subnet of the virtual IPv4 address.
    pub vip_subnet_cidr_id: String,
    /// The virtual IPv4 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_address: Option<String>,
    /// Network of the virtual IPv6 address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_vip_virsubnet_id: Option<String>,
    /// Its zones.
    pub availability_zone_list: Vec<String>,
    /// Flavor for TCP and UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l4_flavor_id: Option<String>,
    /// Flavor for HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l7_flavor_id: Option<String>,
    /// Public addresses to bind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publicip_ids: Vec<String>,
    /// A public address to allocate and bind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publicip: Option<NewPublicIp>,
    /// Members by address alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ip_target_enable: bool,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enterprise_project_id: Option<String>,
}

/// A public address to allocate with a load balancer.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct NewPublicIp {
    /// 4 or 6.
    pub ip_version: u8,
    /// Line: `5_bgp`.
    pub network_type: String,
    /// Its bandwidth.
    pub bandwidth: Bandwidth,
}

/// A bandwidth to make, or a shared one to join.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Bandwidth {
    /// The shared one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// At most 64 letters, digits, `_`, `-` and `.`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// `traffic` or `bandwidth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge_mode: Option<String>,
    /// `PER` or `WHOLE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_type: Option<String>,
}

/// A shared load balancer to make (v2).
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct NewSharedLoadBalancer {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Subnet of the virtual address.
    pub vip_subnet_id: String,
    /// The virtual address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip_address: Option<String>,
    /// `vlb`.
    pub provider: &'static str,
    /// Who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enterprise_project_id: Option<String>,
}

/// What of a load balancer is changed.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct LoadBalancerChange {
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Members by address alone; cannot be switched off again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_target_enable: Option<bool>,
}
