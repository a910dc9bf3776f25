//! The control endpoint: all the powers of a test over the cloud, as plain HTTP and JSON. Every answer is JSON.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};

use super::{CallRecord, Change, Cloud, LastAnswer, Rule, Simulator};

type Simulated<C> = State<Arc<Simulator<C>>>;

/// Serves until dropped.
pub(crate) async fn serve<C: Cloud>(listener: TcpListener, simulator: Arc<Simulator<C>>) {
    if let Err(error) = axum::serve(listener, router(simulator)).await {
        tracing::error!(%error, "the control endpoint ended");
    }
}

fn router<C: Cloud>(simulator: Arc<Simulator<C>>) -> Router {
    Router::new()
        .route("/v1/calls", get(calls::<C>).delete(forget_calls::<C>))
        .route("/v1/objects", get(objects::<C>).post(seed::<C>))
        .route("/v1/operations/{what}", post(operate::<C>))
        .route("/v1/faults", get(faults::<C>).post(add_fault::<C>).delete(mend_all::<C>))
        .route("/v1/faults/{id}", delete(mend::<C>))
        .route("/v1/knobs", get(knobs::<C>).patch(turn::<C>))
        .route("/v1/clock", get(clock::<C>).post(advance::<C>))
        .route("/v1/halt", get(halt::<C>).post(arm::<C>).delete(go_on::<C>))
        .route("/v1/connections", get(connections::<C>))
        .route("/v1/reach/{address}/{port}", get(reach::<C>))
        .route("/v1/players/{address}", get(player::<C>))
        .with_state(simulator)
}

/// What went wrong, for people.
struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

fn unprocessable(error: String) -> Failure {
    Failure(StatusCode::UNPROCESSABLE_ENTITY, error)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only those numbered higher.
    #[serde(default)]
    after: u64,
    /// Only those that change something, or only the others.
    mutating: Option<bool>,
}

async fn calls<C: Cloud>(State(cloud): Simulated<C>, Query(which): Query<Which>) -> Json<Vec<CallRecord>> {
    let mut calls = cloud.calls();
    calls.retain(|call| call.number > which.after && which.mutating.is_none_or(|wanted| wanted == call.mutating));
    Json(calls)
}

async fn forget_calls<C: Cloud>(State(cloud): Simulated<C>) -> StatusCode {
    cloud.forget_calls();
    StatusCode::NO_CONTENT
}

async fn objects<C: Cloud>(State(cloud): Simulated<C>) -> Json<Value> {
    Json(cloud.objects())
}

async fn seed<C: Cloud>(State(cloud): Simulated<C>, Json(objects): Json<Value>) -> Result<Json<Value>, Failure> {
    cloud.seed(objects).map(Json).map_err(unprocessable)
}

async fn operate<C: Cloud>(
    State(cloud): Simulated<C>,
    Path(what): Path<String>,
    Json(with): Json<Value>,
) -> Result<Json<Value>, Failure> {
    cloud.operate(&what, with).map(Json).map_err(unprocessable)
}

async fn faults<C: Cloud>(State(cloud): Simulated<C>) -> impl IntoResponse {
    Json(cloud.rules())
}

async fn add_fault<C: Cloud>(State(cloud): Simulated<C>, Json(rule): Json<Rule>) -> Json<Value> {
    Json(json!({ "id": cloud.break_with(rule) }))
}

async fn mend_all<C: Cloud>(State(cloud): Simulated<C>) -> StatusCode {
    cloud.mend_all();
    StatusCode::NO_CONTENT
}

async fn mend<C: Cloud>(State(cloud): Simulated<C>, Path(id): Path<u64>) -> Result<StatusCode, Failure> {
    let gone = || Failure(StatusCode::NOT_FOUND, format!("there is no fault {id}"));
    cloud.mend(id).then_some(StatusCode::NO_CONTENT).ok_or_else(gone)
}

async fn knobs<C: Cloud>(State(cloud): Simulated<C>) -> impl IntoResponse {
    Json(cloud.knobs())
}

async fn turn<C: Cloud>(State(cloud): Simulated<C>, Json(change): Json<Change>) -> Result<StatusCode, Failure> {
    cloud.turn(change).map_err(unprocessable)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clock<C: Cloud>(State(cloud): Simulated<C>) -> Json<Value> {
    Json(json!({ "now": cloud.now() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Advance {
    advance_ms: u64,
}

async fn advance<C: Cloud>(State(cloud): Simulated<C>, Json(by): Json<Advance>) -> Json<Value> {
    cloud.advance(Duration::from_millis(by.advance_ms));
    Json(json!({ "now": cloud.now() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Arm {
    changes: u64,
    answer: LastAnswer,
}

async fn arm<C: Cloud>(State(cloud): Simulated<C>, Json(arm): Json<Arm>) -> StatusCode {
    cloud.halt_after(arm.changes, arm.answer);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wait {
    /// Answer when the cloud has halted, or after so long.
    #[serde(default)]
    wait_ms: u64,
}

async fn halt<C: Cloud>(State(cloud): Simulated<C>, Query(wait): Query<Wait>) -> Json<Value> {
    // Whether it came to that is in the answer.
    let _ = timeout(Duration::from_millis(wait.wait_ms), cloud.halted()).await;
    Json(json!({ "state": cloud.halt_state() }))
}

async fn go_on<C: Cloud>(State(cloud): Simulated<C>) -> StatusCode {
    cloud.go_on();
    StatusCode::NO_CONTENT
}

async fn connections<C: Cloud>(State(cloud): Simulated<C>) -> impl IntoResponse {
    Json(cloud.connections())
}

async fn reach<C: Cloud>(
    State(cloud): Simulated<C>,
    Path((address, port)): Path<(std::net::IpAddr, u16)>,
) -> Result<Json<Value>, Failure> {
    let none = || Failure(StatusCode::NOT_FOUND, format!("no load balancer carries traffic on {address} port {port}"));
    cloud.reach(address, port).map(|at| Json(json!({ "address": at }))).ok_or_else(none)
}

async fn player<C: Cloud>(
    State(cloud): Simulated<C>,
    Path(address): Path<std::net::IpAddr>,
) -> Result<Json<Value>, Failure> {
    let none = || Failure(StatusCode::NOT_FOUND, "no traffic is carried: start with --traffic".to_owned());
    cloud.played_by(address).map(|player| Json(json!({ "address": player }))).ok_or_else(none)
}
