//! Ensure, delete, look, plan: what a request comes to.

use std::{collections::HashMap, time::Duration};

use cloud_provider_api::{error::Reason, v1};
use provider_kit::{
    Error, Result, Tenant,
    load_balancers::{Outcome, Progress, in_progress},
};

use super::{
    apply::Apply,
    gather::{self, Search},
    handle::Handle,
    state,
    surroundings::Memory,
    tenancy,
};
use crate::{
    PROVIDER,
    annotations::{Class, DeletionHints, Settings},
    api::elb::LoadBalancer,
    cloud::Cloud,
    options::LoadBalancerOptions,
    plan::{
        self,
        owner::{Claim, Owner},
        ports::record_of_service,
        record::{Record, achieved},
        removal,
        seen::{Balancer, Seen},
        step::{NEW_BALANCER, Step},
        wanted::{Surroundings, Wanted, WantedEip},
    },
};

/// When lists are read again that lack what a Service shows.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Everything one call works with.
pub(crate) struct Engine<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) options: &'a LoadBalancerOptions,
    pub(crate) memory: &'a Memory,
    /// Which Service.
    pub(crate) key: &'a v1::LoadBalancerKey,
    /// Whose Service it is.
    pub(crate) tenant: &'a Tenant,
}

impl Engine<'_> {
    pub(super) fn owner(&self) -> Owner {
        Owner::of(self.key).of_tenant(self.tenant)
    }

    pub(super) fn memory_key(&self) -> String {
        tenancy::memory_key(&self.owner())
    }

    pub(super) fn handle(&self) -> Handle {
        Handle::parse(&self.key.handle)
    }

    /// Makes the cloud match.
    pub(crate) async fn ensure(&self, request: &v1::EnsureLoadBalancerRequest) -> Result<v1::LoadBalancerState> {
        let spec = request.spec.as_ref().ok_or_else(|| Error::field("spec", "is missing"))?;
        let settings = self.settings(&spec.annotations)?;
        let members = request.members.as_ref();
        if settings.class == Some(Class::Dnat) {
            Self::check_rules(spec)?;
            self.permit(&settings, None)?;
            let address = Some(spec.load_balancer_ip.as_str());
            let state = self.ensure_rules(&settings, &spec.ports, members, address, &request.spec_hash).await?;
            return self.leave_balancers(state, &spec.annotations).await;
        }
        let state = self.ensure_balancer(&settings, spec, request).await?;
        self.leave_rules(state).await
    }

    /// After a change of class, once the rules carry the traffic: the load balancer goes.
    async fn leave_balancers(
        &self,
        state: v1::LoadBalancerState,
        annotations: &HashMap<String, String>,
    ) -> Result<v1::LoadBalancerState> {
        let mut handle = self.handle();
        if handle.balancers.is_empty() || !is_ready(&state) {
            return Ok(state);
        }
        let of_rules = Handle::parse(&state.handle);
        (handle.gateway, handle.rules) = (of_rules.gateway, of_rules.rules);
        match self.delete_balancers(&DeletionHints::read(annotations, self.options)).await? {
            Outcome::Deleted(_) => {
                Ok(v1::LoadBalancerState { handle: Handle { balancers: Vec::new(), ..handle }.write(), ..state })
            }
            Outcome::Waiting(wait) => Ok(v1::LoadBalancerState {
                phase: Some(v1::load_balancer_state::Phase::InProgress(wait)),
                handle: handle.write(),
                notices: Vec::new(),
            }),
        }
    }

    /// After a change of class, once the load balancer carries the traffic: the rules go.
    async fn leave_rules(&self, state: v1::LoadBalancerState) -> Result<v1::LoadBalancerState> {
        let Some(gateway) = self.handle().gateway else { return Ok(state) };
        let mut handle = Handle::parse(&state.handle);
        if is_ready(&state) && self.remove_rules(Some(&gateway)).await? == Progress::Done {
            return Ok(state);
        }
        (handle.gateway, handle.rules) = (Some(gateway), self.handle().rules);
        Ok(state::waiting(Progress::wait("the DNAT rules of the former class are being left"), &handle))
    }

    async fn ensure_balancer(
        &self,
        settings: &Settings,
        spec: &v1::LoadBalancerSpec,
        request: &v1::EnsureLoadBalancerRequest,
    ) -> Result<v1::LoadBalancerState> {
        let wanted = self.wanted(settings, spec, request.members.as_ref()).await?;
        self.permit(settings, Some(&wanted))?;
        let seen = gather::for_ensure(self.cloud, self.tenant, &self.handle(), &wanted).await?;
        let mut handle = handle_of(&seen);
        if let Some(wait) = Self::unsettled(&seen)? {
            return Ok(state::waiting(wait, &handle));
        }
        let key = self.memory_key();
        if seen.target.is_none() {
            if let Some(wait) = self.memory.creations.may_show_up(&key, self.may_be_unknown()) {
                return Ok(state::waiting(wait, &handle));
            }
            self.refuse_unexplained(&seen, wanted.adopt.as_deref())?;
        } else {
            self.memory.creations.found(&key);
        }
        let steps = plan::balancer::plan(&wanted, &seen, Some(&request.spec_hash)).map_err(gather::refused)?;
        self.within_quotas(&steps).await?;
        let quiet = steps.is_empty();
        let mut apply = Apply::new(self.cloud, self.memory, &key);
        let outcome = apply.run(steps).await;
        if let Some(id) = apply.made.get(NEW_BALANCER) {
            handle.balancers.insert(0, id.to_owned());
        }
        match outcome {
            Ok(Progress::Done) => {}
            Ok(wait) => return Ok(state::waiting(wait, &handle)),
            // What was made has to be known to the caller, so that it is never made again.
            Err(error) if apply.made.get(NEW_BALANCER).is_some() => {
                return Ok(after_creation(&error, &handle));
            }
            Err(error) => {
                if error.is_refusal() {
                    self.give_back_quotas();
                }
                return Err(error);
            }
        }
        handle.balancers.truncate(1);
        let lb = self.shown(apply.shown, seen.target, quiet, &handle).await?;
        if let Some(wait) = address_pending(&wanted, &lb) {
            return Ok(state::waiting(wait, &handle));
        }
        let ingress = state::ingress(&lb, wanted.is_proxy());
        Ok(state::ready(ingress, request.spec_hash.clone(), &handle, wanted.notes))
    }

    /// Whether something may be there that nobody knows of.
    fn may_be_unknown(&self) -> bool {
        self.key.attempted || self.shows_unexplained()
    }

    /// The Service shows addresses, and nothing tells what has them.
    fn shows_unexplained(&self) -> bool {
        self.handle() == Handle::default() && !self.key.published_addresses.is_empty()
    }

    /// Nothing was found of a Service that shows an address: a second load balancer is not made, nor the first called gone, on
    /// the word of a list. `declared`: what a person says of it.
    fn refuse_unexplained(&self, seen: &Seen, declared: Option<&str>) -> Result<()> {
        let explained =
            declared.is_some() || !seen.leftovers.is_empty() || self.memory.creations.is_going(&self.memory_key());
        if explained || !self.shows_unexplained() {
            return Ok(());
        }
        let shown = self.key.published_addresses.join(", ");
        let message = format!(
            "the Service shows {shown}, and no list of the cloud has a load balancer or rule of it: if there is none any more, set the \
             annotation kubernetes.io/elb.adopt to none, and if it is one of another name, to its id"
        );
        Err(Error::cloud(PROVIDER, Reason::ReferenceMissing, message).retry_after(LOOK_AGAIN))
    }

    /// The load balancer as it is now, read again only if nothing since has shown it.
    async fn shown(
        &self,
        shown: Option<LoadBalancer>,
        target: Option<Balancer>,
        quiet: bool,
        handle: &Handle,
    ) -> Result<LoadBalancer> {
        if let Some(lb) = shown {
            return Ok(lb);
        }
        if let Some(target) = target.filter(|_| quiet) {
            return Ok(target.lb);
        }
        let id = handle.balancers.first().map_or("", String::as_str);
        gather::by_id(self.cloud, id).await?.ok_or_else(|| self.absent())
    }

    pub(super) fn absent(&self) -> Error {
        let message = format!("no load balancer carries the key of Service {}", self.key.service_uid);
        Error::cloud(PROVIDER, Reason::ObjectAbsent, message)
    }

    async fn wanted(
        &self,
        settings: &Settings,
        spec: &v1::LoadBalancerSpec,
        members: Option<&v1::Members>,
    ) -> Result<Wanted> {
        let read = |place: &plan::wanted::Place| {
            let around = self.surroundings(settings, place);
            Wanted::read(self.owner(), spec, members, &around)
        };
        let complete = |place: &plan::wanted::Place| {
            read(place).is_ok_and(|wanted| !wanted.notes.iter().any(|note| note.reason == "MembersLeftOut"))
        };
        let place = self.memory.place(self.cloud, complete).await.map_err(|error| crate::fault::of(&error))?;
        read(&place).map_err(gather::refused)
    }

    pub(super) fn settings(&self, annotations: &HashMap<String, String>) -> Result<Settings> {
        Settings::read(annotations, self.options).map_err(|faults| {
            let message: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.key, fault.problem)).collect();
            let error = Error::cloud(PROVIDER, Reason::AnnotationInvalid, message.join("; "));
            faults
                .into_iter()
                .fold(error, |error, fault| error.violation(format!("annotations[{}]", fault.key), fault.problem))
        })
    }

    pub(super) fn surroundings<'s>(
        &'s self,
        settings: &'s Settings,
        place: &'s plan::wanted::Place,
    ) -> Surroundings<'s> {
        Surroundings {
            settings,
            place,
            business_name: &self.options.business_name,
            enterprise_project: self.cloud.config().enterprise_project_id.as_deref(),
            features: &self.cloud.config().profile.features,
        }
    }

    /// What must settle before anything is changed, or never will.
    fn unsettled(seen: &Seen) -> Result<Option<Progress>> {
        let Some(target) = &seen.target else { return Ok(None) };
        let lb = &target.lb;
        match lb.provisioning_status.as_str() {
            "ACTIVE" => Ok(None),
            "ERROR" => {
                let message = format!("load balancer {} is in state ERROR, which it does not leave by itself", lb.id);
                Err(Error::cloud(PROVIDER, Reason::ObjectFailed, message))
            }
            status => Ok(Some(Progress::wait(format!("load balancer {} is {status}", lb.id)))),
        }
    }

    /// The calls an ensure would make.
    pub(crate) async fn plan(
        &self,
        spec: &v1::LoadBalancerSpec,
        members: Option<&v1::Members>,
    ) -> Result<Vec<v1::PlanStep>> {
        let settings = self.settings(&spec.annotations)?;
        if settings.class == Some(Class::Dnat) {
            Self::check_rules(spec)?;
            self.permit(&settings, None)?;
            let rules = self.plan_rules(&settings, spec, members).await?;
            let mut calls: Vec<_> = rules.iter().map(Step::describe).collect();
            if !self.handle().balancers.is_empty() {
                calls.extend(self.plan_balancers_removal(&DeletionHints::read(&spec.annotations, self.options)).await?);
            }
            return Ok(calls);
        }
        let wanted = self.wanted(&settings, spec, members).await?;
        self.permit(&settings, Some(&wanted))?;
        let seen = gather::for_ensure(self.cloud, self.tenant, &self.handle(), &wanted).await?;
        Self::unsettled(&seen)?;
        if seen.target.is_none() {
            self.refuse_unexplained(&seen, wanted.adopt.as_deref())?;
        }
        let steps = plan::balancer::plan(&wanted, &seen, None).map_err(gather::refused)?;
        let mut calls = self.describe(&steps, &seen);
        if let Some(gateway) = self.handle().gateway {
            calls.extend(self.plan_rules_removal(Some(&gateway)).await?.iter().map(Step::describe));
        }
        Ok(calls)
    }

    /// The calls a removal would make.
    pub(crate) async fn plan_removal(&self, annotations: &HashMap<String, String>) -> Result<Vec<v1::PlanStep>> {
        let hints = DeletionHints::read(annotations, self.options);
        let mut calls = Vec::new();
        if self.may_have_rules(&hints) {
            let rules = self.plan_rules_removal(self.gateway(&hints).as_deref()).await?;
            calls.extend(rules.iter().map(Step::describe));
        }
        if self.may_have_balancers(&hints) {
            calls.extend(self.plan_balancers_removal(&hints).await?);
        }
        Ok(calls)
    }

    async fn plan_balancers_removal(&self, hints: &DeletionHints) -> Result<Vec<v1::PlanStep>> {
        let seen = self.seen_for_removal(hints).await?;
        let steps = removal::plan(&self.owner(), &seen, keeps_eip(hints, &seen)).map_err(gather::refused)?;
        Ok(self.describe(&steps, &seen))
    }

    /// The calls that steps come to on this installation.
    fn describe(&self, steps: &[Step], seen: &Seen) -> Vec<v1::PlanStep> {
        if self.cloud.config().profile.features.dedicated_load_balancers {
            return steps.iter().map(Step::describe).collect();
        }
        plan::old_site::calls(steps, seen.target.iter().chain(&seen.leftovers))
    }

    fn gateway(&self, hints: &DeletionHints) -> Option<String> {
        self.handle().gateway.or_else(|| hints.nat_gateway.clone())
    }

    fn may_have_rules(&self, hints: &DeletionHints) -> bool {
        self.gateway(hints).is_some() || hints.class == Some(Class::Dnat)
    }

    fn may_have_balancers(&self, hints: &DeletionHints) -> bool {
        hints.class != Some(Class::Dnat) || !self.handle().balancers.is_empty()
    }

    async fn seen_for_removal(&self, hints: &DeletionHints) -> Result<Seen> {
        let (owner, handle) = (self.owner(), self.handle());
        let search = Search {
            owner: &owner,
            tenant: self.tenant,
            handle: &handle,
            existing: hints.id.as_deref(),
            adopt: hints.adopt.as_deref(),
            business_name: &self.options.business_name,
            kind: None,
            unnamed: self.key.attempted,
        };
        gather::for_removal(self.cloud, &search, hints.adopt.is_some()).await
    }

    /// Removes what is ours.
    pub(crate) async fn delete(&self, annotations: &HashMap<String, String>) -> Result<Outcome> {
        let hints = DeletionHints::read(annotations, self.options);
        if self.may_have_rules(&hints)
            && let wait @ Progress::Wait { .. } = self.remove_rules(self.gateway(&hints).as_deref()).await?
        {
            return Ok(Outcome::Waiting(in_progress(wait)));
        }
        if self.may_have_balancers(&hints) {
            return self.delete_balancers(&hints).await;
        }
        self.refuse_unexplained(&Seen::default(), hints.adopt.as_deref())?;
        Ok(Outcome::Deleted(Vec::new()))
    }

    async fn delete_balancers(&self, hints: &DeletionHints) -> Result<Outcome> {
        let seen = self.seen_for_removal(hints).await?;
        let key = self.memory_key();
        if seen.leftovers.is_empty()
            && let Some(wait) = self.memory.creations.may_show_up(&key, self.may_be_unknown())
        {
            return Ok(Outcome::Waiting(in_progress(wait)));
        }
        self.refuse_unexplained(&seen, hints.adopt.as_deref().or(hints.id.as_deref()))?;
        if seen.leftovers.iter().any(|balancer| balancer.owned) {
            self.memory.creations.going(&key);
        }
        if let Some(going) = seen.leftovers.iter().find(|b| b.owned && b.lb.provisioning_status == "PENDING_DELETE") {
            let wait = Progress::wait(format!("load balancer {} is being deleted", going.lb.id));
            return Ok(Outcome::Waiting(in_progress(wait)));
        }
        let kept = keeps_eip(hints, &seen);
        let steps = removal::plan(&self.owner(), &seen, kept).map_err(gather::refused)?;
        let mut apply = Apply::new(self.cloud, self.memory, &key);
        if let wait @ Progress::Wait { .. } = apply.run(steps).await? {
            return Ok(Outcome::Waiting(in_progress(wait)));
        }
        for gone in seen.leftovers.iter().filter(|balancer| balancer.owned) {
            if gather::by_id(self.cloud, &gone.lb.id).await?.is_some() {
                let wait = Progress::wait(format!("load balancer {} is being deleted", gone.lb.id));
                return Ok(Outcome::Waiting(in_progress(wait)));
            }
        }
        self.memory.creations.found(&key);
        if kept {
            self.give_back_balancer();
        } else {
            self.give_back_quotas();
        }
        Ok(Outcome::Deleted(Vec::new()))
    }

    /// What the cloud shows now.
    pub(crate) async fn look(&self, annotations: &HashMap<String, String>) -> Result<v1::LoadBalancerState> {
        let hints = DeletionHints::read(annotations, self.options);
        let (owner, handle) = (self.owner(), self.handle());
        if hints.class == Some(Class::Dnat)
            && let Some(gateway) = self.gateway(&hints)
        {
            return self.look_at_rules(&gateway).await;
        }
        if let Some(id) = &hints.id {
            return self.look_at_users(&owner, id).await;
        }
        if let Some(id) = handle.balancers.first()
            && let Some((lb, members)) = gather::glance(self.cloud, id).await?
            && owner.claim_balancer(&lb.name, &lb.description, &lb.tags) == Claim::Ours
        {
            return Ok(Self::look_at_ours(&lb, &members, &hints, &handle));
        }
        let search = Search {
            owner: &owner,
            tenant: self.tenant,
            handle: &handle,
            existing: None,
            adopt: None,
            business_name: &self.options.business_name,
            kind: None,
            unnamed: false,
        };
        let found = gather::candidates(self.cloud, &search).await?;
        let lb = found.owned.into_iter().next().ok_or_else(|| self.absent())?;
        let members = self.cloud.members(&lb.id).await.map_err(|error| crate::fault::of(&error))?;
        let handle = Handle { balancers: vec![lb.id.clone()], ..Handle::default() };
        Ok(Self::look_at_ours(&lb, &members, &hints, &handle))
    }

    fn look_at_ours(
        lb: &LoadBalancer,
        members: &[crate::api::elb::Member],
        hints: &DeletionHints,
        handle: &Handle,
    ) -> v1::LoadBalancerState {
        if !lb.is_active() {
            let wait = Progress::wait(format!("load balancer {} is {}", lb.id, lb.provisioning_status));
            return state::waiting(wait, handle);
        }
        let record = Record::read(&lb.description);
        // Several load balancers: the move from one to the other is not over.
        let settled =
            handle.balancers.len() <= 1 && handle.gateway.is_none() && (lb.eip().is_some() || !hints.wants_eip);
        let hash = achieved(&record, members).filter(|_| settled);
        state::ready(state::ingress(lb, record.proxy), hash.unwrap_or_default(), handle, Vec::new())
    }

    async fn look_at_users(&self, owner: &Owner, id: &str) -> Result<v1::LoadBalancerState> {
        let both = futures::future::try_join(self.cloud.load_balancer(id), self.cloud.listeners(id)).await;
        let (lb, listeners) = match both {
            Ok(both) => both,
            Err(error) if error.is_not_found() => return Err(self.absent()),
            Err(error) => return Err(crate::fault::of(&error)),
        };
        let record = record_of_service(owner, &listeners).ok_or_else(|| self.absent())?;
        let handle = Handle { balancers: vec![lb.id.clone()], ..Handle::default() };
        let hash = record.done.map(|done| done.hash).unwrap_or_default();
        Ok(state::ready(state::ingress(&lb, record.proxy), hash, &handle, Vec::new()))
    }
}

