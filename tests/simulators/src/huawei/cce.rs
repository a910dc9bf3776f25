//! CCE: clusters, and the kubeconfigs they issue.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{State, errors, state::PROJECT};
use crate::engine::{Answer, Call, Problem, Reply, Route, Service, Table, later};

type Calling<'a, 'b> = &'a mut Call<'b, State>;

/// Longest life of a certificate, in days.
const MOST_DAYS: i64 = 1827;

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cluster {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// `Available` and others.
    pub phase: String,
    /// Its Kubernetes version.
    pub version: String,
    /// Where it is reached from the VPC. A test can put a real API server here.
    pub internal: String,
    /// Where it is reached from outside, if it is.
    pub external: Option<String>,
    /// PEM of the CA the API server's certificate is from.
    pub ca: String,
    /// PEM of the client certificate it issues.
    pub client_certificate: String,
    /// PEM of that certificate's key.
    #[serde(skip)]
    pub client_key: String,
    /// Id of the API server's port.
    pub port_id: String,
    /// Certificates issued so far.
    pub issued: Vec<Issued>,
    /// Users and agencies whose certificates were revoked.
    pub revoked: Vec<String>,
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// To which key.
    pub key: String,
    /// When.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Cluster {
    /// An available cluster that is reached inside its VPC only, and whose certificates are no real ones.
    pub fn named(id: &str, project_id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            project_id: project_id.to_owned(),
            name: name.to_owned(),
            phase: "Available".to_owned(),
            version: "v1.31".to_owned(),
            internal: "https://192.168.0.100:5443".to_owned(),
            external: None,
            ca: "simulated CA".to_owned(),
            client_certificate: "simulated certificate".to_owned(),
            client_key: "simulated key".to_owned(),
            port_id: format!("port-of-{id}"),
            issued: Vec::new(),
            revoked: Vec::new(),
        }
    }

    fn view(&self) -> Value {
        let mut endpoints = vec![json!({ "url": self.internal, "type": "Internal" })];
        endpoints.extend(self.external.iter().map(|url| json!({ "url": url, "type": "External" })));
        json!({
            "kind": "Cluster",
            "apiVersion": "v3",
            "metadata": { "name": self.name, "uid": self.id },
            "spec": { "type": "VirtualMachine", "flavor": "cce.s1.small", "version": self.version },
            "status": { "phase": self.phase, "endpoints": endpoints },
        })
    }

    fn kubeconfig(&self) -> Value {
        let mut clusters = vec![json!({
            "name": "internalCluster",
            "cluster": { "server": self.internal, "certificate-authority-data": STANDARD.encode(&self.ca) },
        })];
        let context =
            |name: &str, cluster: &str| json!({ "name": name, "context": { "cluster": cluster, "user": "user" } });
        let mut contexts = vec![context("internal", "internalCluster")];
        if let Some(url) = &self.external {
            clusters.push(json!({
                "name": "externalCluster",
                "cluster": { "server": url, "insecure-skip-tls-verify": true },
            }));
            contexts.push(context("external", "externalCluster"));
        }
        json!({
            "kind": "Config",
            "apiVersion": "v1",
            "preferences": {},
            "clusters": clusters,
            "users": [{ "name": "user", "user": {
                "client-certificate-data": STANDARD.encode(&self.client_certificate),
                "client-key-data": STANDARD.encode(&self.client_key),
            } }],
            "contexts": contexts,
            "current-context": if self.external.is_some() { "external" } else { "internal" },
        })
    }
}

/// A cluster to add. See [`Cluster`] for what is taken where nothing is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewCluster {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: Option<String>,
    /// Where it is reached from the VPC.
    pub internal: Option<String>,
    /// Where it is reached from outside.
    pub external: Option<String>,
    /// PEM of its CA.
    pub ca: Option<String>,
    /// PEM of the client certificate it issues.
    pub client_certificate: Option<String>,
    /// PEM of the certificate's key.
    pub client_key: Option<String>,
}

impl State {
    /// Adds a cluster to the project that is there from the start, or puts it in the place of the one of its id.
    pub fn set_cluster(&mut self, new: NewCluster) {
        let mut cluster = Cluster::named(&new.id, PROJECT, &new.name);
        let texts = [
            (&mut cluster.phase, new.phase),
            (&mut cluster.internal, new.internal),
            (&mut cluster.ca, new.ca),
            (&mut cluster.client_certificate, new.client_certificate),
            (&mut cluster.client_key, new.client_key),
        ];
        for (text, given) in texts {
            *text = given.unwrap_or_else(|| text.clone());
        }
        cluster.external = new.external;
        self.clusters.remove(Timestamp::MIN, &new.id);
        self.clusters.insert(Timestamp::MIN, &new.id, cluster);
    }
}

/// Clusters by id.
pub type Clusters = Table<Cluster>;

