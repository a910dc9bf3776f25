//! Node addresses: which ones a Node should show, given what the cloud says and what the kubelet was told.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use crate::{
    names::ANNOTATION_PROVIDED_NODE_IP,
    view::{AddressType, Node, NodeAddress},
};

/// Why the annotation `alpha.kubernetes.io/provided-node-ip` cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeIpError {
    /// An element is not an IP.
    NotAnIp(String),
    /// More than two elements, or two of one family.
    NotOneOrAPair(String),
    /// `0.0.0.0` or `::` as one of two.
    UnspecifiedInPair(String),
    /// The cloud does not know the address.
    NotAmongCloudAddresses {
        /// The address asked for.
        ip: IpAddr,
        /// What the cloud knows.
        known: Vec<String>,
    },
}

impl fmt::Display for NodeIpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "annotation {ANNOTATION_PROVIDED_NODE_IP} (the kubelet's --node-ip): ")?;
        match self {
            Self::NotAnIp(element) => write!(f, "{element:?} is not an IP address"),
            Self::NotOneOrAPair(value) => {
                write!(f, "{value:?} is neither one IP address nor one of IPv4 and one of IPv6, separated by a comma")
            }
            Self::UnspecifiedInPair(value) => write!(f, "{value:?} has an unspecified address in a dual-stack pair"),
            Self::NotAmongCloudAddresses { ip, known } => {
                write!(f, "{ip} is not an address of the machine; the cloud knows [{}]", known.join(", "))
            }
        }
    }
}

impl std::error::Error for NodeIpError {}

/// Reads the annotation's value: one IP, or an IPv4 and an IPv6 one in order of preference. Nothing is trimmed.
pub fn parse_provided_node_ips(value: &str) -> Result<Vec<IpAddr>, NodeIpError> {
    let ips: Vec<IpAddr> = value
        .split(',')
        .map(|element| parse_ip(element).ok_or_else(|| NodeIpError::NotAnIp(element.to_owned())))
        .collect::<Result<_, _>>()?;
    match ips[..] {
        [a, b] if a.is_ipv4() == b.is_ipv4() => Err(NodeIpError::NotOneOrAPair(value.to_owned())),
        [a, b] if a.is_unspecified() || b.is_unspecified() => Err(NodeIpError::UnspecifiedInPair(value.to_owned())),
        [_] | [_, _] => Ok(ips),
        _ => Err(NodeIpError::NotOneOrAPair(value.to_owned())),
    }
}

/// An IP as Kubernetes has always read it: leading zeros of IPv4 parts are decimal, an IPv4-mapped IPv6 address is IPv4.
fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().or_else(|| parse_ipv4_with_leading_zeros(text)).map(|ip| ip.to_canonical())
}

fn parse_ipv4_with_leading_zeros(text: &str) -> Option<IpAddr> {
    let parts: Vec<u8> = text
        .split('.')
        .map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten())
        .collect::<Option<_>>()?;
    let octets: [u8; 4] = parts.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

/// Puts the cloud's addresses in the order the kubelet was told: those that equal a wanted IP first, in the order of the
/// wanted IPs and in the cloud's spelling; then, in the cloud's order, those of kinds that no wanted IP matched. Other
/// addresses of a matched kind are left out.
pub fn select_by_node_ips(ips: &[IpAddr], cloud: &[NodeAddress]) -> Result<Vec<NodeAddress>, NodeIpError> {
    let mut selected = Vec::with_capacity(cloud.len());
    let mut matched: Vec<AddressType> = Vec::new();
    for ip in ips {
        let before = selected.len();
        for address in cloud.iter().filter(|address| parse_ip(&address.address) == Some(*ip)) {
            matched.push(address.kind);
            add(&mut selected, [address.clone()]);
        }
        if selected.len() == before {
            let known = cloud.iter().map(|address| address.address.clone()).collect();
            return Err(NodeIpError::NotAmongCloudAddresses { ip: *ip, known });
        }
    }
    add(&mut selected, cloud.iter().filter(|address| !matched.contains(&address.kind)).cloned());
    Ok(selected)
}

/// Appends those that are not there yet.
pub fn add(list: &mut Vec<NodeAddress>, more: impl IntoIterator<Item = NodeAddress>) {
    for address in more {
        if !list.contains(&address) {
            list.push(address);
        }
    }
}

/// What `status.addresses` should be. `None`: the cloud knows none and nothing was asked for, so the Node's stay.
///
/// Hostnames of the Node stay when the cloud gives none.
pub fn wanted(node: &Node, cloud: &[NodeAddress]) -> Result<Option<Vec<NodeAddress>>, NodeIpError> {
    let provided = node.annotations.get(ANNOTATION_PROVIDED_NODE_IP);
    let ips = provided.map(|value| parse_provided_node_ips(value)).transpose()?;
    if cloud.is_empty() && ips.is_none() {
        return Ok(None);
    }
    let mut all = Vec::with_capacity(cloud.len() + 1);
    add(&mut all, cloud.iter().cloned());
    if !all.iter().any(is_hostname) {
        add(&mut all, node.addresses.iter().filter(|address| is_hostname(address)).cloned());
    }
    match ips {
        Some(ips) => select_by_node_ips(&ips, &all).map(Some),
        None => Ok(Some(all)),
    }
}

fn is_hostname(address: &NodeAddress) -> bool {
    address.kind == AddressType::Hostname
}

/// Whether there is an address that other nodes could reach.
pub fn has_ip(addresses: &[NodeAddress]) -> bool {
    addresses.iter().any(|address| matches!(address.kind, AddressType::InternalIp | AddressType::ExternalIp))
}

#[cfg(test)]
mod tests;
