//! BLB: listeners that lead to node ports of one set of servers.

use std::collections::BTreeSet;

use cloud_provider_api::error::Reason;

use super::{
    Note, PortKey, Refusal,
    balancer::{Draft, refuse_taken},
    owner::Owner,
    record::{LONGEST, Share, Shares},
    seen::Balancer,
    step::{Action, At, Step},
    wanted::{Wanted, WantedMember, WantedPort},
};
use crate::api::balancers::{Backend, NewListener};

/// Most servers behind one BLB.
const MOST: usize = 50;

pub(super) fn plan(wanted: &Wanted, target: &Balancer, at: &At) -> Result<Draft, Refusal> {
    let mut draft = Draft::default();
    let shares = Shares::read(&target.lb.desc);
    let share = shares.get(&wanted.owner).cloned();
    let was_sticky =
        if target.owned { target.record().sticky } else { share.as_ref().is_some_and(|share| share.sticky) };
    if !target.owned {
        draft.adds.extend(first_share(wanted, target, at, &shares, share.as_ref())?);
    }
    for port in &wanted.ports {
        listener(wanted, target, at, port, was_sticky, share.as_ref(), &mut draft)?;
    }
    let keys: BTreeSet<PortKey> = wanted.ports.iter().map(|port| port.key).collect();
    let ours = |key: &PortKey| target.owned || share.as_ref().is_some_and(|share| share.ports.contains(key));
    let surplus: Vec<PortKey> = target
        .listeners
        .iter()
        .filter_map(crate::api::balancers::Listener::key)
        .filter(|key| !keys.contains(key) && ours(key))
        .collect();
    if !surplus.is_empty() {
        let action = Action::DeleteListeners(at.clone(), surplus);
        draft.drops.push(Step::new(action, at.id.clone(), "the Service has these ports no more"));
    }
    let managed = target.owned || is_sole(&wanted.owner, target, &shares);
    backends(&wanted.members, target, at, managed, &mut draft);
    Ok(draft)
}

fn listener(
    wanted: &Wanted,
    target: &Balancer,
    at: &At,
    port: &WantedPort,
    was_sticky: bool,
    share: Option<&Share>,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    let key = port.key;
    let place = format!("{} {key}", at.id);
    if let Some(other) = target.other_listeners().find(|other| !key.udp && other.port == key.port) {
        return Err(refuse_taken(target, key, &format!("a listener for {} is there", other.protocol)));
    }
    let Some(there) = target.listener(key) else {
        let new = NewListener { port: key.port, settings: port.new_listener(true) };
        draft.adds.push(Step::new(Action::CreateListener(at.clone(), key, new), place, "the Service has this port"));
        return Ok(());
    };
    let claimed = share.is_some_and(|share| share.ports.contains(&key));
    if !target.owned && !claimed && !is_evident(wanted, target, port) {
        return Err(refuse_taken(target, key, "a listener is there that was not made for it"));
    }
    if let Some(change) = there.settings.towards(&port.changed_listener(true, was_sticky)) {
        draft.adds.push(Step::new(
            Action::UpdateListener(at.clone(), key, change),
            place,
            "the Service wants it otherwise",
        ));
    }
    Ok(())
}

/// Whether the Go provider made a listener for this Service, on a load balancer of the user's where nothing says so: it leads to the
/// Service's node port, which no other has, on its nodes.
fn is_evident(wanted: &Wanted, target: &Balancer, port: &WantedPort) -> bool {
    let leads = target.listener(port.key).is_some_and(|there| there.settings.backend_port == Some(port.node_port));
    leads && target.backends.iter().any(|there| wanted.members.iter().any(|member| member.target == there.instance))
}

/// The record that some ports are this Service's, before any listener is made there.
fn first_share(
    wanted: &Wanted,
    target: &Balancer,
    at: &At,
    shares: &Shares,
    share: Option<&Share>,
) -> Result<Option<Step>, Refusal> {
    let keys: BTreeSet<PortKey> = wanted.ports.iter().map(|port| port.key).collect();
    for key in &keys {
        if shares.others(&wanted.owner).any(|other| other.ports.contains(key)) {
            return Err(refuse_taken(target, *key, "another Service has it"));
        }
    }
    let all_managed = shares.of.iter().all(|(_, other)| other.managed);
    let managed = share.map_or(
        if shares.of.is_empty() { target.backends.is_empty() && target.listeners.is_empty() } else { all_managed },
        |share| share.managed,
    );
    let mut first = share.cloned().unwrap_or(Share { managed, ..Share::default() });
    if first.ports.is_superset(&keys) {
        return Ok(None);
    }
    first.ports.extend(keys);
    first.sticky |= wanted.sticky;
    let what = "the user's load balancer says which ports are the Service's";
    describe(target, at, &shares.with(&wanted.owner, Some(first)), what).map(Some)
}

