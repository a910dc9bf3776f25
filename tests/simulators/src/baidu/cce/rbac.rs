//! Who may do what in which cluster.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Cluster, Version, find, kubeconfig::Access};
use crate::{
    baidu::{
        calls::{C, body},
        errors::bad,
    },
    engine::{Answer, Problem, Reply, later},
};

const ROLES: [&str; 3] = ["cce:admin", "cce:devops", "cce:readonly"];

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// To whom.
    pub user_id: String,
    /// Where; `all` is the whole cluster.
    pub namespace: String,
    /// What.
    pub role: String,
    /// Until when, when it is for a while.
    pub until: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Request {
    #[serde(rename = "clusterID", default)]
    cluster: String,
    #[serde(rename = "userID", default)]
    user: String,
    #[serde(default)]
    namespace: String,
    role: Option<String>,
    #[serde(default)]
    temp: bool,
    expire_hours: Option<u32>,
    kube_config_type: Option<String>,
}

impl Request {
    /// The clusters it is about.
    fn clusters(&self, call: &C<'_>) -> Result<Vec<String>, Problem> {
        if self.cluster.is_empty() || self.user.is_empty() {
            return Err(bad("clusterID", "it and userID are needed"));
        }
        if !call.state.users.iter().any(|user| user.id == self.user && user.account == call.account()) {
            return Err(bad("userID", format!("{} is no user of the account", self.user)));
        }
        if self.cluster != "all" {
            return Ok(vec![find(call, &self.cluster, Version::V2)?.id.clone()]);
        }
        if !["", "all"].contains(&self.namespace.as_str()) {
            return Err(bad("namespace", "it does not go with all clusters"));
        }
        let own = |cluster: &&Cluster| cluster.account == call.account() && cluster.is_of(Version::V2);
        Ok(call.state.clusters.iter().filter(own).map(|cluster| cluster.id.clone()).collect())
    }

    fn namespace(&self) -> String {
        if self.namespace.is_empty() { "all".to_owned() } else { self.namespace.clone() }
    }

    fn access(&self) -> Result<Access, Problem> {
        match self.kube_config_type.as_deref() {
            None | Some("vpc") => Ok(Access::Vpc),
            Some("public") => Ok(Access::Public),
            Some(other) => Err(bad("kubeConfigType", format!("{other} is neither vpc nor public"))),
        }
    }
}

fn told(clusters: &[String]) -> Value {
    clusters.iter().map(|id| json!({ "success": true, "clusterID": id, "message": "" })).collect()
}

pub(super) fn create(call: &mut C<'_>) -> Reply {
    let request: Request = body(call)?;
    let clusters = request.clusters(call)?;
    let role = request.role.clone().filter(|role| ROLES.contains(&role.as_str()));
    let role = role.ok_or_else(|| bad("role", format!("it is one of {}", ROLES.join(", "))))?;
    let access = request.access()?;
    let until = match (request.temp, request.expire_hours) {
        (false, _) => None,
        (true, Some(hours @ 1..=8760)) => {
            Some(later(call.now, std::time::Duration::from_secs(3600 * u64::from(hours))))
        }
        (true, _) => return Err(bad("expireHours", "a temporary grant needs it, from 1 to 8760")),
    };
    let grant = Grant { user_id: request.user.clone(), namespace: request.namespace(), role, until };
    let mut answer = json!({ "requestID": call.request_id, "data": told(&clusters) });
    if let (true, [one]) = (request.temp, clusters.as_slice()) {
        let cluster = find(call, one, Version::V2)?;
        answer["temporaryKubeConfig"] = json!(cluster.kubeconfig(access, &request.user)?);
    }
    for id in &clusters {
        if let Some(cluster) = call.state.clusters.change(call.now, id) {
            cluster.grants.retain(|other| (&other.user_id, &other.namespace) != (&grant.user_id, &grant.namespace));
            cluster.grants.push(grant.clone());
        }
    }
    Ok(Answer::ok(&answer))
}

/// Gives the user a new certificate; what it may do stays.
pub(super) fn renew(call: &mut C<'_>) -> Reply {
    let request: Request = body(call)?;
    let clusters = request.clusters(call)?;
    for id in &clusters {
        let cluster = find(call, id, Version::V2)?;
        if !cluster.grants.iter().any(|grant| grant.user_id == request.user) {
            let message = format!("The user {} has no grant in {id}.", request.user);
            return Err(Problem::refused(404, "NoSuchObject", message));
        }
    }
    Ok(Answer::ok(&json!({ "requestID": call.request_id, "data": told(&clusters) })))
}

pub(super) fn delete(call: &mut C<'_>) -> Reply {
    let request: Request = body(call)?;
    let clusters = request.clusters(call)?;
    let namespace = request.namespace();
    for id in &clusters {
        if let Some(cluster) = call.state.clusters.change(call.now, id) {
            cluster.grants.retain(|grant| grant.user_id != request.user || grant.namespace != namespace);
        }
    }
    Ok(Answer::ok(&json!({ "requestID": call.request_id, "data": told(&clusters) })))
}

pub(super) fn show(call: &mut C<'_>) -> Reply {
    let user = call.query("userID").ok_or_else(|| bad("userID", "it is missing"))?;
    let mut rows = Vec::new();
    for cluster in call.list(&call.state.clusters, |cluster| cluster.account == call.account()) {
        let own = cluster
            .grants
            .iter()
            .filter(|grant| grant.user_id == user && grant.until.is_none_or(|until| until > call.now));
        rows.extend(own.map(|grant| {
            json!({
                "role": grant.role, "clusterID": cluster.id, "clusterName": cluster.name, "namespace": grant.namespace,
            })
        }));
    }
    Ok(Answer::ok(&json!({ "requestID": call.request_id, "data": rows })))
}
