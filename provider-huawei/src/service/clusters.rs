//! The cloud's managed clusters (CCE), and kubeconfigs for them.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cloud_provider_api::{
    error::Reason,
    v1::{self, clusters_server::Clusters},
};
use futures::stream;
use jiff::Timestamp;
use provider_kit::{Batch, Call, Checker, Error, Listing, Result, listing};
use tonic::{Request, Response, Status};
use x509_parser::pem::parse_x509_pem;

use super::Provider;
use crate::{
    PROVIDER,
    api::cce::{Lifetime, ManagedCluster},
    fault,
};

const DAY: Duration = Duration::from_hours(24);
/// When the caller does not say: the shortest that every installation can issue.
const DEFAULT_LIFETIME: Duration = DAY;
/// Shortest lifetime of a kubeconfig.
const SHORTEST: Duration = Duration::from_mins(15);
/// Longest lifetime of a kubeconfig, in days.
const LONGEST_DAYS: u64 = 1827;

#[tonic::async_trait]
impl Clusters for Provider {
    type ListClustersStream = Listing<v1::ListClustersResponse>;

    async fn list_clusters(
        &self,
        request: Request<v1::ListClustersRequest>,
    ) -> Result<Response<Self::ListClustersStream>, Status> {
        let call = Call::of(&request)?.clone();
        let account = self.account(&call, &request.into_inner().tenant)?;
        let observed_at = SystemTime::now();
        let clusters = account.cloud.managed_clusters().await.map_err(|error| fault::of(&error))?;
        let region = account.cloud.region();
        let items = clusters.into_iter().map(|cluster| on_wire(cluster, region)).collect();
        Ok(Response::new(listing(stream::iter([Ok(Batch { items, observed_at })]))))
    }

    async fn issue_kubeconfig(
        &self,
        request: Request<v1::IssueKubeconfigRequest>,
    ) -> Result<Response<v1::IssueKubeconfigResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        let mut checker = Checker::default();
        checker.text("cluster_id", &request.cluster_id, 1..=512);
        checker.finish()?;
        let lifetime = lifetime(request.lifetime, Timestamp::now())?;
        let account = self.account(&call, &request.tenant)?;
        let cloud = account.acting_for(&call, &request.cluster_id);
        let issued = cloud.cluster_certificate(&request.cluster_id, &lifetime).await;
        let issued = issued.map_err(|error| {
            let absent = || Error::cloud(PROVIDER, Reason::ObjectAbsent, error.to_string());
            if error.is_not_found() { absent() } else { fault::of(&error) }
        })?;
        let endpoint = request.endpoint();
        let only = issued.value.only(endpoint).ok_or_else(|| {
            let message = format!("cluster {} has no {} endpoint", request.cluster_id, name(endpoint));
            Error::cloud(PROVIDER, Reason::EndpointAbsent, message)
        })?;
        if only.skips_verification() {
            tracing::warn!(
                cluster = request.cluster_id,
                "the cloud's kubeconfig for this endpoint does not verify the server"
            );
        }
        let kubeconfig = only.to_file().map_err(|_| unreadable("the kubeconfig cannot be written"))?;
        let expires_at = only.certificate().and_then(ends).map(Into::into);
        Ok(Response::new(v1::IssueKubeconfigResponse { kubeconfig, expires_at }))
    }
}

fn unreadable(message: &str) -> Error {
    Error::cloud(PROVIDER, Reason::AnswerUnreadable, message)
}

fn name(endpoint: v1::ClusterEndpoint) -> &'static str {
    match endpoint {
        v1::ClusterEndpoint::Public => "public",
        v1::ClusterEndpoint::Vpc => "VPC",
        v1::ClusterEndpoint::Unspecified => "usable",
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

/// When a client certificate ends: base64 of PEM.
fn ends(certificate: &str) -> Option<SystemTime> {
    let pem = STANDARD.decode(certificate).ok()?;
    let (_, pem) = parse_x509_pem(&pem).ok()?;
    let seconds = pem.parse_x509().ok()?.validity().not_after.timestamp();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
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

    #[test]
    fn what_is_no_certificate_has_no_end() {
        assert_eq!(ends("Y2VydA=="), None);
        assert_eq!(ends("%"), None);
    }
}
