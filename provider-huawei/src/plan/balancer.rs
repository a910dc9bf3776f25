//! The whole plan for a load balancer of class shared or dedicated.
//!
//! What adds comes before what takes away, so that a working Service works on while a change fails; the record that everything is
//! done comes last, so that whoever dies in between leaves a load balancer that admits to being unfinished.

use std::collections::{BTreeMap, BTreeSet};

use cloud_provider_api::error::Reason;

use super::{
    PortKey, Refusal, eip,
    owner::Claim,
    ports::{Draft, Port, member_steps, record_holder},
    record::{Done, EIP_NEW, Record, digest},
    removal,
    seen::{Balancer, Seen},
    step::{Action, NEW_BALANCER, NEW_IP_GROUP, Step},
    wanted::{Admission, Wanted, WantedMember},
};
use crate::api::elb::{
    IpGroupRef, IpRange, ListenerChange, LoadBalancerChange, NewIpGroup, NewLoadBalancer, NewSharedLoadBalancer,
};

/// The hash a plan that is only shown writes of.
const PLANNED: &str = "planned";

/// The steps from what is there to what is wanted. `hash`: what the caller calls it; `None` when the plan is only shown.
pub fn plan(wanted: &Wanted, seen: &Seen, hash: Option<&str>) -> Result<Vec<Step>, Refusal> {
    let nothing = Balancer { owned: true, ..Balancer::default() };
    let created = seen.target.is_none();
    let target = seen.target.as_ref().unwrap_or(&nothing);
    fits(wanted, target, created)?;
    let mut steps = Vec::new();
    let balancer = if created {
        steps.push(create(wanted, seen)?);
        // A dedicated one has its tags from the call that makes it.
        if !wanted.dedicated && wanted.owner.lacks_tags(&[]) {
            steps.push(tag(wanted, NEW_BALANCER));
        }
        NEW_BALANCER
    } else {
        steps.extend(adopt(wanted, target));
        &target.lb.id
    };
    let (group, group_step) = admission(wanted, seen);
    steps.extend(group_step);
    let own_groups: BTreeSet<String> = seen.ip_groups.iter().map(|group| group.id.clone()).collect();
    let mut draft = Draft::default();
    for port in &wanted.ports {
        let group = group.clone();
        Port { wanted, spec: port, target, balancer, group, own_groups: &own_groups }.steps(&mut draft)?;
    }
    surplus(wanted, target, &mut draft);
    steps.append(&mut draft.adds);
    let address = eip::plan(wanted, seen, target, created)?;
    steps.extend(address.steps);
    steps.append(&mut draft.drops);
    for leftover in &seen.leftovers {
        let moved = eip::moving(wanted, seen).map(|(id, _)| id);
        steps.extend(removal::of_balancer(&wanted.owner, leftover, &seen.eips, wanted.keep_eip, moved)?);
    }
    let done = done(wanted, target, hash, !steps.is_empty());
    steps.extend(record(wanted, target, balancer, created, address.recorded, done));
    Ok(steps)
}

/// What an existing load balancer cannot be changed to.
fn fits(wanted: &Wanted, target: &Balancer, created: bool) -> Result<(), Refusal> {
    let lb = &target.lb;
    if created {
        if wanted.placement.subnet.is_none() {
            let problem =
                "no subnet for the virtual address: set kubernetes.io/elb.subnet-id, or subnet-id of section [Vpc]";
            return Err(Refusal::new(Reason::ReferenceMissing, problem));
        }
        return Ok(());
    }
    if let Some(dedicated) = lb.guaranteed
        && dedicated != wanted.dedicated
    {
        let kind = |dedicated| if dedicated { "dedicated" } else { "shared" };
        let problem = format!(
            "load balancer {} is {}, not {}: write its class, or name another",
            lb.id,
            kind(dedicated),
            kind(wanted.dedicated)
        );
        return Err(Refusal::fields(
            Reason::AnnotationInvalid,
            vec![("annotations[kubernetes.io/elb.class]".to_owned(), problem)],
        ));
    }
    if let Some(address) = wanted.placement.address.map(|address| address.to_string()) {
        let public = lb.eip().map(|eip| eip.eip_address.as_str());
        if lb.vip_address != address && public != Some(address.as_str()) {
            let problem = format!("{address}: the load balancer has {}; its address cannot be changed", lb.vip_address);
            return Err(Refusal::fields(Reason::Unsupported, vec![("spec.load_balancer_ip".to_owned(), problem)]));
        }
    }
    if wanted.families.v6 && lb.ipv6_vip_address.is_empty() {
        let message = format!("load balancer {} was made without an IPv6 address and cannot get one later", lb.id);
        return Err(Refusal { precondition: true, ..Refusal::new(Reason::Unsupported, message) });
    }
    Ok(())
}

