//! `routes.proto`: routes between nodes.

use std::collections::HashMap;

use cloud_provider_api::v1::{self, list_routes_response};
use controller_core::{
    fault::{Fault, reason},
    provider::Route,
};
use ipnet::IpNet;

use super::{
    Refusal,
    common::{
        ID, InvalidField, addresses, bounded, item_status, malformed, wire_addresses, wire_annotations, wire_cluster,
    },
    distrust,
    list::Page,
};
use crate::provider::{Cluster, Info};

/// An answer about routes that is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::provider) enum InvalidRoute {
    #[error(transparent)]
    Field(#[from] InvalidField),
    #[error("results lacks item {0}")]
    Left(u32),
    #[error("results names item {0} twice")]
    Twice(u32),
    #[error("results names item {0}, which was not sent")]
    NotAsked(u32),
}

impl Refusal for InvalidRoute {
    fn reason(&self) -> &'static str {
        match self {
            Self::Left(_) => reason::MISSING_ANSWER,
            _ => reason::BAD_ANSWER,
        }
    }
}

pub(in crate::provider) fn list_request(cluster: &Cluster) -> v1::ListRoutesRequest {
    v1::ListRoutesRequest { cluster: Some(wire_cluster(cluster)) }
}

pub(in crate::provider) fn create_request(
    cluster: &Cluster,
    info: &Info,
    routes: &[(Route, String)],
) -> v1::CreateRoutesRequest {
    let routes = (1..).zip(routes).map(|(id, (route, hint))| wire_item(info, id, route, hint)).collect();
    v1::CreateRoutesRequest { cluster: Some(wire_cluster(cluster)), routes }
}

pub(in crate::provider) fn delete_request(cluster: &Cluster, info: &Info, routes: &[Route]) -> v1::DeleteRoutesRequest {
    let routes = (1..).zip(routes).map(|(id, route)| wire_item(info, id, route, "")).collect();
    v1::DeleteRoutesRequest { cluster: Some(wire_cluster(cluster)), routes }
}

/// `id` starts at 1, so that a result without one does not pass for the first.
fn wire_item(info: &Info, id: u32, route: &Route, hint: &str) -> v1::RouteItem {
    v1::RouteItem { id, route: Some(wire_route(info, route)), name_hint: hint.to_owned() }
}

fn wire_route(info: &Info, route: &Route) -> v1::Route {
    v1::Route {
        name: route.name.clone(),
        target_node: route.target_node.clone(),
        target_addresses: wire_addresses(&route.target_addresses),
        compare_addresses: route.compare_addresses,
        destination_cidr: route.destination_cidr.clone(),
        blackhole: route.blackhole,
        target_provider_id: route.target_provider_id.clone(),
        annotations: wire_annotations(&route.annotations, &info.annotation_prefixes),
    }
}

/// A page of the table.
pub(in crate::provider) fn page(wire: v1::ListRoutesResponse) -> Page<v1::Route> {
    match wire.page {
        Some(list_routes_response::Page::Items(page)) => Page::Items(page.routes),
        Some(list_routes_response::Page::Complete(complete)) => Page::Complete(complete),
        None => Page::Unknown,
    }
}

/// The routes of the table. A broken one refuses them all: a table with a hole would be filled.
pub(in crate::provider) fn routes(wire: Vec<v1::Route>) -> Result<Vec<Route>, InvalidRoute> {
    wire.into_iter().map(route).collect()
}

fn route(wire: v1::Route) -> Result<Route, InvalidRoute> {
    if wire.destination_cidr.parse::<IpNet>().is_err() {
        return Err(malformed("destination_cidr", &wire.destination_cidr, "a CIDR").into());
    }
    Ok(Route {
        name: bounded("name", wire.name, ID)?,
        target_node: bounded("target_node", wire.target_node, 253)?,
        target_addresses: addresses("target_addresses", wire.target_addresses)?,
        compare_addresses: wire.compare_addresses,
        destination_cidr: wire.destination_cidr,
        blackhole: wire.blackhole,
        target_provider_id: bounded("target_provider_id", wire.target_provider_id, ID)?,
        annotations: wire.annotations.into_iter().collect(),
    })
}

/// One outcome for each of `sent` items, in their order. What the answer says nothing about, or two things, failed.
pub(in crate::provider) fn results(provider: &str, sent: usize, wire: Vec<v1::RouteResult>) -> Vec<Result<(), Fault>> {
    let sent = u32::try_from(sent).unwrap_or(u32::MAX);
    if let Some(stray) = wire.iter().find(|result| !(1..=sent).contains(&result.id)) {
        let fault = distrust(provider, &InvalidRoute::NotAsked(stray.id));
        return (0..sent).map(|_| Err(fault.clone())).collect();
    }
    let mut by_id: HashMap<u32, Vec<v1::RouteResult>> = HashMap::new();
    for result in wire {
        by_id.entry(result.id).or_default().push(result);
    }
    (1..=sent)
        .map(|id| {
            let mut results = by_id.remove(&id).unwrap_or_default().into_iter();
            match (results.next(), results.next()) {
                (None, _) => Err(distrust(provider, &InvalidRoute::Left(id))),
                (Some(_), Some(_)) => Err(distrust(provider, &InvalidRoute::Twice(id))),
                (Some(result), None) => match &result.status {
                    Some(status) => item_status(provider, status),
                    None => Err(distrust(provider, &InvalidRoute::Field(InvalidField::Missing { field: "status" }))),
                },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
