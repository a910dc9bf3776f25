//! The server over real TLS, with an apiserver that reviews as the tests say.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::Body;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::{
    args::Flags,
    config::{Config, RequestHeaderConfig},
};

/// Reviews as the apiserver does: tokens and rights by name, and its CAs in the configmap.
#[derive(Clone, Default)]
struct Reviewer(Arc<Mutex<ReviewerState>>);

#[derive(Default)]
struct ReviewerState {
    /// Token to user.
    tokens: BTreeMap<String, String>,
    /// User and path.
    allowed: Vec<(String, String)>,
    /// `data` of the configmap; `None`: it cannot be read.
    map: Option<Value>,
    /// What was asked, in order: `token:T`, `access:USER:VERB:PATH`.
    asked: Vec<String>,
    /// Reviews fail.
    broken: bool,
}

impl Reviewer {
    fn state(&self) -> std::sync::MutexGuard<'_, ReviewerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Client {
        let this = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let this = this.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                let (code, answer) = this.answer(head.uri.path(), &serde_json::from_slice(&body).unwrap_or_default());
                let answer = Full::<Bytes>::from(answer.to_string());
                Ok::<_, Infallible>(Response::builder().status(code).body(answer).expect("a response"))
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut state = self.state();
        let failure = |code: u16| (code, json!({"kind": "Status", "status": "Failure", "code": code, "reason": "R"}));
        if state.broken {
            return failure(500);
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if path.ends_with("/tokenreviews") {
            let token = text(&body["spec"]["token"]);
            state.asked.push(format!("token:{token}"));
            let status = match state.tokens.get(&token) {
                Some(user) => json!({"authenticated": true, "user": {"username": user, "groups": ["g"]}}),
                None => json!({"authenticated": false}),
            };
            return (201, json!({"metadata": {}, "spec": {"token": ""}, "status": status}));
        }
        if path.ends_with("/subjectaccessreviews") {
            let spec = &body["spec"];
            let (user, asked) = (text(&spec["user"]), &spec["nonResourceAttributes"]);
            state.asked.push(format!("access:{user}:{}:{}", text(&asked["verb"]), text(&asked["path"])));
            let allowed = state.allowed.contains(&(user, text(&asked["path"])));
            return (201, json!({"metadata": {}, "spec": {}, "status": {"allowed": allowed}}));
        }
        match &state.map {
            Some(data) => (200, json!({"metadata": {"name": "extension-apiserver-authentication"}, "data": data})),
            None => failure(403),
        }
    }
}

/// A CA that issues client certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a CA");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a CA"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn client(&self, name: &str, group: &str) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }
}

/// Takes whatever certificate the server shows, and remembers it.
#[derive(Debug, Default)]
struct TakeAny(Mutex<Vec<u8>>);

impl ServerCertVerifier for TakeAny {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().expect("not poisoned") = own.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

struct Server {
    address: SocketAddr,
    reviewer: Reviewer,
    health: Health,
}

/// How a test calls.
#[derive(Default)]
struct Call<'a> {
    identity: Option<&'a Identity>,
    headers: &'a [(&'a str, &'a str)],
    method: &'a str,
    body: &'a str,
    http2: bool,
}

struct Got {
    code: StatusCode,
    kind: String,
    body: String,
}

fn settings() -> AdminConfig {
    AdminConfig { address: [127, 0, 0, 1].into(), port: 0, ..AdminConfig::default() }
}

async fn try_server(settings: &AdminConfig, reviewer: Reviewer, borrowed: bool) -> anyhow::Result<Server> {
    let health = Health::default();
    let served = Served {
        config: Arc::new(Config::default()),
        flags: Flags::default(),
        health: health.clone(),
        metrics: Arc::new(Metrics::new()),
        verbosity: None,
    };
    let client = reviewer.client();
    let address = open(settings, served, Delegate { client: client.clone(), borrowed }, client).await?;
    Ok(Server { address, reviewer, health })
}

async fn server(settings: &AdminConfig, reviewer: Reviewer) -> Server {
    try_server(settings, reviewer, true).await.expect("started")
}

impl Server {
    async fn get(&self, path: &str) -> Got {
        self.call(path, Call::default()).await
    }

