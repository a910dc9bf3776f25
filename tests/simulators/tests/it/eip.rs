//! Public addresses.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use simulators::{
    engine::{Change, Running},
    huawei::{Huawei, NewServer},
};

use crate::client::{Answer, Client, cloud};

/// The port of a new server.
fn port(cloud: &Running<Huawei>) -> String {
    cloud.edit(|cloud, _| {
        let id = cloud.add_server(NewServer::named("node")).unwrap();
        cloud.servers.get(&id).unwrap().ports[0].clone()
    })
}

async fn create(client: &Client, port: Option<&str>) -> Answer {
    let mut publicip = json!({ "type": "5_bgp" });
    if let Some(port) = port {
        publicip["port_id"] = json!(port);
    }
    let bandwidth = json!({ "name": "ns_web", "size": 5, "share_type": "PER", "charge_mode": "traffic" });
    client.post("/v1/P/publicips", json!({ "publicip": publicip, "bandwidth": bandwidth })).await
}

fn id(answer: Answer) -> String {
    answer.ok()["publicip"]["id"].as_str().unwrap().to_owned()
}

async fn bind(client: &Client, id: &str, port: &str) -> Answer {
    let body = json!({ "publicip": { "port_id": port } });
    client.call(Method::PUT, &format!("/v1/P/publicips/{id}"), Some(body)).await.unwrap()
}

async fn show(client: &Client, id: &str) -> Value {
    client.get(&format!("/v1/P/publicips/{id}")).await.ok()["publicip"].clone()
}

#[tokio::test]
async fn an_address_is_pending_then_down_then_bound() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let port = port(&cloud);
    let change = Change { delays_ms: [("publicip.create".to_owned(), 5000)].into(), ..Change::default() };
    cloud.turn(change).unwrap();
    let id = id(create(&client, None).await);
    assert_eq!(show(&client, &id).await["status"], "PENDING_CREATE");
    assert_eq!(bind(&client, &id, &port).await.status, 409, "not while it is on its way");
    cloud.advance(Duration::from_secs(5));
    let down = show(&client, &id).await;
    assert_eq!((&down["status"], down.get("port_id")), (&json!("DOWN"), None));

    bind(&client, &id, &port).await.ok();
    let bound = show(&client, &id).await;
    assert_eq!((&bound["status"], &bound["port_id"]), (&json!("ACTIVE"), &json!(port)));
    assert_eq!(bind(&client, &id, &port).await.refusal(), (409, "VPC.0510".to_owned()));
    let path = format!("/v1/P/publicips/{id}");
    assert_eq!(client.call(Method::DELETE, &path, None).await.unwrap().status, 409);
    bind(&client, &id, "").await.ok();
    assert_eq!(client.call(Method::DELETE, &path, None).await.unwrap().status, 204);
    assert_eq!(client.get(&path).await.refusal(), (404, "VPC.0504".to_owned()));
}

#[tokio::test]
async fn an_address_made_for_a_port_shows_on_its_server() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let port = port(&cloud);
    let id = id(create(&client, Some(&port)).await);
    let bound = show(&client, &id).await;
    assert_eq!((&bound["status"], &bound["port_id"]), (&json!("ACTIVE"), &json!(port)));
    let servers = client.get("/v1/P/cloudservers/detail").await.ok();
    let addresses = servers["servers"][0]["addresses"].as_object().unwrap().values().next().unwrap().clone();
    assert_eq!(addresses[1]["OS-EXT-IPS:type"], "floating");
    assert_eq!(addresses[1]["addr"], bound["public_ip_address"]);
    assert_eq!(create(&client, Some(&port)).await.refusal(), (409, "VPC.0510".to_owned()));
    let server = servers["servers"][0]["id"].as_str().unwrap();
    cloud.edit(|cloud, now| cloud.delete_server(now, server)).unwrap();
    assert_eq!(show(&client, &id).await["status"], "DOWN", "it outlives the server");
}

