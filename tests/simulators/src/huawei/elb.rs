//! Elastic Load Balance: one store of objects behind two versions of the API. v3 sees both kinds of load balancer, v2 the shared
//! ones; a shared one is made through v2 only.
//!
//! [`Elb`] holds the objects and the rules between them, and knows nothing of HTTP. Bodies reach it as maps in v3's words; the
//! modules `v3` and `v2` translate.

mod certificates;
mod fields;
mod http;
mod ip_groups;
mod listeners;
mod load_balancers;
mod members;
mod monitors;
mod network;
mod pools;
mod refusals;
mod rules;
mod statuses;
mod stores;
mod traffic;
mod tree;
mod whitelists;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub(super) use self::http::{CREATION, tag_services as tags, v2, v3};
use self::refusals::{conflict, missing, over_quota};
pub use self::{
    certificates::Certificate,
    ip_groups::{IpGroup, IpRange},
    listeners::{IpGroupRef, Listener},
    load_balancers::LoadBalancer,
    members::Member,
    monitors::Monitor,
    network::{Bound, Network, Nic, Plug, Subnet},
    pools::{Persistence, Pool},
    tree::{ListenerTree, LoadBalancerTree, MemberTree, PoolTree},
    whitelists::Whitelist,
};
pub use super::tags::Tag;
use crate::engine::{Problem, Table};

/// Fields of an object as they stand in a body.
pub type Fields = Map<String, Value>;

/// Quotas, which are knobs of the same names, and their defaults. All but the last three are per project.
pub const QUOTAS: &[(&str, usize)] = &[
    ("loadbalancer", 50),
    ("listener", 100),
    ("pool", 500),
    ("member", 500),
    ("healthmonitor", 500),
    ("certificate", 120),
    ("ipgroup", 50),
    ("listeners_per_loadbalancer", 50),
    ("members_per_pool", 500),
    ("ipgroup_max_length", 300),
];

/// Where and when an operation happens.
#[derive(Clone, Debug)]
pub struct At {
    /// The cloud's time.
    pub now: Timestamp,
    /// The project of the caller; objects of others do not exist for it.
    pub project: String,
    /// How long a shared load balancer takes to be made.
    pub creation: Duration,
    /// Quotas, in the order of [`QUOTAS`].
    pub quotas: Vec<usize>,
    /// Most public addresses of a project.
    pub public_ips: usize,
}

impl At {
    /// A quota by its name.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn quota(&self, of: &str) -> usize {
        let place = QUOTAS.iter().position(|(name, _)| *name == of);
        self.quotas[place.unwrap_or_else(|| panic!("no quota `{of}`"))]
    }
}

/// A flavor of dedicated load balancers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flavor {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `L4` or `L7`.
    pub kind: &'static str,
}

/// All objects of the service.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Elb {
    /// Zones dedicated load balancers can be in.
    pub zones: BTreeSet<String>,
    /// Flavors; the first of each kind is the platform's default.
    pub flavors: Vec<Flavor>,
    /// Load balancers.
    pub load_balancers: Table<LoadBalancer>,
    /// Listeners.
    pub listeners: Table<Listener>,
    /// Pools.
    pub pools: Table<Pool>,
    /// Members of all pools.
    pub members: Table<Member>,
    /// Ids of the members of each pool, oldest first.
    #[serde(skip)]
    pool_members: HashMap<String, Vec<String>>,
    /// Health monitors.
    pub monitors: Table<Monitor>,
    /// IP groups.
    pub ip_groups: Table<IpGroup>,
    /// Whitelists of v2.
    pub whitelists: Table<Whitelist>,
    /// Certificates.
    pub certificates: Table<Certificate>,
    /// Ids given so far.
    #[serde(skip)]
    ids: u64,
}

