//! Reads what the cloud has for one Service.
//!
//! Absence is proven by id: a load balancer that the caller's handle names is asked for by its id, and a list that lacks what its load
//! balancer says is there is refused. Only where ids lead to none of ours are all of the account's looked through, of which there are
//! few: one page holds them.

use std::{collections::BTreeSet, time::Duration};

use cloud_provider_api::error::Reason;
use futures::future::{try_join, try_join_all};
use provider_kit::{Error, Result, Tenant};

use super::handle::Handle;
use crate::{
    PROVIDER,
    api::balancers::{Kind, Listener, LoadBalancer, Policy},
    cloud::Cloud,
    fault,
    plan::{
        PortKey,
        owner::{Claim, Hints, Owner, named_balancer},
        record::{Record, Shares},
        seen::{Balancer, Seen},
        wanted::{Named, Wanted, WantedEip},
    },
};

/// When a list that lacks something is read again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// What to look for.
#[derive(Clone, Debug)]
pub(super) struct Search<'a> {
    pub(super) owner: &'a Owner,
    pub(super) tenant: &'a Tenant,
    pub(super) handle: &'a Handle,
    /// The load balancer an annotation names.
    pub(super) named: Option<&'a Named>,
    pub(super) hints: Hints<'a>,
    /// The kinds there are.
    pub(super) kinds: &'a [Kind],
    /// Look through all, whatever the ids lead to.
    pub(super) all: bool,
}

/// Load balancers that may matter, without what hangs on them.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Ours by the cloud's record.
    pub(super) owned: Vec<LoadBalancer>,
    /// The user's that an annotation names.
    pub(super) existing: Option<LoadBalancer>,
    /// Others that the handle names: they may carry things of ours.
    pub(super) former: Vec<LoadBalancer>,
    /// All of the account's, if they were looked through.
    pub(super) all: Option<Vec<LoadBalancer>>,
    /// The one that was ours and is gone.
    pub(super) gone: String,
}

impl Found {
    /// What was found to serve the Service, and all that was named before: nothing is dropped that was not looked at in full.
    pub(super) fn handle(&self, before: &Handle) -> Handle {
        let serving = self.existing.iter().chain(&self.owned).map(|lb| (lb.kind, lb.id.clone()));
        let mut handle = Handle(serving.collect());
        handle.0.extend(before.0.iter().filter(|(_, id)| handle.kind_of(id).is_none()).cloned().collect::<Vec<_>>());
        handle
    }
}

