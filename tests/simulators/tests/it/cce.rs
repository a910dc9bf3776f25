//! CCE and SWR.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use simulators::huawei::{Seed, state};

use crate::client::{Client, cloud};

const CLUSTER: &str = "c1c1c1c1-0000-4000-8000-000000000001";
const PATH: &str = "/api/v3/projects/P/clusters";

fn seed(clusters: &Value) -> Seed {
    serde_json::from_value(json!({ "clusters": clusters })).unwrap()
}

#[tokio::test]
async fn a_cluster_issues_a_kubeconfig() {
    let cloud = cloud().await;
    let clusters = json!([
        { "id": CLUSTER, "name": "one", "internal": "https://127.0.0.1:6443", "ca": "CA", "clientCertificate": "C", "clientKey": "K" },
        { "id": "two", "name": "two", "external": "https://203.0.113.30:5443", "phase": "Creating" },
    ]);
    cloud.edit(|cloud, _| cloud.seed(seed(&clusters))).unwrap();
    let client = Client::of(&cloud);
    let list = client.get(PATH).await.ok();
    assert_eq!(list["items"][0]["metadata"], json!({ "name": "one", "uid": CLUSTER }));
    assert_eq!(list["items"][1]["status"]["phase"], "Creating");

    let cert = async |id: &str, body: Value| client.post(&format!("{PATH}/{id}/clustercert"), body).await;
    let answer = cert(CLUSTER, json!({ "duration": 30 })).await;
    assert!(answer.headers.contains_key("Port-ID"));
    let config = answer.ok();
    assert_eq!((&config["kind"], &config["current-context"]), (&json!("Config"), &json!("internal")));
    assert_eq!(config["clusters"].as_array().unwrap().len(), 1);
    assert_eq!(config["clusters"][0]["cluster"]["server"], "https://127.0.0.1:6443");
    assert_eq!(config["users"][0]["user"]["client-key-data"], STANDARD.encode("K"));
    for (what, id, body, expected) in [
        ("no lifetime", CLUSTER, json!({}), 400),
        ("none at all", CLUSTER, json!({ "duration": 0 }), 400),
        ("too long", CLUSTER, json!({ "duration": 1828 }), 400),
        ("the most", CLUSTER, json!({ "duration": -1 }), 200),
        ("a past moment", CLUSTER, json!({ "expire_at": "2001-01-01 16:00:00 +0000 UTC" }), 400),
        ("no moment", CLUSTER, json!({ "expire_at": "tomorrow" }), 400),
        ("unknown field", CLUSTER, json!({ "days": 1 }), 400),
        ("not available", "two", json!({ "duration": 1 }), 409),
        ("no cluster", "three", json!({ "duration": 1 }), 404),
    ] {
        assert_eq!(cert(id, body).await.status, expected, "{what}");
    }
    cloud.operate("set-cluster-phase", json!({ "id": "two", "status": "Available" })).unwrap();
    let config = cert("two", json!({ "duration": 1 })).await.ok();
    assert_eq!(
        (&config["clusters"][1]["name"], &config["current-context"]),
        (&json!("externalCluster"), &json!("external"))
    );
    let missing = client.get(&format!("{PATH}/three")).await;
    assert_eq!((missing.status.as_u16(), &missing.body["kind"]), (404, &json!("Status")));

    let revoke = async |body: Value| client.post(&format!("{PATH}/{CLUSTER}/clustercertrevoke"), body).await.status;
    assert_eq!(revoke(json!({ "userId": "someone" })).await, 200);
    assert_eq!(revoke(json!({})).await, 400);
    assert_eq!(cloud.look(|cloud| cloud.clusters.get(CLUSTER).unwrap().revoked.clone()), ["someone"]);
}

#[tokio::test]
async fn the_registry_hands_out_a_login() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let answer = client.post("/v2/manage/utils/secret?projectname=ap-southeast-1", Value::Null).await;
    let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
    let (login, until) = (header("X-Swr-Dockerlogin"), header("X-Swr-Expireat"));
    let host = "swr.ap-southeast-1.myhuaweicloud.com";
    let auth = answer.ok()["auths"][host]["auth"].as_str().unwrap().to_owned();
    let pair = String::from_utf8(STANDARD.decode(auth).unwrap()).unwrap();
    let (user, password) = pair.split_once(':').unwrap();
    assert_eq!(user, format!("ap-southeast-1@{}", state::ACCESS_KEY));
    assert_eq!(login, format!("docker login -u {user} -p {password} {host}"));
    assert!(until.ends_with('Z'));
    let foreign = client.post("/v2/manage/utils/secret?projectname=mars-1", Value::Null).await;
    assert_eq!(foreign.status, 403);
    assert!(foreign.body["errors"][0]["errorCode"].is_string());
}
