//! Reads what the cloud has for one Service.
//!
//! Absence is proven by id: a load balancer the caller's handle names is asked for by its id, and a list that lacks what its parent
//! says is there is refused. Only a Service that never had one is looked for by name alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use cloud_provider_api::error::Reason;
use futures::future::{join_all, try_join, try_join3};
use provider_kit::{Error, Result, Tenant};

use super::{
    handle::Handle,
    tenancy::{ADOPT, ID, named_balancer},
};
use crate::{
    PROVIDER,
    api::{
        eip::PublicIp,
        elb::{LoadBalancer, Monitor, Tag},
    },
    cloud::Cloud,
    fault,
    plan::{
        adopt::{self, Verdict},
        owner::{Claim, Owner},
        record::{EIP_NEW, Record},
        seen::{Balancer, Seen},
        wanted::{Admission, Wanted, WantedEip},
    },
};

/// When a list that lacks something is read again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// Load balancers that may matter, without what hangs on them.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Ours by the cloud's record.
    pub(super) owned: Vec<LoadBalancer>,
    /// The user's that an annotation names.
    pub(super) existing: Option<LoadBalancer>,
    /// Others that the handle names: they may carry listeners of ours.
    pub(super) former: Vec<LoadBalancer>,
    /// Unmarked ones of the Go provider's name.
    pub(super) unmarked: Vec<LoadBalancer>,
}

/// What to look for.
#[derive(Clone, Debug)]
pub(super) struct Search<'a> {
    pub(super) owner: &'a Owner,
    pub(super) tenant: &'a Tenant,
    pub(super) handle: &'a Handle,
    /// The user's load balancer.
    pub(super) existing: Option<&'a str>,
    /// The one a person declares to be ours.
    pub(super) adopt: Option<&'a str>,
    /// The Go provider's name for the cluster.
    pub(super) business_name: &'a str,
    /// Only one of this kind will do: dedicated or shared.
    pub(super) kind: Option<bool>,
    /// There may be one that the handle does not name, beside those it does.
    pub(super) unnamed: bool,
}

impl Search<'_> {
    /// Whether what the ids led to is all there can be.
    fn is_over(&self, found: &Candidates) -> bool {
        let fits = |lb: &LoadBalancer| self.kind.is_none_or(|kind| lb.guaranteed.is_none_or(|other| other == kind));
        found.existing.is_some() || (!self.unnamed && found.owned.iter().any(fits))
    }
}

fn claim(owner: &Owner, lb: &LoadBalancer) -> Claim {
    owner.claim_balancer(&lb.name, &lb.description, &lb.tags)
}