/// `None`: the cloud says that it is not there.
pub(super) async fn by_id(cloud: &Cloud, kind: Kind, id: &str) -> Result<Option<LoadBalancer>> {
    match cloud.load_balancer(kind, id).await {
        Ok(lb) => Ok(Some(lb)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(fault::of(&error)),
    }
}

/// One whose kind is not known.
async fn of_any_kind(cloud: &Cloud, kinds: &[Kind], id: &str) -> Result<Option<LoadBalancer>> {
    for kind in kinds {
        if let Some(lb) = by_id(cloud, *kind, id).await? {
            return Ok(Some(lb));
        }
    }
    Ok(None)
}

/// All of the account's.
pub(crate) async fn all_balancers(cloud: &Cloud, kinds: &[Kind]) -> Result<Vec<LoadBalancer>> {
    let listed = try_join_all(kinds.iter().map(|kind| cloud.load_balancers(*kind)));
    Ok(listed.await.map_err(|error| fault::of(&error))?.into_iter().flatten().collect())
}

/// Finds load balancers, with as few reads as will do.
pub(super) async fn search(cloud: &Cloud, search: &Search<'_>) -> Result<Found> {
    let mut found = Found::default();
    for (kind, id) in &search.handle.0 {
        let named = search.named.filter(|named| named.id == *id);
        let Some(lb) = by_id(cloud, *kind, id).await? else {
            search.note_gone(id, named, &mut found)?;
            continue;
        };
        match (search.owner.claim_balancer(&lb, &search.hints), named) {
            (Claim::Ours, _) => found.owned.push(lb),
            (claim, Some(named)) => found.existing = Some(search.usable(named, lb, claim)?),
            // Users can write the handle: what is another's is not ours to look at.
            (Claim::Other(_), None) => {}
            (Claim::Unmarked, None) => found.former.push(lb),
        }
    }
    if let Some(named) = search.named.filter(|named| search.handle.kind_of(&named.id).is_none()) {
        by_name(cloud, search, named, &mut found).await?;
    }
    let served = found.existing.is_some() || !found.owned.is_empty();
    if search.all || !served {
        let all = all_balancers(cloud, search.kinds).await?;
        for lb in &all {
            let known = found.owned.iter().chain(&found.existing).any(|other| other.id == lb.id);
            if !known
                && search.owner.claim_balancer(lb, &search.hints) == Claim::Ours
                // A list may be behind, and does not say which listeners there are.
                && let Some(lb) = by_id(cloud, lb.kind, &lb.id).await?
                && search.owner.claim_balancer(&lb, &search.hints) == Claim::Ours
            {
                found.former.retain(|other| other.id != lb.id);
                found.owned.push(lb);
            }
        }
        found.all = Some(all);
    }
    if let [one, other, ..] = &*found.owned {
        let message = format!(
            "two load balancers carry the key of this Service, {} ({}) and {} ({}): delete the wrong one at the cloud",
            one.id, one.name, other.id, other.name
        );
        return Err(Error::cloud(PROVIDER, Reason::DuplicateKey, message));
    }
    Ok(found)
}

/// The one an annotation names.
async fn by_name(cloud: &Cloud, search: &Search<'_>, named: &Named, found: &mut Found) -> Result<()> {
    let Some(lb) = of_any_kind(cloud, search.kinds, &named.id).await? else {
        // The Go provider wrote its own load balancer's id there, too: another takes the place of one that is gone.
        if search.hints.added == Some(named.id.as_str()) {
            return search.note_gone(&named.id, Some(named), found);
        }
        return Err(search.tenant.not_there(PROVIDER, &named_balancer(&named.field(), &named.id, None)));
    };
    match search.owner.claim_balancer(&lb, &search.hints) {
        Claim::Ours => found.owned.push(lb),
        claim => found.existing = Some(search.usable(named, lb, claim)?),
    }
    Ok(())
}

impl Search<'_> {
    /// One that is gone, and was this Service's, as far as anybody says.
    fn note_gone(&self, id: &str, named: Option<&Named>, found: &mut Found) -> Result<()> {
        // Who may not name it is not told whether it is there.
        if let Some(named) = named {
            self.tenant.check_named(PROVIDER, &named_balancer(&named.field(), id, None))?;
        }
        if found.gone.is_empty() {
            id.clone_into(&mut found.gone);
        }
        Ok(())
    }

    /// The user's load balancer that an annotation names, if this Service may use it.
    fn usable(&self, named: &Named, lb: LoadBalancer, claim: Claim) -> Result<LoadBalancer> {
        let field = named.field();
        let object = named_balancer(&field, &named.id, Some(&lb));
        match claim {
            Claim::Other(mark) if self.tenant.name.is_empty() => {
                let message = format!("{}: load balancer {} ({}) belongs to {mark}", named.key, lb.id, lb.name);
                return Err(Error::cloud(PROVIDER, Reason::NotOurs, message));
            }
            Claim::Other(_) => return Err(self.tenant.refusal(PROVIDER, &object)),
            Claim::Ours | Claim::Unmarked => self.tenant.check_named(PROVIDER, &object)?,
        }
        Ok(lb)
    }
}

