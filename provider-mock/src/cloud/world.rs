//! What the cloud holds. It changes by [`Mutation`]s only, so that replaying them gives the same world.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::Ipv4Addr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{LoadBalancer, Machine, MachineState, MemberSet, MemberSetId, Operation, Owner, Route, Time};

/// One mutating call of the cloud's API and its effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mutation {
    /// When.
    pub(crate) at: Time,
    /// Which call.
    pub(crate) operation: Operation,
    /// What it acted on, for people.
    pub(crate) target: String,
    /// What it did.
    pub(crate) change: Change,
    /// How far the counter for new ids had come, so that no id is given twice after a restart.
    pub(crate) sequence: u64,
}

/// The effect of a mutating call. Objects are put whole: applying a change twice is the same as once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Change {
    Machine(Machine),
    LoadBalancer {
        object: Box<LoadBalancer>,
        /// The members, when no load balancer had these before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        members: Option<Arc<MemberSet>>,
    },
    NoLoadBalancer(String),
    Route(Route),
    NoRoute(String),
}

/// A world in a form that can be written down.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Snapshot {
    sequence: u64,
    machines: Vec<Machine>,
    member_sets: BTreeMap<MemberSetId, Arc<MemberSet>>,
    load_balancers: Vec<LoadBalancer>,
    routes: Vec<Route>,
    totals: BTreeMap<Operation, u64>,
}

#[derive(Debug)]
struct Kept {
    set: Arc<MemberSet>,
    users: usize,
}

/// What the cloud holds.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Counts up with every new id.
    sequence: u64,
    machines: BTreeMap<Arc<str>, Machine>,
    machine_by_name: HashMap<Arc<str>, Arc<str>>,
    machine_addresses: HashSet<Ipv4Addr>,
    load_balancers: BTreeMap<String, LoadBalancer>,
    by_owner: BTreeMap<Owner, Vec<String>>,
    addresses: HashSet<Ipv4Addr>,
    member_sets: BTreeMap<MemberSetId, Kept>,
    member_set_ids: HashMap<Arc<MemberSet>, MemberSetId>,
    routes: BTreeMap<String, Route>,
    totals: BTreeMap<Operation, u64>,
    /// The earliest `gone_at`, so that time passing costs nothing while nothing is being deleted.
    next_gone: Option<Time>,
}

impl World {
    /// A machine by id.
    pub(crate) fn machine(&self, id: &str) -> Option<&Machine> {
        self.machines.get(id)
    }

    /// The machine of this name that is not gone.
    pub(crate) fn machine_named(&self, name: &str) -> Option<&Machine> {
        self.machine_by_name.get(name).and_then(|id| self.machines.get(id))
    }