/// `None`: the cloud says that it is not there.
pub(super) async fn by_id(cloud: &Cloud, id: &str) -> Result<Option<LoadBalancer>> {
    match cloud.load_balancer(id).await {
        Ok(lb) => Ok(Some(lb)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(fault::of(&error)),
    }
}

/// Finds load balancers, with as few reads as will do: those of the handle by id, and only if none of them will do, by name.
pub(super) async fn candidates(cloud: &Cloud, search: &Search<'_>) -> Result<Candidates> {
    let owner = search.owner;
    let mut found = Candidates::default();
    let mut ids: Vec<&str> = search.handle.balancers.iter().map(String::as_str).collect();
    ids.extend(search.existing.into_iter().filter(|id| !search.handle.balancers.iter().any(|other| other == id)));
    ids.extend(search.adopt.filter(|id| *id != adopt::NONE && !ids.contains(id)));
    for (id, lb) in ids.iter().zip(join_all(ids.iter().map(|id| by_id(cloud, id))).await) {
        let Some(lb) = lb? else {
            if search.existing == Some(id) {
                return Err(search.tenant.not_there(PROVIDER, &named_balancer(ID, id, None)));
            }
            continue;
        };
        match claim(owner, &lb) {
            Claim::Ours => found.owned.push(lb),
            Claim::Other(_) if search.existing == Some(id) && !search.tenant.name.is_empty() => {
                return Err(search.tenant.refusal(PROVIDER, &named_balancer(ID, id, Some(&lb))));
            }
            Claim::Other(mark) if search.existing == Some(id) => {
                let message = format!("kubernetes.io/elb.id: load balancer {id} belongs to {mark}");
                return Err(Error::cloud(PROVIDER, Reason::NotOurs, message));
            }
            Claim::Unmarked if search.existing == Some(id) => {
                search.tenant.check_named(PROVIDER, &named_balancer(ID, id, Some(&lb)))?;
                found.existing = Some(lb);
            }
            Claim::Unmarked if search.adopt == Some(id) => found.unmarked.push(lb),
            // Users can write the handle: what is another's is not ours to look at.
            Claim::Other(_) => {}
            Claim::Unmarked => found.former.push(lb),
        }
    }
    if !search.is_over(&found) {
        by_name(cloud, search, &mut found).await?;
    }
    one_of_a_kind(&found.owned)?;
    Ok(found)
}

async fn by_name(cloud: &Cloud, search: &Search<'_>, found: &mut Candidates) -> Result<()> {
    let owner = search.owner;
    let go_name = owner.go_balancer_name(search.business_name);
    let names = [owner.balancer_name(), go_name.clone()];
    let found_now = cloud.load_balancers_named(&names).await.map_err(|error| fault::of(&error))?;
    for lb in found_now {
        let known = |others: &[LoadBalancer]| others.iter().any(|other| other.id == lb.id);
        if known(&found.owned) || known(&found.former) || known(&found.unmarked) {
            continue;
        }
        match claim(owner, &lb) {
            Claim::Ours => found.owned.push(lb),
            Claim::Unmarked if lb.name == go_name => found.unmarked.push(lb),
            _ => {}
        }
    }
    Ok(())
}

/// Two of one kind with one key are for a person to sort out; two of different kinds are a change of class under way.
fn one_of_a_kind(owned: &[LoadBalancer]) -> Result<()> {
    for (index, lb) in owned.iter().enumerate() {
        if let Some(other) = owned[..index].iter().find(|other| other.guaranteed == lb.guaranteed && other.id != lb.id)
        {
            let message = format!(
                "two load balancers carry the key of this Service, {} and {}: delete the wrong one at the cloud",
                other.id, lb.id
            );
            return Err(Error::cloud(PROVIDER, Reason::DuplicateKey, message));
        }
    }
    Ok(())
}

/// Reads what hangs on a load balancer. What it says it has must be in the lists.
pub(super) async fn whole(cloud: &Cloud, lb: LoadBalancer, owned: bool) -> Result<Balancer> {
    let mut balancer = Balancer { lb, owned, ..Balancer::default() };
    let lb = &balancer.lb;
    if lb.listeners.is_empty() && lb.pools.is_empty() {
        return Ok(balancer);
    }
    let read = Box::pin(try_join3(cloud.listeners(&lb.id), cloud.pools(&lb.id), cloud.members(&lb.id)));
    let (listeners, pools, members) = read.await.map_err(|error| fault::of(&error))?;
    if let Some(id) = lb.listeners.iter().find(|id| !listeners.iter().any(|other| other.id == id.id)) {
        return Err(unfinished("load balancer", &lb.id, "listener", &id.id));
    }
    if let Some(id) = lb.pools.iter().find(|id| !pools.iter().any(|other| other.id == id.id)) {
        return Err(unfinished("load balancer", &lb.id, "pool", &id.id));
    }
    let there: std::collections::HashSet<&str> = members.iter().map(|member| member.id.as_str()).collect();
    if let Some(id) = pools.iter().flat_map(|pool| &pool.members).find(|id| !there.contains(id.id.as_str())) {
        return Err(unfinished("load balancer", &lb.id, "member", &id.id));
    }
    let monitors: Vec<&str> =
        pools.iter().map(|pool| pool.healthmonitor_id.as_str()).filter(|id| !id.is_empty()).collect();
    balancer.monitors = monitors_of(cloud, &balancer.lb.id, &monitors).await?;
    balancer.listeners = listeners;
    balancer.pools = pools;
    balancer.assign(members);
    Ok(balancer)
}

async fn monitors_of(cloud: &Cloud, balancer: &str, ids: &[&str]) -> Result<Vec<Monitor>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let monitors = cloud.monitors(ids).await.map_err(|error| fault::of(&error))?;
    match ids.iter().find(|id| !monitors.iter().any(|monitor| monitor.id == **id)) {
        Some(id) => Err(unfinished("load balancer", balancer, "health monitor", id)),
        None => Ok(monitors),
    }
}

