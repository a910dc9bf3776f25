//! Load balancers: an object with listeners, attributes, a member set and tags, each changed by a call of its own, as in
//! the clouds this one stands for.

use std::{net::Ipv4Addr, time::Duration};

use cloud_provider_api::v1;
use serde::{Deserialize, Serialize};

use super::{MemberSetId, Time};
use crate::scenario::IpModeSetting;

/// Whose a load balancer is: what the daemon writes into the cloud's record when it makes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Tenant; empty for the default profile.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// Id of the cluster.
    pub cluster: String,
    /// UID of the Service.
    pub service: String,
}

impl Owner {
    /// From the key of a request.
    pub fn of(key: &v1::LoadBalancerKey) -> Self {
        Self {
            tenant: key.tenant.clone(),
            cluster: key.cluster.as_ref().map(|cluster| cluster.id.clone()).unwrap_or_default(),
            service: key.service_uid.clone(),
        }
    }
}

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// `None` for an unspecified or unknown one.
    pub const fn from_wire(protocol: v1::Protocol) -> Option<Self> {
        match protocol {
            v1::Protocol::Tcp => Some(Self::Tcp),
            v1::Protocol::Udp => Some(Self::Udp),
            v1::Protocol::Sctp => Some(Self::Sctp),
            v1::Protocol::Unspecified => None,
        }
    }

    /// The API's word for it.
    pub const fn on_wire(self) -> v1::Protocol {
        match self {
            Self::Tcp => v1::Protocol::Tcp,
            Self::Udp => v1::Protocol::Udp,
            Self::Sctp => v1::Protocol::Sctp,
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// A port the load balancer listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Protocol; with the port what makes a listener.
    pub protocol: Protocol,
    /// Port it listens on.
    pub port: u16,
    /// Name of the Service's port, which pod members name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Port of node members. Absent: only pods can be members.
    pub node_port: Option<u16>,
}

/// What is set on the load balancer as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Attributes {
    /// CIDRs that may connect. Empty: everybody.
    pub source_ranges: Vec<String>,
    /// Only members whose `/healthz` on this port says so get traffic.
    pub health_check_node_port: Option<u16>,
    /// Connections of one client go to one member for this long.
    pub client_ip_affinity: Option<Duration>,
    /// How packets arrive.
    pub ip_mode: IpModeSetting,
    /// Answered in place of the address.
    pub hostname: Option<String>,
}

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// The cloud's id.
    pub id: String,
    /// The cloud's name, derived from the owner.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// Namespace of the Service, for people.
    pub namespace: String,
    /// Name of the Service, for people.
    pub service: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// When it was asked for.
    pub created_at: Time,
    /// When the cloud has it made.
    pub ready_at: Time,
    /// When the cloud has it deleted. Absent: nobody deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Time>,
    /// Its listeners.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// Attributes. Absent: never set.
    #[serde(default)]
    pub attributes: Option<Attributes>,
    /// Its members.
    #[serde(default)]
    pub members: MemberSetId,
    /// The hash kept as a tag; says what was last achieved.
    #[serde(default)]
    pub spec_hash: String,
    /// How often its members were set.
    #[serde(default)]
    pub member_updates: u64,
    /// How often its listeners or attributes were changed.
    #[serde(default)]
    pub spec_updates: u64,
}

impl LoadBalancer {
    /// Whether it is still being made.
    pub fn is_provisioning(&self, now: Time) -> bool {
        self.ready_at > now
    }

    /// `namespace/name` of the Service.
    pub fn service_key(&self) -> String {
        format!("{}/{}", self.namespace, self.service)
    }

    /// The listener of a port.
    pub fn listener(&self, protocol: Protocol, port: u16) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.protocol == protocol && listener.port == port)
    }
}

/// When a load balancer asked for now is made, by a cloud that makes `parallel` at once: `ready` holds when those asked for
/// before are. First come, first served.
pub(super) fn ready_at(now: Time, duration: Duration, parallel: u32, ready: impl Iterator<Item = Time>) -> Time {
    let mut unfinished: Vec<Time> = ready.filter(|at| *at > now).collect();
    unfinished.sort_unstable();
    let parallel = usize::try_from(parallel.max(1)).unwrap_or(usize::MAX);
    // A place is free once fewer than `parallel` of the earlier ones are unfinished.
    let start = unfinished.len().checked_sub(parallel).map_or(now, |index| unfinished[index]);
    start.plus(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cloud_makes_as_many_at_once_as_it_may_and_the_rest_queue() {
        let (now, second) = (Time(1_000), Duration::from_secs(1));
        let mut ready: Vec<Time> = Vec::new();
        for want in [2_000, 2_000, 3_000, 3_000, 4_000] {
            let at = ready_at(now, second, 2, ready.iter().copied());
            assert_eq!(at, Time(want), "after {ready:?}");
            ready.push(at);
        }
        // Later, when only the last is unfinished, there is a place at once.
        assert_eq!(ready_at(Time(3_500), second, 2, ready.iter().copied()), Time(4_500));
        assert_eq!(ready_at(now, Duration::ZERO, 1, std::iter::empty()), now);
    }
}