    /// All machines, gone ones too, by id.
    pub(crate) fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values()
    }

    /// Whether a machine has this address.
    pub(crate) fn is_machine_address(&self, address: Ipv4Addr) -> bool {
        self.machine_addresses.contains(&address)
    }

    /// A load balancer by id.
    pub(crate) fn load_balancer(&self, id: &str) -> Option<&LoadBalancer> {
        self.load_balancers.get(id)
    }

    /// All load balancers, by id.
    pub(crate) fn load_balancers(&self) -> impl Iterator<Item = &LoadBalancer> {
        self.load_balancers.values()
    }

    /// The load balancers of an owner; more than one is somebody's mistake.
    pub(crate) fn owned_by(&self, owner: &Owner) -> impl Iterator<Item = &LoadBalancer> {
        self.by_owner.get(owner).into_iter().flatten().filter_map(|id| self.load_balancers.get(id))
    }

    /// Whether a load balancer has this address.
    pub(crate) fn is_load_balancer_address(&self, address: Ipv4Addr) -> bool {
        self.addresses.contains(&address)
    }

    /// The number of a member set and, when no load balancer has it yet, the set to write down with it.
    pub(crate) fn number_members(&mut self, set: Arc<MemberSet>) -> (MemberSetId, Option<Arc<MemberSet>>) {
        if set.is_empty() {
            return (0, None);
        }
        match self.member_set_ids.get(&set) {
            Some(id) => (*id, None),
            None => (self.next_number(), Some(set)),
        }
    }

    /// The set as load balancers have it already, or the one given.
    pub(crate) fn share_members(&self, set: MemberSet) -> Arc<MemberSet> {
        match self.member_set_ids.get_key_value(&set) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::new(set),
        }
    }

    /// A member set by number.
    pub(crate) fn members(&self, id: MemberSetId) -> Arc<MemberSet> {
        self.member_sets.get(&id).map(|kept| Arc::clone(&kept.set)).unwrap_or_default()
    }

    /// A route by name.
    pub(crate) fn route(&self, name: &str) -> Option<&Route> {
        self.routes.get(name)
    }

    /// All routes, by name.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.values()
    }

    /// How often each mutating call was made.
    pub(crate) fn totals(&self) -> &BTreeMap<Operation, u64> {
        &self.totals
    }

    /// How far the counter for new ids has come.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// A number nobody had before.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Does what a mutation says.
    pub(crate) fn apply(&mut self, mutation: Mutation) {
        // When mutations are replayed, time passes as it did at first.
        self.settle(mutation.at);
        self.sequence = self.sequence.max(mutation.sequence);
        *self.totals.entry(mutation.operation).or_default() += 1;
        match mutation.change {
            Change::Machine(machine) => self.put_machine(machine),
            Change::LoadBalancer { object, members } => self.put_load_balancer(*object, members),
            Change::NoLoadBalancer(id) => self.drop_load_balancer(&id),
            Change::Route(route) => {
                self.routes.insert(route.name.clone(), route);
            }
            Change::NoRoute(name) => {
                self.routes.remove(&name);
            }
        }
    }

    /// Lets time pass: deletions that are over by `now` take effect. Answers the ids that went.
    pub(crate) fn settle(&mut self, now: Time) -> Vec<String> {
        if self.next_gone.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let gone: Vec<String> = self
            .load_balancers
            .values()
            .filter(|object| object.gone_at.is_some_and(|at| at <= now))
            .map(|object| object.id.clone())
            .collect();
        for id in &gone {
            self.drop_load_balancer(id);
        }
        self.next_gone = self.load_balancers.values().filter_map(|object| object.gone_at).min();
        gone
    }

    fn put_machine(&mut self, machine: Machine) {
        if let Some(old) = self.machines.remove(&machine.id) {
            self.machine_by_name.remove(&old.name);
            for address in addresses(&old) {
                self.machine_addresses.remove(&address);
            }
        }
        if machine.state != MachineState::Terminated {
            self.machine_by_name.insert(Arc::clone(&machine.name), Arc::clone(&machine.id));
            self.machine_addresses.extend(addresses(&machine));
        }
        self.machines.insert(Arc::clone(&machine.id), machine);
    }

    fn put_load_balancer(&mut self, object: LoadBalancer, members: Option<Arc<MemberSet>>) {
        if let Some(set) = members {
            self.member_set_ids.insert(Arc::clone(&set), object.members);
            self.member_sets.insert(object.members, Kept { set, users: 0 });
        }
        self.use_members(object.members);
        if let Some(gone_at) = object.gone_at {
            self.next_gone = Some(self.next_gone.map_or(gone_at, |at| at.min(gone_at)));
        }
        self.addresses.insert(object.address);
        match self.load_balancers.insert(object.id.clone(), object.clone()) {
            Some(old) => self.release_members(old.members),
            None => self.by_owner.entry(object.owner).or_default().push(object.id),
        }
    }

    fn drop_load_balancer(&mut self, id: &str) {
        let Some(object) = self.load_balancers.remove(id) else { return };
        self.addresses.remove(&object.address);
        self.release_members(object.members);
        if let Some(ids) = self.by_owner.get_mut(&object.owner) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.by_owner.remove(&object.owner);
            }
        }
    }

    fn use_members(&mut self, id: MemberSetId) {
        if let Some(kept) = self.member_sets.get_mut(&id) {
            kept.users += 1;
        }
    }

    fn release_members(&mut self, id: MemberSetId) {
        let Some(kept) = self.member_sets.get_mut(&id) else { return };
        kept.users -= 1;
        if kept.users == 0
            && let Some(kept) = self.member_sets.remove(&id)
        {
            self.member_set_ids.remove(&kept.set);
        }
    }

    /// The world, to be written down.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            sequence: self.sequence,
            machines: self.machines.values().cloned().collect(),
            member_sets: self.member_sets.iter().map(|(id, kept)| (*id, Arc::clone(&kept.set))).collect(),
            load_balancers: self.load_balancers.values().cloned().collect(),
            routes: self.routes.values().cloned().collect(),
            totals: self.totals.clone(),
        }
    }

    /// The world as it was written down.
    pub(crate) fn restore(snapshot: Snapshot) -> Self {
        let mut world = Self { sequence: snapshot.sequence, totals: snapshot.totals, ..Self::default() };
        for (id, set) in snapshot.member_sets {
            world.member_set_ids.insert(Arc::clone(&set), id);
            world.member_sets.insert(id, Kept { set, users: 0 });
        }
        for machine in snapshot.machines {
            world.put_machine(machine);
        }
        for object in snapshot.load_balancers {
            world.put_load_balancer(object, None);
        }
        world.routes = snapshot.routes.into_iter().map(|route| (route.name.clone(), route)).collect();
        world
    }
}

fn addresses(machine: &Machine) -> impl Iterator<Item = Ipv4Addr> {
    machine.addresses.iter().filter_map(|address| address.address.parse().ok())
}
