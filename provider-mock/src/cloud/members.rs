//! Who receives the traffic of a load balancer. Thousands of members are the same for every load balancer of a cluster, so
//! a set is kept once and load balancers name it by number.

use std::net::IpAddr;

use cloud_provider_api::v1;
use serde::{Deserialize, Serialize};

/// Number of a member set. Zero is the empty set.
pub type MemberSetId = u64;

/// A node that receives traffic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeTarget {
    /// Name of the node.
    pub node: Box<str>,
    /// Its first internal IP. Absent: it has none, and gets no traffic.
    pub address: Option<IpAddr>,
    /// No new connections.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
}

/// A pod that receives traffic directly.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodTarget {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Name of the Service's port.
    pub port_name: Box<str>,
    /// No new connections.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining: bool,
}

/// A whole set of members, sorted, so that equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemberSet {
    /// Nodes.
    pub nodes: Vec<NodeTarget>,
    /// Pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodTarget>,
}

impl MemberSet {
    /// From the request. The daemon has checked that pod addresses and ports are well-formed.
    pub fn from_wire(members: &v1::Members) -> Self {
        let mut nodes: Vec<_> = members.nodes.iter().map(node_target).collect();
        // One that drains is not ready, and keeps the connections it has.
        let serves = |endpoint: &&v1::EndpointMember| endpoint.ready || endpoint.draining;
        let mut pods: Vec<_> = members.endpoints.iter().filter(serves).filter_map(pod_target).collect();
        nodes.sort_unstable();
        pods.sort_unstable();
        Self { nodes, pods }
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.pods.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nodes.len() + self.pods.len()
    }

    /// How many there are of the kind there are more of: a load balancer sends to nodes or to pods.
    pub fn most(&self) -> usize {
        self.nodes.len().max(self.pods.len())
    }
}

fn node_target(member: &v1::NodeMember) -> NodeTarget {
    let address = member
        .addresses
        .iter()
        .find(|address| address.r#type() == v1::AddressType::InternalIp)
        .and_then(|address| address.address.parse().ok());
    NodeTarget { node: member.node_name.as_str().into(), address, draining: member.draining }
}

fn pod_target(endpoint: &v1::EndpointMember) -> Option<PodTarget> {
    Some(PodTarget {
        address: endpoint.address.parse().ok()?,
        port: u16::try_from(endpoint.port).ok()?,
        port_name: endpoint.port_name.as_str().into(),
        draining: endpoint.draining,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_drains_stays_and_one_that_is_not_ready_does_not() {
        let pod = |last: u8, ready, draining| v1::EndpointMember {
            address: format!("10.0.0.{last}"),
            port: 80,
            ready,
            draining,
            ..v1::EndpointMember::default()
        };
        let endpoints = vec![pod(1, true, false), pod(2, false, true), pod(3, false, false)];
        let nodes = vec![v1::NodeMember::default()];
        let set = MemberSet::from_wire(&v1::Members { nodes, endpoints });
        let seen: Vec<_> = set.pods.iter().map(|pod| (pod.address.to_string(), pod.draining)).collect();
        assert_eq!(seen, [("10.0.0.1".to_owned(), false), ("10.0.0.2".to_owned(), true)]);
        assert_eq!(set.most(), 2, "nodes and pods count apart");
    }
}
