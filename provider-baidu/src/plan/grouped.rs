//! AppBLB and the edge: listeners whose policies lead to groups that are this Service's.
//!
//! AppBLB has one group of servers for a Service, with a port for each node port; the edge has a group of addresses for each port. That
//! a group is ours, its description says; on the user's load balancer it says, too, which ports are.

use std::collections::BTreeSet;

use super::{
    PortKey, Refusal,
    balancer::{Draft, done, refuse_taken},
    owner::{Claim, Owner},
    record::Record,
    seen::Balancer,
    step::{Action, At, Step, new_group},
    wanted::{Wanted, WantedMember, WantedPort},
};
use crate::api::balancers::{Check, Group, GroupMember, GroupPort, Kind, Listener, NewListener, NewPolicy};

/// One group that is wanted.
struct WantedGroup {
    name: String,
    /// `None` for the whole Service's.
    key: Option<PortKey>,
    ports: Vec<GroupPort>,
    members: Vec<GroupMember>,
}

fn wanted_groups(wanted: &Wanted, kind: Kind) -> Vec<WantedGroup> {
    let owner = &wanted.owner;
    let port = |port: &WantedPort| GroupPort {
        id: String::new(),
        port: if kind == Kind::Edge { 0 } else { port.node_port },
        protocol: port.key.transport().to_owned(),
        check: port.new_check(),
    };
    if kind == Kind::Edge {
        let group = |wanted_port: &WantedPort| WantedGroup {
            name: edge_name(owner, wanted_port.key),
            key: Some(wanted_port.key),
            ports: vec![port(wanted_port)],
            members: wanted.members.iter().map(|member| edge_member(member, wanted_port.node_port)).collect(),
        };
        return wanted.ports.iter().map(group).collect();
    }
    let mut ports: Vec<GroupPort> = Vec::new();
    for wanted_port in &wanted.ports {
        let port = port(wanted_port);
        // Two ports of a Service may share a node port only with different protocols.
        if !ports.iter().any(|other| (other.port, &other.protocol) == (port.port, &port.protocol)) {
            ports.push(port);
        }
    }
    let members = wanted.members.iter().map(app_member).collect();
    vec![WantedGroup { name: owner.group_name(), key: None, ports, members }]
}

fn edge_name(owner: &Owner, key: PortKey) -> String {
    format!("{}-{}-{}", owner.group_name(), key.transport().to_ascii_lowercase(), key.port)
}

fn app_member(member: &WantedMember) -> GroupMember {
    GroupMember { id: member.target.clone(), weight: member.weight, ..GroupMember::default() }
}

fn edge_member(member: &WantedMember, port: u16) -> GroupMember {
    GroupMember { id: String::new(), ip: member.target.clone(), port, weight: member.weight }
}

/// The ports that are this Service's: all on a load balancer of ours, else those its groups name.
pub(super) fn own_ports(owner: &Owner, target: &Balancer) -> BTreeSet<PortKey> {
    if target.owned {
        return target.listeners.iter().filter_map(Listener::key).collect();
    }
    own_groups(owner, target).flat_map(|group| Record::read(&group.desc).ports).collect()
}

pub(super) fn own_groups<'t>(owner: &'t Owner, target: &'t Balancer) -> impl Iterator<Item = &'t Group> {
    target.groups.iter().filter(|group| owner.claim(&group.desc) == Claim::Ours)
}

/// On an AppBLB: the id of the Service's one group, which the record names.
pub(super) fn only_group(owner: &Owner, target: &Balancer) -> Option<String> {
    let name = owner.group_name();
    let mut there = own_groups(owner, target).filter(|group| target.lb.kind == Kind::App && group.name == name);
    there.next().map(|group| group.id.clone())
}

