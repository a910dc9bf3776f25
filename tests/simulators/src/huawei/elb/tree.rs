//! What there is, without ids: two clouds in which the same was made look the same, whatever way it took.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Elb, Listener, LoadBalancer, Network, Persistence, Pool, Tag, fields::show};

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LoadBalancerTree {
    /// Its name.
    pub name: String,
    /// Dedicated.
    pub guaranteed: bool,
    /// Its description.
    pub description: String,
    /// Subnet of its address.
    pub vip_subnet_cidr_id: Option<String>,
    /// Its tags, sorted.
    pub tags: Vec<Tag>,
    /// How many public addresses are bound to it.
    pub public_addresses: usize,
    /// Its listeners, sorted.
    pub listeners: Vec<ListenerTree>,
    /// Pools no listener sends to, sorted.
    pub idle_pools: Vec<PoolTree>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ListenerTree {
    /// Protocol and port.
    pub port: (String, u16),
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its other settings that are set, as JSON texts.
    pub settings: BTreeMap<String, String>,
    /// `white` or `black`, whether it is on, and the entries of its IP group.
    pub ip_group: Option<(String, bool, Vec<String>)>,
    /// What its whitelist admits, when that is on.
    pub whitelist: Option<String>,
    /// Where it sends traffic.
    pub pool: Option<PoolTree>,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PoolTree {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its protocol.
    pub protocol: String,
    /// How members are chosen.
    pub lb_algorithm: String,
    /// Stickiness.
    pub session_persistence: Option<Persistence>,
    /// Fields of its monitor that are set, as JSON texts.
    pub monitor: Option<BTreeMap<String, String>>,
    /// Its members, sorted: address, port, weight, name and subnet.
    pub members: Vec<MemberTree>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MemberTree {
    /// Its address.
    pub address: std::net::IpAddr,
    /// Its port.
    pub port: u16,
    /// Its weight.
    pub weight: u32,
    /// Its name.
    pub name: String,
    /// Its subnet.
    pub subnet: Option<String>,
}

/// Fields of a listener that stand elsewhere in the tree, or are ids.
const NOT_SETTINGS: &[&str] =
    &["loadbalancer_id", "protocol", "protocol_port", "name", "description", "default_pool_id", "ipgroup"];

impl Elb {
    /// All load balancers of a project, sorted, without ids.
    pub fn tree(&self, net: &dyn Network, project: &str) -> Vec<LoadBalancerTree> {
        let own = self.load_balancers.iter().filter(|object| object.project == project);
        sorted(own.map(|object| self.load_balancer_tree(net, object)))
    }

    /// Names of what belongs to no load balancer: pools, and IP groups no listener uses.
    pub fn strays(&self, project: &str) -> Vec<String> {
        let pools = self.pools.iter().filter(|pool| pool.project == project && pool.load_balancer.is_none());
        let pools = pools.map(|pool| format!("pool {}", pool.fields.name));
        let groups = self.ip_groups.iter().filter(|group| group.project == project);
        let groups = groups.filter(|group| self.listeners_with_group(&group.id).next().is_none());
        sorted(pools.chain(groups.map(|group| format!("ipgroup {}", group.fields.name))))
    }

    fn load_balancer_tree(&self, net: &dyn Network, object: &LoadBalancer) -> LoadBalancerTree {
        let fields = &object.fields;
        let idle = self.pools_of(&object.id).filter(|pool| self.listeners_to(&pool.id).next().is_none());
        LoadBalancerTree {
            name: fields.name.clone(),
            guaranteed: object.guaranteed,
            description: fields.description.clone(),
            vip_subnet_cidr_id: fields.vip_subnet_cidr_id.clone(),
            tags: sorted(fields.tags.iter().cloned()),
            public_addresses: object.ports().map(|port| net.bound_to(port).len()).sum(),
            listeners: sorted(self.listeners_of(&object.id).map(|listener| self.listener_tree(listener))),
            idle_pools: sorted(idle.map(|pool| self.pool_tree(pool))),
        }
    }

    fn listener_tree(&self, listener: &Listener) -> ListenerTree {
        let fields = &listener.fields;
        let group = fields.ipgroup.as_ref().map(|used| {
            let entries =
                self.ip_groups.get(&used.ipgroup_id).map(|group| &group.fields.ip_list[..]).unwrap_or_default();
            (used.kind.clone(), used.enable_ipgroup, sorted(entries.iter().map(|entry| entry.ip.clone())))
        });
        let whitelist = self.whitelists.iter().find(|list| list.fields.listener_id == listener.id);
        ListenerTree {
            port: (fields.protocol.clone(), fields.protocol_port),
            name: fields.name.clone(),
            description: fields.description.clone(),
            settings: settings(fields, NOT_SETTINGS),
            ip_group: group,
            whitelist: whitelist.filter(|list| list.fields.enable_whitelist).map(|list| list.fields.whitelist.clone()),
            pool: fields.default_pool_id.as_ref().and_then(|id| self.pools.get(id)).map(|pool| self.pool_tree(pool)),
        }
    }

    fn pool_tree(&self, pool: &Pool) -> PoolTree {
        let fields = &pool.fields;
        let members = self.members_of(&pool.id).map(|member| MemberTree {
            address: member.fields.address,
            port: member.fields.protocol_port,
            weight: member.fields.weight,
            name: member.fields.name.clone(),
            subnet: member.fields.subnet_cidr_id.clone(),
        });
        PoolTree {
            name: fields.name.clone(),
            description: fields.description.clone(),
            protocol: fields.protocol.clone(),
            lb_algorithm: fields.lb_algorithm.clone(),
            session_persistence: fields.session_persistence.clone(),
            monitor: self.monitor_of(&pool.id).map(|monitor| settings(&monitor.fields, &["pool_id"])),
            members: sorted(members),
        }
    }
}

fn settings<T: Serialize>(fields: &T, but: &[&str]) -> BTreeMap<String, String> {
    let set = show(fields).into_iter().filter(|(name, value)| !value.is_null() && !but.contains(&name.as_str()));
    set.map(|(name, value)| (name, value.to_string())).collect()
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<_> = items.collect();
    items.sort();
    items
}
