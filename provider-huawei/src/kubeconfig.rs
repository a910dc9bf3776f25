//! The kubeconfig the cloud issues, cut down to the one endpoint that was asked for.
//!
//! The cloud answers one for all endpoints at once: a cluster, a context and perhaps several variants for each. What is
//! handed on holds one of each, so that nobody ends up at another endpoint than the one they chose. All of it is secret.

use cloud_provider_api::v1::ClusterEndpoint;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A kubeconfig. Its `Debug` would show keys, so it has none.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Kubeconfig {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    clusters: Vec<Named<Cluster>>,
    users: Vec<Named<User>>,
    contexts: Vec<Named<Context>>,
    #[serde(rename = "current-context", default)]
    current_context: String,
}

#[derive(Clone, Deserialize, Serialize)]
struct Named<T> {
    name: String,
    #[serde(flatten)]
    value: T,
}

#[derive(Clone, Deserialize, Serialize)]
struct Cluster {
    cluster: Map<String, Value>,
}

#[derive(Clone, Deserialize, Serialize)]
struct User {
    user: Map<String, Value>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Context {
    context: ContextBody,
}

#[derive(Clone, Deserialize, Serialize)]
struct ContextBody {
    cluster: String,
    user: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Contexts that lead to an endpoint, best first. The verified variant exists where a name for the address was set up; the
/// plain public one skips the verification of the server.
const PUBLIC: [&str; 2] = ["externalTLSVerify", "external"];
const VPC: [&str; 1] = ["internal"];

impl Kubeconfig {
    /// The part that leads to an endpoint; unspecified is what the cloud itself set. `None`: it has no such endpoint.
    pub(crate) fn only(&self, endpoint: ClusterEndpoint) -> Option<Self> {
        let context = match endpoint {
            ClusterEndpoint::Public => self.first(&PUBLIC),
            ClusterEndpoint::Vpc => self.first(&VPC),
            ClusterEndpoint::Unspecified => {
                self.first(&[&self.current_context]).or_else(|| self.first(&PUBLIC)).or_else(|| self.first(&VPC))
            }
        }?;
        let cluster = self.clusters.iter().find(|cluster| cluster.name == context.value.context.cluster)?;
        let user = self.users.iter().find(|user| user.name == context.value.context.user)?;
        Some(Self {
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            clusters: vec![cluster.clone()],
            users: vec![user.clone()],
            contexts: vec![context.clone()],
            current_context: context.name.clone(),
        })
    }

    fn first(&self, names: &[&str]) -> Option<&Named<Context>> {
        names.iter().find_map(|name| self.contexts.iter().find(|context| context.name == *name))
    }

    /// Whether the server it leads to is taken at its word.
    pub(crate) fn skips_verification(&self) -> bool {
        let skips = |cluster: &Named<Cluster>| {
            cluster.value.cluster.get("insecure-skip-tls-verify") == Some(&Value::Bool(true))
        };
        self.clusters.iter().any(skips)
    }

    /// The user's client certificate, base64 of PEM.
    pub(crate) fn certificate(&self) -> Option<&str> {
        self.users.first()?.value.user.get("client-certificate-data")?.as_str()
    }

    /// As a file. JSON is YAML, and every reader of kubeconfigs takes it.
    pub(crate) fn to_file(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec_pretty(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issued(contexts: &[(&str, &str)], current: &str) -> Kubeconfig {
        let clusters: Vec<Value> = contexts
            .iter()
            .map(|(_, cluster)| {
                let skip = *cluster == "externalCluster";
                json!({"name": cluster, "cluster": {"server": format!("https://{cluster}:5443"), "insecure-skip-tls-verify": skip}})
            })
            .collect();
        let contexts: Vec<Value> = contexts
            .iter()
            .map(|(name, cluster)| json!({"name": name, "context": {"cluster": cluster, "user": "user"}}))
            .collect();
        serde_json::from_value(json!({
            "kind": "Config", "apiVersion": "v1", "preferences": {}, "clusters": clusters, "contexts": contexts,
            "users": [{"name": "user", "user": {"client-certificate-data": "Y2VydA==", "client-key-data": "a2V5"}}],
            "current-context": current,
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
            (&[INTERNAL], "internal", Public, None),
            (&[EXTERNAL], "external", Vpc, None),
        ] {
            let only = issued(contexts, current).only(endpoint);
            assert_eq!(
                only.as_ref().map(|config| config.current_context.as_str()),
                expected,
                "{endpoint:?} {contexts:?}"
            );
            if let Some(only) = only {
                let file: Value = serde_json::from_slice(&only.to_file().unwrap()).unwrap();
                for part in ["clusters", "contexts", "users"] {
                    assert_eq!(file[part].as_array().unwrap().len(), 1, "{part}");
                }
                assert_eq!(file["clusters"][0]["name"], file["contexts"][0]["context"]["cluster"]);
            }
        }
    }

    #[test]
    fn an_unverified_endpoint_is_known() {
        let all = issued(&[INTERNAL, EXTERNAL, VERIFIED], "external");
        assert!(!all.only(ClusterEndpoint::Public).unwrap().skips_verification());
        assert!(issued(&[EXTERNAL], "external").only(ClusterEndpoint::Public).unwrap().skips_verification());
        assert_eq!(all.certificate(), Some("Y2VydA=="));
    }
}
