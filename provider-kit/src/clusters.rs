//! The service of the API around a cloud's managed clusters.

use std::time::SystemTime;

use cloud_provider_api::v1::{self, clusters_server::Clusters};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    caller::Call,
    check::Checker,
    error::Result,
    pages::{Listing, whole},
};

/// Clusters that the cloud runs for its users.
#[async_trait]
pub trait ManagedClusters: Send + Sync + 'static {
    /// Those of a tenant's account, as the cloud shows them now. `tenant` is named as in the request.
    async fn all(&self, call: &Call, tenant: &str) -> Result<Vec<v1::ManagedCluster>>;

    /// Issues a kubeconfig for one of them, which the request names.
    async fn issue(&self, call: &Call, request: v1::IssueKubeconfigRequest) -> Result<v1::IssueKubeconfigResponse>;
}

/// Serves [`ManagedClusters`]. Add it with [`Daemon::clusters`](crate::Daemon::clusters).
#[derive(Debug)]
pub struct ClusterService<C>(pub C);

#[async_trait]
impl<C: ManagedClusters> Clusters for ClusterService<C> {
    type ListClustersStream = Listing<v1::ListClustersResponse>;

    async fn list_clusters(
        &self,
        request: Request<v1::ListClustersRequest>,
    ) -> Result<Response<Self::ListClustersStream>, Status> {
        let call = Call::of(&request)?.clone();
        let observed_at = SystemTime::now();
        Ok(whole(self.0.all(&call, &request.into_inner().tenant).await?, observed_at))
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
        Ok(Response::new(self.0.issue(&call, request).await?))
    }
}
