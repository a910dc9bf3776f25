//! What the cloud shows of a load balancer, and which hash holds for it.

use std::collections::HashMap;

use cloud_provider_api::v1;
use provider_kit::{
    Result,
    load_balancers::{Progress, with_unknown_members},
};

use super::{
    engine::{Engine, hints_of, named_of},
    gather,
    handle::Handle,
    state,
};
use crate::{
    annotations::Settings,
    api::balancers::{Group, Kind, LoadBalancer},
    fault,
    plan::{
        owner::{Claim, Owner},
        record::{Record, Shares},
        seen::Balancer,
    },
};

impl Engine<'_> {
    /// What the cloud shows now.
    pub(crate) async fn look(&self, annotations: &HashMap<String, String>) -> Result<v1::LoadBalancerState> {
        let settings = Settings::lenient(annotations);
        let (owner, lb, is_ours) = self.serving(&settings).await?;
        let (internal, handle) = (settings.internal || !self.is_public(), Handle::of(lb.kind, &lb.id));
        if !lb.is_available() {
            return Ok(state::waiting(Progress::wait(format!("load balancer {} is {}", lb.id, lb.status)), &handle));
        }
        let hash = match (is_ours, lb.kind) {
            (true, _) => self.hash_of_ours(&lb).await?,
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

    /// The hash that holds for one of ours and the servers it has.
    async fn hash_of_ours(&self, lb: &LoadBalancer) -> Result<Option<String>> {
        let record = Record::read(&lb.desc);
        if !record.outlasts_members(lb.kind) {
            return Ok(record.done.map(|done| done.hash));
        }
        let Some(balancer) = self.with_servers(lb, &record).await? else { return Ok(None) };
        Ok(self.hash_with_servers(&record, balancer))
    }

    /// One of ours with its servers and nothing else, where they are found without a list of groups. `None`: they are not.
    pub(super) async fn with_servers(&self, lb: &LoadBalancer, record: &Record) -> Result<Option<Balancer>> {
        let mut balancer = Balancer { lb: lb.clone(), owned: true, ..Balancer::default() };
        match (lb.kind, &record.group) {
            (Kind::Plain, _) => {
                balancer.backends = self.cloud.backends(&lb.id).await.map_err(|error| fault::of(&error))?;
            }
            (Kind::App, Some(id)) => match self.cloud.group_members(lb.kind, &lb.id, id).await {
                // Its record says that it is the Service's.
                Ok(members) => balancer.groups.push(Group { id: id.clone(), members, ..self.own_group() }),
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(fault::of(&error)),
            },
            _ => return Ok(None),
        }
        Ok(Some(balancer))
    }

    fn own_group(&self) -> Group {
        let owner = Owner::of(self.key, &self.cloud.config().cluster_id).of_tenant(self.tenant);
        Group { name: owner.group_name(), desc: Record::default().write(&owner), ..Group::default() }
    }

    /// On the user's: the hash that holds for the Service's groups there. `None`: it has none.
    async fn hash_of_groups(&self, owner: &Owner, lb: &LoadBalancer) -> Result<Option<String>> {
        let mut groups = self.cloud.groups(lb.kind, &lb.id).await.map_err(|error| fault::of(&error))?;
        groups.retain(|group| owner.claim(&group.desc) == Claim::Ours);
        if groups.is_empty() {
            return Ok(None);
        }
        let record = groups.iter().map(|group| Record::read(&group.desc)).find(|record| record.done.is_some());
        let Some(record) = record else { return Ok(Some(String::new())) };
        if lb.kind != Kind::App {
            return Ok(record.done.map(|done| done.hash));
        }
        for group in &mut groups {
            let members = self.cloud.group_members(lb.kind, &lb.id, &group.id).await;
            group.members = members.map_err(|error| fault::of(&error))?;
        }
        let balancer = Balancer { lb: lb.clone(), groups, ..Balancer::default() };
        Ok(self.hash_with_servers(&record, balancer))
    }

    /// The hash that holds for the servers that are there. Where they are others, the caller compares them next.
    fn hash_with_servers(&self, record: &Record, balancer: Balancer) -> Option<String> {
        let key = self.memory_key();
        let hash = record.achieved(&balancer.servers(), self.memory.recent.last_achieved(&key).as_ref());
        if record.done.as_ref().is_some_and(|done| hash == Some(with_unknown_members(&done.hash))) {
            self.memory.recent.saw(&key, balancer);
        }
        hash
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
