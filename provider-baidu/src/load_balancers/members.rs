//! The members alone: few reads, and for a node more or less, one write and its record.

use std::collections::BTreeSet;

use cloud_provider_api::v1;
use provider_kit::{Result, load_balancers::Progress};

use super::{engine::Engine, gather, handle::Handle, state};
use crate::{
    api::balancers::Kind,
    fault,
    plan::{balancer::members_only, seen::Balancer, wanted::wanted_members},
};

impl Engine<'_> {
    /// Brings the members to what they should be; the rest stays as it was last ensured.
    pub(crate) async fn update_members(
        &self,
        request: &v1::UpdateLoadBalancerMembersRequest,
    ) -> Result<v1::LoadBalancerState> {
        let settings = Self::settings(&request.annotations)?;
        let (owner, lb, is_ours) = self.serving(&settings).await?;
        let handle = Handle::of(lb.kind, &lb.id);
        if !lb.is_available() {
            let wait = Progress::wait(format!("load balancer {} is {}", lb.id, lb.status));
            return Ok(state::waiting(wait, &handle));
        }
        let mut notes = Vec::new();
        let wanted = wanted_members(&owner, request.members.as_ref(), lb.kind, &settings, &mut notes);
        let target = if is_ours && lb.kind == Kind::Plain {
            let backends = self.cloud.backends(&lb.id).await.map_err(|error| fault::of(&error))?;
            Balancer { lb, owned: is_ours, backends, ..Balancer::default() }
        } else {
            gather::whole(self.cloud, &owner, lb, is_ours, &BTreeSet::new()).await?
        };
        let steps = members_only(&wanted, &owner, &target, &request.spec_hash).ok_or_else(|| {
            // What was never ensured has to be, in full.
            self.absent()
        })?;
        let key = self.memory_key();
        if let wait @ Progress::Wait { .. } = self.apply(&key).run(steps).await? {
            return Ok(state::waiting(wait, &handle));
        }
        let internal = settings.internal || !self.is_public();
        let ingress = state::ingress(&target.lb, internal);
        Ok(state::ready(ingress, request.spec_hash.clone(), &handle, notes))
    }
}
