//! The cloud's managed clusters (CCE), and kubeconfigs for them.

use std::time::Duration;

use cloud_provider_api::{error::Reason, v1};
use jiff::Timestamp;
use provider_kit::{Call, Error, Result, clusters::ManagedClusters, rest};

use super::Provider;
use crate::{
    PROVIDER,
    api::cce::{Lifetime, ManagedCluster},
    fault, kubeconfig,
};

const DAY: Duration = Duration::from_hours(24);
/// When the caller does not say: the shortest that every installation can issue.
const DEFAULT_LIFETIME: Duration = DAY;
/// Shortest lifetime of a kubeconfig.
const SHORTEST: Duration = Duration::from_mins(15);
/// Longest lifetime of a kubeconfig, in days.
const LONGEST_DAYS: u64 = 1827;

#[tonic::async_trait]
impl ManagedClusters for Provider {
    async fn all(&self, call: &Call, tenant: &str) -> Result<Vec<v1::ManagedCluster>> {
        let account = self.account(call, tenant)?;
        let clusters = account.cloud.managed_clusters().await.map_err(|error| fault::of(&error))?;
        let region = account.cloud.region();
        Ok(clusters.into_iter().map(|cluster| on_wire(cluster, region)).collect())
    }

    async fn issue(&self, call: &Call, request: v1::IssueKubeconfigRequest) -> Result<v1::IssueKubeconfigResponse> {
        let lifetime = lifetime(request.lifetime, Timestamp::now())?;
        let account = self.account(call, &request.tenant)?;
        let cloud = account.acting_for(call, &request.cluster_id);
        let issued = cloud.cluster_certificate(&request.cluster_id, &lifetime).await;
        let issued = issued.map_err(|error| rest::fault_of_named(PROVIDER, &error))?;
        let endpoint = request.endpoint();
        let only = kubeconfig::only(&issued.value, endpoint);
        rest::issued(PROVIDER, &request.cluster_id, endpoint, only)
    }
}

fn on_wire(cluster: ManagedCluster, region: &str) -> v1::ManagedCluster {
    let has = |kind: &str| cluster.status.endpoints.iter().any(|endpoint| endpoint.kind.eq_ignore_ascii_case(kind));
    let public = has("External").then_some(v1::ClusterEndpoint::Public);
    let vpc = has("Internal").then_some(v1::ClusterEndpoint::Vpc);
    v1::ManagedCluster {
        id: cluster.metadata.uid,
        name: cluster.metadata.name,
        version: cluster.spec.version,
        region: region.to_owned(),
        state: cluster.status.phase,
        endpoints: public.into_iter().chain(vpc).map(i32::from).collect(),
        notices: Vec::new(),
    }
}

/// Older installations count whole days; newer ones take the very moment, and older ones ignore it.
fn lifetime(asked: Option<prost_types::Duration>, now: Timestamp) -> Result<Lifetime> {
    let asked = asked.map_or(Ok(DEFAULT_LIFETIME), Duration::try_from);
    let asked = asked.map_err(|_| Error::field("lifetime", "is negative"))?;
    if asked.is_zero() {
        return Err(Error::field("lifetime", "must be more than zero"));
    }
    let days = asked.as_secs().div_ceil(DAY.as_secs());
    let days = u32::try_from(days).ok().filter(|days| u64::from(*days) <= LONGEST_DAYS && asked >= SHORTEST);
    let duration = days.ok_or_else(|| {
        let message =
            format!("lifetime: kubeconfigs last from 15 minutes to {LONGEST_DAYS} days on Huawei Cloud, not {asked:?}");
        Error::cloud(PROVIDER, Reason::OutOfRange, message)
    })?;
    let whole = asked.as_secs().is_multiple_of(DAY.as_secs());
    let expire_at = (!whole).then(|| (now + asked).strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string());
    Ok(Lifetime { duration, expire_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(seconds: u64) -> Result<Lifetime> {
        let now = "2026-11-20T10:00:00Z".parse().unwrap();
        lifetime(Some(Duration::from_secs(seconds).try_into().unwrap()), now)
    }

    #[test]
    fn lifetimes_are_days_and_where_they_are_not_the_very_moment_too() {
        let day = 24 * 3600;
        assert_eq!(lifetime(None, Timestamp::now()).unwrap(), Lifetime { duration: 1, expire_at: None });
        assert_eq!(asked(30 * day).unwrap(), Lifetime { duration: 30, expire_at: None });
        let hour = Lifetime { duration: 1, expire_at: Some("2026-11-20 11:00:00 +0000 UTC".to_owned()) };
        assert_eq!(asked(3600).unwrap(), hour);
        assert_eq!(asked(1827 * day).unwrap().duration, 1827);
        for refused in [60, 1827 * day + 1, u64::from(u32::MAX) * 100_000] {
            assert_eq!(asked(refused).unwrap_err().reason(), Reason::OutOfRange, "{refused}");
        }
        assert_eq!(asked(0).unwrap_err().reason(), Reason::FieldInvalid);
    }
}
