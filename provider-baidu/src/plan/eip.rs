//! The public address: bound, made, resized, unbound, released. What was not made for the Service is never released.

use cloud_provider_api::error::Reason;

use super::{
    Note, Refusal,
    owner::{EIP_MARK, Owner},
    record::{Record, Shares},
    seen::{Balancer, Seen},
    step::{Action, At, NEW_EIP, Step},
    wanted::{Wanted, WantedEip},
};
use crate::{
    annotations::EipSettings,
    api::{
        balancers::Kind,
        eip::{Billing, Eip, NewEip, Reservation},
    },
};

/// What is to happen with the address, and what the record says of it afterwards.
#[derive(Debug, Default)]
pub(super) struct EipPlan {
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<Note>,
    /// The address that was last made for the Service.
    pub(super) recorded: Option<String>,
    /// The user's that is bound.
    pub(super) using: Option<String>,
}

/// The address of the user's that was bound for the Service, by the record.
pub(super) fn using(owner: &Owner, target: &Balancer) -> Option<String> {
    match (target.owned, target.lb.kind) {
        (false, Kind::Plain) => Shares::read(&target.lb.desc).get(owner).and_then(|share| share.using.clone()),
        (true, Kind::Plain) => Record::read(&target.lb.desc).using,
        _ => super::grouped::own_record(owner, target).using,
    }
}

/// Whether an address was made for this Service.
pub(crate) fn is_ours(owner: &Owner, target: &Balancer, eip: &Eip) -> bool {
    let recorded = target.record().eip;
    // The Go provider named the address like the load balancer, unless an annotation said otherwise; it marked the load balancer first.
    let by_go = target.owned && target.lb.desc.starts_with(EIP_MARK) && recorded.is_none();
    owner.owns_eip(eip, recorded.as_deref(), by_go.then_some((target.lb.name.as_str(), target.lb.id.as_str())))
}

pub(super) fn plan(wanted: &Wanted, seen: &Seen, target: &Balancer, at: &At) -> Result<EipPlan, Refusal> {
    let owner = &wanted.owner;
    let before = EipPlan { recorded: target.record().eip, using: using(owner, target), ..EipPlan::default() };
    if wanted.eip == WantedEip::Included || target.lb.kind == Kind::Edge {
        return Ok(EipPlan { recorded: before.recorded, ..EipPlan::default() });
    }
    let bound = target.public_ip().map(ToOwned::to_owned);
    let bound_eip = bound.as_ref().and_then(|ip| seen.eips.get(ip));
    let bound_is_ours = bound_eip.is_some_and(|eip| is_ours(owner, target, eip));
    let bound_is_used = bound.is_some() && bound == before.using;
    let idle = seen.eips.values().find(|eip| eip.instance_id.is_empty() && is_ours(owner, target, eip));
    // On a load balancer that is left behind, from which it moves.
    let moving = seen.leftovers.iter().find_map(|leftover| {
        let eip = leftover.public_ip().and_then(|ip| seen.eips.get(ip))?;
        is_ours(owner, leftover, eip).then_some(eip)
    });
    let mut plan = before;
    match (&wanted.eip, bound) {
        (WantedEip::Included, _) => {}
        (WantedEip::None, bound) => {
            if let Some(bound) = bound.filter(|_| bound_is_ours || bound_is_used) {
                plan.steps.push(unbind(&bound, "the Service wants no public address any more"));
            }
            plan.using = None;
            if let Some(eip) = bound_eip.filter(|_| bound_is_ours) {
                plan.release(eip);
            }
            if let Some(eip) = idle {
                plan.release(eip);
            }
        }
        (WantedEip::Existing(ip), Some(bound)) if *ip == bound => {
            plan.using = Some(bound).filter(|_| !bound_is_ours);
            if let Some(eip) = idle {
                plan.release(eip);
            }
        }
        (WantedEip::Existing(ip), bound) => {
            let eip = seen.eips.get(ip).ok_or_else(|| missing(ip))?;
            if !eip.instance_id.is_empty() && eip.instance_id != target.lb.id {
                let elsewhere = seen.leftovers.iter().any(|leftover| leftover.lb.id == eip.instance_id);
                if !elsewhere {
                    let message = format!("address {ip} is bound to {}: unbind it there", eip.instance_id);
                    return Err(Refusal::new(Reason::NotOurs, message));
                }
                plan.steps.push(unbind(ip, "it moves to another load balancer"));
            }
            if let Some(bound) = &bound {
                if !target.owned && !bound_is_ours && !bound_is_used {
                    let message = format!(
                        "load balancer {} has address {bound}, which was not bound for this Service: unbind it, or remove \
                         spec.loadBalancerIP",
                        target.lb.id
                    );
                    return Err(Refusal::new(Reason::NotOurs, message));
                }
                plan.steps.push(unbind(bound, "another address takes its place"));
            }
            plan.steps.push(bind(ip, at, "the Service names it"));
            plan.using = Some(ip.clone());
            if let Some(eip) = bound_eip.filter(|_| bound_is_ours) {
                plan.release(eip);
            }
            if let Some(eip) = idle.filter(|eip| eip.ip != *ip) {
                plan.release(eip);
            }
        }
        (WantedEip::Made, Some(bound)) => {
            if let Some(eip) = bound_eip.filter(|_| bound_is_ours) {
                plan.resize(&wanted.eip_settings, eip)?;
                plan.recorded = Some(bound);
            }
        }
        (WantedEip::Made, None) => {
            let ip = if let Some(eip) = idle.or(moving) {
                if !eip.instance_id.is_empty() {
                    plan.steps.push(unbind(&eip.ip, "it moves to another load balancer"));
                }
                eip.ip.clone()
            } else {
                let new = new_eip(wanted);
                let purpose = owner.purpose(owner.dead_eip.as_deref().or(plan.recorded.as_deref()).unwrap_or_default());
                let name = new.name.clone();
                plan.steps.push(Step::new(Action::CreateEip(new, purpose), name, "the Service has no public address"));
                NEW_EIP.to_owned()
            };
            plan.steps.push(bind(&ip, at, "the Service wants it at its load balancer"));
            plan.recorded = Some(ip);
            plan.using = None;
        }
    }
    Ok(plan)
}

