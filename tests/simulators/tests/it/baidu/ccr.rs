//! Image registries.

use std::time::Duration;

use serde_json::{Value, json};
use simulators::{
    baidu::{Baidu, state},
    engine::Running,
};

use super::client::{Client, cloud};

fn admitted(cloud: &Running<Baidu>, registry: &str, username: &str, password: &str) -> bool {
    let login = json!({ "registry": registry, "username": username, "password": password });
    cloud.operate("try-registry-login", login).unwrap()["admitted"] == json!(true)
}

async fn world() -> (Running<Baidu>, Client) {
    let cloud = cloud().await;
    cloud.seed(json!({ "registries": [{ "id": "ccr-demo", "name": "demo" }, { "id": "ccr-new", "name": "n", "status": "pending" }] })).unwrap();
    let client = Client::of(&cloud);
    (cloud, client)
}

fn robot(name: &str) -> Value {
    json!({ "name": name, "duration": 1, "permissions": [
        { "kind": "project", "namespace": "team", "access": [{ "action": "pull", "resource": "repository" }] } ] })
}

#[tokio::test]
async fn a_robot_has_the_name_and_secret_of_its_maker_s_choice() {
    let (cloud, client) = world().await;
    let at = "/ccr/v1/instances/ccr-demo/robots";
    let mut body = robot("puller");
    body["secret"] = json!("Secret12345");
    let made = client.post(at, body).await.ok();
    assert_eq!(made["secret"], "Secret12345");
    assert!(admitted(&cloud, "ccr-demo", "puller", "Secret12345"));
    assert_eq!(client.post(at, robot("puller")).await.refusal(), (409, "RobotAlreadyExists"));
    for wrong in ["", "Upper", "with space"] {
        assert_eq!(client.post(at, robot(wrong)).await.refusal(), (400, "InvalidParameter"), "{wrong}");
    }
    let listed = client.get(at).await.ok();
    assert_eq!((&listed["total"], &listed["robots"][0]["secret"]), (&json!(1), &Value::Null));
    let one = format!("{at}/{}", made["id"]);
    let refreshed = client.call(reqwest::Method::PUT, &format!("{one}/secret"), None).await.unwrap().ok();
    assert!(!admitted(&cloud, "ccr-demo", "puller", "Secret12345"), "the old one is invalid at once");
    let secret = refreshed["secret"].as_str().unwrap();
    assert!(admitted(&cloud, "ccr-demo", "puller", secret));
    assert_eq!(
        client.put(&one, json!({ "name": "renamed" })).await.refusal(),
        (400, "InappropriateJSON"),
        "a name is for ever"
    );
    client.put(&one, json!({ "disable": true })).await.ok();
    assert!(!admitted(&cloud, "ccr-demo", "puller", secret));
    client.put(&one, json!({ "disable": false })).await.ok();
    cloud.advance(Duration::from_secs(86_401));
    assert!(!admitted(&cloud, "ccr-demo", "puller", secret), "it was made for a day");
    let client = Client::of(&cloud);
    client.delete(&one).await.ok();
    assert_eq!(client.delete(&one).await.refusal(), (404, "NoSuchObject"));
}

#[tokio::test]
async fn the_account_s_login_has_a_permanent_password_and_others_for_hours() {
    let (cloud, client) = world().await;
    let name = client.get("/ccr/v1/users/profile").await.ok()["name"].as_str().unwrap().to_owned();
    let at = "/ccr/v1/instances/ccr-demo/credential";
    let temporary = client.post(at, json!({ "duration": 1 })).await.ok()["password"].as_str().unwrap().to_owned();
    client.put(at, json!({ "password": "Permanent123" })).await.ok();
    assert!(admitted(&cloud, "ccr-demo", &name, &temporary) && admitted(&cloud, "ccr-demo", &name, "Permanent123"));
    client.put(at, json!({ "password": "Permanent456" })).await.ok();
    assert!(!admitted(&cloud, "ccr-demo", &name, "Permanent123"));
    for wrong in ["short1A", "nouppercase1", "NOLOWERCASE1", "NoDigitsHere", "With space 1", "Waytoolongapassword123"] {
        assert_eq!(client.put(at, json!({ "password": wrong })).await.refusal(), (400, "InvalidParameter"), "{wrong}");
    }
    assert_eq!(client.post(at, json!({ "duration": 25 })).await.refusal(), (400, "InvalidParameter"));
    let pending = client.post("/ccr/v1/instances/ccr-new/credential", json!({ "duration": 1 })).await;
    assert_eq!(pending.refusal(), (409, "OperationNotAvailable"));
    cloud.advance(Duration::from_secs(3601));
    assert!(!admitted(&cloud, "ccr-demo", &name, &temporary));
}