/// The listeners of a load balancer: all that it says it has.
async fn listeners_of(cloud: &Cloud, lb: &LoadBalancer) -> Result<Vec<Listener>> {
    let listeners = cloud.listeners(lb.kind, &lb.id).await.map_err(|error| fault::of(&error))?;
    // The words for protocols are the cloud's to change: at a port there are as many as it says, or more.
    let said = lb.ports.iter().flatten().map(|said| said.port);
    for port in said.clone().collect::<BTreeSet<_>>() {
        let count = said.clone().filter(|other| *other == port).count();
        if listeners.iter().filter(|listener| listener.port == port).count() < count {
            return Err(unfinished(lb, &format!("a listener at port {port}")));
        }
    }
    Ok(listeners)
}

/// The group a policy leads to, if it is of those that are listed: AppBLB has groups of addresses besides.
fn listed_group(kind: Kind, policy: &Policy) -> &str {
    if kind == Kind::Edge { policy.group() } else { &policy.app_server_group_id }
}

/// A list that lacks what its load balancer is known to have.
pub(super) fn unfinished(lb: &LoadBalancer, what: &str) -> Error {
    let message = format!("load balancer {} ({}) has {what}, which the cloud's list of them lacks", lb.id, lb.name);
    // Not ABORTED, which is for what passes unseen: a person is to read of lists that stay short.
    Error::cloud(PROVIDER, Reason::ListingUnfinished, message)
        .with_code(tonic::Code::Unavailable)
        .retry_after(READ_AGAIN)
}

/// Reads what hangs on a load balancer. `keys`: the ports whose policies matter.
pub(super) async fn whole(
    cloud: &Cloud,
    owner: &Owner,
    lb: LoadBalancer,
    is_ours: bool,
    keys: &BTreeSet<PortKey>,
) -> Result<Balancer> {
    let (kind, id) = (lb.kind, lb.id.clone());
    let mut balancer = Balancer { lb, owned: is_ours, ..Balancer::default() };
    let listeners = listeners_of(cloud, &balancer.lb);
    if kind == Kind::Plain {
        let backends = async { cloud.backends(&id).await.map_err(|error| fault::of(&error)) };
        (balancer.listeners, balancer.backends) = Box::pin(try_join(listeners, backends)).await?;
        return Ok(balancer);
    }
    let groups = async { cloud.groups(kind, &id).await.map_err(|error| fault::of(&error)) };
    (balancer.listeners, balancer.groups) = Box::pin(try_join(listeners, groups)).await?;
    for group in balancer.groups.iter_mut().filter(|group| owner.claim(&group.desc) == Claim::Ours) {
        group.members = cloud.group_members(kind, &id, &group.id).await.map_err(|error| fault::of(&error))?;
    }
    for key in keys.iter().filter(|key| balancer.listeners.iter().any(|listener| listener.key() == Some(**key))) {
        let policies = cloud.policies(kind, &id, *key).await.map_err(|error| fault::of(&error))?;
        let unlisted = policies
            .iter()
            .map(|policy| listed_group(kind, policy))
            .find(|group| is_ours && !group.is_empty() && !balancer.groups.iter().any(|listed| listed.id == *group));
        if let Some(group) = unlisted {
            return Err(unfinished(&balancer.lb, &format!("group {group}, to which a policy leads")));
        }
        balancer.policies.insert(*key, policies);
    }
    Ok(balancer)
}

/// All that an ensure has to know of what was found.
pub(super) async fn for_ensure(cloud: &Cloud, wanted: &Wanted, found: &mut Found) -> Result<Seen> {
    let owner = &wanted.owner;
    let keys: BTreeSet<PortKey> = wanted.ports.iter().map(|port| port.key).collect();
    let mut seen = Seen::default();
    if let Some(lb) = found.existing.take() {
        seen.target = Some(whole(cloud, owner, lb, false, &keys).await?);
    }
    for lb in found.owned.drain(..) {
        let balancer = whole(cloud, owner, lb, true, &keys).await?;
        if seen.target.is_none() { seen.target = Some(balancer) } else { seen.leftovers.push(balancer) }
    }
    for lb in found.former.drain(..) {
        seen.leftovers.extend(former(cloud, owner, lb).await?);
    }
    let named = match &wanted.eip {
        WantedEip::Existing(ip) => Some(ip.as_str()),
        _ => None,
    };
    let unbound = seen.target.as_ref().is_some_and(|target| target.public_ip().is_none());
    let creates = wanted.eip == WantedEip::Made && unbound;
    eips(cloud, &mut seen, named, creates).await?;
    Ok(seen)
}

