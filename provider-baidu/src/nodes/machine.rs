//! A machine, cut down to what is asked about it: thousands of them are kept in memory.

use std::net::IpAddr;

use cloud_provider_api::v1::InstanceState;
use provider_kit::inventory;

/// Which of the cloud's services runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Virtual, in a region.
    Bcc,
    /// Bare metal, in a region.
    Bbc,
    /// Virtual, at the edge.
    Bec,
}

/// A machine of the cloud's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) hostname: String,
    pub(crate) state: InstanceState,
    /// As the cloud writes it: `cn-bj-a`; at the edge the place, `cn-hangzhou-cm`.
    pub(crate) zone: String,
    /// Name of the size.
    pub(crate) spec: String,
    /// It has a GPU.
    pub(crate) gpu: bool,
    pub(crate) vpc: String,
    /// Inside, the primary one first.
    pub(crate) internal: Vec<IpAddr>,
    /// Reachable from outside.
    pub(crate) external: Vec<IpAddr>,
    /// Keys and values.
    pub(crate) tags: Vec<(String, String)>,
}

impl inventory::Machine for Machine {
    fn id(&self) -> &str {
        &self.id
    }

    fn names(&self) -> Vec<&str> {
        // CCE calls nodes by their address or their host name.
        [self.name.as_str(), &self.hostname].into_iter().filter(|name| !name.is_empty()).collect()
    }

    fn addresses(&self) -> Vec<(IpAddr, bool)> {
        let inside = self.internal.iter().map(|ip| (*ip, false));
        inside.chain(self.external.iter().map(|ip| (*ip, true))).collect()
    }

    /// The edge is another network than the region's, and BBC does not say: what is not known excludes nobody.
    fn is_in(&self, network: &str) -> bool {
        self.vpc == network || self.vpc.is_empty() || self.kind == Kind::Bec
    }

    fn is_leaving(&self) -> bool {
        self.state == InstanceState::Terminating
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A running BCC with one address in `vpc-1`.
    pub(crate) fn machine(id: &str, ip: &str) -> Machine {
        Machine {
            kind: Kind::Bcc,
            id: id.to_owned(),
            name: format!("name-of-{id}"),
            hostname: String::new(),
            state: InstanceState::Running,
            zone: "cn-bj-a".to_owned(),
            spec: "bcc.g5.c4m16".to_owned(),
            gpu: false,
            vpc: "vpc-1".to_owned(),
            internal: vec![ip.parse().unwrap()],
            external: Vec::new(),
            tags: Vec::new(),
        }
    }
}
