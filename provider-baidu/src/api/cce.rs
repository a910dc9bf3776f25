//! Managed clusters (CCE). Ids tell which version of the API a cluster is of: `c-…` the first, `cce-…` the second.

use cloud_rest::{
    Error, Kind, Secret,
    paging::{Page, Parts},
};
use serde::Deserialize;

use super::{
    page::{ByMarker, Listed},
    text::or_default,
};
use crate::{
    cloud::{BY_MARKER, BY_NUMBER, Cloud},
    endpoints::Service,
};

/// Which endpoint of a cluster a kubeconfig leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the internet, through the EIP of the API server's load balancer.
    Public,
    /// From the VPC.
    Vpc,
}

/// A cluster, whichever version it is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// `running`, `upgrading`, …
    pub(crate) phase: String,
    /// Whether it has a public endpoint. `None`: the first version does not tell.
    pub(crate) public: Option<bool>,
    /// Whether the cloud itself runs a controller for load balancers in it. `None`: it does not tell.
    pub(crate) managed_controller: Option<bool>,
    /// The subnet that load balancers of Services are to be in. Empty: it does not tell.
    pub(crate) balancer_subnet: String,
}

/// Whether a cluster is of the API's first version.
pub(crate) fn is_v1(id: &str) -> bool {
    id.starts_with("c-")
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireV1 {
    cluster_uuid: String,
    #[serde(deserialize_with = "or_default")]
    cluster_name: String,
    #[serde(deserialize_with = "or_default")]
    version: String,
    #[serde(deserialize_with = "or_default")]
    status: String,
}

impl Listed for WireV1 {
    fn id(&self) -> &str {
        &self.cluster_uuid
    }
}

impl From<WireV1> for Cluster {
    fn from(wire: WireV1) -> Self {
        Self {
            id: wire.cluster_uuid,
            name: wire.cluster_name,
            version: wire.version,
            phase: wire.status,
            public: None,
            managed_controller: None,
            balancer_subnet: String::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireV2 {
    #[serde(deserialize_with = "or_default")]
    spec: Spec,
    #[serde(deserialize_with = "or_default")]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "clusterID", deserialize_with = "or_default")]
    cluster_id: String,
    #[serde(deserialize_with = "or_default")]
    cluster_name: String,
    #[serde(rename = "k8sVersion", deserialize_with = "or_default")]
    version: String,
    #[serde(rename = "k8sCustomConfig", deserialize_with = "or_default")]
    custom: Custom,
    #[serde(rename = "containerNetworkConfig", deserialize_with = "or_default")]
    network: Network,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Network {
    #[serde(rename = "lbServiceVPCSubnetID", deserialize_with = "or_default")]
    balancer_subnet: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Custom {
    #[serde(rename = "disableCCM")]
    disable_ccm: Option<bool>,
    #[serde(rename = "enableLBServiceController")]
    enable_lb_service_controller: Option<bool>,
}

impl Custom {
    /// Either switch alone keeps one running.
    fn runs_controller(&self) -> Option<bool> {
        match (self.disable_ccm, self.enable_lb_service_controller) {
            (None, None) => None,
            (disabled, enabled) => Some(disabled == Some(false) || enabled == Some(true)),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    #[serde(rename = "clusterBLB", deserialize_with = "or_default")]
    balancer: Balancer,
    #[serde(deserialize_with = "or_default")]
    cluster_phase: String,
}

/// The load balancer of the API server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Balancer {
    #[serde(deserialize_with = "or_default")]
    eip: String,
}

impl From<WireV2> for Cluster {
    fn from(wire: WireV2) -> Self {
        Self {
            managed_controller: wire.spec.custom.runs_controller(),
            balancer_subnet: wire.spec.network.balancer_subnet,
            id: wire.spec.cluster_id,
            name: wire.spec.cluster_name,
            version: wire.spec.version,
            phase: wire.status.cluster_phase,
            public: Some(!wire.status.balancer.eip.is_empty()),
        }
    }
}

#[derive(Deserialize)]
struct One {
    cluster: WireV2,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Numbered {
    cluster_page: ClusterPage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterPage {
    total_count: u64,
    #[serde(deserialize_with = "or_default")]
    cluster_list: Vec<WireV2>,
}

impl Page for Numbered {
    type Item = WireV2;

    fn split(self) -> Parts<WireV2> {
        let ClusterPage { total_count, cluster_list } = self.cluster_page;
        Parts { items: cluster_list, next: None, total: Some(total_count) }
    }

    fn id(item: &WireV2) -> &str {
        &item.spec.cluster_id
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issued {
    #[serde(alias = "data")]
    kube_config: Secret,
}

impl Cloud {
    /// All clusters of the account in the region, of both versions.
    pub(crate) async fn clusters(&self) -> Result<Vec<Cluster>, Error> {
        let second = self.get(Service::Cce, "ListClustersV2", &["v2", "clusters"]).list::<Numbered>(BY_NUMBER).await;
        let first = self.get(Service::Cce, "ListClusters", &["v1", "cluster"]);
        let first = first.list::<ByMarker<WireV1>>(BY_MARKER).await;
        let mut all: Vec<Cluster> = match (second, first) {
            // An installation has one version or both.
            (Err(error), Ok(first)) if error.kind == Kind::NoSuchApi => first.into_iter().map(Into::into).collect(),
            (Ok(second), Err(error)) if error.kind == Kind::NoSuchApi => second.into_iter().map(Into::into).collect(),
            (second, first) => {
                second?.into_iter().map(Cluster::from).chain(first?.into_iter().map(Into::into)).collect()
            }
        };
        let mut seen = std::collections::HashSet::new();
        all.retain(|cluster| !cluster.id.is_empty() && seen.insert(cluster.id.clone()));
        Ok(all)
    }

    /// One, of the second version.
    pub(crate) async fn cluster(&self, id: &str) -> Result<Cluster, Error> {
        let request = self.get(Service::Cce, "GetClusterV2", &["v2", "cluster", id]);
        Ok(request.send::<One>().await?.value.cluster.into())
    }

    /// A kubeconfig with the rights of the caller's own key. Its text is all secret.
    pub(crate) async fn kubeconfig(&self, id: &str, way: Way) -> Result<Secret, Error> {
        let request = if is_v1(id) {
            let kind = match way {
                Way::Public => "default",
                Way::Vpc => "intraVpc",
            };
            let request = self.get(Service::Cce, "GetKubeConfig", &["v1", "cluster", "kubeconfig"]);
            request.query("clusterUuid", id).query("type", kind)
        } else {
            let kind = match way {
                Way::Public => "public",
                Way::Vpc => "vpc",
            };
            self.get(Service::Cce, "GetKubeConfigV2", &["v2", "kubeconfig", id, kind])
        };
        Ok(request.send::<Issued>().await?.value.kube_config)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cluster_of_the_second_version_is_read_with_all_that_is_asked_about_it() {
        let wire = |eip: &str, custom: serde_json::Value| {
            json!({"spec": {"clusterID": "cce-1a2b3c4d", "clusterName": "prod", "clusterType": "normal", "k8sVersion": "1.30.1",
                "vpcID": "vpc-1", "plugins": null, "k8sCustomConfig": custom,
                "containerNetworkConfig": {"mode": "vpc-route-veth", "lbServiceVPCSubnetID": "sbn-1"}},
                "status": {"clusterBLB": {"id": "lb-1", "vpcIP": "192.168.0.9", "eip": eip}, "clusterPhase": "running", "nodeNum": 3},
                "createdAt": "2026-01-01T00:00:00Z"})
        };
        for (eip, custom, public, managed) in [
            ("203.0.113.1", json!({"disableCCM": true}), true, Some(false)),
            ("", json!({"disableCCM": false}), false, Some(true)),
            ("", json!({"disableCCM": true, "enableLBServiceController": true}), false, Some(true)),
            ("", json!({}), false, None),
            ("", json!(null), false, None),
        ] {
            let cluster: Cluster = serde_json::from_value::<WireV2>(wire(eip, custom.clone())).unwrap().into();
            let expected = Cluster {
                id: "cce-1a2b3c4d".to_owned(),
                name: "prod".to_owned(),
                version: "1.30.1".to_owned(),
                phase: "running".to_owned(),
                public: Some(public),
                managed_controller: managed,
                balancer_subnet: "sbn-1".to_owned(),
            };
            assert_eq!(cluster, expected, "{custom}");
        }
    }

    #[test]
    fn a_page_says_how_many_there_are_and_may_hold_none() {
        let page = json!({"clusterPage": {"pageNo": 1, "pageSize": 100, "totalCount": 0, "clusterList": null}, "requestID": "r-1"});
        let parts = serde_json::from_value::<Numbered>(page).unwrap().split();
        assert_eq!((parts.items.len(), parts.total), (0, Some(0)));
        assert!(serde_json::from_value::<Numbered>(json!({"clusterPage": {"clusterList": []}})).is_err(), "no total");
    }

    #[test]
    fn kubeconfigs_of_both_versions_are_read_and_not_shown() {
        for wire in [json!({"kubeConfigType": "vpc", "kubeConfig": "marker"}), json!({"data": "marker"})] {
            let issued: Issued = serde_json::from_value(wire).unwrap();
            assert_eq!(issued.kube_config.expose(), "marker");
            assert!(!format!("{:?}", issued.kube_config).contains("marker"));
        }
        assert!(is_v1("c-AbCd1234") && !is_v1("cce-1a2b3c4d"));
    }
}
