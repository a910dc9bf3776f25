//! Tags, whatever they are on.

use serde_json::{Value, json};
use simulators::baidu::state;

use super::client::{Client, cloud};

fn tag(value: &str, resources: &[(&str, &str)]) -> Value {
    let resources: Vec<_> =
        resources.iter().map(|(kind, id)| json!({ "resourceId": id, "serviceType": kind, "region": "bj" })).collect();
    json!({ "tagKey": "k8s-service-uid", "tagValue": value, "serviceType": "BLB", "resources": resources })
}

#[tokio::test]
async fn tags_come_with_a_thing_or_later() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let body = json!({ "name": "web", "vpcId": state::VPC, "subnetId": state::SUBNET, "tags": [{ "tagKey": "cluster", "tagValue": "c-1" }] });
    let blb = client.post("/blb/v1/blb", body).await.ok()["blbId"].as_str().unwrap().to_owned();
    let eip = cloud.seed(json!({ "eips": [{ "name": "mine" }] })).unwrap()["eips"][0].as_str().unwrap().to_owned();
    let both = [("BLB", blb.as_str()), ("EIP", eip.as_str())];
    client.post("/tag/v1/resource", tag("uid-1", &both)).await.ok();
    let tags = client.get(&format!("/blb/v1/blb/{blb}")).await.ok()["tags"].clone();
    let uid = json!({ "tagKey": "k8s-service-uid", "tagValue": "uid-1" });
    assert_eq!(tags, json!([{ "tagKey": "cluster", "tagValue": "c-1" }, uid]));
    assert_eq!(client.get("/eip/v1/eip").await.ok()["eipList"][0]["tags"], json!([uid]));
    let found =
        client.get("/tag/v1/tag/tagResources?tagKey=k8s-service-uid&tagValue=uid-1&resourceType=BLB").await.ok();
    assert_eq!(found["tagResources"][0]["resources"][0]["resourceId"], json!(blb));
    assert_eq!(
        client.post("/tag/v1/resource", tag("x", &[("BLB", "lb-nobody")])).await.refusal(),
        (404, "NoSuchObject")
    );
    assert_eq!(client.post("/tag/v1/resource", tag("x", &[("CDN", "x")])).await.refusal(), (400, "InvalidParameter"));
    client.put("/tag/v1/resource", tag("uid-1", &both)).await.ok();
    let tags = client.get(&format!("/blb/v1/blb/{blb}")).await.ok()["tags"].clone();
    assert_eq!(tags, json!([{ "tagKey": "cluster", "tagValue": "c-1" }]));
}
