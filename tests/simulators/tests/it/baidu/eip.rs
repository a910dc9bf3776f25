//! Elastic IPs.

use std::time::Duration;

use serde_json::{Value, json};
use simulators::{
    baidu::{Baidu, state},
    engine::{Change, Running},
};

use super::client::{Client, cloud, slow_cloud};

fn billed(timing: &str, method: &str, bandwidth: u32) -> Value {
    json!({ "name": "web", "bandwidthInMbps": bandwidth, "billing": { "paymentTiming": timing, "billingMethod": method } })
}

async fn eip(client: &Client) -> String {
    let made = client.post("/eip/v1/eip", billed("Postpaid", "ByTraffic", 10)).await.ok();
    made["eip"].as_str().unwrap().to_owned()
}

async fn blb(client: &Client) -> String {
    let body = json!({ "name": "web", "vpcId": state::VPC, "subnetId": state::SUBNET });
    client.post("/blb/v1/blb", body).await.ok()["blbId"].as_str().unwrap().to_owned()
}

async fn status(client: &Client, eip: &str) -> String {
    let list = client.get(&format!("/eip/v1/eip?eip={eip}")).await.ok();
    list["eipList"][0]["status"].as_str().unwrap().to_owned()
}

fn bind(blb: &str) -> Value {
    json!({ "instanceType": "BLB", "instanceId": blb })
}

fn pass(cloud: &Running<Baidu>) {
    cloud.advance(Duration::from_secs(1));
}

#[tokio::test]
async fn everything_takes_a_while_and_nothing_else_goes_meanwhile() {
    let cloud = slow_cloud().await;
    cloud.turn(Change { delays_ms: [("*".to_owned(), 1000)].into(), ..Change::default() }).unwrap();
    let client = Client::of(&cloud);
    let (eip, blb) = (eip(&client).await, blb(&client).await);
    let path = format!("/eip/v1/eip/{eip}");
    assert_eq!(status(&client, &eip).await, "creating");
    assert_eq!(client.put(&format!("{path}?bind"), bind(&blb)).await.refusal(), (409, "LastOperationNotFinished"));
    pass(&cloud);
    client.put(&format!("{path}?bind"), bind(&blb)).await.ok();
    assert_eq!(status(&client, &eip).await, "binding");
    assert_eq!(client.get(&format!("/blb/v1/blb/{blb}")).await.ok()["publicIp"], "");
    for verb in ["bind", "unbind", "resize"] {
        let body = if verb == "resize" { json!({ "newBandwidthInMbps": 20 }) } else { bind(&blb) };
        assert_eq!(
            client.put(&format!("{path}?{verb}"), body).await.refusal(),
            (409, "LastOperationNotFinished"),
            "{verb}"
        );
    }
    pass(&cloud);
    assert_eq!(status(&client, &eip).await, "binded");
    assert_eq!(client.get(&format!("/blb/v1/blb/{blb}")).await.ok()["publicIp"], json!(eip));
    client.put(&format!("{path}?resize"), json!({ "newBandwidthInMbps": 20 })).await.ok();
    assert_eq!(status(&client, &eip).await, "updating");
    pass(&cloud);
    client.put(&format!("{path}?unbind"), json!(null)).await.ok();
    assert_eq!(status(&client, &eip).await, "unbinding");
    assert_eq!(client.delete(&path).await.refusal(), (409, "LastOperationNotFinished"));
    pass(&cloud);
    let list = client.get("/eip/v1/eip").await.ok();
    let shown = &list["eipList"][0];
    assert_eq!(
        (&shown["status"], &shown["instanceId"], &shown["bandwidthInMbps"]),
        (&json!("available"), &json!(""), &json!(20))
    );
    client.delete(&path).await.ok();
    assert_eq!(client.delete(&path).await.refusal(), (404, "EipNotFound"));
}

#[tokio::test]
async fn one_thing_has_one_and_one_is_at_one_thing() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let (first, second) = (eip(&client).await, eip(&client).await);
    let (one, other) = (blb(&client).await, blb(&client).await);
    client.put(&format!("/eip/v1/eip/{first}?bind"), bind(&one)).await.ok();
    assert_eq!(client.put(&format!("/eip/v1/eip/{second}?bind"), bind(&one)).await.refusal(), (400, "EipAlreadyExist"));
    assert_eq!(client.put(&format!("/eip/v1/eip/{first}?bind"), bind(&other)).await.refusal(), (400, "EipStatusError"));
    assert_eq!(client.delete(&format!("/eip/v1/eip/{first}")).await.refusal(), (400, "EipStatusError"));
    assert_eq!(
        client.put(&format!("/eip/v1/eip/{second}?unbind"), json!(null)).await.refusal(),
        (400, "EipStatusError")
    );
    assert_eq!(
        client.put(&format!("/eip/v1/eip/{second}?bind"), bind("lb-nobody")).await.refusal(),
        (404, "NoSuchObject")
    );
    let found = client.get(&format!("/eip/v1/eip?instanceType=BLB&instanceId={one}")).await.ok();
    assert_eq!((found["eipList"].as_array().unwrap().len(), &found["eipList"][0]["eip"]), (1, &json!(first)));
    cloud.seed(json!({ "machines": [{ "id": "i-1", "name": "n" }] })).unwrap();
    client.put(&format!("/eip/v1/eip/{second}?bind"), json!({ "instanceType": "BCC", "instanceId": "i-1" })).await.ok();
    assert_eq!(client.get("/bcc/v2/instance/i-1").await.ok()["instance"]["publicIp"], json!(second));
    cloud.operate("delete-machine", json!({ "id": "i-1" })).unwrap();
    assert_eq!(status(&client, &second).await, "available");
}

