//! VPC: subnets, ports, security groups, route tables.

use reqwest::Method;
use serde_json::{Value, json};
use simulators::{
    engine::Running,
    huawei::{Huawei, NewServer, state},
};

use crate::client::{Answer, Client, cloud};

fn server(cloud: &Running<Huawei>, name: &str) -> String {
    cloud.edit(|cloud, _| cloud.add_server(NewServer::named(name))).unwrap()
}

#[tokio::test]
async fn subnets_show_both_of_their_ids() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let found = client.get(&format!("/v1/P/subnets?vpc_id={}", state::VPC)).await.ok();
    let subnet = &found["subnets"][0];
    assert_eq!(
        [&subnet["id"], &subnet["neutron_network_id"], &subnet["neutron_subnet_id"], &subnet["cidr"]],
        [state::SUBNET, state::SUBNET, state::NEUTRON_SUBNET, "192.168.0.0/17"]
    );
    let none = client.get("/v1/P/subnets?vpc_id=another").await.ok();
    assert_eq!(none["subnets"], json!([]));
    assert_eq!(client.get("/v1/P/subnets/another").await.refusal(), (404, "VPC.0202".to_owned()));
    assert_eq!(client.get("/v1/P/vpcs/another").await.refusal(), (404, "VPC.0003".to_owned()));
}

#[tokio::test]
async fn ports_are_found_by_device_and_address_and_take_address_pairs() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let id = server(&cloud, "node");
    server(&cloud, "other");
    let found = client.get(&format!("/v1/P/ports?device_id={id}")).await.ok();
    let port = found["ports"][0].clone();
    assert_eq!(found["ports"].as_array().unwrap().len(), 1);
    let address = port["fixed_ips"][0]["ip_address"].as_str().unwrap();
    for path in ["/v1/P/ports", "/v2.0/ports"] {
        let found = client.get(&format!("{path}?fixed_ips=ip_address%3D{address}")).await.ok();
        assert_eq!(found["ports"], json!([port]), "{path}");
    }
    let path = format!("/v1/P/ports/{}", port["id"].as_str().unwrap());
    let put = async |pair: &str| {
        let body = json!({ "port": { "allowed_address_pairs": [{ "ip_address": pair }] } });
        client.call(Method::PUT, &path, Some(body)).await.unwrap()
    };
    put("10.244.3.0/24").await.ok();
    let shown = client.get(&path).await.ok();
    assert_eq!(shown["port"]["allowed_address_pairs"], json!([{ "ip_address": "10.244.3.0/24" }]));
    assert_eq!(put("0.0.0.0/0").await.status, 400);
    assert_eq!(put("nonsense").await.status, 400);
    put("1.1.1.1/0").await.ok();
}

#[tokio::test]
async fn a_rule_of_a_security_group_is_there_once() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let rule = |description: &str| {
        json!({ "security_group_rule": {
            "security_group_id": state::SECURITY_GROUP, "direction": "ingress", "protocol": "tcp",
            "port_range_min": 80, "port_range_max": 80, "description": description,
        } })
    };
    let made = client.post("/v1/P/security-group-rules", rule("")).await;
    assert_eq!(made.status, 201);
    let id = made.body["security_group_rule"]["id"].as_str().unwrap().to_owned();
    assert_eq!(client.post("/v1/P/security-group-rules", rule("again")).await.status, 409);
    let path = format!("/v1/P/security-group-rules/{id}");
    assert_eq!(client.call(Method::DELETE, &path, None).await.unwrap().status, 204);
    assert_eq!(client.get(&path).await.status, 404);
}

const TABLE: &str = state::ROUTE_TABLE;

async fn change(client: &Client, routes: Value) -> Answer {
    let body = json!({ "routetable": { "routes": routes } });
    client.call(Method::PUT, &format!("/v1/P/routetables/{TABLE}"), Some(body)).await.unwrap()
}

/// Destinations and next hops of the routes that are not the VPC's own.
async fn routes(client: &Client) -> Vec<(String, String)> {
    let table = client.get(&format!("/v1/P/routetables/{TABLE}")).await.ok();
    let routes = table["routetable"]["routes"].as_array().unwrap().clone();
    let own = routes.iter().filter(|route| route["type"] != "local");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    own.map(|route| (text(&route["destination"]), text(&route["nexthop"]))).collect()
}

fn route(destination: &str, nexthop: &str) -> Value {
    json!({ "type": "ecs", "destination": destination, "nexthop": nexthop, "description": "k8s:c:node" })
}

