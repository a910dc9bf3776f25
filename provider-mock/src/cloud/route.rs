//! Routes of the cloud's table.

use serde::{Deserialize, Serialize};

use super::Address;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The cloud's name of it.
    pub name: String,
    /// One CIDR.
    pub destination: String,
    /// Name of the machine it leads to; empty when it is none of this cluster's.
    #[serde(default)]
    pub target: String,
    /// Addresses of the target.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// Id of the cluster that had it made; empty for a route of others.
    #[serde(default)]
    pub cluster: String,
    /// Somebody says it leads nowhere. It does so anyway when its machine is gone.
    #[serde(default)]
    pub blackhole: bool,
}