pub(super) fn plan(wanted: &Wanted, target: &Balancer, at: &At) -> Result<Draft, Refusal> {
    let mut draft = Draft::default();
    let owner = &wanted.owner;
    let keys: BTreeSet<PortKey> = wanted.ports.iter().map(|port| port.key).collect();
    let before = own_ports(owner, target);
    let was_sticky = own_record(owner, target).sticky;
    refuse_clashes(wanted, target, &before)?;
    let mut kept = BTreeSet::new();
    let mut group_of = Vec::new();
    for group in wanted_groups(wanted, at.kind) {
        let ports = group.key.map_or_else(|| keys.clone(), |key| BTreeSet::from([key]));
        let there = own_groups(owner, target).find(|there| there.name == group.name);
        let id = if let Some(there) = there {
            kept.insert(there.id.clone());
            if !target.owned {
                draft.adds.extend(claim_more(owner, at, there, &ports));
            }
            group_ports(at, there, &group.ports, wanted, &mut draft);
            members(at, there, &group.members, &mut draft);
            there.id.clone()
        } else {
            let said = if target.owned { BTreeSet::new() } else { ports.clone() };
            let desc = Record { ports: said, ..Record::default() }.write(owner);
            let action = Action::CreateGroup(at.clone(), group.name.clone(), desc, group.members.clone());
            draft.adds.push(Step::new(action, group.name.clone(), "the Service has none"));
            let id = new_group(&group.name);
            draft.adds.extend(group.ports.iter().map(|port| new_port(at, &id, port)));
            id
        };
        group_of.extend(ports.into_iter().map(|key| (key, id.clone())));
    }
    for port in &wanted.ports {
        let group = group_of.iter().find(|(key, _)| *key == port.key).map(|(_, id)| id.clone()).unwrap_or_default();
        listener(target, at, port, &group, was_sticky, &mut draft);
    }
    let surplus: Vec<PortKey> = target
        .listeners
        .iter()
        .filter_map(Listener::key)
        .filter(|key| before.contains(key) && !keys.contains(key))
        .collect();
    if !surplus.is_empty() {
        let action = Action::DeleteListeners(at.clone(), surplus);
        // Listeners go before what they lead to.
        draft.drops.insert(0, Step::new(action, at.id.clone(), "the Service has these ports no more"));
    }
    for group in own_groups(owner, target).filter(|group| !kept.contains(&group.id)) {
        let action = Action::DeleteGroup(at.clone(), group.id.clone());
        draft.drops.push(Step::new(action, group.id.clone(), "no listener needs it"));
    }
    Ok(draft)
}

/// The record of the Service: of the load balancer, or on the user's, of its first group.
pub(super) fn own_record(owner: &Owner, target: &Balancer) -> Record {
    if target.owned {
        return target.record();
    }
    record_holder(owner, target).map(|group| Record::read(&group.desc)).unwrap_or_default()
}

fn record_holder<'t>(owner: &'t Owner, target: &'t Balancer) -> Option<&'t Group> {
    own_groups(owner, target).min_by(|a, b| a.name.cmp(&b.name))
}

fn refuse_clashes(wanted: &Wanted, target: &Balancer, ours: &BTreeSet<PortKey>) -> Result<(), Refusal> {
    for port in &wanted.ports {
        let key = port.key;
        if let Some(other) = target.other_listeners().find(|other| !key.udp && other.port == key.port) {
            return Err(refuse_taken(target, key, &format!("a listener for {} is there", other.protocol)));
        }
        if !ours.contains(&key) && target.listener(key).is_some() {
            return Err(refuse_taken(target, key, "a listener is there that was not made for it"));
        }
        let claims = |group: &&Group| Record::read(&group.desc).ports.contains(&key);
        if let Some(other) =
            target.groups.iter().filter(|group| matches!(wanted.owner.claim(&group.desc), Claim::Other(_))).find(claims)
        {
            return Err(refuse_taken(target, key, &format!("group {} is another Service's and has it", other.name)));
        }
    }
    Ok(())
}

