//! CCE: clusters, their nodes, kubeconfigs and grants.

mod kubeconfig;
mod rbac;
mod v1;
mod v2;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::rbac::Grant;
pub(super) use self::{v1::service as v1, v2::service as v2};
use super::{
    State,
    calls::C,
    errors::no_such,
    machines::Machine,
    state::{ACCOUNT, SUBNET, VPC},
};
use crate::engine::Problem;

/// A cluster.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Its id; `cce-…` is of v2, `c-…` of v1.
    pub id: String,
    /// Its account.
    pub account: String,
    /// Its name.
    pub name: String,
    /// `normal`, `edge`, `cloudEdge` and others.
    pub kind: String,
    /// `running` and others.
    pub phase: String,
    /// Its Kubernetes version.
    pub version: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Subnet of its load balancers.
    pub lb_subnet_id: String,
    /// Ranges of its pods and services.
    pub pod_cidr: String,
    /// Range of its services.
    pub service_cidr: String,
    /// Whether the cloud's own controller is off.
    pub disable_ccm: bool,
    /// Its machines; absent: all of the account's.
    pub machines: Option<Vec<String>>,
    /// Where it is reached from the VPC. A test can put a real API server here.
    pub vpc_endpoint: String,
    /// Where it is reached from outside, if it is.
    pub public_endpoint: Option<String>,
    /// PEM of the CA the API server's certificate is from.
    pub ca: String,
    /// PEM of the client certificate it issues.
    pub client_certificate: String,
    /// PEM of that certificate's key.
    #[serde(skip)]
    pub client_key: String,
    /// Who may do what in it.
    pub grants: Vec<Grant>,
    /// To which keys kubeconfigs were issued.
    pub issued: Vec<String>,
}

/// A cluster to add. See [`Cluster`] for what the fields mean.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[allow(missing_docs, reason = "they are those of `Cluster`")]
pub struct NewCluster {
    pub id: String,
    pub name: String,
    pub account: Option<String>,
    pub kind: Option<String>,
    pub phase: Option<String>,
    pub vpc_id: Option<String>,
    pub lb_subnet_id: Option<String>,
    pub disable_ccm: bool,
    pub machines: Option<Vec<String>>,
    pub vpc_endpoint: Option<String>,
    pub public_endpoint: Option<String>,
    pub ca: Option<String>,
    pub client_certificate: Option<String>,
    pub client_key: Option<String>,
}

impl State {
    /// Adds a cluster, or puts it in the place of the one of its id.
    pub fn set_cluster(&mut self, new: NewCluster) {
        let or = |given: Option<String>, default: &str| given.unwrap_or_else(|| default.to_owned());
        let cluster = Cluster {
            account: or(new.account, ACCOUNT),
            name: new.name,
            kind: or(new.kind, "normal"),
            phase: or(new.phase, "running"),
            version: "1.31.1".to_owned(),
            vpc_id: or(new.vpc_id, VPC),
            lb_subnet_id: or(new.lb_subnet_id, SUBNET),
            pod_cidr: "172.16.0.0/16".to_owned(),
            service_cidr: "172.31.0.0/16".to_owned(),
            disable_ccm: new.disable_ccm,
            machines: new.machines,
            vpc_endpoint: or(new.vpc_endpoint, "https://192.168.0.100:6443"),
            public_endpoint: new.public_endpoint,
            ca: or(new.ca, "simulated CA"),
            client_certificate: or(new.client_certificate, "simulated certificate"),
            client_key: or(new.client_key, "simulated key"),
            grants: Vec::new(),
            issued: Vec::new(),
            id: new.id,
        };
        self.clusters.remove(Timestamp::MIN, &cluster.id);
        self.clusters.insert(Timestamp::MIN, &cluster.id.clone(), cluster);
    }
}

/// The versions of the API; each sees its own clusters alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Cluster {
    fn is_of(&self, version: Version) -> bool {
        self.id.starts_with("cce-") == (version == Version::V2)
    }

    /// Whether a machine is one of its nodes.
    fn has(&self, machine: &Machine) -> bool {
        machine.account == self.account && self.machines.as_ref().is_none_or(|ids| ids.contains(&machine.id))
    }
}

/// A cluster of the account's that the version sees.
fn find<'c>(call: &'c C<'_>, id: &str, version: Version) -> Result<&'c Cluster, Problem> {
    let own = |cluster: &&Cluster| cluster.account == call.account() && cluster.is_of(version);
    call.state.clusters.get(id).filter(own).ok_or_else(|| match version {
        Version::V1 => no_such("cluster", id),
        Version::V2 => {
            Problem::refused(404, "cce.warning.ClusterNotFound", format!("The cluster {id} does not exist."))
        }
    })
}
