//! What every call needs and every answer carries.

use std::time::Duration;

use cloud_provider_api::v1::{
    BatchGetInstancesRequest, EnsureLoadBalancerRequest, GetStatusRequest, HandshakeRequest, ListLoadBalancersRequest,
    list_load_balancers_response::Page,
};
use provider_kit::{HealthArgs, MAX_MESSAGE_BYTES, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Code, Request, metadata::MetadataMap};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::rig::{Rig, count, ensure, handshake, reason, timed, until, within};

#[tokio::test]
async fn a_call_needs_a_deadline_that_can_be_met() {
    let rig = Rig::start(Settings { min_deadline: Duration::from_millis(50), ..Settings::default() }).await;
    let mut identity = rig.identity();
    let without = identity.get_status(Request::new(GetStatusRequest {})).await.unwrap_err();
    assert_eq!((without.code(), reason(&without).as_str()), (Code::InvalidArgument, "provider-api/DEADLINE_MISSING"));
    assert!(without.message().contains("grpc-timeout"), "{without}");
    // The client would give up before it hears of it, so it is told to wait longer than it says it does.
    let short = identity.get_status(within(Duration::from_millis(49), GetStatusRequest {})).await.unwrap_err();
    assert_eq!((short.code(), reason(&short).as_str()), (Code::InvalidArgument, "provider-api/DEADLINE_TOO_SHORT"));
    identity.get_status(within(Duration::from_secs(20), GetStatusRequest {})).await.unwrap();
}

#[tokio::test]
async fn a_hung_cloud_costs_the_deadline_and_no_more() {
    let rig = Rig::start(Settings::default()).await;
    let request = within(Duration::from_millis(100), BatchGetInstancesRequest::default());
    let status = rig.instances().batch_get_instances(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    until("the handler is dropped", || count(&rig.work.dropped) == 1).await;
}

#[tokio::test]
async fn every_answer_names_the_daemons_epoch_and_the_callers_request() {
    let rig = Rig::start(Settings::default()).await;
    let check = |metadata: &MetadataMap, id: &str| {
        assert_eq!(metadata.get("x-provider-epoch").unwrap(), &*rig.running.kit().epoch());
        assert_eq!(metadata.get("x-request-id").unwrap(), id);
    };
    let named = |id: &'static str, mut request: Request<HandshakeRequest>| {
        request.metadata_mut().insert("x-request-id", id.parse().unwrap());
        request
    };
    let good = rig.identity().handshake(named("good-1", handshake())).await.unwrap();
    check(good.metadata(), "good-1");
    assert_eq!(good.into_inner().epoch, &*rig.running.kit().epoch());
    let by_the_handler =
        rig.identity().handshake(named("bad-1", timed(HandshakeRequest::default()))).await.unwrap_err();
    check(by_the_handler.metadata(), "bad-1");
    let by_the_gate =
        rig.identity().handshake(named("bad-2", Request::new(HandshakeRequest::default()))).await.unwrap_err();
    check(by_the_gate.metadata(), "bad-2");
    let made_up = rig.identity().handshake(handshake()).await.unwrap();
    assert_eq!(made_up.metadata().get("x-request-id").unwrap().len(), 32);
}

#[tokio::test]
async fn a_new_start_is_a_new_epoch() {
    let first = Rig::start(Settings::default()).await;
    let second = Rig::start(Settings::default()).await;
    assert_ne!(first.running.kit().epoch(), second.running.kit().epoch());
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code_and_changes_are_on_record() {
    let rig = Rig::start(Settings::default()).await;
    rig.work.let_one_end();
    rig.load_balancers().ensure_load_balancer(ensure("s")).await.unwrap();
    rig.identity().handshake(timed(HandshakeRequest::default())).await.unwrap_err();
    let mut list = rig
        .load_balancers()
        .list_load_balancers(timed(ListLoadBalancersRequest::default()))
        .await
        .unwrap()
        .into_inner();
    let mut complete = None;
    while let Some(page) = list.message().await.unwrap() {
        match page.page.unwrap() {
            Page::Items(items) => assert_eq!(items.load_balancers.len(), 3),
            Page::Complete(end) => complete = Some(end.total),
        }
    }
    assert_eq!(complete, Some(3));
    let counted = |method: &str, code: &str| {
        let name = "provider_request_duration_seconds_count";
        let line = format!(r#"{name}{{method="cloudprovider.v1.{method}",code="{code}"}} 1"#);
        rig.running.kit().metrics().render().contains(&line)
    };
    until("a unary call", || counted("LoadBalancers/EnsureLoadBalancer", "OK")).await;
    until("a failed call", || counted("Identity/Handshake", "INVALID_ARGUMENT")).await;
    until("a stream", || counted("LoadBalancers/ListLoadBalancers", "OK")).await;
    until("all is over", || rig.running.kit().metrics().render().contains("provider_requests_in_flight 0")).await;
    let audit = rig.audit.text();
    let lines: Vec<&str> = audit.lines().collect();
    assert_eq!(lines.len(), 1, "reads leave no line: {audit}");
    assert!(lines[0].contains("LoadBalancers/EnsureLoadBalancer") && lines[0].contains(r#""result":"OK""#), "{audit}");
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let rig = Rig::start(Settings::default()).await;
    let mut request: Request<EnsureLoadBalancerRequest> = ensure("s");
    request.get_mut().spec_hash = "x".repeat(MAX_MESSAGE_BYTES);
    let status = rig.load_balancers().ensure_load_balancer(request).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert_eq!(count(&rig.work.begun), 0);
}

#[tokio::test]
async fn the_api_describes_itself() {
    let rig = Rig::start(Settings::default()).await;
    let ask = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let mut answers = ServerReflectionClient::new(rig.channel())
        .server_reflection_info(futures::stream::iter([ask]))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list of services");
    };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"cloudprovider.v1.LoadBalancers".to_owned()), "{names:?}");
}

async fn http_get(rig: &Rig, path: &str) -> String {
    let mut stream = TcpStream::connect(rig.running.metrics_address().unwrap()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn probes_tell_starting_from_ready() {
    let metrics_address = Some("127.0.0.1:0".parse().unwrap());
    let rig = Rig::start(Settings { metrics_address, ..Settings::default() }).await;
    let health = HealthArgs { endpoint: rig.endpoint().to_string(), timeout: 10, allow_insecure_loopback: false };
    assert!(http_get(&rig, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(http_get(&rig, "/livez").await.starts_with("HTTP/1.1 200"));
    health.check().await.unwrap();

    rig.running.kit().set_starting(Some("reading credentials".to_owned()));
    let answer = http_get(&rig, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("reading credentials"), "{answer}");
    assert!(http_get(&rig, "/livez").await.starts_with("HTTP/1.1 200"), "alive all the same");
    let settled = async {
        while health.check().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await.expect("health follows");
    assert_eq!(health.check().await, Err("the daemon says NOT_SERVING".to_owned()));

    assert!(http_get(&rig, "/metrics").await.contains("provider_requests_in_flight"));
}
