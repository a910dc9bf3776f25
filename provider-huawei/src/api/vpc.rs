//! Route tables and ports (VPC v1).

use cloud_rest::{
    Effect, Error,
    paging::{Page, Parts, Style},
};
use serde::{Deserialize, Serialize};

use super::nothing::or_default;
use crate::{
    cloud::{Cloud, PROJECT},
    endpoints::Service,
    routes::plan::{Change, TableRoute},
};

/// Rows of one page.
const LIMIT: u32 = 100;

/// A route table, as a listing has it: without its routes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(crate) struct RouteTable {
    pub(crate) id: String,
    /// The VPC's default one.
    #[serde(deserialize_with = "or_default")]
    pub(crate) default: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) vpc_id: String,
}

#[derive(Deserialize)]
struct TablePage {
    routetables: Vec<RouteTable>,
}

impl Page for TablePage {
    type Item = RouteTable;

    fn split(self) -> Parts<RouteTable> {
        Parts { items: self.routetables, next: None, total: None }
    }

    fn id(item: &RouteTable) -> &str {
        &item.id
    }
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct WireRoute {
    #[serde(rename = "type", deserialize_with = "or_default")]
    kind: String,
    destination: String,
    #[serde(deserialize_with = "or_default")]
    nexthop: String,
    #[serde(deserialize_with = "or_default")]
    description: String,
}

impl From<WireRoute> for TableRoute {
    fn from(wire: WireRoute) -> Self {
        let WireRoute { kind, destination, nexthop, description } = wire;
        Self { kind, destination, nexthop, description }
    }
}

impl From<&TableRoute> for WireRoute {
    fn from(route: &TableRoute) -> Self {
        let TableRoute { kind, destination, nexthop, description } = route.clone();
        Self { kind, destination, nexthop, description }
    }
}

#[derive(Deserialize)]
struct OneTable {
    routetable: TableRoutes,
}

#[derive(Deserialize)]
struct TableRoutes {
    routes: Vec<WireRoute>,
}

impl OneTable {
    fn routes(self) -> Vec<TableRoute> {
        self.routetable.routes.into_iter().map(Into::into).collect()
    }
}

#[derive(Serialize)]
struct Update {
    routetable: UpdateRoutes,
}

#[derive(Serialize)]
struct UpdateRoutes {
    routes: Changes,
}

/// Lists that are empty are not sent.
#[derive(Default, Serialize)]
struct Changes {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    add: Vec<WireRoute>,
    #[serde(rename = "mod", skip_serializing_if = "Vec::is_empty")]
    modify: Vec<WireRoute>,
    #[serde(rename = "del", skip_serializing_if = "Vec::is_empty")]
    delete: Vec<Destination>,
}

#[derive(Serialize)]
struct Destination {
    destination: String,
}

impl Changes {
    fn of(changes: &[Change]) -> Self {
        let mut all = Self::default();
        for change in changes {
            match change {
                Change::Add(route) => all.add.push(route.into()),
                Change::Modify(route) => all.modify.push(route.into()),
                Change::Delete(route) => all.delete.push(Destination { destination: route.destination.clone() }),
            }
        }
        all
    }
}

/// Foreign addresses a port carries.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
pub(crate) struct AddressPair {
    pub(crate) ip_address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mac_address: Option<String>,
}

#[derive(Deserialize)]
struct OnePort {
    port: Port,
}

#[derive(Deserialize)]
struct Port {
    #[serde(default, deserialize_with = "or_default")]
    allowed_address_pairs: Vec<AddressPair>,
}

#[derive(Serialize)]
struct PortUpdate<'a> {
    port: PortPairs<'a>,
}

#[derive(Serialize)]
struct PortPairs<'a> {
    allowed_address_pairs: &'a [AddressPair],
}

impl Cloud {
    /// The route tables of a VPC.
    pub(crate) async fn route_tables(&self, vpc: &str) -> Result<Vec<RouteTable>, Error> {
        let style = Style::LastId { marker: "marker", size: "limit", limit: LIMIT };
        let request = self.get(Service::Vpc, "ListRouteTables", &["v1", PROJECT, "routetables"]).query("vpc_id", vpc);
        Ok(request.list::<TablePage>(style).await?.into_inner())
    }

    /// The routes of a table.
    pub(crate) async fn routes(&self, table: &str) -> Result<Vec<TableRoute>, Error> {
        let request = self.get(Service::Vpc, "ShowRouteTable", &["v1", PROJECT, "routetables", table]);
        Ok(request.send::<OneTable>().await?.value.routes())
    }

    /// Changes some routes of a table; the answer is all it then has. Not to be repeated blindly: adding what is there fails.
    pub(crate) async fn update_routes(&self, table: &str, changes: &[Change]) -> Result<Vec<TableRoute>, Error> {
        let body = Update { routetable: UpdateRoutes { routes: Changes::of(changes) } };
        let path = ["v1", PROJECT, "routetables", table];
        let request = self.put(Service::Vpc, "UpdateRouteTable", &path).effect(Effect::Write).body(&body);
        Ok(request.send::<OneTable>().await?.value.routes())
    }

    /// Foreign addresses a port carries.
    pub(crate) async fn address_pairs(&self, port: &str) -> Result<Vec<AddressPair>, Error> {
        let request = self.get(Service::Vpc, "ShowPort", &["v1", PROJECT, "ports", port]);
        Ok(request.send::<OnePort>().await?.value.port.allowed_address_pairs)
    }

    /// Sets the foreign addresses a port carries: all of them.
    pub(crate) async fn set_address_pairs(&self, port: &str, pairs: &[AddressPair]) -> Result<(), Error> {
        let body = PortUpdate { port: PortPairs { allowed_address_pairs: pairs } };
        self.put(Service::Vpc, "UpdatePort", &["v1", PROJECT, "ports", port]).body(&body).run().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_update_holds_only_what_changes() {
        let route = |destination: &str| TableRoute {
            kind: "ecs".to_owned(),
            destination: destination.to_owned(),
            nexthop: "server-1".to_owned(),
            description: "k8s:c1:a".to_owned(),
        };
        let wire =
            json!({"type": "ecs", "destination": "10.244.3.0/24", "nexthop": "server-1", "description": "k8s:c1:a"});
        let told = |changes: &[Change]| serde_json::to_value(Changes::of(changes)).unwrap();
        assert_eq!(told(&[Change::Add(route("10.244.3.0/24"))]), json!({"add": [wire]}));
        let both = [Change::Modify(route("10.244.3.0/24")), Change::Delete(route("10.244.4.0/24"))];
        assert_eq!(told(&both), json!({"mod": [wire], "del": [{"destination": "10.244.4.0/24"}]}));
    }

    #[test]
    fn an_address_pair_keeps_what_it_has() {
        let pairs: Vec<AddressPair> =
            serde_json::from_value(json!([{"ip_address": "10.0.0.9", "mac_address": "fa:16:3e:00:00:01"}])).unwrap();
        let wire = serde_json::to_value(PortUpdate { port: PortPairs { allowed_address_pairs: &pairs } }).unwrap();
        assert_eq!(wire["port"]["allowed_address_pairs"][0]["mac_address"], "fa:16:3e:00:00:01");
    }
}