fn create(wanted: &Wanted, seen: &Seen) -> Result<Step, Refusal> {
    let owner = &wanted.owner;
    let place = &wanted.placement;
    let subnet = place.subnet.clone().unwrap_or_default();
    let name = owner.balancer_name();
    let reason = if seen.leftovers.is_empty() { "the Service has none" } else { "the Service wants another class" };
    if !wanted.dedicated {
        let new = NewSharedLoadBalancer {
            name: name.clone(),
            description: Record::default().write(owner, None),
            vip_subnet_id: subnet,
            vip_address: place.address.map(|address| address.to_string()),
            provider: "vlb",
            enterprise_project_id: place.enterprise_project.clone(),
        };
        return Ok(Step::new(Action::CreateSharedLoadBalancer(new), name, reason).waiting());
    }
    let mut new = NewLoadBalancer {
        name: name.clone(),
        vip_subnet_cidr_id: subnet,
        vip_address: place.address.map(|address| address.to_string()),
        ipv6_vip_virsubnet_id: place.ipv6_network.clone().filter(|_| wanted.families.v6),
        availability_zone_list: place.zones.clone(),
        l4_flavor_id: place.l4_flavor.clone(),
        l7_flavor_id: place.l7_flavor.clone(),
        ip_target_enable: place.cross_vpc,
        tags: owner.tags(),
        enterprise_project_id: place.enterprise_project.clone(),
        ..NewLoadBalancer::default()
    };
    if new.availability_zone_list.is_empty() {
        let problem = "is missing: a dedicated load balancer needs its zones, for example az1;az2".to_owned();
        let field = "annotations[kubernetes.io/elb.availability-zones]".to_owned();
        return Err(Refusal::fields(Reason::AnnotationInvalid, vec![(field, problem)]));
    }
    if eip::moving(wanted, seen).is_none() {
        eip::in_creation(wanted, &mut new);
    }
    let eip = new.publicip.as_ref().map(|_| EIP_NEW.to_owned());
    new.description = Record { eip, ..Record::default() }.write(owner, None);
    Ok(Step::new(Action::CreateLoadBalancer(new), name, reason).waiting())
}

/// Marks what the Go provider made before anything of it is changed, and switches on what has to be on first.
fn adopt(wanted: &Wanted, target: &Balancer) -> Vec<Step> {
    if !target.owned {
        return Vec::new();
    }
    let lb = &target.lb;
    let (mut steps, mut change) = (Vec::new(), LoadBalancerChange::default());
    let mut why = Vec::new();
    if wanted.owner.claim_balancer(&lb.name, &lb.description, &lb.tags) == Claim::Unmarked {
        // Tags first: the mark in the description is written again at the end, should it not come to it here.
        let tags = Action::TagLoadBalancer(lb.id.clone(), wanted.owner.tags());
        steps.push(Step::new(tags, &lb.id, "it was made by the Go provider and is adopted"));
        change.description = Some(Record::default().write(&wanted.owner, None));
        why.push("it was made by the Go provider and is adopted");
    } else if wanted.owner.lacks_tags(&lb.tags) {
        steps.push(tag(wanted, &lb.id));
    }
    if wanted.placement.cross_vpc && !lb.ip_target_enable {
        change.ip_target_enable = Some(true);
        why.push("members are to be reached by address alone");
    }
    if !why.is_empty() {
        steps.push(Step::new(Action::UpdateLoadBalancer(lb.id.clone(), change), &lb.id, why.join(", ")));
    }
    steps
}

fn tag(wanted: &Wanted, balancer: &str) -> Step {
    let tags = Action::TagLoadBalancer(balancer.to_owned(), wanted.owner.tags());
    Step::new(tags, balancer, "its tags are to say who pays")
}

