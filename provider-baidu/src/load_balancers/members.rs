//! The members alone: two reads, or none right after a look, and for a node more or less, one write.

use std::collections::BTreeSet;

use cloud_provider_api::v1;
use provider_kit::{Result, load_balancers::Progress};

use super::{engine::Engine, gather, handle::Handle, state};
use crate::{
    annotations::Settings,
    plan::{
        balancer::{achieved, digest_of, members_only},
        owner::Owner,
        record::Record,
        seen::Balancer,
        wanted::{WantedMember, wanted_members},
    },
};

impl Engine<'_> {
    /// Brings the members to what they should be; the rest stays as it was last ensured.
    pub(crate) async fn update_members(
        &self,
        request: &v1::UpdateLoadBalancerMembersRequest,
    ) -> Result<v1::LoadBalancerState> {
        let settings = Self::settings(&request.annotations)?;
        let key = self.memory_key();
        let (owner, target) = match self.memory.recent.take_seen(&key).filter(|seen| self.handle() == handle_of(seen)) {
            Some(seen) => (self.owner(&settings), seen),
            None => self.with_members(&settings).await?,
        };
        let handle = handle_of(&target);
        let mut notes = Vec::new();
        let kind = target.lb.kind;
        let wanted = wanted_members(&owner, request.members.as_ref(), kind, &settings, &mut notes);
        if !target.lb.is_available() {
            let wait = Progress::wait(format!("load balancer {} is {}", target.lb.id, target.lb.status));
            return Ok(state::waiting(wait, &handle));
        }
        let steps = members_only(&wanted, &owner, &target, &request.spec_hash).ok_or_else(|| {
            // What was never ensured has to be, in full.
            self.absent()
        })?;
        let shown = target.owned.then(|| target.servers());
        if let Some(there) = shown.filter(|there| self.lacks_what_was_put_there(&target, there, &wanted))
            && self.memory.recent.doubts(&key, &there)
        {
            return Err(gather::unfinished(&target.lb, "servers that were put there"));
        }
        if let wait @ Progress::Wait { .. } = self.apply(&key).run(steps).await? {
            return Ok(state::waiting(wait, &handle));
        }
        self.memory.recent.achieved(&key, achieved(&wanted, &request.spec_hash));
        let internal = settings.internal || !self.is_public();
        let ingress = state::ingress(&target.lb, internal);
        Ok(state::ready(ingress, request.spec_hash.clone(), &handle, notes))
    }

    /// Whether the servers that a list shows are not those of the record, although nobody is known to have changed them: they are
    /// wanted still, or it shows none at all. It may be cut short, or somebody has taken them away by hand.
    fn lacks_what_was_put_there(&self, target: &Balancer, there: &str, wanted: &[WantedMember]) -> bool {
        let record = Record::read(&target.lb.desc);
        let Some(done) = record.done.as_ref().filter(|_| record.outlasts_members(target.lb.kind)) else { return false };
        let (wanted, none) = (digest_of(wanted), digest_of(&[]));
        there != wanted && there != done.members && (wanted == done.members || there == none)
    }

    /// The load balancer in use, with what a change of its members takes; without, if it cannot be changed now.
    async fn with_members(&self, settings: &Settings) -> Result<(Owner, Balancer)> {
        let (owner, lb, is_ours) = self.serving(settings).await?;
        if !lb.is_available() {
            return Ok((owner, Balancer { lb, owned: is_ours, ..Balancer::default() }));
        }
        if is_ours && let Some(target) = self.with_servers(&lb, &Record::read(&lb.desc)).await? {
            return Ok((owner, target));
        }
        let target = gather::whole(self.cloud, &owner, lb, is_ours, &BTreeSet::new()).await?;
        Ok((owner, target))
    }
}

fn handle_of(balancer: &Balancer) -> Handle {
    Handle::of(balancer.lb.kind, &balancer.lb.id)
}
