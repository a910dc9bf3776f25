//! Who is let in, and to what.

use std::{path::Path, sync::Arc};

use cloud_provider_api::v1::{
    Cluster, GetLoadBalancerRequest, GetStatusRequest, HandshakeRequest, ListClustersRequest,
    clusters_client::ClustersClient, identity_client::IdentityClient,
};
use provider_kit::{
    Access, AccessSource, Audit, Class, Identity, Rate, Running, Settings, StartError,
    hop::{
        connect::{Channel, ConnectOptions},
        listen::ListenOptions,
        testing::Authority,
        tls::Tls,
    },
};
use tempfile::TempDir;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::rig::{Rig, Sink, Work, count, daemon, ensure, handshake, reason, timed, until};

fn own_uid() -> Identity {
    Identity::Uid(rustix::process::geteuid().as_raw())
}

#[tokio::test]
async fn a_uid_that_is_not_listed_is_refused_told_why_and_put_on_record() {
    let access = Access::nobody().allow(Identity::Uid(4242), [Class::Read, Class::Write], None);
    let rig = Rig::start(Settings { access, ..Settings::default() }).await;
    let status = rig.load_balancers().ensure_load_balancer(ensure("s")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "provider-api/PEER_NOT_ALLOWED"));
    let uid = format!("uid {}", rustix::process::geteuid().as_raw());
    assert!(status.message().contains(&uid) && status.message().contains("--allowed-peer-uid"), "{status}");
    let status = HealthClient::new(rig.channel()).check(timed(HealthCheckRequest::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "nothing at all is answered");
    assert_eq!(count(&rig.work.begun), 0);
    let audit = rig.audit.text();
    assert!(
        audit.contains("PEER_NOT_ALLOWED") && audit.contains(&uid) && audit.contains("EnsureLoadBalancer"),
        "{audit}"
    );
    assert!(
        rig.running
            .kit()
            .metrics()
            .render()
            .contains(r#"provider_requests_refused_total{reason="PEER_NOT_ALLOWED"} 2"#)
    );
}

#[tokio::test]
async fn a_caller_gets_its_classes_only() {
    let access = Access::nobody().allow(own_uid(), [Class::Read], None);
    let rig = Rig::start(Settings { access, ..Settings::default() }).await;
    rig.load_balancers().get_load_balancer(timed(GetLoadBalancerRequest::default())).await.unwrap();
    let status = rig.load_balancers().ensure_load_balancer(ensure("s")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "provider-api/METHOD_NOT_ALLOWED"));
    assert_eq!(count(&rig.work.begun), 0);
}

#[tokio::test]
async fn secrets_need_more_than_reading_and_writing() {
    let clusters = async |access| {
        let rig = Rig::start(Settings { access, ..Settings::default() }).await;
        ClustersClient::new(rig.channel()).list_clusters(timed(ListClustersRequest::default())).await.unwrap_err()
    };
    assert_eq!(reason(&clusters(Access::own_uid()).await), "provider-api/METHOD_NOT_ALLOWED");
    let allowed = Access::own_uid().allow(own_uid(), [Class::Secret], None);
    assert_eq!(clusters(allowed).await.code(), Code::Unimplemented, "let through to a service that is not there");
}

#[tokio::test]
async fn a_caller_that_calls_too_often_is_told_when_to_come_back() {
    let access = Access::nobody().allow(own_uid(), [Class::Read], Rate::per_second(1));
    let rig = Rig::start(Settings { access, ..Settings::default() }).await;
    let mut identity = rig.identity();
    identity.handshake(handshake()).await.unwrap();
    identity.handshake(handshake()).await.unwrap();
    let status = identity.handshake(handshake()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "provider-api/THROTTLED"));
    assert!(status.get_error_details().retry_info().unwrap().retry_delay.unwrap().as_millis() > 0);
    HealthClient::new(rig.channel()).check(timed(HealthCheckRequest::default())).await.expect("probes are not counted");
}

