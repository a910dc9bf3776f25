//! Which addresses a Node is given, in which order.

use std::{collections::BTreeSet, net::IpAddr};

use cloud_provider_api::v1::{AddressType, NodeAddress};

use super::machine::Machine;
use crate::options::NetworkingOptions;

/// The addresses to show. IPv6 only if `dual_stack`. The cloud lists addresses by VPC, so what `networks` lists are ids of
/// VPCs, whatever its keys are called.
///
/// The first internal one becomes the Node's primary address, so those of the first network card lead and IPv4 precedes
/// IPv6; other cards follow by the id of their network, so that the order is the same at every look.
pub(crate) fn of(machine: &Machine, networks: &NetworkingOptions, dual_stack: bool) -> Vec<NodeAddress> {
    let mut shown: Vec<_> = machine
        .addresses
        .iter()
        .filter(|address| dual_stack || address.ip.is_ipv4())
        .filter_map(|address| Some((kind(&address.network, address.floating, networks)?, address)))
        .collect();
    shown.sort_by_key(|(kind, address)| {
        (*kind == AddressType::ExternalIp, address.ip.is_ipv6(), !address.primary, address.network.clone())
    });
    let mut seen = BTreeSet::new();
    shown
        .into_iter()
        .filter(|(_, address)| seen.insert(address.ip))
        .map(|(kind, address)| NodeAddress { r#type: kind.into(), address: address.ip.to_string() })
        .collect()
}

fn kind(network: &str, floating: bool, networks: &NetworkingOptions) -> Option<AddressType> {
    let lists = |names: &[String]| names.iter().any(|name| name == network);
    if floating || lists(&networks.public_network_name) {
        return Some(AddressType::ExternalIp);
    }
    (networks.internal_network_name.is_empty() || lists(&networks.internal_network_name))
        .then_some(AddressType::InternalIp)
}

/// Whether the Node asks for IPv6 addresses: it has one, or its kubelet was given one.
pub(crate) fn wants_ipv6(asked: &[IpAddr]) -> bool {
    asked.iter().any(IpAddr::is_ipv6)
}

#[cfg(test)]
mod tests {
    use super::{
        super::machine::{
            Address,
            testing::{address, machine},
        },
        *,
    };

    fn shown(addresses: Vec<Address>, networks: &NetworkingOptions, dual_stack: bool) -> Vec<String> {
        let machine = Machine { addresses, ..machine("a", "a", "10.0.0.1") };
        let name = |address: &NodeAddress| match address.r#type() {
            AddressType::InternalIp => format!("in {}", address.address),
            AddressType::ExternalIp => format!("out {}", address.address),
            other => panic!("{other:?}"),
        };
        of(&machine, networks, dual_stack).iter().map(name).collect()
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_first_card_leads_and_elastic_ips_are_external() {
        let second = Address { primary: false, ..address("10.9.0.1", "vpc-0") };
        let elastic = Address { floating: true, ..address("203.0.113.1", "vpc-1") };
        let all = vec![elastic, second, address("10.0.0.1", "vpc-1")];
        let expected = ["in 10.0.0.1", "in 10.9.0.1", "out 203.0.113.1"];
        assert_eq!(shown(all, &NetworkingOptions::default(), false), expected);
    }

    #[test]
    fn ipv6_is_shown_where_it_is_asked_for_after_ipv4() {
        let all = || vec![address("fd00::1", "vpc-1"), address("10.0.0.1", "vpc-1")];
        assert_eq!(shown(all(), &NetworkingOptions::default(), false), ["in 10.0.0.1"]);
        assert_eq!(shown(all(), &NetworkingOptions::default(), true), ["in 10.0.0.1", "in fd00::1"]);
    }

    #[test]
    fn the_configuration_says_what_is_inside_and_outside() {
        let all = || vec![address("10.0.0.1", "vpc-1"), address("10.9.0.1", "vpc-2")];
        let public = NetworkingOptions { public_network_name: names(&["vpc-2"]), internal_network_name: Vec::new() };
        assert_eq!(shown(all(), &public, false), ["in 10.0.0.1", "out 10.9.0.1"]);
        let internal = NetworkingOptions { public_network_name: Vec::new(), internal_network_name: names(&["vpc-2"]) };
        assert_eq!(shown(all(), &internal, false), ["in 10.9.0.1"]);
        let both =
            NetworkingOptions { public_network_name: names(&["vpc-1"]), internal_network_name: names(&["vpc-1"]) };
        assert_eq!(shown(all(), &both, false), ["out 10.0.0.1"], "outside wins");
    }

    #[test]
    fn an_address_listed_twice_is_shown_once() {
        let all = vec![address("10.0.0.1", "vpc-1"), address("10.0.0.1", "vpc-1")];
        assert_eq!(shown(all, &NetworkingOptions::default(), false), ["in 10.0.0.1"]);
    }
}
