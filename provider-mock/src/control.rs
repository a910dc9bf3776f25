//! The control endpoint: the cloud's console for people and scripts, plain HTTP and JSON, on loopback only.

mod views;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post, put},
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use self::views::{CallsView, LoadBalancerView, MachineView, StateView};
use crate::{
    MockProvider,
    cloud::{CloudError, MachinePatch, MachineState},
    scenario::{MachineSettings, ScenarioError, parse_machines, parse_patch, parse_rules},
};

/// Serves until dropped.
pub async fn serve(listener: TcpListener, provider: MockProvider) {
    if let Err(error) = axum::serve(listener, router(provider)).await {
        tracing::error!(%error, "the control endpoint ended");
    }
}

/// The endpoint as an axum router, for tests that have a server of their own.
pub fn router(provider: MockProvider) -> Router {
    Router::new()
        .route("/v1/state", get(state))
        .route("/v1/calls", get(calls).delete(reset))
        .route("/v1/history", get(history))
        .route("/v1/rules", put(set_rules).get(rules))
        .route("/v1/epoch", post(renew_epoch))
        .route("/v1/instances", get(machines).post(add_machines))
        .route("/v1/instances/{machine}", patch(patch_machine).get(machine).delete(end_machine))
        .route("/v1/load-balancers", get(load_balancers))
        .route("/v1/load-balancers/{*load_balancer}", delete(delete_load_balancer).post(duplicate_load_balancer))
        .route("/v1/routes", get(routes))
        .route("/v1/routes/{*route}", delete(delete_route))
        .with_state(provider)
}

/// What went wrong, for people.
struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<CloudError> for Failure {
    fn from(error: CloudError) -> Self {
        let status = match error {
            CloudError::Absent { .. } => StatusCode::NOT_FOUND,
            CloudError::Exists { .. } | CloudError::Busy { .. } => StatusCode::CONFLICT,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self(status, error.to_string())
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

#[derive(Deserialize)]
struct Detail {
    /// `false`: member lists are left out, for clouds of thousands.
    #[serde(default = "yes")]
    members: bool,
}

const fn yes() -> bool {
    true
}

async fn state(State(provider): State<MockProvider>, Query(detail): Query<Detail>) -> Json<StateView> {
    Json(StateView::of(&provider, detail.members))
}

async fn calls(State(provider): State<MockProvider>) -> Json<CallsView> {
    Json(CallsView::of(&provider))
}

async fn reset(State(provider): State<MockProvider>) -> StatusCode {
    provider.reset_calls();
    provider.cloud().reset_history();
    StatusCode::NO_CONTENT
}

async fn history(State(provider): State<MockProvider>) -> impl IntoResponse {
    Json(provider.cloud().history())
}

async fn rules(State(provider): State<MockProvider>) -> impl IntoResponse {
    Json(provider.rule_counts())
}

async fn set_rules(State(provider): State<MockProvider>, body: String) -> Result<StatusCode, Failure> {
    provider.set_rules(parse_rules(&body)?);
    Ok(StatusCode::NO_CONTENT)
}

async fn renew_epoch(State(provider): State<MockProvider>) -> impl IntoResponse {
    provider.renew_epoch();
    Json(json!({ "epoch": provider.epoch() }))
}

async fn machines(State(provider): State<MockProvider>) -> Json<Vec<MachineView>> {
    Json(MachineView::all(&provider))
}

async fn machine(
    State(provider): State<MockProvider>,
    Path(machine): Path<String>,
) -> Result<Json<MachineView>, Failure> {
    let found = provider.cloud().machine(&machine);
    let found = found.ok_or(CloudError::Absent { kind: "machine", name: machine })?;
    Ok(Json(MachineView::of(&provider, found)))
}

/// All or none: the first that cannot be made is named.
async fn add_machines(
    State(provider): State<MockProvider>,
    body: String,
) -> Result<(StatusCode, Json<Vec<MachineView>>), Failure> {
    let wanted: Vec<MachineSettings> = parse_machines(&body)?;
    let made = provider.cloud().add_machines(&wanted)?;
    let views = made.into_iter().map(|machine| MachineView::of(&provider, machine)).collect();
    Ok((StatusCode::CREATED, Json(views)))
}

async fn patch_machine(
    State(provider): State<MockProvider>,
    Path(machine): Path<String>,
    body: String,
) -> Result<Json<MachineView>, Failure> {
    let patch: MachinePatch = parse_patch(&body)?;
    let machine = provider.cloud().patch_machine(&machine, patch)?;
    Ok(Json(MachineView::of(&provider, machine)))
}

async fn end_machine(
    State(provider): State<MockProvider>,
    Path(machine): Path<String>,
) -> Result<Json<MachineView>, Failure> {
    let machine = provider.cloud().set_machine_state(&machine, MachineState::Terminated)?;
    Ok(Json(MachineView::of(&provider, machine)))
}

async fn load_balancers(
    State(provider): State<MockProvider>,
    Query(detail): Query<Detail>,
) -> Json<Vec<LoadBalancerView>> {
    Json(LoadBalancerView::all(&provider, detail.members))
}

async fn delete_load_balancer(
    State(provider): State<MockProvider>,
    Path(load_balancer): Path<String>,
) -> Result<StatusCode, Failure> {
    let found = provider.cloud().load_balancer(&load_balancer);
    let found = found.ok_or(CloudError::Absent { kind: "load balancer", name: load_balancer })?;
    provider.cloud().delete_load_balancer(&found.id);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/load-balancers/ID/duplicate`: a second one with the same key.
async fn duplicate_load_balancer(
    State(provider): State<MockProvider>,
    Path(path): Path<String>,
) -> Result<(StatusCode, Json<LoadBalancerView>), Failure> {
    let name = path
        .strip_suffix("/duplicate")
        .ok_or_else(|| Failure(StatusCode::NOT_FOUND, format!("{path}: write /v1/load-balancers/ID/duplicate")))?;
    let second = provider.cloud().duplicate_load_balancer(name)?;
    Ok((StatusCode::CREATED, Json(LoadBalancerView::of(&provider, second, true))))
}

async fn routes(State(provider): State<MockProvider>) -> impl IntoResponse {
    Json(provider.cloud().routes())
}

async fn delete_route(State(provider): State<MockProvider>, Path(route): Path<String>) -> Result<StatusCode, Failure> {
    if !provider.cloud().delete_route(&route) {
        return Err(CloudError::Absent { kind: "route", name: route }.into());
    }
    Ok(StatusCode::NO_CONTENT)
}
