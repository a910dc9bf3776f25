//! The cloud's managed clusters (CCE), and kubeconfigs for them.

use cloud_provider_api::{
    error::Reason,
    v1::{self, ClusterEndpoint},
};
use cloud_rest::{Kind, Secret};
use provider_kit::{
    Call, Error, Result,
    clusters::ManagedClusters,
    rest::{self, Kubeconfig},
};

use super::Provider;
use crate::{
    PROVIDER,
    accounts::Account,
    api::cce::{Cluster, Way, is_v1},
    cloud::Cloud,
    fault,
};

#[tonic::async_trait]
impl ManagedClusters for Provider {
    async fn all(&self, call: &Call, tenant: &str) -> Result<Vec<v1::ManagedCluster>> {
        let account = self.account(call, tenant)?;
        let clusters = account.cloud.clusters().await.map_err(|error| fault::of(&error))?;
        let region = account.cloud.region();
        Ok(clusters.into_iter().map(|cluster| on_wire(cluster, region)).collect())
    }

    async fn issue(&self, call: &Call, request: v1::IssueKubeconfigRequest) -> Result<v1::IssueKubeconfigResponse> {
        if request.lifetime.is_some() {
            return Err(no_lifetimes());
        }
        let account = self.account(call, &request.tenant)?;
        let cloud = account.acting_for(call, &request.cluster_id);
        let (id, endpoint) = (&request.cluster_id, request.endpoint());
        let text = issue(&cloud, id, endpoint).await?;
        let only = match text {
            Some(text) => Some(usable(&text)?),
            None => None,
        };
        rest::issued(PROVIDER, id, endpoint, only)
    }
}

/// A kubeconfig lasts as long as the certificate of the key's user, which the cloud made once.
fn no_lifetimes() -> Error {
    let message = "CCE issues kubeconfigs with its own lifetime and no other: leave `lifetime` out. An exec plugin (`cpctl kubeconfig \
                   --exec`) keeps the key out of the file all the same";
    Error::cloud(PROVIDER, Reason::Unsupported, message).violation("lifetime", "cannot be chosen")
}

/// The text of the kubeconfig. `None`: the cluster has no such endpoint.
async fn issue(cloud: &Cloud, id: &str, endpoint: ClusterEndpoint) -> Result<Option<Secret>> {
    let way = match endpoint {
        ClusterEndpoint::Public => Way::Public,
        ClusterEndpoint::Vpc => Way::Vpc,
        // The first version's own default.
        ClusterEndpoint::Unspecified if is_v1(id) => Way::Public,
        ClusterEndpoint::Unspecified => {
            let cluster = cloud.cluster(id).await.map_err(|error| rest::fault_of_named(PROVIDER, &error))?;
            if cluster.public == Some(true) { Way::Public } else { Way::Vpc }
        }
    };
    match cloud.kubeconfig(id, way).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind == Kind::PermissionDenied => {
            let message = format!(
                "{error}. A sub-user's key gets a kubeconfig only once an administrator has granted it rights in the cluster: cluster {id} → \
                 authorisation in the CCE console, or POST /v2/rbac with a role (cce:admin, cce:devops or cce:readonly)"
            );
            Err(Error::cloud(PROVIDER, Reason::ActionDenied, message).cloud_code(error.code))
        }
        // The cloud's words for a missing public endpoint are not established: its own record of the cluster is.
        Err(error) if way == Way::Public && !is_v1(id) && matches!(error.kind, Kind::Invalid | Kind::NotFound) => {
            let cluster = cloud.cluster(id).await.map_err(|error| rest::fault_of_named(PROVIDER, &error))?;
            if cluster.public == Some(false) { Ok(None) } else { Err(fault::of(&error)) }
        }
        Err(error) => Err(rest::fault_of_named(PROVIDER, &error)),
    }
}

/// The one context of what the cloud issued.
fn usable(text: &Secret) -> Result<Kubeconfig> {
    let unreadable = || Error::cloud(PROVIDER, Reason::AnswerUnreadable, rest::NoKubeconfig.to_string());
    let issued = Kubeconfig::parse(text.expose()).map_err(|_| unreadable())?;
    let names: Vec<&str> = std::iter::once(issued.current_context()).chain(issued.contexts()).collect();
    issued.only(&names).ok_or_else(unreadable)
}

fn on_wire(cluster: Cluster, region: &str) -> v1::ManagedCluster {
    // The first version does not tell whether there is a public endpoint: asking for it does.
    let public = cluster.public.unwrap_or(true).then_some(ClusterEndpoint::Public);
    let notices = (cluster.managed_controller == Some(true)).then(|| v1::Notice {
        severity: v1::Severity::Warning.into(),
        reason: "ManagedControllerOn".to_owned(),
        message: "CCE runs a cloud controller of its own in this cluster; another one beside it would fight over the same load \
                  balancers: have it switched off (disableCCM, enableLBServiceController) first"
            .to_owned(),
    });
    v1::ManagedCluster {
        id: cluster.id,
        name: cluster.name,
        version: cluster.version,
        region: region.to_owned(),
        state: cluster.phase,
        endpoints: public.into_iter().chain([ClusterEndpoint::Vpc]).map(i32::from).collect(),
        notices: notices.into_iter().collect(),
    }
}

/// Tells, in the log, when the cluster that is served has a controller of the cloud's own.
pub(crate) async fn warn_of_managed_controller(account: &Account) {
    let cluster = account.load_balancers.cluster(&account.cloud).await;
    if let Some(cluster) = cluster.filter(|cluster| cluster.managed_controller == Some(true)) {
        tracing::warn!(
            cluster = cluster.id,
            "CCE's own cloud controller is on in this cluster: have it switched off, or both will fight over the same load balancers"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_the_cloud_set_is_handed_on_or_else_the_first() {
        let text = |current: &str| {
            Secret::new(format!(
                "apiVersion: v1\nkind: Config\nclusters:\n- {{name: c, cluster: {{server: 'https://a:6443'}}}}\nusers:\n- {{name: u, user: \
                 {{token: t}}}}\ncontexts:\n- {{name: first, context: {{cluster: c, user: u}}}}\n- {{name: second, context: {{cluster: c, user: \
                 u}}}}\ncurrent-context: {current}\n"
            ))
        };
        for (current, expected) in [("second", "second"), ("\"\"", "first"), ("gone", "first")] {
            assert_eq!(usable(&text(current)).unwrap().current_context(), expected);
        }
        for wrong in ["", "marker", "apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n"] {
            let error = usable(&Secret::new(wrong)).err().unwrap();
            assert!(error.reason() == Reason::AnswerUnreadable && !error.message().contains("marker"), "{error:?}");
        }
    }

    #[test]
    fn a_cluster_with_the_clouds_own_controller_says_so() {
        for (managed, told) in [(Some(true), 1), (Some(false), 0), (None, 0)] {
            let cluster = Cluster {
                id: "cce-1".to_owned(),
                managed_controller: managed,
                public: Some(false),
                ..Cluster::default()
            };
            let wire = on_wire(cluster, "bj");
            assert_eq!((wire.notices.len(), wire.endpoints.len()), (told, 1), "{managed:?}");
        }
    }
}
