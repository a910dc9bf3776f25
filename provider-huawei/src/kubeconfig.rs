//! Which part of the kubeconfig the cloud issues leads to which endpoint: it answers one for all endpoints at once.

use cloud_provider_api::v1::ClusterEndpoint;
use provider_kit::rest::Kubeconfig;

/// Contexts that lead to an endpoint, best first. The verified variant exists where a name for the address was set up; the
/// plain public one skips the verification of the server.
const PUBLIC: [&str; 2] = ["externalTLSVerify", "external"];
const VPC: [&str; 1] = ["internal"];

/// The part that leads to an endpoint; unspecified is what the cloud itself set. `None`: it has no such endpoint.
pub(crate) fn only(issued: &Kubeconfig, endpoint: ClusterEndpoint) -> Option<Kubeconfig> {
    match endpoint {
        ClusterEndpoint::Public => issued.only(&PUBLIC),
        ClusterEndpoint::Vpc => issued.only(&VPC),
        ClusterEndpoint::Unspecified => {
            issued.only(&[issued.current_context()]).or_else(|| issued.only(&PUBLIC)).or_else(|| issued.only(&VPC))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn issued(contexts: &[(&str, &str)], current: &str) -> Kubeconfig {
        let clusters: Vec<Value> =
            contexts.iter().map(|(_, cluster)| json!({"name": cluster, "cluster": {"server": cluster}})).collect();
        let contexts: Vec<Value> = contexts
            .iter()
            .map(|(name, cluster)| json!({"name": name, "context": {"cluster": cluster, "user": "user"}}))
            .collect();
        serde_json::from_value(json!({
            "kind": "Config", "apiVersion": "v1", "preferences": {}, "clusters": clusters, "contexts": contexts,
            "users": [{"name": "user", "user": {}}], "current-context": current,
        }))
        .unwrap()
    }

    const INTERNAL: (&str, &str) = ("internal", "internalCluster");
    const EXTERNAL: (&str, &str) = ("external", "externalCluster");
    const VERIFIED: (&str, &str) = ("externalTLSVerify", "externalClusterTLSVerify");

    #[test]
    fn one_endpoint_is_handed_on_and_the_verified_one_if_there_is_one() {
        use ClusterEndpoint::{Public, Unspecified, Vpc};
        for (contexts, current, endpoint, expected) in [
            (&[INTERNAL, EXTERNAL][..], "external", Public, Some("external")),
            (&[INTERNAL, EXTERNAL, VERIFIED], "external", Public, Some("externalTLSVerify")),
            (&[INTERNAL, EXTERNAL], "external", Vpc, Some("internal")),
            (&[INTERNAL, EXTERNAL], "external", Unspecified, Some("external")),
            (&[INTERNAL], "internal", Unspecified, Some("internal")),
            (&[INTERNAL], "", Unspecified, Some("internal")),
            (&[INTERNAL, EXTERNAL], "renamed", Unspecified, Some("external")),
            (&[INTERNAL], "internal", Public, None),
            (&[EXTERNAL], "external", Vpc, None),
        ] {
            let only = only(&issued(contexts, current), endpoint);
            let found = only.as_ref().map(Kubeconfig::current_context);
            assert_eq!(found, expected, "{endpoint:?} {contexts:?}");
        }
    }
}
