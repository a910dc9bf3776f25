//! The daemon as a process.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use cloud_provider_api::v1::{self, instances_client::InstancesClient, load_balancers_client::LoadBalancersClient};
use provider_kit::hop::{
    Endpoint,
    connect::{Channel, ConnectOptions},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStderr, Command},
    time::timeout,
};
use tonic::{Request, Status};

use crate::requests::*;

const PATIENCE: Duration = Duration::from_secs(20);

struct Daemon {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    control: String,
    channel: Channel,
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, new) = (self.path(name), self.path(&format!("{name}.new")));
        // In one step: a file that is written in place is empty for a moment, and a daemon may look just then.
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path
    }
}

fn command(socket: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provider-mock"));
    command.arg(format!("--listen=unix:{}", socket.display())).args(flags);
    command.stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Daemon {
    async fn start(folder: &Folder, flags: &[&str]) -> Self {
        let socket = folder.path("provider.sock");
        let mut child =
            command(&socket, &[flags, &["--control=127.0.0.1:0", "--no-traffic"]].concat()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = line_with(&mut log, "control endpoint").await;
        let at = line.find("127.0.0.1:").unwrap();
        let control = line[at..].split(|c: char| !(c.is_ascii_digit() || ".:".contains(c))).next().unwrap().to_owned();
        let channel = Channel::new(&Endpoint::Unix(socket), &ConnectOptions::default()).unwrap();
        Self { child, log, control, channel }
    }

    async fn http(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.control).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.http("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn ensure(&self, service: &str) -> Result<v1::LoadBalancerState, Status> {
        let mut request = Request::new(ensure_request(service));
        request.set_timeout(PATIENCE);
        let mut client = LoadBalancersClient::new(self.channel.clone());
        Ok(client.ensure_load_balancer(request).await?.into_inner().state.unwrap())
    }

    async fn instance(&self, name: &str, provider_id: &str) -> v1::instance_result::Answer {
        let nodes = vec![node(name, provider_id)];
        let message = v1::BatchGetInstancesRequest { cluster: Some(cluster()), nodes, max_age: None };
        let mut request = Request::new(message);
        request.set_timeout(PATIENCE);
        let mut client = InstancesClient::new(self.channel.clone());
        let mut results = client.batch_get_instances(request).await.unwrap().into_inner().results;
        results.pop().unwrap().answer.unwrap()
    }

    async fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").arg(pid).status().await.unwrap().success());
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code()
    }
}

async fn line_with(log: &mut Lines<BufReader<ChildStderr>>, words: &str) -> String {
    let find = async {
        let mut seen = String::new();
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains(words) {
                return line;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        panic!("the log ended without {words:?}:\n{seen}")
    };
    timeout(PATIENCE, find).await.unwrap_or_else(|_| panic!("the log does not say {words:?}"))
}

const INSTANT: &str = "loadBalancers: {provisioning: 0s}";

#[tokio::test]
async fn the_cloud_survives_a_kill_and_the_end_is_orderly() {
    let folder = Folder::new();
    let scenario = folder.write("scenario.yaml", INSTANT).display().to_string();
    let state = folder.path("state").display().to_string();
    let flags = ["--scenario", &scenario, "--state", &state];
    let mut daemon = Daemon::start(&folder, &flags).await;
    let first = ready(daemon.ensure("web").await.unwrap());
    assert!(matches!(daemon.instance("node-1", "").await, v1::instance_result::Answer::Found(_)));
    daemon.http("DELETE", "/v1/instances/node-1", "").await;
    let machines = daemon.get("/v1/instances").await;
    daemon.child.kill().await.unwrap();

    let daemon = Daemon::start(&folder, &flags).await;
    assert_eq!(ready(daemon.ensure("web").await.unwrap()), first);
    assert_eq!(daemon.get("/v1/instances").await, machines);
    let gone = machines[0]["providerId"].as_str().unwrap();
    assert!(matches!(daemon.instance("node-1", gone).await, v1::instance_result::Answer::NotFound(_)));
    assert_eq!(daemon.terminate().await, Some(0));
}

#[tokio::test]
async fn a_crash_at_any_call_of_the_cloud_leaves_one_load_balancer() {
    let folder = Folder::new();
    let scenario = folder.write("scenario.yaml", INSTANT).display().to_string();
    let state = folder.path("state").display().to_string();
    for (run, (nth, at)) in [(1, "before"), (2, "after"), (3, "after"), (5, "before"), (6, "after")].iter().enumerate()
    {
        let service = format!("service-{run}");
        let mut daemon = Daemon::start(&folder, &["--scenario", &scenario, "--state", &state]).await;
        let rule = json!([{"match": {"method": "cloud.*"}, "when": {"nth": nth}, "effects": [{"crash": at}]}]);
        assert_eq!(daemon.http("PUT", "/v1/rules", &rule.to_string()).await.0, 204);
        daemon.ensure(&service).await.unwrap_err();
        assert!(!timeout(PATIENCE, daemon.child.wait()).await.unwrap().unwrap().success());
        let daemon = Daemon::start(&folder, &["--scenario", &scenario, "--state", &state]).await;
        ready(daemon.ensure(&service).await.unwrap());
        let objects = daemon.get("/v1/load-balancers").await;
        assert_eq!(objects.as_array().unwrap().len(), run + 1, "call {nth}, {at}");
        let of_service = |object: &&Value| object["service"] == format!("default/{service}");
        assert_eq!(objects.as_array().unwrap().iter().filter(of_service).count(), 1, "call {nth}, {at}");
    }
}

#[tokio::test]
async fn the_control_endpoint_shows_and_changes_the_cloud() {
    let folder = Folder::new();
    let scenario = folder.write("scenario.yaml", INSTANT).display().to_string();
    let daemon = Daemon::start(&folder, &["--scenario", &scenario]).await;
    let added = r#"[{"name": "a", "id": "i-a"}, {"name": "b", "state": "stopped"}]"#;
    let (status, made) = daemon.http("POST", "/v1/instances", added).await;
    assert_eq!((status, made[0]["providerId"].as_str()), (201, Some("mock://i-a")));
    let check = async |method: &str, path: &str, body: &str, status: u16, words: &str| {
        let (got, answer) = daemon.http(method, path, body).await;
        assert_eq!(got, status, "{method} {path}: {answer}");
        assert!(answer.to_string().contains(words), "{method} {path}: {answer} does not say {words}");
    };
    check("POST", "/v1/instances", r#"[{"name": "c"}, {"name": "a"}]"#, 409, "exists already").await;
    check("GET", "/v1/instances/c", "", 404, "does not exist").await;
    check("PATCH", "/v1/instances/a", r#"{"state": "stopped"}"#, 200, "stopped").await;
    check("PATCH", "/v1/instances/a", r#"{"sate": "stopped"}"#, 422, "state").await;
    check("DELETE", "/v1/instances/i-a", "", 200, "terminated").await;
    check("PATCH", "/v1/instances/i-a", r#"{"state": "running"}"#, 409, "terminated").await;
    check("PUT", "/v1/rules", "[{effects: []}]", 422, "at least one effect").await;
    check("DELETE", "/v1/load-balancers/none", "", 404, "load balancer").await;

    ready(daemon.ensure("web").await.unwrap());
    let state = daemon.get("/v1/state").await;
    let web = &state["loadBalancers"][0];
    assert_eq!((web["service"].as_str(), web["serviceUid"].as_str()), (Some("default/web"), Some("uid-of-web")));
    assert_eq!((&web["ports"], &web["phase"], &web["memberCount"]), (&json!([80]), &json!("active"), &json!(1)));
    assert_eq!(web["members"][0]["node"], "a");
    assert_eq!(daemon.get("/v1/state?members=false").await["loadBalancers"][0]["members"], json!([]));
    let calls = daemon.get("/v1/calls").await;
    assert_eq!(calls["methods"]["EnsureLoadBalancer"], json!({"total": 1, "codes": {"OK": 1}}));
    assert_eq!(calls["cloud"]["CreateLoadBalancer"], 1);
    let history = daemon.get("/v1/history").await;
    assert_eq!(history.as_array().unwrap().last().unwrap()["operation"], "TagLoadBalancer");

    check("POST", "/v1/load-balancers/default/web/duplicate", "", 201, "default/web").await;
    assert_eq!(daemon.ensure("web").await.unwrap_err().code(), tonic::Code::DataLoss);
    let second = daemon.get("/v1/load-balancers").await[1]["id"].as_str().unwrap().to_owned();
    check("DELETE", &format!("/v1/load-balancers/{second}"), "", 204, "").await;
    ready(daemon.ensure("web").await.unwrap());
    check("DELETE", "/v1/calls", "", 204, "").await;
    assert_eq!(daemon.get("/v1/calls").await["methods"], json!({}));
    let before = state["epoch"].as_str().unwrap();
    let (_, renewed) = daemon.http("POST", "/v1/epoch", "").await;
    assert_ne!(renewed["epoch"], before);
}

#[tokio::test]
async fn a_changed_scenario_is_taken_over_and_a_wrong_one_is_not() {
    let folder = Folder::new();
    let path = folder.write("scenario.yaml", INSTANT);
    let scenario = path.display().to_string();
    let mut daemon = Daemon::start(&folder, &["--scenario", &scenario]).await;
    ready(daemon.ensure("web").await.unwrap());
    folder.write("scenario.yaml", "rules: [{effects: [{fail: {code: DATA_LOST}}]}]");
    let line = line_with(&mut daemon.log, "the scenario stays as it was").await;
    assert!(line.contains("DATA_LOST"), "{line}");
    ready(daemon.ensure("web").await.unwrap());
    folder.write("scenario.yaml", "rules: [{effects: [{fail: {code: DATA_LOSS}}]}]");
    line_with(&mut daemon.log, "scenario changed").await;
    assert_eq!(daemon.ensure("web").await.unwrap_err().code(), tonic::Code::DataLoss);
}

#[tokio::test]
async fn flags_that_cannot_be_are_refused_by_name() {
    let folder = Folder::new();
    let wrong = folder.write("wrong.yaml", "pageSiz: 3").display().to_string();
    for (flags, words) in [
        (["--scenario", wrong.as_str()], "pageSiz"),
        (["--scenario", "/nowhere/scenario.yaml"], "/nowhere/scenario.yaml"),
        (["--control", "0.0.0.0:1"], "not on loopback"),
        (["--latency", "30"], "30ms"),
        (["--state", "/nowhere/state"], "/nowhere/state"),
    ] {
        let output = command(&folder.path("provider.sock"), &flags).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{flags:?}: {said}");
    }
}
