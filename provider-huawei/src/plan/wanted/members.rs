//! Who answers behind each port.

use std::{collections::BTreeMap, net::IpAddr};

use cloud_provider_api::{error::Reason, v1};
use ipnet::IpNet;

use super::{Surroundings, WantedPort, listeners::port_key};
use crate::{
    api::subnets::Subnet,
    plan::{Note, PortKey, Refusal},
};

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedMember {
    /// Where it is.
    pub address: String,
    /// Where it listens.
    pub port: u16,
    /// Its subnet. `None`: by address alone.
    pub subnet: Option<String>,
    /// 1, or 0 for one that is to get no new connections.
    pub weight: u32,
    /// The node it is or runs on.
    pub node: String,
}

/// Where things are: the VPC's subnets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    subnets: Vec<(IpNet, String)>,
    /// The VPC, if the configuration names it.
    pub vpc: Option<String>,
    /// The subnet virtual addresses are in unless told otherwise.
    pub default_subnet: Option<String>,
    /// The network of that subnet, if it has IPv6.
    pub ipv6_network: Option<String>,
}

impl Place {
    /// Of the subnets of the VPC. `vpc`: leave others' out.
    pub fn new(subnets: &[Subnet], vpc: Option<&str>, default_subnet: Option<&str>) -> Self {
        let ours = subnets.iter().filter(|subnet| vpc.is_none_or(|vpc| subnet.vpc_id == vpc));
        let default = subnets.iter().find(|subnet| Some(subnet.neutron_subnet_id.as_str()) == default_subnet);
        let mut ranges = Vec::new();
        for subnet in ours {
            ranges.extend(subnet.cidr.parse().ok().map(|range| (range, subnet.neutron_subnet_id.clone())));
            // What load balancers call an IPv6 subnet is its network.
            ranges.extend(subnet.cidr_v6.parse().ok().map(|range| (range, subnet.neutron_network_id.clone())));
        }
        Self {
            subnets: ranges,
            vpc: vpc.map(ToOwned::to_owned),
            default_subnet: default_subnet.map(ToOwned::to_owned),
            ipv6_network: default.filter(|subnet| subnet.ipv6_enable).map(|subnet| subnet.neutron_network_id.clone()),
        }
    }

    /// The subnet an address is in, the narrowest.
    pub fn subnet_of(&self, address: IpAddr) -> Option<String> {
        let holding = self.subnets.iter().filter(|(range, _)| range.contains(&address));
        holding.max_by_key(|(range, _)| range.prefix_len()).map(|(_, subnet)| subnet.clone())
    }
}

/// Members by port, for an update of the members alone.
pub fn wanted_members(
    ports: &[v1::ServicePort],
    members: Option<&v1::Members>,
    around: &Surroundings<'_>,
    notes: &mut Vec<Note>,
) -> Result<BTreeMap<PortKey, Vec<WantedMember>>, Refusal> {
    let mut gather = Gather { around, notes, outside: Vec::new(), without_address: Vec::new() };
    let mut by_port = BTreeMap::new();
    for (index, port) in ports.iter().enumerate() {
        let key = port_key(port).map_err(|(field, problem)| {
            Refusal::fields(Reason::FieldInvalid, vec![(format!("ports[{index}].{field}"), problem)])
        })?;
        by_port.insert(key, gather.of_port(port, ports.len(), members));
    }
    gather.finish(by_port.values().all(Vec::is_empty))?;
    Ok(by_port)
}

pub(super) fn attach(
    wanted: &mut [WantedPort],
    ports: &[v1::ServicePort],
    members: Option<&v1::Members>,
    around: &Surroundings<'_>,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    let mut by_port = wanted_members(ports, members, around, notes)?;
    for port in wanted {
        port.members = by_port.remove(&port.key).unwrap_or_default();
    }
    Ok(())
}

struct Gather<'a, 'n> {
    around: &'a Surroundings<'a>,
    notes: &'n mut Vec<Note>,
    outside: Vec<String>,
    without_address: Vec<String>,
}

impl Gather<'_, '_> {
    /// Nodes on the node port, or, for a port without one, pods.
    fn of_port(&mut self, port: &v1::ServicePort, ports: usize, members: Option<&v1::Members>) -> Vec<WantedMember> {
        let Some(members) = members else { return Vec::new() };
        let mut found = match port.node_port.and_then(|port| u16::try_from(port).ok()) {
            Some(node_port) => {
                members.nodes.iter().filter_map(|node| self.of_node(node, node_port)).collect::<Vec<_>>()
            }
            None => members
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.port_name == port.name || (endpoint.port_name.is_empty() && ports == 1))
                .filter_map(|endpoint| self.of_endpoint(endpoint))
                .collect(),
        };
        found.sort();
        // Two nodes cannot have one address; what a stale list says twice is one member.
        found.dedup_by(|b, a| (&a.address, a.port) == (&b.address, b.port));
        found
    }

    fn of_node(&mut self, node: &v1::NodeMember, port: u16) -> Option<WantedMember> {
        let internal = |address: &&v1::NodeAddress| address.r#type() == v1::AddressType::InternalIp;
        let mut addresses = node.addresses.iter().filter(internal).filter_map(|a| a.address.parse::<IpAddr>().ok());
        let first_v4 = addresses.clone().find(IpAddr::is_ipv4);
        // Of a node with several interfaces, the one in the VPC's subnets.
        let inside = addresses.clone().find(|a| a.is_ipv4() && self.around.place.subnet_of(*a).is_some());
        let Some(address) = inside.or(first_v4).or_else(|| addresses.next()) else {
            self.without_address.push(node.node_name.clone());
            return None;
        };
        self.member(address, port, u32::from(!node.draining), &node.node_name)
    }

    fn of_endpoint(&mut self, endpoint: &v1::EndpointMember) -> Option<WantedMember> {
        let address = endpoint.address.parse().ok()?;
        let port = u16::try_from(endpoint.port).ok()?;
        if !endpoint.ready && !endpoint.draining {
            return None;
        }
        self.member(address, port, u32::from(!endpoint.draining), &endpoint.node_name)
    }

    fn member(&mut self, address: IpAddr, port: u16, weight: u32, node: &str) -> Option<WantedMember> {
        let subnet = self.around.place.subnet_of(address);
        if subnet.is_none() && !self.around.settings.cross_vpc {
            self.outside.push(address.to_string());
            return None;
        }
        Some(WantedMember { address: address.to_string(), port, subnet, weight, node: node.to_owned() })
    }

    /// Tells what was left out; when nothing is left at all, that is a failure.
    fn finish(mut self, nothing_left: bool) -> Result<(), Refusal> {
        self.outside.sort_unstable();
        self.outside.dedup();
        self.without_address.sort_unstable();
        self.without_address.dedup();
        let mut told = Vec::new();
        if !self.outside.is_empty() {
            told.push(format!(
                "{} in no subnet of the VPC: set kubernetes.io/elb.enable-cross-vpc with class dedicated, or mend section [Vpc] \
                 of the configuration",
                some_of(&self.outside)
            ));
        }
        if !self.without_address.is_empty() {
            told.push(format!("no InternalIP on {}", some_of(&self.without_address)));
        }
        if told.is_empty() {
            return Ok(());
        }
        let message = format!("left out as members: {}", told.join("; "));
        if nothing_left {
            return Err(Refusal::new(Reason::ReferenceMissing, message));
        }
        self.notes.push(Note { reason: "MembersLeftOut", warning: true, message });
        Ok(())
    }
}

fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
