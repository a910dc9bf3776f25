//! NAT gateways and DNAT rules.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use simulators::{
    engine::{Change, Running},
    huawei::{Huawei, NewServer, Seed, state},
};

use crate::client::{Client, cloud};

const GATEWAY: &str = "7a7a7a7a-0000-4000-8000-000000000001";

struct World {
    cloud: Running<Huawei>,
    client: Client,
    ports: Vec<String>,
    eip: String,
}

async fn world() -> World {
    let cloud = cloud().await;
    let seed: Seed = serde_json::from_value(json!({ "natGateways": [{ "id": GATEWAY }] })).unwrap();
    let ports = cloud.edit(|cloud, _| {
        cloud.seed(seed).unwrap();
        let servers = ["node-0", "node-1"].map(|name| cloud.add_server(NewServer::named(name)).unwrap());
        servers.iter().map(|id| cloud.servers.get(id).unwrap().ports[0].clone()).collect()
    });
    let client = Client::of(&cloud);
    let body = json!({ "publicip": { "type": "5_bgp" }, "bandwidth": {
        "name": "b", "size": 5, "share_type": "PER", "charge_mode": "traffic" } });
    let eip = client.post("/v1/P/publicips", body).await.ok()["publicip"]["id"].as_str().unwrap().to_owned();
    World { cloud, client, ports, eip }
}

impl World {
    fn rule(&self, change: &Value) -> Value {
        let mut rule = json!({
            "nat_gateway_id": GATEWAY, "port_id": self.ports[0], "internal_service_port": 30080,
            "floating_ip_id": self.eip, "external_service_port": 80, "protocol": "tcp", "description": "d",
        });
        for (name, value) in change.as_object().unwrap() {
            rule[name] = value.clone();
        }
        rule
    }
}

#[tokio::test]
async fn what_a_rule_cannot_be_is_refused() {
    let world = world().await;
    for (what, change, expected) in [
        ("no such gateway", json!({ "nat_gateway_id": "x" }), 404),
        ("no such port", json!({ "port_id": "x" }), 404),
        ("no such address", json!({ "floating_ip_id": "x" }), 404),
        ("port and address", json!({ "private_ip": "10.0.0.1" }), 400),
        ("sctp", json!({ "protocol": "sctp" }), 400),
        ("port 0", json!({ "external_service_port": 0 }), 400),
        ("any with a port", json!({ "protocol": "any" }), 400),
        ("long description", json!({ "description": "x".repeat(256) }), 400),
        ("markup", json!({ "description": "<b>" }), 400),
        ("unknown field", json!({ "weight": 1 }), 400),
        ("as it is", json!({}), 201),
        ("the same public port", json!({ "internal_service_port": 1 }), 409),
        ("the same port over UDP", json!({ "protocol": "udp" }), 201),
        (
            "any beside others",
            json!({ "protocol": "any", "internal_service_port": 0, "external_service_port": 0 }),
            409,
        ),
    ] {
        let answer = world.client.post("/v2/P/dnat_rules", json!({ "dnat_rule": world.rule(&change) })).await;
        assert_eq!(answer.status, expected, "{what}: {answer:?}");
    }
    let eip = format!("/v1/P/publicips/{}", world.eip);
    let bind = json!({ "publicip": { "port_id": world.ports[0] } });
    let bound = world.client.call(Method::PUT, &eip, Some(bind)).await.unwrap();
    assert_eq!(bound.refusal(), (409, "VPC.0510".to_owned()), "the gateway has the address");
    assert_eq!(world.client.call(Method::DELETE, &eip, None).await.unwrap().status, 409);
    assert_eq!(world.client.get("/v2/P/dnat_rules?colour=red").await.status, 400);
    assert_eq!(world.client.get("/v2/P/nat_gateways/x").await.status, 404);
    let gateway = world.client.get(&format!("/v2/P/nat_gateways/{GATEWAY}")).await.ok();
    assert_eq!(gateway["nat_gateway"]["router_id"], state::VPC);
}

#[tokio::test]
async fn rules_take_a_while_and_can_be_moved() {
    let world = world().await;
    let World { cloud, client, ports, .. } = &world;
    cloud.turn(Change { delays_ms: [("dnat_rule.change".to_owned(), 60_000)].into(), ..Change::default() }).unwrap();
    let rules = [world.rule(&json!({})), world.rule(&json!({ "external_service_port": 81 }))];
    let made = client.post("/v2/P/dnat_rules/batch", json!({ "dnat_rules": rules })).await;
    assert_eq!(made.status, 201);
    let rule = &made.body["dnat_rules"][0];
    assert_eq!(rule["status"], "PENDING_CREATE");
    let id = rule["id"].as_str().unwrap();
    let one = format!("/v2/P/nat_gateways/{GATEWAY}/dnat_rules/{id}");
    let delete = async || client.call(Method::DELETE, &one, None).await.unwrap();
    assert_eq!(delete().await.status, 409, "it is being made");
    cloud.advance(Duration::from_secs(60));
    let path = format!("/v2/P/dnat_rules/{id}");
    assert_eq!(client.get(&path).await.ok()["dnat_rule"]["status"], "ACTIVE");
    let change = |value: Value| json!({ "dnat_rule": value });
    let put = async |body: Value| client.call(Method::PUT, &path, Some(body)).await.unwrap();
    assert_eq!(put(change(json!({ "port_id": ports[1] }))).await.status, 400, "the gateway is needed");
    let moved = put(change(json!({ "nat_gateway_id": GATEWAY, "port_id": ports[1] }))).await.ok();
    assert_eq!(
        (&moved["dnat_rule"]["port_id"], &moved["dnat_rule"]["status"]),
        (&json!(ports[1]), &json!("PENDING_UPDATE"))
    );
    cloud.advance(Duration::from_secs(60));
    let listed = client.get(&format!("/v2/P/dnat_rules?port_id={}&status=ACTIVE", ports[1])).await.ok();
    assert_eq!(listed["dnat_rules"].as_array().unwrap().len(), 1);
    let page = client.get("/v2/P/dnat_rules?limit=1").await.ok();
    let next = client.get(&format!("/v2/P/dnat_rules?limit=1&marker={id}")).await.ok();
    assert_eq!((&page["dnat_rules"][0]["id"], next["dnat_rules"].as_array().unwrap().len()), (&json!(id), 1));
    assert_eq!(delete().await.status, 204);
    assert_eq!(delete().await.status, 404);
    let tree = cloud.look(|cloud| cloud.dnat_tree(state::PROJECT));
    assert_eq!(tree.iter().map(|rule| rule.external.1).collect::<Vec<_>>(), [81]);
}
