//! Events, as a person reads them.

use anyhow::Result;
use k8s_openapi::api::core::v1::Event;
use kube::Client;
use kube::api::{Api, ListParams};

/// The Events about one object, oldest first.
pub async fn about(client: &Client, kind: &str, name: &str) -> Result<Vec<Event>> {
    let chosen = ListParams::default().fields(&format!("involvedObject.kind={kind},involvedObject.name={name}"));
    let mut events = Api::<Event>::all(client.clone()).list(&chosen).await?.items;
    events.sort_by(|one, other| one.metadata.creation_timestamp.cmp(&other.metadata.creation_timestamp));
    Ok(events)
}

/// `Warning SyncLoadBalancerFailed: message (x3)`.
pub fn line(event: &Event) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let count = event.count.filter(|count| *count > 1).map_or_else(String::new, |count| format!(" (x{count})"));
    format!("{} {}: {}{count}", text(&event.type_), text(&event.reason), text(&event.message))
}

/// The Events about one object as text, for the messages of failed tests.
pub async fn lines(client: &Client, kind: &str, name: &str) -> Result<Vec<String>> {
    Ok(about(client, kind, name).await?.iter().map(line).collect())
}
