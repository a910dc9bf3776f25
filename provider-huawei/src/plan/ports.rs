//! The steps for one port: pool, members, monitor, and last the listener, so that clients meet only what can answer.

use std::collections::{BTreeMap, BTreeSet};

use cloud_provider_api::error::Reason;

use super::{
    PortKey, Refusal, adopt,
    owner::{Claim, port_of},
    record::{Done, Record, member_name},
    seen::Balancer,
    step::{Action, Step, new_listener, new_pool},
    wanted::{ListenerSettings, MonitorSpec, Wanted, WantedMember, WantedPort},
};
use crate::api::elb::{
    BATCH, IpGroupRef, Listener, ListenerChange, Member, MemberChange, MemberRef, MonitorChange, NewListener,
    NewMember, NewMonitor, NewPool, Pool, PoolChange,
};

const FORWARDED_HOST: &str = "X-Forwarded-Host";

/// Where the steps go: what adds and changes first, what takes away after it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) adds: Vec<Step>,
    pub(super) drops: Vec<Step>,
    /// Listeners and pools that stay.
    pub(super) kept_listeners: BTreeSet<String>,
    pub(super) kept_pools: BTreeSet<String>,
    /// Pools that go with their listener.
    pub(super) gone_pools: BTreeSet<String>,
}

/// One port, with what is around it.
pub(super) struct Port<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) spec: &'a WantedPort,
    pub(super) target: &'a Balancer,
    /// The load balancer's id or its placeholder.
    pub(super) balancer: &'a str,
    /// The IP group that is to hold; `None`: everybody may connect.
    pub(super) group: Option<IpGroupRef>,
    /// IP groups of ours, by id.
    pub(super) own_groups: &'a BTreeSet<String>,
}

