//! BCC v2: virtual machines.

use std::net::Ipv4Addr;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    State,
    calls::{C, Tag, body, checked_tags, done, page},
    errors::{self, bad, no_such},
    machines::{Kind, Machine},
    network::among,
};
use crate::engine::{Answer, Problem, Reply, Route, Service};

/// Most ids and names of a call.
const IDS: usize = 100;

pub(super) fn service() -> Service<State> {
    Service::new("bcc", errors::common)
        .on(&["bcc", "internal-api"])
        .route(Route::get("/v2/instance", "ListInstances", list).query(&[
            "marker",
            "maxKeys",
            "instanceIds",
            "instanceNames",
            "privateIps",
            "internalIp",
            "vpcId",
            "zoneName",
            "status",
        ]))
        .route(
            Route::post("/v2/instance/listByInstanceId", "ListInstancesByIds", by_ids)
                .query(&["marker", "maxKeys"])
                .reads(),
        )
        .route(Route::get("/v2/instance/{id}", "GetInstanceDetail", show).query(&["containsFailed"]))
        .route(Route::put("/v2/instance/{id}/tag?bind", "BindInstanceTags", bind_tags))
        .route(Route::put("/v2/instance/{id}/tag?unbind", "UnbindInstanceTags", unbind_tags))
        .route(Route::post("/v2/instance/role?bind", "BindInstanceRole", bind_role))
        .route(Route::post("/v2/instance/role?unbind", "UnbindInstanceRole", unbind_role))
        .route(Route::get("/v2/zone", "ListZones", zones))
}

fn at_most(call: &C<'_>, key: &str) -> Result<(), Problem> {
    let count = call.query(key).map_or(0, |list| list.split(',').count());
    if count > IDS { Err(bad(key, format!("{count} are more than {IDS}"))) } else { Ok(()) }
}

fn list(call: &mut C<'_>) -> Reply {
    for key in ["instanceIds", "instanceNames", "privateIps"] {
        at_most(call, key)?;
    }
    if call.query("vpcId").is_some() != call.query("privateIps").is_some() {
        return Err(bad("vpcId", "it goes with privateIps, and that with it"));
    }
    let address: Option<Ipv4Addr> = call.parsed("internalIp")?;
    let state = &*call.state;
    let rows = call.list(&state.machines, |machine| {
        machine.account == call.account()
            && machine.kind == Kind::Bcc
            && among(call, "instanceIds", &machine.id)
            && among(call, "instanceNames", &machine.name)
            && among(call, "privateIps", &machine.internal_ip.to_string())
            && call.query("vpcId").is_none_or(|id| id == machine.vpc_id)
            && call.query("zoneName").is_none_or(|zone| zone == machine.zone_name)
            && call.query("status").is_none_or(|status| status == machine.status)
            && address.is_none_or(|address| address == machine.internal_ip)
    });
    page(call, "instances", rows, |machine| &machine.id, |machine| machine.bcc_view(state))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Ids {
    instance_ids: Vec<String>,
}

fn by_ids(call: &mut C<'_>) -> Reply {
    let Ids { instance_ids: ids } = body(call)?;
    if ids.is_empty() || ids.len() > IDS {
        return Err(bad("instanceIds", format!("{} are not from 1 to {IDS}", ids.len())));
    }
    let state = &*call.state;
    let rows = call.list(&state.machines, |machine| {
        machine.account == call.account() && machine.kind == Kind::Bcc && ids.contains(&machine.id)
    });
    page(call, "instances", rows, |machine| &machine.id, |machine| machine.bcc_view(state))
}

/// The machine that the path names.
fn named<'c>(call: &'c C<'_>) -> Result<&'c Machine, Problem> {
    let id = call.parameter("id");
    let machine = call.state.machine_of(call.account(), id).filter(|machine| machine.kind == Kind::Bcc);
    machine.ok_or_else(|| no_such("instance", id))
}

fn show(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&json!({ "instance": named(call)?.bcc_view(call.state) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChangeTags {
    change_tags: Vec<Tag>,
}

fn bind_tags(call: &mut C<'_>) -> Reply {
    change_tags(call, true)
}

fn unbind_tags(call: &mut C<'_>) -> Reply {
    change_tags(call, false)
}

fn change_tags(call: &mut C<'_>, bind: bool) -> Reply {
    let ChangeTags { change_tags: given } = body(call)?;
    let machine = named(call)?;
    let (id, mut tags) = (machine.id.clone(), machine.tags.clone());
    tags.retain(|tag| !given.iter().any(|other| other.tag_key == tag.tag_key));
    if bind {
        tags.extend(given);
    }
    let tags = checked_tags(tags)?;
    if let Some(machine) = call.state.machines.change(call.now, &id) {
        machine.tags = tags;
    }
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChangeRole {
    role_name: String,
    instances: Vec<InstanceId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct InstanceId {
    instance_id: String,
}

fn bind_role(call: &mut C<'_>) -> Reply {
    change_role(call, true)
}

fn unbind_role(call: &mut C<'_>) -> Reply {
    change_role(call, false)
}

fn change_role(call: &mut C<'_>, bind: bool) -> Reply {
    let ChangeRole { role_name, instances } = body(call)?;
    let account = call.account().to_owned();
    if !call.state.roles.iter().any(|role| role.account == account && role.name == role_name) {
        return Err(no_such("role", &role_name));
    }
    for InstanceId { instance_id } in &instances {
        let machine = call.state.machine_of(&account, instance_id).ok_or_else(|| no_such("instance", instance_id))?;
        let other = machine.role_name.as_ref().is_some_and(|other| *other != role_name);
        if bind && other {
            return Err(Problem::refused(
                409,
                "InstanceRoleAlreadyExist",
                format!("{instance_id} has a role already."),
            ));
        }
    }
    for InstanceId { instance_id } in &instances {
        if let Some(machine) = call.state.machines.change(call.now, instance_id) {
            machine.role_name = bind.then(|| role_name.clone());
        }
    }
    Ok(Answer::empty(StatusCode::OK))
}

fn zones(call: &mut C<'_>) -> Reply {
    let zones = ["a", "b", "c"].map(|letter| json!({ "zoneName": format!("cn-{}-{letter}", call.state.region) }));
    Ok(Answer::ok(&json!({ "zones": zones })))
}