/// The IP group at the listeners, and the step that makes it so.
fn admission(wanted: &Wanted, seen: &Seen) -> (Option<IpGroupRef>, Option<Step>) {
    let white = |id: &str| IpGroupRef { ipgroup_id: id.to_owned(), enable_ipgroup: true, kind: "white".to_owned() };
    match &wanted.admission {
        Admission::All => (None, None),
        Admission::Group(list) => {
            let kind = if list.black { "black" } else { "white" };
            (Some(IpGroupRef { kind: kind.to_owned(), ..white(&list.id) }), None)
        }
        Admission::Only(ranges) => {
            let entries: Vec<IpRange> = ranges.iter().map(|range| IpRange { ip: entry(range) }).collect();
            match seen.ip_groups.first() {
                None => {
                    let name = wanted.owner.short_name();
                    let new = NewIpGroup {
                        name: Some(name.clone()),
                        description: Some(wanted.owner.description(None)),
                        ip_list: entries,
                        enterprise_project_id: wanted.placement.enterprise_project.clone(),
                    };
                    let step = Step::new(Action::CreateIpGroup(new), name, "only some may connect");
                    (Some(white(NEW_IP_GROUP)), Some(step))
                }
                Some(group) => {
                    let plain = |ip: &str| ip.trim_end_matches("/32").trim_end_matches("/128").to_owned();
                    let have: BTreeSet<String> = group.ip_list.iter().map(|range| plain(&range.ip)).collect();
                    let want: BTreeSet<String> = entries.iter().map(|range| plain(&range.ip)).collect();
                    let change = NewIpGroup { ip_list: entries, ..NewIpGroup::default() };
                    let step = Step::new(
                        Action::UpdateIpGroup(group.id.clone(), change),
                        &group.id,
                        "the ranges that may connect changed",
                    );
                    (Some(white(&group.id)), (have != want).then_some(step))
                }
            }
        }
    }
}

fn entry(range: &ipnet::IpNet) -> String {
    if range.prefix_len() == range.max_prefix_len() { range.addr().to_string() } else { range.to_string() }
}

/// Listeners and pools of ours that no port wants any more.
fn surplus(wanted: &Wanted, target: &Balancer, draft: &mut Draft) {
    let owner = &wanted.owner;
    for listener in &target.listeners {
        let key = PortKey { udp: super::ports::is_udp(&listener.protocol), port: listener.protocol_port };
        let ours = match owner.claim(&listener.description) {
            Claim::Ours => true,
            Claim::Other(_) => false,
            Claim::Unmarked => target.owned && owner.is_go_listener_name(&listener.name, &listener.protocol, key),
        };
        if ours && !draft.kept_listeners.contains(&listener.id) {
            draft.gone_pools.extend(target.pool_of(listener).map(|pool| pool.id.clone()));
            let reason = format!("the Service has no port {key} any more");
            draft.drops.push(Step::new(Action::DeleteListenerForce(listener.id.clone()), &listener.id, reason));
        }
    }
    for pool in &target.pools {
        let ours = owner.claim(&pool.description) == Claim::Ours;
        let stays = draft.kept_pools.contains(&pool.id) || draft.gone_pools.contains(&pool.id);
        if ours && !stays {
            draft.drops.push(Step::new(Action::DeletePoolCascade(pool.id.clone()), &pool.id, "no listener needs it"));
        }
    }
}

/// What will have been achieved.
fn done(wanted: &Wanted, target: &Balancer, hash: Option<&str>, changes: bool) -> Done {
    let recorded = || {
        if target.owned {
            return Record::read(&target.lb.description).done;
        }
        record_holder(target, wanted).and_then(|(_, _, record)| record.done)
    };
    let hash = match hash {
        Some(hash) => hash.to_owned(),
        // Whatever is recorded will do, but something has to be.
        None => recorded().filter(|_| !changes).map_or_else(|| PLANNED.to_owned(), |done| done.hash),
    };
    let members = wanted.ports.iter().flat_map(|port| &port.members);
    Done { hash, members: digest_of(members) }
}

fn digest_of<'a>(members: impl IntoIterator<Item = &'a WantedMember>) -> String {
    digest(members.into_iter().map(|member| (member.address.as_str(), member.port, member.weight)))
}

