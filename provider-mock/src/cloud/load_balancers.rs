//! The cloud's calls about load balancers.

use std::{net::Ipv4Addr, sync::Arc};

use super::{
    Attributes, Cloud, CloudError, Listener, LoadBalancer, MemberSet, MemberSetId, Operation, Owner, Protocol, State,
    Time,
    ids::{free_address, stable_hash},
    load_balancer::ready_at,
    world::Change,
};
use crate::traffic::{Balanced, PortFault};

/// A load balancer to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLoadBalancer {
    /// Whose it will be; written into the record at once.
    pub owner: Owner,
    /// Namespace of the Service, for people.
    pub namespace: String,
    /// Name of the Service, for people.
    pub service: String,
    /// The address it should have. Absent: any.
    pub address: Option<Ipv4Addr>,
    /// Most load balancers its tenant may have. Absent: as the scenario says.
    pub limit: Option<u32>,
    /// Most public addresses its tenant may have, of which each load balancer has one. Absent: no limit.
    pub addresses: Option<u32>,
}

impl Cloud {
    /// Every load balancer, by id.
    pub fn load_balancers(&self) -> Vec<LoadBalancer> {
        self.call(|state| state.world.load_balancers().cloned().collect())
    }

    /// The load balancers of a cluster and tenant, by id: what a daemon's listing by tag answers.
    pub fn list_load_balancers(&self, cluster: &str, tenant: &str) -> Vec<LoadBalancer> {
        self.call(|state| {
            state.count_read(Operation::DescribeLoadBalancers);
            let ours = |owner: &Owner| owner.cluster == cluster && owner.tenant == tenant;
            state.world.load_balancers().filter(|object| ours(&object.owner)).cloned().collect()
        })
    }

    /// The load balancers of an owner: what a daemon's search by tag answers. More than one is somebody's mistake.
    pub fn find_load_balancers(&self, owner: &Owner) -> Vec<LoadBalancer> {
        self.call(|state| {
            state.count_read(Operation::DescribeLoadBalancers);
            state.world.owned_by(owner).cloned().collect()
        })
    }

    /// A load balancer by id or by `namespace/name` of its Service.
    pub fn load_balancer(&self, id_or_service: &str) -> Option<LoadBalancer> {
        self.call(|state| state.find_load_balancer(id_or_service).cloned())
    }

    /// A member set by number.
    pub fn members(&self, id: MemberSetId) -> Arc<MemberSet> {
        self.lock().world.members(id)
    }

    /// A member set that shares its memory with that of load balancers that have the same.
    pub fn share_members(&self, set: MemberSet) -> Arc<MemberSet> {
        self.lock().world.share_members(set)
    }

    /// Starts making a load balancer.
    ///
    /// # Errors
    /// The quota is used up, or the address cannot be had. A second one for the same owner is not refused: to look first is
    /// the daemon's duty.
    pub fn create_load_balancer(&self, new: NewLoadBalancer) -> Result<LoadBalancer, CloudError> {
        self.call(|state| state.create_load_balancer(new))
    }

    /// Puts a listener of its protocol and port on a load balancer, in place of the one it had.
    ///
    /// # Errors
    /// There is no such load balancer, or it cannot be changed now.
    pub fn put_listener(&self, id: &str, listener: Listener) -> Result<(), CloudError> {
        self.call(|state| {
            let mut object = state.usable(id)?;
            let old =
                object.listeners.iter_mut().find(|old| old.protocol == listener.protocol && old.port == listener.port);
            let operation = if let Some(old) = old {
                *old = listener;
                Operation::ModifyListener
            } else {
                object.listeners.push(listener);
                Operation::CreateListener
            };
            object.spec_updates += 1;
            state.put(operation, object, None);
            Ok(())
        })
    }

