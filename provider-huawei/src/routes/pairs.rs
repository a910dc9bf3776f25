//! Which foreign addresses a node's network card may carry: `allowed_address_pairs` of its port. Without the pod network
//! among them the cloud drops what pods send, and what is sent to them, although the route is there.

use ipnet::{IpNet, Ipv4Net};

/// What the cloud takes for "any address": its own way to switch the check off.
const UNCHECKED: &str = "1.1.1.1/0";

/// Whether a port that allows `pairs` carries a network already.
pub(crate) fn carries<'a>(pairs: impl IntoIterator<Item = &'a str>, network: IpNet) -> bool {
    pairs.into_iter().any(|pair| pair == UNCHECKED || parse(pair).is_some_and(|allowed| allowed.contains(&network)))
}

/// Whether a pair is exactly this network: the one that was added for a route to it.
pub(crate) fn is_for(pair: &str, network: IpNet) -> bool {
    pair != UNCHECKED && parse(pair) == Some(network.trunc())
}

/// A network, or an address alone.
fn parse(pair: &str) -> Option<IpNet> {
    let address = || pair.parse().ok().map(|ip: std::net::IpAddr| IpNet::from(ip));
    pair.parse().ok().map(|net: IpNet| net.trunc()).or_else(address).filter(|net| *net != everything())
}

/// The cloud refuses it, and as a pair it would mean something else than in a route.
fn everything() -> IpNet {
    IpNet::V4(Ipv4Net::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_is_carried_if_a_pair_contains_it() {
        for (pairs, expected) in [
            (&[][..], false),
            (&["10.244.3.0/24"], true),
            (&["10.244.0.0/16"], true),
            (&["10.244.3.0/25"], false),
            (&["10.244.3.7"], false),
            (&["1.1.1.1/0"], true),
            (&["192.168.0.9", "10.244.3.7/24"], true),
            (&["nonsense"], false),
        ] {
            assert_eq!(carries(pairs.iter().copied(), net("10.244.3.0/24")), expected, "{pairs:?}");
        }
    }

    #[test]
    fn only_the_very_network_is_taken_back() {
        for (pair, expected) in
            [("10.244.3.0/24", true), ("10.244.0.0/16", false), ("1.1.1.1/0", false), ("10.244.3.1", false)]
        {
            assert_eq!(is_for(pair, net("10.244.3.0/24")), expected, "{pair}");
        }
    }
}
