//! The simulated cloud: machines, load balancers and routes behind one lock that is never held across an await.
//!
//! Its methods are the cloud's own API: what a daemon would call over HTTPS, plus what a person does at the cloud's console
//! behind the daemon's back (stop a machine, delete a load balancer). Every mutating call is counted, remembered for a while
//! and, with a state file, written down before the method returns.

mod history;
mod ids;
mod instances;
mod journal;
mod load_balancer;
mod load_balancers;
mod machine;
mod members;
mod operation;
mod route;
mod routes;
mod time;
mod world;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::broadcast;

pub(crate) use self::ids::mix;
pub use self::{
    history::Event,
    instances::{LookUp, Wanted},
    journal::JournalError,
    load_balancer::{Attributes, Listener, LoadBalancer, Owner, Protocol},
    load_balancers::NewLoadBalancer,
    machine::{Address, AddressKind, Machine, MachinePatch, MachineState},
    members::{MemberSet, MemberSetId, NodeTarget, PodTarget},
    operation::Operation,
    route::Route,
    time::{Clock, Time},
};
use self::{
    history::History,
    journal::Journal,
    world::{Change, Mutation, World},
};
use crate::{
    scenario::Scenario,
    traffic::{Balanced, Traffic},
};

/// Events kept for assertions.
const HISTORY: usize = 10_000;
/// Hints a slow watcher may lag behind before it is told to look at everything.
const HINTS: usize = 1024;

/// Why the cloud refuses a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// There is no such object.
    #[error("{kind} {name:?} does not exist")]
    Absent {
        /// What it would be.
        kind: &'static str,
        /// Its id or name.
        name: String,
    },
    /// An object of this id or name exists already.
    #[error("{kind} {name:?} exists already")]
    Exists {
        /// What it is.
        kind: &'static str,
        /// Its id or name.
        name: String,
    },
    /// A quota is used up.
    #[error("quota {quota} of {subject} is used up: {limit} at most")]
    Quota {
        /// Name of the quota.
        quota: &'static str,
        /// Account or tenant.
        subject: String,
        /// How many there may be.
        limit: u32,
    },
    /// No address is left.
    #[error("network {network} has no free address left")]
    NoAddress {
        /// The network.
        network: String,
    },
    /// The wanted address cannot be had.
    #[error("address {address} cannot be had: {why}")]
    AddressRefused {
        /// The address.
        address: String,
        /// The reason.
        why: &'static str,
    },
    /// The object is in a state in which this cannot be done.
    #[error("{kind} {name:?} is {state}")]
    Busy {
        /// What it is.
        kind: &'static str,
        /// Its id.
        name: String,
        /// What it is doing.
        state: &'static str,
    },
    /// A value makes no sense.
    #[error("{field}: {fault}")]
    Invalid {
        /// The field.
        field: String,
        /// What is wrong and how to put it right.
        fault: String,
    },
}

/// A machine may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineHint {
    /// Its providerID.
    pub provider_id: String,
    /// Its node.
    pub node_name: String,
}

/// A simulated cloud. Clones are handles to the same one.
#[derive(Clone)]
pub struct Cloud(Arc<Shared>);

struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

/// All that the lock protects.
struct State {
    scenario: Arc<Scenario>,
    world: World,
    history: History,
    reads: BTreeMap<Operation, u64>,
    journal: Option<Journal>,
    traffic: Option<Traffic>,
    hints: broadcast::Sender<MachineHint>,
    /// The time of the call that holds the lock.
    now: Time,
}

impl Cloud {
    /// A cloud as the scenario describes it. With a state file it goes on from what the file holds; with `traffic` its load
    /// balancers carry connections.
    ///
    /// # Errors
    /// The state file cannot be used.
    pub fn open(scenario: Scenario, state_file: Option<&Path>, traffic: Option<Traffic>) -> Result<Self, JournalError> {
        let (world, journal) = match state_file {
            Some(path) => {
                let (world, journal) = Journal::open(path)?;
                (world, Some(journal))
            }
            None => (World::default(), None),
        };
        let scenario = Arc::new(scenario);
        let state = State {
            scenario: Arc::clone(&scenario),
            world,
            history: History::new(HISTORY),
            reads: BTreeMap::new(),
            journal,
            traffic,
            hints: broadcast::channel(HINTS).0,
            now: Time::default(),
        };
        let cloud = Self(Arc::new(Shared { clock: Clock::start(), state: Mutex::new(state) }));
        cloud.call(|state| {
            state.carry_everything();
            state.take_list(&Scenario::default(), &scenario);
        });
        Ok(cloud)
    }

