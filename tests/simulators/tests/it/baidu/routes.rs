//! Route tables.

use serde_json::{Value, json};
use simulators::baidu::state;

use super::client::{Client, cloud};

fn rule(destination: &str, hop: &str) -> Value {
    json!({
        "routeTableId": state::ROUTE_TABLE, "sourceAddress": "0.0.0.0/0", "destinationAddress": destination, "nexthopId": hop,
        "nexthopType": "custom", "description": "auto generated",
    })
}

#[tokio::test]
async fn rules_are_made_listed_changed_and_deleted() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    cloud.seed(json!({ "machines": [{ "id": "i-1", "name": "a" }, { "id": "i-2", "name": "b" }] })).unwrap();
    let id = client.post("/vpc/v1/route/rule", rule("10.244.0.0/24", "i-1")).await.ok()["routeRuleId"].clone();
    let path = format!("/vpc/v1/route/rule/{}", id.as_str().unwrap());
    let table = client.get(&format!("/vpc/v1/route?vpcId={}", state::VPC)).await.ok();
    assert_eq!(table["routeTableId"], state::ROUTE_TABLE);
    let listed = client.get(&format!("/vpc/v1/route/rule?routeTableId={}", state::ROUTE_TABLE)).await.ok();
    assert_eq!(listed["routeRules"], table["routeRules"]);
    let kinds: Vec<_> =
        listed["routeRules"].as_array().unwrap().iter().map(|rule| rule["nexthopType"].clone()).collect();
    assert_eq!(kinds, ["sys", "custom"]);
    client.put(&path, json!({ "nexthopId": "i-2" })).await.ok();
    assert_eq!(cloud.look(|cloud| cloud.route_rules.get(id.as_str().unwrap()).unwrap().nexthop_id.clone()), "i-2");
    assert_eq!(client.delete(&path).await.ok(), "");
    assert_eq!(client.delete(&path).await.refusal(), (404, "NoSuchObject"));
}

#[tokio::test]
async fn a_rule_that_cannot_be_is_refused() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    cloud
        .seed(json!({
            "machines": [{ "id": "i-1", "name": "a" }, { "id": "i-far", "name": "b", "subnetId": "sbn-far" }],
            "vpcs": [{ "id": "vpc-far", "cidr": "10.9.0.0/16" }],
            "subnets": [{ "id": "sbn-far", "cidr": "10.9.0.0/24", "vpcId": "vpc-far" }],
        }))
        .unwrap();
    let with = |field: &str, value: Value| {
        let mut rule = rule("10.244.0.0/24", "i-1");
        rule[field] = value;
        rule
    };
    let expect = async |rule: Value, expected: (u16, &str)| {
        let answer = client.post("/vpc/v1/route/rule", rule.clone()).await;
        assert_eq!(answer.refusal(), expected, "{rule}");
    };
    expect(with("routeTableId", json!("rt-x")), (404, "NoSuchObject")).await;
    expect(with("nexthopId", json!("i-x")), (404, "NoSuchObject")).await;
    expect(with("nexthopId", json!("i-far")), (404, "NoSuchObject")).await;
    expect(with("nexthopType", json!("sys")), (400, "InvalidParameter")).await;
    expect(with("destinationAddress", json!("192.168.9.0/24")), (400, "InvalidParameter")).await;
    expect(with("destinationAddress", json!("10.244.0.1/24")), (400, "InvalidParameter")).await;
    expect(with("destinationAddress", json!("fd00::/64")), (400, "InvalidParameter")).await;
    expect(with("sourceAddress", json!("10.244.0.0/24")), (400, "InvalidParameter")).await;
    expect(with("ipVersion", json!("6")), (400, "InvalidParameter")).await;
    expect(with("nextHopList", json!([])), (400, "InappropriateJSON")).await;
    client.post("/vpc/v1/route/rule", rule("10.244.0.0/24", "i-1")).await.ok();
    expect(rule("10.244.0.0/24", "i-1"), (400, "RouteRuleRepeated")).await;
    client.post("/vpc/v1/route/rule", with("sourceAddress", json!("192.168.1.0/24"))).await.ok();
    let six = json!({
        "routeTableId": state::ROUTE_TABLE, "sourceAddress": "::/0", "destinationAddress": "fd01::/64", "nexthopId": "i-1",
        "nexthopType": "custom", "ipVersion": "6",
    });
    client.post("/vpc/v1/route/rule", six).await.ok();
    let system = cloud.look(|cloud| cloud.route_rules.iter().next().unwrap().route_rule_id.clone());
    assert_eq!(client.delete(&format!("/vpc/v1/route/rule/{system}")).await.refusal(), (403, "AccessDenied"));
    cloud.turn(serde_json::from_value(json!({ "quotas": { "route_rules_per_table": 3 } })).unwrap()).unwrap();
    expect(rule("10.245.0.0/24", "i-1"), (400, "RouteRuleExceedQuota")).await;
}
