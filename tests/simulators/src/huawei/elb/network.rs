//! What load balancers need of the network.

use std::net::IpAddr;

use serde_json::Value;

use super::{At, Fields};
use crate::engine::Problem;

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its id as a subnet of addresses (Neutron's), which is what the API calls `vip_subnet_cidr_id`.
    pub id: String,
    /// Its network.
    pub network_id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Its IPv4 range.
    pub cidr: ipnet::IpNet,
    /// Its IPv6 range.
    pub cidr_v6: Option<ipnet::IpNet>,
}

/// A port in a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plug {
    /// Its id.
    pub port_id: String,
    /// Its address.
    pub address: IpAddr,
}

/// A public address bound to a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its id.
    pub id: String,
    /// The address.
    pub address: String,
    /// 4 or 6.
    pub version: u8,
}

/// The interface of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// The server.
    pub server: String,
    /// It is the server's first.
    pub primary: bool,
}

/// The stores of VPC, EIP and ECS, as far as load balancers touch them. Everything happens within the
/// project and at the time of the operation.
pub trait Network {
    /// Whether there is such a VPC.
    fn has_vpc(&self, at: &At, id: &str) -> bool;

    /// A subnet by the id of its IPv4 part. The id of its network is another, and finds nothing.
    fn subnet(&self, at: &At, id: &str) -> Option<Subnet>;

    /// A subnet by the id of its network.
    fn network(&self, at: &At, id: &str) -> Option<Subnet>;

    /// Makes the port of a load balancer's virtual address: the given one, or a free one.
    fn plug(
        &mut self,
        at: &At,
        owner: &str,
        subnet: &Subnet,
        v6: bool,
        address: Option<IpAddr>,
    ) -> Result<Plug, Problem>;

    /// Takes a port away; a public address bound to it is free again.
    fn unplug(&mut self, at: &At, port_id: &str);

    /// Public addresses bound to a port.
    fn bound_to(&self, port_id: &str) -> Vec<Bound>;

    /// Binds a public address to a port.
    fn attach(&mut self, at: &At, eip_id: &str, port_id: &str) -> Result<(), Problem>;

    /// Allocates a public address as the `publicip` of a load balancer describes it.
    fn allocate(&mut self, at: &At, publicip: &Fields) -> Result<String, Problem>;

    /// Gives a public address back.
    fn release(&mut self, at: &At, eip_id: &str) -> Result<(), Problem>;

    /// Whose interface has an address in a VPC.
    fn nic(&self, at: &At, vpc_id: &str, address: IpAddr) -> Option<Nic>;
}

/// Public addresses as views show them, under the names of the version.
pub(super) fn show_bound(bound: &[Bound], id: &str, address: &str) -> Value {
    let shown = bound.iter().map(|eip| {
        let mut fields = Fields::new();
        fields.insert(id.to_owned(), eip.id.clone().into());
        fields.insert(address.to_owned(), eip.address.clone().into());
        fields.insert("ip_version".to_owned(), eip.version.into());
        Value::Object(fields)
    });
    shown.collect()
}
