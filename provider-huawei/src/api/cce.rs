//! Managed clusters (CCE v3).

use cloud_rest::{Answer, Error};
use provider_kit::rest::Kubeconfig;
use serde::{Deserialize, Serialize};

use super::nothing::or_default;
use crate::{
    cloud::{Cloud, PROJECT},
    endpoints::Service,
};

/// A managed cluster.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ManagedCluster {
    #[serde(deserialize_with = "or_default")]
    pub(crate) metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub(crate) spec: Spec,
    #[serde(deserialize_with = "or_default")]
    pub(crate) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) uid: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Spec {
    #[serde(deserialize_with = "or_default")]
    pub(crate) version: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// `Available`, `Creating`, `Hibernation`…
    #[serde(deserialize_with = "or_default")]
    pub(crate) phase: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) endpoints: Vec<Endpoint>,
}

/// Where its API server is reached.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    /// `Internal` or `External`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub(crate) kind: String,
}

#[derive(Deserialize)]
struct Clusters {
    items: Option<Vec<ManagedCluster>>,
}

/// How long a kubeconfig is to last.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// In days, at least 1.
    pub(crate) duration: u32,
    /// To the second; newer installations know it, and there it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expire_at: Option<String>,
}

impl Cloud {
    /// All managed clusters of the project.
    pub(crate) async fn managed_clusters(&self) -> Result<Vec<ManagedCluster>, Error> {
        let path = ["api", "v3", "projects", PROJECT, "clusters"];
        Ok(self.get(Service::Cce, "ListClusters", &path).send::<Clusters>().await?.value.items.unwrap_or_default())
    }

    /// Has a kubeconfig issued. Each is a new certificate, so a lost answer leaves one behind that nobody holds.
    pub(crate) async fn cluster_certificate(
        &self,
        cluster: &str,
        lifetime: &Lifetime,
    ) -> Result<Answer<Kubeconfig>, Error> {
        let path = ["api", "v3", "projects", PROJECT, "clusters", cluster, "clustercert"];
        self.post(Service::Cce, "CreateKubernetesClusterCert", &path).body(lifetime).send().await
    }
}
