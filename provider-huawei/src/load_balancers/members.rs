//! The members alone: two or three reads and, for a node more or less, one write.

use std::collections::BTreeMap;

use cloud_provider_api::v1;
use provider_kit::{Result, load_balancers::Progress};

use super::{
    apply::Apply,
    engine::Engine,
    gather::{self, Search},
    handle::Handle,
    state,
};
use crate::{
    annotations::Class,
    api::elb::LoadBalancer,
    fault,
    plan::{
        Note, PortKey,
        balancer::{MembersOnly, members_only},
        owner::{Claim, Owner, port_of},
        record::Record,
        seen::Balancer,
        wanted::wanted_members,
    },
};

impl Engine<'_> {
    /// Brings the members to what they should be; the rest stays as it was last ensured.
    pub(crate) async fn update_members(
        &self,
        request: &v1::UpdateLoadBalancerMembersRequest,
    ) -> Result<v1::LoadBalancerState> {
        let settings = self.settings(&request.annotations)?;
        if settings.class == Some(Class::Dnat) {
            let members = request.members.as_ref();
            return self.ensure_rules(&settings, &request.ports, members, None, &request.spec_hash).await;
        }
        let mut notes = Vec::new();
        let read = |place: &crate::plan::wanted::Place, notes: &mut Vec<Note>| {
            wanted_members(&request.ports, request.members.as_ref(), &self.surroundings(&settings, place), notes)
        };
        let complete = |place: &crate::plan::wanted::Place| {
            let mut notes = Vec::new();
            read(place, &mut notes).is_ok() && notes.is_empty()
        };
        let place = self.memory.place(self.cloud, complete).await.map_err(|error| fault::of(&error))?;
        let wanted = read(&place, &mut notes).map_err(gather::refused)?;
        let owner = self.owner();
        let lb = self.serving(&owner, settings.id.as_deref()).await?;
        let handle = Handle { balancers: vec![lb.id.clone()], ..Handle::default() };
        if !lb.is_active() {
            let wait = Progress::wait(format!("load balancer {} is {}", lb.id, lb.provisioning_status));
            return Ok(state::waiting(wait, &handle));
        }
        let is_ours = settings.id.is_none();
        let keys: Vec<PortKey> = wanted.keys().copied().collect();
        let (target, pools) = self.pools_of(&owner, lb, is_ours, &keys).await?;
        let only = MembersOnly { wanted: &wanted, target: &target, pools: &pools };
        let steps = members_only(&owner, &only, &request.spec_hash);
        let key = self.memory_key();
        let mut apply = Apply::new(self.cloud, self.memory, &key);
        if let wait @ Progress::Wait { .. } = apply.run(steps).await? {
            return Ok(state::waiting(wait, &handle));
        }
        let lb = apply.shown.as_ref().unwrap_or(&target.lb);
        let proxy = if is_ours {
            Record::read(&lb.description).proxy
        } else {
            crate::plan::ports::record_of_service(&owner, &target.listeners).is_some_and(|record| record.proxy)
        };
        Ok(state::ready(state::ingress(lb, proxy), request.spec_hash.clone(), &handle, notes))
    }

    /// The load balancer in use.
    async fn serving(&self, owner: &Owner, existing: Option<&str>) -> Result<LoadBalancer> {
        let handle = self.handle();
        if let Some(id) = existing.or(handle.balancers.first().map(String::as_str))
            && let Some(lb) = gather::by_id(self.cloud, id).await?
        {
            let claim = owner.claim_balancer(&lb.name, &lb.description, &lb.tags);
            if claim == Claim::Ours || (existing.is_some() && claim == Claim::Unmarked) {
                return Ok(lb);
            }
        }
        let business_name = &self.options.business_name;
        let search = Search {
            owner,
            tenant: self.tenant,
            handle: &handle,
            existing: None,
            adopt: None,
            business_name,
            kind: None,
            unnamed: false,
        };
        let found = gather::candidates(self.cloud, &search).await?;
        found.owned.into_iter().next().ok_or_else(|| self.absent())
    }

    /// The pools of the ports and their members. A load balancer of ours with one pool for one port needs no list of pools.
    async fn pools_of(
        &self,
        owner: &Owner,
        lb: LoadBalancer,
        is_ours: bool,
        keys: &[PortKey],
    ) -> Result<(Balancer, BTreeMap<PortKey, String>)> {
        if let ([key], [pool], true) = (keys, lb.pools.as_slice(), is_ours) {
            let pool = pool.id.clone();
            let members = self.cloud.members(&lb.id).await.map_err(|error| fault::of(&error))?;
            let members = BTreeMap::from([(pool.clone(), members)]);
            return Ok((
                Balancer { lb, owned: is_ours, members, ..Balancer::default() },
                BTreeMap::from([(*key, pool)]),
            ));
        }
        let target = gather::whole(self.cloud, lb, is_ours).await?;
        let mut pools = BTreeMap::new();
        for key in keys {
            let ours = target.pools.iter().filter(|pool| {
                owner.claim(&pool.description) == Claim::Ours
                    && port_of(&pool.description) == Some(*key)
                    && !pool.listeners.is_empty()
            });
            let pool = ours.map(|pool| pool.id.clone()).next().ok_or_else(|| self.absent())?;
            pools.insert(*key, pool);
        }
        Ok((target, pools))
    }
}
