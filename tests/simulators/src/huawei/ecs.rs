//! ECS: servers by v1, and the security-group actions by Nova's v2.1.

use http::StatusCode;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    State, errors,
    server::{self, Server},
};
use crate::engine::{Answer, Call, Problem, Reply, Route, Service, paging};

/// Most ids of a `server_id` query.
const IDS: usize = 100;

type C<'a> = Call<'a, State>;

pub(super) fn service() -> Service<State> {
    Service::new("ecs", errors::ecs)
        .route(Route::get("/v1/{project_id}/cloudservers/detail", "ListServersDetails", list).query(&[
            "limit",
            "offset",
            "marker",
            "name",
            "ip",
            "ip_eq",
            "status",
            "server_id",
            "tags",
            "not-tags",
            "flavor",
            "enterprise_project_id",
        ]))
        .route(Route::get("/v1/{project_id}/cloudservers/{server_id}", "ShowServer", show))
        .route(Route::get("/v1/{project_id}/cloudservers/{server_id}/os-interface", "ListServerInterfaces", interfaces))
}

pub(super) fn nova() -> Service<State> {
    Service::new("ecs", errors::nova)
        .route(Route::get(
            "/v2.1/{project_id}/servers/{server_id}/os-security-groups",
            "NovaListServerSecurityGroups",
            security_groups,
        ))
        .route(Route::post("/v2.1/{project_id}/servers/{server_id}/action", "NovaServerAction", action))
}

fn list(call: &mut C<'_>) -> Reply {
    if let Some(ids) = call.query("server_id") {
        return by_ids(call, ids);
    }
    let name = call.query("name").map(Regex::new).transpose();
    let name = name.map_err(|error| Problem::bad_parameter("name", error.to_string()))?;
    let (project, state) = (call.project(), &*call.state);
    let rows = call.list(&state.servers, |server| {
        server.project_id == project
            && name.as_ref().is_none_or(|name| name.is_match(&server.name))
            && call.query("ip_eq").is_none_or(|address| server.has_address(state, address))
            && call.query("ip").is_none_or(|part| server.has_address_like(state, part))
            && call.admits("status", &server.status)
            && call.admits("flavor", &server.flavor)
            && call.query("tags").is_none_or(|tags| tags.split(',').all(|tag| server.has_tag(tag)))
            && call.query("not-tags").is_none_or(|tags| !tags.split(',').any(|tag| server.has_tag(tag)))
    });
    let limit = call.page_size("limit", 25, 1000)?;
    let count = rows.len();
    let page = if let Some(marker) = call.query("marker") {
        paging::by_marker(rows, |server| &server.id, Some(marker), limit)?
    } else {
        paging::by_number(rows, |server| &server.id, call.parsed("offset")?.unwrap_or(1), limit)
    };
    let views: Vec<_> = page.rows.into_iter().map(|server| server.view(state)).collect();
    Ok(Answer::ok(&json!({ "count": count, "servers": views })))
}

/// Other filters are ignored, and an id that is nobody's comes back as an empty entry.
fn by_ids(call: &C<'_>, ids: &str) -> Reply {
    let ids: Vec<_> = ids.split(',').filter(|id| !id.is_empty()).collect();
    if ids.len() > IDS {
        return Err(Problem::bad_parameter("server_id", format!("{} ids are more than {IDS}", ids.len())));
    }
    let known = call
        .list(&call.state.servers, |server| server.project_id == call.project() && ids.contains(&server.id.as_str()));
    let view = |id: &&str| match known.iter().find(|server| server.id == **id) {
        Some(server) => server.view(call.state),
        None => server::unknown(id, call.now),
    };
    let views: Vec<Value> = ids.iter().map(view).collect();
    Ok(Answer::ok(&json!({ "count": views.len(), "servers": views })))
}

/// The server that the path names.
fn named<'c>(call: &'c C<'_>) -> Option<&'c Server> {
    call.state.servers.get(call.parameter("server_id")).filter(|server| server.project_id == call.project())
}

fn not_found(call: &C<'_>) -> Problem {
    Problem::refused(404, "Ecs.0114", format!("Instance[{}] could not be found.", call.parameter("server_id")))
}

fn show(call: &mut C<'_>) -> Reply {
    let server = named(call).ok_or_else(|| not_found(call))?;
    Ok(Answer::ok(&json!({ "server": server.view(call.state) })))
}

fn interfaces(call: &mut C<'_>) -> Reply {
    let server = named(call).ok_or_else(|| not_found(call))?;
    let ports = server.ports.iter().filter_map(|id| call.state.ports.get(id));
    let views: Vec<_> = ports
        .map(|port| {
            json!({
                "port_id": port.id, "port_state": port.status, "net_id": port.network_id, "mac_addr": port.mac_address,
                "fixed_ips": port.fixed_ips,
            })
        })
        .collect();
    let free = 12_usize.saturating_sub(views.len());
    Ok(Answer::ok(&json!({ "interfaceAttachments": views, "attachableQuantity": { "free_nic": free } })))
}

fn item_not_found(call: &C<'_>) -> Problem {
    Problem::refused(404, "itemNotFound", format!("Instance {} could not be found.", call.parameter("server_id")))
}

fn security_groups(call: &mut C<'_>) -> Reply {
    let server = named(call).ok_or_else(|| item_not_found(call))?;
    let groups = server.security_groups(call.state).into_iter().map(|group| {
        json!({
            "id": group.id, "name": group.name, "description": group.description, "tenant_id": group.project_id,
            "rules": [],
        })
    });
    Ok(Answer::ok(&json!({ "security_groups": groups.collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
enum Action {
    AddSecurityGroup(GroupName),
    RemoveSecurityGroup(GroupName),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupName {
    /// Name or id.
    name: String,
}

fn action(call: &mut C<'_>) -> Reply {
    let wanted: Action = call.body()?;
    let server = named(call).ok_or_else(|| item_not_found(call))?.clone();
    let (GroupName { name }, add) = match &wanted {
        Action::AddSecurityGroup(group) => (group, true),
        Action::RemoveSecurityGroup(group) => (group, false),
    };
    let project = call.project();
    let group = call
        .state
        .security_groups
        .iter()
        .find(|group| group.project_id == project && (group.id == *name || group.name == *name));
    let missing = || {
        let message = format!("Security group {name} is not found for project {project}.");
        Problem::refused(404, "itemNotFound", message)
    };
    let group = group.ok_or_else(missing)?.id.clone();
    let has = server.security_groups(call.state).iter().any(|other| other.id == group);
    if add == has {
        let how = if add { "already associated" } else { "not associated" };
        let message = format!("Security group {group} {how} with the instance {}", server.id);
        return Err(Problem::refused(
            if add { 400 } else { 404 },
            if add { "badRequest" } else { "itemNotFound" },
            message,
        ));
    }
    for port in &server.ports {
        let Some(port) = call.state.ports.change(call.now, port) else { continue };
        port.security_groups.retain(|other| *other != group);
        if add {
            port.security_groups.push(group.clone());
        }
    }
    Ok(Answer::empty(StatusCode::ACCEPTED))
}
