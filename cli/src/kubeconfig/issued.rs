//! A kubeconfig as the daemon hands it over: one cluster and one user. All of it is secret.

use std::time::SystemTime;

use cloud_provider_api::v1;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Failure;

/// The cluster and the user of a kubeconfig. Its `Debug` would show keys, so it has none.
pub struct Issued {
    /// The body of the cluster: server, CA.
    pub cluster: Map<String, Value>,
    /// The body of the user: certificate and key, or a token.
    pub user: Map<String, Value>,
    /// When the credential ends, if the daemon knows.
    pub expires_at: Option<SystemTime>,
    /// The whole, as it came.
    pub text: String,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "current-context", default)]
    current_context: String,
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
    contexts: Vec<NamedContext>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Map<String, Value>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: Map<String, Value>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

impl Issued {
    /// Reads what the daemon answered. Nothing of it is quoted in the error.
    pub fn read(answer: v1::IssueKubeconfigResponse) -> Result<Self, Failure> {
        let unusable =
            |what: &str| Failure::failed(format!("the daemon's kubeconfig {what}: that is a defect of the daemon"));
        let text = String::from_utf8(answer.kubeconfig).map_err(|_| unusable("is not UTF-8"))?;
        let file: File = serde_saphyr::from_str(&text).map_err(|_| unusable("is none"))?;
        let context = file.contexts.into_iter().find(|context| context.name == file.current_context);
        let Context { cluster, user } = context.ok_or_else(|| unusable("has no current context"))?.context;
        let cluster = file.clusters.into_iter().find(|named| named.name == cluster);
        let user = file.users.into_iter().find(|named| named.name == user);
        Ok(Self {
            cluster: cluster.ok_or_else(|| unusable("lacks its cluster"))?.cluster,
            user: user.ok_or_else(|| unusable("lacks its user"))?.user,
            expires_at: answer.expires_at.and_then(|at| at.try_into().ok()),
            text,
        })
    }

    /// Whether the server it leads to is taken at its word.
    pub fn skips_verification(&self) -> bool {
        self.cluster.get("insecure-skip-tls-verify") == Some(&Value::Bool(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Issued, Failure> {
        Issued::read(v1::IssueKubeconfigResponse { kubeconfig: text.as_bytes().to_vec(), expires_at: None })
    }

    #[test]
    fn the_current_context_is_read_and_what_is_none_is_not_quoted() {
        let text = "clusters: [{name: c, cluster: {server: 'https://a', insecure-skip-tls-verify: true}}]\n\
                    users: [{name: u, user: {token: marker}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n";
        let issued = read(&format!("{text}current-context: x\n")).unwrap();
        assert_eq!(
            (issued.cluster["server"].as_str(), issued.user["token"].as_str()),
            (Some("https://a"), Some("marker"))
        );
        assert!(issued.skips_verification());
        for wrong in [text.to_owned(), "marker".to_owned(), format!("{text}current-context: marker\n")] {
            let failure = read(&wrong).err().unwrap();
            assert!(!failure.to_string().contains("marker"), "{failure}");
        }
    }
}
