//! The public address: the user's is bound and kept, one we allocated is released when nobody wants it any more.

use cloud_provider_api::error::Reason;

use super::{
    Refusal,
    owner::Owner,
    seen::{Balancer, Seen, mark_of},
    step::{Action, NEW_BALANCER, NEW_EIP, NEW_PORT, Step},
    wanted::{Wanted, WantedEip},
};
use crate::{
    annotations::EipOption,
    api::{
        eip::{NewAddress, NewPublicIp, PublicIp},
        elb::{self, Bandwidth},
    },
};

/// What is to happen with the public address, and what the record says of it afterwards.
pub(super) struct EipPlan {
    pub(super) steps: Vec<Step>,
    /// Id (or placeholder) of the address, if we allocated it.
    pub(super) recorded: Option<String>,
}

/// The bandwidth of an address that we allocate. Its name marks the address as ours.
pub(super) fn bandwidth(wanted: &Wanted, option: &EipOption) -> Bandwidth {
    match &option.share_id {
        Some(id) => Bandwidth { id: Some(id.clone()), share_type: Some("WHOLE".to_owned()), ..Bandwidth::default() },
        None => Bandwidth {
            id: None,
            name: Some(wanted.owner.address_name()),
            size: option.bandwidth_size,
            charge_mode: Some(option.charge_mode.clone()),
            share_type: Some("PER".to_owned()),
        },
    }
}

/// The part of a dedicated load balancer's creation.
pub(super) fn in_creation(wanted: &Wanted, new: &mut elb::NewLoadBalancer) {
    match &wanted.eip {
        WantedEip::None => {}
        WantedEip::Existing(id) => new.publicip_ids = vec![id.clone()],
        WantedEip::Allocate(option) => {
            let mut bandwidth = bandwidth(wanted, option);
            if bandwidth.id.is_some() {
                bandwidth = Bandwidth { id: bandwidth.id, ..Bandwidth::default() };
            }
            new.publicip = Some(elb::NewPublicIp { ip_version: 4, network_type: option.ip_type.clone(), bandwidth });
        }
    }
}

/// The address a leftover load balancer holds that is to move over, ours or the user's that is wanted, and whether it is bound there.
pub(super) fn moving<'s>(wanted: &Wanted, seen: &'s Seen) -> Option<(&'s str, bool)> {
    seen.leftovers.iter().find_map(|leftover| {
        let Some(eip) = leftover.lb.eip().map(|eip| eip.eip_id.as_str()) else {
            let allocates = matches!(wanted.eip, WantedEip::Allocate(_));
            return leftover.idle_eip(&seen.eips).filter(|_| allocates).map(|id| (id, false));
        };
        let ours = leftover.allocated(eip, seen.eips.get(eip), &wanted.owner);
        match &wanted.eip {
            WantedEip::Existing(id) if id == eip => Some((eip, true)),
            WantedEip::Allocate(_) if ours && leftover.owned => Some((eip, true)),
            _ => None,
        }
    })
}