    async fn call(&self, path: &str, call: Call<'_>) -> Got {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TakeAny::default()));
        let mut config = match call.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).expect("an identity"),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![if call.http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
        let method = if call.method.is_empty() { "GET" } else { call.method };
        let uri = if call.http2 { format!("https://localhost{path}") } else { path.to_owned() };
        let mut request = Request::builder().method(method).uri(uri).header("host", "localhost");
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<Bytes>::from(call.body.to_owned())).expect("a request");
        let response = if call.http2 {
            let io = TokioIo::new(stream);
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
            tokio::spawn(connection);
            sender.send_request(request).await.expect("an answer")
        } else {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
            tokio::spawn(connection);
            sender.send_request(request).await.expect("an answer")
        };
        let code = response.status();
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap_or_default().to_owned());
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        Got { code, kind: kind.unwrap_or_default(), body: String::from_utf8_lossy(&body).into_owned() }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.reviewer.state().asked)
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn health_is_open_to_all_and_nothing_else_is() {
    let server = server(&settings(), Reviewer::default()).await;
    for path in ["/healthz", "/livez", "/readyz"] {
        let got = server.get(path).await;
        assert_eq!((got.code, got.body.as_str()), (StatusCode::OK, "ok"), "{path}");
        assert_eq!(got.kind, "text/plain; charset=utf-8");
    }
    for path in ["/metrics", "/metrics/slis", "/configz", "/statusz", "/flagz", "/debug/flags/v", "/healthz/ping", "/x"]
    {
        let got = server.get(path).await;
        assert_eq!(got.code, StatusCode::FORBIDDEN, "{path}: {}", got.body);
        let status: Value = serde_json::from_str(&got.body).expect("a Status");
        let message = format!("forbidden: User \"system:anonymous\" cannot get path {path:?}");
        assert_eq!((status["kind"].as_str(), status["message"].as_str()), (Some("Status"), Some(message.as_str())));
    }
}

