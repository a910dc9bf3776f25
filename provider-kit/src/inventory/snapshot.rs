//! A complete listing, with the indices look-ups need.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::{Answer, Candidates, Machine, Outcome, Unidentified};

/// All machines of an account, as they were at one time.
pub struct Snapshot<M> {
    machines: Vec<Arc<M>>,
    by_id: HashMap<String, usize>,
    by_ip: HashMap<IpAddr, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
    /// When reading began: what happened later may or may not be in it.
    began: Instant,
    observed_at: SystemTime,
}

impl<M: Machine> Snapshot<M> {
    /// Servers that were made or removed meanwhile move others from page to page, so one may come twice: the later counts.
    pub(super) fn new(machines: Vec<M>, began: Instant, observed_at: SystemTime) -> Self {
        let latest: HashMap<String, M> =
            machines.into_iter().map(|machine| (machine.id().to_owned(), machine)).collect();
        let machines: Vec<Arc<M>> = latest.into_values().map(Arc::new).collect();
        let mut by_ip: HashMap<IpAddr, Vec<usize>> = HashMap::new();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, machine) in machines.iter().enumerate() {
            // An address outside is nobody's internal one.
            for (ip, _) in machine.addresses().into_iter().filter(|(_, outside)| !outside) {
                let known: &mut Vec<usize> = by_ip.entry(ip).or_default();
                if known.last() != Some(&index) {
                    known.push(index);
                }
            }
            for name in machine.names() {
                let known: &mut Vec<usize> = by_name.entry(name.to_owned()).or_default();
                if known.last() != Some(&index) {
                    known.push(index);
                }
            }
        }
        let indices = machines.iter().enumerate().map(|(index, machine)| (machine.id().to_owned(), index)).collect();
        Self { machines, by_id: indices, by_ip, by_name, began, observed_at }
    }

    /// How many machines there are.
    #[allow(clippy::len_without_is_empty, reason = "an empty account is nothing special")]
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// When reading began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// A machine by its id.
    pub fn get(&self, id: &str) -> Option<&Arc<M>> {
        self.by_id.get(id).map(|index| &self.machines[*index])
    }

    /// What it says about a machine it has.
    pub(super) fn answer(&self, id: &str) -> Option<Answer<M>> {
        let outcome = Outcome::Found(self.get(id)?.clone());
        Some(Answer { outcome, observed_at: self.observed_at })
    }

    /// The outcome of identifying a machine in it.
    pub(super) fn tell(&self, outcome: Result<&M, Unidentified>) -> Answer<M> {
        let outcome = match outcome {
            Ok(machine) => {
                let known = self.get(machine.id()).cloned();
                Outcome::Found(known.unwrap_or_else(|| Arc::new(machine.clone())))
            }
            Err(unidentified) => Outcome::Unidentified(unidentified),
        };
        Answer { outcome, observed_at: self.observed_at }
    }

    fn all(&self, indices: Option<&Vec<usize>>) -> Vec<&M> {
        indices.into_iter().flatten().map(|index| &*self.machines[*index]).collect()
    }
}

impl<M: Machine> Candidates<M> for Snapshot<M> {
    fn with_ip(&self, ip: IpAddr) -> Vec<&M> {
        self.all(self.by_ip.get(&ip))
    }

    fn named(&self, name: &str) -> Vec<&M> {
        self.all(self.by_name.get(name))
    }
}