#[tokio::test]
async fn instances_are_the_account_s_own() {
    let (cloud, client) = world().await;
    let listed = client.get("/ccr/v1/instances?pageNo=1&pageSize=100&keyword=demo").await.ok();
    assert_eq!((&listed["total"], &listed["instances"][0]["id"]), (&json!(1), &json!("ccr-demo")));
    cloud.seed(json!({ "keys": [{ "accessKey": "ALTAKother", "secretKey": "s", "account": "other" }] })).unwrap();
    let other = client.with_key("ALTAKother", "s");
    assert_eq!(other.get("/ccr/v1/instances").await.ok()["total"], 0);
    assert_eq!(other.get("/ccr/v1/instances/ccr-demo/robots").await.refusal(), (404, "NoSuchObject"));
}

#[tokio::test]
async fn the_personal_registry_s_user_keeps_its_name_for_ever() {
    let (cloud, client) = world().await;
    let at = "/cce/v1/image/user";
    let login = |name: &str, password: &str| json!({ "username": name, "password": password, "passwordConfirmation": password });
    assert_eq!(client.get(at).await.refusal(), (404, "NoSuchObject"));
    assert_eq!(client.put(at, login("me", "Password1")).await.refusal(), (404, "NoSuchObject"));
    assert_eq!(client.post(at, login("me", "Password1")).await.ok(), "");
    assert_eq!(client.post(at, login("me2", "Password1")).await.refusal(), (409, "UserAlreadyExists"));
    assert_eq!(client.put(at, login("renamed", "Password2")).await.refusal(), (400, "InvalidParameter"));
    let mut unlike = login("me", "Password2");
    unlike["passwordConfirmation"] = json!("Password3");
    assert_eq!(client.put(at, unlike).await.refusal(), (400, "InvalidParameter"));
    client.put(at, login("me", "Password2")).await.ok();
    assert!(admitted(&cloud, "personal", "me", "Password2") && !admitted(&cloud, "personal", "me", "Password1"));
    assert_eq!(client.get(at).await.ok()["username"], "me");
    assert_eq!(cloud.look(|cloud| cloud.personal_users[state::ACCOUNT].username.clone()), "me");
}

#[tokio::test]
async fn docker_is_told_which_logins_are_let_in() {
    let (cloud, client) = world().await;
    let host = cloud.address().to_string();
    cloud.seed(json!({ "registries": [{ "id": "ccr-here", "name": "here", "publicUrl": host }] })).unwrap();
    let mut body = robot("puller");
    body["secret"] = json!("Secret12345");
    client.post("/ccr/v1/instances/ccr-here/robots", body).await.ok();

    let greeting = client.http.get(format!("http://{host}/v2/")).send().await.unwrap();
    assert_eq!(greeting.status(), 401);
    let challenge = greeting.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let realm = challenge.split('"').nth(1).unwrap().to_owned();
    assert_eq!(challenge, format!(r#"Bearer realm="http://{host}/service/token",service="harbor-registry""#));
    let login = async |username: &str, password: &str| {
        let url = format!("{realm}?service=harbor-registry&account={username}");
        client.http.get(url).basic_auth(username, Some(password)).send().await.unwrap()
    };
    assert_eq!(login("puller", "another").await.status(), 401);
    let token: Value = login("puller", "Secret12345").await.json().await.unwrap();
    let shown = async |token: &str| {
        client.http.get(format!("http://{host}/v2/")).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    let token = token["token"].as_str().unwrap();
    assert_eq!((shown(token).await, shown("another").await), (200, 401));
    cloud.advance(Duration::from_secs(301));
    assert_eq!(shown(token).await, 401);
    let elsewhere = client.http.get(format!("http://{host}/v2/")).header("host", "localhost");
    assert_eq!(elsewhere.send().await.unwrap().status(), 404, "no registry has that host");
}
