//! The kinds of objects, each by the same handful of operations.

use super::super::{
    At, Certificate, Elb, Fields, IpGroup, Listener, LoadBalancer, Member, Monitor, Network, Pool, Whitelist,
};
use crate::engine::{Problem, Table};

/// What an operation is about: ids in its path.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    /// The pool of a member; else empty.
    pub(super) pool: String,
    /// The object; empty when it is yet to be made.
    pub(super) id: String,
}

/// Which version a call came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Through {
    V2,
    V3,
}

/// A kind of object.
pub(super) trait Kind {
    /// The object.
    type Object: Clone;
    /// What one is called in bodies.
    const NAME: &'static str;
    /// What many are called.
    const NAMES: &'static str;
    /// Its path has the pool.
    const IN_POOL: bool = false;

    fn table(elb: &Elb) -> &Table<Self::Object>;
    fn find<'a>(elb: &'a Elb, at: &At, path: &Path) -> Result<&'a Self::Object, Problem>;
    fn project(object: &Self::Object) -> &str;
    fn id(object: &Self::Object) -> &str;
    /// The load balancer it belongs to.
    fn owner<'a>(elb: &'a Elb, object: &'a Self::Object) -> Option<&'a str>;
    /// Whether it is in the pool of the path.
    fn is_in(_: &Self::Object, _: &Path) -> bool {
        true
    }
    /// Whether v2 sees it: it belongs to a shared load balancer.
    fn is_shared(elb: &Elb, object: &Self::Object) -> bool {
        Self::owner(elb, object).and_then(|id| elb.load_balancers.get(id)).is_some_and(|owner| !owner.guaranteed)
    }
    fn show(elb: &Elb, net: &dyn Network, at: &At, object: &Self::Object) -> Fields;
    fn create(
        elb: &mut Elb,
        net: &mut dyn Network,
        at: &At,
        path: &Path,
        body: Fields,
        through: Through,
    ) -> Result<String, Problem>;
    fn update(elb: &mut Elb, net: &mut dyn Network, at: &At, path: &Path, change: Fields) -> Result<(), Problem>;
    fn delete(elb: &mut Elb, net: &mut dyn Network, at: &At, path: &Path) -> Result<(), Problem>;
}

/// The load balancer of a pool.
fn of_pool<'a>(elb: &'a Elb, pool: &str) -> Option<&'a str> {
    elb.pools.get(pool)?.load_balancer.as_deref()
}

pub(super) struct LoadBalancers;
impl Kind for LoadBalancers {
    type Object = LoadBalancer;
    const NAME: &'static str = "loadbalancer";
    const NAMES: &'static str = "loadbalancers";

    fn table(elb: &Elb) -> &Table<LoadBalancer> {
        &elb.load_balancers
    }
    fn find<'a>(elb: &'a Elb, at: &At, path: &Path) -> Result<&'a LoadBalancer, Problem> {
        elb.load_balancer(at, &path.id)
    }
    fn project(object: &LoadBalancer) -> &str {
        &object.project
    }
    fn id(object: &LoadBalancer) -> &str {
        &object.id
    }
    fn owner<'a>(_: &'a Elb, object: &'a LoadBalancer) -> Option<&'a str> {
        Some(&object.id)
    }
    fn show(elb: &Elb, net: &dyn Network, at: &At, object: &LoadBalancer) -> Fields {
        elb.show_load_balancer(net, at, object)
    }
    fn create(
        elb: &mut Elb,
        net: &mut dyn Network,
        at: &At,
        _: &Path,
        body: Fields,
        through: Through,
    ) -> Result<String, Problem> {
        match through {
            Through::V2 => elb.create_shared(net, at, body),
            Through::V3 => elb.create_dedicated(net, at, body),
        }
    }
    fn update(elb: &mut Elb, net: &mut dyn Network, at: &At, path: &Path, change: Fields) -> Result<(), Problem> {
        elb.update_load_balancer(net, at, &path.id, change)
    }
    fn delete(elb: &mut Elb, net: &mut dyn Network, at: &At, path: &Path) -> Result<(), Problem> {
        elb.delete_load_balancer(net, at, &path.id)
    }
}

pub(super) struct Listeners;
impl Kind for Listeners {
    type Object = Listener;
    const NAME: &'static str = "listener";
    const NAMES: &'static str = "listeners";

