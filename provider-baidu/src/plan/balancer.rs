//! The whole plan for a load balancer.
//!
//! What adds comes before what takes away, so that a working Service works on while a change fails; the record that everything is
//! done comes last, so that whoever dies in between leaves a load balancer that admits to being unfinished.

use cloud_provider_api::error::Reason;
use provider_kit::load_balancers::same_spec;

use super::{
    Note, PortKey, Refusal, eip, grouped, plain,
    record::{Done, Record, Shares, digest},
    removal,
    seen::{Balancer, Seen},
    step::{Action, At, NEW_BALANCER, Step, new_group},
    wanted::{Wanted, WantedEip, WantedMember},
};
use crate::api::balancers::{Kind, LoadBalancer, NewLoadBalancer};

/// The hash a plan that is only shown writes of.
const PLANNED: &str = "planned";
/// Why the last call is made.
const DONE: &str = "all of it is done";

/// Where one is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    /// At the edge: the place.
    pub(crate) region: Option<String>,
    /// The one before it, which is gone.
    pub(crate) former: String,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) notes: Vec<Note>,
}

/// The parts of a plan, in the order they come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) adds: Vec<Step>,
    pub(super) drops: Vec<Step>,
    pub(super) notes: Vec<Note>,
}

/// The steps from what is there to what is wanted. `site`: where one is made, if none is there. `hash`: what the caller calls it; `None`
/// when the plan is only shown.
pub(crate) fn plan(wanted: &Wanted, seen: &Seen, site: Option<&Site>, hash: Option<&str>) -> Result<Plan, Refusal> {
    let nothing = Balancer {
        lb: LoadBalancer { kind: wanted.kind, id: NEW_BALANCER.to_owned(), ..LoadBalancer::default() },
        owned: true,
        ..Balancer::default()
    };
    let target = seen.target.as_ref().unwrap_or(&nothing);
    let mut plan = Plan { steps: Vec::new(), notes: fits(wanted, target)? };
    if let (None, Some(site)) = (&seen.target, site) {
        plan.steps.push(create(wanted, site));
    }
    let at = At { kind: target.lb.kind, id: target.lb.id.clone() };
    let draft = match target.lb.kind {
        Kind::Plain => plain::plan(wanted, target, &at)?,
        Kind::App | Kind::Edge => grouped::plan(wanted, target, &at)?,
    };
    let Draft { adds, drops, notes } = draft;
    plan.steps.extend(adds);
    plan.notes.extend(notes);
    let address = eip::plan(wanted, seen, target, &at)?;
    plan.steps.extend(address.steps);
    plan.notes.extend(address.notes);
    plan.steps.extend(drops);
    for leftover in &seen.leftovers {
        let part = removal::of_balancer(&wanted.owner, leftover, &seen.eips, address.recorded.as_deref(), false)?;
        plan.steps.extend(part.steps);
        plan.notes.extend(part.notes);
    }
    if target.owned {
        let record = Record {
            eip: address.recorded,
            using: address.using,
            sticky: wanted.sticky,
            group: grouped::only_group(&wanted.owner, target)
                .or_else(|| (at.kind == Kind::App).then(|| new_group(&wanted.owner.group_name()))),
            ..Record::default()
        };
        let done = !plan.steps.is_empty();
        plan.steps.extend(record_of_ours(wanted, target, &at, record, hash, done));
    } else if target.lb.kind == Kind::Plain {
        plan.steps.extend(plain::last_share(wanted, target, &at, address.using)?);
    } else {
        let done = !plan.steps.is_empty();
        plan.steps.extend(grouped::last_record(wanted, target, &at, address.using.as_deref(), hash, done));
    }
    Ok(plan)
}

/// What an existing load balancer cannot be changed to.
fn fits(wanted: &Wanted, target: &Balancer) -> Result<Vec<Note>, Refusal> {
    let lb = &target.lb;
    if lb.id == NEW_BALANCER {
        return Ok(Vec::new());
    }
    if let Some(address) = wanted.address.as_ref().filter(|address| **address != lb.address) {
        let problem = format!("{address}: the load balancer has {}; its address cannot be changed", lb.address);
        return Err(Refusal::fields(Reason::Unsupported, vec![("spec.load_balancer_ip".to_owned(), problem)]));
    }
    if (lb.kind == Kind::Edge) != (wanted.eip == WantedEip::Included || wanted.kind == Kind::Edge) {
        let problem =
            format!("load balancer {} is a {}, and the Service wants a {}", lb.id, lb.kind.name(), wanted.kind.name());
        return Err(Refusal::new(Reason::Unsupported, problem));
    }
    if target.owned && lb.kind != wanted.kind {
        let message = format!("load balancer {} stays a {}: its type cannot be changed", lb.id, lb.kind.name());
        return Ok(vec![Note { reason: "TypeUnchanged", warning: true, message }]);
    }
    Ok(Vec::new())
}

