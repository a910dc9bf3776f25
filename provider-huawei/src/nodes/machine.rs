//! A server, cut down to what is asked about it: thousands of them are kept in memory.

use std::net::IpAddr;

use provider_kit::inventory;

/// A server of the cloud's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) name: String,
    /// As the cloud writes it: `ACTIVE`, `SHUTOFF`…
    pub(crate) status: String,
    /// Stopped by the cloud, for instance because a bill is open.
    pub(crate) frozen: bool,
    /// Availability zone.
    pub(crate) zone: String,
    /// Name of the flavor, or else its id.
    pub(crate) flavor: String,
    /// The VPC it was made in.
    pub(crate) vpc: String,
    /// In the cloud's order.
    pub(crate) addresses: Vec<Address>,
    /// Ids of the security groups of its network cards.
    pub(crate) security_groups: Vec<String>,
    /// `key=value`, or a key alone.
    pub(crate) tags: Vec<String>,
}

/// An address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    /// What the cloud lists it under: the id of a VPC.
    pub(crate) network: String,
    /// Of the first network card.
    pub(crate) primary: bool,
    /// An elastic IP, reachable from outside.
    pub(crate) floating: bool,
    /// The port it is on. Empty: not known.
    pub(crate) port: String,
}

impl Machine {
    /// The port of its first network card, where traffic for its pods arrives.
    pub(crate) fn primary_port(&self) -> Option<&str> {
        let fixed = || self.addresses.iter().filter(|address| !address.floating && !address.port.is_empty());
        fixed().find(|address| address.primary).or_else(|| fixed().next()).map(|address| address.port.as_str())
    }
}

impl inventory::Machine for Machine {
    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> Vec<&str> {
        vec![&self.name]
    }

    fn addresses(&self) -> Vec<(IpAddr, bool)> {
        self.addresses.iter().map(|address| (address.ip, address.floating)).collect()
    }

    fn is_in(&self, network: &str) -> bool {
        self.vpc == network || self.addresses.iter().any(|address| address.network == network)
    }

    fn is_leaving(&self) -> bool {
        matches!(self.status.as_str(), "DELETED" | "SOFT_DELETED")
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A running server with one address in `vpc-1`.
    pub(crate) fn machine(id: &str, name: &str, ip: &str) -> Machine {
        Machine {
            id: id.to_owned(),
            name: name.to_owned(),
            status: "ACTIVE".to_owned(),
            zone: "ap-southeast-1a".to_owned(),
            flavor: "c6.large.2".to_owned(),
            vpc: "vpc-1".to_owned(),
            addresses: vec![address(ip, "vpc-1")],
            ..Machine::default()
        }
    }

    /// A fixed address of the first network card.
    pub(crate) fn address(ip: &str, network: &str) -> Address {
        Address {
            ip: ip.parse().unwrap(),
            network: network.to_owned(),
            primary: true,
            floating: false,
            port: format!("port-of-{ip}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        testing::{address, machine},
        *,
    };

    #[test]
    fn traffic_for_pods_arrives_at_the_first_card() {
        let second = Address { primary: false, ..address("10.0.0.9", "vpc-1") };
        let elastic = Address { floating: true, ..address("203.0.113.1", "vpc-1") };
        let first = address("10.0.0.1", "vpc-1");
        let with = |addresses: Vec<Address>| Machine { addresses, ..machine("a", "a", "10.0.0.1") };
        let both = with(vec![elastic.clone(), second.clone(), first]);
        assert_eq!(both.primary_port(), Some("port-of-10.0.0.1"));
        assert_eq!(with(vec![elastic.clone(), second]).primary_port(), Some("port-of-10.0.0.9"), "better than none");
        assert_eq!(with(vec![elastic]).primary_port(), None);
    }
}
