//! Route tables of VPCs.

use http::StatusCode;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    State, errors,
    network::{Route, RouteTable},
    server::second,
    vpc::PAGE,
};
use crate::engine::{Answer, Call, Problem, Reply, Route as ApiRoute, Service, paging};

type C<'a> = Call<'a, State>;

/// Kinds of next hops that a route may be given.
const KINDS: [&str; 11] = ["ecs", "eni", "vip", "nat", "peering", "vpn", "dc", "cc", "egw", "er", "subeni"];

pub(super) fn service() -> Service<State> {
    Service::new("vpc", errors::vpc)
        .route(ApiRoute::get("/v1/{project_id}/routetables", "ListRouteTables", list).query(&[
            "id",
            "vpc_id",
            "subnet_id",
            "marker",
            "limit",
        ]))
        .route(ApiRoute::get("/v1/{project_id}/routetables/{id}", "ShowRouteTable", show))
        .route(ApiRoute::post("/v1/{project_id}/routetables", "CreateRouteTable", create))
        .route(ApiRoute::put("/v1/{project_id}/routetables/{id}", "UpdateRouteTable", update))
        .route(ApiRoute::delete("/v1/{project_id}/routetables/{id}", "DeleteRouteTable", delete))
        .route(ApiRoute::post("/v1/{project_id}/routetables/{id}/action", "AssociateRouteTable", associate))
}

/// A table without its routes, as lists show it.
fn head(table: &RouteTable) -> Value {
    let subnets: Vec<_> = table.subnets.iter().map(|id| json!({ "id": id })).collect();
    json!({
        "id": table.id, "name": table.name, "default": table.default, "subnets": subnets, "tenant_id": table.project_id,
        "vpc_id": table.vpc_id, "description": table.description, "created_at": second(table.created_at),
        "updated_at": second(table.updated_at),
    })
}

fn whole(table: &RouteTable) -> Value {
    let mut view = head(table);
    view["routes"] = json!(table.routes);
    json!({ "routetable": view })
}

fn list(call: &mut C<'_>) -> Reply {
    let rows = call.list(&call.state.route_tables, |table| {
        table.project_id == call.project()
            && call.admits("id", &table.id)
            && call.admits("vpc_id", &table.vpc_id)
            && call.query("subnet_id").is_none_or(|subnet| table.subnets.iter().any(|id| id == subnet))
    });
    let limit = call.page_size("limit", PAGE, PAGE)?;
    let page = paging::by_marker(rows, |table| &table.id, call.query("marker"), limit)?;
    Ok(Answer::ok(&json!({ "routetables": page.rows.into_iter().map(head).collect::<Vec<_>>() })))
}

/// The table that the path names.
fn named<'c>(call: &'c C<'_>) -> Result<&'c RouteTable, Problem> {
    let id = call.parameter("id");
    let table = call.state.route_tables.get(id).filter(|table| table.project_id == call.project());
    table.ok_or_else(|| Problem::refused(404, "VPC.2702", format!("RouteTable {id} could not be found.")))
}