fn record(
    wanted: &Wanted,
    target: &Balancer,
    balancer: &str,
    created: bool,
    eip: Option<String>,
    done: Done,
) -> Option<Step> {
    const WHY: &str = "all of it is done";
    if target.owned {
        let text = Record { eip, acl: None, proxy: wanted.is_proxy(), done: Some(done) }.write(&wanted.owner, None);
        if !created && text == target.lb.description {
            return None;
        }
        let change = LoadBalancerChange { description: Some(text), ..LoadBalancerChange::default() };
        return Some(Step::new(Action::UpdateLoadBalancer(balancer.to_owned(), change), balancer, WHY));
    }
    let (key, id, record) = record_holder(target, wanted)?;
    if record.done.as_ref() == Some(&done) && record.proxy == wanted.is_proxy() {
        return None;
    }
    let acl = match &wanted.admission {
        Admission::Group(list) => Some(list.id.clone()),
        _ => None,
    };
    let text = Record { eip: None, acl, proxy: wanted.is_proxy(), done: Some(done) }.write(&wanted.owner, Some(key));
    let change = ListenerChange { new_description: Some(text), ..ListenerChange::default() };
    Some(Step::new(Action::UpdateListener(id.clone(), change), id, WHY))
}

/// What only changes members.
#[derive(Clone, Debug)]
pub struct MembersOnly<'a> {
    /// Whose they are.
    pub wanted: &'a BTreeMap<PortKey, Vec<WantedMember>>,
    /// The load balancer, with its pools and members, and, if it is the user's, its listeners.
    pub target: &'a Balancer,
    /// Pool of each port.
    pub pools: &'a BTreeMap<PortKey, String>,
}

/// The steps that bring the members, and nothing else, to what they should be. `hash` as in [`plan`].
///
/// A call that adds carries the record of the larger set in the new member's name; anything else is recorded by a call of its own.
pub fn members_only(owner: &super::owner::Owner, only: &MembersOnly<'_>, hash: &str) -> Vec<Step> {
    let target = only.target;
    let done = Done { hash: hash.to_owned(), members: digest_of(only.wanted.values().flatten()) };
    let mut draft = Draft::default();
    for (key, members) in only.wanted {
        if let Some(pool) = only.pools.get(key) {
            let carried = target.owned.then_some(&done);
            member_steps(pool, *key, target.members_of(pool), members, carried, &mut draft);
        }
    }
    let carried = target.owned
        && draft.drops.is_empty()
        && matches!(draft.adds.last(), Some(Step { action: Action::BatchCreateMembers(..), .. }))
        && Record::read(&target.lb.description).done.is_some();
    let mut steps = draft.adds;
    steps.append(&mut draft.drops);
    let recorded = super::record::achieved(
        &Record::read(&target.lb.description),
        &target.members.values().flatten().cloned().collect::<Vec<_>>(),
    );
    if carried || (steps.is_empty() && recorded.as_deref() == Some(hash)) {
        return steps;
    }
    steps.extend(record_members(owner, only, done));
    steps
}

fn record_members(owner: &super::owner::Owner, only: &MembersOnly<'_>, done: Done) -> Option<Step> {
    const WHY: &str = "the members are as they should be";
    let target = only.target;
    if target.owned {
        let before = Record::read(&target.lb.description);
        // What was never finished is not finished by its members.
        before.done.as_ref()?;
        let text = Record { done: Some(done), ..before }.write(owner, None);
        if text == target.lb.description {
            return None;
        }
        let change = LoadBalancerChange { description: Some(text), ..LoadBalancerChange::default() };
        return Some(Step::new(Action::UpdateLoadBalancer(target.lb.id.clone(), change), &target.lb.id, WHY));
    }
    let (listener, record) = target.listeners.iter().find_map(|listener| {
        let record = Record::read(&listener.description);
        (owner.claim(&listener.description) == Claim::Ours && record.done.is_some()).then_some((listener, record))
    })?;
    if record.done.as_ref() == Some(&done) {
        return None;
    }
    let key = super::owner::port_of(&listener.description);
    let text = Record { done: Some(done), ..record }.write(owner, key);
    let change = ListenerChange { new_description: Some(text), ..ListenerChange::default() };
    Some(Step::new(Action::UpdateListener(listener.id.clone(), change), &listener.id, WHY))
}
