//! The account's machines, of whichever services its installation has, as one inventory.
//!
//! Ids tell machines at the edge from others, but not bare metal from virtual: what BCC does not know is asked of BBC before it is
//! called absent. A cluster without bare metal should not pay a call for it in each listing, so BBC is listed only now and then
//! until a machine of its is seen.

use std::sync::{Mutex, PoisonError};

use cloud_rest::{Answer, Error, Kind};
use futures::future::try_join3;
use provider_kit::{
    Result,
    inventory::{Inventory, Servers, Shown},
};
use tokio::time::{Duration, Instant};

use crate::{
    PROVIDER,
    api::Wire,
    cloud::Cloud,
    fault,
    nodes::{
        machine::Machine,
        provider_id::{self, is_at_the_edge},
    },
};

/// BBC is looked at this often while it has no machine.
const LOOK: Duration = Duration::from_mins(5);

/// Where machines are read from.
pub(crate) struct Machines {
    cloud: Cloud,
    bare_metal: Mutex<BareMetal>,
}

/// The machines of one account.
pub(crate) type Fleet = Inventory<Machines>;

/// Whether there is any.
#[derive(Clone, Copy)]
enum BareMetal {
    Unknown,
    Seen,
    None { at: Instant },
}

impl Machines {
    pub(crate) fn new(cloud: Cloud) -> Self {
        Self { cloud, bare_metal: Mutex::new(BareMetal::Unknown) }
    }

    fn lists_bare_metal(&self) -> bool {
        let known = *self.bare_metal.lock().unwrap_or_else(PoisonError::into_inner);
        self.cloud.config().profile.features.bbc
            && match known {
                BareMetal::Unknown | BareMetal::Seen => true,
                BareMetal::None { at } => at.elapsed() >= LOOK,
            }
    }

    fn note(&self, known: BareMetal) {
        *self.bare_metal.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// All of BBC's.
    async fn bare_metal(&self) -> Result<Vec<Machine>, Error> {
        let listed = match self.cloud.bbc_instances().await {
            Err(error) if is_not_ordered(&error) => Vec::new(),
            outcome => outcome?,
        };
        self.note(if listed.is_empty() { BareMetal::None { at: Instant::now() } } else { BareMetal::Seen });
        Ok(there(listed))
    }

    /// A machine in the region: BCC's word alone is no proof where it may be BBC's.
    async fn show_in_region(&self, id: &str) -> Result<Shown<Machine>> {
        let features = &self.cloud.config().profile.features;
        let mut absent = None;
        if features.bcc {
            match judge(id, "GetInstanceDetail", self.cloud.bcc_instance(id).await)? {
                Shown::There(machine) => return Ok(Shown::There(machine)),
                Shown::Absent { evidence } => absent = Some(evidence),
            }
        }
        if features.bbc {
            match judge(id, "GetBareMetalInstance", self.cloud.bbc_instance(id).await)? {
                Shown::There(machine) => {
                    self.note(BareMetal::Seen);
                    return Ok(Shown::There(machine));
                }
                Shown::Absent { evidence } => {
                    absent = Some(absent.map_or(evidence.clone(), |first| format!("BCC: {first}; BBC: {evidence}")));
                }
            }
        }
        let unasked = || Error::unsent("GetInstanceDetail", Kind::NoSuchApi, "the profile has no machines in a region");
        absent.map(|evidence| Shown::Absent { evidence }).ok_or_else(|| fault::of(&unasked()))
    }

    async fn show_at_the_edge(&self, id: &str) -> Result<Shown<Machine>> {
        if !self.cloud.config().profile.features.bec {
            let message = "the profile has no machines at the edge: `cloud-edge` and `edge` have";
            return Err(fault::of(&Error::unsent("GetVmInstance", Kind::NoSuchApi, message)));
        }
        judge(id, "GetVmInstance", self.cloud.bec_instance(id).await)
    }
}

impl Servers for Machines {
    type Machine = Machine;

    const PROVIDER: &'static str = PROVIDER;
    const SCHEME: &'static str = provider_id::SCHEME;

    async fn list(&self) -> Result<Vec<Machine>> {
        let features = &self.cloud.config().profile.features;
        let virtual_ones =
            Box::pin(async { if features.bcc { self.cloud.bcc_instances().await.map(there) } else { Ok(Vec::new()) } });
        let bare = Box::pin(async { if self.lists_bare_metal() { self.bare_metal().await } else { Ok(Vec::new()) } });
        let edge =
            Box::pin(async { if features.bec { self.cloud.bec_instances().await.map(there) } else { Ok(Vec::new()) } });
        let (mut all, bare, edge) =
            try_join3(virtual_ones, bare, edge).await.map_err(|error: Error| fault::of(&error))?;
        all.extend(bare);
        all.extend(edge);
        Ok(all)
    }

    async fn by_ids(&self, ids: &[String]) -> Result<Vec<Machine>> {
        let features = &self.cloud.config().profile.features;
        let (edge, region): (Vec<String>, Vec<String>) = ids.iter().cloned().partition(|id| is_at_the_edge(id));
        let mut found = Vec::new();
        if features.bcc && !region.is_empty() {
            let instances = self.cloud.bcc_instances_by_ids(&region).await.map_err(|error| fault::of(&error))?;
            found.extend(there(instances));
        }
        if features.bec && !edge.is_empty() {
            let instances = self.cloud.bec_instances_by_ids(&edge).await.map_err(|error| fault::of(&error))?;
            found.extend(there(instances));
        }
        found.retain(|machine| ids.contains(&machine.id));
        Ok(found)
    }

    async fn show(&self, id: &str) -> Result<Shown<Machine>> {
        if is_at_the_edge(id) { self.show_at_the_edge(id).await } else { self.show_in_region(id).await }
    }
}

/// Those that are not gone: which are, a question about each by itself tells.
fn there<T: Wire>(instances: Vec<T>) -> Vec<Machine> {
    instances.into_iter().filter(|one| !one.is_gone() && !one.id().is_empty()).map(T::into_machine).collect()
}

/// The cloud's word about one machine.
fn judge<T: Wire>(id: &str, call: &'static str, answer: Result<Answer<T>, Error>) -> Result<Shown<Machine>> {
    let absent = |said: &str, request_id: Option<String>| {
        let request = request_id.unwrap_or_else(|| "without id".to_owned());
        Ok(Shown::Absent { evidence: format!("{said}, request {request}") })
    };
    match answer {
        Ok(answer) if answer.value.id() != id => {
            Err(fault::of(&Error::unsent(call, Kind::Garbled, "the answer is about another machine")))
        }
        Ok(answer) if answer.value.is_gone() => absent(&format!("status {}", answer.value.status()), answer.request_id),
        Ok(answer) => Ok(Shown::There(Box::new(answer.value.into_machine()))),
        // A 404 without the service's own code comes from something in between.
        Err(error) if error.is_not_found() && !error.code.is_empty() => absent(&error.code, error.request_id),
        // Who has not ordered a service has no machine of its.
        Err(error) if is_not_ordered(&error) => absent(&error.code, error.request_id),
        Err(error) => Err(fault::of(&error)),
    }
}

/// The account does not use the service at all.
fn is_not_ordered(error: &Error) -> bool {
    error.code == "OptInRequired"
}
