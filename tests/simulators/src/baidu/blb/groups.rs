//! Groups of machines, which an AppBLB's listeners send to.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    App, Backend, Blb, Check, backends, change,
    checks::{self, take_text},
    fields::Fields,
    listed, named,
};
use crate::{
    baidu::{
        State,
        calls::{C, body, done, page},
        errors::{bad, no_such, over},
    },
    engine::{Answer, Problem, Reply, Route, Service},
};

/// A group of machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// For people.
    pub desc: String,
    /// The ports that are sent to, each with its health check.
    pub ports: Vec<Check>,
    /// Its machines.
    pub backends: Vec<Backend>,
}

impl ServerGroup {
    fn view(&self) -> Value {
        let ports: Vec<_> = self.ports.iter().map(Check::view).collect();
        json!({ "id": self.id, "name": self.name, "desc": self.desc, "status": "available", "portList": ports })
    }
}

impl Blb {
    /// A group of machines.
    pub fn group(&self, id: &str) -> Option<&ServerGroup> {
        self.groups.iter().find(|group| group.id == id)
    }

    /// The machines it sends to, directly or in groups.
    pub(super) fn machines(&self) -> impl Iterator<Item = &str> {
        let all = self.backends.iter().chain(self.groups.iter().flat_map(|group| &group.backends));
        all.map(|backend| backend.instance_id.as_str())
    }
}

fn group_mut<'b>(blb: &'b mut Blb, id: &str) -> Result<&'b mut ServerGroup, Problem> {
    blb.groups.iter_mut().find(|group| group.id == id).ok_or_else(|| no_such("server group", id))
}

pub(super) fn routes(service: Service<State>) -> Service<State> {
    let group = "/v1/appblb/{id}/appservergroup";
    let port = "/v1/appblb/{id}/appservergroupport";
    let machines = "/v1/appblb/{id}/blbrs";
    service
        .route(Route::post(group, "CreateAppServerGroup", create).query(&["clientToken"]))
        .route(Route::get(group, "ListAppServerGroups", list).query(&["name", "exactlyMatch", "marker", "maxKeys"]))
        .route(Route::put(group, "UpdateAppServerGroup", update).query(&["clientToken"]))
        .route(
            Route::put("/v1/appblb/{id}/appservergroup?delete", "DeleteAppServerGroup", delete).query(&["clientToken"]),
        )
        .route(Route::post(port, "CreateAppServerGroupPort", create_port).query(&["clientToken"]))
        .route(Route::put(port, "UpdateAppServerGroupPort", update_port).query(&["clientToken"]))
        .route(
            Route::put("/v1/appblb/{id}/appservergroupport?batchdelete", "DeleteAppServerGroupPorts", delete_ports)
                .query(&["clientToken"]),
        )
        .route(Route::post(machines, "CreateBlbRs", add_machines).query(&["clientToken"]))
        .route(Route::get(machines, "ListBlbRs", list_machines).query(&["sgId", "marker", "maxKeys"]))
        .route(Route::put(machines, "UpdateBlbRs", reweigh_machines).query(&["clientToken"]))
        .route(Route::put("/v1/appblb/{id}/blbrs?batchdelete", "DeleteBlbRs", remove_machines).query(&["clientToken"]))
        .route(Route::get("/v1/appblb/{id}/blbrsmount", "ListMountedBlbRs", list_mounted).query(&["sgId"]))
        .route(Route::get("/v1/appblb/{id}/blbrsunmount", "ListUnmountedBlbRs", list_unmounted).query(&["sgId"]))
}

