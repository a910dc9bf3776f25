//! A daemon in this process, and short ways to ask it.

use std::{collections::HashMap, os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

use clap::Parser as _;
use cloud_provider_api::v1::{
    self, identity_client::IdentityClient, instance_result::Answer, instances_client::InstancesClient,
    list_routes_response::Page, routes_client::RoutesClient,
};
use provider_baidu::{Args, serve};
use provider_kit::{
    Access, Class, Daemon, Identity, Running, Settings,
    hop::{
        Endpoint,
        connect::{Channel, ConnectOptions},
    },
};
use serde_json::{Value, json};
use simulators::{
    baidu::{Baidu, state},
    engine::{Change, Effect, Rule, Running as Simulated, Settings as Served},
};
use tempfile::TempDir;
use tonic::{Request, Status};

pub(crate) struct Rig {
    pub(crate) cloud: Simulated<Baidu>,
    pub(crate) folder: TempDir,
    url: String,
    running: Running,
}

/// Below its one address the cloud has all services.
const SERVICES: [&str; 10] = ["bcc", "bbc", "vpc", "blb", "eip", "cce", "ccr", "bec", "sts", "iam"];

/// A good configuration for a cloud.
pub(crate) fn config(url: &str) -> Value {
    let services = SERVICES.map(|name| (name.to_owned(), json!(format!("{url}/{name}"))));
    json!({"ClusterId": "cce-demo0001", "Region": "bj", "AccessKeyID": state::ACCESS_KEY, "SecretAccessKey": state::SECRET_KEY,
        "VpcId": state::VPC, "InstanceTypeStyle": "spec", "Endpoints": serde_json::Map::from_iter(services)})
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    /// With a configuration that is changed; the second is the folder it is in.
    pub(crate) async fn with(change: impl FnOnce(&mut Value, &TempDir)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cloud = Baidu::default().start(Served::default()).await.unwrap();
        cloud.turn(Change { delays_ms: [("*".to_owned(), 0)].into(), ..Change::default() }).unwrap();
        let url = cloud.http();
        let mut config = config(&url);
        change(&mut config, &folder);
        std::fs::write(folder.path().join("config"), config.to_string()).unwrap();
        let file = folder.path().join("config").display().to_string();
        let args = Args::parse_from(["provider-baidu", "--cloud-config", &file]);
        let listen = vec![format!("unix:{}/p.sock", folder.path().display()).parse().unwrap()];
        let uid = Identity::Uid(std::fs::metadata(folder.path()).unwrap().uid());
        let access = Access::own_uid().allow(uid, [Class::Secret], None);
        let daemon = Daemon::new(Settings { listen, access, ..Settings::default() });
        let running = serve(daemon, &args, &|_| None).unwrap().start().await.unwrap();
        Self { cloud, folder, url, running }
    }

    /// Writes the configuration anew, in one step.
    pub(crate) fn rewrite(&self, change: impl FnOnce(&mut Value)) {
        let mut config = config(&self.url);
        change(&mut config);
        self.replace("config", &config.to_string());
    }

    /// Replaces a file in one step.
    pub(crate) fn replace(&self, name: &str, content: &str) {
        let new: PathBuf = self.folder.path().join(format!("{name}.new"));
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.folder.path().join(name)).unwrap();
    }

    pub(crate) fn channel(&self) -> Channel {
        let endpoint: Endpoint = self.running.endpoints()[0].clone();
        Channel::new(&endpoint, &ConnectOptions::default()).unwrap()
    }

    pub(crate) async fn handshake(&self) -> v1::HandshakeResponse {
        let api_minors = cloud_provider_api::API_MINORS.to_vec();
        let request = v1::HandshakeRequest {
            controller_name: "test".to_owned(),
            api_minors,
            cluster: Some(cluster()),
            ..v1::HandshakeRequest::default()
        };
        IdentityClient::new(self.channel()).handshake(timed(request)).await.unwrap().into_inner()
    }

    pub(crate) async fn look_up(&self, nodes: Vec<v1::NodeReference>, fresh: bool) -> Vec<v1::InstanceResult> {
        let max_age = fresh.then(|| Duration::ZERO.try_into().unwrap());
        let request = v1::BatchGetInstancesRequest { cluster: Some(cluster()), nodes, max_age };
        let client = InstancesClient::new(self.channel()).max_decoding_message_size(64 << 20);
        let mut client = client.max_encoding_message_size(64 << 20);
        client.batch_get_instances(timed(request)).await.unwrap().into_inner().results
    }

    /// Whether a condition of the daemon holds, why in a word, and what is said of it.
    pub(crate) async fn condition(&self, name: &str) -> Option<(Option<bool>, String, String)> {
        let mut client = IdentityClient::new(self.channel());
        let status = client.get_status(timed(v1::GetStatusRequest {})).await.unwrap().into_inner();
        let condition = status.conditions.into_iter().find(|condition| condition.r#type == name)?;
        Some((condition.status, condition.reason, condition.message))
    }

    /// In a word or two.
    pub(crate) async fn word(&self, provider_id: &str) -> String {
        let results = self.look_up(vec![node("192.168.0.4", provider_id)], true).await;
        word(&results[0])
    }

    /// Adds running machines, by id and address.
    pub(crate) fn add_machines(&self, machines: &[(&str, &str)]) {
        let machines =
            machines.iter().map(|(id, address)| json!({"id": id, "name": format!("name-of-{id}"), "address": address}));
        self.cloud.seed(json!({"machines": machines.collect::<Vec<_>>()})).unwrap();
    }

    /// How often this was called, by the cloud's name of it.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.cloud.calls().iter().filter(|call| call.action == action).count()
    }

    /// Calls that change something.
    pub(crate) fn writes(&self) -> usize {
        self.cloud.calls().iter().filter(|call| call.mutating).count()
    }

    /// Has the next calls of a path answered so.
    pub(crate) fn answer(&self, path: &str, times: u64, status: u16, body: &str) {
        let content_type = "application/json".to_owned();
        let rule = Rule::new(Effect::Answer { status, body: body.to_owned(), content_type });
        self.cloud.break_with(rule.path(path).times(times));
    }

    /// Has the next calls of an action refused so, in the words of their service.
    pub(crate) fn refuse(&self, action: &str, times: u64, status: u16, code: &str) {
        let code = code.to_owned();
        let rule = Rule::new(Effect::Refuse { status, code, message: String::new(), retry_after: None });
        self.cloud.break_with(rule.action(action).times(times));
    }

    /// The same for calls that are carried out all the same.
    pub(crate) fn refuse_after(&self, action: &str, times: u64, status: u16, code: &str) {
        let rule = Rule::new(Effect::RefuseAfter { status, code: code.to_owned() });
        self.cloud.break_with(rule.action(action).times(times));
    }

    pub(crate) async fn list_routes(&self) -> Result<Vec<v1::Route>, Status> {
        let request = timed(v1::ListRoutesRequest { cluster: Some(cluster()) });
        let mut stream = RoutesClient::new(self.channel()).list_routes(request).await?.into_inner();
        let mut routes = Vec::new();
        while let Some(message) = stream.message().await? {
            match message.page.unwrap() {
                Page::Items(page) => routes.extend(page.routes),
                Page::Complete(complete) => {
                    assert_eq!(complete.total, routes.len() as u64);
                    return Ok(routes);
                }
            }
        }
        panic!("the list has no end")
    }

    /// Reasons, empty for success.
    pub(crate) async fn create(&self, routes: Vec<v1::Route>) -> Vec<String> {
        let request = v1::CreateRoutesRequest { cluster: Some(cluster()), routes: items(routes) };
        let answer = RoutesClient::new(self.channel()).create_routes(timed(request)).await;
        answer.unwrap().into_inner().results.into_iter().map(|result| result.status.unwrap().reason).collect()
    }

    pub(crate) async fn delete(&self, routes: Vec<v1::Route>) -> Vec<String> {
        let request = v1::DeleteRoutesRequest { cluster: Some(cluster()), routes: items(routes) };
        let answer = RoutesClient::new(self.channel()).delete_routes(timed(request)).await;
        answer.unwrap().into_inner().results.into_iter().map(|result| result.status.unwrap().reason).collect()
    }
}

