//! A cloud in a few maps: carries steps out, and refuses what the cloud refuses.

use std::collections::BTreeMap;

use super::super::{
    owner::{Claim, Owner},
    ports::is_udp,
    seen::{Balancer, Seen},
    step::{Action, Made, NEW_BALANCER, NEW_EIP, NEW_IP_GROUP, NEW_PORT, Step, new_listener, new_pool},
};
use crate::api::{
    eip::PublicIp,
    elb::{BoundEip, Id, IpGroup, Listener, ListenerChange, LoadBalancer, Member, Monitor, Pool, Tag},
};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World {
    pub(super) balancers: BTreeMap<String, Balancer>,
    pub(super) groups: BTreeMap<String, IpGroup>,
    pub(super) eips: BTreeMap<String, PublicIp>,
    pub(super) eip_tags: BTreeMap<String, Vec<Tag>>,
    next: u32,
}

impl World {
    pub(super) fn id(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}-{}", self.next)
    }

    /// What gathering finds: by our name and mark, or the user's load balancer by id.
    pub(super) fn see(&self, owner: &Owner, dedicated: bool, existing: Option<&str>) -> Seen {
        let ours = |balancer: &&Balancer| {
            let lb = &balancer.lb;
            owner.claim_balancer(&lb.name, &lb.description, &lb.tags) == Claim::Ours
        };
        let as_owned = |balancer: &Balancer| Balancer { owned: true, ..balancer.clone() };
        let mut seen = Seen { eips: self.eips.clone(), eip_tags: self.eip_tags.clone(), ..Seen::default() };
        for balancer in self.balancers.values().filter(ours) {
            let fits = existing.is_none() && balancer.lb.guaranteed == Some(dedicated);
            if fits { seen.target = Some(as_owned(balancer)) } else { seen.leftovers.push(as_owned(balancer)) }
        }
        if let Some(id) = existing {
            seen.target = self.balancers.get(id).cloned();
        }
        seen.ip_groups = self.groups.values().filter(|group| group.name == owner.short_name()).cloned().collect();
        seen
    }

    fn bind(&mut self, balancer: &str, eip: &str) {
        let lb = &mut self.balancers.get_mut(balancer).unwrap().lb;
        assert!(lb.eips.is_empty(), "the port has an address");
        lb.eips.push(BoundEip {
            eip_id: eip.to_owned(),
            eip_address: format!("203.0.113.{}", eip.len()),
            ip_version: Some(4),
        });
        self.eips.get_mut(eip).unwrap().port_id = format!("port of {balancer}");
    }

    fn unbind(&mut self, eip: &str) {
        for balancer in self.balancers.values_mut() {
            balancer.lb.eips.retain(|bound| bound.eip_id != eip);
        }
        self.eips.get_mut(eip).unwrap().port_id.clear();
    }

    fn of_pool(&mut self, pool: &str) -> &mut Balancer {
        self.balancers.values_mut().find(|balancer| balancer.pool(pool).is_some()).expect("the pool is there")
    }

    fn of_listener(&mut self, listener: &str) -> &mut Balancer {
        let has = |balancer: &&mut Balancer| balancer.listeners.iter().any(|other| other.id == listener);
        self.balancers.values_mut().find(has).expect("the listener is there")
    }

    fn drop_pool(balancer: &mut Balancer, id: &str) {
        let monitor = balancer.pool(id).map(|pool| pool.healthmonitor_id.clone());
        balancer.monitors.retain(|other| Some(&other.id) != monitor.as_ref());
        balancer.pools.retain(|pool| pool.id != id);
        balancer.members.remove(id);
    }

    pub(super) fn apply(&mut self, step: &Step, made: &mut Made) {
        match step.action.clone().with(made) {
            Action::CreateSharedLoadBalancer(new) => {
                let lb = LoadBalancer {
                    name: new.name,
                    description: new.description,
                    guaranteed: Some(false),
                    vip_subnet_cidr_id: new.vip_subnet_id,
                    ..LoadBalancer::default()
                };
                self.add_balancer(lb, made);
            }
            Action::CreateLoadBalancer(new) => {
                let lb = LoadBalancer {
                    name: new.name,
                    description: new.description,
                    guaranteed: Some(true),
                    vip_subnet_cidr_id: new.vip_subnet_cidr_id,
                    ip_target_enable: new.ip_target_enable,
                    tags: new.tags,
                    ipv6_vip_address: new.ipv6_vip_virsubnet_id.map_or_else(String::new, |_| "2001:db8::1".to_owned()),
                    ..LoadBalancer::default()
                };
                let id = self.add_balancer(lb, made);
                if let Some(eip) = new.publicip {
                    let eip = self.add_eip(eip.bandwidth.name.unwrap_or_default());
                    self.bind(&id, &eip);
                    made.put(NEW_EIP, &eip);
                }
                for eip in new.publicip_ids {
                    self.bind(&id, &eip);
                }
            }
            Action::UpdateLoadBalancer(id, change) => {
                let lb = &mut self.balancers.get_mut(&id).expect("it is there").lb;
                change.description.into_iter().for_each(|text| lb.description = text);
                change.ip_target_enable.into_iter().for_each(|on| lb.ip_target_enable = on);
            }
            Action::TagLoadBalancer(id, tags) => self.balancers.get_mut(&id).expect("it is there").lb.tags.extend(tags),
            Action::DeleteLoadBalancerForce(id) => {
                let gone = self.balancers.remove(&id).expect("it is there");
                gone.lb.eips.iter().for_each(|eip| self.unbind(&eip.eip_id));
            }
            Action::CreateIpGroup(new) => {
                let id = self.id("group");
                let name = new.name.unwrap();
                let group = IpGroup { id: id.clone(), name, ip_list: new.ip_list, ..IpGroup::default() };
                self.groups.insert(id.clone(), group);
                made.put(NEW_IP_GROUP, id);
            }
            Action::UpdateIpGroup(id, change) => self.groups.get_mut(&id).unwrap().ip_list = change.ip_list,
            Action::DeleteIpGroup(id) => {
                let used = self.balancers.values().flat_map(|b| &b.listeners).filter_map(|l| l.ipgroup.as_ref());
                assert!(!used.into_iter().any(|group| group.ipgroup_id == id), "the group is in use");
                self.groups.remove(&id).unwrap();
            }
            Action::CreatePool(key, new) => {
                let id = self.id("pool");
                let pool = Pool {
                    id: id.clone(),
                    name: new.name,
                    description: new.description,
                    protocol: new.protocol,
                    lb_algorithm: new.lb_algorithm,
                    session_persistence: new.session_persistence,
                    ..Pool::default()
                };
                self.balancers.get_mut(&new.loadbalancer_id).expect("it is there").pools.push(pool);
                made.put(new_pool(key), id);
            }
            Action::UpdatePool(id, change) => {
                let pool = self.of_pool(&id).pools.iter_mut().find(|pool| pool.id == id).unwrap();
                change.description.into_iter().for_each(|text| pool.description = text);
                change.lb_algorithm.into_iter().for_each(|word| pool.lb_algorithm = word);
                change.session_persistence.into_iter().for_each(|setting| pool.session_persistence = setting);
            }
            Action::DeletePoolCascade(id) => {
                let balancer = self.of_pool(&id);
                let pool = balancer.pool(&id).unwrap();
                assert!(pool.listeners.is_empty(), "a listener uses the pool");
                Self::drop_pool(balancer, &id);
            }
            Action::BatchCreateMembers(pool, new) => {
                assert!((1..=200).contains(&new.len()), "{} members in a call", new.len());
                for member in new {
                    let id = self.id("member");
                    let there = self.of_pool(&pool).members.entry(pool.clone()).or_default();
                    assert!(
                        !there.iter().any(|m| (&m.address, m.protocol_port) == (&member.address, member.protocol_port))
                    );
                    there.push(Member {
                        id,
                        name: member.name,
                        address: member.address,
                        protocol_port: member.protocol_port,
                        weight: Some(member.weight),
                        ..Member::default()
                    });
                }
            }
            Action::BatchUpdateMembers(pool, changes) => {
                let there = self.of_pool(&pool).members.get_mut(&pool).unwrap();
                for change in changes {
                    there.iter_mut().find(|member| member.id == change.id).unwrap().weight = Some(change.weight);
                }
            }
            Action::BatchDeleteMembers(pool, gone) => {
                let there = self.of_pool(&pool).members.get_mut(&pool).unwrap();
                there.retain(|member| !gone.iter().any(|other| other.id == member.id));
            }
            Action::CreateHealthMonitor(new) => {
                let id = self.id("monitor");
                let balancer = self.of_pool(&new.pool_id);
                let pool = balancer.pools.iter_mut().find(|pool| pool.id == new.pool_id).unwrap();
                assert!(pool.healthmonitor_id.is_empty(), "the pool has a monitor");
                pool.healthmonitor_id.clone_from(&id);
                balancer.monitors.push(Monitor {
                    id,
                    kind: new.kind,
                    delay: new.delay,
                    timeout: new.timeout,
                    max_retries: new.max_retries,
                    monitor_port: new.monitor_port,
                    url_path: new.url_path.unwrap_or_default(),
                });
            }
            Action::UpdateHealthMonitor(id, change) => {
                let monitor =
                    self.balancers.values_mut().flat_map(|b| &mut b.monitors).find(|monitor| monitor.id == id).unwrap();
                monitor.kind = change.kind;
                (monitor.delay, monitor.timeout) = (change.delay, change.timeout);
                (monitor.max_retries, monitor.monitor_port) = (change.max_retries, change.monitor_port);
                monitor.url_path = change.url_path.unwrap_or_default();
            }
            Action::DeleteHealthMonitor(id) => {
                for balancer in self.balancers.values_mut() {
                    balancer.monitors.retain(|monitor| monitor.id != id);
                    balancer.pools.iter_mut().filter(|pool| pool.healthmonitor_id == id).for_each(|pool| {
                        pool.healthmonitor_id.clear();
                    });
                }
            }
            Action::CreateListener(key, new) => {
                let id = self.id("listener");
                let balancer = self.balancers.get_mut(&new.loadbalancer_id).expect("it is there");
                let clash = |other: &Listener| {
                    other.protocol_port == new.protocol_port && is_udp(&other.protocol) == is_udp(&new.protocol)
                };
                assert!(!balancer.listeners.iter().any(clash), "the port is taken");
                let pool = balancer.pools.iter_mut().find(|pool| pool.id == new.default_pool_id).expect("its pool");
                pool.listeners.push(Id { id: id.clone() });
                let mut listener = Listener {
                    id: id.clone(),
                    name: new.name,
                    description: new.description,
                    protocol: new.protocol,
                    protocol_port: new.protocol_port,
                    default_pool_id: new.default_pool_id,
                    ..Listener::default()
                };
                change_listener(&mut listener, new.settings);
                balancer.listeners.push(listener);
                made.put(new_listener(key), id);
            }
            Action::UpdateListener(id, change) => {
                let balancer = self.of_listener(&id);
                if let Some(pool) = &change.new_default_pool_id {
                    balancer.pools.iter_mut().for_each(|pool| pool.listeners.retain(|listener| listener.id != id));
                    balancer
                        .pools
                        .iter_mut()
                        .find(|other| other.id == *pool)
                        .unwrap()
                        .listeners
                        .push(Id { id: id.clone() });
                }
                let listener = balancer.listeners.iter_mut().find(|listener| listener.id == id).unwrap();
                change_listener(listener, change);
            }
            Action::DeleteListenerForce(id) => {
                let balancer = self.of_listener(&id);
                let gone = balancer.listeners.iter().find(|listener| listener.id == id).unwrap().clone();
                let pool = balancer.pool_of(&gone).map(|pool| pool.id.clone());
                balancer.listeners.retain(|listener| listener.id != id);
                if let Some(pool) = pool {
                    Self::drop_pool(balancer, &pool);
                }
            }
            Action::CreatePublicip(new) => {
                let balancer = new.publicip.port_id.strip_prefix("port of ").expect("a port").to_owned();
                let id = self.add_eip(new.bandwidth.name.unwrap_or_default());
                self.eips.get_mut(&id).unwrap().alias = new.publicip.alias;
                self.bind(&balancer, &id);
                made.put(NEW_EIP, id);
            }
            Action::BindPublicip(id, port) => {
                assert!(self.eips[&id].port_id.is_empty(), "the address is bound elsewhere");
                self.bind(port.strip_prefix("port of ").expect("a port"), &id);
            }
            Action::UnbindPublicip(id) => self.unbind(&id),
            Action::NamePublicip(id, name) => self.eips.get_mut(&id).unwrap().alias = name,
            Action::TagPublicip(id, tags) => {
                assert!(self.eips.contains_key(&id), "{id} is not there");
                self.eip_tags.insert(id, tags);
            }
            Action::DeletePublicip(id) => {
                assert!(self.eips[&id].port_id.is_empty(), "the address is bound");
                self.eips.remove(&id).unwrap();
            }
            Action::BatchCreateDnatRules(_) | Action::UpdateDnatRule(..) | Action::DeleteDnatRule(..) => {
                unreachable!("not of a load balancer")
            }
        }
    }

    pub(super) fn add_eip(&mut self, bandwidth_name: String) -> String {
        let id = self.id("eip");
        self.eips.insert(id.clone(), PublicIp { id: id.clone(), bandwidth_name, ..PublicIp::default() });
        self.eip_tags.insert(id.clone(), Vec::new());
        id
    }

    /// An address at a load balancer, by the name of its bandwidth.
    pub(super) fn bound_eip(&mut self, balancer: &str, bandwidth_name: &str) -> String {
        let id = self.add_eip(bandwidth_name.to_owned());
        self.bind(balancer, &id);
        id
    }

    pub(super) fn add_balancer(&mut self, lb: LoadBalancer, made: &mut Made) -> String {
        let id = self.id("lb");
        made.put(NEW_BALANCER, &id);
        made.put(NEW_PORT, format!("port of {id}"));
        let lb = LoadBalancer {
            id: id.clone(),
            vip_port_id: format!("port of {id}"),
            vip_address: "192.168.0.80".to_owned(),
            provisioning_status: "ACTIVE".to_owned(),
            ..lb
        };
        self.balancers.insert(id.clone(), Balancer { lb, ..Balancer::default() });
        id
    }
}

fn change_listener(listener: &mut Listener, change: ListenerChange) {
    change.new_description.into_iter().for_each(|text| listener.description = text);
    change.new_default_pool_id.into_iter().for_each(|pool| listener.default_pool_id = pool);
    change.default_tls_container_ref.into_iter().for_each(|id| listener.default_tls_container_ref = id);
    for (header, on) in change.insert_headers.into_iter().flatten() {
        listener.insert_headers.insert(header.to_owned(), on.into());
    }
    let keep = |now: &mut Option<u32>, new: Option<u32>| *now = new.or(*now);
    keep(&mut listener.keepalive_timeout, change.keepalive_timeout);
    keep(&mut listener.client_timeout, change.client_timeout);
    keep(&mut listener.member_timeout, change.member_timeout);
    listener.transparent_client_ip_enable =
        change.transparent_client_ip_enable.or(listener.transparent_client_ip_enable);
    listener.ipgroup = change.ipgroup.or(listener.ipgroup.take());
}