pub(super) fn service() -> Service<State> {
    Service::new("cce", errors::cce)
        .route(
            Route::get("/api/v3/projects/{project_id}/clusters", "ListClusters", list)
                .query(&["detail", "status", "type"]),
        )
        .route(Route::get("/api/v3/projects/{project_id}/clusters/{id}", "ShowCluster", show).query(&["detail"]))
        .route(Route::get("/api/v3/projects/{project_id}/clusters/{id}/openapi", "ShowClusterEndpoints", endpoints))
        .route(Route::post(
            "/api/v3/projects/{project_id}/clusters/{id}/clustercert",
            "CreateKubernetesClusterCert",
            certificate,
        ))
        .route(Route::post(
            "/api/v3/projects/{project_id}/clusters/{id}/clustercertrevoke",
            "RevokeKubernetesClusterCert",
            revoke,
        ))
}

fn missing(id: &str) -> Problem {
    Problem::refused(404, "CCE.01404001", format!("Cluster {id} not found."))
}

fn find<'a>(call: &'a Call<'_, State>) -> Result<&'a Cluster, Problem> {
    let id = call.parameter("id");
    call.state.clusters.get(id).filter(|cluster| cluster.project_id == call.project()).ok_or_else(|| missing(id))
}

fn list(call: Calling<'_, '_>) -> Reply {
    let own = call.list(&call.state.clusters, |cluster| {
        cluster.project_id == call.project() && call.admits("status", &cluster.phase)
    });
    let items: Value = own.into_iter().map(Cluster::view).collect();
    Ok(Answer::ok(&json!({ "kind": "Cluster", "apiVersion": "v3", "items": items })))
}

fn show(call: Calling<'_, '_>) -> Reply {
    Ok(Answer::ok(&find(call)?.view()))
}

fn endpoints(call: Calling<'_, '_>) -> Reply {
    let cluster = find(call)?;
    let status = json!({ "privateEndpoint": cluster.internal, "publicEndpoint": cluster.external.as_deref().unwrap_or_default() });
    Ok(Answer::ok(&json!({
        "kind": "Openapi", "apiVersion": "v3", "metadata": { "name": cluster.name, "uid": cluster.id }, "spec": {},
        "status": status,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    duration: Option<i64>,
    expire_at: Option<String>,
}

fn certificate(call: Calling<'_, '_>) -> Reply {
    let lifetime: Lifetime = call.body()?;
    let until = until(call.now, &lifetime)?;
    let (id, now) = (find(call)?.id.clone(), call.now);
    let cluster = call.state.clusters.change(now, &id).ok_or_else(|| missing(&id))?;
    if cluster.phase != "Available" {
        return Err(Problem::refused(
            409,
            "CCE.01409002",
            format!("Cluster {id} is in the phase {}, which does not allow this.", cluster.phase),
        ));
    }
    let key = call.caller.as_ref().map(|caller| caller.key.clone()).unwrap_or_default();
    cluster.issued.push(Issued { key, at: now, until });
    Ok(Answer::ok(&cluster.kubeconfig()).with_header("Port-ID", &cluster.port_id))
}

/// Until when a certificate lives: a moment from 15 minutes to five years ahead, or so many days.
fn until(now: Timestamp, lifetime: &Lifetime) -> Result<Timestamp, Problem> {
    let bad = |why: &str| Problem::refused(400, "CCE.01400001", why.to_owned());
    let most = later(now, days(MOST_DAYS));
    if let Some(text) = &lifetime.expire_at {
        let civil = text.strip_suffix(" +0000 UTC").and_then(|text| DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok());
        let until = civil.and_then(|civil| civil.to_zoned(TimeZone::UTC).ok()).map(|zoned| zoned.timestamp());
        let until = until.ok_or_else(|| bad("expire_at is not like 2027-01-01 16:00:00 +0000 UTC"))?;
        if until < later(now, Duration::from_secs(15 * 60)) || until > most {
            return Err(bad("expire_at is not from 15 minutes to five years ahead"));
        }
        return Ok(until);
    }
    match lifetime.duration {
        Some(-1) => Ok(most),
        Some(count @ 1..=MOST_DAYS) => Ok(later(now, days(count))),
        _ => Err(bad("duration is neither -1 nor from 1 to 1827")),
    }
}

fn days(count: i64) -> Duration {
    Duration::from_secs(86_400 * count.unsigned_abs())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    #[serde(rename = "userId")]
    user_id: Option<String>,
    #[serde(rename = "agencyId")]
    agency_id: Option<String>,
}

fn revoke(call: Calling<'_, '_>) -> Reply {
    let Revoke { user_id, agency_id } = call.body()?;
    let ((Some(who), None) | (None, Some(who))) = (user_id, agency_id) else {
        return Err(Problem::refused(400, "CCE.01400001", "one of userId and agencyId is needed".to_owned()));
    };
    let (id, now) = (find(call)?.id.clone(), call.now);
    if let Some(cluster) = call.state.clusters.change(now, &id) {
        cluster.revoked.push(who);
    }
    Ok(Answer::ok(&json!({})))
}
