//! Ensure, delete, look, plan: what a request comes to.

use std::{collections::HashMap, sync::Arc, time::Duration};

use cloud_provider_api::{error::Reason, v1};
use provider_kit::{
    Error, Result, Tenant,
    load_balancers::{Outcome, Progress, in_progress},
};

use super::{
    apply::Apply,
    gather::{self, Found, Search},
    handle::Handle,
    memory::Memory,
    state,
};
use crate::{
    PROVIDER,
    annotations::{self, Settings},
    api::balancers::{Kind, LoadBalancer},
    cloud::Cloud,
    fault,
    plan::{
        balancer::{self, Site},
        owner::{Claim, Hints, Owner},
        record::{Record, Shares, digest},
        removal,
        seen::{Balancer, Seen},
        step::{NEW_BALANCER, NEW_EIP, Step},
        wanted::{Named, Surroundings, Wanted, WantedEip},
    },
};

/// Everything one call works with.
pub(crate) struct Engine<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) memory: &'a Memory,
    /// Which Service.
    pub(crate) key: &'a v1::LoadBalancerKey,
    /// The kinds the installation has, the one that is made by itself first.
    pub(crate) kinds: &'a [Kind],
    /// The VPC.
    pub(crate) vpc: Option<String>,
    /// Whose Service it is.
    pub(crate) tenant: &'a Arc<Tenant>,
    /// How long a call may wait for what is busy before it answers.
    pub(crate) patience: Duration,
}

