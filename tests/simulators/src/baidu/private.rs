//! What only the private cloud has, below its prefix: a cluster's machines, asked for with the cluster.

use serde_json::json;

use super::{
    State,
    calls::C,
    errors::{self, bad},
    machines::Kind,
};
use crate::engine::{Answer, Reply, Route, Service};

pub(super) fn service() -> Service<State> {
    Service::new("bpc", errors::common)
        .on(&["internal-api"])
        .route(Route::get("/v1/instance", "ListClusterInstances", list).query(&["clusterid"]))
}

fn list(call: &mut C<'_>) -> Reply {
    call.query("clusterid").ok_or_else(|| bad("clusterid", "it is missing"))?;
    let rows =
        call.list(&call.state.machines, |machine| machine.account == call.account() && machine.kind != Kind::Bec);
    let rows: Vec<_> = rows.into_iter().map(super::machines::Machine::private_view).collect();
    Ok(Answer::ok(&json!({ "instances": rows })))
}
