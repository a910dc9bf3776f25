//! The metadata service of one of the machines, with the keys of its role.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    State,
    calls::C,
    errors,
    machines::{Kind, Machine},
    sts,
};
use crate::engine::{Answer, Problem, Reply, Route, Service};

/// Which machine's metadata are served, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// The machine; absent: there is nothing to be had.
    pub machine: Option<String>,
    /// How long the keys of its role are good for.
    pub key_seconds: u64,
}

impl Default for Metadata {
    fn default() -> Self {
        Self { machine: None, key_seconds: 3600 }
    }
}

pub(super) fn service() -> Service<State> {
    Service::new("metadata", errors::common)
        .route(Route::get("/1.0/meta-data/{what}", "GetMetadata", fact).open())
        .route(Route::get("/latest/meta-data/sts-credential", "GetStsCredential", credential).open())
}

fn machine<'c>(call: &'c C<'_>) -> Option<&'c Machine> {
    call.state.metadata.machine.as_ref().and_then(|id| call.state.machines.get(id))
}

fn text(text: impl Into<String>) -> Reply {
    Ok(Answer::raw(StatusCode::OK, "text/plain", text.into()))
}

/// An empty body: there is no such thing here.
fn nothing() -> Reply {
    Ok(Answer::empty(StatusCode::OK))
}

fn fact(call: &mut C<'_>) -> Reply {
    let Some(machine) = machine(call) else { return nothing() };
    match call.parameter("what") {
        "instance-shortid" => text(&machine.id),
        "instance-name" => text(&machine.name),
        "instance-type" => text(&machine.spec),
        "instance-type-ex" => text(match machine.kind {
            Kind::Bcc => "bcc",
            Kind::Bbc => "bbc",
            Kind::Bec => return nothing(),
        }),
        "local-ipv4" => text(machine.internal_ip.to_string()),
        "azone" => text(&machine.zone_name),
        "region" => text(&call.state.region),
        "vpc-id" => text(&machine.vpc_id),
        "subnet-id" => text(&machine.subnet_id),
        _ => Err(Problem::refused(404, "NoSuchObject", "There is no such metadata.")),
    }
}

fn credential(call: &mut C<'_>) -> Reply {
    let Some(machine) = machine(call) else { return nothing() };
    let role = machine.role_name.as_ref().and_then(|name| call.state.roles.get(&format!("{}/{name}", machine.account)));
    let Some(role) = role.cloned() else { return nothing() };
    let lifetime = Duration::from_secs(call.state.metadata.key_seconds);
    let key = call.state.new_role_key(&role, lifetime, call.now);
    Ok(Answer::ok(&sts::view(&key, call.now)))
}
