//! Kubeconfigs: what they say, and who gets one.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::Cluster;
use crate::{
    baidu::{State, calls::C, errors::bad},
    engine::Problem,
};

/// From where the API server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Vpc,
    Public,
}

impl Cluster {
    /// A kubeconfig, as YAML.
    pub(super) fn kubeconfig(&self, access: Access, user: &str) -> Result<String, Problem> {
        let server = match (access, &self.public_endpoint) {
            (Access::Vpc, _) => &self.vpc_endpoint,
            (Access::Public, Some(url)) => url,
            (Access::Public, None) => {
                return Err(bad("type", format!("the API server of {} has no address outside the VPC", self.id)));
            }
        };
        let [ca, certificate, key] =
            [&self.ca, &self.client_certificate, &self.client_key].map(|pem| STANDARD.encode(pem));
        Ok(format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: kubernetes\n  cluster:\n    server: {server}\n    \
             certificate-authority-data: {ca}\nusers:\n- name: \"{user}\"\n  user:\n    client-certificate-data: {certificate}\n    \
             client-key-data: {key}\ncontexts:\n- name: {user}@kubernetes\n  context:\n    cluster: kubernetes\n    user: \"{user}\"\n\
             current-context: {user}@kubernetes\npreferences: {{}}\n"
        ))
    }
}

/// A kubeconfig for the caller: an account is its clusters' admin, a user needs a grant.
pub(super) fn issue(call: &mut C<'_>, id: &str, access: Access) -> Result<String, Problem> {
    let access_key = call.caller.as_ref().map(|caller| caller.key.clone()).unwrap_or_default();
    let user = call.state.keys.get(&access_key).and_then(|key| key.user.clone());
    let cluster = call.state.clusters.get(id).ok_or_else(|| bad("clusterID", "there is no such cluster"))?;
    if cluster.phase != "running" {
        let message = format!("The cluster {id} is {}, not running.", cluster.phase);
        return Err(Problem::refused(409, "cce.warning.ClusterNotRunning", message));
    }
    let name = match user {
        None => "kubernetes-admin".to_owned(),
        Some(user) if cluster.grants.iter().any(|grant| grant.user_id == user) => user,
        Some(user) => {
            let message = format!("The user {user} has no certificate in {id}: grant it a role by RBAC first.");
            return Err(Problem::refused(403, "AccessDenied", message));
        }
    };
    let text = cluster.kubeconfig(access, &name)?;
    note(call.state, call.now, id, access_key);
    Ok(text)
}

fn note(state: &mut State, now: jiff::Timestamp, id: &str, access_key: String) {
    if let Some(cluster) = state.clusters.change(now, id) {
        cluster.issued.push(access_key);
    }
}
