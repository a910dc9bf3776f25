//! The control endpoint, and the binary.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The binary, and what it says where it is.
fn start(arguments: &[&str]) -> (Process, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloud-simulator"));
    let child = command.arg("huawei").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut process = Process(child);
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (process, serde_json::from_str(&line).unwrap())
}

#[tokio::test]
async fn the_binary_says_where_it_is_and_is_driven_over_http() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (_process, at) = start(&["--listen", "127.0.0.1:0"]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (cloud, control) = (at["http"].as_str().unwrap(), at["control"].as_str().unwrap());
    let get = async |path: &str| -> Value {
        http.get(format!("{control}{path}")).send().await.unwrap().json().await.unwrap()
    };
    let post = async |path: &str, body: Value| {
        let answer = http.post(format!("{control}{path}")).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };

    let (status, seeded) = post("/v1/objects", json!({ "servers": [{ "name": "node" }] })).await;
    assert_eq!(status, 200, "{seeded}");
    let id = seeded["servers"][0].clone();
    assert_eq!(get("/v1/objects").await["servers"][0]["id"], id);
    assert_eq!(post("/v1/objects", json!({ "nodes": [] })).await.0, 422);
    assert_eq!(post("/v1/operations/set-server-status", json!({ "id": id, "status": "SHUTOFF" })).await.0, 200);
    assert_eq!(get("/v1/objects").await["servers"][0]["status"], "SHUTOFF");
    assert_eq!(post("/v1/operations/blow-up", json!({})).await.0, 422);

    let rule = json!({ "effect": { "kind": "answer", "status": 503, "body": "<html>" }, "times": 1 });
    assert_eq!(post("/v1/faults", rule).await, (200, json!({ "id": 1 })));
    assert_eq!(http.get(format!("{cloud}/v3/projects")).send().await.unwrap().status(), 503);
    assert_eq!(get("/v1/faults").await[0]["hit"], 1);
    assert_eq!(http.delete(format!("{control}/v1/faults/1")).send().await.unwrap().status(), 204);
    assert_eq!(get("/v1/calls").await[0]["action"], "KeystoneListProjects");

    let turn = async |change: Value| {
        http.patch(format!("{control}/v1/knobs")).json(&change).send().await.unwrap().status().as_u16()
    };
    assert_eq!(turn(json!({ "quotas": { "publicips": 3 }, "delaysMs": { "*": 5 } })).await, 204);
    assert_eq!(turn(json!({ "quotas": { "wishes": 3 } })).await, 422);
    let knobs = get("/v1/knobs").await;
    assert_eq!((&knobs["quotas"]["publicips"], &knobs["delaysMs"]["publicip.create"]), (&json!(3), &json!(5)));

    assert_eq!(post("/v1/halt", json!({ "changes": 0, "answer": "lost" })).await.0, 204);
    assert_eq!(get("/v1/halt?waitMs=1000").await["state"], "halted");
    assert!(http.get(format!("{cloud}/v3/projects")).send().await.is_err());
    assert_eq!(http.delete(format!("{control}/v1/halt")).send().await.unwrap().status(), 204);
    assert_eq!(http.get(format!("{cloud}/v3/projects")).send().await.unwrap().status(), 401);
}