fn create(wanted: &Wanted, site: &Site) -> Step {
    let (owner, name) = (&wanted.owner, wanted.balancer_name());
    let edge = wanted.kind == Kind::Edge;
    let new = NewLoadBalancer {
        name: name.clone(),
        desc: Record::default().write(owner),
        vpc_id: site.vpc.clone(),
        subnet_id: site.subnet.clone(),
        address: wanted.address.clone(),
        allocate_vip: (wanted.allocate_vip && wanted.kind == Kind::Plain).then_some(true),
        tags: if edge { Vec::new() } else { owner.tags() },
        region_id: site.region.clone(),
        need_public_ip: edge.then_some(wanted.eip == WantedEip::Included),
    };
    let reason = if site.former.is_empty() {
        "the Service has none".to_owned()
    } else {
        format!("the Service's own, {}, is gone", site.former)
    };
    Step::new(Action::CreateLoadBalancer(wanted.kind, new, owner.purpose(&site.former)), name, reason)
}

/// What will have been achieved. `before`: what is recorded.
pub(super) fn done(members: &[WantedMember], before: Option<Done>, hash: Option<&str>, changes: bool) -> Done {
    let hash = match hash {
        Some(hash) => hash.to_owned(),
        // Whatever is recorded will do, but something has to be.
        None => before.filter(|_| !changes).map_or_else(|| PLANNED.to_owned(), |done| done.hash),
    };
    achieved(members, &hash)
}

/// That these servers are there, and all else that goes by this hash.
pub(crate) fn achieved(members: &[WantedMember], hash: &str) -> Done {
    Done { hash: hash.to_owned(), members: digest_of(members) }
}

/// [`digest`] of the servers that are to be there.
pub(crate) fn digest_of(members: &[WantedMember]) -> String {
    digest(members.iter().map(|member| (member.target.as_str(), member.weight)))
}

/// `changes`: something else is done before.
fn record_of_ours(
    wanted: &Wanted,
    target: &Balancer,
    at: &At,
    record: Record,
    hash: Option<&str>,
    changes: bool,
) -> Option<Step> {
    let before = target.record();
    let new = Record { done: Some(done(&wanted.members, before.done.clone(), hash, changes)), ..record };
    let text = new.write(&wanted.owner);
    let is_there = |text: &str| text == target.lb.desc;
    if is_there(&text) {
        return None;
    }
    // A plan that is shown has nothing to write down, and one as it was before groups were named is as good.
    if !changes && before.done.is_some() && (hash.is_none() || before.done == new.done) {
        let kept = Record { done: before.done, group: before.group, ..new };
        if is_there(&kept.write(&wanted.owner)) {
            return None;
        }
    }
    let name = if target.lb.id == NEW_BALANCER { wanted.balancer_name() } else { target.lb.name.clone() };
    Some(Step::new(Action::UpdateLoadBalancer(at.clone(), name, text), at.id.clone(), DONE))
}

/// The ports that are this Service's on a load balancer of the user's, as its record says.
pub(super) fn refuse_taken(target: &Balancer, key: PortKey, why: &str) -> Refusal {
    let lb = &target.lb;
    let message = format!(
        "port {key} of load balancer {} ({}) is not this Service's: {why}; use another port or another load balancer",
        lb.id, lb.name
    );
    Refusal::new(Reason::NotOurs, message)
}

/// What only changes members, of a load balancer that was ensured before. `None`: it was not.
pub(crate) fn members_only(
    wanted: &[WantedMember],
    owner: &super::owner::Owner,
    target: &Balancer,
    hash: &str,
) -> Option<Vec<Step>> {
    let at = At { kind: target.lb.kind, id: target.lb.id.clone() };
    let share = (!target.owned && target.lb.kind == Kind::Plain).then(|| Shares::read(&target.lb.desc));
    let mut draft = Draft::default();
    match target.lb.kind {
        Kind::Plain => {
            let managed = target.owned || plain::is_sole(owner, target, share.as_ref()?);
            if let Some(shares) = &share {
                shares.get(owner)?;
            }
            plain::backends(wanted, target, &at, managed, &mut draft);
        }
        Kind::App | Kind::Edge => grouped::members_only(wanted, owner, target, &at, &mut draft)?,
    }
    let mut steps = draft.adds;
    steps.extend(draft.drops);
    if target.owned {
        let before = target.record();
        // What was never finished is not finished by its members.
        let finished = before.done.clone()?;
        let done = Some(achieved(wanted, hash));
        let group = grouped::only_group(owner, target);
        let new = Record { group, done, ..before.clone() };
        // One write is enough where the record stays true without the other.
        let stays = before.outlasts_members(at.kind) && before.group == new.group && same_spec(&finished.hash, hash);
        let text = new.write(owner);
        if !stays && text != target.lb.desc {
            let action = Action::UpdateLoadBalancer(at.clone(), target.lb.name.clone(), text);
            steps.push(Step::new(action, at.id, "the members are as they should be"));
        }
    }
    Some(steps)
}
