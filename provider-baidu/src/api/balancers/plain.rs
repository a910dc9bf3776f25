//! Servers of BLB: one set for all its listeners.

use cloud_rest::Error;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::{
    api::{
        page::{ByMarker, Listed},
        text::{number, or_default},
    },
    cloud::{BY_MARKER, Cloud},
};

/// A server.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Backend {
    #[serde(rename = "instanceId", deserialize_with = "or_default")]
    pub(crate) instance: String,
    /// 0: no new connections.
    #[serde(deserialize_with = "number")]
    pub(crate) weight: u16,
}

impl Listed for Backend {
    fn id(&self) -> &str {
        &self.instance
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Backends<T> {
    backend_server_list: T,
}

impl Cloud {
    /// All servers.
    pub(crate) async fn backends(&self, balancer: &str) -> Result<Vec<Backend>, Error> {
        let request = self.balancer_get(Kind::Plain, "DescribeBackendServers", &[balancer, "backendserver"]);
        Ok(request.list::<ByMarker<Backend>>(BY_MARKER).await?.into_inner())
    }

    /// Adds servers.
    pub(crate) async fn add_backends(&self, balancer: &str, new: &[Backend]) -> Result<(), Error> {
        let request = self.balancer_post(Kind::Plain, "AddBackendServers", &[balancer, "backendserver"]);
        request.body(&Backends { backend_server_list: new }).run().await.map(drop)
    }

    /// Sets weights.
    pub(crate) async fn update_backends(&self, balancer: &str, changed: &[Backend]) -> Result<(), Error> {
        let request = self.balancer_put(Kind::Plain, "UpdateBackendServers", &[balancer, "backendserver"]);
        request.action("update").body(&Backends { backend_server_list: changed }).run().await.map(drop)
    }

    /// Takes servers out. Success if they are not there.
    pub(crate) async fn remove_backends(&self, balancer: &str, gone: &[String]) -> Result<(), Error> {
        let request = self.balancer_put(Kind::Plain, "RemoveBackendServers", &[balancer, "backendserver"]);
        crate::api::all_gone(gone.len(), request.body(&Backends { backend_server_list: gone }).run().await)
    }
}
