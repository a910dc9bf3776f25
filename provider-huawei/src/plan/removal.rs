//! Taking away what is ours, and nothing else. A public address we allocated goes first, while the load balancer still says that it
//! is ours; what merely hangs on a load balancer of ours goes with it.

use std::collections::BTreeMap;

use cloud_provider_api::error::Reason;

use super::{
    PortKey, Refusal,
    eip::{leave, unbind},
    owner::{Claim, Owner},
    record::{EIP_NEW, Record},
    seen::{Balancer, Seen},
    step::{Action, Step},
};
use crate::api::{eip::PublicIp, elb::LoadBalancerChange};

/// The removal of all that is this Service's.
pub fn plan(owner: &Owner, seen: &Seen, keep_eip: bool) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for balancer in seen.target.iter().chain(&seen.leftovers) {
        steps.extend(of_balancer(owner, balancer, &seen.eips, keep_eip, None)?);
    }
    // Addresses that a removal which was interrupted left behind.
    for eip in seen.eips.values() {
        let left = super::seen::is_marked(eip, owner) && eip.port_id.is_empty() && !keep_eip;
        let step = Step::new(Action::DeletePublicip(eip.id.clone()), &eip.id, "it was allocated for this Service");
        if left && !steps.iter().any(|other: &Step| other.action == step.action) {
            steps.push(step);
        }
    }
    for group in &seen.ip_groups {
        steps.push(Step::new(Action::DeleteIpGroup(group.id.clone()), &group.id, "it was made for this Service"));
    }
    Ok(steps)
}

/// The removal of one load balancer, or of what is ours on it. `moved`: an address that has moved to another one by then.
pub(super) fn of_balancer(
    owner: &Owner,
    balancer: &Balancer,
    eips: &BTreeMap<String, PublicIp>,
    keep_eip: bool,
    moved: Option<&str>,
) -> Result<Vec<Step>, Refusal> {
    let lb = &balancer.lb;
    let mut steps = Vec::new();
    if balancer.owned && lb.deletion_protection_enable {
        let message = format!("load balancer {} has deletion protection: switch it off", lb.id);
        return Err(Refusal::new(Reason::ObjectLocked, message));
    }
    if balancer.owned {
        refuse_others(owner, balancer)?;
    }
    let bound = lb.eip().map(|eip| eip.eip_id.as_str()).filter(|id| !id.is_empty() && Some(*id) != moved);
    let bound = bound.filter(|id| balancer.allocated(id, eips.get(*id), owner));
    let idle = balancer.idle_eip(eips).filter(|id| Some(*id) != moved);
    if keep_eip {
        steps.extend(bound.into_iter().chain(idle).filter_map(|id| leave(owner, eips.get(id), id)));
    } else if let Some(id) = bound {
        let record = Record::read(&lb.description);
        let marked = eips.get(id).is_some_and(|eip| super::seen::is_marked(eip, owner));
        if balancer.owned && record.eip.as_deref() == Some(EIP_NEW) && !marked {
            // Once unbound, only the record would tell which address was ours.
            let text = Record { eip: Some(id.to_owned()), ..record }.write(owner, None);
            let change = LoadBalancerChange { description: Some(text), ..LoadBalancerChange::default() };
            steps.push(Step::new(
                Action::UpdateLoadBalancer(lb.id.clone(), change),
                &lb.id,
                "its address is written down",
            ));
        }
        steps.push(unbind(id, "it is released"));
        steps.push(Step::new(Action::DeletePublicip(id.to_owned()), id, "it was allocated for this Service"));
    }
    if let Some(id) = idle.filter(|_| !keep_eip) {
        steps.push(Step::new(Action::DeletePublicip(id.to_owned()), id, "it was allocated for this Service"));
    }
    if balancer.owned {
        steps.push(
            Step::new(Action::DeleteLoadBalancerForce(lb.id.clone()), &lb.id, "the Service wants it no more").waiting(),
        );
        return Ok(steps);
    }
    let mut gone = Vec::new();
    for listener in &balancer.listeners {
        if owner.claim(&listener.description) == Claim::Ours {
            gone.extend(balancer.pool_of(listener).map(|pool| pool.id.clone()));
            let action = Action::DeleteListenerForce(listener.id.clone());
            steps.push(Step::new(action, &listener.id, "the Service wants it no more"));
        }
    }
    for pool in &balancer.pools {
        if owner.claim(&pool.description) == Claim::Ours && !gone.contains(&pool.id) {
            steps.push(Step::new(Action::DeletePoolCascade(pool.id.clone()), &pool.id, "the Service wants it no more"));
        }
    }
    Ok(steps)
}

/// Somebody put a listener on our load balancer: it goes with nobody's Service.
fn refuse_others(owner: &Owner, balancer: &Balancer) -> Result<(), Refusal> {
    let other = balancer.listeners.iter().find(|listener| match owner.claim(&listener.description) {
        Claim::Ours => false,
        Claim::Other(_) => true,
        Claim::Unmarked => {
            let key = PortKey { udp: super::ports::is_udp(&listener.protocol), port: listener.protocol_port };
            !owner.is_go_listener_name(&listener.name, &listener.protocol, key)
        }
    });
    let Some(other) = other else { return Ok(()) };
    let message = format!(
        "load balancer {} is to be deleted, but listener {} ({}, port {}) on it is not this Service's: move or delete it",
        balancer.lb.id, other.id, other.name, other.protocol_port
    );
    Err(Refusal::new(Reason::NotOurs, message))
}
