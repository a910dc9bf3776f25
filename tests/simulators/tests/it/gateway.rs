//! Who gets in, and what the gateway says to the others.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use simulators::{
    engine::{Change, Limits, Rate, Settings},
    huawei::{Huawei, Seed, state},
};

use crate::client::{Client, cloud};

const LIST: &str = "/v1/P/cloudservers/detail";

#[tokio::test]
async fn a_right_signature_gets_in_and_any_other_does_not() {
    let cloud = cloud().await;
    let right = Client::of(&cloud);
    assert_eq!(right.get(LIST).await.ok(), json!({ "count": 0, "servers": [] }));

    let expect = async |client: Client, expected: (u16, &str)| {
        let answer = client.get(LIST).await;
        assert_eq!(answer.refusal(), (expected.0, expected.1.to_owned()), "{answer:?}");
        assert_eq!(answer.body["request_id"], answer.headers["x-request-id"].to_str().unwrap());
    };
    expect(Client { secret: "another".to_owned(), ..right.clone() }, (401, "APIGW.0301")).await;
    expect(Client { access: "NOBODYSKEY".to_owned(), ..right.clone() }, (401, "APIGW.0301")).await;
    expect(Client { date: "20200101T000000Z".to_owned(), ..right.clone() }, (401, "APIGW.0303")).await;
    cloud.advance(Duration::from_secs(16 * 60));
    expect(right.clone(), (401, "APIGW.0303")).await;
    let unsigned = right.http.get(format!("{}/v1/{}/cloudservers/detail", cloud.http(), state::PROJECT));
    assert_eq!(unsigned.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn an_altered_request_is_refused() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let action = "/v2.1/P/servers/x/action";
    let body = json!({ "addSecurityGroup": { "name": "default" } });
    let signed = || client.signed(&Method::POST, action, Some(&body)).build().unwrap();
    let mut other_path = signed();
    let path = other_path.url().path().replace("/x/", "/y/");
    other_path.url_mut().set_path(&path);
    let mut other_query = signed();
    other_query.url_mut().set_query(Some("a=b"));
    let mut other_body = signed();
    *other_body.body_mut() = Some("{}".into());
    let mut other_header = signed();
    let date = (cloud.now() - Duration::from_secs(60)).strftime("%Y%m%dT%H%M%SZ").to_string();
    other_header.headers_mut().insert("x-sdk-date", date.parse().unwrap());
    for altered in [other_path, other_query, other_body, other_header] {
        let shown = format!("{altered:?}");
        assert_eq!(client.http.execute(altered).await.unwrap().status(), 401, "{shown}");
    }
    let right = client.http.execute(signed()).await.unwrap();
    assert_eq!(right.status(), 404, "the server does not exist, but the caller does");
}

#[tokio::test]
async fn five_wrong_signatures_lock_the_key_for_a_while() {
    let cloud = cloud().await;
    let right = Client::of(&cloud);
    let wrong = Client { secret: "another".to_owned(), ..right.clone() };
    for _ in 0..4 {
        wrong.get(LIST).await.refusal();
    }
    right.get(LIST).await.ok();
    for _ in 0..5 {
        wrong.get(LIST).await.refusal();
    }
    assert_eq!(right.get(LIST).await.refusal(), (401, "APIGW.0301".to_owned()));
    cloud.advance(Duration::from_secs(301));
    right.get(LIST).await.ok();
}

#[tokio::test]
async fn a_project_of_somebody_else_is_forbidden() {
    let cloud = cloud().await;
    let other = json!({ "accounts": [{
        "domainId": "other", "projectId": "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "accessKey": "OTHERKEY", "secretKey": "s",
    }] });
    cloud.seed(other).unwrap();
    let client = Client::of(&cloud);
    for project in ["0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "nobodys"] {
        let answer = client.get(&format!("/v1/{project}/cloudservers/detail")).await;
        assert_eq!(answer.refusal(), (403, "APIGW.0302".to_owned()));
    }
    let other = Client { access: "OTHERKEY".to_owned(), secret: "s".to_owned(), ..client };
    assert_eq!(other.get(LIST).await.status, 403);
}

#[tokio::test]
async fn what_no_service_has_is_the_gateways_404() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    for path in ["/v1/P/nothing", "/v9/P/cloudservers/detail", "/", "/vpc/v1/P/cloudservers/detail"] {
        assert_eq!(client.get(path).await.refusal(), (404, "APIGW.0101".to_owned()), "{path}");
    }
    client.get("/ecs/v1/P/cloudservers/detail").await.ok();
    let answer = client.get(&format!("{LIST}?limits=1")).await;
    assert_eq!(answer.refusal(), (400, "Ecs.0005".to_owned()), "a query key that the call does not have");
}