/// A list that lacks what its parent is known to have.
pub(super) fn unfinished(parent: &str, of: &str, kind: &str, id: &str) -> Error {
    let message = format!("{parent} {of} has {kind} {id}, which the cloud's list of them lacks");
    // Not ABORTED, which is for what passes unseen: a person is to read of lists that stay short.
    Error::cloud(PROVIDER, Reason::ListingUnfinished, message)
        .with_code(tonic::Code::Unavailable)
        .retry_after(READ_AGAIN)
}

/// All that an ensure has to know.
pub(super) async fn for_ensure(cloud: &Cloud, tenant: &Tenant, handle: &Handle, wanted: &Wanted) -> Result<Seen> {
    let search = Search {
        owner: &wanted.owner,
        tenant,
        handle,
        existing: wanted.existing.as_deref(),
        adopt: wanted.adopt.as_deref(),
        business_name: &wanted.business_name,
        // One of the new class may be there already of which nobody was told.
        kind: Some(wanted.dedicated),
        unnamed: false,
    };
    let found = candidates(cloud, &search).await?;
    if let Some(id) = wanted.adopt.as_deref().filter(|id| *id != adopt::NONE) {
        let lb = found.unmarked.iter().find(|lb| lb.id == id);
        if !found.owned.iter().any(|lb| lb.id == id) {
            tenant.check_named(PROVIDER, &named_balancer(ADOPT, id, lb))?;
        }
    }
    let mut seen = Seen::default();
    for lb in found.owned {
        let fits = wanted.existing.is_none() && lb.guaranteed.unwrap_or(wanted.dedicated) == wanted.dedicated;
        let balancer = whole(cloud, lb, true).await?;
        if fits { seen.target = Some(balancer) } else { seen.leftovers.push(balancer) }
    }
    if let Some(lb) = found.existing {
        seen.target = Some(whole(cloud, lb, false).await?);
    }
    for lb in found.former {
        seen.leftovers.extend(former(cloud, &wanted.owner, lb).await?);
    }
    for lb in found.unmarked {
        let balancer = whole(cloud, lb, true).await?;
        match adopt::judge(&balancer, wanted) {
            Verdict::Foreign => {}
            Verdict::Unclear if seen.target.is_some() => {}
            Verdict::Unclear => return Err(refused(adopt::unclear(&balancer))),
            Verdict::Ours if seen.target.is_none() && balancer.lb.guaranteed.is_none_or(|d| d == wanted.dedicated) => {
                seen.target = Some(balancer);
            }
            Verdict::Ours => seen.leftovers.push(balancer),
        }
    }
    let grouped =
        seen.target.iter().flat_map(|balancer| &balancer.listeners).any(|listener| listener.ipgroup.is_some());
    if grouped || (matches!(wanted.admission, Admission::Only(_)) && seen.target.is_some()) {
        seen.ip_groups = ip_groups(cloud, &wanted.owner).await?;
    }
    seen.eips = eips(cloud, &seen, |bound, recorded| match (&wanted.eip, bound, recorded) {
        // One that an interrupted change has unbound, or somebody else.
        (_, None, recorded) => recorded,
        // Whether what is bound was allocated by us matters unless it is exactly what is wanted; then what was before it does.
        (WantedEip::Existing(id), Some(bound), recorded) if bound == *id => recorded.filter(|id| *id != bound),
        (_, Some(bound), recorded) => Some(bound).filter(|_| recorded.is_none()),
    })
    .await?;
    if matches!(wanted.eip, WantedEip::Allocate(_)) && wanted.owner.lacks_tags(&[]) {
        seen.eip_tags = eip_tags(cloud, &seen).await?;
    }
    Ok(seen)
}