impl Port<'_> {
    pub(super) fn steps(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let listener = self.listener_there()?;
        let replaced = listener.is_some_and(|listener| !speaks_alike(listener, self.protocol()));
        let pool = self.pool_there(listener, replaced);
        let pool_id = pool.map_or_else(|| new_pool(self.spec.key), |pool| pool.id.clone());
        match pool {
            None => self.create_pool(draft),
            Some(pool) => self.update_pool(pool, draft),
        }
        let there = pool.map(|pool| self.target.members_of(&pool.id)).unwrap_or_default();
        member_steps(&pool_id, self.spec.key, there, &self.spec.members, None, draft);
        self.monitor(pool, &pool_id, draft);
        match listener {
            Some(listener) if !replaced => self.update_listener(listener, &pool_id, draft),
            other => {
                if let Some(old) = other {
                    // TCP, HTTP and HTTPS share their ports: the new one cannot be made beside it. What it needs is there.
                    draft.gone_pools.extend(self.target.pool_of(old).map(|pool| pool.id.clone()));
                    draft.kept_listeners.insert(old.id.clone());
                    let reason = format!("port {} is to speak {}", self.spec.key, self.protocol());
                    draft.adds.push(Step::new(Action::DeleteListenerForce(old.id.clone()), &old.id, reason));
                }
                self.create_listener(&pool_id, draft);
            }
        }
        Ok(())
    }

    fn protocol(&self) -> &'static str {
        self.spec.speaks.listener(self.wanted.dedicated)
    }

    fn description(&self) -> String {
        let acl = self.group.as_ref().map(|group| group.ipgroup_id.clone());
        let acl = acl.filter(|_| matches!(self.wanted.admission, super::wanted::Admission::Group(_)));
        Record { acl, ..Record::default() }.write(&self.wanted.owner, Some(self.spec.key))
    }

    /// Whether this port's listener is the [`record_holder`]: two that say what is done might say different things.
    fn holds_record(&self) -> bool {
        !self.target.owned && self.wanted.ports.first().is_some_and(|first| first.key == self.spec.key)
    }

    /// The listener at this port, if it is ours.
    fn listener_there(&self) -> Result<Option<&Listener>, Refusal> {
        let Some(listener) = listener_at(self.target, self.spec.key) else { return Ok(None) };
        if adopt::owns_listener(self.target, listener, &self.wanted.owner, self.spec) {
            return Ok(Some(listener));
        }
        let whose = match self.wanted.owner.claim(&listener.description) {
            Claim::Other(mark) => format!("which belongs to {mark}"),
            _ => "which is not this Service's".to_owned(),
        };
        let message = format!(
            "port {} of load balancer {} has listener {} ({}), {whose}: choose another port or another load balancer",
            self.spec.key, self.target.lb.id, listener.id, listener.name
        );
        Err(Refusal::new(Reason::NotOurs, message))
    }

    /// The pool to go on with: the listener's own, else one that was made for this port and is not in use yet.
    fn pool_there<'p>(&'p self, listener: Option<&Listener>, replaced: bool) -> Option<&'p Pool> {
        let fits = |pool: &&Pool| {
            pool.protocol == self.spec.speaks.pool()
                && !matches!(self.wanted.owner.claim(&pool.description), Claim::Other(_))
        };
        let attached = listener.and_then(|listener| self.target.pool_of(listener));
        if let Some(pool) = attached.filter(|_| !replaced).filter(fits) {
            return Some(pool);
        }
        let spare = |pool: &&Pool| {
            self.wanted.owner.claim(&pool.description) == Claim::Ours
                && port_of(&pool.description) == Some(self.spec.key)
                && pool.listeners.is_empty()
                && attached.is_none_or(|attached| attached.id != pool.id)
        };
        self.target.pools.iter().filter(fits).find(spare)
    }

    fn create_pool(&self, draft: &mut Draft) {
        let key = self.spec.key;
        let owner = &self.wanted.owner;
        let pool = NewPool {
            loadbalancer_id: self.balancer.to_owned(),
            name: owner.pool_name(key),
            description: owner.description(Some(key)),
            protocol: self.spec.speaks.pool().to_owned(),
            lb_algorithm: self.spec.algorithm.as_str().to_owned(),
            session_persistence: self.spec.persistence.clone(),
        };
        let target = pool.name.clone();
        draft.adds.push(Step::new(Action::CreatePool(key, pool), target, format!("port {key} has no pool")));
    }

    fn update_pool(&self, pool: &Pool, draft: &mut Draft) {
        draft.kept_pools.insert(pool.id.clone());
        let mut change = PoolChange::default();
        let mut why = Vec::new();
        if self.wanted.owner.claim(&pool.description) == Claim::Unmarked {
            change.description = Some(self.wanted.owner.description(Some(self.spec.key)));
            why.push("it is adopted");
        }
        if pool.lb_algorithm != self.spec.algorithm.as_str() {
            change.lb_algorithm = Some(self.spec.algorithm.as_str().to_owned());
            why.push("the algorithm changed");
        }
        if !same_persistence(pool.session_persistence.as_ref(), self.spec.persistence.as_ref()) {
            change.session_persistence = Some(self.spec.persistence.clone());
            why.push("the session affinity changed");
        }
        if !why.is_empty() {
            draft.adds.push(Step::new(Action::UpdatePool(pool.id.clone(), change), &pool.id, why.join(", ")));
        }
    }

    fn monitor(&self, pool: Option<&Pool>, pool_id: &str, draft: &mut Draft) {
        let there = pool.filter(|pool| !pool.healthmonitor_id.is_empty());
        let id = there.map(|pool| pool.healthmonitor_id.as_str());
        let seen = id.and_then(|id| self.target.monitors.iter().find(|monitor| monitor.id == id));
        match (&self.spec.monitor, id) {
            (None, None) => {}
            (None, Some(id)) => {
                draft.drops.push(Step::new(Action::DeleteHealthMonitor(id.to_owned()), id, "health checks are off"));
            }
            (Some(wanted), None) => {
                let monitor = NewMonitor {
                    pool_id: pool_id.to_owned(),
                    kind: wanted.kind.to_owned(),
                    delay: wanted.delay,
                    timeout: wanted.timeout,
                    max_retries: wanted.max_retries,
                    monitor_port: wanted.port,
                    url_path: path(wanted).map(ToOwned::to_owned),
                };
                let reason = format!("members of port {} are to be checked", self.spec.key);
                draft.adds.push(Step::new(Action::CreateHealthMonitor(monitor), pool_id, reason));
            }
            (Some(wanted), Some(id)) => {
                let same = seen.is_some_and(|seen| {
                    let seen_path = if seen.url_path.is_empty() { "/" } else { &seen.url_path };
                    (seen.kind.as_str(), seen.delay, seen.timeout, seen.max_retries, seen.monitor_port)
                        == (wanted.kind, wanted.delay, wanted.timeout, wanted.max_retries, wanted.port)
                        && path(wanted).is_none_or(|path| path == seen_path)
                });
                if !same {
                    let change = MonitorChange {
                        kind: wanted.kind.to_owned(),
                        delay: wanted.delay,
                        timeout: wanted.timeout,
                        max_retries: wanted.max_retries,
                        monitor_port: wanted.port,
                        url_path: path(wanted).map(ToOwned::to_owned),
                    };
                    let action = Action::UpdateHealthMonitor(id.to_owned(), change);
                    draft.adds.push(Step::new(action, id, "the health check changed"));
                }
            }
        }
    }

    fn create_listener(&self, pool_id: &str, draft: &mut Draft) {
        let key = self.spec.key;
        let wanted = &self.spec.listener;
        let listener = NewListener {
            loadbalancer_id: self.balancer.to_owned(),
            default_pool_id: pool_id.to_owned(),
            name: self.wanted.owner.listener_name(key),
            description: self.description(),
            protocol: self.protocol().to_owned(),
            protocol_port: key.port,
            settings: ListenerChange {
                default_tls_container_ref: wanted.certificate.clone(),
                insert_headers: wanted.x_forwarded_host.map(|on| BTreeMap::from([(FORWARDED_HOST, on)])),
                keepalive_timeout: wanted.idle_timeout,
                client_timeout: wanted.request_timeout,
                member_timeout: wanted.response_timeout,
                transparent_client_ip_enable: wanted.transparent,
                ipgroup: self.group.clone(),
                ..ListenerChange::default()
            },
        };
        let target = listener.name.clone();
        let action = Action::CreateListener(key, listener);
        draft.adds.push(Step::new(action, target, format!("port {key} has no listener")));
    }

    fn update_listener(&self, listener: &Listener, pool_id: &str, draft: &mut Draft) {
        draft.kept_listeners.insert(listener.id.clone());
        let mut why = Vec::new();
        let mut change = self.changed_settings(listener, &mut why);
        let record = Record::read(&listener.description);
        let described = Record::read(&self.description());
        let moved = !self.holds_record() && (record.done.is_some() || record.proxy);
        if self.wanted.owner.claim(&listener.description) == Claim::Unmarked {
            change.new_description = Some(self.description());
            why.push("it is adopted");
        } else if record.acl != described.acl || moved {
            why.extend((record.acl != described.acl).then_some("who may connect changed"));
            why.extend(moved.then_some("what is done is recorded on another port's from now on"));
            let rest = if moved { Record::default() } else { record.clone() };
            let text = Record { acl: described.acl, ..rest }.write(&self.wanted.owner, Some(self.spec.key));
            change.new_description = Some(text);
        }
        if listener.default_pool_id != pool_id && self.target.pool_of(listener).is_none_or(|pool| pool.id != pool_id) {
            change.new_default_pool_id = Some(pool_id.to_owned());
            why.push("its pool is new");
        }
        if let Some(group) = self.changed_group(listener, &record) {
            change.ipgroup = Some(group);
            why.push("who may connect changed");
        }
        if !why.is_empty() {
            why.dedup();
            let action = Action::UpdateListener(listener.id.clone(), change);
            draft.adds.push(Step::new(action, &listener.id, why.join(", ")));
        }
    }

    fn changed_settings(&self, listener: &Listener, why: &mut Vec<&'static str>) -> ListenerChange {
        let wanted = &self.spec.listener;
        let mut change = ListenerChange::default();
        if wanted.certificate.as_ref().is_some_and(|wanted| *wanted != listener.default_tls_container_ref) {
            change.default_tls_container_ref.clone_from(&wanted.certificate);
            why.push("the certificate changed");
        }
        if let Some(on) = wanted.x_forwarded_host {
            let seen = listener.insert_headers.get(FORWARDED_HOST).and_then(serde_json::Value::as_bool);
            if seen.unwrap_or(false) != on {
                change.insert_headers = Some(BTreeMap::from([(FORWARDED_HOST, on)]));
                why.push("the added headers changed");
            }
        }
        if let Some(on) = wanted.transparent
            && listener.transparent_client_ip_enable.unwrap_or(false) != on
        {
            change.transparent_client_ip_enable = Some(on);
            why.push("the visibility of clients changed");
        }
        let idle_default = if self.spec.speaks.is_http() { 60 } else { 300 };
        let before = why.len();
        let mut timeout = |wanted: Option<u32>, seen: Option<u32>, default: u32| {
            let changed = match (wanted, seen) {
                (Some(wanted), seen) if seen != Some(wanted) => Some(wanted),
                // The annotation is gone: back to the platform's own.
                (None, Some(seen)) if seen != default => Some(default),
                _ => None,
            };
            if changed.is_some() && why.len() == before {
                why.push("the timeouts changed");
            }
            changed
        };
        let ListenerSettings { idle_timeout, request_timeout, response_timeout, .. } = *wanted;
        if self.wanted.dedicated || !self.spec.key.udp {
            change.keepalive_timeout = timeout(idle_timeout, listener.keepalive_timeout, idle_default);
        }
        if self.spec.speaks.is_http() {
            change.client_timeout = timeout(request_timeout, listener.client_timeout, 60);
            change.member_timeout = timeout(response_timeout, listener.member_timeout, 60);
        }
        change
    }

    /// A group that neither we nor an annotation put there is a person's, and stays.
    fn changed_group(&self, listener: &Listener, record: &Record) -> Option<IpGroupRef> {
        let seen = listener.ipgroup.as_ref().filter(|group| !group.ipgroup_id.is_empty());
        match (&self.group, seen) {
            (Some(wanted), seen) if seen != Some(wanted) => Some(wanted.clone()),
            (None, Some(seen)) if seen.enable_ipgroup => {
                let ours = self.own_groups.contains(&seen.ipgroup_id) || record.acl.as_ref() == Some(&seen.ipgroup_id);
                ours.then(|| IpGroupRef { enable_ipgroup: false, ..seen.clone() })
            }
            _ => None,
        }
    }
}

