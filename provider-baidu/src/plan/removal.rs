//! Taking away what is ours, and nothing else. A public address goes first, while the load balancer still says that it is ours.

use std::collections::{BTreeMap, BTreeSet};

use cloud_provider_api::error::Reason;

use super::{
    PortKey, Refusal,
    balancer::Plan,
    eip::{is_ours, release, unbind, using},
    grouped,
    owner::{Owner, mark_of},
    plain,
    record::Shares,
    seen::{Balancer, Seen},
    step::{Action, At, Step},
};
use crate::api::{
    balancers::{Kind, Listener},
    eip::Eip,
};

const WHY: &str = "the Service wants it no more";

/// The removal of all that is this Service's.
pub(crate) fn plan(owner: &Owner, seen: &Seen, reserve: bool) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    for balancer in seen.target.iter().chain(&seen.leftovers) {
        let part = of_balancer(owner, balancer, &seen.eips, None, reserve)?;
        plan.steps.extend(part.steps);
        plan.notes.extend(part.notes);
    }
    // Addresses that a removal or creation which was interrupted left behind.
    let nothing = Balancer::default();
    for eip in seen.eips.values().filter(|eip| eip.instance_id.is_empty() && is_ours(owner, &nothing, eip)) {
        let (step, _) = release(eip);
        if let Some(step) = step {
            // While a load balancer is there that admits to being ours, a removal that dies is begun anew.
            plan.steps.insert(0, step);
        }
    }
    let mut seen_actions = Vec::new();
    plan.steps.retain(|step| {
        let release = matches!(step.action, Action::ReleaseEip(_));
        let again = release && seen_actions.contains(&step.action);
        seen_actions.push(step.action.clone());
        !again
    });
    Ok(plan)
}

/// The removal of one load balancer, or of what is ours on it. `moved`: an address that has moved to another one by then.
pub(super) fn of_balancer(
    owner: &Owner,
    balancer: &Balancer,
    eips: &BTreeMap<String, Eip>,
    moved: Option<&str>,
    reserve: bool,
) -> Result<Plan, Refusal> {
    let lb = &balancer.lb;
    let at = At { kind: lb.kind, id: lb.id.clone() };
    let mut plan = Plan::default();
    if balancer.owned && !reserve {
        refuse_protected(balancer)?;
    }
    let bound = balancer.public_ip().filter(|ip| Some(*ip) != moved && lb.kind != Kind::Edge);
    if let Some(ip) = bound {
        let eip = eips.get(ip).filter(|eip| is_ours(owner, balancer, eip));
        let used = using(owner, balancer).as_deref() == Some(ip);
        if eip.is_some() || used || (balancer.owned && !reserve) {
            plan.steps.push(unbind(ip, "its load balancer goes"));
        }
        if let Some(eip) = eip {
            let (step, note) = release(eip);
            plan.steps.extend(step);
            plan.notes.extend(note);
        }
    }
    for eip in eips.values().filter(|eip| eip.instance_id.is_empty() && Some(eip.ip.as_str()) != moved) {
        if is_ours(owner, balancer, eip) {
            plan.steps.extend(release(eip).0);
        }
    }
    if balancer.owned && !reserve {
        plan.steps.push(Step::new(Action::DeleteLoadBalancer(at), lb.id.clone(), WHY));
        return Ok(plan);
    }
    if lb.kind == Kind::Plain {
        of_plain(owner, balancer, &at, &mut plan);
    } else {
        of_grouped(owner, balancer, &at, &mut plan);
    }
    if balancer.owned && mark_of(&lb.desc).is_some_and(|mark| mark == owner.mark()) {
        let action = Action::UpdateLoadBalancer(at, lb.name.clone(), owner.reserved());
        plan.steps.push(Step::new(action, lb.id.clone(), "it is reserved for another Service"));
    }
    Ok(plan)
}

fn of_plain(owner: &Owner, balancer: &Balancer, at: &At, plan: &mut Plan) {
    let shares = Shares::read(&balancer.lb.desc);
    let share = shares.get(owner);
    let ours = |key: &PortKey| balancer.owned || share.is_some_and(|share| share.ports.contains(key));
    let keys: Vec<PortKey> = balancer.listeners.iter().filter_map(Listener::key).filter(ours).collect();
    let sole =
        (balancer.owned && balancer.other_listeners().next().is_none()) || plain::is_sole(owner, balancer, &shares);
    if !keys.is_empty() {
        plan.steps.push(Step::new(Action::DeleteListeners(at.clone(), keys), at.id.clone(), WHY));
    }
    if sole && !balancer.backends.is_empty() {
        let gone = balancer.backends.iter().map(|backend| backend.instance.clone()).collect();
        plan.steps.push(Step::new(Action::RemoveBackends(at.clone(), gone), at.id.clone(), WHY));
    }
    if share.is_some() {
        // It only gets shorter, so it fits.
        plan.steps.extend(plain::describe(balancer, at, &shares.with(owner, None), WHY));
    }
}

fn of_grouped(owner: &Owner, balancer: &Balancer, at: &At, plan: &mut Plan) {
    let ours: BTreeSet<PortKey> = grouped::own_ports(owner, balancer);
    let keys: Vec<PortKey> =
        balancer.listeners.iter().filter_map(Listener::key).filter(|key| ours.contains(key)).collect();
    if !keys.is_empty() {
        plan.steps.push(Step::new(Action::DeleteListeners(at.clone(), keys), at.id.clone(), WHY));
    }
    for group in grouped::own_groups(owner, balancer) {
        plan.steps.push(Step::new(Action::DeleteGroup(at.clone(), group.id.clone()), group.id.clone(), WHY));
    }
}

/// What keeps a load balancer of ours from being deleted.
fn refuse_protected(balancer: &Balancer) -> Result<(), Refusal> {
    let lb = &balancer.lb;
    if lb.allow_delete == Some(false) {
        let message = format!("load balancer {} has deletion protection: switch it off", lb.id);
        return Err(Refusal::new(Reason::ObjectLocked, message));
    }
    let Some(other) = balancer.other_listeners().next() else { return Ok(()) };
    let message = format!(
        "load balancer {} is to be deleted, but its listener for {} at port {} is not this Service's: delete it, or set \
         cce-load-balancer-reserve-lb",
        lb.id, other.protocol, other.port
    );
    Err(Refusal::new(Reason::NotOurs, message))
}
