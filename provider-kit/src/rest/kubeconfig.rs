//! A kubeconfig a cloud issued, cut down to the one endpoint that was asked for.
//!
//! Clouds answer more than was asked for: several endpoints at once, variants of each. What is handed on holds one cluster, one user and
//! one context, so that nobody ends up at another endpoint than the one they chose. All of it is secret.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cloud_provider_api::{
    error::Reason,
    v1::{ClusterEndpoint, IssueKubeconfigResponse},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use x509_parser::pem::parse_x509_pem;

use crate::error::{Error, Result};

/// A kubeconfig. Its `Debug` would show keys, so it has none.
#[derive(Clone, Deserialize, Serialize)]
pub struct Kubeconfig {
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

/// It is no kubeconfig. What it is instead is not quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the cloud issued is no kubeconfig")]
pub struct NoKubeconfig;

impl Kubeconfig {
    /// Reads YAML or JSON.
    pub fn parse(text: &str) -> Result<Self, NoKubeconfig> {
        // The parser's own words may quote the text.
        serde_saphyr::from_str(text).map_err(|_| NoKubeconfig)
    }

    /// The part that the first of these contexts that is there leads to. `None`: none of them is, or it leads nowhere.
    pub fn only(&self, contexts: &[&str]) -> Option<Self> {
        let named = |name: &&str| self.contexts.iter().find(|context| context.name == *name);
        let context = contexts.iter().find_map(named)?;
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

    /// The context the cloud itself set; empty where it set none.
    pub fn current_context(&self) -> &str {
        &self.current_context
    }

    /// All contexts, in the cloud's order.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.contexts.iter().map(|context| context.name.as_str())
    }

    /// Whether a server it leads to is taken at its word.
    pub fn skips_verification(&self) -> bool {
        let skips = |cluster: &Named<Cluster>| {
            cluster.value.cluster.get("insecure-skip-tls-verify") == Some(&Value::Bool(true))
        };
        self.clusters.iter().any(skips)
    }

    /// When the first user's client certificate ends. `None`: it has none, or it cannot be read.
    pub fn expires_at(&self) -> Option<SystemTime> {
        let certificate = self.users.first()?.value.user.get("client-certificate-data")?.as_str()?;
        let pem = STANDARD.decode(certificate).ok()?;
        let (_, pem) = parse_x509_pem(&pem).ok()?;
        let seconds = pem.parse_x509().ok()?.validity().not_after.timestamp();
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
    }

    /// As a file. JSON is YAML, and every reader of kubeconfigs takes it.
    pub fn to_file(&self) -> Result<Vec<u8>, NoKubeconfig> {
        serde_json::to_vec_pretty(self).map_err(|_| NoKubeconfig)
    }
}

/// The answer that hands a kubeconfig on. `only` leads to `endpoint` of `cluster`; `None`: there is no such endpoint.
pub fn issued(
    provider: &'static str,
    cluster: &str,
    endpoint: ClusterEndpoint,
    only: Option<Kubeconfig>,
) -> Result<IssueKubeconfigResponse> {
    let only = only.ok_or_else(|| {
        let kind = match endpoint {
            ClusterEndpoint::Public => "public",
            ClusterEndpoint::Vpc => "VPC",
            ClusterEndpoint::Unspecified => "usable",
        };
        let message = format!("cluster {cluster} has no {kind} endpoint; ListClusters shows which it has");
        Error::cloud(provider, Reason::EndpointAbsent, message)
    })?;
    if only.skips_verification() {
        tracing::warn!(cluster, "the cloud's kubeconfig for this endpoint does not verify the server");
    }
    let unreadable = |error: NoKubeconfig| Error::cloud(provider, Reason::AnswerUnreadable, error.to_string());
    let expires_at = only.expires_at().map(Into::into);
    Ok(IssueKubeconfigResponse { kubeconfig: only.to_file().map_err(unreadable)?, expires_at })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn issued(certificate: &str) -> Kubeconfig {
        let cluster = |name: &str, skip: bool| json!({"name": name, "cluster": {"server": format!("https://{name}:5443"), "insecure-skip-tls-verify": skip}});
        let context =
            |name: &str| json!({"name": name, "context": {"cluster": name, "user": "user", "namespace": "kept"}});
        let text = json!({
            "kind": "Config", "apiVersion": "v1", "preferences": {}, "current-context": "",
            "clusters": [cluster("outside", true), cluster("inside", false)],
            "contexts": [context("outside"), context("inside"), {"name": "lost", "context": {"cluster": "gone", "user": "user"}}],
            "users": [{"name": "user", "user": {"client-certificate-data": certificate, "client-key-data": "a2V5"}}],
        });
        Kubeconfig::parse(&text.to_string()).unwrap()
    }

    #[test]
    fn one_context_is_cut_out_with_what_belongs_to_it() {
        let all = issued("Y2VydA==");
        for (wanted, expected) in [
            (&["inside"][..], Some("inside")),
            (&["better", "outside"], Some("outside")),
            (&["nowhere"], None),
            (&["lost"], None),
            (&[], None),
        ] {
            let only = all.only(wanted);
            assert_eq!(only.as_ref().map(Kubeconfig::current_context), expected, "{wanted:?}");
            let Some(only) = only else { continue };
            let file: Value = serde_json::from_slice(&only.to_file().unwrap()).unwrap();
            for part in ["clusters", "contexts", "users"] {
                assert_eq!(file[part].as_array().unwrap().len(), 1, "{part}");
            }
            assert_eq!(file["clusters"][0]["name"], file["contexts"][0]["context"]["cluster"]);
            assert_eq!(file["contexts"][0]["context"]["namespace"], "kept");
            assert_eq!(only.skips_verification(), expected == Some("outside"));
        }
        assert_eq!(all.current_context(), "", "none is set");
        assert_eq!(all.contexts().collect::<Vec<_>>(), ["outside", "inside", "lost"]);
    }

    #[test]
    fn yaml_is_read_and_what_is_none_is_not_quoted() {
        let text = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: s}}]\nusers: [{name: u, user: {token: t}}]\n\
                    contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";
        let config = Kubeconfig::parse(text).unwrap();
        assert_eq!((config.current_context(), config.expires_at()), ("x", None));
        for wrong in ["", "marker", "users: marker", "{"] {
            let error = Kubeconfig::parse(wrong).err().unwrap().to_string();
            assert!(!error.contains("marker"), "{error}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for certificate in ["Y2VydA==", "%", ""] {
            assert_eq!(issued(certificate).expires_at(), None, "{certificate}");
        }
    }
}