impl EipPlan {
    fn release(&mut self, eip: &Eip) {
        let (step, note) = release(eip);
        self.steps.extend(step);
        self.notes.extend(note);
    }

    fn resize(&mut self, wanted: &EipSettings, eip: &Eip) -> Result<(), Refusal> {
        let differs = |is: &str, wanted: Option<&str>| wanted.is_some_and(|wanted| !is.is_empty() && is != wanted);
        if differs(&eip.payment_timing, wanted.payment_timing) || differs(&eip.billing_method, wanted.billing_method) {
            let message = format!(
                "not support change ElasticIP PaymentTiming or ElasticIP BillingMethod: {} is {} {}; take the annotations back, or \
                 bind an address of your own with spec.loadBalancerIP",
                eip.ip, eip.payment_timing, eip.billing_method
            );
            return Err(Refusal { precondition: false, ..Refusal::new(Reason::AnnotationInvalid, message) });
        }
        if let Some(mbps) = wanted.bandwidth.filter(|mbps| *mbps != eip.bandwidth_in_mbps) {
            let action = Action::ResizeEip(eip.ip.clone(), mbps);
            self.steps.push(Step::new(action, eip.ip.clone(), "the Service wants another bandwidth"));
        }
        Ok(())
    }
}

fn missing(ip: &str) -> Refusal {
    let problem = format!("{ip}: the account has no such address (EIP)");
    Refusal::fields(Reason::ReferenceMissing, vec![("spec.load_balancer_ip".to_owned(), problem)])
}

fn new_eip(wanted: &Wanted) -> NewEip {
    let settings = &wanted.eip_settings;
    let prepaid = settings.is_prepaid();
    NewEip {
        name: wanted.eip_name(),
        bandwidth_in_mbps: wanted.new_bandwidth(),
        billing: Billing {
            payment_timing: settings.payment_timing.unwrap_or("Postpaid"),
            billing_method: (!prepaid).then(|| settings.way_of_paying()),
            reservation: settings
                .reservation
                .filter(|_| prepaid)
                .map(|months| Reservation { reservation_length: months, reservation_time_unit: "Month" }),
        },
        tags: wanted.owner.tags(),
    }
}

fn bind(ip: &str, at: &At, reason: &str) -> Step {
    Step::new(Action::BindEip(ip.to_owned(), at.id.clone()), ip, reason)
}

pub(super) fn unbind(ip: &str, reason: &str) -> Step {
    Step::new(Action::UnbindEip(ip.to_owned()), ip, reason)
}

/// Releases an address that was made for the Service; one that is paid in advance is kept, and told.
pub(super) fn release(eip: &Eip) -> (Option<Step>, Option<Note>) {
    if eip.is_prepaid() {
        let message = format!(
            "address {} is paid in advance and cannot be released before its time: it is kept, unbound",
            eip.ip
        );
        return (None, Some(Note { reason: "AddressKept", warning: true, message }));
    }
    let step = Step::new(Action::ReleaseEip(eip.ip.clone()), eip.ip.clone(), "it was made for this Service");
    (Some(step), None)
}