/// HTTP checks ask for something; the platform's default is the root.
fn path(monitor: &MonitorSpec) -> Option<&'static str> {
    (monitor.kind == "HTTP").then(|| monitor.path.unwrap_or("/"))
}

fn same_persistence(
    seen: Option<&crate::api::elb::Persistence>,
    wanted: Option<&crate::api::elb::Persistence>,
) -> bool {
    match (seen.filter(|seen| !seen.kind.is_empty()), wanted) {
        (None, None) => true,
        (Some(seen), Some(wanted)) => {
            let cookie = |name: &Option<String>| name.clone().unwrap_or_default();
            seen.kind == wanted.kind
                && cookie(&seen.cookie_name) == cookie(&wanted.cookie_name)
                // Nothing said: whatever the platform chose.
                && wanted.persistence_timeout.is_none_or(|minutes| seen.persistence_timeout == Some(minutes))
        }
        _ => false,
    }
}

/// Whether a listener's protocol lives in UDP's space of ports.
pub(super) fn is_udp(protocol: &str) -> bool {
    matches!(protocol, "UDP" | "QUIC")
}

/// Brings a pool's members to what they should be: new ones first, surplus ones last.
pub(super) fn member_steps(
    pool: &str,
    key: PortKey,
    there: &[Member],
    wanted: &[WantedMember],
    done: Option<&Done>,
    draft: &mut Draft,
) {
    let at = |member: &Member| (member.address.clone(), member.protocol_port);
    let seen: BTreeMap<(String, u16), &Member> = there.iter().map(|member| (at(member), member)).collect();
    let mut missing = Vec::new();
    let mut weights = Vec::new();
    let mut stay = BTreeSet::new();
    for member in wanted {
        let place = (member.address.clone(), member.port);
        match seen.get(&place) {
            None => missing.push(member),
            Some(found) if found.weight.unwrap_or(1) != member.weight => {
                weights.push(MemberChange { id: found.id.clone(), weight: member.weight });
            }
            Some(_) => {}
        }
        stay.insert(place);
    }
    let surplus: Vec<MemberRef> = there
        .iter()
        .filter(|member| !stay.contains(&at(member)))
        .map(|member| MemberRef { id: member.id.clone() })
        .collect();
    let batches = missing.len().div_ceil(BATCH);
    for (index, batch) in missing.chunks(BATCH).enumerate() {
        let last = index + 1 == batches;
        let members: Vec<NewMember> = batch
            .iter()
            .enumerate()
            .map(|(place, member)| NewMember {
                address: member.address.clone(),
                protocol_port: member.port,
                subnet_cidr_id: member.subnet.clone(),
                weight: member.weight,
                name: member_name(&member.node, done.filter(|_| last && place == 0)),
            })
            .collect();
        let reason = format!("{} more behind port {key}", count(members.len()));
        draft.adds.push(Step::new(Action::BatchCreateMembers(pool.to_owned(), members), pool, reason));
    }
    for batch in weights.chunks(BATCH) {
        let reason = format!("{} behind port {key} begin or cease to drain", count(batch.len()));
        let action = Action::BatchUpdateMembers(pool.to_owned(), batch.to_vec());
        draft.adds.push(Step::new(action, pool, reason));
    }
    for batch in surplus.chunks(BATCH) {
        let reason = format!("{} behind port {key} have gone", count(batch.len()));
        let action = Action::BatchDeleteMembers(pool.to_owned(), batch.to_vec());
        draft.drops.push(Step::new(action, pool, reason));
    }
}

