//! What the VPC service keeps: VPCs, subnets, ports, security groups, route tables and public addresses.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::tags::Tag;

/// A VPC.
#[derive(Clone, Debug, Serialize)]
pub struct Vpc {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// Its range.
    #[serde(serialize_with = "as_text")]
    pub cidr: Ipv4Net,
}

/// A subnet of a VPC: a Neutron network with one IPv4 subnet and perhaps an IPv6 one.
#[derive(Clone, Debug, Serialize)]
pub struct Subnet {
    /// Its id, which is the Neutron network's.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// The VPC it is in.
    pub vpc_id: String,
    /// Its range.
    #[serde(serialize_with = "as_text")]
    pub cidr: Ipv4Net,
    /// Its gateway.
    pub gateway_ip: Ipv4Addr,
    /// Id of the Neutron IPv4 subnet, which ELB goes by.
    pub neutron_subnet_id: String,
    /// Its IPv6 side.
    pub ipv6: Option<Ipv6Side>,
}

/// The IPv6 subnet of a subnet.
#[derive(Clone, Debug, Serialize)]
pub struct Ipv6Side {
    /// Its range.
    #[serde(serialize_with = "as_text")]
    pub cidr: Ipv6Net,
    /// Id of the Neutron IPv6 subnet.
    pub neutron_subnet_id: String,
}

/// An address on a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    /// Id of the Neutron subnet.
    pub subnet_id: String,
    /// The address.
    pub ip_address: IpAddr,
}

/// An address that may come through a port besides its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressPair {
    /// An address or a range.
    pub ip_address: String,
    /// From this MAC address only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
}

/// A port: what a NIC, or a load balancer's VIP, is on the network.
#[derive(Clone, Debug, Serialize)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// The subnet (network) it is in.
    pub network_id: String,
    /// The VPC it is in.
    pub vpc_id: String,
    /// Its MAC address.
    pub mac_address: String,
    /// Its addresses.
    pub fixed_ips: Vec<FixedIp>,
    /// Id of what it belongs to.
    pub device_id: String,
    /// Kind of what it belongs to, such as `compute:ap-southeast-1a` or `neutron:LOADBALANCERV2`.
    pub device_owner: String,
    /// `ACTIVE`, `BUILD` or `DOWN`.
    pub status: String,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// What may come through it besides its own address.
    pub allowed_address_pairs: Vec<AddressPair>,
    /// The public address bound to it.
    pub publicip_id: Option<String>,
}

impl Port {
    /// Its IPv4 address.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        self.fixed_ips.iter().find_map(|fixed| match fixed.ip_address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    }
}

/// A security group.
#[derive(Clone, Debug, Serialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
}

/// A rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityGroupRule {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// The group it is of.
    pub security_group_id: String,
    /// What it says.
    #[serde(flatten)]
    pub spec: RuleSpec,
}

/// What a rule says; no two of a group say the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleSpec {
    /// `ingress` or `egress`.
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// Protocol; absent: any.
    pub protocol: Option<String>,
    /// First port; absent with the last: all.
    pub port_range_min: Option<u16>,
    /// Last port.
    pub port_range_max: Option<u16>,
    /// Range on the other side.
    pub remote_ip_prefix: Option<String>,
    /// Group on the other side.
    pub remote_group_id: Option<String>,
    /// For people; rules that differ in it alone are the same.
    pub description: String,
}

/// A route table of a VPC.
#[derive(Clone, Debug, Serialize)]
pub struct RouteTable {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// The VPC it is of.
    pub vpc_id: String,
    /// Whether it is the one that subnets of the VPC have unless told otherwise.
    pub default: bool,
    /// For people.
    pub description: String,
    /// Subnets that go by it.
    pub subnets: Vec<String>,
    /// Its routes.
    pub routes: Vec<Route>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Kind of the next hop, such as `ecs`; `local` for those that come with the VPC.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it leads.
    pub destination: String,
    /// Id or address of the next hop.
    pub nexthop: String,
    /// For people.
    pub description: String,
}

/// A public address.
#[derive(Clone, Debug, Serialize)]
pub struct PublicIp {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// Kind of the address, such as `5_bgp`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The address.
    pub public_ip_address: Ipv4Addr,
    /// A name for people.
    pub alias: String,
    /// Where it is on its way.
    pub status: String,
    /// From when it is no longer `PENDING_CREATE`.
    pub ready_at: Timestamp,
    /// The port it is bound to.
    pub port_id: Option<String>,
    /// Its bandwidth.
    pub bandwidth: Bandwidth,
    /// Whom it is billed to.
    pub enterprise_project_id: String,
    /// Tags.
    pub tags: Vec<Tag>,
    /// When it was made.
    pub create_time: Timestamp,
}

/// What a public address may carry.
#[derive(Clone, Debug, Serialize)]
pub struct Bandwidth {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Mbit/s.
    pub size: u32,
    /// `PER`: of one address; `WHOLE`: shared.
    pub share_type: String,
    /// `bandwidth` or `traffic`.
    pub charge_mode: String,
}

fn as_text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