fn show(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&whole(named(call)?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRoute {
    #[serde(rename = "type")]
    kind: String,
    destination: String,
    nexthop: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Destination {
    destination: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changes {
    add: Vec<WireRoute>,
    #[serde(rename = "mod")]
    modify: Vec<WireRoute>,
    del: Vec<Destination>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateRequest {
    routetable: Update,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    routes: Changes,
}

fn refused(status: u16, message: String) -> Problem {
    Problem::refused(status, if status == 409 { "VPC.2709" } else { "VPC.2701" }, message)
}

/// All changes or none: they are made on a copy.
fn update(call: &mut C<'_>) -> Reply {
    let mut table = named(call)?.clone();
    let UpdateRequest { routetable: Update { name, description, routes } } = call.body()?;
    for (list, count) in [("add", routes.add.len()), ("mod", routes.modify.len()), ("del", routes.del.len())] {
        check_count(call, list, count)?;
    }
    for Destination { destination } in &routes.del {
        let at = position(&table, destination)?;
        table.routes.remove(at);
    }
    for route in routes.modify {
        let at = position(&table, &route.destination)?;
        table.routes[at] = checked(call, &table, route)?;
    }
    for route in routes.add {
        add(call, &mut table, route)?;
    }
    table.name = name.unwrap_or(table.name);
    table.description = description.unwrap_or(table.description);
    table.updated_at = call.now;
    let view = whole(&table);
    if let Some(old) = call.state.route_tables.change(call.now, &table.id) {
        *old = table.clone();
    }
    Ok(Answer::ok(&view))
}

fn check_count(call: &C<'_>, list: &str, count: usize) -> Result<(), Problem> {
    let most = call.quota("routes_per_request");
    if count > most {
        return Err(Problem::bad_parameter(list, format!("{count} routes are more than the {most} of one request")));
    }
    Ok(())
}

/// Where the route of a destination is; `local` ones cannot be named.
fn position(table: &RouteTable, destination: &str) -> Result<usize, Problem> {
    let at = table.routes.iter().position(|route| route.destination == destination && route.kind != "local");
    at.ok_or_else(|| Problem::refused(404, "VPC.2702", format!("The route to {destination} could not be found.")))
}

fn add(call: &C<'_>, table: &mut RouteTable, route: WireRoute) -> Result<(), Problem> {
    let route = checked(call, table, route)?;
    if table.routes.iter().any(|other| other.destination == route.destination) {
        return Err(refused(409, format!("The route to {} exists already.", route.destination)));
    }
    let own = table.routes.iter().filter(|route| route.kind != "local").count();
    if own >= call.quota("routes_per_table") {
        return Err(Problem::refused(409, "VPC.0114", "Quota exceeded for resources: ['route']"));
    }
    table.routes.push(route);
    Ok(())
}

/// A route that could stand in the table.
fn checked(call: &C<'_>, table: &RouteTable, route: WireRoute) -> Result<Route, Problem> {
    let WireRoute { kind, destination, nexthop, description } = route;
    if !KINDS.contains(&kind.as_str()) {
        return Err(Problem::bad_parameter("type", format!("{kind} is not one of {}", KINDS.join(", "))));
    }
    let range: Option<IpNet> = destination.parse().ok().filter(|range: &IpNet| range.trunc() == *range);
    let range = range.ok_or_else(|| Problem::bad_parameter("destination", format!("{destination} is no range")))?;
    let local = table.routes.iter().filter(|route| route.kind == "local");
    for local in local.filter_map(|route| route.destination.parse::<IpNet>().ok()) {
        if local.contains(&range) || range.contains(&local) {
            return Err(refused(400, format!("The destination {destination} overlaps the system route {local}.")));
        }
    }
    if description.chars().count() > 255 || description.contains(['<', '>']) {
        return Err(Problem::bad_parameter("description", "at most 255 characters, without < and >"));
    }
    let server = || call.state.servers.get(&nexthop).filter(|server| server.vpc_id == table.vpc_id);
    if kind == "ecs" && server().is_none() {
        return Err(refused(400, format!("The next hop {nexthop} is no server of the VPC.")));
    }
    Ok(Route { kind, destination, nexthop, description })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRequest {
    routetable: NewTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTable {
    name: String,
    vpc_id: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    routes: Vec<WireRoute>,
}

fn create(call: &mut C<'_>) -> Reply {
    let CreateRequest { routetable: new } = call.body()?;
    let vpc = call.state.vpcs.get(&new.vpc_id).filter(|vpc| vpc.project_id == call.project());
    let missing = || Problem::refused(404, "VPC.0003", format!("VPC {} could not be found.", new.vpc_id));
    let vpc_id = vpc.ok_or_else(missing)?.id.clone();
    check_count(call, "routes", new.routes.len())?;
    let default = call.state.route_tables.iter().find(|table| table.vpc_id == vpc_id && table.default);
    let local = default.into_iter().flat_map(|table| &table.routes).filter(|route| route.kind == "local");
    let mut table = RouteTable {
        id: String::new(),
        project_id: call.project().to_owned(),
        name: new.name,
        vpc_id,
        default: false,
        description: new.description,
        subnets: Vec::new(),
        routes: local.cloned().collect(),
        created_at: call.now,
        updated_at: call.now,
    };
    for route in new.routes {
        add(call, &mut table, route)?;
    }
    table.id = call.state.new_id();
    let view = whole(&table);
    let id = table.id.clone();
    call.state.route_tables.insert(call.now, &id, table);
    Ok(Answer::ok(&view))
}

fn delete(call: &mut C<'_>) -> Reply {
    let table = named(call)?;
    if table.default || !table.subnets.is_empty() {
        let why = if table.default { "is the default one" } else { "has subnets" };
        return Err(refused(409, format!("RouteTable {} {why}.", table.id)));
    }
    let id = table.id.clone();
    call.state.route_tables.remove(call.now, &id);
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionRequest {
    routetable: Action,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    subnets: SubnetChanges,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SubnetChanges {
    associate: Vec<String>,
    disassociate: Vec<String>,
}

/// A subnet that is taken in leaves its table, one that is let go falls back to the default one.
fn associate(call: &mut C<'_>) -> Reply {
    let (id, vpc_id) = (named(call)?.id.clone(), named(call)?.vpc_id.clone());
    let ActionRequest { routetable: Action { subnets } } = call.body()?;
    let default = call.state.route_tables.iter().find(|table| table.vpc_id == vpc_id && table.default);
    let default = default.map(|table| table.id.clone()).unwrap_or_default();
    for subnet in subnets.associate.iter().chain(&subnets.disassociate) {
        let known = call.state.subnets.get(subnet).filter(|known| known.vpc_id == vpc_id);
        known.ok_or_else(|| Problem::refused(404, "VPC.0202", format!("Subnet {subnet} could not be found.")))?;
    }
    let moves = subnets.associate.into_iter().map(|subnet| (subnet, id.clone()));
    let moves: Vec<_> = moves.chain(subnets.disassociate.into_iter().map(|subnet| (subnet, default.clone()))).collect();
    let tables: Vec<_> =
        call.state.route_tables.iter().filter(|table| table.vpc_id == vpc_id).map(|table| table.id.clone()).collect();
    for table in tables {
        let Some(table) = call.state.route_tables.change(call.now, &table) else { continue };
        for (subnet, to) in &moves {
            table.subnets.retain(|other| other != subnet);
            if table.id == *to {
                table.subnets.push(subnet.clone());
            }
        }
    }
    Ok(Answer::ok(&whole(named(call)?)))
}