    /// A cloud in memory alone, that carries no traffic.
    pub fn in_memory(scenario: Scenario) -> Self {
        Self::open(scenario, None, None).expect("without a state file there is nothing to fail")
    }

    /// What the cloud goes by.
    pub fn scenario(&self) -> Arc<Scenario> {
        Arc::clone(&self.lock().scenario)
    }

    /// Goes by another scenario from now on. Listed machines and routes that are new in it appear, changed ones change, and
    /// those that it no longer lists go.
    pub fn set_scenario(&self, scenario: Scenario) {
        let new = Arc::new(scenario);
        self.call(|state| {
            let old = std::mem::replace(&mut state.scenario, Arc::clone(&new));
            state.take_list(&old, &new);
        });
    }

    /// The cloud's time.
    pub fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// Hints about machines, from now on.
    pub fn hints(&self) -> broadcast::Receiver<MachineHint> {
        self.lock().hints.subscribe()
    }

    /// How often each call was made: mutating ones since the cloud began, reading ones since the process did.
    pub fn operations(&self) -> BTreeMap<Operation, u64> {
        let state = self.lock();
        let mut all = state.world.totals().clone();
        for (operation, count) in &state.reads {
            *all.entry(*operation).or_default() += count;
        }
        all
    }

    /// The last mutating calls of this process, oldest first; ten thousand at most.
    pub fn history(&self) -> Vec<Event> {
        self.lock().history.events().cloned().collect()
    }

    /// Forgets the history and the counts of reading calls.
    pub fn reset_history(&self) {
        let mut state = self.lock();
        state.history.clear();
        state.reads.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock leaves a whole world: every change is a single `apply`.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one call of the cloud's API: time passes, `body` acts, and what it did is written down before this returns.
    fn call<T>(&self, body: impl FnOnce(&mut State) -> T) -> T {
        let now = self.now();
        let mut state = self.lock();
        state.now = now;
        state.settle();
        let answer = body(&mut state);
        if let Some(journal) = &mut state.journal {
            journal.flush();
        }
        answer
    }
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud").finish_non_exhaustive()
    }
}

impl State {
    /// Notes and does a mutating call.
    fn mutate(&mut self, operation: Operation, target: impl Into<String>, change: Change) {
        let mutation =
            Mutation { at: self.now, operation, target: target.into(), change, sequence: self.world.sequence() };
        if let Some(journal) = &mut self.journal {
            journal.push(&mutation);
        }
        self.history.push(Event { at: mutation.at, operation, target: mutation.target.clone() });
        self.world.apply(mutation);
    }

    /// Tells watchers that a machine may have changed. Machines made because somebody asked are not told of: who asked
    /// knows.
    fn hint(&self, machine: &Machine) {
        // Nobody listening is fine.
        let _ = self.hints.send(MachineHint {
            provider_id: format!("{}://{}", self.scenario.provider.schemes()[0], machine.id),
            node_name: machine.name.to_string(),
        });
    }

    fn count_read(&mut self, operation: Operation) {
        *self.reads.entry(operation).or_default() += 1;
    }

    fn settle(&mut self) {
        for id in self.world.settle(self.now) {
            if let Some(traffic) = &mut self.traffic {
                traffic.remove(&id);
            }
        }
    }

    /// Starts carrying the traffic of every load balancer there is.
    fn carry_everything(&mut self) {
        let Some(traffic) = &mut self.traffic else { return };
        for object in self.world.load_balancers() {
            Balanced::carry(traffic, object, &self.world.members(object.members));
        }
    }

    /// Takes over what `new` lists and `old` did not, and lets go what only `old` listed.
    fn take_list(&mut self, old: &Scenario, new: &Scenario) {
        self.take_machines(&old.instances.list, &new.instances.list);
        self.take_routes(&old.routes.list, &new.routes.list);
    }
}