/// Tags of the addresses that may have been allocated by us.
async fn eip_tags(cloud: &Cloud, seen: &Seen) -> Result<BTreeMap<String, Vec<Tag>>> {
    let bound = seen.target.iter().chain(&seen.leftovers).filter_map(|balancer| balancer.lb.eip());
    let ids: BTreeSet<&str> =
        bound.map(|eip| eip.eip_id.as_str()).chain(seen.eips.keys().map(String::as_str)).collect();
    let mut all = BTreeMap::new();
    for id in ids.into_iter().filter(|id| !id.is_empty()) {
        match cloud.public_ip_tags(id).await {
            Ok(tags) => drop(all.insert(id.to_owned(), tags)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(fault::of(&error)),
        }
    }
    Ok(all)
}

/// All that a removal has to know.
pub(super) async fn for_removal(cloud: &Cloud, search: &Search<'_>, disowned: bool) -> Result<Seen> {
    let search_by_mark = Search { existing: None, ..search.clone() };
    let mut found = candidates(cloud, &search_by_mark).await?;
    if let Some(id) = search.existing
        && !found.former.iter().chain(&found.owned).any(|lb| lb.id == id)
        && let Some(lb) = by_id(cloud, id).await?
        && claim(search.owner, &lb) == Claim::Unmarked
    {
        found.former.push(lb);
    }
    let mut seen = Seen::default();
    for lb in found.owned {
        seen.leftovers.push(whole(cloud, lb, true).await?);
    }
    for lb in found.former {
        seen.leftovers.extend(former(cloud, search.owner, lb).await?);
    }
    for lb in found.unmarked {
        let adopted = search.adopt == Some(lb.id.as_str());
        // One that could not be adopted is not this Service's to take along.
        if adopted && !search.tenant.may_name(&named_balancer(ADOPT, &lb.id, Some(&lb))) {
            continue;
        }
        if adopted {
            seen.leftovers.push(whole(cloud, lb, true).await?);
        } else if !disowned && search.handle.balancers.is_empty() && search.existing.is_none() {
            // Nothing of ours was ever recorded, so it may be the Go provider's for this very Service.
            return Err(refused(adopt::unclear(&Balancer { lb, ..Balancer::default() })));
        }
    }
    seen.ip_groups = ip_groups(cloud, search.owner).await?;
    seen.eips = eips(cloud, &seen, |bound, recorded| match (bound, recorded) {
        (Some(bound), recorded) => Some(bound).filter(|bound| recorded.as_ref() != Some(bound)),
        (None, recorded) => recorded,
    })
    .await?;
    Ok(seen)
}

/// One that may carry listeners of ours. It is not ours itself.
async fn former(cloud: &Cloud, owner: &Owner, lb: LoadBalancer) -> Result<Option<Balancer>> {
    let balancer = whole(cloud, lb, false).await?;
    let ours = |description: &str| owner.claim(description) == Claim::Ours;
    let any = balancer.listeners.iter().any(|listener| ours(&listener.description))
        || balancer.pools.iter().any(|pool| ours(&pool.description));
    Ok(any.then_some(balancer))
}

async fn ip_groups(cloud: &Cloud, owner: &Owner) -> Result<Vec<crate::api::elb::IpGroup>> {
    cloud.ip_groups_named(&owner.short_name()).await.map_err(|error| fault::of(&error))
}

/// Reads the public addresses that `needed` picks, of those bound and recorded.
async fn eips(
    cloud: &Cloud,
    seen: &Seen,
    needed: impl Fn(Option<String>, Option<String>) -> Option<String>,
) -> Result<BTreeMap<String, PublicIp>> {
    let mut eips = BTreeMap::new();
    for balancer in seen.target.iter().chain(&seen.leftovers) {
        let bound = balancer.lb.eip().map(|eip| eip.eip_id.clone()).filter(|id| !id.is_empty());
        let recorded = Record::read(&balancer.lb.description).eip.filter(|_| balancer.owned);
        let Some(id) = needed(bound, recorded).filter(|id| id != EIP_NEW) else { continue };
        match cloud.public_ip(&id).await {
            Ok(eip) => drop(eips.insert(id, eip)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(fault::of(&error)),
        }
    }
    Ok(eips)
}

/// Load balancer and members, for a look.
pub(super) async fn glance(cloud: &Cloud, id: &str) -> Result<Option<(LoadBalancer, Vec<crate::api::elb::Member>)>> {
    let read = Box::pin(try_join(cloud.load_balancer(id), cloud.members(id))).await;
    match read {
        Ok(both) => Ok(Some(both)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(fault::of(&error)),
    }
}

/// A plan's refusal in the API's words.
pub(super) fn refused(refusal: crate::plan::Refusal) -> Error {
    refusal.into_error(PROVIDER)
}
