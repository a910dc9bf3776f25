//! The backends of a BLB: machines, which all its listeners send to.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Blb, Layer4, change, listed};
use crate::{
    baidu::{
        State,
        calls::{C, body, done, paged},
        errors::{bad, over},
    },
    engine::{Answer, Problem, Reply, Route, Service},
};

/// A machine that is sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// The machine.
    pub instance_id: String,
    /// Its share; 0 takes no new connections.
    pub weight: u32,
}

/// A backend as callers say it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Said {
    pub(super) instance_id: String,
    pub(super) weight: Option<u32>,
    /// It is the machine's own, whatever is said.
    #[serde(default, rename = "privateIp")]
    _private_ip: Option<String>,
}

impl Said {
    fn backend(self) -> Result<Backend, Problem> {
        let weight = self.weight.unwrap_or(100);
        if weight > 100 {
            return Err(bad("weight", format!("{weight} is not from 0 to 100")));
        }
        Ok(Backend { instance_id: self.instance_id, weight })
    }
}

/// Backends as they are said, when they are such and each is said once.
pub(super) fn read(said: Vec<Said>) -> Result<Vec<Backend>, Problem> {
    let backends = said.into_iter().map(Said::backend).collect::<Result<Vec<_>, _>>()?;
    if backends.is_empty() {
        return Err(bad("backendServerList", "it is empty"));
    }
    for (at, backend) in backends.iter().enumerate() {
        if backends[..at].iter().any(|other| other.instance_id == backend.instance_id) {
            return Err(bad("backendServerList", format!("{} is there twice", backend.instance_id)));
        }
    }
    Ok(backends)
}

/// That machines can be backends in a VPC: they are the account's and in it.
pub(super) fn check_machines(call: &C<'_>, vpc: &str, backends: &[Backend]) -> Result<(), Problem> {
    for Backend { instance_id, .. } in backends {
        let machine = call.state.machine_of(call.account(), instance_id);
        if machine.is_none_or(|machine| machine.vpc_id != vpc) {
            let message = format!("The instance {instance_id} does not exist in the VPC {vpc}.");
            return Err(Problem::refused(404, "InstanceNotFound", message));
        }
    }
    Ok(())
}

/// Adds to a set of backends.
pub(super) fn add(set: &mut Vec<Backend>, more: Vec<Backend>, quota: usize) -> Result<(), Problem> {
    if let Some(known) = more.iter().find(|one| set.iter().any(|other| other.instance_id == one.instance_id)) {
        let message = format!("{} is a backend already.", known.instance_id);
        return Err(Problem::refused(400, "BackendServerAlreadyExist", message));
    }
    if set.len() + more.len() > quota {
        return Err(over("BackendServerExceedLimit", "backends of a BLB or group", quota));
    }
    set.extend(more);
    Ok(())
}

/// Changes weights within a set of backends.
pub(super) fn reweigh(set: &mut [Backend], changed: &[Backend]) -> Result<(), Problem> {
    for one in changed {
        let found = set.iter_mut().find(|other| other.instance_id == one.instance_id);
        found.ok_or_else(|| missing(&one.instance_id))?.weight = one.weight;
    }
    Ok(())
}

/// Takes from a set of backends.
pub(super) fn remove(set: &mut Vec<Backend>, ids: &[String]) -> Result<(), Problem> {
    if ids.is_empty() {
        return Err(bad("backendServerList", "it is empty"));
    }
    if let Some(id) = ids.iter().find(|id| !set.iter().any(|backend| backend.instance_id == **id)) {
        return Err(missing(id));
    }
    set.retain(|backend| !ids.contains(&backend.instance_id));
    Ok(())
}

fn missing(id: &str) -> Problem {
    Problem::refused(404, "BackendServerNotFound", format!("{id} is no backend."))
}

pub(super) fn routes(service: Service<State>) -> Service<State> {
    let path = "/v1/blb/{id}/backendserver";
    service
        .route(Route::post(path, "AddBackendServers", post).query(&["clientToken"]))
        .route(Route::put("/v1/blb/{id}/backendserver?update", "UpdateBackendServers", put).query(&["clientToken"]))
        .route(Route::put(path, "RemoveBackendServers", put_removal).query(&["clientToken"]))
        .route(Route::get(path, "ListBackendServers", list).query(&["listenerPort", "marker", "maxKeys"]))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct List<T> {
    backend_server_list: Vec<T>,
}

fn post(call: &mut C<'_>) -> Reply {
    let said: List<Said> = body(call)?;
    let backends = read(said.backend_server_list)?;
    check_machines(call, &super::named::<Layer4>(call)?.vpc_id, &backends)?;
    let quota = call.quota("backends_per_blb");
    change::<Layer4, _>(call, |blb| add(&mut blb.backends, backends, quota))?;
    done()
}

fn put(call: &mut C<'_>) -> Reply {
    let said: List<Said> = body(call)?;
    let backends = read(said.backend_server_list)?;
    change::<Layer4, _>(call, |blb| reweigh(&mut blb.backends, &backends))?;
    done()
}

fn put_removal(call: &mut C<'_>) -> Reply {
    let said: List<String> = body(call)?;
    change::<Layer4, _>(call, |blb| remove(&mut blb.backends, &said.backend_server_list))?;
    done()
}

fn list(call: &mut C<'_>) -> Reply {
    let blb = listed::<Layer4>(call)?;
    let state = &*call.state;
    let port: Option<u16> = call.parsed("listenerPort")?;
    let rows: Vec<_> = call.shown(blb.backends.iter().collect());
    let listener = match port {
        None => None,
        Some(port) => {
            let found = blb.listeners.iter().find(|listener| listener.port == port);
            let missing = || Problem::refused(404, "ListenerNotFound", format!("There is no listener at port {port}."));
            Some(found.ok_or_else(missing)?)
        }
    };
    let view = |backend: &&Backend| {
        let mut view = view(backend, state);
        if listener.is_some() {
            view["status"] = json!(state.health(blb, &backend.instance_id));
        }
        view
    };
    let mut page = paged(call, "backendServerList", rows, |backend| &backend.instance_id, view)?;
    if let Some(listener) = listener {
        page["type"] = json!(listener.protocol);
        page["listenerPort"] = json!(listener.port);
        page["backendPort"] = json!(listener.number("backendPort"));
    }
    Ok(Answer::ok(&page))
}

/// A backend as listings show it.
pub(super) fn view(backend: &Backend, state: &State) -> Value {
    let address = state.machines.get(&backend.instance_id).map(|machine| machine.internal_ip.to_string());
    json!({ "instanceId": backend.instance_id, "weight": backend.weight, "privateIp": address.unwrap_or_default() })
}

impl State {
    /// What the load balancer's checks find about a machine: whether it runs, unless it was said otherwise.
    pub(super) fn health(&self, blb: &Blb, instance: &str) -> &str {
        if let Some(said) = self.health.get(&(blb.blb_id.clone(), instance.to_owned())) {
            return said;
        }
        let runs = self.machines.get(instance).is_some_and(super::super::machines::Machine::is_running);
        if runs { "Alive" } else { "Dead" }
    }
}