/// `created`: the load balancer is made in this plan, with its address in the same call if it is dedicated.
pub(super) fn plan(wanted: &Wanted, seen: &Seen, target: &Balancer, created: bool) -> Result<EipPlan, Refusal> {
    let moving = moving(wanted, seen);
    let port = if created { NEW_PORT.to_owned() } else { target.lb.vip_port_id.clone() };
    let balancer = if created { NEW_BALANCER } else { &target.lb.id };
    let bind = |id: &str, why: &str| {
        Step::new(Action::BindPublicip(id.to_owned(), port.clone()), id, format!("{why} load balancer {balancer}"))
    };
    if created && wanted.dedicated && moving.is_none() {
        let recorded = matches!(wanted.eip, WantedEip::Allocate(_)).then(|| NEW_EIP.to_owned());
        return Ok(EipPlan { steps: recorded.iter().filter_map(|id| tag(wanted, seen, id)).collect(), recorded });
    }
    let bound = target.lb.eip().map(|eip| eip.eip_id.clone()).filter(|id| !id.is_empty());
    let ours = bound.as_ref().is_some_and(|id| target.allocated(id, seen.eips.get(id), &wanted.owner));
    let idle = target.idle_eip(&seen.eips);
    let mut steps = Vec::new();
    let recorded = match (&wanted.eip, bound) {
        (WantedEip::Existing(id), Some(bound)) if *id == bound => {
            steps.extend(idle.and_then(|idle| release(wanted, seen, idle)));
            None
        }
        (WantedEip::Allocate(_), Some(bound)) => ours.then_some(bound),
        (WantedEip::None, None) => {
            steps.extend(idle.and_then(|idle| release(wanted, seen, idle)));
            None
        }
        (WantedEip::None, Some(bound)) => {
            // The Go provider leaves its address where it is as long as the Service lives, and so do we.
            let by_go = seen.eips.get(&bound).is_some_and(|eip| target.by_go(eip, &wanted.owner));
            if ours && !by_go {
                steps.push(unbind(&bound, "the Service wants no public address any more"));
                steps.extend(release(wanted, seen, &bound));
            }
            None
        }
        (WantedEip::Existing(id), bound) => {
            if let Some(bound) = &bound {
                if !target.owned && !ours {
                    let message = format!(
                        "load balancer {} has public address {bound}, which is not this Service's: unbind it, or remove \
                         kubernetes.io/elb.eip-id",
                        target.lb.id
                    );
                    return Err(Refusal::new(Reason::NotOurs, message));
                }
                steps.push(unbind(bound, "another address takes its place"));
            }
            if moving.is_some() {
                steps.push(unbind(id, "it moves to another load balancer"));
            }
            steps.push(bind(id, "the Service wants it at"));
            let before = bound.as_deref().filter(|_| ours).or(idle).filter(|before| before != id);
            steps.extend(before.and_then(|before| release(wanted, seen, before)));
            None
        }
        (WantedEip::Allocate(option), None) => {
            if let Some((id, bound)) = moving.or(idle.map(|id| (id, false))) {
                steps.extend(bound.then(|| unbind(id, "it moves to another load balancer")));
                steps.push(bind(id, "the Service keeps it, at"));
                Some(id.to_owned())
            } else {
                steps.push(allocate(wanted, option, port, balancer));
                Some(NEW_EIP.to_owned())
            }
        }
    };
    steps.extend(recorded.as_ref().and_then(|id| tag(wanted, seen, id)));
    Ok(EipPlan { steps, recorded })
}

/// Tags that say who pays, on an address we allocated: it is made without any.
fn tag(wanted: &Wanted, seen: &Seen, id: &str) -> Option<Step> {
    let owner = &wanted.owner;
    let has = if id == NEW_EIP { &[][..] } else { seen.eip_tags.get(id)? };
    let step = || Step::new(Action::TagPublicip(id.to_owned(), owner.tags()), id, "its tags are to say who pays");
    owner.lacks_tags(has).then(step)
}

fn allocate(wanted: &Wanted, option: &EipOption, port_id: String, balancer: &str) -> Step {
    let new = NewPublicIp {
        publicip: NewAddress { line: option.ip_type.clone(), alias: wanted.owner.address_name(), port_id },
        bandwidth: bandwidth(wanted, option),
        enterprise_project_id: wanted.placement.enterprise_project.clone(),
    };
    let target = new.publicip.alias.clone();
    Step::new(Action::CreatePublicip(new), target, format!("load balancer {balancer} has no public address"))
}

pub(super) fn unbind(id: &str, reason: &str) -> Step {
    Step::new(Action::UnbindPublicip(id.to_owned()), id, reason)
}

/// An address of ours that nobody wants any more.
fn release(wanted: &Wanted, seen: &Seen, id: &str) -> Option<Step> {
    if wanted.keep_eip {
        return leave(&wanted.owner, seen.eips.get(id), id);
    }
    Some(Step::new(Action::DeletePublicip(id.to_owned()), id, "it was allocated for this Service"))
}

/// An address of ours that is kept goes on counting as its tenant's: its name tells, for soon nothing else does.
pub(super) fn leave(owner: &Owner, detail: Option<&PublicIp>, id: &str) -> Option<Step> {
    let says_so = detail.and_then(mark_of).is_some_and(|mark| mark.is_of(&owner.tenant));
    let name = || Action::NamePublicip(id.to_owned(), owner.address_name());
    let step = || Step::new(name(), id, "it is kept, and is to say whose it is");
    (!owner.tenant.is_empty() && !says_so).then(step)
}