    fn table(elb: &Elb) -> &Table<Listener> {
        &elb.listeners
    }
    fn find<'a>(elb: &'a Elb, at: &At, path: &Path) -> Result<&'a Listener, Problem> {
        elb.listener(at, &path.id)
    }
    fn project(object: &Listener) -> &str {
        &object.project
    }
    fn id(object: &Listener) -> &str {
        &object.id
    }
    fn owner<'a>(_: &'a Elb, object: &'a Listener) -> Option<&'a str> {
        Some(object.load_balancer())
    }
    fn show(elb: &Elb, _: &dyn Network, _: &At, object: &Listener) -> Fields {
        elb.show_listener(object)
    }
    fn create(
        elb: &mut Elb,
        _: &mut dyn Network,
        at: &At,
        _: &Path,
        body: Fields,
        _: Through,
    ) -> Result<String, Problem> {
        elb.create_listener(at, body)
    }
    fn update(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path, change: Fields) -> Result<(), Problem> {
        elb.update_listener(at, &path.id, change)
    }
    fn delete(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path) -> Result<(), Problem> {
        elb.delete_listener(at, &path.id)
    }
}

pub(super) struct Pools;
impl Kind for Pools {
    type Object = Pool;
    const NAME: &'static str = "pool";
    const NAMES: &'static str = "pools";

    fn table(elb: &Elb) -> &Table<Pool> {
        &elb.pools
    }
    fn find<'a>(elb: &'a Elb, at: &At, path: &Path) -> Result<&'a Pool, Problem> {
        elb.pool(at, &path.id)
    }
    fn project(object: &Pool) -> &str {
        &object.project
    }
    fn id(object: &Pool) -> &str {
        &object.id
    }
    fn owner<'a>(_: &'a Elb, object: &'a Pool) -> Option<&'a str> {
        object.load_balancer.as_deref()
    }
    fn show(elb: &Elb, _: &dyn Network, _: &At, object: &Pool) -> Fields {
        elb.show_pool(object)
    }
    fn create(
        elb: &mut Elb,
        net: &mut dyn Network,
        at: &At,
        _: &Path,
        body: Fields,
        _: Through,
    ) -> Result<String, Problem> {
        elb.create_pool(net, at, body)
    }
    fn update(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path, change: Fields) -> Result<(), Problem> {
        elb.update_pool(at, &path.id, change)
    }
    fn delete(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path) -> Result<(), Problem> {
        elb.delete_pool(at, &path.id)
    }
}

pub(super) struct Members;
impl Kind for Members {
    type Object = Member;
    const NAME: &'static str = "member";
    const NAMES: &'static str = "members";
    const IN_POOL: bool = true;

    fn table(elb: &Elb) -> &Table<Member> {
        &elb.members
    }
    fn find<'a>(elb: &'a Elb, at: &At, path: &Path) -> Result<&'a Member, Problem> {
        elb.member(at, &path.pool, &path.id)
    }
    fn project(object: &Member) -> &str {
        &object.project
    }
    fn id(object: &Member) -> &str {
        &object.id
    }
    fn owner<'a>(elb: &'a Elb, object: &'a Member) -> Option<&'a str> {
        of_pool(elb, &object.pool)
    }
    fn is_in(object: &Member, path: &Path) -> bool {
        path.pool.is_empty() || object.pool == path.pool
    }
    fn show(elb: &Elb, _: &dyn Network, _: &At, object: &Member) -> Fields {
        elb.show_member(object)
    }
    fn create(
        elb: &mut Elb,
        net: &mut dyn Network,
        at: &At,
        path: &Path,
        body: Fields,
        through: Through,
    ) -> Result<String, Problem> {
        elb.create_member(net, at, &path.pool, body, through == Through::V2)
    }
    fn update(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path, change: Fields) -> Result<(), Problem> {
        elb.update_member(at, &path.pool, &path.id, change)
    }
    fn delete(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path) -> Result<(), Problem> {
        elb.delete_member(at, &path.pool, &path.id)
    }
}

pub(super) struct Monitors;
impl Kind for Monitors {
    type Object = Monitor;
    const NAME: &'static str = "healthmonitor";
    const NAMES: &'static str = "healthmonitors";

    fn table(elb: &Elb) -> &Table<Monitor> {
        &elb.monitors
    }
    fn find<'a>(elb: &'a Elb, at: &At, path: &Path) -> Result<&'a Monitor, Problem> {
        elb.monitor(at, &path.id)
    }
    fn project(object: &Monitor) -> &str {
        &object.project
    }
    fn id(object: &Monitor) -> &str {
        &object.id
    }
    fn owner<'a>(elb: &'a Elb, object: &'a Monitor) -> Option<&'a str> {
        of_pool(elb, &object.fields.pool_id)
    }
    fn show(_: &Elb, _: &dyn Network, _: &At, object: &Monitor) -> Fields {
        Elb::show_monitor(object)
    }
    fn create(
        elb: &mut Elb,
        _: &mut dyn Network,
        at: &At,
        _: &Path,
        body: Fields,
        _: Through,
    ) -> Result<String, Problem> {
        elb.create_monitor(at, body)
    }
    fn update(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path, change: Fields) -> Result<(), Problem> {
        elb.update_monitor(at, &path.id, change)
    }
    fn delete(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path) -> Result<(), Problem> {
        elb.delete_monitor(at, &path.id)
    }
}