/// That a name is none but an empty one, or a fit one.
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let good = |c: char| c.is_alphanumeric() || "-_/. ".contains(c);
    if name.chars().count() > 65 || !name.chars().all(good) {
        return Err(bad("name", format!("{name}: up to 65 letters, digits, -, _, / and .")));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewGroup {
    #[serde(default)]
    name: String,
    #[serde(default)]
    desc: String,
    #[serde(default)]
    backend_server_list: Vec<backends::Said>,
}

fn create(call: &mut C<'_>) -> Reply {
    let NewGroup { name, desc, backend_server_list } = body(call)?;
    check_name(&name)?;
    let machines = if backend_server_list.is_empty() { Vec::new() } else { backends::read(backend_server_list)? };
    backends::check_machines(call, &named::<App>(call)?.vpc_id, &machines)?;
    let (quota, most) = (call.quota("server_groups_per_blb"), call.quota("backends_per_blb"));
    let id = call.state.new_id("sg");
    let name = if name.is_empty() { format!("group-{id}") } else { name };
    let made = change::<App, _>(call, |blb| {
        if blb.groups.len() >= quota {
            return Err(over("AppServerGroupExceedLimit", "server groups of a BLB", quota));
        }
        let mut group = ServerGroup { id, name, desc, ports: Vec::new(), backends: Vec::new() };
        backends::add(&mut group.backends, machines, most)?;
        let view = json!({ "id": group.id, "name": group.name, "desc": group.desc, "status": "available" });
        blb.groups.push(group);
        Ok(view)
    })?;
    Ok(Answer::ok(&made))
}

/// Whether a name passes the query's filter.
pub(super) fn is_named(call: &C<'_>, name: &str) -> Result<bool, Problem> {
    let exactly: bool = call.parsed("exactlyMatch")?.unwrap_or(false);
    Ok(call.query("name").is_none_or(|wanted| if exactly { name == wanted } else { name.contains(wanted) }))
}

fn list(call: &mut C<'_>) -> Reply {
    let mut rows = Vec::new();
    for group in &listed::<App>(call)?.groups {
        if is_named(call, &group.name)? {
            rows.push(group);
        }
    }
    page(call, "appServerGroupList", call.shown(rows), |group| &group.id, |group| group.view())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChangedGroup {
    sg_id: String,
    name: Option<String>,
    desc: Option<String>,
}

fn update(call: &mut C<'_>) -> Reply {
    let ChangedGroup { sg_id, name, desc } = body(call)?;
    name.as_deref().map_or(Ok(()), check_name)?;
    change::<App, _>(call, |blb| {
        let group = group_mut(blb, &sg_id)?;
        group.name = name.unwrap_or_else(|| group.name.clone());
        group.desc = desc.unwrap_or_else(|| group.desc.clone());
        Ok(())
    })?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GroupId {
    sg_id: String,
}

fn delete(call: &mut C<'_>) -> Reply {
    let GroupId { sg_id } = body(call)?;
    change::<App, _>(call, |blb| {
        group_mut(blb, &sg_id)?;
        if blb.policies.iter().any(|policy| policy.group_id == sg_id) {
            return Err(in_use("server group", &sg_id));
        }
        blb.groups.retain(|group| group.id != sg_id);
        Ok(())
    })?;
    done()
}

/// Something that a policy sends to cannot go.
pub(super) fn in_use(kind: &str, id: &str) -> Problem {
    Problem::refused(400, "ResourceInUse", format!("The {kind} {id} is used by a policy."))
}

fn create_port(call: &mut C<'_>) -> Reply {
    let mut said: Fields = body(call)?;
    let sg_id = take_text(&mut said, "sgId")?;
    let port = said.remove("port").ok_or_else(|| bad("port", "it is missing"))?;
    let number = port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let number = number.ok_or_else(|| bad("port", format!("{port} is not from 1 to 65535")))?;
    let check = Check::new(call.state.new_id("port"), number, said)?;
    let quota = call.quota("checks_per_group");
    let id = change::<App, _>(call, |blb| {
        let group = group_mut(blb, &sg_id)?;
        if group.ports.iter().any(|other| other.port == check.port && other.protocol == check.protocol) {
            let message = format!("The group has the {} port {} already.", check.protocol, check.port);
            return Err(Problem::refused(400, "AppServerGroupPortAlreadyExist", message));
        }
        if group.ports.len() >= quota {
            return Err(over("AppServerGroupPortExceedLimit", "health checks of a group", quota));
        }
        let id = check.id.clone();
        group.ports.push(check);
        Ok(id)
    })?;
    Ok(Answer::ok(&json!({ "id": id, "status": "available" })))
}

fn update_port(call: &mut C<'_>) -> Reply {
    let mut said: Fields = body(call)?;
    let (sg_id, port_id) = (take_text(&mut said, "sgId")?, take_text(&mut said, "portId")?);
    change::<App, _>(call, |blb| checks::find(&mut group_mut(blb, &sg_id)?.ports, &port_id)?.change(&said))?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Ports {
    sg_id: String,
    port_id_list: Vec<String>,
}

fn delete_ports(call: &mut C<'_>) -> Reply {
    let Ports { sg_id, port_id_list } = body(call)?;
    change::<App, _>(call, |blb| {
        let of_group: Vec<_> = blb.policies.iter().filter(|policy| policy.group_id == sg_id).cloned().collect();
        let group = group_mut(blb, &sg_id)?;
        let going = group.ports.iter().filter(|check| port_id_list.contains(&check.id));
        let mut used = going.filter(|check| {
            of_group.iter().any(|policy| policy.backend_port == check.port && check.serves(&policy.protocol))
        });
        if let Some(check) = used.next() {
            return Err(in_use("port", &check.id));
        }
        checks::remove(&mut group.ports, &port_id_list)
    })?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Machines {
    sg_id: String,
    backend_server_list: Vec<backends::Said>,
}

fn add_machines(call: &mut C<'_>) -> Reply {
    let Machines { sg_id, backend_server_list } = body(call)?;
    let machines = backends::read(backend_server_list)?;
    backends::check_machines(call, &named::<App>(call)?.vpc_id, &machines)?;
    let quota = call.quota("backends_per_blb");
    change::<App, _>(call, |blb| backends::add(&mut group_mut(blb, &sg_id)?.backends, machines, quota))?;
    done()
}

fn reweigh_machines(call: &mut C<'_>) -> Reply {
    let Machines { sg_id, backend_server_list } = body(call)?;
    let machines = backends::read(backend_server_list)?;
    change::<App, _>(call, |blb| backends::reweigh(&mut group_mut(blb, &sg_id)?.backends, &machines))?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Removed {
    sg_id: String,
    backend_server_id_list: Vec<String>,
}

fn remove_machines(call: &mut C<'_>) -> Reply {
    let Removed { sg_id, backend_server_id_list: ids } = body(call)?;
    change::<App, _>(call, |blb| backends::remove(&mut group_mut(blb, &sg_id)?.backends, &ids))?;
    done()
}

/// The group that the query names, as listings see it, and its load balancer.
fn queried<'c>(call: &'c C<'_>) -> Result<(&'c Blb, &'c ServerGroup), Problem> {
    let id = call.query("sgId").ok_or_else(|| bad("sgId", "it is missing"))?;
    let blb = listed::<App>(call)?;
    Ok((blb, blb.group(id).ok_or_else(|| no_such("server group", id))?))
}

/// A machine of a group as it is shown, with what the checks find at each port.
fn machine_view(blb: &Blb, group: &ServerGroup, backend: &Backend, state: &State) -> Value {
    let health = state.health(blb, &backend.instance_id);
    let ports: Vec<_> = group
        .ports
        .iter()
        .map(|check| json!({ "portId": check.id, "backendPort": check.port, "portType": check.protocol, "status": health }))
        .collect();
    let mut view = backends::view(backend, state);
    view["portList"] = json!(ports);
    view
}

fn list_machines(call: &mut C<'_>) -> Reply {
    let (blb, group) = queried(call)?;
    let rows = call.shown(group.backends.iter().collect());
    let view = |backend: &&Backend| machine_view(blb, group, backend, call.state);
    page(call, "backendServerList", rows, |backend| &backend.instance_id, view)
}

fn list_mounted(call: &mut C<'_>) -> Reply {
    let (blb, group) = queried(call)?;
    let rows: Vec<_> = group.backends.iter().map(|backend| machine_view(blb, group, backend, call.state)).collect();
    Ok(Answer::ok(&json!({ "backendServerList": rows })))
}

fn list_unmounted(call: &mut C<'_>) -> Reply {
    let (blb, group) = queried(call)?;
    let free = call.state.machines.iter().filter(|machine| {
        let mounted = group.backends.iter().any(|backend| backend.instance_id == machine.id);
        machine.account == call.account() && machine.vpc_id == blb.vpc_id && !mounted
    });
    let rows: Vec<_> = free
        .map(|machine| json!({ "instanceId": machine.id, "privateIp": machine.internal_ip, "weight": null }))
        .collect();
    Ok(Answer::ok(&json!({ "backendServerList": rows })))
}
