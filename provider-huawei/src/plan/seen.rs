//! What the cloud has.

use std::collections::BTreeMap;

use super::owner::{AddressMark, Owner};
use crate::api::{
    eip::PublicIp,
    elb::{IpGroup, Listener, LoadBalancer, Member, Monitor, Pool, Tag},
};

/// A load balancer with all that hangs on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Balancer {
    /// Itself.
    pub lb: LoadBalancer,
    /// We may change and delete it. Else only our listeners on it are ours.
    pub owned: bool,
    /// All its listeners, others' too.
    pub listeners: Vec<Listener>,
    /// All its pools.
    pub pools: Vec<Pool>,
    /// Members by pool.
    pub members: BTreeMap<String, Vec<Member>>,
    /// Monitors of its pools.
    pub monitors: Vec<Monitor>,
}

/// All that was gathered for one Service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The load balancer that serves it, or is to.
    pub target: Option<Balancer>,
    /// Others that carry things of ours: of another class, or named by an annotation that has changed.
    pub leftovers: Vec<Balancer>,
    /// IP groups of ours.
    pub ip_groups: Vec<IpGroup>,
    /// Public addresses by id, those that had to be looked at.
    pub eips: BTreeMap<String, PublicIp>,
    /// Tags of public addresses by their id, those that have to say who pays.
    pub eip_tags: BTreeMap<String, Vec<Tag>>,
}

impl Balancer {
    /// The pool with this id.
    pub fn pool(&self, id: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.id == id)
    }

    /// Members of a pool.
    pub fn members_of(&self, pool: &str) -> &[Member] {
        self.members.get(pool).map_or(&[], Vec::as_slice)
    }

    /// The pool a listener sends traffic to.
    pub fn pool_of(&self, listener: &Listener) -> Option<&Pool> {
        self.pool(&listener.default_pool_id)
            .or_else(|| self.pools.iter().find(|pool| pool.listeners.iter().any(|other| other.id == listener.id)))
    }

    /// Sorts members by pool. A member's own word about its pool is not to be relied on, so the pools' lists decide.
    pub fn assign(&mut self, members: Vec<Member>) {
        let pool_of: BTreeMap<&str, &str> = self
            .pools
            .iter()
            .flat_map(|pool| pool.members.iter().map(|member| (member.id.as_str(), pool.id.as_str())))
            .collect();
        let mut sorted: BTreeMap<String, Vec<Member>> = BTreeMap::new();
        for member in members {
            if let Some(pool) = pool_of.get(member.id.as_str()) {
                sorted.entry((*pool).to_owned()).or_default().push(member);
            }
        }
        self.members = sorted;
    }

    /// Whether the public address bound here was allocated by us.
    pub fn allocated(&self, eip: &str, detail: Option<&PublicIp>, owner: &Owner) -> bool {
        let recorded = super::record::Record::read(&self.lb.description).eip;
        let by_record =
            self.owned && recorded.is_some_and(|recorded| recorded == eip || recorded == super::record::EIP_NEW);
        by_record || detail.is_some_and(|eip| is_marked(eip, owner) || self.by_go(eip, owner))
    }

    /// Whether the Go provider allocated this address for the Service: it is at a load balancer that the Go provider made for it and
    /// we have adopted, and has the name the Go provider gives.
    pub fn by_go(&self, eip: &PublicIp, owner: &Owner) -> bool {
        let lb = &self.lb;
        let adopted = self.owned && lb.name != owner.balancer_name() && lb.name.starts_with("k8s_service_");
        adopted && eip.bandwidth_name == owner.go_bandwidth_name()
    }

    /// An address the record calls ours that is bound nowhere: a change was interrupted, or somebody unbound it.
    pub fn idle_eip<'s>(&self, eips: &'s BTreeMap<String, PublicIp>) -> Option<&'s str> {
        let bound = self.lb.eip().map(|eip| eip.eip_id.as_str());
        let recorded = super::record::Record::read(&self.lb.description).eip.filter(|_| self.owned)?;
        let (id, detail) = eips.get_key_value(&recorded)?;
        (bound != Some(id) && detail.port_id.is_empty()).then_some(id)
    }
}

/// What a public address says of whom it was allocated for. Its own name may be a later one than its bandwidth's.
pub fn mark_of(eip: &PublicIp) -> Option<AddressMark<'_>> {
    AddressMark::read(&eip.alias).or_else(|| AddressMark::read(&eip.bandwidth_name))
}

/// Whether a public address says that it was allocated for this Service.
pub fn is_marked(eip: &PublicIp, owner: &Owner) -> bool {
    mark_of(eip).is_some_and(|mark| owner.is_of_address(mark))
}
