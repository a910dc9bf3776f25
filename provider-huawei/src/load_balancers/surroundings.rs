//! What is remembered for an account: its subnets, and creations whose answer was lost. Nothing that a restart may not forget.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cloud_rest::{Error, Executed, Kind};
use tokio::time::Instant;

use crate::{api::subnets::Subnet, cloud::Cloud, plan::wanted::Place};

/// How long the subnets are taken to be what they were.
const FRESH: Duration = Duration::from_mins(5);
/// How soon they are read again when an address is in none of them.
const DOUBT: Duration = Duration::from_secs(20);
/// How long it is remembered since when a list lacks something: longer than anybody pauses between two looks.
const REMEMBER: Duration = Duration::from_mins(10);
/// How long a list may lack what was just made. The cloud promises nothing; its lists have been seen to be half a minute behind, and
/// a second load balancer costs more than a late one.
pub(super) const SETTLE: Duration = Duration::from_secs(30);

/// Shared by all calls for an account.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    place: tokio::sync::Mutex<Option<(Instant, Arc<Place>)>>,
    lost: Mutex<HashMap<String, Instant>>,
    /// When a list that lacks the load balancer of a Service that may have one is to be believed.
    believed: Mutex<HashMap<String, Instant>>,
}

impl Memory {
    /// Where things are. `fits`: what is remembered will do; else it is read again, though not over and over.
    pub(super) async fn place(&self, cloud: &Cloud, fits: impl Fn(&Place) -> bool + Send) -> Result<Arc<Place>, Error> {
        // Held while reading: one reading serves all who wait.
        let mut place = self.place.lock().await;
        if let Some((at, place)) = &*place {
            let age = at.elapsed();
            if age < DOUBT || (age < FRESH && fits(place)) {
                return Ok(Arc::clone(place));
            }
        }
        let vpc = &cloud.config().vpc;
        let subnets = cloud.subnets(vpc.id.as_deref()).await?;
        if subnets.is_empty() {
            // There are nodes, so there are subnets: the list is not believed, and not remembered.
            let message = "the cloud lists no subnet of the VPC: check section [Vpc] of the configuration";
            return Err(Error { executed: Executed::Yes, ..Error::unsent("ListSubnets", Kind::Server, message) });
        }
        let fresh = Arc::new(place_of(&subnets, vpc.id.as_deref(), vpc.subnet_id.as_deref()));
        *place = Some((Instant::now(), Arc::clone(&fresh)));
        Ok(fresh)
    }

    /// A creation whose outcome is unknown.
    pub(super) fn lost(&self, key: &str) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.retain(|_, at| at.elapsed() < SETTLE);
        lost.insert(key.to_owned(), Instant::now());
    }

    /// How long a list that lacks this key's load balancer still proves nothing.
    pub(super) fn doubtful(&self, key: &str) -> Option<Duration> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        SETTLE.checked_sub(lost.get(key)?.elapsed()).filter(|left| !left.is_zero())
    }

    /// A list lacks a load balancer that a forerunner of ours may have made: how long it still proves nothing. Counted from the
    /// first look, as nobody knows when it was made.
    pub(super) fn lacking(&self, key: &str) -> Option<Duration> {
        let now = Instant::now();
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        believed.retain(|_, at| now.saturating_duration_since(*at) < REMEMBER);
        let at = *believed.entry(key.to_owned()).or_insert(now + SETTLE);
        at.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// It was found.
    pub(super) fn found(&self, key: &str) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.believed.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// It was found, and is being deleted: a list that lacks it is right.
    pub(super) fn going(&self, key: &str) {
        self.believed.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), Instant::now());
    }
}

/// Without a VPC in the configuration, the default subnet's counts.
fn place_of(subnets: &[Subnet], vpc: Option<&str>, default_subnet: Option<&str>) -> Place {
    let of_default = subnets.iter().find(|subnet| Some(subnet.neutron_subnet_id.as_str()) == default_subnet);
    let vpc = vpc.or_else(|| of_default.map(|subnet| subnet.vpc_id.as_str()));
    Place::new(subnets, vpc, default_subnet)
}
