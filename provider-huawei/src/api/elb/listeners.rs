//! Listeners, and the IP groups that say who may connect to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Id;
use crate::api::nothing::or_default;

/// A listener.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Listener {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Free text.
    #[serde(deserialize_with = "or_default")]
    pub description: String,
    /// `TCP`, `UDP`, `HTTP`, `HTTPS` (dedicated) or `TERMINATED_HTTPS` (shared), `QUIC`, `TLS`.
    #[serde(deserialize_with = "or_default")]
    pub protocol: String,
    /// The port clients connect to.
    #[serde(deserialize_with = "or_default")]
    pub protocol_port: u16,
    /// Its load balancer.
    #[serde(deserialize_with = "or_default")]
    pub loadbalancers: Vec<Id>,
    /// Where it sends traffic.
    #[serde(deserialize_with = "or_default")]
    pub default_pool_id: String,
    /// Its certificate.
    #[serde(deserialize_with = "or_default")]
    pub default_tls_container_ref: String,
    /// Headers it adds.
    #[serde(deserialize_with = "or_default")]
    pub insert_headers: BTreeMap<String, serde_json::Value>,
    /// Seconds an idle connection stays.
    pub keepalive_timeout: Option<u32>,
    /// Seconds to wait for a request.
    pub client_timeout: Option<u32>,
    /// Seconds to wait for a response.
    pub member_timeout: Option<u32>,
    /// Members see the client's address.
    pub transparent_client_ip_enable: Option<bool>,
    /// Who may connect.
    pub ipgroup: Option<IpGroupRef>,
}

/// A listener to make.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct NewListener {
    /// Its load balancer.
    pub loadbalancer_id: String,
    /// Where it sends traffic.
    pub default_pool_id: String,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// See [`Listener::protocol`].
    pub protocol: String,
    /// The port.
    pub protocol_port: u16,
    /// The rest.
    #[serde(flatten)]
    pub settings: ListenerChange,
}

/// What of a listener is set or changed.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct ListenerChange {
    /// Its name. Not set when it is made.
    #[serde(skip_serializing_if = "Option::is_none", rename = "name")]
    pub new_name: Option<String>,
    /// Free text. Not set when it is made.
    #[serde(skip_serializing_if = "Option::is_none", rename = "description")]
    pub new_description: Option<String>,
    /// Where it sends traffic. Not set when it is made.
    #[serde(skip_serializing_if = "Option::is_none", rename = "default_pool_id")]
    pub new_default_pool_id: Option<String>,
    /// Its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_tls_container_ref: Option<String>,
    /// Headers it adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insert_headers: Option<BTreeMap<&'static str, bool>>,
    /// Seconds an idle connection stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive_timeout: Option<u32>,
    /// Seconds to wait for a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_timeout: Option<u32>,
    /// Seconds to wait for a response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_timeout: Option<u32>,
    /// Members see the client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transparent_client_ip_enable: Option<bool>,
    /// Who may connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipgroup: Option<IpGroupRef>,
}

/// An IP group at a listener.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
pub struct IpGroupRef {
    /// The group.
    pub ipgroup_id: String,
    /// It has an effect.
    #[serde(deserialize_with = "or_default")]
    pub enable_ipgroup: bool,
    /// `white` or `black`.
    #[serde(deserialize_with = "or_default", rename = "type")]
    pub kind: String,
}

/// An IP group.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct IpGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Free text.
    #[serde(deserialize_with = "or_default")]
    pub description: String,
    /// Addresses and ranges.
    #[serde(deserialize_with = "or_default")]
    pub ip_list: Vec<IpRange>,
}

/// An entry of an IP group.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct IpRange {
    /// An address or a CIDR.
    pub ip: String,
}

/// An IP group to make, or what of it is changed.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct NewIpGroup {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// All entries.
    pub ip_list: Vec<IpRange>,
    /// Who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enterprise_project_id: Option<String>,
}