#[tokio::test]
async fn hosts_tell_the_services_apart_over_tls() {
    let folder = std::env::temp_dir().join(format!("simulators-{}", std::process::id()));
    let settings = Settings { ca_file: Some(folder.clone()), ..Settings::default() };
    let cloud = Huawei { region: "r1".to_owned(), domain: "cloud.test".to_owned() }.start(settings).await.unwrap();
    let ca = std::fs::read(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    let mut client = Client::of(&cloud);
    let port = cloud.address().port();
    let trusted = reqwest::Certificate::from_pem(&ca).unwrap();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]);
    let hosts = ["ecs.r1.cloud.test", "vpc.r1.cloud.test", "ecs.r2.cloud.test", "iam.cloud.test", "ecs.cloud.test"];
    client.http = hosts.iter().fold(builder, |builder, host| builder.resolve(host, cloud.address())).build().unwrap();
    for (host, path, status) in [
        ("ecs.r1.cloud.test", LIST, 200),
        ("vpc.r1.cloud.test", LIST, 404),
        ("ecs.cloud.test", LIST, 404),
        ("iam.cloud.test", "/v3/projects", 200),
        ("iam.cloud.test", LIST, 404),
    ] {
        client.base = format!("https://{host}:{port}");
        assert_eq!(client.get(path).await.status, status, "{path} on {host}");
    }
    client.base = format!("https://ecs.r2.cloud.test:{port}");
    assert!(client.call(Method::GET, LIST, None).await.is_err(), "no certificate is for a region that is not there");
}

#[tokio::test]
async fn connections_are_counted() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    for _ in 0..20 {
        client.get(LIST).await.ok();
    }
    assert_eq!(cloud.connections().made, 1, "one after the other they share a connection");
}

#[tokio::test]
async fn who_calls_too_often_is_told_how_often_is_allowed() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let rate = Rate { calls: 2, seconds: 300 };
    let limits = Limits { per_action: Some(rate), retry_after: true, ..Limits::default() };
    cloud.turn(Change { limits: Some(limits), ..Change::default() }).unwrap();
    client.get(LIST).await.ok();
    client.get(LIST).await.ok();
    let answer = client.get(LIST).await;
    assert_eq!(answer.refusal(), (429, "APIGW.0308".to_owned()));
    assert!(answer.body["error_msg"].as_str().unwrap().ends_with("limit:2,time:5 minute"), "{answer:?}");
    assert_eq!(answer.headers["retry-after"], "1");
    client.get("/v3/projects").await.ok();
    cloud.advance(Duration::from_secs(300));
    client.get(LIST).await.ok();
    assert_eq!(cloud.calls().iter().filter(|call| call.status == Some(429)).count(), 1);
}

#[tokio::test]
async fn a_temporary_key_needs_its_token_and_ends() {
    let cloud = cloud().await;
    cloud.edit(|state, _| state.seed(Seed::default())).unwrap();
    let client = Client::of(&cloud);
    let key = cloud.edit(|state, now| state.new_temporary_key(state::DOMAIN, Duration::from_secs(600), now));
    let temporary = Client { access: key.access, secret: key.secret, token: key.security_token, ..client };
    temporary.get(LIST).await.ok();
    let bare = Client { token: None, ..temporary.clone() };
    assert_eq!(bare.get(LIST).await.refusal(), (401, "APIGW.0301".to_owned()));
    let wrong = Client { token: Some("another".to_owned()), ..temporary.clone() };
    assert_eq!(wrong.get(LIST).await.refusal(), (401, "APIGW.0301".to_owned()));
    cloud.advance(Duration::from_secs(601));
    assert_eq!(temporary.get(LIST).await.refusal(), (401, "APIGW.0301".to_owned()));
}