fn access_file(folder: &Path, uid: u32) -> Access {
    let path = folder.join("access.yaml");
    let text = format!(
        "callers: [{{ uid: {uid}, clusters: [c], defaultTenant: a, tenants: [a, b] }}]\ntenants: {{ a: {{}}, b: {{}} }}\n"
    );
    std::fs::write(&path, text).unwrap();
    Access::nobody().add_file(&path, None).unwrap()
}

#[tokio::test]
async fn a_tenant_is_chosen_among_the_callers_own() {
    let folder = TempDir::new().unwrap();
    let access = access_file(folder.path(), rustix::process::geteuid().as_raw());
    let rig = Rig::start(Settings { access, ..Settings::default() }).await;
    let answer = rig.identity().handshake(handshake()).await.unwrap().into_inner();
    assert_eq!(answer.tenants, ["a", "b"]);

    let ensure_for = async |tenant: &str, cluster: &str| {
        let mut request = ensure("s");
        let key = request.get_mut().key.as_mut().unwrap();
        key.tenant = tenant.to_owned();
        key.cluster.as_mut().unwrap().id = cluster.to_owned();
        rig.load_balancers().ensure_load_balancer(request).await
    };
    for (tenant, handle) in [("", "lb-of-a"), ("a", "lb-of-a"), ("b", "lb-of-b")] {
        rig.work.let_one_end();
        assert_eq!(ensure_for(tenant, "c").await.unwrap().into_inner().state.unwrap().handle, handle);
    }
    for (tenant, cluster) in [("d", "c"), ("a", "other")] {
        let status = ensure_for(tenant, cluster).await.unwrap_err();
        assert_eq!(reason(&status), "provider-api/TENANT_NOT_ALLOWED", "{tenant} {cluster}");
    }
    let foreign = Cluster { id: "other".to_owned(), name: "n".to_owned() };
    let mut request = handshake();
    request.get_mut().cluster = Some(foreign);
    assert_eq!(reason(&rig.identity().handshake(request).await.unwrap_err()), "provider-api/TENANT_NOT_ALLOWED");
}

async fn over_tls(folder: &Path, allowed: &str, client: &str) -> (Running, IdentityClient<Channel>, Sink) {
    let authority = Authority::new("test CA");
    let tls = |side: &str, name: &str| -> Arc<Tls> {
        std::fs::create_dir(folder.join(side)).unwrap();
        Tls::load(authority.write(&folder.join(side), &[name]).unwrap()).unwrap()
    };
    let audit = Sink::default();
    let settings = Settings {
        listen: vec!["https://127.0.0.1:0".parse().unwrap()],
        listen_options: ListenOptions { tls: Some(tls("server", "127.0.0.1")), ..ListenOptions::default() },
        access: Access::nobody().allow(Identity::San(allowed.parse().unwrap()), [Class::Read, Class::Write], None),
        audit: Audit::to(audit.clone()),
        ..Settings::default()
    };
    let running = daemon(settings, &Work::default()).start().await.unwrap();
    let options = ConnectOptions { tls: Some(tls("client", client)), ..ConnectOptions::default() };
    let channel = Channel::new(&running.endpoints()[0], &options).unwrap();
    (running, IdentityClient::new(channel), audit)
}

#[tokio::test]
async fn a_certificate_of_the_right_ca_is_not_enough() {
    let folder = TempDir::new().unwrap();
    let (_running, mut client, audit) = over_tls(folder.path(), "spiffe://x/ccm", "spiffe://x/other").await;
    let status = client.handshake(handshake()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "provider-api/PEER_NOT_ALLOWED"));
    assert!(
        status.message().contains("spiffe://x/other") && status.message().contains("--allowed-peer-san"),
        "{status}"
    );
    assert!(audit.text().contains("spiffe://x/other"));
}

