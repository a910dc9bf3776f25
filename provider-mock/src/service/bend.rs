//! Answers that are not true.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use cloud_provider_api::v1::{self, instance_result::Answer as InstanceAnswer, load_balancer_state::Phase};
use provider_kit::Paged;

use super::pages::Listing;
use crate::{
    cloud::Time,
    scenario::{Glob, Lie, StaleReads},
};

/// An enum number that no version of the API knows.
const UNKNOWN: i32 = 999;
/// An address that is none.
const NO_ADDRESS: &str = "999.1.1.1";

/// What bending an answer depends on.
pub(crate) struct Bending<'a> {
    /// The nodes whose items are bent. `None`: all.
    pub(crate) nodes: Option<&'a Glob>,
    pub(crate) now: Time,
    /// The caller wants nothing cached.
    pub(crate) fresh: bool,
    pub(crate) stale: &'a StaleAnswers,
}

impl Bending<'_> {
    fn touches(&self, node: &str) -> bool {
        self.nodes.is_none_or(|glob| glob.matches(node))
    }
}

/// An answer of a method. By default no lie bends it.
pub(crate) trait Answer {
    /// Makes it untrue. A lie that makes no sense for it leaves it as it is.
    fn bend(&mut self, lie: &Lie, bending: &Bending<'_>) {
        let _ = (lie, bending);
    }

    /// Makes the items of matching nodes fail.
    fn fail_items(&mut self, nodes: &Glob, status: &v1::ItemStatus) {
        let _ = (nodes, status);
    }
}

/// Old answers by node, of a daemon that caches more than it should.
#[derive(Debug, Default)]
pub(crate) struct StaleAnswers(Mutex<HashMap<String, (v1::InstanceResult, Time)>>);

impl StaleAnswers {
    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn bend(&self, result: &mut v1::InstanceResult, stale: StaleReads, bending: &Bending<'_>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = known.get(&result.node_name).filter(|(_, at)| bending.now < at.plus(stale.age));
        match old {
            Some((old, _)) if !bending.fresh => *result = old.clone(),
            Some((old, _)) if stale.even_fresh => {
                *result = v1::InstanceResult { observed_at: Some(bending.now.into()), ..old.clone() };
            }
            _ => {
                known.insert(result.node_name.clone(), (result.clone(), bending.now));
            }
        }
    }
}

impl Answer for v1::HandshakeResponse {
    fn bend(&mut self, lie: &Lie, _: &Bending<'_>) {
        match lie {
            Lie::WrongAccount(account) => self.accounts.iter_mut().for_each(|known| known.id.clone_from(account)),
            Lie::UnknownEnums => self.capabilities.push(UNKNOWN),
            Lie::ApiMinor(minor) => self.api_minor = *minor,
            _ => {}
        }
    }
}

impl Answer for v1::BatchGetInstancesResponse {
    fn bend(&mut self, lie: &Lie, bending: &Bending<'_>) {
        if let Lie::DropItems(count) = lie {
            match bending.nodes {
                Some(glob) => self.results.retain(|result| !glob.matches(&result.node_name)),
                None => self.results.truncate(self.results.len().saturating_sub(*count)),
            }
        }
        for result in self.results.iter_mut().filter(|result| bending.touches(&result.node_name)) {
            match lie {
                Lie::StaleReads(stale) => bending.stale.bend(result, *stale, bending),
                lie => bend_instance(result, lie),
            }
        }
    }

    fn fail_items(&mut self, nodes: &Glob, status: &v1::ItemStatus) {
        for result in self.results.iter_mut().filter(|result| nodes.matches(&result.node_name)) {
            result.answer = Some(InstanceAnswer::Unknown(status.clone()));
            result.observed_at = None;
        }
    }
}

