//! STS, IAM and the metadata service: where keys come from.

use std::time::Duration;

use serde_json::{Value, json};
use simulators::baidu::state;

use super::client::{Client, cloud};

fn role(name: &str, trusted: &str) -> Value {
    json!({ "name": name, "account": "tenant", "trust": { "version": "v1", "accessControlList": [{
        "service": "bce:iam", "permission": ["AssumeRole"], "region": "*", "effect": "Allow", "grantee": [{ "id": trusted }] }] } })
}

fn with(client: &Client, key: &Value) -> Client {
    let text = |field: &str| key[field].as_str().unwrap().to_owned();
    Client { token: Some(text("sessionToken")), ..client.with_key(&text("accessKeyId"), &text("secretAccessKey")) }
}

const KEYS: &str = "/latest/meta-data/sts-credential";
const ASSUME: &str = "/sts/v1/credential?assumeRole&accountId=tenant";

#[tokio::test]
async fn an_assumed_role_works_in_the_account_that_trusts() {
    let cloud = cloud().await;
    cloud
        .seed(json!({
            "keys": [{ "accessKey": "ALTAKtenant", "secretKey": "s", "account": "tenant" }],
            "vpcs": [{ "id": "vpc-tenant", "cidr": "10.0.0.0/16", "account": "tenant" }],
            "roles": [role("ours", state::ACCOUNT), role("theirs", "somebody")],
        }))
        .unwrap();
    let platform = Client::of(&cloud);
    let key = platform.post(&format!("{ASSUME}&roleName=ours&durationSeconds=900"), json!(null)).await;
    // A body that is there has to be an ACL.
    assert_eq!(key.refusal(), (400, "InappropriateJSON"));
    let assume =
        async |query: &str| platform.call(reqwest::Method::POST, &format!("{ASSUME}&{query}"), None).await.unwrap();
    let key = assume("roleName=ours&durationSeconds=900").await.ok();
    assert_eq!(key["roleId"], "ours");
    let tenant = with(&platform, &key);
    let vpcs = tenant.get("/vpc/v1/vpc").await.ok()["vpcs"].clone();
    assert_eq!((vpcs.as_array().unwrap().len(), &vpcs[0]["vpcId"]), (1, &json!("vpc-tenant")));
    for query in ["roleName=theirs", "roleName=nobodys"] {
        assert_eq!(assume(query).await.refusal(), (403, "AccessDenied"), "{query}");
    }
    assert_eq!(assume("roleName=ours&durationSeconds=7201").await.refusal(), (400, "InvalidParameter"));
    cloud.advance(Duration::from_secs(901));
    assert_eq!(tenant.get("/vpc/v1/vpc").await.refusal(), (403, "AccessDenied"));
}

#[tokio::test]
async fn a_session_is_good_for_no_more_than_its_key_and_acl() {
    let cloud = cloud().await;
    let acl = json!({ "accessControlList": [
        { "service": "bce:blb", "region": "*", "permission": ["FULL_CONTROL"], "effect": "Allow" },
        { "service": "bce:sts", "region": "*", "permission": ["FULL_CONTROL"], "effect": "Allow" },
    ] });
    cloud.seed(json!({ "keys": [{ "accessKey": "ALTAKpart", "secretKey": "s", "acl": acl }] })).unwrap();
    let part = Client::of(&cloud).with_key("ALTAKpart", "s");
    let narrowed = json!({ "accessControlList": [
        { "service": "*", "region": "*", "permission": ["READ"], "effect": "Allow" } ] });
    let key = part.post("/sts/v1/sessionToken?durationSeconds=60", narrowed).await.ok();
    assert_eq!(key["roleId"], Value::Null);
    let session = with(&part, &key);
    session.get("/blb/v1/blb").await.ok();
    assert_eq!(session.delete("/blb/v1/blb/lb-1").await.refusal(), (403, "AccessDenied"));
    assert_eq!(session.get("/eip/v1/eip").await.refusal(), (403, "AccessDenied"), "the key itself may not either");
}

#[tokio::test]
async fn users_have_keys_that_can_be_replaced() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    client.post("/iam/v1/user", json!({ "name": "ccm" })).await.ok();
    assert_eq!(client.post("/iam/v1/user", json!({ "name": "ccm" })).await.refusal(), (409, "UserAlreadyExists"));
    let make = async || client.post("/iam/v1/user/ccm/accesskey", json!({})).await;
    let (first, second) = (make().await.ok(), make().await.ok());
    assert_eq!(make().await.refusal(), (413, "AccessKeyExceedLimit"));
    let key = |key: &Value| client.with_key(key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
    key(&first).get("/blb/v1/blb").await.ok();
    let path = format!("/iam/v1/user/ccm/accesskey/{}", first["id"].as_str().unwrap());
    client.put(&format!("{path}?disable"), json!(null)).await.ok();
    assert_eq!(key(&first).get("/blb/v1/blb").await.refusal(), (403, "InvalidAccessKeyId"));
    client.put(&format!("{path}?enable"), json!(null)).await.ok();
    key(&first).get("/blb/v1/blb").await.ok();
    client.delete(&path).await.ok();
    assert_eq!(key(&first).get("/blb/v1/blb").await.refusal(), (403, "InvalidAccessKeyId"));
    key(&second).get("/blb/v1/blb").await.ok();
    let listed = client.get("/iam/v1/user/ccm/accesskey").await.ok()["accessKeys"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["secret"]), (1, &Value::Null), "a secret is shown once");
}

#[tokio::test]
async fn a_machine_is_told_about_itself_and_given_its_role_s_keys() {
    let cloud = cloud().await;
    cloud
        .seed(
            json!({ "machines": [{ "id": "i-1", "name": "n1" }], "metadata": { "machine": "i-1", "keySeconds": 60 } }),
        )
        .unwrap();
    let client = Client::of(&cloud);
    let ask = async |path: &str| client.http.get(format!("{}{path}", cloud.http())).send().await.unwrap();
    for (what, said) in [
        ("instance-shortid", "i-1"),
        ("instance-type-ex", "bcc"),
        ("azone", "cn-bj-a"),
        ("region", "bj"),
        ("vpc-id", state::VPC),
        ("subnet-id", state::SUBNET),
        ("local-ipv4", "192.168.0.2"),
    ] {
        assert_eq!(ask(&format!("/1.0/meta-data/{what}")).await.text().await.unwrap(), said, "{what}");
    }
    let none = ask(KEYS).await;
    assert_eq!(
        (none.status().as_u16(), none.text().await.unwrap().as_str()),
        (200, ""),
        "without a role there are none"
    );
    let trust = json!({ "accessControlList": [] }).to_string();
    client.post("/iam/v1/role", json!({ "name": "node", "assumeRolePolicyDocument": trust })).await.ok();
    let bind = json!({ "roleName": "node", "instances": [{ "instanceId": "i-1" }] });
    client.post("/bcc/v2/instance/role?bind", bind.clone()).await.ok();
    let key: Value = ask(KEYS).await.json().await.unwrap();
    let machine = with(&client, &key);
    machine.get("/blb/v1/blb").await.ok();
    cloud.advance(Duration::from_secs(61));
    assert_eq!(machine.get("/blb/v1/blb").await.refusal(), (403, "AccessDenied"));
    client.post("/bcc/v2/instance/role?unbind", bind).await.ok();
    assert_eq!(ask(KEYS).await.text().await.unwrap(), "");
}