#[tokio::test]
async fn what_is_always_allowed_can_be_chosen() {
    let mut settings = settings();
    settings.authorization.always_allow_paths = vec!["/metrics*".to_owned()];
    let server = server(&settings, Reviewer::default()).await;
    assert_eq!(server.get("/metrics/slis").await.code, StatusCode::OK);
    assert_eq!(server.get("/healthz").await.code, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_is_reviewed_and_so_is_the_right_to_the_path() {
    let reviewer = Reviewer::default();
    reviewer.state().tokens.insert("t-1".into(), "prometheus".into());
    reviewer.state().allowed.push(("prometheus".into(), "/metrics".into()));
    let server = server(&settings(), reviewer).await;
    let with = |token: &str| bearer(token);
    let token = with("t-1");
    let headers = [("authorization", token.as_str())];

    let got = server.call("/metrics", Call { headers: &headers, ..Call::default() }).await;
    assert_eq!((got.code, got.kind.as_str()), (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8"));
    assert!(got.body.contains("# TYPE kubernetes_build_info gauge"), "{}", got.body);
    assert_eq!(server.asked(), ["token:t-1", "access:prometheus:get:/metrics"]);

    server.call("/metrics", Call { headers: &headers, ..Call::default() }).await;
    assert!(server.asked().is_empty(), "both answers are remembered");

    assert_eq!(
        server.call("/configz", Call { headers: &headers, ..Call::default() }).await.code,
        StatusCode::FORBIDDEN
    );
    let wrong = with("t-2");
    let headers = [("authorization", wrong.as_str())];
    let got = server.call("/healthz", Call { headers: &headers, ..Call::default() }).await;
    assert_eq!(got.code, StatusCode::UNAUTHORIZED, "a wrong token is not passed over, even where none is needed");
}

#[tokio::test]
async fn a_review_that_fails_is_a_no_and_is_not_remembered() {
    let reviewer = Reviewer::default();
    reviewer.state().tokens.insert("t".into(), "u".into());
    reviewer.state().allowed.push(("u".into(), "/metrics".into()));
    reviewer.state().broken = true;
    let server = server(&settings(), reviewer).await;
    let token = bearer("t");
    let headers = [("authorization", token.as_str())];
    assert_eq!(
        server.call("/metrics", Call { headers: &headers, ..Call::default() }).await.code,
        StatusCode::UNAUTHORIZED
    );
    server.reviewer.state().broken = false;
    assert_eq!(server.call("/metrics", Call { headers: &headers, ..Call::default() }).await.code, StatusCode::OK);
}

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

#[tokio::test]
async fn a_client_certificate_names_its_user_and_groups() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut settings = settings();
    settings.authentication.client_ca_file = Some(write(folder.path(), "ca.crt", &ours.pem()));
    let reviewer = Reviewer::default();
    reviewer.state().allowed.push(("scraper".into(), "/metrics".into()));
    let server = server(&settings, reviewer).await;
    let call = async |identity: &Identity, path: &str| {
        server.call(path, Call { identity: Some(identity), ..Call::default() }).await.code
    };
    assert_eq!(call(&ours.client("scraper", ""), "/metrics").await, StatusCode::OK);
    assert_eq!(call(&ours.client("scraper", ""), "/configz").await, StatusCode::FORBIDDEN);
    assert_eq!(call(&ours.client("root", "system:masters"), "/configz").await, StatusCode::OK);
    assert_eq!(
        server.asked(),
        ["access:scraper:get:/metrics", "access:scraper:get:/configz"],
        "masters are not reviewed"
    );

    let stranger = theirs.client("root", "system:masters");
    assert_eq!(call(&stranger, "/healthz").await, StatusCode::OK, "its certificate does not keep it from what is open");
    assert_eq!(call(&stranger, "/configz").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_front_proxys_word_is_taken_and_nobody_elses() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = Authority::new();
    let mut settings = settings();
    settings.authentication.request_header = Some(RequestHeaderConfig {
        ca_file: write(folder.path(), "proxy-ca.crt", &ca.pem()),
        allowed_names: vec!["front-proxy-client".into()],
        username_headers: vec!["x-remote-user".into()],
        uid_headers: Vec::new(),
        group_headers: vec!["x-remote-group".into()],
        extra_prefixes: vec!["x-remote-extra-".into()],
    });
    let server = server(&settings, Reviewer::default()).await;
    let headers = [("x-remote-user", "alice"), ("x-remote-group", "system:masters")];
    let call = async |identity: Option<&Identity>| {
        server.call("/configz", Call { identity, headers: &headers, ..Call::default() }).await.code
    };
    assert_eq!(call(Some(&ca.client("front-proxy-client", ""))).await, StatusCode::OK);
    assert_eq!(call(Some(&ca.client("somebody-else", ""))).await, StatusCode::FORBIDDEN);
    assert_eq!(call(None).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_clusters_own_cas_come_from_its_configmap() {
    let (clients, proxies) = (Authority::new(), Authority::new());
    let reviewer = Reviewer::default();
    reviewer.state().map = Some(json!({
        "client-ca-file": clients.pem(),
        "requestheader-client-ca-file": proxies.pem(),
        "requestheader-allowed-names": "[\"front-proxy-client\"]",
        "requestheader-username-headers": "[\"X-Remote-User\"]",
        "requestheader-group-headers": "[\"X-Remote-Group\"]",
        "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
    }));
    let server = try_server(&settings(), reviewer, false).await.expect("the configmap is readable");
    let admin = clients.client("admin", "system:masters");
    assert_eq!(server.call("/flagz", Call { identity: Some(&admin), ..Call::default() }).await.code, StatusCode::OK);
    let proxy = proxies.client("front-proxy-client", "");
    let headers = [("x-remote-user", "alice"), ("x-remote-group", "system:masters")];
    let call = Call { identity: Some(&proxy), headers: &headers, ..Call::default() };
    assert_eq!(server.call("/flagz", call).await.code, StatusCode::OK);
}

#[tokio::test]
async fn a_configmap_that_cannot_be_read_is_an_error_unless_that_is_tolerated() {
    let Err(error) = try_server(&settings(), Reviewer::default(), false).await else { panic!("refused") };
    assert!(format!("{error:#}").contains("extension-apiserver-authentication-reader"), "{error:#}");
    let mut tolerant = settings();
    tolerant.authentication.tolerate_lookup_failure = true;
    try_server(&tolerant, Reviewer::default(), false).await.expect("tolerated");
    let away = Reviewer::default();
    away.state().broken = true;
    try_server(&settings(), away, false).await.expect("an apiserver that is away is asked again later");
    let mut skipping = settings();
    skipping.authentication.skip_lookup = true;
    try_server(&skipping, Reviewer::default(), false).await.expect("not looked up");
}

/// A caller of the masters' group.
async fn with_master() -> (Server, Identity, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = Authority::new();
    let mut settings = settings();
    settings.authentication.client_ca_file = Some(write(folder.path(), "ca.crt", &ca.pem()));
    let server = server(&settings, Reviewer::default()).await;
    (server, ca.client("root", "system:masters"), folder)
}

#[tokio::test]
async fn every_page_is_served() {
    let (server, master, _folder) = with_master().await;
    let get = async |path: &str| server.call(path, Call { identity: Some(&master), ..Call::default() }).await;

    let configz = get("/configz").await;
    assert_eq!(configz.kind, "application/json");
    let configz: Value = serde_json::from_str(&configz.body).expect("JSON");
    let upstream = &configz["cloudcontrollermanager.config.k8s.io"];
    assert_eq!(upstream["kind"], "CloudControllerManagerConfiguration");
    assert_eq!(upstream["KubeCloudShared"]["ClusterName"], "kubernetes");
    assert_eq!(upstream["Generic"]["LeaderElection"]["LeaseDuration"], "15s");

    let flagz = get("/flagz").await;
    assert!(flagz.body.contains("\nleader-elect=true\n"), "{}", flagz.body);
    let statusz = get("/statusz").await;
    assert!(statusz.body.contains("Binary version: v0.1.0\n"), "{}", statusz.body);
    let slis = get("/metrics/slis").await;
    assert!(slis.body.contains("kubernetes_healthcheck{name=\"ping\",type=\"readyz\"} 1\n"), "{}", slis.body);

    let headers = [("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")];
    let metrics = server.call("/metrics", Call { identity: Some(&master), headers: &headers, ..Call::default() }).await;
    assert!(metrics.kind.starts_with("application/openmetrics-text"), "{}", metrics.kind);
    assert!(metrics.body.ends_with("# EOF\n"));

    assert_eq!(get("/nowhere").await.code, StatusCode::NOT_FOUND);
    assert_eq!(get("/healthzz").await.code, StatusCode::NOT_FOUND);
    let post = Call { identity: Some(&master), method: "POST", ..Call::default() };
    assert_eq!(server.call("/metrics", post).await.code, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_failing_check_is_seen_by_its_probe_and_its_reason_is_not_told() {
    let (server, master, _folder) = with_master().await;
    server.health.add("service-lb-controller", Scope::Live, || Ok(()));
    server.health.add("provider-0", Scope::Ready, || Err("connection refused by 10.0.0.1".to_owned()));
    let live = server.get("/livez?verbose").await;
    assert_eq!((live.code, live.body.as_str()), (StatusCode::OK, "[+]service-lb-controller ok\nlivez check passed\n"));
    let ready = server.get("/readyz").await;
    assert_eq!(ready.code, StatusCode::INTERNAL_SERVER_ERROR);
    let text = "[+]service-lb-controller ok\n[-]provider-0 failed: reason withheld\nreadyz check failed\n";
    assert_eq!(ready.body, text);
    assert_eq!(server.get("/readyz?exclude=provider-0").await.code, StatusCode::OK);
    let single = server.call("/readyz/provider-0", Call { identity: Some(&master), ..Call::default() }).await;
    assert_eq!(single.code, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn the_log_level_is_set_only_by_a_number() {
    let (server, master, _folder) = with_master().await;
    let put = async |method: &str, body: &str| {
        server.call("/debug/flags/v", Call { identity: Some(&master), method, body, ..Call::default() }).await
    };
    assert_eq!(put("PUT", "loud").await.code, StatusCode::BAD_REQUEST);
    assert_eq!(put("GET", "").await.code, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(put("PUT", &"9".repeat(5000)).await.code, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(put("PUT", "4").await.code, StatusCode::NOT_FOUND, "nothing to set it with in this test");
}

#[tokio::test]
async fn both_http_versions_are_spoken() {
    let server = server(&settings(), Reviewer::default()).await;
    let got = server.call("/healthz", Call { http2: true, ..Call::default() }).await;
    assert_eq!((got.code, got.body.as_str()), (StatusCode::OK, "ok"));
}

#[tokio::test]
async fn plain_http_and_silence_cost_nothing() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = server(&settings(), Reviewer::default()).await;
    let _silent = TcpStream::connect(server.address).await.expect("connected");
    let mut plain = TcpStream::connect(server.address).await.expect("connected");
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), plain.read_to_end(&mut answer)).await.expect("closed");
    assert!(!answer.starts_with(b"HTTP/"), "no page without TLS");
    assert_eq!(server.get("/healthz").await.code, StatusCode::OK);
}

#[tokio::test]
async fn a_port_taken_is_said_with_its_flags() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut settings = settings();
    settings.port = taken.local_addr().expect("an address").port();
    let Err(error) = try_server(&settings, Reviewer::default(), true).await else { panic!("taken") };
    assert!(format!("{error:#}").contains("--secure-port="), "{error:#}");
}

#[tokio::test]
async fn tls_1_2_can_be_turned_off() {
    let mut settings = settings();
    settings.tls13_only = true;
    let server = server(&settings, Reviewer::default()).await;
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakeAny::default()))
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await.expect("connected");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect_err("TLS 1.2 is off");
    assert_eq!(server.get("/healthz").await.code, StatusCode::OK);
}