/// The record that more ports are the Service's, before a listener is made there.
fn claim_more(owner: &Owner, at: &At, group: &Group, ports: &BTreeSet<PortKey>) -> Option<Step> {
    let before = Record::read(&group.desc);
    if before.ports.is_superset(ports) {
        return None;
    }
    let all = before.ports.union(ports).copied().collect();
    let text = Record { ports: all, done: None, ..before }.write(owner);
    let action = Action::UpdateGroup(at.clone(), group.id.clone(), group.name.clone(), text);
    Some(Step::new(action, group.id.clone(), "it says which ports are the Service's"))
}

fn new_port(at: &At, group: &str, port: &GroupPort) -> Step {
    let target = format!("{group} {}/{}", port.protocol, port.port);
    Step::new(
        Action::CreateGroupPort(at.clone(), group.to_owned(), port.clone()),
        target,
        "its members are checked there",
    )
}

fn group_ports(at: &At, there: &Group, wanted: &[GroupPort], service: &Wanted, draft: &mut Draft) {
    let alike = |a: &GroupPort, b: &GroupPort| a.port == b.port && a.protocol.eq_ignore_ascii_case(&b.protocol);
    for port in wanted {
        let Some(found) = there.ports.iter().find(|other| alike(other, port)) else {
            draft.adds.push(new_port(at, &there.id, port));
            continue;
        };
        // Only what the Service says is changed of what is there.
        let said = service
            .ports
            .iter()
            .find(|other| {
                other.key.transport() == port.protocol && (at.kind == Kind::Edge || other.node_port == port.port)
            })
            .map(|port| port.check.clone())
            .unwrap_or_default();
        let said = if at.kind == Kind::Edge { Check { protocol: None, ..said } } else { said };
        if let Some(change) = found.check.towards(&said) {
            let action = Action::UpdateGroupPort(at.clone(), there.id.clone(), found.id.clone(), change);
            draft.adds.push(Step::new(action, found.id.clone(), "the Service wants it otherwise"));
        }
    }
    let gone: Vec<String> = there
        .ports
        .iter()
        .filter(|port| !wanted.iter().any(|other| alike(other, port)))
        .map(|port| port.id.clone())
        .collect();
    if !gone.is_empty() {
        let action = Action::DeleteGroupPorts(at.clone(), there.id.clone(), gone);
        draft.drops.push(Step::new(action, there.id.clone(), "the Service has these node ports no more"));
    }
}

fn members(at: &At, there: &Group, wanted: &[GroupMember], draft: &mut Draft) {
    let same = |a: &GroupMember, b: &GroupMember| a.target() == b.target() && a.port == b.port;
    let new: Vec<GroupMember> =
        wanted.iter().filter(|member| !there.members.iter().any(|other| same(other, member))).cloned().collect();
    let changed: Vec<GroupMember> = there
        .members
        .iter()
        .filter_map(|member| {
            let wanted = wanted.iter().find(|other| same(other, member) && other.weight != member.weight)?;
            Some(GroupMember { weight: wanted.weight, ..member.clone() })
        })
        .collect();
    let gone: Vec<String> = there
        .members
        .iter()
        .filter(|member| !wanted.iter().any(|other| same(other, member)))
        .map(|member| member.id.clone())
        .collect();
    let id = || there.id.clone();
    if !new.is_empty() {
        draft.adds.push(Step::new(Action::AddGroupMembers(at.clone(), id(), new), id(), "these nodes are to answer"));
    }
    if !changed.is_empty() {
        let action = Action::UpdateGroupMembers(at.clone(), id(), changed);
        draft.adds.push(Step::new(action, id(), "these nodes are to get another share"));
    }
    if !gone.is_empty() {
        let action = Action::RemoveGroupMembers(at.clone(), id(), gone);
        draft.drops.push(Step::new(action, id(), "these nodes are to answer no more"));
    }
}

