//! Client tokens: one call, however often it is made.

use serde_json::json;
use simulators::{
    baidu::state,
    engine::{Effect, LastAnswer, Rule},
};

use super::client::{Client, cloud};

#[tokio::test]
async fn a_call_made_again_with_its_token_makes_nothing() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let body = json!({ "name": "web", "vpcId": state::VPC, "subnetId": state::SUBNET });
    let first = client.post("/blb/v1/blb?clientToken=t-1", body.clone()).await.ok();
    assert_eq!(client.post("/blb/v1/blb?clientToken=t-1", body.clone()).await.ok(), first);
    assert_eq!(cloud.look(|cloud| cloud.blbs.len()), 1);
    let executed: Vec<_> = cloud.calls().iter().map(|call| call.executed).collect();
    assert_eq!(executed, [true, false]);
    let second = client.post("/blb/v1/blb?clientToken=t-2", body.clone()).await.ok();
    assert_ne!(second["blbId"], first["blbId"]);
    let other = json!({ "name": "other", "vpcId": state::VPC, "subnetId": state::SUBNET });
    let answer = client.post("/blb/v1/blb?clientToken=t-1", other).await;
    assert_eq!(answer.refusal(), (403, "IdempotentParameterMismatch"));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_had_by_asking_again() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    cloud.break_with(Rule::new(Effect::Drop { executed: true }).action("CreateEip").times(1));
    let body =
        json!({ "bandwidthInMbps": 10, "billing": { "paymentTiming": "Postpaid", "billingMethod": "ByTraffic" } });
    assert!(client.call(reqwest::Method::POST, "/eip/v1/eip?clientToken=t", Some(body.clone())).await.is_err());
    let made = client.post("/eip/v1/eip?clientToken=t", body).await.ok();
    let eips = cloud.look(|cloud| cloud.eips.iter().map(|eip| eip.eip.to_string()).collect::<Vec<_>>());
    assert_eq!(json!(eips), json!([made["eip"]]));
}

#[tokio::test]
async fn a_refused_call_leaves_its_token_free() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let body = json!({ "name": "web", "vpcId": state::VPC, "subnetId": "sbn-late" });
    assert_eq!(client.post("/blb/v1/blb?clientToken=t", body.clone()).await.refusal(), (404, "NoSuchObject"));
    cloud.seed(json!({ "subnets": [{ "id": "sbn-late", "cidr": "192.168.128.0/24" }] })).unwrap();
    client.post("/blb/v1/blb?clientToken=t", body).await.ok();
}

#[tokio::test]
async fn only_what_is_executed_counts_before_a_halt() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let body = json!({ "name": "web", "vpcId": state::VPC, "subnetId": state::SUBNET });
    client.post("/blb/v1/blb?clientToken=t", body.clone()).await.ok();
    cloud.halt_after(1, LastAnswer::Given);
    client.post("/blb/v1/blb?clientToken=t", body.clone()).await.ok();
    client.post("/blb/v1/blb?clientToken=u", body.clone()).await.ok();
    assert!(client.call(reqwest::Method::POST, "/blb/v1/blb?clientToken=v", Some(body)).await.is_err());
}
