//! Machines.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use cloud_provider_api::v1;
use serde::{Deserialize, Serialize};

/// Power state of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MachineState {
    /// Being made or starting.
    Pending,
    /// Running.
    #[default]
    Running,
    /// Rebooting, resizing, on its way down.
    Changing,
    /// Stopped until somebody starts it.
    Stopped,
    /// Deletion has begun, the cloud still shows it.
    Terminating,
    /// In an error state.
    Failed,
    /// Gone: the cloud answers that there is no such machine.
    Terminated,
}

impl MachineState {
    /// The API's word for it. `None` when the machine is gone.
    pub const fn on_wire(self) -> Option<v1::InstanceState> {
        match self {
            Self::Pending => Some(v1::InstanceState::Pending),
            Self::Running => Some(v1::InstanceState::Running),
            Self::Changing => Some(v1::InstanceState::Changing),
            Self::Stopped => Some(v1::InstanceState::Stopped),
            Self::Terminating => Some(v1::InstanceState::Terminating),
            Self::Failed => Some(v1::InstanceState::Failed),
            Self::Terminated => None,
        }
    }
}

/// The kind of an address, in Kubernetes' spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum AddressKind {
    Hostname,
    InternalIP,
    ExternalIP,
    InternalDNS,
    ExternalDNS,
}

/// An address of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: AddressKind,
    /// An IP literal for the IP kinds, a DNS name otherwise.
    pub address: String,
}

impl Address {
    /// An address of a kind.
    pub fn new(kind: AddressKind, address: impl Into<String>) -> Self {
        Self { kind, address: address.into() }
    }

    /// `None` for a kind that is unspecified or unknown.
    pub fn from_wire(address: &v1::NodeAddress) -> Option<Self> {
        let kind = match address.r#type() {
            v1::AddressType::Hostname => AddressKind::Hostname,
            v1::AddressType::InternalIp => AddressKind::InternalIP,
            v1::AddressType::ExternalIp => AddressKind::ExternalIP,
            v1::AddressType::InternalDns => AddressKind::InternalDNS,
            v1::AddressType::ExternalDns => AddressKind::ExternalDNS,
            v1::AddressType::Unspecified => return None,
        };
        Some(Self::new(kind, address.address.clone()))
    }

    /// What is wrong with it, if anything.
    pub fn fault(&self) -> Option<String> {
        let ip = matches!(self.kind, AddressKind::InternalIP | AddressKind::ExternalIP);
        if ip && self.address.parse::<IpAddr>().is_err() {
            return Some(format!(
                "{:?} is not an IP address: write one, or choose a DNS or Hostname type",
                self.address
            ));
        }
        (self.address.is_empty() || self.address.len() > 253).then(|| "an address has 1 to 253 bytes".to_owned())
    }
}

impl From<&Address> for v1::NodeAddress {
    fn from(address: &Address) -> Self {
        let kind = match address.kind {
            AddressKind::Hostname => v1::AddressType::Hostname,
            AddressKind::InternalIP => v1::AddressType::InternalIp,
            AddressKind::ExternalIP => v1::AddressType::ExternalIp,
            AddressKind::InternalDNS => v1::AddressType::InternalDns,
            AddressKind::ExternalDNS => v1::AddressType::ExternalDns,
        };
        Self { r#type: kind.into(), address: address.address.clone() }
    }
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// The cloud's id.
    pub id: Arc<str>,
    /// Name of the machine and of its node.
    pub name: Arc<str>,
    /// Account it is in.
    pub account: Arc<str>,
    /// Region of the account.
    pub region: Arc<str>,
    /// Zone.
    pub zone: Arc<str>,
    /// Machine type.
    #[serde(rename = "type")]
    pub instance_type: Arc<str>,
    /// In the order nodes show them.
    pub addresses: Vec<Address>,
    /// Power state.
    pub state: MachineState,
    /// Labels the node gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Machine {
    /// Its first internal IP.
    pub fn internal_ip(&self) -> Option<IpAddr> {
        self.addresses
            .iter()
            .find(|address| address.kind == AddressKind::InternalIP)
            .and_then(|address| address.address.parse().ok())
    }
}

/// A change of a machine, as the control endpoint takes it. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MachinePatch {
    /// New power state; `terminated` ends the machine for good.
    pub state: Option<MachineState>,
    /// New addresses, all of them.
    pub addresses: Option<Vec<Address>>,
    /// New zone.
    pub zone: Option<String>,
    /// New type.
    #[serde(rename = "type")]
    pub instance_type: Option<String>,
    /// New labels, all of them.
    pub labels: Option<BTreeMap<String, String>>,
}
