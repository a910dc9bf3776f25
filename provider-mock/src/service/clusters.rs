//! Managed clusters, made up from the scenario. Their kubeconfigs lead nowhere.

use std::time::Duration;

use cloud_provider_api::{
    error::Reason,
    v1::{self, clusters_server::Clusters},
};
use tonic::{Request, Response, Status};

use super::{
    Call, Refusal,
    pages::{Answers, Listing},
};
use crate::{MockProvider, cloud::Time, scenario::ClusterSettings};

const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);

#[tonic::async_trait]
impl Clusters for MockProvider {
    type ListClustersStream = Answers<v1::ListClustersResponse>;

    async fn list_clusters(
        &self,
        request: Request<v1::ListClustersRequest>,
    ) -> Result<Response<Self::ListClustersStream>, Status> {
        let (call, request) = Call::of("ListClusters", request);
        let who = call.who();
        let work = async {
            let scenario = self.cloud().scenario();
            who.tenant(&scenario, &request.tenant)?;
            let region = scenario.account().region;
            let clusters = scenario.clusters.iter().flatten().map(|cluster| on_wire(cluster, &region));
            Ok(Listing::of(clusters.collect(), scenario.page_size, self.cloud().now()))
        };
        Ok(Response::new(self.answer(call, work).await?.into_stream()))
    }

    async fn issue_kubeconfig(
        &self,
        request: Request<v1::IssueKubeconfigRequest>,
    ) -> Result<Response<v1::IssueKubeconfigResponse>, Status> {
        let (call, request) = Call::of("IssueKubeconfig", request);
        let who = call.who();
        let work = async {
            let scenario = self.cloud().scenario();
            who.tenant(&scenario, &request.tenant)?;
            let cluster =
                scenario.clusters.iter().flatten().find(|cluster| cluster.id == request.cluster_id).ok_or_else(
                    || Refusal::new(Reason::ObjectAbsent, format!("no cluster {:?}", request.cluster_id)),
                )?;
            issue(cluster, &request, self.cloud().now())
        };
        self.answer(call, work).await.map(Response::new)
    }
}

fn on_wire(cluster: &ClusterSettings, region: &str) -> v1::ManagedCluster {
    let public = cluster.public_endpoint.as_ref().map(|_| v1::ClusterEndpoint::Public);
    let vpc = cluster.vpc_endpoint.as_ref().map(|_| v1::ClusterEndpoint::Vpc);
    v1::ManagedCluster {
        id: cluster.id.clone(),
        name: cluster.name.clone().unwrap_or_else(|| cluster.id.clone()),
        version: cluster.version.clone(),
        region: region.to_owned(),
        state: "Available".to_owned(),
        endpoints: public.into_iter().chain(vpc).map(i32::from).collect(),
        notices: Vec::new(),
    }
}

fn issue(
    cluster: &ClusterSettings,
    request: &v1::IssueKubeconfigRequest,
    now: Time,
) -> Result<v1::IssueKubeconfigResponse, Refusal> {
    let (kind, endpoint) = match request.endpoint() {
        v1::ClusterEndpoint::Vpc => ("VPC", &cluster.vpc_endpoint),
        v1::ClusterEndpoint::Public => ("public", &cluster.public_endpoint),
        v1::ClusterEndpoint::Unspecified => {
            ("", if cluster.public_endpoint.is_some() { &cluster.public_endpoint } else { &cluster.vpc_endpoint })
        }
    };
    let server = endpoint.as_ref().ok_or_else(|| {
        Refusal::new(Reason::EndpointAbsent, format!("cluster {:?} has no {kind} endpoint", cluster.id))
    })?;
    let lifetime = request.lifetime.and_then(|lifetime| lifetime.try_into().ok()).unwrap_or(DEFAULT_LIFETIME);
    let name = &cluster.id;
    let token = format!("{:032x}", rand::random::<u128>());
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {name}\n  cluster: {{server: '{server}'}}\nusers:\n- name: mock\n  \
         user: {{token: {token}}}\ncontexts:\n- name: {name}\n  context: {{cluster: {name}, user: mock}}\ncurrent-context: \
         {name}\n"
    );
    Ok(v1::IssueKubeconfigResponse { kubeconfig: kubeconfig.into_bytes(), expires_at: Some(now.plus(lifetime).into()) })
}