/// Reads what a load balancer of ours is kept for, if it is to go with all that hangs on it.
async fn to_go(cloud: &Cloud, lb: LoadBalancer) -> Result<Balancer> {
    let listeners = listeners_of(cloud, &lb).await?;
    Ok(Balancer { lb, owned: true, listeners, ..Balancer::default() })
}

/// All that a removal has to know. `public`: it may have an address; `reserve`: one of ours stays, empty.
pub(super) async fn for_removal(
    cloud: &Cloud,
    search_for: &Search<'_>,
    public: bool,
    reserve: bool,
) -> Result<(Seen, Found)> {
    let owner = search_for.owner;
    // What is another's or is gone is nothing to be refused: it is left alone.
    let by_mark = Search { named: None, ..search_for.clone() };
    let mut found = search(cloud, &by_mark).await?;
    if let Some(named) = search_for.named
        && !found.former.iter().chain(&found.owned).any(|lb| lb.id == named.id)
        && let Some(lb) = of_any_kind(cloud, search_for.kinds, &named.id).await?
        && owner.claim_balancer(&lb, &search_for.hints) == Claim::Unmarked
    {
        found.former.push(lb);
    }
    let mut seen = Seen::default();
    for lb in found.owned.drain(..) {
        let balancer =
            if reserve { whole(cloud, owner, lb, true, &BTreeSet::new()).await } else { to_go(cloud, lb).await };
        seen.leftovers.push(balancer?);
    }
    for lb in found.former.drain(..) {
        seen.leftovers.extend(former(cloud, owner, lb).await?);
    }
    let unbound = seen.leftovers.iter().all(|balancer| balancer.public_ip().is_none());
    eips(cloud, &mut seen, None, public && unbound).await?;
    Ok((seen, found))
}

/// One that may carry things of ours. It is not ours itself.
async fn former(cloud: &Cloud, owner: &Owner, lb: LoadBalancer) -> Result<Option<Balancer>> {
    if lb.kind == Kind::Plain && Shares::read(&lb.desc).get(owner).is_none() {
        return Ok(None);
    }
    let balancer = whole(cloud, owner, lb, false, &BTreeSet::new()).await?;
    let ours =
        balancer.lb.kind == Kind::Plain || balancer.groups.iter().any(|group| owner.claim(&group.desc) == Claim::Ours);
    Ok(ours.then_some(balancer))
}

/// Reads the addresses that matter: those bound and recorded and named, or all if one may be there that nothing names.
async fn eips(cloud: &Cloud, seen: &mut Seen, named: Option<&str>, all: bool) -> Result<()> {
    if all {
        for eip in cloud.eips().await.map_err(|error| fault::of(&error))? {
            // Its own record is the first to say that it is bound.
            for balancer in seen.target.iter_mut().chain(&mut seen.leftovers) {
                if balancer.lb.id == eip.instance_id && balancer.public_ip().is_none() {
                    balancer.lb.public_ip.clone_from(&eip.ip);
                }
            }
            seen.eips.insert(eip.ip.clone(), eip);
        }
        return Ok(());
    }
    let mut ips: BTreeSet<String> = named.map(ToOwned::to_owned).into_iter().collect();
    for balancer in seen.target.iter().chain(&seen.leftovers).filter(|balancer| balancer.lb.kind != Kind::Edge) {
        ips.extend(balancer.public_ip().map(ToOwned::to_owned));
        if balancer.owned {
            ips.extend(Record::read(&balancer.lb.desc).eip);
        }
    }
    for eip in try_join_all(ips.iter().map(|ip| cloud.eip(ip))).await.map_err(|error| fault::of(&error))? {
        seen.eips.extend(eip.map(|eip| (eip.ip.clone(), eip)));
    }
    Ok(())
}