pub(super) struct IpGroups;
impl Kind for IpGroups {
    type Object = IpGroup;
    const NAME: &'static str = "ipgroup";
    const NAMES: &'static str = "ipgroups";

    fn table(elb: &Elb) -> &Table<IpGroup> {
        &elb.ip_groups
    }
    fn find<'a>(elb: &'a Elb, at: &At, path: &Path) -> Result<&'a IpGroup, Problem> {
        elb.ip_group(at, &path.id)
    }
    fn project(object: &IpGroup) -> &str {
        &object.project
    }
    fn id(object: &IpGroup) -> &str {
        &object.id
    }
    fn owner<'a>(_: &'a Elb, _: &'a IpGroup) -> Option<&'a str> {
        None
    }
    fn show(elb: &Elb, _: &dyn Network, _: &At, object: &IpGroup) -> Fields {
        elb.show_ip_group(object)
    }
    fn create(
        elb: &mut Elb,
        _: &mut dyn Network,
        at: &At,
        _: &Path,
        body: Fields,
        _: Through,
    ) -> Result<String, Problem> {
        elb.create_ip_group(at, body)
    }
    fn update(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path, change: Fields) -> Result<(), Problem> {
        elb.update_ip_group(at, &path.id, change)
    }
    fn delete(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path) -> Result<(), Problem> {
        elb.delete_ip_group(at, &path.id)
    }
}

pub(super) struct Certificates;
impl Kind for Certificates {
    type Object = Certificate;
    const NAME: &'static str = "certificate";
    const NAMES: &'static str = "certificates";

    fn table(elb: &Elb) -> &Table<Certificate> {
        &elb.certificates
    }
    fn find<'a>(elb: &'a Elb, at: &At, path: &Path) -> Result<&'a Certificate, Problem> {
        elb.certificate(at, &path.id)
    }
    fn project(object: &Certificate) -> &str {
        &object.project
    }
    fn id(object: &Certificate) -> &str {
        &object.id
    }
    fn owner<'a>(_: &'a Elb, _: &'a Certificate) -> Option<&'a str> {
        None
    }
    fn show(_: &Elb, _: &dyn Network, _: &At, object: &Certificate) -> Fields {
        Elb::show_certificate(object)
    }
    fn create(
        elb: &mut Elb,
        _: &mut dyn Network,
        at: &At,
        _: &Path,
        body: Fields,
        _: Through,
    ) -> Result<String, Problem> {
        elb.create_certificate(at, body)
    }
    fn update(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path, change: Fields) -> Result<(), Problem> {
        elb.update_certificate(at, &path.id, change)
    }
    fn delete(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path) -> Result<(), Problem> {
        elb.delete_certificate(at, &path.id)
    }
}

pub(super) struct Whitelists;
impl Kind for Whitelists {
    type Object = Whitelist;
    const NAME: &'static str = "whitelist";
    const NAMES: &'static str = "whitelists";

    fn table(elb: &Elb) -> &Table<Whitelist> {
        &elb.whitelists
    }
    fn find<'a>(elb: &'a Elb, at: &At, path: &Path) -> Result<&'a Whitelist, Problem> {
        elb.whitelist(at, &path.id)
    }
    fn project(object: &Whitelist) -> &str {
        &object.project
    }
    fn id(object: &Whitelist) -> &str {
        &object.id
    }
    fn owner<'a>(elb: &'a Elb, object: &'a Whitelist) -> Option<&'a str> {
        elb.listeners.get(&object.fields.listener_id).map(Listener::load_balancer)
    }
    fn show(_: &Elb, _: &dyn Network, _: &At, object: &Whitelist) -> Fields {
        Elb::show_whitelist(object)
    }
    fn create(
        elb: &mut Elb,
        _: &mut dyn Network,
        at: &At,
        _: &Path,
        body: Fields,
        _: Through,
    ) -> Result<String, Problem> {
        elb.create_whitelist(at, body)
    }
    fn update(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path, change: Fields) -> Result<(), Problem> {
        elb.update_whitelist(at, &path.id, change)
    }
    fn delete(elb: &mut Elb, _: &mut dyn Network, at: &At, path: &Path) -> Result<(), Problem> {
        elb.delete_whitelist(at, &path.id)
    }
}
