//! Keys, signatures and connections against the simulated cloud, which verifies all of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cloud_rest::{
    Call, Client, Credentials, Effect, Error, Kind, Settings, Sign, SignError, Transport, TransportSettings,
};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use provider_huawei::{
    cloud::{Cloud, PROJECT, Surroundings},
    config::{self, Config},
    dialect::Huawei as Words,
    endpoints::Service,
    sign::{AkSk, Algorithm},
};
use simulators::{
    engine::{self, Running},
    huawei::{Huawei, state},
};

async fn start() -> Running<Huawei> {
    Huawei::default().start(engine::Settings::default()).await.unwrap()
}

/// A cloud-config for the simulator's services, each under a path of one address.
fn read(sim: &Running<Huawei>, base: &str, global: &str) -> Config {
    let region = &sim.cloud().region;
    let hosts = [("ecs", "ecs"), ("vpc", "vpc"), ("elb", "elb"), ("iam", "iam")];
    let endpoints = hosts.map(|(service, host)| format!("{service}={base}/{host}")).join("\n");
    let text = format!("[Global]\nregion={region}\n{global}\n[Endpoints]\n{endpoints}\n");
    config::parse(&text, &|_| None).unwrap().config
}

fn right_key() -> String {
    format!("access-key={}\nsecret-key={}", state::ACCESS_KEY, state::SECRET_KEY)
}

async fn list_servers(cloud: &Cloud) -> Result<(), Error> {
    let path = ["v1", PROJECT, "cloudservers", "detail"];
    let list = cloud.get(Service::Ecs, "ListServersDetails", &path).query("offset", 1).query("limit", 10);
    list.send::<serde_json::Value>().await.map(drop)
}

#[tokio::test]
async fn the_right_key_finds_its_project_and_its_servers() {
    let sim = start().await;
    let cloud = Cloud::new("test", read(&sim, &sim.http(), &right_key())).unwrap();
    list_servers(&cloud).await.unwrap();
    assert_eq!(sim.calls().len(), 2, "one look-up, one listing");
}

#[tokio::test]
async fn calls_go_over_tls_to_the_ca_that_is_named_and_to_no_other() {
    let sim = start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, sim.ca()).unwrap();
    let trusting = format!("{}\nca-file={}", right_key(), ca.display());
    list_servers(&Cloud::new("test", read(&sim, &sim.https(), &trusting)).unwrap()).await.unwrap();
    let other = Cloud::new("test", read(&sim, &sim.https(), &right_key())).unwrap();
    let error = list_servers(&other).await.unwrap_err();
    assert!(error.kind == Kind::Connect && error.message.contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_told_in_the_clouds_words() {
    let sim = start().await;
    for keys in [
        format!("access-key={}\nsecret-key=marker-secret", state::ACCESS_KEY),
        "access-key=NOBODY\nsecret-key=marker-secret".to_owned(),
    ] {
        let cloud = Cloud::new("test", read(&sim, &sim.http(), &keys)).unwrap();
        let error = list_servers(&cloud).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Unauthenticated, "APIGW.0301"), "{error}");
        assert!(!format!("{error} {error:?}").contains("marker"));
    }
}

#[tokio::test]
async fn a_clock_20_minutes_off_is_refused_and_named() {
    let sim = start().await;
    for (seconds, way) in [(1_200, "20 minutes ahead of"), (-1_200, "20 minutes behind")] {
        let off = jiff::SignedDuration::from_secs(seconds);
        let clock = Arc::new(move || Timestamp::now() + off);
        let surroundings = Surroundings { clock, ..Surroundings::default() };
        let cloud = Cloud::with("test", read(&sim, &sim.http(), &right_key()), &surroundings).unwrap();
        let error = list_servers(&cloud).await.unwrap_err();
        assert!(error.kind == Kind::Unauthenticated && error.message.contains(way), "{error}");
    }
}

/// Changes a request once it is signed, as something on the way might.
struct Altered(Alter);

type Alter = fn(&mut http::Request<Bytes>);

impl Sign for Altered {
    fn sign(
        &self,
        request: &mut http::Request<Bytes>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<(), SignError> {
        AkSk { algorithm: Algorithm::Sdk, host: false }.sign(request, credentials, now)?;
        (self.0)(request);
        Ok(())
    }
}

/// Sends a signed call that is altered on the way.
async fn altered(sim: &Running<Huawei>, alter: Alter) -> Result<(), Error> {
    let credentials = Credentials::lasting(state::ACCESS_KEY, state::SECRET_KEY);
    let transport = Transport::new(&TransportSettings::default()).unwrap();
    let settings = Settings::new("test", transport, Arc::new(Altered(alter)), Arc::new(Words), Arc::new(credentials));
    let headers = [(http::HeaderName::from_static("x-project-id"), HeaderValue::from_static(state::PROJECT))];
    let call = Call {
        name: "ListServersDetails",
        family: "ecs",
        method: Method::GET,
        base: format!("{}/ecs", sim.http()).parse().unwrap(),
        path: ["v1", state::PROJECT, "cloudservers", "detail"].map(str::to_owned).to_vec(),
        query: vec![("limit".to_owned(), "10".to_owned())],
        headers: HeaderMap::from_iter(headers),
        body: None,
        effect: Effect::Read,
    };
    Client::new(settings).run(call).await.map(drop)
}

#[tokio::test]
async fn what_is_altered_on_the_way_is_refused() {
    let sim = start().await;
    altered(&sim, |_| {}).await.unwrap();
    let alterations: [(&str, Alter); 4] = [
        ("path", |request| replace(request, "/detail", "/detail2")),
        ("query", |request| replace(request, "limit=10", "limit=11")),
        ("header", |request| {
            request.headers_mut().insert("x-project-id", HeaderValue::from_static("0"));
        }),
        ("body", |request| *request.body_mut() = Bytes::from_static(b"{}")),
    ];
    for (what, alter) in alterations {
        let error = altered(&sim, alter).await.unwrap_err();
        // A path that leads nowhere is found out before the signature is looked at.
        let refused = error.kind == Kind::Unauthenticated || what == "path" && error.kind == Kind::NoSuchApi;
        assert!(refused, "{what}: {error}");
    }
}

fn replace(request: &mut http::Request<Bytes>, from: &str, to: &str) {
    let uri = request.uri().to_string();
    assert!(uri.contains(from), "{uri}");
    *request.uri_mut() = uri.replace(from, to).parse().unwrap();
}

#[tokio::test]
async fn a_limited_cloud_gets_all_calls_done_over_few_connections() {
    let sim = start().await;
    let limits = engine::Limits { calls_per_second: Some(50.0), ..engine::Limits::default() };
    sim.turn(engine::Change { limits: Some(limits), ..engine::Change::default() }).unwrap();
    let cloud = Cloud::new("test", read(&sim, &sim.http(), &right_key())).unwrap();
    let calls = futures::future::join_all((0..200).map(|_| list_servers(&cloud)));
    for outcome in tokio::time::timeout(Duration::from_secs(30), calls).await.unwrap() {
        outcome.unwrap();
    }
    assert!(sim.connections().made <= 16, "{:?}", sim.connections());
}
