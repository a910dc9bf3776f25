//! `load-balancers list`.

use cloud_provider_api::v1;
use serde_json::{Value, json};

use super::time;
use crate::{
    Failure, Provider, Terminal,
    args::{ClusterAccess, Output},
    pull_secrets::Cluster,
    terminal::Table,
};

/// The id the controller uses: the one that was given, or what the cluster says.
pub(super) async fn cluster_id(given: Option<String>, access: &ClusterAccess) -> Result<String, Failure> {
    match given {
        Some(id) => Ok(id),
        None => Cluster::connect(access).await?.id().await,
    }
}

pub(super) async fn list(
    provider: &Provider,
    id: String,
    name: String,
    output: Output,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let balancers = provider.load_balancers(v1::Cluster { id, name }).await?;
    let mut table = Table::new(&["SERVICE", "UID", "NAME", "ADDRESSES", "HANDLE", "MADE"]);
    for balancer in &balancers {
        let key = balancer.key.clone().unwrap_or_default();
        let service = [key.service_namespace.as_str(), key.service_name.as_str()].join("/");
        let service = if service == "/" { String::new() } else { service };
        let (name, addresses) = (balancer.name.clone(), balancer.addresses.join(", "));
        table.row([service, key.service_uid, name, addresses, key.handle, time(balancer.created_at)]);
    }
    let json: Value = balancers
        .iter()
        .map(|balancer| {
            let key = balancer.key.clone().unwrap_or_default();
            json!({
                "namespace": key.service_namespace, "service": key.service_name, "uid": key.service_uid, "handle": key.handle,
                "name": balancer.name, "addresses": balancer.addresses,
            })
        })
        .collect();
    terminal.show(output, &table, &json)
}
