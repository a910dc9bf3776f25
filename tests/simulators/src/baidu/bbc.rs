//! BBC v1: bare metal.

use std::net::Ipv4Addr;

use super::{
    State,
    calls::{C, page},
    errors,
    machines::Kind,
};
use crate::engine::{Answer, Problem, Reply, Route, Service};

pub(super) fn service() -> Service<State> {
    Service::new("bbc", errors::common)
        .route(Route::get("/v1/instance", "ListBareMetalInstances", list).query(&["marker", "maxKeys", "internalIp"]))
        .route(Route::get("/v1/instance/{id}", "GetBareMetalInstance", show))
}

fn list(call: &mut C<'_>) -> Reply {
    let address: Option<Ipv4Addr> = call.parsed("internalIp")?;
    let state = &*call.state;
    let rows = call.list(&state.machines, |machine| {
        machine.account == call.account()
            && machine.kind == Kind::Bbc
            && address.is_none_or(|address| address == machine.internal_ip)
    });
    page(call, "instances", rows, |machine| &machine.id, |machine| machine.bbc_view(state))
}

fn show(call: &mut C<'_>) -> Reply {
    let id = call.parameter("id");
    let machine = call.state.machine_of(call.account(), id).filter(|machine| machine.kind == Kind::Bbc);
    // This service says so with another status than the others.
    let machine =
        machine.ok_or_else(|| Problem::refused(400, "NoSuchObject", format!("The instance {id} does not exist.")))?;
    Ok(Answer::ok(&machine.bbc_view(call.state)))
}
