//! Where the connections of this cloud's load balancers go: to a member's internal IP and node port, or to a pod. UDP and SCTP
//! listeners exist but carry nothing.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;

use super::{HealthCheck, Target, Traffic};
use crate::cloud::{Attributes, Listener, LoadBalancer, MemberSet, Protocol};

/// A load balancer's listeners and members.
#[derive(Debug)]
pub(crate) struct Balanced {
    listeners: Vec<Listener>,
    attributes: Attributes,
    members: Arc<MemberSet>,
}

impl Balanced {
    /// Carries the traffic of a load balancer as it is now.
    pub(crate) fn carry(traffic: &mut Traffic, object: &LoadBalancer, members: &Arc<MemberSet>) {
        if object.gone_at.is_some() {
            return traffic.remove(&object.id);
        }
        let target = Arc::new(Self {
            listeners: object.listeners.clone(),
            attributes: object.attributes.clone().unwrap_or_default(),
            members: Arc::clone(members),
        });
        let tcp = object.listeners.iter().filter(|listener| listener.protocol == Protocol::Tcp);
        let ports: BTreeSet<_> = tcp.map(|listener| listener.port).collect();
        traffic.carry(&object.id, object.address.into(), &ports, target);
    }
}

impl Target for Balanced {
    fn admits(&self, client: IpAddr) -> bool {
        let ranges = &self.attributes.source_ranges;
        ranges.is_empty()
            || ranges.iter().filter_map(|range| range.parse::<IpNet>().ok()).any(|range| range.contains(&client))
    }

    fn members(&self, port: u16) -> Vec<SocketAddr> {
        let Some(listener) = self.listeners.iter().find(|listener| listener.port == port) else { return Vec::new() };
        let nodes = self
            .members
            .nodes
            .iter()
            .filter(|node| !node.draining)
            .filter_map(|node| Some(SocketAddr::new(node.address?, listener.node_port?)));
        let pods = self.members.pods.iter().filter(|pod| !pod.draining && *pod.port_name == *listener.name);
        // With pods the nodes are not asked: they would lead to the same pods by a detour.
        let pods: Vec<_> = pods.map(|pod| SocketAddr::new(pod.address, pod.port)).collect();
        if pods.is_empty() { nodes.collect() } else { pods }
    }

    fn health_check(&self, _: u16, member: SocketAddr) -> Option<HealthCheck> {
        let port = self.attributes.health_check_node_port?;
        Some(HealthCheck::of_node(SocketAddr::new(member.ip(), port)))
    }

    fn client_ip_affinity(&self) -> Option<Duration> {
        self.attributes.client_ip_affinity
    }
}