#[tokio::test]
async fn the_right_name_is_let_in_and_the_certificates_end_is_a_metric() {
    let folder = TempDir::new().unwrap();
    let (running, mut client, _) = over_tls(folder.path(), "spiffe://x/ccm", "spiffe://x/ccm").await;
    client.handshake(handshake()).await.unwrap();
    let metrics = running.kit().metrics().render();
    let line = metrics.lines().find(|line| line.starts_with("provider_certificate_expiration_seconds ")).unwrap();
    let seconds: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(seconds > std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), "{line}");
}

#[tokio::test]
async fn plaintext_is_served_only_where_it_was_asked_for() {
    let start = async |allow_insecure_loopback, access| {
        let settings = Settings {
            listen: vec!["http://127.0.0.1:0".parse().unwrap()],
            listen_options: ListenOptions { allow_insecure_loopback, ..ListenOptions::default() },
            access,
            ..Settings::default()
        };
        daemon(settings, &Work::default()).start().await
    };
    let error = start(false, Access::own_uid()).await.err().unwrap();
    assert!(matches!(error, StartError::Listen(_)), "{error}");
    assert!(error.to_string().contains("--allow-insecure-loopback"), "{error}");

    let options = ConnectOptions { allow_insecure_loopback: true, ..ConnectOptions::default() };
    let handshake_with = async |access| {
        let running = start(true, access).await.unwrap();
        let channel = Channel::new(&running.endpoints()[0], &options).unwrap();
        IdentityClient::new(channel).get_status(timed(GetStatusRequest {})).await
    };
    assert_eq!(handshake_with(Access::own_uid()).await.unwrap_err().code(), Code::PermissionDenied);
    let anybody = Access::nobody().allow(Identity::InsecureLoopback, [Class::Read], None);
    handshake_with(anybody).await.unwrap();
}

#[tokio::test]
async fn an_older_caller_is_told_which_side_to_update() {
    let rig = Rig::start(Settings::default()).await;
    let none_in_common = HandshakeRequest { api_minors: vec![9999], ..HandshakeRequest::default() };
    let status = rig.identity().handshake(timed(none_in_common)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "provider-api/API_VERSION"));
    assert!(status.message().contains("9999"), "{status}");
}

#[tokio::test]
async fn a_changed_access_file_is_in_force_within_seconds_and_a_wrong_one_is_not() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("access.yaml");
    let uid = rustix::process::geteuid().as_raw();
    let text =
        |tenants: &str| format!("callers: [{{ uid: {uid}, tenants: [{tenants}] }}]\ntenants: {{ a: {{}}, b: {{}} }}\n");
    std::fs::write(&file, text("a")).unwrap();
    let source = AccessSource { file: file.clone(), others: Vec::new(), rate: None };
    let metrics_address = Some("127.0.0.1:0".parse().unwrap());
    let access = source.read().unwrap();
    let settings = Settings { access, access_source: Some(source), metrics_address, ..Settings::default() };
    let rig = Rig::start(settings).await;
    let tenants = async || rig.identity().handshake(handshake()).await.unwrap().into_inner().tenants;
    assert_eq!(tenants().await, ["a"]);

    let epoch = rig.running.kit().epoch();
    std::fs::write(&file, text("a, b")).unwrap();
    until("the epoch is new", || rig.running.kit().epoch() != epoch).await;
    assert_eq!(tenants().await, ["a", "b"]);

    std::fs::write(&file, text("nobody")).unwrap();
    let metric = |line: &str| rig.running.kit().metrics().render().lines().any(|have| have == line);
    until("the refusal is counted", || metric("provider_access_file_reload_failures 1")).await;
    assert!(metric("provider_access_file_stale 1") && metric("provider_access_file_reloads 1"));
    assert_eq!(tenants().await, ["a", "b"], "the old list stays");

    std::fs::write(&file, text("b")).unwrap();
    until("the next one is taken over", || metric("provider_access_file_stale 0")).await;
    assert_eq!(tenants().await, ["b"]);
}