impl Elb {
    /// A service without load balancers, with the zones and flavors of a region.
    pub fn in_region(region: &str) -> Self {
        let flavor = |kind: &'static str, size: &str| {
            let name = format!("{kind}_flavor.elb.{size}");
            let id = hex::encode(&Sha256::digest(&name)[..16]);
            Flavor { id: uuid_of(&id), name, kind }
        };
        Self {
            zones: ["a", "b", "c"].iter().map(|zone| format!("{region}{zone}")).collect(),
            flavors: vec![
                flavor("L4", "s1.small"),
                flavor("L7", "s1.small"),
                flavor("L4", "s2.large"),
                flavor("L7", "s2.large"),
            ],
            ..Self::default()
        }
    }

    /// A load balancer of the project.
    pub fn load_balancer(&self, at: &At, id: &str) -> Result<&LoadBalancer, Problem> {
        of_project(at, self.load_balancers.get(id), |object| &object.project).ok_or_else(|| missing("loadbalancer", id))
    }

    /// A listener of the project.
    pub fn listener(&self, at: &At, id: &str) -> Result<&Listener, Problem> {
        of_project(at, self.listeners.get(id), |object| &object.project).ok_or_else(|| missing("listener", id))
    }

    /// A pool of the project.
    pub fn pool(&self, at: &At, id: &str) -> Result<&Pool, Problem> {
        of_project(at, self.pools.get(id), |object| &object.project).ok_or_else(|| missing("pool", id))
    }

    /// A member of a pool of the project.
    pub fn member(&self, at: &At, pool: &str, id: &str) -> Result<&Member, Problem> {
        self.pool(at, pool)?;
        self.members.get(id).filter(|member| member.pool == pool).ok_or_else(|| missing("member", id))
    }

    /// A health monitor of the project.
    pub fn monitor(&self, at: &At, id: &str) -> Result<&Monitor, Problem> {
        of_project(at, self.monitors.get(id), |object| &object.project).ok_or_else(|| missing("healthmonitor", id))
    }

    /// An IP group of the project.
    pub fn ip_group(&self, at: &At, id: &str) -> Result<&IpGroup, Problem> {
        of_project(at, self.ip_groups.get(id), |object| &object.project).ok_or_else(|| missing("ipgroup", id))
    }

    /// A whitelist of the project.
    pub fn whitelist(&self, at: &At, id: &str) -> Result<&Whitelist, Problem> {
        of_project(at, self.whitelists.get(id), |object| &object.project).ok_or_else(|| missing("whitelist", id))
    }

    /// A certificate of the project.
    pub fn certificate(&self, at: &At, id: &str) -> Result<&Certificate, Problem> {
        of_project(at, self.certificates.get(id), |object| &object.project).ok_or_else(|| missing("certificate", id))
    }

    /// Listeners of a load balancer.
    pub fn listeners_of<'a>(&'a self, load_balancer: &'a str) -> impl Iterator<Item = &'a Listener> {
        self.listeners.iter().filter(move |listener| listener.load_balancer() == load_balancer)
    }

    /// Pools of a load balancer.
    pub fn pools_of<'a>(&'a self, load_balancer: &'a str) -> impl Iterator<Item = &'a Pool> {
        self.pools.iter().filter(move |pool| pool.load_balancer.as_deref() == Some(load_balancer))
    }

    /// Members of a pool.
    pub fn members_of<'a>(&'a self, pool: &'a str) -> impl Iterator<Item = &'a Member> {
        self.pool_members.get(pool).into_iter().flatten().filter_map(|id| self.members.get(id))
    }

    /// The monitor of a pool.
    pub fn monitor_of(&self, pool: &str) -> Option<&Monitor> {
        self.monitors.iter().find(|monitor| monitor.fields.pool_id == pool)
    }

    /// Listeners that send to a pool.
    pub fn listeners_to<'a>(&'a self, pool: &'a str) -> impl Iterator<Item = &'a Listener> {
        self.listeners.iter().filter(move |listener| listener.fields.default_pool_id.as_deref() == Some(pool))
    }

    /// The load balancer of a pool, when it has one.
    fn load_balancer_of(&self, pool: &Pool) -> Option<&LoadBalancer> {
        self.load_balancers.get(pool.load_balancer.as_deref()?)
    }

    /// That a load balancer and what belongs to it can be changed now.
    fn settled(&self, at: &At, load_balancer: &str) -> Result<(), Problem> {
        let load_balancer = self.load_balancer(at, load_balancer)?;
        match load_balancer.provisioning_status(at.now) {
            "ACTIVE" => Ok(()),
            status => Err(conflict(format!(
                "Load balancer {} is immutable and cannot be updated: its provisioning status is {status}.",
                load_balancer.id
            ))),
        }
    }

    /// That a pool can be changed now.
    fn pool_settled(&self, at: &At, pool: &str) -> Result<(), Problem> {
        match &self.pool(at, pool)?.load_balancer {
            Some(load_balancer) => self.settled(at, load_balancer),
            None => Ok(()),
        }
    }

    /// That so many more fit into a quota.
    fn within_quota(at: &At, of: &str, used: usize, more: usize) -> Result<(), Problem> {
        let quota = at.quota(of);
        if used + more > quota { Err(over_quota(of, quota)) } else { Ok(()) }
    }

    /// How much of a quota the project uses; `None` when it is no quota of a project.
    pub fn used(&self, project: &str, quota: &str) -> Option<usize> {
        fn count<T: Clone>(table: &Table<T>, project: &str, of: impl Fn(&T) -> &str) -> usize {
            table.iter().filter(|object| of(object) == project).count()
        }
        Some(match quota {
            "loadbalancer" => count(&self.load_balancers, project, |object| &object.project),
            "listener" => count(&self.listeners, project, |object| &object.project),
            "pool" => count(&self.pools, project, |object| &object.project),
            "member" => count(&self.members, project, |object| &object.project),
            "healthmonitor" => count(&self.monitors, project, |object| &object.project),
            "certificate" => count(&self.certificates, project, |object| &object.project),
            "ipgroup" => count(&self.ip_groups, project, |object| &object.project),
            _ => return None,
        })
    }

    /// A new id of 32 hexadecimal digits; the same in each run.
    fn new_hex_id(&mut self) -> String {
        self.ids += 1;
        hex::encode(&Sha256::digest(format!("elb {}", self.ids))[..16])
    }

    /// A new id of the usual form; the same in each run.
    fn new_id(&mut self) -> String {
        uuid_of(&self.new_hex_id())
    }

    fn room_for(&self, at: &At, quota: &str, more: usize) -> Result<(), Problem> {
        Self::within_quota(at, quota, self.used(&at.project, quota).unwrap_or_default(), more)
    }
}

fn of_project<'a, T>(at: &At, object: Option<&'a T>, project: impl Fn(&T) -> &str) -> Option<&'a T> {
    object.filter(|object| project(object) == at.project)
}

/// 32 hexadecimal digits as an id of version 4.
pub(super) fn uuid_of(hex: &str) -> String {
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