    /// Takes a listener away.
    ///
    /// # Errors
    /// As [`put_listener`](Self::put_listener).
    pub fn delete_listener(&self, id: &str, protocol: Protocol, port: u16) -> Result<(), CloudError> {
        self.call(|state| {
            let mut object = state.usable(id)?;
            object.listeners.retain(|listener| (listener.protocol, listener.port) != (protocol, port));
            object.spec_updates += 1;
            state.put(Operation::DeleteListener, object, None);
            Ok(())
        })
    }

    /// Sets the attributes.
    ///
    /// # Errors
    /// As [`put_listener`](Self::put_listener).
    pub fn set_attributes(&self, id: &str, attributes: Attributes) -> Result<(), CloudError> {
        self.call(|state| {
            let mut object = state.usable(id)?;
            object.attributes = Some(attributes);
            object.spec_updates += 1;
            state.put(Operation::SetAttributes, object, None);
            Ok(())
        })
    }

    /// Sets the members, all of them.
    ///
    /// # Errors
    /// As [`put_listener`](Self::put_listener).
    pub fn set_members(&self, id: &str, members: Arc<MemberSet>) -> Result<(), CloudError> {
        self.call(|state| {
            let mut object = state.usable(id)?;
            let (number, new) = state.world.number_members(members);
            object.members = number;
            object.member_updates += 1;
            state.put(Operation::SetMembers, object, new);
            Ok(())
        })
    }

    /// Keeps a hash in the record.
    ///
    /// # Errors
    /// As [`put_listener`](Self::put_listener).
    pub fn tag_load_balancer(&self, id: &str, spec_hash: &str) -> Result<(), CloudError> {
        self.call(|state| {
            let mut object = state.usable(id)?;
            spec_hash.clone_into(&mut object.spec_hash);
            state.put(Operation::TagLoadBalancer, object, None);
            Ok(())
        })
    }

    /// Begins to delete a load balancer. Answers when it will be gone; one that is not there is gone already.
    pub fn delete_load_balancer(&self, id: &str) -> Option<Time> {
        self.call(|state| {
            let object = state.world.load_balancer(id)?.clone();
            if let Some(gone_at) = object.gone_at {
                return Some(gone_at);
            }
            let deletion = state.scenario.load_balancers.deletion;
            if deletion.is_zero() {
                state.mutate(Operation::DeleteLoadBalancer, id, Change::NoLoadBalancer(id.to_owned()));
                state.stop_carrying(id);
                return None;
            }
            let gone_at = state.now.plus(deletion);
            state.stop_carrying(id);
            let object = LoadBalancer { gone_at: Some(gone_at), ..object };
            let change = Change::LoadBalancer { object: Box::new(object), members: None };
            state.mutate(Operation::DeleteLoadBalancer, id, change);
            Some(gone_at)
        })
    }

    /// Makes a second load balancer with the owner of the first, as a lost answer or another tool might: a mistake the
    /// daemon has to report.
    ///
    /// # Errors
    /// There is no such load balancer, or another cannot be made.
    pub fn duplicate_load_balancer(&self, id_or_service: &str) -> Result<LoadBalancer, CloudError> {
        self.call(|state| {
            let first = state.find_load_balancer(id_or_service).ok_or_else(|| absent(id_or_service))?;
            let new = NewLoadBalancer {
                owner: first.owner.clone(),
                namespace: first.namespace.clone(),
                service: first.service.clone(),
                address: None,
                limit: None,
                addresses: None,
            };
            state.create_load_balancer(new)
        })
    }

    /// Tries ports again that could not be had.
    pub fn retry_ports(&self, id: &str) {
        self.call(|state| state.carry(id));
    }

    /// Why ports of a load balancer carry no traffic.
    pub fn port_faults(&self, id: &str) -> Vec<PortFault> {
        self.lock().traffic.as_ref().map(|traffic| traffic.faults(id)).unwrap_or_default()
    }
}

impl State {
    fn find_load_balancer(&self, id_or_service: &str) -> Option<&LoadBalancer> {
        self.world
            .load_balancer(id_or_service)
            .or_else(|| self.world.load_balancers().find(|object| object.service_key() == id_or_service))
    }

