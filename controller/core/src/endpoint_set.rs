//! Which pods receive the traffic of a load balancer that sends to pods directly.

use std::collections::BTreeMap;

use crate::{
    digest::Digest,
    provider::EndpointMember,
    view::{Endpoint, EndpointSlice, ServicePort},
};

/// The pods behind one Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSet {
    /// In the order of port name, address and port.
    pub members: Vec<EndpointMember>,
    /// Stands for the members: two sets with one digest are equal. Empty when there are none.
    pub digest: String,
}

impl EndpointSet {
    /// The endpoints of these slices that listen for one of the Service's ports.
    ///
    /// One that is neither ready nor serving answers nobody and is left out. One that is serving only is on its way out and
    /// keeps what it has. A port that the Service does not have, any more or yet, is the slices' affair alone. While
    /// endpoints move from one slice to another they are in both, and the better word counts.
    pub fn new<'a>(ports: &[ServicePort], slices: impl IntoIterator<Item = &'a EndpointSlice>) -> Self {
        let mut members = BTreeMap::new();
        for slice in slices {
            for port in &slice.ports {
                if !ports.iter().any(|known| known.name == port.name && known.protocol == port.protocol) {
                    continue;
                }
                for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready || endpoint.serving) {
                    let member = member(endpoint, &port.name, port.port);
                    let known = members
                        .entry((port.name.as_str(), endpoint.address, port.port))
                        .or_insert_with(|| member.clone());
                    if member.ready && !known.ready {
                        *known = member;
                    }
                }
            }
        }
        let members: Vec<EndpointMember> = members.into_values().collect();
        let digest = if members.is_empty() { String::new() } else { digest(&members) };
        Self { members, digest }
    }
}

fn member(endpoint: &Endpoint, port_name: &str, port: u16) -> EndpointMember {
    EndpointMember {
        address: endpoint.address,
        port,
        port_name: port_name.to_owned(),
        node_name: endpoint.node_name.clone(),
        zone: endpoint.zone.clone(),
        ready: endpoint.ready,
        draining: endpoint.terminating || !endpoint.ready,
    }
}

/// Bytes of a set's digest.
const DIGEST_BYTES: usize = 8;

fn digest(members: &[EndpointMember]) -> String {
    let mut digest = Digest::new();
    digest.list(members, |digest, member| {
        // Taken apart so that a new field cannot be forgotten here.
        let EndpointMember { address, port, port_name, node_name, zone, ready, draining } = member;
        digest.text(&address.to_string()).number(*port).text(port_name).text(node_name).text(zone);
        digest.flag(*ready).flag(*draining);
    });
    digest.finish(DIGEST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{EndpointPort, Protocol};

    fn port(name: &str, protocol: Protocol) -> ServicePort {
        ServicePort {
            name: name.to_owned(),
            protocol,
            port: 80,
            node_port: None,
            target_port: String::new(),
            app_protocol: String::new(),
        }
    }

    fn slice(ports: &[(&str, Protocol, u16)], endpoints: Vec<Endpoint>) -> EndpointSlice {
        let ports = ports.iter().map(|(name, protocol, port)| EndpointPort {
            name: (*name).into(),
            protocol: *protocol,
            port: *port,
        });
        EndpointSlice { ports: ports.collect(), endpoints, ..EndpointSlice::default() }
    }

    /// Ready, serving, terminating.
    fn endpoint(last: u8, (ready, serving, terminating): (bool, bool, bool)) -> Endpoint {
        Endpoint {
            address: [10, 0, 0, last].into(),
            ready,
            serving,
            terminating,
            node_name: "n1".into(),
            zone: "z1".into(),
        }
    }

    const READY: (bool, bool, bool) = (true, true, false);

    /// `port-name address:port`, with `+` when ready and `-` when draining.
    fn shown(set: &EndpointSet) -> Vec<String> {
        let flag = |on, sign| if on { sign } else { "" };
        let show = |m: &EndpointMember| {
            format!("{} {}:{}{}{}", m.port_name, m.address, m.port, flag(m.ready, "+"), flag(m.draining, "-"))
        };
        set.members.iter().map(show).collect()
    }

    #[test]
    fn who_answers_is_in_and_who_leaves_keeps_what_it_has() {
        let check = |case: &str, state, expected: &[&str]| {
            let slice = slice(&[("web", Protocol::Tcp, 8080)], vec![endpoint(1, state)]);
            assert_eq!(shown(&EndpointSet::new(&[port("web", Protocol::Tcp)], [&slice])), expected, "{case}");
        };
        check("ready", READY, &["web 10.0.0.1:8080+"]);
        check("not ready", (false, false, false), &[]);
        check("terminating and still serving", (false, true, true), &["web 10.0.0.1:8080-"]);
        check("terminating and done", (false, false, true), &[]);
        check("published although not ready", (true, false, false), &["web 10.0.0.1:8080+"]);
        check("published until it is gone", (true, true, true), &["web 10.0.0.1:8080+-"]);
    }

    #[test]
    fn ports_are_told_apart_by_name_and_protocol() {
        let both = [port("web", Protocol::Tcp), port("dns", Protocol::Udp)];
        let ports = [
            ("web", Protocol::Tcp, 8080),
            ("dns", Protocol::Udp, 53),
            ("old", Protocol::Tcp, 1),
            ("web", Protocol::Udp, 2),
        ];
        let set = EndpointSet::new(&both, [&slice(&ports, vec![endpoint(2, READY), endpoint(1, READY)])]);
        assert_eq!(shown(&set), ["dns 10.0.0.1:53+", "dns 10.0.0.2:53+", "web 10.0.0.1:8080+", "web 10.0.0.2:8080+"]);
        assert_eq!((set.members[0].node_name.as_str(), set.members[0].zone.as_str()), ("n1", "z1"));
    }

    #[test]
    fn an_endpoint_that_moves_between_slices_is_one() {
        let of = |state| slice(&[("", Protocol::Tcp, 80)], vec![endpoint(1, state)]);
        for slices in [[of(READY), of((false, true, true))], [of((false, true, true)), of(READY)]] {
            assert_eq!(shown(&EndpointSet::new(&[port("", Protocol::Tcp)], &slices)), [" 10.0.0.1:80+"]);
        }
    }

    #[test]
    fn the_digest_is_that_of_the_members_alone() {
        let web = [port("web", Protocol::Tcp)];
        let of = |endpoints| slice(&[("web", Protocol::Tcp, 80)], endpoints);
        let digest = |slices: &[EndpointSlice]| EndpointSet::new(&web, slices).digest;
        let both = digest(&[of(vec![endpoint(1, READY), endpoint(2, READY)])]);
        assert_eq!(
            digest(&[of(vec![endpoint(2, READY)]), of(vec![endpoint(1, READY)])]),
            both,
            "however they are spread"
        );
        assert_ne!(digest(&[of(vec![endpoint(1, READY)])]), both);
        assert_ne!(digest(&[of(vec![endpoint(1, READY), endpoint(2, (false, true, true))])]), both);
        assert_eq!(digest(&[]), "");
    }
}
