//! What is remembered for an account: its subnets, and creations whose answer was lost. Nothing that a restart may not forget.

use std::{sync::Arc, time::Duration};

use cloud_rest::{Error, Executed, Kind};
use provider_kit::{load_balancers::Creations, tenancy::Quotas};
use tokio::time::Instant;

use crate::{api::subnets::Subnet, cloud::Cloud, plan::wanted::Place};

/// How long the subnets are taken to be what they were.
const FRESH: Duration = Duration::from_mins(5);
/// How soon they are read again when an address is in none of them.
const DOUBT: Duration = Duration::from_secs(20);
/// Shared by all calls for an account.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    place: tokio::sync::Mutex<Option<(Instant, Arc<Place>)>>,
    /// Creations of which nobody knows how they ended.
    pub(super) creations: Creations,
    /// What is being made for tenants.
    pub(super) quotas: Quotas,
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
}

/// Without a VPC in the configuration, the default subnet's counts.
fn place_of(subnets: &[Subnet], vpc: Option<&str>, default_subnet: Option<&str>) -> Place {
    let of_default = subnets.iter().find(|subnet| Some(subnet.neutron_subnet_id.as_str()) == default_subnet);
    let vpc = vpc.or_else(|| of_default.map(|subnet| subnet.vpc_id.as_str()));
    Place::new(subnets, vpc, default_subnet)
}
