//! What is remembered for an account. Nothing that a restart may not forget.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cloud_rest::Error;
use provider_kit::{load_balancers::Creations, tenancy::Quotas};
use tokio::{sync::Notify, time::Instant};

use super::recent::Recent;
use crate::{
    api::{
        cce::{self, Cluster},
        subnets::Subnet,
    },
    cloud::Cloud,
};

/// How long the subnets are taken to be what they were: their free addresses change.
const FRESH: Duration = Duration::from_mins(1);

/// How long a cluster that could not be read is not asked for again: nothing hangs on it that may wait for it.
const UNREAD: Duration = Duration::from_mins(5);

/// By the VPC.
type Subnets = HashMap<String, (Instant, Arc<Vec<Subnet>>)>;

/// Shared by all calls for an account.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    subnets: tokio::sync::Mutex<Subnets>,
    cluster: tokio::sync::Mutex<Option<(Instant, Option<Arc<Cluster>>)>>,
    /// Creations of which nobody knows how they ended.
    pub(super) creations: Creations,
    /// Addresses the cloud said it had made, and did not know when they were to be bound: the answer to a repeated call can be about
    /// one that was released since.
    dead_eips: Mutex<HashMap<String, String>>,
    /// What is being made for tenants.
    pub(super) quotas: Quotas,
    /// What calls leave to those that follow.
    pub(super) recent: Recent,
    /// Something is about to be changed.
    changes: Notify,
}

impl Memory {
    /// Something is about to be changed.
    pub(super) fn changing(&self) {
        self.changes.notify_one();
    }

    /// Comes back when a load balancer or address is about to be changed, the first of a daemon's life if nobody else waits.
    pub(crate) async fn change(&self) {
        self.changes.notified().await;
    }

    /// The subnets of a VPC.
    pub(super) async fn subnets(&self, cloud: &Cloud, vpc: &str) -> Result<Arc<Vec<Subnet>>, Error> {
        // Held while reading: one reading serves all who wait.
        let mut known = self.subnets.lock().await;
        known.retain(|_, (at, _)| at.elapsed() < FRESH);
        if let Some((_, subnets)) = known.get(vpc) {
            return Ok(Arc::clone(subnets));
        }
        let fresh = Arc::new(cloud.subnets(vpc).await?);
        known.insert(vpc.to_owned(), (Instant::now(), Arc::clone(&fresh)));
        Ok(fresh)
    }

    /// The cluster that is served, as CCE described it when it was first asked. `None`: nobody can say, as the key may not ask, the cluster
    /// is none of CCE's, or of its first version.
    pub(crate) async fn cluster(&self, cloud: &Cloud) -> Option<Arc<Cluster>> {
        let id = &cloud.config().cluster_id;
        if cce::is_v1(id) {
            return None;
        }
        // Held while reading: one reading serves all who wait.
        let mut known = self.cluster.lock().await;
        if let Some((at, cluster)) = &*known
            && (cluster.is_some() || at.elapsed() < UNREAD)
        {
            return cluster.clone();
        }
        let read = cloud.cluster(id).await.inspect_err(|error| {
            tracing::info!(cluster = id, %error, "not known what CCE says of the cluster: its subnet for load balancers, and whether \
                                                  its own cloud controller is off");
        });
        let cluster = read.ok().map(Arc::new);
        *known = Some((Instant::now(), cluster.clone()));
        cluster
    }

    pub(super) fn eip_is_dead(&self, key: &str, ip: &str) {
        self.dead_eips.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), ip.to_owned());
    }

    pub(super) fn dead_eip(&self, key: &str) -> Option<String> {
        self.dead_eips.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The Service is done with.
    pub(super) fn forget(&self, key: &str) {
        self.dead_eips.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.recent.forget(key);
    }
}
