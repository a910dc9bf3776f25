//! Probes and metrics over plain HTTP: the kubelet's probes cannot reach a Unix socket.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;

use crate::kit::Kit;

pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

pub(crate) async fn serve(listener: TcpListener, kit: Kit) {
    let router = Router::new()
        // Alive is who can answer at all. The cloud being away makes a daemon neither dead nor unready: that is a
        // condition, asked for by GetStatus.
        .route("/livez", get(|| async { "ok" }))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(kit);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "probes and metrics are no longer served");
    }
}

async fn readyz(State(kit): State<Kit>) -> impl IntoResponse {
    match kit.not_ready() {
        None => (StatusCode::OK, "ok".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

async fn metrics(State(kit): State<Kit>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], kit.metrics().render())
}