fn listener(target: &Balancer, at: &At, port: &WantedPort, group: &str, was_sticky: bool, draft: &mut Draft) {
    let key = port.key;
    let place = format!("{} {key}", at.id);
    let backend_port = if at.kind == Kind::Edge { 0 } else { port.node_port };
    let policy = || {
        let new = NewPolicy { group: group.to_owned(), backend_port };
        Step::new(
            Action::CreatePolicy(at.clone(), key, new),
            place.clone(),
            "the listener leads to the Service's group",
        )
    };
    let Some(there) = target.listener(key) else {
        let new = NewListener { port: key.port, settings: port.new_listener(false) };
        let action = Action::CreateListener(at.clone(), key, new);
        draft.adds.push(Step::new(action, place.clone(), "the Service has this port"));
        draft.adds.push(policy());
        return;
    };
    if let Some(change) = there.settings.towards(&port.changed_listener(false, was_sticky)) {
        let action = Action::UpdateListener(at.clone(), key, change);
        draft.adds.push(Step::new(action, place.clone(), "the Service wants it otherwise"));
    }
    let policies = target.policies.get(&key).map_or(&[][..], Vec::as_slice);
    let right = policies.iter().find(|policy| policy.group() == group && policy.backend_port == backend_port);
    let wrong: Vec<String> = policies
        .iter()
        .filter(|policy| right.is_none_or(|right| right.id != policy.id))
        .map(|p| p.id.clone())
        .collect();
    if !wrong.is_empty() {
        // A listener has one policy for everything: the old one makes room for the new one.
        let action = Action::DeletePolicies(at.clone(), key, wrong);
        draft.adds.push(Step::new(action, place.clone(), "it leads elsewhere"));
    }
    if right.is_none() {
        draft.adds.push(policy());
    }
}

/// On the user's load balancer: the record at the end, of the Service's first group.
pub(super) fn last_record(
    wanted: &Wanted,
    target: &Balancer,
    at: &At,
    using: Option<&str>,
    hash: Option<&str>,
    changes: bool,
) -> Vec<Step> {
    let owner = &wanted.owner;
    let keys: BTreeSet<PortKey> = wanted.ports.iter().map(|port| port.key).collect();
    let mut groups: Vec<WantedGroup> = wanted_groups(wanted, at.kind);
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    let mut steps = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let there = own_groups(owner, target).find(|there| there.name == group.name);
        let ports = group.key.map_or_else(|| keys.clone(), |key| BTreeSet::from([key]));
        let before = there.map(|there| Record::read(&there.desc)).unwrap_or_default();
        let first = index == 0;
        let record = Record {
            ports: ports.clone(),
            using: using.filter(|_| first).map(ToOwned::to_owned),
            sticky: wanted.sticky && first,
            done: first.then(|| done(&wanted.members, before.done.clone(), hash, changes)),
            ..Record::default()
        };
        // Groups other than the first say all they have to when they are made.
        let says = there.map_or_else(|| Record { ports, ..Record::default() }.write(owner), |there| there.desc.clone());
        let text = record.write(owner);
        if text != says {
            let id = there.map_or_else(|| new_group(&group.name), |there| there.id.clone());
            let action = Action::UpdateGroup(at.clone(), id.clone(), group.name.clone(), text);
            steps.push(Step::new(action, id, "all of it is done"));
        }
    }
    steps
}

/// Members alone, of the groups that are there. `None`: they are not all there.
pub(super) fn members_only(
    wanted: &[WantedMember],
    owner: &Owner,
    target: &Balancer,
    at: &At,
    draft: &mut Draft,
) -> Option<()> {
    let groups: Vec<&Group> = own_groups(owner, target).collect();
    if groups.is_empty() {
        return None;
    }
    for group in groups {
        let list: Vec<GroupMember> = if at.kind == Kind::Edge {
            // The node port is what its members have; without any, only an ensure knows it.
            let port = group.members.first().map(|member| member.port)?;
            wanted.iter().map(|member| edge_member(member, port)).collect()
        } else {
            wanted.iter().map(app_member).collect()
        };
        members(at, group, &list, draft);
    }
    Some(())
}
