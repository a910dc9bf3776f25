//! Bindings, which are the backends of v1's load balancers.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::load_balancers::{answer_page, change, listed, told};
use crate::{
    baidu::{
        State,
        calls::{C, body},
        errors::over,
        machines::Machine,
    },
    engine::{Problem, Reply, Route, Service},
};

/// A backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The machine's id.
    pub name: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its share.
    pub weight: u32,
}

pub(super) fn routes(service: Service<State>) -> Service<State> {
    let path = "/v1/blb/{id}/binded";
    service
        .route(Route::post("/v1/blb/{id}/binding", "CreateBecBlbBinding", bind))
        .route(Route::get(path, "ListBecBlbBackends", list).query(&["pageNo", "pageSize"]))
        .route(Route::put(path, "UpdateBecBlbBackends", reweigh))
        .route(Route::delete(path, "DeleteBecBlbBackends", unbind))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Bindings {
    binding_forms: Vec<Binding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Binding {
    /// Without effect: machines are named each for itself.
    #[serde(default, rename = "deploymentId")]
    _deployment_id: String,
    #[serde(default, rename = "defaultWeight")]
    _default_weight: Option<u32>,
    #[serde(default)]
    pod_weight: Vec<Member>,
}

fn bind(call: &mut C<'_>) -> Reply {
    let Bindings { binding_forms } = body(call)?;
    let new: Vec<Member> = binding_forms.into_iter().flat_map(|form| form.pod_weight).collect();
    for member in &new {
        let machine = call.state.machine_of(call.account(), &member.name);
        if machine.is_none_or(|machine| machine.internal_ip != member.ip) {
            let message = format!("There is no machine {} with the address {}.", member.name, member.ip);
            return Err(Problem::refused(404, "VmNotFound", message));
        }
    }
    let quota = call.quota("backends_per_blb");
    change(call, |blb| {
        for member in new {
            if blb.members.iter().any(|other| other.name == member.name) {
                return Err(Problem::refused(400, "BackendAlreadyExist", format!("{} is bound already.", member.name)));
            }
            blb.members.push(member);
        }
        if blb.members.len() > quota {
            return Err(over("BackendExceedLimit", "backends of a BLB", quota));
        }
        Ok(())
    })?;
    told("create", &json!({}))
}

fn list(call: &mut C<'_>) -> Reply {
    let blb = listed(call)?;
    let state = &*call.state;
    let rows = call.shown(blb.members.iter().collect());
    answer_page(call, rows, |member: &&Member| {
        let runs = state.machines.get(&member.name).is_some_and(Machine::is_running);
        let ports = blb.monitors.iter();
        let ports = ports.map(|monitor| json!({ "health": runs, "port": monitor.port, "protocol": monitor.protocol }));
        json!({
            "podName": member.name, "podStatus": if runs { "RUNNING" } else { "UNKNOWN" }, "podIp": member.ip,
            "backendPort": ports.collect::<Vec<_>>(), "weight": member.weight,
        })
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Bound {
    #[serde(default)]
    pod_weight_list: Vec<Member>,
    #[serde(default, rename = "deploymentIds")]
    _deployment_ids: Vec<String>,
}

fn no_member(name: &str) -> Problem {
    Problem::refused(404, "BackendNotFound", format!("{name} is not bound."))
}

fn reweigh(call: &mut C<'_>) -> Reply {
    let Bound { pod_weight_list, .. } = body(call)?;
    change(call, |blb| {
        for member in &pod_weight_list {
            let found = blb.members.iter_mut().find(|other| other.name == member.name);
            found.ok_or_else(|| no_member(&member.name))?.weight = member.weight;
        }
        Ok(())
    })?;
    told("update", &json!({}))
}

fn unbind(call: &mut C<'_>) -> Reply {
    let Bound { pod_weight_list, .. } = body(call)?;
    change(call, |blb| {
        for member in &pod_weight_list {
            let at = blb.members.iter().position(|other| other.name == member.name);
            blb.members.remove(at.ok_or_else(|| no_member(&member.name))?);
        }
        Ok(())
    })?;
    told("delete", &json!({}))
}