/// The record at the end: the ports that are the Service's, and no other.
pub(super) fn last_share(
    wanted: &Wanted,
    target: &Balancer,
    at: &At,
    using: Option<String>,
) -> Result<Option<Step>, Refusal> {
    let shares = Shares::read(&target.lb.desc);
    let before = shares.get(&wanted.owner).cloned();
    let ports: BTreeSet<PortKey> = wanted.ports.iter().map(|port| port.key).collect();
    // The first record is part of the same plan, and says as much.
    let managed = before.as_ref().map_or(
        if shares.of.is_empty() {
            target.backends.is_empty() && target.listeners.is_empty()
        } else {
            shares.of.iter().all(|(_, other)| other.managed)
        },
        |share| share.managed,
    );
    let last = Share { ports: ports.clone(), managed, sticky: wanted.sticky, using };
    let first = match &before {
        Some(share) if share.ports.is_superset(&ports) => share.clone(),
        Some(share) => Share {
            ports: share.ports.union(&ports).copied().collect(),
            sticky: share.sticky || wanted.sticky,
            ..share.clone()
        },
        None => Share { ports, managed, sticky: wanted.sticky, using: None },
    };
    if first == last {
        return Ok(None);
    }
    describe(target, at, &shares.with(&wanted.owner, Some(last)), "all of it is done").map(Some)
}

pub(super) fn describe(target: &Balancer, at: &At, shares: &Shares, why: &str) -> Result<Step, Refusal> {
    let text = shares.write().ok_or_else(|| {
        let message = format!(
            "the description of load balancer {} has no room left for another Service ({LONGEST} bytes): shorten it, or use an AppBLB, \
             where Services have groups of their own",
            target.lb.id
        );
        Refusal::new(Reason::Unsupported, message)
    })?;
    let action = Action::UpdateLoadBalancer(at.clone(), target.lb.name.clone(), text);
    Ok(Step::new(action, at.id.clone(), why))
}

/// Whether the servers on a load balancer of the user's serve this Service alone.
pub(super) fn is_sole(owner: &Owner, target: &Balancer, shares: &Shares) -> bool {
    let Some(share) = shares.get(owner) else { return false };
    let only_ours =
        target.listeners.iter().all(|listener| listener.key().is_some_and(|key| share.ports.contains(&key)));
    share.managed && only_ours && shares.others(owner).next().is_none()
}

/// Servers. `managed`: those that are not wanted go.
pub(super) fn backends(wanted: &[WantedMember], target: &Balancer, at: &At, managed: bool, draft: &mut Draft) {
    let there = |id: &str| target.backends.iter().find(|backend| backend.instance == id);
    let wants = |id: &str| wanted.iter().any(|member| member.target == id);
    let of = |member: &WantedMember| Backend { instance: member.target.clone(), weight: member.weight };
    let new: Vec<Backend> = wanted.iter().filter(|member| there(&member.target).is_none()).map(of).collect();
    let changed: Vec<Backend> = wanted
        .iter()
        .filter(|member| there(&member.target).is_some_and(|backend| backend.weight != member.weight))
        .map(of)
        .collect();
    let mut gone: Vec<String> =
        target.backends.iter().map(|backend| backend.instance.clone()).filter(|id| !wants(id)).collect();
    if !managed {
        if !gone.is_empty() {
            let message = format!(
                "load balancer {} is shared: servers stay that may be others', {} of them; an AppBLB keeps Services' servers apart",
                at.id,
                gone.len()
            );
            draft.notes.push(Note { reason: "ServersStay", warning: false, message });
        }
        gone.clear();
    }
    let remove = |gone: Vec<String>, why: &str| {
        (!gone.is_empty()).then(|| Step::new(Action::RemoveBackends(at.clone(), gone), at.id.clone(), why))
    };
    // Only as many go first as there has to be room for.
    let excess = (target.backends.len() + new.len()).saturating_sub(MOST).min(gone.len());
    let first = gone.drain(..excess).collect();
    draft.adds.extend(remove(first, "there has to be room for others"));
    if !new.is_empty() {
        draft.adds.push(Step::new(Action::AddBackends(at.clone(), new), at.id.clone(), "these nodes are to answer"));
    }
    if !changed.is_empty() {
        draft.adds.push(Step::new(
            Action::UpdateBackends(at.clone(), changed),
            at.id.clone(),
            "these nodes are to get another share",
        ));
    }
    draft.drops.extend(remove(gone, "these nodes are to answer no more"));
}
