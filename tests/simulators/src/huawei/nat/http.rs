//! The service's calls.

use ::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CHANGE,
    rules::{RuleChange, RuleFields},
};
use crate::{
    engine::{Answer, Call, Problem, Reply, Route, Service, paging},
    huawei::{State, errors},
};

type Calling<'a, 'b> = &'a mut Call<'b, State>;

/// Most rows of a page.
const PAGE: usize = 2000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One<T> {
    dnat_rule: T,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Many {
    dnat_rules: Vec<RuleFields>,
}

pub(in crate::huawei) fn service() -> Service<State> {
    Service::new("nat", errors::nat)
        .route(Route::get("/v2/{project_id}/nat_gateways", "ListNatGateways", gateways).query(&[
            "id",
            "name",
            "router_id",
            "status",
            "limit",
            "marker",
        ]))
        .route(Route::get("/v2/{project_id}/nat_gateways/{id}", "ShowNatGateway", gateway))
        .route(Route::get("/v2/{project_id}/dnat_rules", "ListNatGatewayDnatRules", list).query(&[
            "id",
            "nat_gateway_id",
            "floating_ip_address",
            "floating_ip_id",
            "port_id",
            "protocol",
            "status",
            "description",
            "external_service_port",
            "internal_service_port",
            "limit",
            "marker",
        ]))
        .route(Route::post("/v2/{project_id}/dnat_rules", "CreateNatGatewayDnatRule", create))
        .route(Route::post("/v2/{project_id}/dnat_rules/batch", "BatchCreateNatGatewayDnatRules", create_many))
        .route(Route::get("/v2/{project_id}/dnat_rules/{id}", "ShowNatGatewayDnatRule", show))
        .route(Route::put("/v2/{project_id}/dnat_rules/{id}", "UpdateNatGatewayDnatRule", update))
        .route(Route::delete(
            "/v2/{project_id}/nat_gateways/{gateway_id}/dnat_rules/{id}",
            "DeleteNatGatewayDnatRule",
            delete,
        ))
}

fn gateway_view(call: &Call<'_, State>, id: &str) -> Result<Value, Problem> {
    let gateway = call.state.nat_gateway(call.project(), id)?;
    Ok(json!({
        "id": gateway.id,
        "tenant_id": gateway.project_id,
        "name": gateway.name,
        "description": "",
        "spec": gateway.spec,
        "router_id": gateway.router_id,
        "internal_network_id": gateway.internal_network_id,
        "status": gateway.status,
        "admin_state_up": true,
        "enterprise_project_id": "0",
        "dnat_rules_limit": gateway.dnat_rules_limit,
        "created_at": gateway.created_at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string(),
    }))
}

fn gateway(call: Calling<'_, '_>) -> Reply {
    let view = gateway_view(call, call.parameter("id"))?;
    Ok(Answer::ok(&json!({ "nat_gateway": view })))
}

fn gateways(call: Calling<'_, '_>) -> Reply {
    let own = call.list(&call.state.nat.gateways, |gateway| {
        gateway.project_id == call.project()
            && call.admits("id", &gateway.id)
            && call.admits("name", &gateway.name)
            && call.admits("router_id", &gateway.router_id)
            && call.admits("status", &gateway.status)
    });
    let limit = paging::size(call.parsed("limit")?, PAGE, PAGE)?;
    let page = paging::by_marker(own, |gateway| &gateway.id, call.query("marker"), limit)?;
    let ids: Vec<_> = page.rows.iter().map(|gateway| gateway.id.clone()).collect();
    let views = ids.iter().filter_map(|id| gateway_view(call, id).ok()).collect::<Value>();
    Ok(Answer::ok(&json!({ "nat_gateways": views })))
}

fn list(call: Calling<'_, '_>) -> Reply {
    let own = call.list(&call.state.nat.rules, |rule| rule.project_id == call.project());
    let views = own.into_iter().map(|rule| call.state.show_dnat_rule(rule, call.now));
    let filters = [
        "id",
        "nat_gateway_id",
        "floating_ip_address",
        "floating_ip_id",
        "port_id",
        "protocol",
        "status",
        "description",
        "external_service_port",
        "internal_service_port",
    ];
    let passes = |view: &Value| {
        filters.iter().all(|filter| match &view[*filter] {
            Value::String(text) => call.admits(filter, text),
            other => call.admits(filter, &other.to_string()),
        })
    };
    let views: Vec<_> = views.filter(passes).collect();
    let limit = paging::size(call.parsed("limit")?, PAGE, PAGE)?;
    let id_of = |view: &Value| view["id"].as_str().unwrap_or_default().to_owned();
    let ids: Vec<_> = views.iter().map(id_of).collect();
    let page = paging::by_marker(ids, |id| id, call.query("marker"), limit)?;
    let rows: Vec<_> = views.into_iter().filter(|view| page.rows.contains(&id_of(view))).collect();
    Ok(Answer::ok(&json!({ "dnat_rules": rows })))
}

fn create(call: Calling<'_, '_>) -> Reply {
    let One { dnat_rule } = call.body()?;
    let views = make(call, vec![dnat_rule])?;
    Ok(Answer::json(StatusCode::CREATED, &json!({ "dnat_rule": views[0] })))
}

fn create_many(call: Calling<'_, '_>) -> Reply {
    let Many { dnat_rules } = call.body()?;
    let views = make(call, dnat_rules)?;
    Ok(Answer::json(StatusCode::CREATED, &json!({ "dnat_rules": views })))
}

fn make(call: Calling<'_, '_>, rules: Vec<RuleFields>) -> Result<Vec<Value>, Problem> {
    let (project, takes) = (call.project().to_owned(), call.delay(CHANGE));
    let ids = call.state.create_dnat_rules(&project, call.now, takes, rules)?;
    ids.iter().map(|id| Ok(call.state.show_dnat_rule(call.state.dnat_rule(&project, id)?, call.now))).collect()
}

fn show(call: Calling<'_, '_>) -> Reply {
    let rule = call.state.dnat_rule(call.project(), call.parameter("id"))?;
    Ok(Answer::ok(&json!({ "dnat_rule": call.state.show_dnat_rule(rule, call.now) })))
}

fn update(call: Calling<'_, '_>) -> Reply {
    let One::<RuleChange> { dnat_rule } = call.body()?;
    let (project, id, takes) = (call.project().to_owned(), call.parameter("id").to_owned(), call.delay(CHANGE));
    call.state.update_dnat_rule(&project, call.now, takes, &id, dnat_rule)?;
    show(call)
}

fn delete(call: Calling<'_, '_>) -> Reply {
    let (project, gateway, id) =
        (call.project().to_owned(), call.parameter("gateway_id").to_owned(), call.parameter("id").to_owned());
    call.state.delete_dnat_rule(&project, call.now, &gateway, &id)?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}