/// Target first.
fn handle_of(seen: &Seen) -> Handle {
    let ids = seen.target.iter().chain(&seen.leftovers).map(|balancer| balancer.lb.id.clone());
    Handle { balancers: ids.collect(), ..Handle::default() }
}

/// The failure came after the load balancer was made: the caller gets its id with a short wait, and the failure when it comes again.
fn after_creation(error: &Error, handle: &Handle) -> v1::LoadBalancerState {
    let after = Duration::from_secs(2);
    let what = format!("the load balancer is made, and then: {}", error.message());
    state::waiting(Progress::Wait { after, what }, handle)
}

/// The address is allocated and bound in one call, but shows a little later.
fn address_pending(wanted: &Wanted, lb: &LoadBalancer) -> Option<Progress> {
    let shows = lb.eip().is_some_and(|eip| !eip.eip_address.is_empty());
    (wanted.eip != WantedEip::None && !shows)
        .then(|| Progress::wait(format!("the public address of load balancer {} is being bound", lb.id)))
}

/// The address a Service names is never released, whatever the record says of it.
fn keeps_eip(hints: &DeletionHints, seen: &Seen) -> bool {
    let bound = |balancer: &Balancer| balancer.lb.eip().map(|eip| eip.eip_id.clone());
    hints.keep_eip || (hints.eip_id.is_some() && seen.leftovers.iter().any(|balancer| bound(balancer) == hints.eip_id))
}

fn is_ready(state: &v1::LoadBalancerState) -> bool {
    matches!(state.phase, Some(v1::load_balancer_state::Phase::Ready(_)))
}
