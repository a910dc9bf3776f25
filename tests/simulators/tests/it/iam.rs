//! IAM and the metadata service.

use serde_json::{Value, json};
use simulators::huawei::{metadata::Metadata, state};

use crate::client::{Client, cloud};

/// The key in an answer of IAM or the metadata service.
fn with_key(client: &Client, body: &Value) -> Client {
    let text = |name: &str| body["credential"][name].as_str().unwrap().to_owned();
    Client { access: text("access"), secret: text("secret"), token: Some(text("securitytoken")), ..client.clone() }
}

#[tokio::test]
async fn the_project_of_a_region_is_found_by_name() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let found = client.get("/v3/projects?name=ap-southeast-1").await.ok();
    assert_eq!(found["projects"][0]["id"], state::PROJECT);
    let none = client.get("/v3/projects?name=eu-west-101").await.ok();
    assert_eq!(none["projects"], json!([]));
}

#[tokio::test]
async fn a_role_of_another_account_can_be_taken_if_it_trusts_the_caller() {
    let cloud = cloud().await;
    let other = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
    cloud
        .seed(json!({
            "accounts": [{ "domainId": "other", "projectId": other, "accessKey": "OTHERKEY", "secretKey": "s" }],
            "agencies": [
                { "name": "ours", "domain_id": "other", "trusted_domain_id": state::DOMAIN },
                { "name": "theirs", "domain_id": "other", "trusted_domain_id": "somebody" },
            ],
        }))
        .unwrap();
    let client = Client::of(&cloud);
    let ask = async |agency: &str, seconds: u64| {
        let role = json!({ "agency_name": agency, "domain_id": "other", "duration_seconds": seconds });
        let body = json!({ "auth": { "identity": { "methods": ["assume_role"], "assume_role": role } } });
        client.post("/v3.0/OS-CREDENTIAL/securitytokens", body).await
    };
    let role = with_key(&client, &ask("ours", 3600).await.ok());
    role.get(&format!("/v1/{other}/cloudservers/detail")).await.ok();
    assert_eq!(role.get("/v1/P/cloudservers/detail").await.status, 403);
    assert_eq!(ask("theirs", 3600).await.status, 403);
    assert_eq!(ask("nobodys", 3600).await.status, 404);
    assert_eq!(ask("ours", 60).await.status, 400, "shorter than a quarter of an hour");
}

#[tokio::test]
async fn a_password_buys_a_token() {
    let cloud = cloud().await;
    cloud.seed(json!({ "users": [{ "name": "u", "password": "right" }] })).unwrap();
    let client = Client::of(&cloud);
    let ask = async |password: &str| {
        let domain = json!({ "name": format!("account-{}", state::DOMAIN) });
        let user = json!({ "name": "u", "password": password, "domain": domain });
        let identity = json!({ "methods": ["password"], "password": { "user": user } });
        let body = json!({ "auth": { "identity": identity, "scope": { "project": { "id": state::PROJECT } } } });
        let url = format!("{}/v3/auth/tokens?nocatalog=true", cloud.http());
        client.http.post(url).body(body.to_string()).send().await.unwrap()
    };
    let answer = ask("right").await;
    assert_eq!(answer.status(), 201);
    let token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
    let list = format!("{}/v1/{}/cloudservers/detail", cloud.http(), state::PROJECT);
    assert_eq!(client.http.get(&list).header("x-auth-token", token).send().await.unwrap().status(), 200);
    assert_eq!(client.http.get(&list).header("x-auth-token", "x").send().await.unwrap().status(), 401);
    assert_eq!(ask("wrong").await.status(), 401);
}

#[tokio::test]
async fn the_metadata_service_gives_the_agencys_keys_for_a_token() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let keys = async |token: Option<&str>| {
        let request = client.http.get(format!("{}/openstack/latest/securitykey", cloud.http()));
        let request = token.into_iter().fold(request, |request, token| request.header("x-metadata-token", token));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = keys(None).await;
    assert_eq!(status, 401);
    assert!(text.contains("Please configure Cloud Service Agency first"), "{text}");

    let agency_of = Some(state::DOMAIN.to_owned());
    cloud.edit(|cloud, _| cloud.metadata = Metadata { agency_of, needs_token: true, ..Metadata::default() });
    assert_eq!(keys(None).await.0, 401);
    let token = client.http.put(format!("{}/meta-data/latest/api/token", cloud.http()));
    let token = token.header("x-metadata-token-ttl-seconds", "21600").send().await.unwrap().text().await.unwrap();
    let (status, text) = keys(Some(&token)).await;
    assert_eq!(status, 200, "{text}");
    with_key(&client, &serde_json::from_str(&text).unwrap()).get("/v1/P/cloudservers/detail").await.ok();

    cloud.edit(|cloud, _| cloud.metadata.has_tokens = false);
    let token = client.http.put(format!("{}/meta-data/latest/api/token", cloud.http())).send().await.unwrap();
    assert_eq!(token.status(), 404, "older installations have none");
}