#[tokio::test]
async fn a_load_balancer_leaves_its_elastic_ip_behind() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let (eip, blb) = (eip(&client).await, blb(&client).await);
    client.put(&format!("/eip/v1/eip/{eip}?bind"), bind(&blb)).await.ok();
    cloud.seed(json!({ "switches": { "refuseDeletionOfBoundBlb": true } })).unwrap();
    assert_eq!(client.delete(&format!("/blb/v1/blb/{blb}")).await.refusal(), (400, "BlbHasEip"));
    cloud.seed(json!({ "switches": {} })).unwrap();
    client.delete(&format!("/blb/v1/blb/{blb}")).await.ok();
    assert_eq!(status(&client, &eip).await, "available");
}

#[tokio::test]
async fn what_is_paid_for_stays_until_then() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let mut body = billed("Prepaid", "", 10);
    body["billing"]["reservation"] = json!({ "reservationLength": 1, "reservationTimeUnit": "Month" });
    let eip = client.post("/eip/v1/eip", body).await.ok()["eip"].as_str().unwrap().to_owned();
    let path = format!("/eip/v1/eip/{eip}");
    assert_eq!(client.delete(&path).await.refusal(), (400, "PrepaidEipNotExpired"));
    cloud.advance(Duration::from_secs(31 * 24 * 3600));
    Client::of(&cloud).delete(&path).await.ok();
}

#[tokio::test]
async fn the_recycle_bin_counts() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    cloud.turn(serde_json::from_value(json!({ "quotas": { "eips": 1 } })).unwrap()).unwrap();
    let eip = eip(&client).await;
    client.delete(&format!("/eip/v1/eip/{eip}?releaseToRecycle=true")).await.ok();
    assert_eq!(client.get("/eip/v1/eip").await.ok()["eipList"], json!([]));
    assert_eq!(client.get("/eip/v1/eip/recycle").await.ok()["eipList"][0]["eip"], json!(eip));
    let answer = client.post("/eip/v1/eip", billed("Postpaid", "ByTraffic", 10)).await;
    assert_eq!(answer.refusal(), (413, "EipExceedLimit"));
    client.put(&format!("/eip/v1/eip/recycle/{eip}?restore"), json!(null)).await.ok();
    assert_eq!(status(&client, &eip).await, "available");
    client.delete(&format!("/eip/v1/eip/{eip}?releaseToRecycle=true")).await.ok();
    client.delete(&format!("/eip/v1/eip/recycle/{eip}")).await.ok();
    client.post("/eip/v1/eip", billed("Postpaid", "ByTraffic", 10)).await.ok();
}

#[tokio::test]
async fn what_cannot_be_bought_is_refused() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let reserved = |timing: &str, method: &str, months: u32| {
        let mut body = billed(timing, method, 10);
        body["billing"]["reservation"] = json!({ "reservationLength": months });
        body
    };
    for body in [
        billed("Postpaid", "ByTraffic", 1001),
        billed("Postpaid", "ByTraffic", 0),
        billed("Postpaid", "ByBandwidth", 201),
        billed("Postpaid", "", 10),
        billed("Prepaid", "", 10),
        billed("Later", "ByTraffic", 10),
        reserved("Prepaid", "ByTraffic", 1),
        reserved("Prepaid", "", 10),
        reserved("Postpaid", "ByTraffic", 1),
    ] {
        assert_eq!(client.post("/eip/v1/eip", body.clone()).await.refusal(), (400, "InvalidParameter"), "{body}");
    }
    let mut long = billed("Postpaid", "ByTraffic", 10);
    long["name"] = json!("x".repeat(66));
    assert_eq!(client.post("/eip/v1/eip", long).await.refusal(), (400, "InvalidParameter"));
    let mut batch = billed("Postpaid", "ByBandwidth", 200);
    batch["count"] = json!(3);
    assert_eq!(client.post("/eip/v1/eip?action=batch", batch).await.ok()["eips"].as_array().unwrap().len(), 3);
    cloud.turn(serde_json::from_value(json!({ "quotas": { "eip_bandwidth_in_mbps": 50 } })).unwrap()).unwrap();
    let answer = client.post("/eip/v1/eip", billed("Postpaid", "ByTraffic", 60)).await;
    assert_eq!(answer.refusal(), (400, "BandwidthExceedLimit"));
}

#[tokio::test]
async fn a_name_is_looked_for_anywhere() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    for name in ["web", "web2", "api"] {
        let mut body = billed("Postpaid", "ByTraffic", 10);
        body["name"] = json!(name);
        client.post("/eip/v1/eip", body).await.ok();
    }
    let found = client.get("/eip/v1/eip?name=web").await.ok();
    assert_eq!(found["eipList"].as_array().unwrap().len(), 2);
}