#[tokio::test]
async fn addresses_are_listed_by_filters_and_in_pages() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let port = port(&cloud);
    let bound = id(create(&client, Some(&port)).await);
    let others = [id(create(&client, None).await), id(create(&client, None).await)];
    for (query, expected) in [
        (format!("?port_id={port}&port_id=x"), vec![&bound]),
        (format!("?id={}&id={}", others[0], others[1]), vec![&others[0], &others[1]]),
        ("?limit=2".to_owned(), vec![&bound, &others[0]]),
        (format!("?limit=2&marker={}", others[0]), vec![&others[1]]),
    ] {
        for path in ["/v1/P/publicips", "/v3/P/eip/publicips"] {
            let query = if path.starts_with("/v3") { query.replace("port_id", "vnic.port_id") } else { query.clone() };
            let page = client.get(&format!("{path}{query}")).await.ok();
            let ids: Vec<_> = page["publicips"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
            assert_eq!(json!(ids), json!(expected), "{path}{query}");
        }
    }
    let page = client.get("/v3/P/eip/publicips?limit=2").await.ok();
    assert_eq!(page["page_info"], json!({ "current_count": 2, "next_marker": others[0] }));
    assert_eq!(page["total_count"], 3);
    assert_eq!(page["publicips"][0]["associate_instance_id"], port);
}

#[tokio::test]
async fn what_an_address_cannot_be_made_of_is_refused() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let good = json!({ "name": "n", "size": 5, "share_type": "PER" });
    for (publicip, bandwidth, status) in [
        (json!({ "type": "6_bgp" }), good.clone(), 400),
        (json!({ "type": "5_bgp", "colour": "red" }), good.clone(), 400),
        (json!({ "type": "5_bgp", "port_id": "nobodys" }), good.clone(), 404),
        (json!({ "type": "5_bgp" }), json!({ "name": "n", "share_type": "PER" }), 400),
        (json!({ "type": "5_bgp" }), json!({ "name": "n", "size": "5", "share_type": "PER" }), 400),
        (json!({ "type": "5_bgp" }), json!({ "name": "a/b", "size": 5, "share_type": "PER" }), 400),
        (json!({ "type": "5_bgp" }), json!({ "share_type": "WHOLE" }), 400),
        (json!({ "type": "5_bgp" }), json!({ "share_type": "WHOLE", "id": "nobodys" }), 404),
    ] {
        let body = json!({ "publicip": publicip, "bandwidth": bandwidth });
        assert_eq!(client.post("/v1/P/publicips", body.clone()).await.status.as_u16(), status, "{body}");
    }
    cloud.turn(Change { quotas: [("publicips".to_owned(), 1)].into(), ..Change::default() }).unwrap();
    create(&client, None).await.ok();
    assert_eq!(create(&client, None).await.refusal(), (409, "VPC.0532".to_owned()));
    assert_eq!(cloud.look(|cloud| cloud.publicips.len()), 1);
}

#[tokio::test]
async fn an_address_has_such_tags_as_load_balancers_have() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let id = id(create(&client, None).await);
    let path = format!("/v2.0/P/publicips/{id}/tags");
    let tag = |key: &str, value: &str| json!({ "key": key, "value": value });
    let act = async |action: &str, tags: Vec<Value>| {
        client.post(&format!("{path}/action"), json!({ "action": action, "tags": tags })).await.status
    };
    let tags = async || client.get(&path).await.ok()["tags"].clone();
    let pays = |value: &str| tag("cost-center", value);
    assert_eq!(act("create", vec![pays("4711"), tag("k8s-tenant", "b")]).await, 204);
    assert_eq!(act("create", vec![pays("4712")]).await, 204);
    assert_eq!(tags().await, json!([tag("k8s-tenant", "b"), pays("4712")]));
    let many = (0..19).map(|n| tag(&format!("key-{n}"), "")).collect();
    for (what, action, wrong) in [
        ("no key", "create", vec![tag("", "x")]),
        ("a long key", "create", vec![tag(&"k".repeat(37), "x")]),
        ("a long value", "create", vec![tag("k", &"v".repeat(44))]),
        ("a character that no tag has", "create", vec![tag("k", "a/b")]),
        ("a key twice", "create", vec![tag("k", "1"), tag("k", "2")]),
        ("more than twenty", "create", many),
        ("another action", "set", vec![tag("k", "1")]),
        ("another field", "create", vec![json!({ "key": "k", "value": "1", "color": "red" })]),
    ] {
        assert_eq!(act(action, wrong).await, 400, "{what}");
    }
    assert_eq!(act("delete", vec![pays("")]).await, 204);
    assert_eq!(tags().await, json!([tag("k8s-tenant", "b")]));
}
