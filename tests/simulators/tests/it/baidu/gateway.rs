//! Who gets in, and what is said to the others.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use simulators::{
    baidu::{Baidu, state},
    engine::{Change, Effect, Limits, Rate, Rule, Settings},
};

use super::client::{Client, cloud};

const LIST: &str = "/bcc/v2/instance";

#[tokio::test]
async fn a_right_signature_gets_in_and_any_other_does_not() {
    let cloud = cloud().await;
    let right = Client::of(&cloud);
    let empty = json!({ "marker": "", "isTruncated": false, "maxKeys": 1000, "instances": [] });
    assert_eq!(right.get(LIST).await.ok(), empty);

    let expect = async |client: &Client, expected: (u16, &str)| {
        let answer = client.get(LIST).await;
        assert_eq!(answer.refusal(), expected, "{answer:?}");
        assert_eq!(answer.body["requestId"], answer.headers["x-bce-request-id"].to_str().unwrap());
    };
    expect(&right.with_key(state::ACCESS_KEY, "another"), (400, "SignatureDoesNotMatch")).await;
    expect(&right.with_key("ALTAKnobodys", state::SECRET_KEY), (403, "InvalidAccessKeyId")).await;
    expect(&Client { date: "2020-01-01T00:00:00Z".to_owned(), ..right.clone() }, (400, "RequestExpired")).await;
    expect(&Client { token: Some("a-token".to_owned()), ..right.clone() }, (403, "AccessDenied")).await;
    let unsigned = right.http.get(format!("{}{LIST}", cloud.http())).send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
    let malformed = right.http.get(format!("{}{LIST}", cloud.http())).header("authorization", "bce-auth-v1/x");
    assert_eq!(malformed.send().await.unwrap().json::<Value>().await.unwrap()["code"], "InvalidHTTPAuthHeader");
    cloud.operate("disable-key", json!({ "id": state::ACCESS_KEY })).unwrap();
    expect(&right, (403, "InvalidAccessKeyId")).await;
    cloud.operate("enable-key", json!({ "id": state::ACCESS_KEY })).unwrap();
    right.get(LIST).await.ok();
    cloud.advance(Duration::from_secs(1801));
    expect(&right, (400, "RequestExpired")).await;
}

#[tokio::test]
async fn the_prefix_of_the_path_is_signed_too() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    client.get("/internal-api/v1/blb").await.ok();
    let mut other = client.signed(&Method::GET, "/internal-api/v1/blb", None).build().unwrap();
    other.url_mut().set_path("/blb/v1/blb");
    assert_eq!(client.http.execute(other).await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_temporary_key_needs_its_token_and_ends() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let key = cloud.edit(|state, now| state.new_temporary_key(state::ACCOUNT, Duration::from_secs(600), now));
    let temporary = Client { token: key.session_token, ..client.with_key(&key.access, &key.secret) };
    temporary.get(LIST).await.ok();
    for token in [None, Some("another".to_owned())] {
        let wrong = Client { token, ..temporary.clone() };
        assert_eq!(wrong.get(LIST).await.refusal(), (403, "AccessDenied"));
    }
    cloud.advance(Duration::from_secs(601));
    assert_eq!(temporary.get(LIST).await.refusal(), (403, "AccessDenied"));
}

#[tokio::test]
async fn a_key_is_good_for_what_its_acl_allows() {
    let cloud = cloud().await;
    let acl = json!({ "accessControlList": [
        { "service": "bce:blb", "region": "*", "resource": ["*"], "permission": ["READ"], "effect": "Allow" },
    ] });
    cloud.seed(json!({ "keys": [{ "accessKey": "ALTAKreader", "secretKey": "secret", "acl": acl }] })).unwrap();
    let reader = Client::of(&cloud).with_key("ALTAKreader", "secret");
    reader.get("/blb/v1/blb").await.ok();
    assert_eq!(reader.delete("/blb/v1/blb/lb-1").await.refusal(), (403, "AccessDenied"));
    assert_eq!(reader.get("/eip/v1/eip").await.refusal(), (403, "AccessDenied"));
}

