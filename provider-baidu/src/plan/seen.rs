//! What the cloud has.

use std::collections::BTreeMap;

use super::{
    PortKey,
    record::{Record, digest},
};
use crate::api::{
    balancers::{Backend, Group, Listener, LoadBalancer, Policy},
    eip::Eip,
};

/// A load balancer with all that hangs on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balancer {
    /// Itself.
    pub(crate) lb: LoadBalancer,
    /// We may change and delete it. Else only what is this Service's on it is ours.
    pub(crate) owned: bool,
    /// All its listeners, others' too.
    pub(crate) listeners: Vec<Listener>,
    /// BLB: all its servers.
    pub(crate) backends: Vec<Backend>,
    /// The other kinds: all groups; those of ours with their members.
    pub(crate) groups: Vec<Group>,
    /// The other kinds: policies of the listeners that matter.
    pub(crate) policies: BTreeMap<PortKey, Vec<Policy>>,
}

/// All that was gathered for one Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The load balancer that serves it, or is to.
    pub(crate) target: Option<Balancer>,
    /// Others that carry things of ours.
    pub(crate) leftovers: Vec<Balancer>,
    /// Addresses, those that had to be looked at.
    pub(crate) eips: BTreeMap<String, Eip>,
}

impl Balancer {
    /// The listener at a port.
    pub(crate) fn listener(&self, key: PortKey) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.key() == Some(key))
    }

    /// The record, if it is ours.
    pub(crate) fn record(&self) -> Record {
        if self.owned { Record::read(&self.lb.desc) } else { Record::default() }
    }

    /// [`digest`] of the servers that are there, of all groups that were read.
    pub(crate) fn servers(&self) -> String {
        let backends = self.backends.iter().map(|backend| (backend.instance.as_str(), backend.weight));
        let members = self.groups.iter().flat_map(|group| &group.members);
        digest(backends.chain(members.map(|member| (member.target(), member.weight))))
    }

    /// The public address that is bound.
    pub(crate) fn public_ip(&self) -> Option<&str> {
        Some(self.lb.public_ip.as_str()).filter(|ip| !ip.is_empty() && *ip != "-")
    }

    /// Listeners that no Service can have made: they end HTTP or TLS.
    pub(crate) fn other_listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter().filter(|listener| listener.key().is_none())
    }
}
