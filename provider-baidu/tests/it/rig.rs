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
use tempfile::TempDir;
use tonic::{Request, Status};

use crate::cloud::Cloud;

pub(crate) struct Rig {
    pub(crate) cloud: Cloud,
    pub(crate) folder: TempDir,
    url: String,
    running: Running,
}

/// A good configuration for a cloud.
pub(crate) fn config(url: &str) -> Value {
    let services =
        ["bcc", "bbc", "vpc", "bec", "cce", "ccr"].map(|name| (name.to_owned(), json!(format!("{url}/{name}"))));
    json!({"ClusterId": "cce-demo0001", "Region": "bj", "AccessKeyID": "AK1", "SecretAccessKey": "marker-secret-1", "VpcId": "vpc-1",
        "InstanceTypeStyle": "spec", "Endpoints": serde_json::Map::from_iter(services)})
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    /// With a configuration that is changed; the second is the folder it is in.
    pub(crate) async fn with(change: impl FnOnce(&mut Value, &TempDir)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cloud = Cloud::default();
        cloud.lock().keys.insert("AK1".to_owned(), "marker-secret-1".to_owned());
        cloud.lock().quota = 50;
        let url = cloud.start().await;
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

    /// In a word or two.
    pub(crate) async fn word(&self, provider_id: &str) -> String {
        let results = self.look_up(vec![node("192.168.0.4", provider_id)], true).await;
        word(&results[0])
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
        Answer::NotFound(absent) => format!("absent: {}", absent.evidence),
        Answer::NotOurs(_) => "not ours".to_owned(),
        Answer::Unknown(status) => format!("unknown: {}", status.reason),
    }
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