#[tokio::test]
async fn what_no_service_has_is_no_missing_object() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    for path in ["/blb/v1/nothing", "/blb/v9/blb", "/", "/eip/v1/blb", "/blb/v1/blb/lb-1/XYZlistener"] {
        assert_eq!(client.get(path).await.refusal(), (404, "InvalidVersion"), "{path}");
    }
    assert_eq!(client.get("/v1/blb/lb-1").await.refusal(), (404, "NoSuchObject"));
    assert_eq!(client.get("/blb/v1/blb?maxkeys=1").await.refusal(), (400, "InvalidParameter"));
    let bodies = [("{", "MalformedJSON"), ("[]", "InappropriateJSON"), (r#"{"nonsense": 1}"#, "InappropriateJSON")];
    for (body, code) in bodies {
        let request = client.signed(&Method::POST, "/blb/v1/blb", None).body(body);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["code"], code, "{body}");
    }
}

#[tokio::test]
async fn hosts_tell_the_services_apart_over_tls() {
    let folder = std::env::temp_dir().join(format!("simulators-baidu-{}", std::process::id()));
    let settings = Settings { ca_file: Some(folder.clone()), ..Settings::default() };
    let cloud = Baidu { region: "gz".to_owned(), domain: "cloud.test".to_owned() }.start(settings).await.unwrap();
    let ca = std::fs::read(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    let mut client = Client::of(&cloud);
    let port = cloud.address().port();
    let trusted = reqwest::Certificate::from_pem(&ca).unwrap();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]);
    let hosts = ["bcc.gz.cloud.test", "blb.gz.cloud.test", "eip.gz.cloud.test", "blb.bj.cloud.test"];
    client.http = hosts.iter().fold(builder, |builder, host| builder.resolve(host, cloud.address())).build().unwrap();
    for (host, path, status) in [
        ("bcc.gz.cloud.test", "/v2/instance", 200),
        ("bcc.gz.cloud.test", "/v1/subnet", 200),
        ("blb.gz.cloud.test", "/v1/blb", 200),
        ("blb.gz.cloud.test", "/v1/eip", 404),
        ("eip.gz.cloud.test", "/v1/eip", 200),
        ("eip.gz.cloud.test", "/v2/instance", 404),
    ] {
        client.base = format!("https://{host}:{port}");
        assert_eq!(client.get(path).await.status, status, "{path} on {host}");
    }
    client.base = format!("https://blb.bj.cloud.test:{port}");
    assert!(
        client.call(Method::GET, "/v1/blb", None).await.is_err(),
        "no certificate is for a region that is not there"
    );
}

