//! The gate without a network: what the daemon itself does when time passes.

use std::time::Duration;

use axum::{Router, routing::post};
use http::Request;
use provider_hop::{GRPC_TIMEOUT, PeerIdentity};
use tokio::time::Instant;
use tonic::{Code, Status, body::Body, service::Routes};
use tonic_types::StatusExt as _;

use super::{Gate, Rules};
use crate::{
    access::{Access, LiveAccess},
    audit::Audit,
    caller::Call,
    kit::Kit,
    metrics::Metrics,
};

const HUNG: &str = "/cloudprovider.v1.Instances/BatchGetInstances";

fn gate() -> Gate {
    let kit = Kit::new(Audit::off(), Metrics::new(None));
    let routes = Router::new().route(HUNG, post(std::future::pending::<http::Response<Body>>)).route(
        "/cloudprovider.v1.Identity/GetStatus",
        post(async |request: http::Request<axum::body::Body>| {
            let call = request.extensions().get::<Call>().expect("handlers get the call");
            let left = call.deadline.expect("a deadline").remaining(Duration::from_millis(500));
            http::Response::builder().header("left-ms", left.as_millis().to_string()).body(Body::empty()).unwrap()
        }),
    );
    let rules = Rules { kit, access: LiveAccess::new(Access::own_uid(), None), min_deadline: Duration::ZERO };
    Gate::new(Routes::from(routes), rules)
}

fn request(path: &str, timeout: &str) -> Request<Body> {
    let uid = rustix::process::geteuid().as_raw();
    Request::post(path)
        .header(GRPC_TIMEOUT, timeout)
        .extension(PeerIdentity::Uid { uid, gid: 0, pid: None })
        .body(Body::empty())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_daemon_keeps_the_deadline_also_when_the_client_does_not() {
    let before = Instant::now();
    let response = gate().answer(request(HUNG, "15S")).await;
    assert_eq!(before.elapsed().as_secs(), 15);
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "TIMED_OUT");
    assert!(response.headers().contains_key("x-provider-epoch"));
}

#[tokio::test(start_paused = true)]
async fn handlers_know_how_long_they_have() {
    let response = gate().answer(request("/cloudprovider.v1.Identity/GetStatus", "2S")).await;
    assert_eq!(response.headers()["left-ms"], "1500");
}

#[tokio::test]
async fn a_connection_without_an_identity_is_nobody() {
    let mut anonymous = request(HUNG, "1S");
    anonymous.extensions_mut().clear();
    let status = Status::from_header_map(gate().answer(anonymous).await.headers()).unwrap();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "PEER_UNIDENTIFIED");
}