fn count(members: usize) -> String {
    if members == 1 { "1 member".to_owned() } else { format!("{members} members") }
}

/// For the record on the user's load balancer: the first port's listener carries it, be it there already, adopted or still to be made.
pub(super) fn record_holder(balancer: &Balancer, wanted: &Wanted) -> Option<(PortKey, String, Record)> {
    let spec = wanted.ports.first()?;
    let stays = |listener: &&Listener| {
        adopt::owns_listener(balancer, listener, &wanted.owner, spec)
            && speaks_alike(listener, spec.speaks.listener(wanted.dedicated))
    };
    Some(match listener_at(balancer, spec.key).filter(stays) {
        Some(listener) => (spec.key, listener.id.clone(), Record::read(&listener.description)),
        None => (spec.key, new_listener(spec.key), Record::default()),
    })
}

fn listener_at(balancer: &Balancer, key: PortKey) -> Option<&Listener> {
    let here = |listener: &&Listener| is_udp(&listener.protocol) == key.udp && listener.protocol_port == key.port;
    balancer.listeners.iter().find(here)
}

/// Whether a listener need not be replaced in order to speak this.
fn speaks_alike(listener: &Listener, protocol: &str) -> bool {
    let plain = |protocol: &str| if protocol == "TERMINATED_HTTPS" { "HTTPS".to_owned() } else { protocol.to_owned() };
    plain(&listener.protocol) == plain(protocol)
}

/// What is recorded for a Service on the user's load balancer. `None`: it has no listener there.
pub(crate) fn record_of_service(owner: &super::owner::Owner, listeners: &[Listener]) -> Option<Record> {
    let ours = listeners.iter().filter(|listener| owner.claim(&listener.description) == Claim::Ours);
    let records: Vec<Record> = ours.map(|listener| Record::read(&listener.description)).collect();
    let done = records.iter().find(|record| record.done.is_some());
    done.or(records.first()).cloned()
}