impl Engine<'_> {
    pub(super) fn memory_key(&self) -> String {
        Owner::of(self.key, "").memory_key()
    }

    pub(super) fn owner(&self, settings: &Settings) -> Owner {
        Owner {
            eip_name: settings.eip.name.clone().or_else(|| settings.name.clone()),
            added_eip: settings.added_eip.clone(),
            dead_eip: self.memory.dead_eip(&self.memory_key()),
            ..Owner::of(self.key, &self.cloud.config().cluster_id).of_tenant(self.tenant)
        }
    }

    pub(super) fn handle(&self) -> Handle {
        Handle::parse(&self.key.handle)
    }

    pub(super) fn is_public(&self) -> bool {
        self.cloud.config().profile.features.public_load_balancers
    }

    pub(super) fn settings(annotations: &HashMap<String, String>) -> Result<Settings> {
        Settings::read(annotations).map_err(|faults| {
            let message: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.key, fault.problem)).collect();
            let error = Error::cloud(PROVIDER, Reason::AnnotationInvalid, message.join("; "));
            faults
                .into_iter()
                .fold(error, |error, fault| error.violation(format!("annotations[{}]", fault.key), fault.problem))
        })
    }

    fn wanted(&self, spec: &v1::LoadBalancerSpec, members: Option<&v1::Members>) -> Result<Wanted> {
        let settings = Self::settings(&spec.annotations)?;
        let around = Surroundings {
            settings: &settings,
            kind: self.default_kind(),
            kinds: self.kinds,
            public: self.is_public(),
        };
        let wanted = Wanted::read(self.owner(&settings), spec, members, &around);
        let wanted = wanted.map_err(|refusal| refusal.into_error(PROVIDER))?;
        self.permit(&wanted)?;
        Ok(wanted)
    }

    pub(super) fn search<'s>(
        &'s self,
        owner: &'s Owner,
        handle: &'s Handle,
        named: Option<&'s Named>,
        hints: Hints<'s>,
    ) -> Search<'s> {
        Search { owner, tenant: self.tenant, handle, named, hints, kinds: self.kinds, all: false }
    }

    async fn gather(&self, wanted: &Wanted) -> Result<(Seen, Found)> {
        let handle = self.handle();
        let hints = Hints { added: wanted.added.as_deref(), name: wanted.name.as_deref() };
        let search = self.search(&wanted.owner, &handle, wanted.named.as_ref(), hints);
        let (seen, found) = Box::pin(gather::for_ensure(self.cloud, &search, wanted)).await?;
        self.permit_address(wanted, &seen)?;
        Ok((seen, found))
    }

    /// Makes the cloud match.
    pub(crate) async fn ensure(&self, request: &v1::EnsureLoadBalancerRequest) -> Result<v1::LoadBalancerState> {
        let spec = request.spec.as_ref().ok_or_else(|| Error::field("spec", "is missing"))?;
        let wanted = self.wanted(spec, request.members.as_ref())?;
        let (seen, found) = self.gather(&wanted).await?;
        let mut handle = state::handle_of(seen.target.iter().chain(&seen.leftovers));
        if let Some(wait) = unsettled(&seen)? {
            return Ok(state::waiting(wait, &handle));
        }
        let key = self.memory_key();
        let mut site = None;
        if seen.target.is_none() {
            if let Some(wait) = self.memory.creations.may_show_up(&key, self.key.attempted) {
                // What is gone is named on, for the one that is made in its place.
                return Ok(state::waiting(wait, &self.handle()));
            }
            let place = self.site(&wanted, request.members.as_ref(), found.gone).await?;
            self.permit_place(&wanted, &place)?;
            site = Some(place);
        } else {
            self.memory.creations.found(&key);
        }
        let plan = balancer::plan(&wanted, &seen, site.as_ref(), Some(&request.spec_hash))
            .map_err(|refusal| refusal.into_error(PROVIDER))?;
        self.within_quotas(&plan.steps, found.all.as_deref()).await?;
        let quiet = plan.steps.is_empty();
        let mut apply = self.apply(&key);
        let outcome = apply.run(plan.steps).await;
        if let Some(id) = apply.made.get(NEW_BALANCER) {
            handle.0.insert(0, (wanted.kind, id.to_owned()));
        }
        match outcome {
            Ok(Progress::Done) => {}
            Ok(wait) => return Ok(state::waiting(wait, &handle)),
            // What was made has to be known to the caller, so that it is never made again.
            Err(error) if apply.made.get(NEW_BALANCER).is_some() => return Ok(after_creation(&error, &handle)),
            Err(error) => {
                if error.is_refusal() {
                    self.give_back_quotas();
                }
                return Err(error);
            }
        }
        let made_eip = apply.made.get(NEW_EIP).map(ToOwned::to_owned);
        handle.0.truncate(1);
        let lb = match seen.target.filter(|_| quiet) {
            Some(target) => target.lb,
            None => match self.settled(&wanted, &handle, made_eip.is_some()).await? {
                Ok(lb) => lb,
                Err(wait) => return Ok(state::waiting(wait, &handle)),
            },
        };
        let ingress = state::ingress(&lb, wanted.eip == WantedEip::None);
        let notes = wanted.notes.into_iter().chain(plan.notes).collect();
        Ok(state::ready(ingress, request.spec_hash.clone(), &handle, notes))
    }

    pub(super) fn apply<'s>(&'s self, key: &'s str) -> Apply<'s> {
        let made = crate::plan::step::Made::default();
        Apply { cloud: self.cloud, memory: self.memory, key, made, patience: self.patience }
    }

    /// The load balancer once the changes are through.
    async fn settled(
        &self,
        wanted: &Wanted,
        handle: &Handle,
        new_eip: bool,
    ) -> Result<std::result::Result<LoadBalancer, Progress>> {
        let Some((kind, id)) = handle.0.first() else { return Err(self.absent()) };
        let Some(lb) = gather::by_id(self.cloud, *kind, id).await? else {
            let what = format!("load balancer {id} does not show yet");
            return Ok(Err(Progress::wait(what)));
        };
        let outside = matches!(wanted.eip, WantedEip::Existing(_) | WantedEip::Made | WantedEip::Included);
        let pending = outside
            && lb.public_ip.parse::<std::net::IpAddr>().is_err()
            && (new_eip || wanted.eip != WantedEip::Included);
        if pending {
            return Ok(Err(Progress::wait(format!("the public address of load balancer {id} is being bound"))));
        }
        if let WantedEip::Existing(ip) = &wanted.eip
            && *ip != lb.public_ip
        {
            return Ok(Err(Progress::wait(format!("address {ip} is being bound to load balancer {id}"))));
        }
        if !lb.is_available() {
            return Ok(Err(Progress::wait(format!("load balancer {id} is {}", lb.status))));
        }
        Ok(Ok(lb))
    }

    pub(super) fn absent(&self) -> Error {
        let message = format!("no load balancer carries the key of Service {}", self.key.service_uid);
        Error::cloud(PROVIDER, Reason::ObjectAbsent, message)
    }

    /// The steps an ensure would take.
    pub(crate) async fn plan(&self, spec: &v1::LoadBalancerSpec, members: Option<&v1::Members>) -> Result<Vec<Step>> {
        let wanted = self.wanted(spec, members)?;
        let (seen, found) = self.gather(&wanted).await?;
        unsettled(&seen)?;
        let site: Option<Site> = match seen.target {
            None => {
                let site = self.site(&wanted, members, found.gone).await?;
                self.permit_place(&wanted, &site)?;
                Some(site)
            }
            Some(_) => None,
        };
        let plan = balancer::plan(&wanted, &seen, site.as_ref(), None);
        Ok(plan.map_err(|refusal| refusal.into_error(PROVIDER))?.steps)
    }

    async fn gather_removal(&self, settings: &Settings) -> Result<(Owner, Seen, Found)> {
        let (owner, handle) = (self.owner(settings), self.handle());
        let named = named_of(settings);
        let search = self.search(&owner, &handle, named.as_ref(), hints_of(settings));
        // Beside what the handle names there may be one that nobody was told of.
        let search = Search { all: self.key.attempted, ..search };
        let public = self.cloud.config().profile.features.eips;
        let (seen, found) = Box::pin(gather::for_removal(self.cloud, &search, public)).await?;
        Ok((owner, seen, found))
    }

    /// The steps a removal would take.
    pub(crate) async fn plan_removal(&self, annotations: &HashMap<String, String>) -> Result<Vec<Step>> {
        let settings = Settings::lenient(annotations);
        let (owner, seen, _) = self.gather_removal(&settings).await?;
        let plan = removal::plan(&owner, &seen, settings.reserve);
        Ok(plan.map_err(|refusal| refusal.into_error(PROVIDER))?.steps)
    }

    /// Removes what is ours.
    pub(crate) async fn delete(&self, annotations: &HashMap<String, String>) -> Result<Outcome> {
        let settings = Settings::lenient(annotations);
        let (owner, seen, _) = self.gather_removal(&settings).await?;
        let key = self.memory_key();
        if seen.leftovers.is_empty()
            && let Some(wait) = self.memory.creations.may_show_up(&key, self.key.attempted)
        {
            return Ok(Outcome::Waiting(in_progress(wait)));
        }
        if seen.leftovers.iter().any(|balancer| balancer.owned) {
            self.memory.creations.going(&key);
        }
        let plan = removal::plan(&owner, &seen, settings.reserve).map_err(|refusal| refusal.into_error(PROVIDER))?;
        let mut apply = self.apply(&key);
        if let wait @ Progress::Wait { .. } = apply.run(plan.steps).await? {
            return Ok(Outcome::Waiting(in_progress(wait)));
        }
        for gone in seen.leftovers.iter().filter(|balancer| balancer.owned && !settings.reserve) {
            if gather::by_id(self.cloud, gone.lb.kind, &gone.lb.id).await?.is_some() {
                let wait = Progress::wait(format!("load balancer {} is being deleted", gone.lb.id));
                return Ok(Outcome::Waiting(in_progress(wait)));
            }
        }
        self.memory.creations.found(&key);
        self.memory.forget(&key);
        self.give_back_quotas();
        Ok(Outcome::Deleted(plan.notes))
    }

    /// What the cloud shows now.
    pub(crate) async fn look(&self, annotations: &HashMap<String, String>) -> Result<v1::LoadBalancerState> {
        let settings = Settings::lenient(annotations);
        let (owner, lb, is_ours) = self.serving(&settings).await?;
        let (internal, handle) = (settings.internal || !self.is_public(), Handle::of(lb.kind, &lb.id));
        if !lb.is_available() {
            return Ok(state::waiting(Progress::wait(format!("load balancer {} is {}", lb.id, lb.status)), &handle));
        }
        let hash = match (is_ours, lb.kind) {
            (true, Kind::Plain) => {
                let backends = self.cloud.backends(&lb.id).await.map_err(|error| fault::of(&error))?;
                let there = digest(backends.iter().map(|backend| (backend.instance.as_str(), backend.weight)));
                Record::read(&lb.desc).achieved(&there)
            }
            (true, _) => Record::read(&lb.desc).done.map(|done| done.hash),
            // The description has no room for it.
            (false, Kind::Plain) => Shares::read(&lb.desc).get(&owner).map(|_| String::new()),
            (false, _) => self.hash_of_groups(&owner, &lb).await?,
        };
        if !is_ours && hash.is_none() {
            return Err(self.absent());
        }
        // A move from one load balancer to another is not over, or an address is missing: whatever was achieved, it is not now.
        let settled = self.handle().0.len() <= 1 && (internal || !lb.public_ip.is_empty());
        let ingress = state::ingress(&lb, internal);
        Ok(state::ready(ingress, hash.filter(|_| settled).unwrap_or_default(), &handle, Vec::new()))
    }

    async fn hash_of_groups(&self, owner: &Owner, lb: &LoadBalancer) -> Result<Option<String>> {
        let groups = self.cloud.groups(lb.kind, &lb.id).await.map_err(|error| fault::of(&error))?;
        let ours: Vec<_> = groups.iter().filter(|group| owner.claim(&group.desc) == Claim::Ours).collect();
        let done = ours.iter().find_map(|group| Record::read(&group.desc).done);
        Ok((!ours.is_empty()).then(|| done.map(|done| done.hash).unwrap_or_default()))
    }

    /// The load balancer in use, and whether it is ours.
    pub(super) async fn serving(&self, settings: &Settings) -> Result<(Owner, LoadBalancer, bool)> {
        let (owner, handle) = (self.owner(settings), self.handle());
        let named = named_of(settings);
        // The first of the handle is the one in use.
        let first = Handle(handle.0.into_iter().take(1).collect());
        let search = self.search(&owner, &first, named.as_ref(), hints_of(settings));
        let found = gather::search(self.cloud, &search).await?;
        if let Some(lb) = found.existing {
            return Ok((owner, lb, false));
        }
        let lb = found.owned.into_iter().next().ok_or_else(|| self.absent())?;
        Ok((owner, lb, true))
    }
}