#[tokio::test]
async fn a_list_shows_tables_without_their_routes() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let list = client.get(&format!("/v1/P/routetables?vpc_id={}", state::VPC)).await.ok();
    assert_eq!(list["routetables"][0]["id"], TABLE);
    assert_eq!(list["routetables"][0]["subnets"], json!([{ "id": state::SUBNET }]));
    assert!(list["routetables"][0].get("routes").is_none());
    let table = client.get(&format!("/v1/P/routetables/{TABLE}")).await.ok();
    assert_eq!(table["routetable"]["routes"][0]["type"], "local");
}

#[tokio::test]
async fn routes_change_together_or_not_at_all() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let (a, b) = (server(&cloud, "a"), server(&cloud, "b"));
    let add = json!({ "add": [route("10.244.1.0/24", &a), route("10.244.2.0/24", &a)] });
    change(&client, add).await.ok();
    let both = json!({
        "add": [route("10.244.3.0/24", &b)], "mod": [route("10.244.2.0/24", &b)],
        "del": [{ "destination": "10.244.1.0/24" }],
    });
    change(&client, both).await.ok();
    let settled = vec![("10.244.2.0/24".to_owned(), b.clone()), ("10.244.3.0/24".to_owned(), b.clone())];
    assert_eq!(routes(&client).await, settled);

    let good = route("10.244.9.0/24", &a);
    for (bad, status) in [
        (json!({ "add": [good, route("10.244.2.0/24", &a)] }), 409),
        (json!({ "add": [good, route("192.168.3.0/24", &a)] }), 400),
        (json!({ "add": [good, route("192.0.0.0/8", &a)] }), 400),
        (json!({ "add": [good, route("10.244.8.1/24", &a)] }), 400),
        (json!({ "add": [good, route("10.244.8.0/24", "nobody")] }), 400),
        (json!({ "add": [good], "del": [{ "destination": "10.9.0.0/24" }] }), 404),
        (json!({ "add": [good], "mod": [route("10.9.0.0/24", &a)] }), 404),
        (json!({ "add": [good], "del": [{ "destination": "192.168.0.0/17" }] }), 404),
        (json!({ "add": [{ "type": "ecs", "destination": "10.9.0.0/24" }] }), 400),
        (json!({ "add": (0..6).map(|n| route(&format!("10.8.{n}.0/24"), &a)).collect::<Vec<_>>() }), 400),
    ] {
        let answer = change(&client, bad.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{bad}: {answer:?}");
        assert_eq!(routes(&client).await, settled, "{bad}");
    }
}

#[tokio::test]
async fn a_table_has_room_for_so_many_routes() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let id = server(&cloud, "node");
    for batch in 0..40 {
        let add: Vec<_> = (0..5).map(|n| route(&format!("10.{batch}.{n}.0/24"), &id)).collect();
        change(&client, json!({ "add": add })).await.ok();
    }
    let answer = change(&client, json!({ "add": [route("10.99.0.0/24", &id)] })).await;
    assert_eq!(answer.refusal(), (409, "VPC.0114".to_owned()));
    let swap = json!({ "add": [route("10.99.0.0/24", &id)], "del": [{ "destination": "10.0.0.0/24" }] });
    change(&client, swap).await.ok();
}

#[tokio::test]
async fn a_default_table_stays_and_another_takes_subnets() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let delete = async |id: &str| client.call(Method::DELETE, &format!("/v1/P/routetables/{id}"), None).await.unwrap();
    assert_eq!(delete(TABLE).await.status, 409);
    let new = json!({ "routetable": { "name": "own", "vpc_id": state::VPC } });
    let made = client.post("/v1/P/routetables", new).await.ok();
    let own = made["routetable"]["id"].as_str().unwrap();
    let act = async |what: &str| {
        let body = json!({ "routetable": { "subnets": { what: [state::SUBNET] } } });
        client.post(&format!("/v1/P/routetables/{own}/action"), body).await.ok()
    };
    act("associate").await;
    let of_subnet = client.get(&format!("/v1/P/routetables?subnet_id={}", state::SUBNET)).await.ok();
    assert_eq!(of_subnet["routetables"][0]["id"], own);
    assert_eq!(of_subnet["routetables"].as_array().unwrap().len(), 1);
    assert_eq!(delete(own).await.status, 409);
    act("disassociate").await;
    assert_eq!(delete(own).await.status, 204);
}
