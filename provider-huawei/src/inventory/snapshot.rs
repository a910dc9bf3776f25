//! A complete listing, with the indices look-ups need.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::{Answer, Outcome};
use crate::nodes::{
    identify::{Candidates, Unidentified},
    machine::Machine,
};

/// All servers of an account, as they were at one time.
pub(crate) struct Snapshot {
    machines: Vec<Arc<Machine>>,
    by_id: HashMap<String, usize>,
    by_ip: HashMap<IpAddr, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
    /// When reading began: what happened later may or may not be in it.
    began: Instant,
    observed_at: SystemTime,
}

impl Snapshot {
    /// Servers that were made or removed meanwhile move others from page to page, so one may come twice: the later counts.
    pub(crate) fn new(machines: Vec<Machine>, began: Instant, observed_at: SystemTime) -> Self {
        let latest: HashMap<String, Machine> =
            machines.into_iter().map(|machine| (machine.id.clone(), machine)).collect();
        let machines: Vec<Arc<Machine>> = latest.into_values().map(Arc::new).collect();
        let mut by_ip: HashMap<IpAddr, Vec<usize>> = HashMap::new();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, machine) in machines.iter().enumerate() {
            // An elastic IP is nobody's internal address.
            for address in machine.addresses.iter().filter(|address| !address.floating) {
                by_ip.entry(address.ip).or_default().push(index);
            }
            by_name.entry(machine.name.clone()).or_default().push(index);
        }
        let indices = machines.iter().enumerate().map(|(index, machine)| (machine.id.clone(), index)).collect();
        Self { machines, by_id: indices, by_ip, by_name, began, observed_at }
    }

    /// How many servers there are.
    pub(crate) fn len(&self) -> usize {
        self.machines.len()
    }

    /// When reading began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// A server by its id.
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Machine>> {
        self.by_id.get(id).map(|index| &self.machines[*index])
    }

    /// What it says about a server it has.
    pub(super) fn answer(&self, id: &str) -> Option<Answer> {
        let outcome = Outcome::Found(self.get(id)?.clone());
        Some(Answer { outcome, observed_at: self.observed_at })
    }

    /// The outcome of identifying a server in it.
    pub(super) fn tell(&self, outcome: Result<&Machine, Unidentified>) -> Answer {
        let outcome = match outcome {
            Ok(machine) => {
                let known = self.get(&machine.id).cloned();
                Outcome::Found(known.unwrap_or_else(|| Arc::new(machine.clone())))
            }
            Err(unidentified) => Outcome::Unidentified(unidentified),
        };
        Answer { outcome, observed_at: self.observed_at }
    }

    fn all(&self, indices: Option<&Vec<usize>>) -> Vec<&Machine> {
        indices.into_iter().flatten().map(|index| &*self.machines[*index]).collect()
    }
}

impl Candidates for Snapshot {
    fn with_ip(&self, ip: IpAddr) -> Vec<&Machine> {
        self.all(self.by_ip.get(&ip))
    }

    fn named(&self, name: &str) -> Vec<&Machine> {
        self.all(self.by_name.get(name))
    }
}