fn named_of(settings: &Settings) -> Option<Named> {
    let named = |key, id: &Option<String>| id.clone().map(|id| Named { key, id });
    named(annotations::EXIST_ID, &settings.exist_id).or_else(|| named(annotations::ID, &settings.id))
}

fn hints_of(settings: &Settings) -> Hints<'_> {
    Hints { added: settings.added_id.as_deref(), name: settings.name.as_deref() }
}

/// What must settle before anything is changed, or never will.
fn unsettled(seen: &Seen) -> Result<Option<Progress>> {
    let Some(Balancer { lb, .. }) = &seen.target else { return Ok(None) };
    if lb.has_failed() {
        let message = format!("load balancer {} is in state {}, which it does not leave by itself", lb.id, lb.status);
        return Err(Error::cloud(PROVIDER, Reason::ObjectFailed, message));
    }
    if lb.is_available() {
        return Ok(None);
    }
    Ok(Some(Progress::wait(format!("load balancer {} is {}", lb.id, lb.status))))
}

/// The failure came after the load balancer was made: the caller gets its id with a short wait, and the failure when it comes again.
fn after_creation(error: &Error, handle: &Handle) -> v1::LoadBalancerState {
    let what = format!("the load balancer is made, and then: {}", error.message());
    state::waiting(Progress::Wait { after: Duration::from_secs(2), what }, handle)
}