#[tokio::test]
async fn the_gateway_signs_for_who_has_a_cluster_s_token() {
    let cloud = cloud().await;
    let seeded = cloud.seed(
        json!({ "gatewayTokens": [{ "cluster": "cce-demo0001" }, { "cluster": "cce-demo0002", "seconds": 60 }] }),
    );
    let seeded = seeded.unwrap();
    let token = |at: usize| seeded["gatewayTokens"][at].as_str().unwrap().to_owned();
    let http = Client::of(&cloud).http;
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        let mut request = http.get(format!("{}{path}", cloud.http()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (first, second) = (token(0), token(1));
    let remote = ("cce-remote-host", "blb.bj.baidubce.com");
    let good = [("cce-token", first.as_str()), ("cce-cluster", "cce-demo0001"), remote];
    assert_eq!(ask("/v1/blb", &good).await.0, 200);
    assert_eq!(cloud.calls().last().unwrap().key, "gateway:cce-demo0001");
    let (status, body) = ask("/v1/blb/lb-1", &good).await;
    assert!(status == 404 && body.contains("NoSuchObject"), "a service's own refusal is passed on: {body}");
    for (headers, why) in [
        (vec![("cce-token", "another"), ("cce-cluster", "cce-demo0001"), remote], "no such"),
        (vec![("cce-token", first.as_str()), ("cce-cluster", "cce-demo0002"), remote], "another cluster's"),
        (vec![("cce-cluster", "cce-demo0001"), remote], "missing"),
        ([good.as_slice(), &[("authorization", "bce-auth-v1/x")]].concat(), "must not be signed"),
    ] {
        let (status, body) = ask("/v1/blb", &headers).await;
        assert!(status == 401 && body.contains(why), "{why}: {status} {body}");
    }
    let ending = [("cce-token", second.as_str()), ("cce-cluster", "cce-demo0002"), remote];
    assert_eq!(ask("/v1/blb", &ending).await.0, 200);
    cloud.advance(Duration::from_secs(120));
    assert_eq!(ask("/v1/blb", &ending).await.0, 401);
    assert_eq!(
        ask("/v1/blb", &[("host", "cce-gateway.bj.baidubce.com"), good[0], good[1]]).await.0,
        404,
        "bound for nowhere"
    );
}

#[tokio::test]
async fn ids_of_another_account_look_absent() {
    let cloud = cloud().await;
    cloud
        .seed(json!({
            "keys": [{ "accessKey": "ALTAKother", "secretKey": "secret", "account": "other" }],
            "vpcs": [{ "id": "vpc-other", "cidr": "10.0.0.0/16", "account": "other", "routeTableId": "rt-other" }],
            "subnets": [{ "id": "sbn-other", "cidr": "10.0.0.0/24", "vpcId": "vpc-other" }],
            "machines": [{ "id": "i-other", "name": "o", "subnetId": "sbn-other" }, { "id": "i-own", "name": "n" }],
        }))
        .unwrap();
    let own = Client::of(&cloud);
    let other = own.with_key("ALTAKother", "secret");
    let made =
        own.post("/blb/v1/blb", json!({ "name": "own", "vpcId": state::VPC, "subnetId": state::SUBNET })).await.ok();
    let blb = made["blbId"].as_str().unwrap();
    for path in
        [format!("/blb/v1/blb/{blb}"), "/bcc/v2/instance/i-own".to_owned(), format!("/vpc/v1/subnet/{}", state::SUBNET)]
    {
        own.get(&path).await.ok();
        assert_eq!(other.get(&path).await.refusal(), (404, "NoSuchObject"), "{path}");
    }
    assert_eq!(other.delete(&format!("/blb/v1/blb/{blb}")).await.refusal(), (404, "NoSuchObject"));
    let backend = json!({ "backendServerList": [{ "instanceId": "i-other", "weight": 100 }] });
    let answer = own.post(&format!("/blb/v1/blb/{blb}/backendserver"), backend).await;
    assert_eq!(answer.refusal(), (404, "InstanceNotFound"));
    let body = json!({ "name": "x", "vpcId": state::VPC, "subnetId": state::SUBNET });
    assert_eq!(other.post("/blb/v1/blb", body).await.refusal(), (404, "NoSuchObject"));
    for (client, id) in [(&own, "i-own"), (&other, "i-other")] {
        let list = client.get(LIST).await.ok();
        assert_eq!((list["instances"].as_array().unwrap().len(), &list["instances"][0]["id"]), (1, &json!(id)));
    }
}

#[tokio::test]
async fn who_calls_too_often_is_told_so() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let actions = [("ListInstances".to_owned(), Rate { calls: 1, seconds: 1 })];
    let limits = Limits { actions: actions.into(), ..Limits::default() };
    cloud.turn(Change { limits: Some(limits), ..Change::default() }).unwrap();
    client.get(LIST).await.ok();
    assert_eq!(client.get(LIST).await.refusal(), (429, "RateLimit"));
    client.get("/blb/v1/blb").await.ok();
}

#[tokio::test]
async fn faults_are_worded_as_the_cloud_does_or_not_at_all() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let refuse = Effect::Refuse {
        status: 503,
        code: "ServiceUnavailable".to_owned(),
        message: String::new(),
        retry_after: None,
    };
    cloud.break_with(Rule::new(refuse).service("bcc").times(1));
    assert_eq!(client.get(LIST).await.refusal(), (503, "ServiceUnavailable"));
    let page = Effect::Answer { status: 404, body: "<html>".to_owned(), content_type: "text/html".to_owned() };
    cloud.break_with(Rule::new(page).action("ListInstances").times(1));
    assert_eq!(client.get(LIST).await.body, json!("<html>"));
    let after = Effect::RefuseAfter { status: 500, code: "InternalError".to_owned() };
    cloud.break_with(Rule::new(after).action("CreateLoadBalancer").times(1));
    let body = json!({ "name": "web", "vpcId": state::VPC, "subnetId": state::SUBNET });
    assert_eq!(client.post("/blb/v1/blb", body).await.refusal(), (500, "InternalError"));
    assert_eq!(cloud.look(|cloud| cloud.blbs.len()), 1, "it was carried out all the same");
    cloud.break_with(Rule::new(Effect::ShortList { keep: 0 }).action("ListInstances"));
    cloud.seed(json!({ "machines": [{ "name": "n" }] })).unwrap();
    assert_eq!(client.get(LIST).await.ok()["instances"], json!([]));
}
