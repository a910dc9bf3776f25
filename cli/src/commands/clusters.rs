//! `clusters list`.

use cloud_provider_api::v1::{ClusterEndpoint, ManagedCluster};
use serde_json::{Value, json};

use crate::{Failure, Provider, Terminal, args::Output, terminal::Table};

pub(super) async fn list(provider: &Provider, output: Output, terminal: &mut Terminal) -> Result<(), Failure> {
    let clusters = provider.clusters().await?;
    let mut table = Table::new(&["ID", "NAME", "VERSION", "REGION", "STATE", "ENDPOINTS"]);
    for cluster in &clusters {
        let ManagedCluster { id, name, version, region, state, .. } = cluster.clone();
        table.row([id, name, version, region, state, endpoints(cluster).join(", ")]);
    }
    let json: Value = clusters
        .iter()
        .map(|cluster| {
            json!({
                "id": cluster.id, "name": cluster.name, "version": cluster.version, "region": cluster.region,
                "state": cluster.state, "endpoints": endpoints(cluster),
                "notices": cluster.notices.iter().map(|notice| json!({ "reason": notice.reason, "message": notice.message })).collect::<Vec<_>>(),
            })
        })
        .collect();
    terminal.show(output, &table, &json)?;
    for cluster in &clusters {
        for notice in &cluster.notices {
            terminal.note(&format!("{}: {}: {}", cluster.id, notice.reason, notice.message));
        }
    }
    Ok(())
}

fn endpoints(cluster: &ManagedCluster) -> Vec<&'static str> {
    let name = |endpoint| match endpoint {
        ClusterEndpoint::Public => Some("public"),
        ClusterEndpoint::Vpc => Some("vpc"),
        ClusterEndpoint::Unspecified => None,
    };
    cluster.endpoints().filter_map(name).collect()
}
