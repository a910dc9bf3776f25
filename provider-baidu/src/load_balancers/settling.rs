//! What the cloud has to be waited for, before a change and after it, with no more reads than that takes.

use cloud_provider_api::{error::Reason, v1};
use provider_kit::{Error, Result, load_balancers::Progress};

use super::{
    engine::Engine,
    gather::{self, Found},
    handle::Handle,
    state,
};
use crate::{
    PROVIDER,
    api::balancers::LoadBalancer,
    plan::{
        balancer,
        seen::Balancer,
        step::{Action, Step},
        wanted::{Wanted, WantedEip},
    },
};

/// What must settle before anything is changed, or never will.
pub(super) fn unsettled(found: &Found) -> Result<Option<Progress>> {
    let Some(lb) = found.existing.as_ref().or(found.owned.first()) else { return Ok(None) };
    if lb.has_failed() {
        let message = format!("load balancer {} is in state {}, which it does not leave by itself", lb.id, lb.status);
        return Err(Error::cloud(PROVIDER, Reason::ObjectFailed, message));
    }
    if lb.is_available() {
        return Ok(None);
    }
    Ok(Some(Progress::wait(format!("load balancer {} is {}", lb.id, lb.status))))
}

/// What is still to be seen of a load balancer when every call is made. `recorded`: the record was the last of them, so that a change
/// that is under way is the record's, and nothing waits for it.
fn pending(wanted: &Wanted, lb: &LoadBalancer, recorded: bool) -> Option<Progress> {
    let id = &lb.id;
    match &wanted.eip {
        WantedEip::Existing(ip) if *ip != lb.public_ip => {
            Some(Progress::wait(format!("address {ip} is being bound to load balancer {id}")))
        }
        WantedEip::Made if lb.public_ip.parse::<std::net::IpAddr>().is_err() => {
            Some(Progress::wait(format!("the public address of load balancer {id} is being bound")))
        }
        _ if lb.is_available() || (recorded && lb.is_updating()) => None,
        _ => Some(Progress::wait(format!("load balancer {id} is {}", lb.status))),
    }
}

/// Whether a look is needed after a plan is carried out.
#[derive(Clone, Copy)]
pub(super) struct ShownAfter {
    /// Nothing was done.
    quiet: bool,
    /// An address was bound, which the load balancer shows when it is.
    binds: bool,
}

impl ShownAfter {
    pub(super) fn of(steps: &[Step]) -> Self {
        Self { quiet: steps.is_empty(), binds: steps.iter().any(|step| matches!(step.action, Action::BindEip(..))) }
    }

    /// Whether the load balancer is what it was before, but for what we have written. `recorded`: its record was written last, and the cloud
    /// takes one change at a time, so all before it are through.
    pub(super) fn is_known(self, target: &Balancer, recorded: bool) -> bool {
        self.quiet || (target.owned && recorded && !self.binds)
    }
}

impl Engine<'_> {
    /// What a pass before this one waits for: every call is made, and the load balancer alone is still to show it.
    pub(super) async fn awaited(&self, wanted: &Wanted, hash: &str) -> Result<Option<v1::LoadBalancerState>> {
        let key = self.memory_key();
        let Some(awaited) = self.memory.recent.take_awaited(&key, hash) else { return Ok(None) };
        let handle = Handle::of(awaited.kind, &awaited.id);
        if self.handle() != handle {
            return Ok(None);
        }
        let Some(lb) = gather::by_id(self.cloud, awaited.kind, &awaited.id).await? else { return Ok(None) };
        if lb.desc != awaited.desc || lb.has_failed() {
            return Ok(None);
        }
        self.memory.creations.found(&key);
        if let Some(wait) = pending(wanted, &lb, true) {
            self.memory.recent.wait_for(&key, awaited);
            return Ok(Some(state::waiting(wait, &handle)));
        }
        self.memory.recent.achieved(&key, balancer::achieved(&wanted.members, hash));
        let ingress = state::ingress(&lb, wanted.eip == WantedEip::None);
        Ok(Some(state::ready(ingress, hash.to_owned(), &handle, awaited.notes)))
    }

    /// The load balancer once the changes are through. `recorded`: its record was the last of them.
    pub(super) async fn settled(
        &self,
        wanted: &Wanted,
        handle: &Handle,
        recorded: bool,
    ) -> Result<std::result::Result<LoadBalancer, Progress>> {
        let Some((kind, id)) = handle.0.first() else { return Err(self.absent()) };
        let Some(lb) = gather::by_id(self.cloud, *kind, id).await? else {
            let what = format!("load balancer {id} does not show yet");
            return Ok(Err(Progress::wait(what)));
        };
        Ok(match pending(wanted, &lb, recorded) {
            Some(wait) => Err(wait),
            None => Ok(lb),
        })
    }
}