fn items(routes: Vec<v1::Route>) -> Vec<v1::RouteItem> {
    let numbered = (1..).zip(routes);
    numbered.map(|(id, route)| v1::RouteItem { id, route: Some(route), name_hint: "uid".to_owned() }).collect()
}

pub(crate) fn cluster() -> v1::Cluster {
    v1::Cluster { id: "cluster-1".to_owned(), name: "test".to_owned() }
}

pub(crate) fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(30));
    request
}

pub(crate) fn node(name: &str, provider_id: &str) -> v1::NodeReference {
    v1::NodeReference {
        node_name: name.to_owned(),
        node_uid: format!("uid-of-{name}"),
        provider_id: provider_id.to_owned(),
        addresses: Vec::new(),
        annotations: HashMap::new(),
    }
}

/// A wanted route.
pub(crate) fn route(node: &str, cidr: &str, machine: &str) -> v1::Route {
    v1::Route {
        target_node: node.to_owned(),
        destination_cidr: cidr.to_owned(),
        target_provider_id: format!("cce://{machine}"),
        ..v1::Route::default()
    }
}

pub(crate) fn word(result: &v1::InstanceResult) -> String {
    match result.answer.as_ref().unwrap() {
        Answer::Found(instance) => format!("found {}", instance.provider_id),
        Answer::NotFound(absent) => format!("absent: {}", without_ids(&absent.evidence)),
        Answer::NotOurs(_) => "not ours".to_owned(),
        Answer::Unknown(status) => format!("unknown: {}", status.reason),
    }
}

/// Evidence without the ids of requests.
fn without_ids(evidence: &str) -> String {
    let mut parts = evidence.split(", request ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

/// Polls until it holds; fails when that takes too long.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, reached: impl Fn() -> F) {
    let poll = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), poll).await.unwrap_or_else(|_| panic!("not reached: {what}"));
}
