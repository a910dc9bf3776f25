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
    recent::Awaited,
    settling::{ShownAfter, unsettled},
    state,
};
use crate::{
    PROVIDER,
    annotations::{self, Settings},
    api::balancers::Kind,
    cloud::Cloud,
    plan::{
        Note,
        balancer::{self, Site},
        owner::{Hints, Owner},
        removal,
        seen::Seen,
        step::{NEW_BALANCER, Step},
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

    /// The load balancers that matter.
    async fn find(&self, wanted: &Wanted) -> Result<Found> {
        let handle = self.handle();
        gather::search(self.cloud, &self.search_for(wanted, &handle)).await
    }

    fn search_for<'s>(&'s self, wanted: &'s Wanted, handle: &'s Handle) -> Search<'s> {
        let hints = Hints { added: wanted.added.as_deref(), name: wanted.name.as_deref() };
        self.search(&wanted.owner, handle, wanted.named.as_ref(), hints)
    }

    async fn gather(&self, wanted: &Wanted, found: &mut Found) -> Result<Seen> {
        let seen = Box::pin(gather::for_ensure(self.cloud, wanted, found)).await?;
        self.permit_address(wanted, &seen)?;
        Ok(seen)
    }

    /// Makes the cloud match.
    pub(crate) async fn ensure(&self, request: &v1::EnsureLoadBalancerRequest) -> Result<v1::LoadBalancerState> {
        let spec = request.spec.as_ref().ok_or_else(|| Error::field("spec", "is missing"))?;
        let wanted = self.wanted(spec, request.members.as_ref())?;
        if let Some(state) = self.awaited(&wanted, &request.spec_hash).await? {
            return Ok(state);
        }
        let mut found = self.find(&wanted).await?;
        if let Some(wait) = unsettled(&found)? {
            // Nothing that hangs on it is read before it can be changed.
            return Ok(state::waiting(wait, &found.handle(&self.handle())));
        }
        let seen = self.gather(&wanted, &mut found).await?;
        let mut handle = state::handle_of(seen.target.iter().chain(&seen.leftovers));
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
        let shown_after = ShownAfter::of(&plan.steps);
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
        handle.0.truncate(1);
        let notes: Vec<Note> = wanted.notes.iter().cloned().chain(plan.notes).collect();
        let in_use = handle.0.first().cloned();
        // Nobody says of the edge that its changes wait for each other.
        let is_proof = |id: &str| in_use.as_ref().is_some_and(|(kind, used)| used == id && *kind != Kind::Edge);
        let recorded = apply.recorded.filter(|(id, _)| is_proof(id));
        let lb = match seen.target.filter(|target| shown_after.is_known(target, recorded.is_some())) {
            Some(target) => target.lb,
            None => match self.settled(&wanted, &handle, recorded.is_some()).await? {
                Ok(lb) => lb,
                Err(wait) => {
                    if let (Some((_, desc)), Some(in_use)) = (recorded, in_use) {
                        self.memory.recent.wait_for(&key, Awaited::new(&request.spec_hash, in_use, desc, notes));
                    }
                    return Ok(state::waiting(wait, &handle));
                }
            },
        };
        self.memory.recent.achieved(&key, balancer::achieved(&wanted.members, &request.spec_hash));
        let ingress = state::ingress(&lb, wanted.eip == WantedEip::None);
        Ok(state::ready(ingress, request.spec_hash.clone(), &handle, notes))
    }

    pub(super) fn apply<'s>(&'s self, key: &'s str) -> Apply<'s> {
        let made = crate::plan::step::Made::default();
        Apply { cloud: self.cloud, memory: self.memory, key, made, recorded: None, patience: self.patience }
    }

    pub(super) fn absent(&self) -> Error {
        let message = format!("no load balancer carries the key of Service {}", self.key.service_uid);
        Error::cloud(PROVIDER, Reason::ObjectAbsent, message)
    }

    /// The steps an ensure would take.
    pub(crate) async fn plan(&self, spec: &v1::LoadBalancerSpec, members: Option<&v1::Members>) -> Result<Vec<Step>> {
        let wanted = self.wanted(spec, members)?;
        let mut found = self.find(&wanted).await?;
        unsettled(&found)?;
        let seen = self.gather(&wanted, &mut found).await?;
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
        let (seen, found) = Box::pin(gather::for_removal(self.cloud, &search, public, settings.reserve)).await?;
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
}

pub(super) fn named_of(settings: &Settings) -> Option<Named> {
    let named = |key, id: &Option<String>| id.clone().map(|id| Named { key, id });
    named(annotations::EXIST_ID, &settings.exist_id).or_else(|| named(annotations::ID, &settings.id))
}

pub(super) fn hints_of(settings: &Settings) -> Hints<'_> {
    Hints { added: settings.added_id.as_deref(), name: settings.name.as_deref() }
}

/// The failure came after the load balancer was made: the caller gets its id with a short wait, and the failure when it comes again.
fn after_creation(error: &Error, handle: &Handle) -> v1::LoadBalancerState {
    let what = format!("the load balancer is made, and then: {}", error.message());
    state::waiting(Progress::Wait { after: Duration::from_secs(2), what }, handle)
}