    fn create_load_balancer(&mut self, new: NewLoadBalancer) -> Result<LoadBalancer, CloudError> {
        self.check_quotas(&new)?;
        let address = self.address_for(&new)?;
        let number = self.world.next_number();
        let settings = self.scenario.load_balancers;
        let made = self.world.load_balancers().map(|object| object.ready_at);
        let object = LoadBalancer {
            id: format!("lb-{:012x}", stable_hash(&[&new.owner.service, &number.to_string()]) >> 16),
            name: format!("k8s-{}-{}", new.owner.cluster, new.owner.service),
            namespace: new.namespace,
            service: new.service,
            owner: new.owner,
            address,
            created_at: self.now,
            ready_at: ready_at(self.now, settings.provisioning, settings.parallel, made),
            gone_at: None,
            listeners: Vec::new(),
            attributes: None,
            members: 0,
            spec_hash: String::new(),
            member_updates: 0,
            spec_updates: 0,
        };
        self.put(Operation::CreateLoadBalancer, object.clone(), None);
        Ok(object)
    }

    fn check_quotas(&self, new: &NewLoadBalancer) -> Result<(), CloudError> {
        let limits =
            [("load-balancers", new.limit.or(self.scenario.load_balancers.quota)), ("public-addresses", new.addresses)];
        let tenant = &new.owner.tenant;
        let used = self.world.load_balancers().filter(|object| object.owner.tenant == *tenant).count();
        for (quota, limit) in limits {
            let Some(limit) = limit.filter(|limit| used >= usize::try_from(*limit).unwrap_or(usize::MAX)) else {
                continue;
            };
            let account = self.scenario.account().id;
            let subject = if tenant.is_empty() { account } else { format!("{account}/{tenant}") };
            return Err(CloudError::Quota { quota, subject, limit });
        }
        Ok(())
    }

    fn address_for(&self, new: &NewLoadBalancer) -> Result<Ipv4Addr, CloudError> {
        let network = self.scenario.network.load_balancers;
        let taken = |address| self.world.is_load_balancer_address(address);
        let Some(wanted) = new.address else {
            let hash = stable_hash(&[&new.owner.tenant, &new.owner.cluster, &new.owner.service]);
            return free_address(network, hash, taken)
                .ok_or_else(|| CloudError::NoAddress { network: network.to_string() });
        };
        let refused = |why| CloudError::AddressRefused { address: wanted.to_string(), why };
        if !network.contains(&wanted) {
            return Err(refused("it is outside the load balancers' network"));
        }
        if taken(wanted) { Err(refused("another load balancer has it")) } else { Ok(wanted) }
    }

    /// A copy of a load balancer that can be changed now.
    fn usable(&self, id: &str) -> Result<LoadBalancer, CloudError> {
        let object = self.world.load_balancer(id).ok_or_else(|| absent(id))?;
        let busy = |state| Err(CloudError::Busy { kind: "load balancer", name: id.to_owned(), state });
        if object.gone_at.is_some() {
            return busy("being deleted");
        }
        if object.is_provisioning(self.now) { busy("being made") } else { Ok(object.clone()) }
    }

    fn put(&mut self, operation: Operation, object: LoadBalancer, members: Option<Arc<MemberSet>>) {
        let id = object.id.clone();
        self.mutate(operation, id.clone(), Change::LoadBalancer { object: Box::new(object), members });
        self.carry(&id);
    }

    /// Carries the traffic of a load balancer as it is now.
    fn carry(&mut self, id: &str) {
        if let Some(traffic) = &mut self.traffic
            && let Some(object) = self.world.load_balancer(id)
        {
            Balanced::carry(traffic, object, &self.world.members(object.members));
        }
    }

    fn stop_carrying(&mut self, id: &str) {
        if let Some(traffic) = &mut self.traffic {
            traffic.remove(id);
        }
    }
}

fn absent(name: &str) -> CloudError {
    CloudError::Absent { kind: "load balancer", name: name.to_owned() }
}
