//! A model of the cloud, as small as plans need it: every call does what it says at once, or refuses what the cloud refuses.

use std::collections::BTreeMap;

use super::super::{
    PortKey,
    owner::{Claim, Hints, Owner},
    seen::{Balancer, Seen},
    step::{Action, At, Made, NEW_BALANCER, NEW_EIP, Step, new_group},
};
use crate::api::{
    balancers::{Group, GroupMember, GroupPort, Kind, Listener, LoadBalancer, Policy},
    eip::Eip,
};

/// What an account has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct World {
    pub(super) balancers: BTreeMap<String, Balancer>,
    pub(super) eips: BTreeMap<String, Eip>,
    /// What creations were for, which the cloud remembers.
    tokens: BTreeMap<String, String>,
    next: u32,
}

impl World {
    fn id(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}-{}", self.next)
    }

    /// Somebody's load balancer.
    pub(super) fn add_balancer(&mut self, lb: LoadBalancer) -> String {
        let id = self.id("lb");
        let lb = LoadBalancer { id: id.clone(), status: "available".to_owned(), address: self.inside(), ..lb };
        self.balancers.insert(id.clone(), Balancer { lb, ..Balancer::default() });
        id
    }

    /// Somebody's address.
    pub(super) fn add_eip(&mut self, eip: Eip) -> String {
        self.next += 1;
        let ip = format!("106.12.0.{}", self.next);
        self.eips.insert(ip.clone(), Eip { ip: ip.clone(), ..eip });
        ip
    }

    fn inside(&self) -> String {
        format!("192.168.0.{}", self.next + 1)
    }

    pub(super) fn of(&mut self, id: &str) -> &mut Balancer {
        self.balancers.get_mut(id).expect("the load balancer is there")
    }

    pub(super) fn only(&self) -> &Balancer {
        assert_eq!(self.balancers.len(), 1, "{self:#?}");
        self.balancers.values().next().unwrap()
    }

    /// What gathering would find. `named`: the annotation's; `former`: others that the handle names.
    pub(super) fn see(&self, owner: &Owner, hints: &Hints<'_>, named: Option<&str>, former: &[String]) -> Seen {
        let mut seen = Seen { eips: self.eips.clone(), ..Seen::default() };
        let claim = |balancer: &Balancer| owner.claim_balancer(&balancer.lb, hints);
        if let Some(balancer) = named.and_then(|id| self.balancers.get(id)).filter(|b| claim(b) == Claim::Unmarked) {
            seen.target = Some(Balancer { owned: false, ..balancer.clone() });
        }
        for balancer in self.balancers.values() {
            let named = named == Some(balancer.lb.id.as_str());
            match claim(balancer) {
                Claim::Ours if seen.target.is_none() => {
                    seen.target = Some(Balancer { owned: true, ..balancer.clone() });
                }
                Claim::Ours => seen.leftovers.push(Balancer { owned: true, ..balancer.clone() }),
                Claim::Unmarked if !named && former.contains(&balancer.lb.id) => {
                    seen.leftovers.push(Balancer { owned: false, ..balancer.clone() });
                }
                _ => {}
            }
        }
        seen
    }

    /// Carries out one call. A repeated creation is the same creation.
    pub(super) fn apply(&mut self, step: &Step, made: &mut Made) {
        match step.action.clone().with(made) {
            Action::CreateLoadBalancer(kind, new, purpose) => {
                let token = format!("{purpose:?} {new:?}");
                let id = match self.tokens.get(&token) {
                    Some(id) => id.clone(),
                    None => {
                        let id = self.add_balancer(LoadBalancer {
                            kind,
                            name: new.name.clone(),
                            desc: new.desc.clone(),
                            tags: new.tags.clone(),
                            ..LoadBalancer::default()
                        });
                        if let Some(address) = &new.address {
                            self.of(&id).lb.address.clone_from(address);
                        }
                        self.tokens.insert(token, id.clone());
                        id
                    }
                };
                made.put(NEW_BALANCER, id);
            }
            Action::UpdateLoadBalancer(at, name, desc) => {
                assert!(desc.len() <= 450 && !desc.contains('('), "{desc}");
                let lb = &mut self.of(&at.id).lb;
                (lb.name, lb.desc) = (name, desc);
            }
            Action::DeleteLoadBalancer(at) => {
                assert_eq!(self.balancers.remove(&at.id).expect("it is there").lb.public_ip, "", "an address is bound");
            }
            Action::CreateListener(at, key, new) => {
                let balancer = self.of(&at.id);
                assert!(balancer.listener(key).is_none(), "ListenerAlreadyExist {key}");
                balancer.listeners.push(Listener::of(key, new.settings));
            }
            Action::UpdateListener(at, key, change) => {
                let listeners = &mut self.of(&at.id).listeners;
                let settings = &mut listeners.iter_mut().find(|l| l.key() == Some(key)).expect("it is there").settings;
                let or = |new: &Option<u16>, old| new.or(old);
                settings.backend_port = or(&change.backend_port, settings.backend_port);
                settings.health_check_interval = or(&change.health_check_interval, settings.health_check_interval);
                settings.healthy_threshold = or(&change.healthy_threshold, settings.healthy_threshold);
                settings.unhealthy_threshold = or(&change.unhealthy_threshold, settings.unhealthy_threshold);
                settings.health_check_timeout_in_second =
                    or(&change.health_check_timeout_in_second, settings.health_check_timeout_in_second);
                settings.scheduler = change.scheduler.or(settings.scheduler.take());
                settings.health_check_string = change.health_check_string.or(settings.health_check_string.take());
            }
            Action::DeleteListeners(at, keys) => {
                let balancer = self.of(&at.id);
                balancer.listeners.retain(|listener| listener.key().is_none_or(|key| !keys.contains(&key)));
                balancer.policies.retain(|key, _| !keys.contains(key));
            }
            Action::AddBackends(at, new) => {
                let backends = &mut self.of(&at.id).backends;
                backends.extend(new);
                assert!(backends.len() <= 50, "BackendServerExceedLimit");
            }
            Action::UpdateBackends(at, changed) => {
                let balancer = self.of(&at.id);
                for backend in changed {
                    balancer.backends.iter_mut().find(|b| b.instance == backend.instance).unwrap().weight =
                        backend.weight;
                }
            }
            Action::RemoveBackends(at, gone) => self.of(&at.id).backends.retain(|b| !gone.contains(&b.instance)),
            Action::CreateEip(new, purpose) => {
                let token = format!("{purpose:?} {new:?}");
                let ip = match self.tokens.get(&token) {
                    Some(ip) => ip.clone(),
                    None => {
                        let ip = self.add_eip(Eip {
                            name: new.name.clone(),
                            bandwidth_in_mbps: new.bandwidth_in_mbps,
                            payment_timing: new.billing.payment_timing.to_owned(),
                            billing_method: new.billing.billing_method.unwrap_or_default().to_owned(),
                            tags: new.tags.clone(),
                            ..Eip::default()
                        });
                        self.tokens.insert(token, ip.clone());
                        ip
                    }
                };
                made.put(NEW_EIP, ip);
            }
            Action::BindEip(ip, balancer) => {
                let eip = self.eips.get_mut(&ip).expect("EipNotFound");
                assert_eq!(eip.instance_id, "", "EipStatusError");
                eip.instance_id.clone_from(&balancer);
                let lb = &mut self.of(&balancer).lb;
                assert_eq!(lb.public_ip, "", "it has an address");
                lb.public_ip = ip;
            }
            Action::UnbindEip(ip) => {
                let balancer = std::mem::take(&mut self.eips.get_mut(&ip).expect("EipNotFound").instance_id);
                if let Some(balancer) = self.balancers.get_mut(&balancer) {
                    balancer.lb.public_ip.clear();
                }
            }
            Action::ResizeEip(ip, mbps) => self.eips.get_mut(&ip).expect("EipNotFound").bandwidth_in_mbps = mbps,
            Action::ReleaseEip(ip) => {
                let eip = self.eips.remove(&ip).expect("EipNotFound");
                assert!(eip.instance_id.is_empty() && !eip.is_prepaid(), "{eip:?}");
            }
            grouped => self.apply_grouped(grouped, made),
        }
    }

    fn group(&mut self, at: &At, id: &str) -> &mut Group {
        self.of(&at.id).groups.iter_mut().find(|group| group.id == id).expect("the group is there")
    }

    fn member(&mut self, kind: Kind, member: &GroupMember) -> GroupMember {
        let id = if kind == Kind::Edge { self.id("m") } else { member.id.clone() };
        GroupMember { id, ..member.clone() }
    }

    fn apply_grouped(&mut self, action: Action, made: &mut Made) {
        match action {
            Action::CreateGroup(at, name, desc, members) => {
                let id = self.id("sg");
                let members = members.iter().map(|member| self.member(at.kind, member)).collect();
                made.put(new_group(&name), &id);
                self.of(&at.id).groups.push(Group { id, name, desc, members, ..Group::default() });
            }
            Action::UpdateGroup(at, id, name, desc) => {
                assert!(!desc.contains('('), "{desc}");
                let group = self.group(&at, &id);
                (group.name, group.desc) = (name, desc);
            }
            Action::DeleteGroup(at, id) => {
                let balancer = self.of(&at.id);
                assert!(!balancer.policies.values().flatten().any(|policy| policy.group() == id), "ResourceInUse");
                balancer.groups.retain(|group| group.id != id);
            }
            Action::CreateGroupPort(at, id, port) => {
                let new = GroupPort { id: self.id("p"), ..port };
                self.group(&at, &id).ports.push(new);
            }
            Action::UpdateGroupPort(at, id, port, change) => {
                let group = self.group(&at, &id);
                let check = &mut group.ports.iter_mut().find(|other| other.id == port).unwrap().check;
                check.interval = change.interval.or(check.interval);
                check.timeout = change.timeout.or(check.timeout);
                check.down = change.down.or(check.down);
                check.up = change.up.or(check.up);
                check.port = change.port.or(check.port);
                check.protocol = change.protocol.or(check.protocol.take());
                check.path = change.path.or(check.path.take());
                check.udp_string = change.udp_string.or(check.udp_string.take());
            }
            Action::DeleteGroupPorts(at, id, gone) => {
                self.group(&at, &id).ports.retain(|port| !gone.contains(&port.id));
            }
            Action::AddGroupMembers(at, id, new) => {
                let new: Vec<_> = new.iter().map(|member| self.member(at.kind, member)).collect();
                self.group(&at, &id).members.extend(new);
            }
            Action::UpdateGroupMembers(at, id, changed) => {
                for member in changed {
                    self.group(&at, &id).members.iter_mut().find(|other| other.id == member.id).unwrap().weight =
                        member.weight;
                }
            }
            Action::RemoveGroupMembers(at, id, gone) => {
                self.group(&at, &id).members.retain(|member| !gone.contains(&member.id));
            }
            Action::CreatePolicy(at, key, new) => {
                let id = self.id("policy");
                let edge = at.kind == Kind::Edge;
                let group = new.group;
                let policy = Policy {
                    id,
                    app_server_group_id: if edge { String::new() } else { group.clone() },
                    app_ip_group_id: if edge { group.clone() } else { String::new() },
                    backend_port: new.backend_port,
                };
                let balancer = self.of(&at.id);
                assert!(balancer.listener(key).is_some() && balancer.groups.iter().any(|other| other.id == group));
                let policies = balancer.policies.entry(key).or_default();
                assert!(policies.is_empty(), "PolicyAlreadyExist");
                policies.push(policy);
            }
            Action::DeletePolicies(at, key, gone) => {
                let policies = self.of(&at.id).policies.entry(key).or_default();
                policies.retain(|policy| !gone.contains(&policy.id));
            }
            other => panic!("not a call about groups: {other:?}"),
        }
    }

    /// Where a port leads: the node port and the targets behind it.
    pub(super) fn leads(&self, id: &str, key: PortKey) -> Option<(u16, Vec<String>)> {
        let balancer = &self.balancers[id];
        let listener = balancer.listener(key)?;
        if balancer.lb.kind == Kind::Plain {
            let targets = balancer.backends.iter().map(|backend| backend.instance.clone()).collect();
            return Some((listener.settings.backend_port?, targets));
        }
        let policy = balancer.policies.get(&key)?.first()?;
        let group = balancer.groups.iter().find(|group| group.id == policy.group())?;
        let port = group.members.first().map_or(0, |member| member.port).max(policy.backend_port);
        Some((port, group.members.iter().map(|member| member.target().to_owned()).collect()))
    }

    /// What there is, without ids.
    pub(super) fn shape(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for balancer in self.balancers.values() {
            let lb = &balancer.lb;
            let desc: Vec<&str> =
                lb.desc.split(' ').map(|word| if word.starts_with("eip=") { "eip=?" } else { word }).collect();
            let mut keys: Vec<String> =
                balancer.listeners.iter().map(|l| format!("{}/{} {:?}", l.protocol, l.port, l.settings)).collect();
            keys.sort();
            let mut backends: Vec<String> = balancer.backends.iter().map(|backend| format!("{backend:?}")).collect();
            backends.sort();
            let mut groups: Vec<String> = balancer
                .groups
                .iter()
                .map(|group| {
                    let mut members: Vec<_> = group.members.iter().map(|m| (m.target(), m.port, m.weight)).collect();
                    members.sort_unstable();
                    let ports: Vec<_> = group.ports.iter().map(|p| (p.port, &p.protocol, &p.check)).collect();
                    format!("{} {} {members:?} {ports:?}", group.name, group.desc)
                })
                .collect();
            groups.sort();
            let leads: Vec<_> =
                balancer.listeners.iter().filter_map(Listener::key).map(|key| self.leads(&lb.id, key)).collect();
            lines.push(format!(
                "{:?} {} {desc:?} public={} {keys:?} {backends:?} {groups:?} {}",
                lb.kind,
                lb.name,
                !lb.public_ip.is_empty(),
                leads.len()
            ));
        }
        for eip in self.eips.values() {
            lines.push(format!("eip {} bound={} {}", eip.name, !eip.instance_id.is_empty(), eip.bandwidth_in_mbps));
        }
        lines.sort();
        lines.join("\n")
    }
}