fn bend_instance(result: &mut v1::InstanceResult, lie: &Lie) {
    match (&mut result.answer, lie) {
        (Some(InstanceAnswer::Found(instance)), Lie::NotFound) => {
            result.answer = Some(InstanceAnswer::NotFound(v1::InstanceAbsent {
                account: instance.account.clone(),
                region: instance.region.clone(),
                evidence: format!("InstanceNotFound: {} does not exist", instance.provider_id),
            }));
        }
        (Some(InstanceAnswer::Found(instance)), Lie::WrongAccount(account)) => instance.account.clone_from(account),
        (Some(InstanceAnswer::NotFound(absent)), Lie::WrongAccount(account)) => absent.account.clone_from(account),
        (Some(InstanceAnswer::Found(instance)), Lie::ForeignProviderIds(scheme)) => {
            let id = instance.provider_id.split_once("://").map_or("", |(_, id)| id);
            instance.provider_id = format!("{scheme}://{id}");
        }
        (Some(InstanceAnswer::Found(instance)), Lie::MalformedAddresses) => {
            for address in &mut instance.addresses {
                NO_ADDRESS.clone_into(&mut address.address);
            }
        }
        (Some(InstanceAnswer::Found(instance)), Lie::UnknownEnums) => {
            instance.state = UNKNOWN;
            for address in &mut instance.addresses {
                address.r#type = UNKNOWN;
            }
        }
        _ => {}
    }
}

fn bend_load_balancer(state: Option<&mut v1::LoadBalancerState>, lie: &Lie) {
    let Some(Phase::Ready(ready)) = state.and_then(|state| state.phase.as_mut()) else { return };
    match lie {
        Lie::EmptyIngress => ready.ingress.clear(),
        Lie::MalformedAddresses => {
            for ingress in &mut ready.ingress {
                NO_ADDRESS.clone_into(&mut ingress.ip);
                ingress.hostname.clear();
            }
        }
        Lie::UnknownEnums => ready.ingress.iter_mut().for_each(|ingress| ingress.ip_mode = UNKNOWN),
        _ => {}
    }
}

macro_rules! load_balancer_answers {
    ($($answer:ty),+) => {
        $(impl Answer for $answer {
            fn bend(&mut self, lie: &Lie, _: &Bending<'_>) {
                bend_load_balancer(self.state.as_mut(), lie);
            }
        })+
    };
}
load_balancer_answers!(
    v1::EnsureLoadBalancerResponse,
    v1::UpdateLoadBalancerMembersResponse,
    v1::GetLoadBalancerResponse
);

/// Results of a batch of routes, with the node each leads to.
pub(crate) struct RouteResults(pub(crate) Vec<(String, v1::RouteResult)>);

impl RouteResults {
    pub(crate) fn into_results(self) -> Vec<v1::RouteResult> {
        self.0.into_iter().map(|(_, result)| result).collect()
    }
}

impl Answer for RouteResults {
    fn bend(&mut self, lie: &Lie, bending: &Bending<'_>) {
        let Lie::DropItems(count) = lie else { return };
        match bending.nodes {
            Some(glob) => self.0.retain(|(node, _)| !glob.matches(node)),
            None => self.0.truncate(self.0.len().saturating_sub(*count)),
        }
    }

    fn fail_items(&mut self, nodes: &Glob, status: &v1::ItemStatus) {
        for (_, result) in self.0.iter_mut().filter(|(node, _)| nodes.matches(node)) {
            result.status = Some(status.clone());
        }
    }
}

impl<P: Paged> Answer for Listing<P> {
    fn bend(&mut self, lie: &Lie, _: &Bending<'_>) {
        match lie {
            Lie::EmptyInventory => *self = Self::of(Vec::new(), 1, self.observed_at),
            Lie::TruncateList(pages) => {
                self.pages.truncate(*pages);
                self.complete = None;
            }
            Lie::WrongTotal => self.complete = self.complete.map(|total| total + 1),
            _ => {}
        }
    }
}

impl Answer for v1::GetStatusResponse {}
impl Answer for v1::DeleteLoadBalancerResponse {}
impl Answer for v1::PlanLoadBalancerResponse {}
impl Answer for v1::IssueKubeconfigResponse {}
impl Answer for v1::ListRegistryUsersResponse {}
impl Answer for v1::ReplaceRegistryUserResponse {}
impl Answer for v1::RevokeRegistryUserResponse {}
impl Answer for v1::IssueRegistryCredentialResponse {}
/// An opened watch.
impl Answer for () {}
