//! ELB, v2 and v3.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use simulators::{
    engine::{Change, Running},
    huawei::{Huawei, NewServer, Seed, state},
};

use crate::client::{Answer, Client, cloud};

async fn world() -> (Running<Huawei>, Client) {
    let cloud = cloud().await;
    for name in ["node-0", "node-1"] {
        cloud.edit(|cloud, _| cloud.add_server(NewServer::named(name))).unwrap();
    }
    let client = Client::of(&cloud);
    (cloud, client)
}

fn address(cloud: &Running<Huawei>, server: &str) -> String {
    cloud.look(|cloud| {
        let server = cloud.servers.iter().find(|known| known.name == server).unwrap();
        cloud.ports.get(&server.ports[0]).unwrap().ipv4().unwrap().to_string()
    })
}

async fn put(client: &Client, path: &str, body: Value) -> Answer {
    client.call(Method::PUT, path, Some(body)).await.unwrap()
}

async fn delete(client: &Client, path: &str) -> Answer {
    client.call(Method::DELETE, path, None).await.unwrap()
}

fn id(body: &Value, kind: &str) -> String {
    body[kind]["id"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

fn ids(body: &Value, kinds: &str) -> Vec<String> {
    body[kinds].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

async fn dedicated(client: &Client, name: &str) -> String {
    let body = json!({ "loadbalancer": {
        "name": name, "vip_subnet_cidr_id": state::NEUTRON_SUBNET, "availability_zone_list": ["ap-southeast-1a"],
    } });
    id(&client.post("/v3/P/elb/loadbalancers", body).await.ok(), "loadbalancer")
}

async fn shared(client: &Client, name: &str) -> String {
    let body = json!({ "loadbalancer": { "name": name, "vip_subnet_id": state::NEUTRON_SUBNET, "provider": "vlb" } });
    id(&client.post("/v2/P/elb/loadbalancers", body).await.ok(), "loadbalancer")
}

async fn pool(client: &Client, load_balancer: &str) -> String {
    let body =
        json!({ "pool": { "loadbalancer_id": load_balancer, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN" } });
    id(&client.post("/v3/P/elb/pools", body).await.ok(), "pool")
}

#[tokio::test]
async fn both_kinds_are_one_list_in_v3_and_v2_sees_the_shared_ones() {
    let (_cloud, client) = world().await;
    let (dedicated, shared) = (dedicated(&client, "web").await, shared(&client, "web").await);
    let listed = async |path: &str| ids(&client.get(path).await.ok(), "loadbalancers");
    assert_eq!(
        listed("/v3/P/elb/loadbalancers?name=web").await,
        [dedicated.clone(), shared.clone()],
        "names are not unique"
    );
    assert_eq!(listed("/v3/P/elb/loadbalancers?guaranteed=true").await, [dedicated.as_str()]);
    assert_eq!(listed("/v3/P/elb/loadbalancers?guaranteed=false").await, [shared.as_str()]);
    assert_eq!(listed("/v2/P/elb/loadbalancers").await, [shared.as_str()]);
    let both = format!("/v3/P/elb/loadbalancers?id={dedicated}&id={shared}&name=web");
    assert_eq!(listed(&both).await.len(), 2, "filters repeat");
    assert!(listed("/v3/P/elb/loadbalancers?name=we").await.is_empty(), "filters are exact");

    let hidden = client.get(&format!("/v2/P/elb/loadbalancers/{dedicated}")).await;
    assert_eq!(hidden.refusal(), (404, "HTTPNotFound".to_owned()));
    assert!(hidden.body["NeutronError"]["message"].is_string());
    let v3 = client.get(&format!("/v3/P/elb/loadbalancers/{shared}")).await.ok();
    assert_eq!(v3["loadbalancer"]["guaranteed"], false);
    assert_eq!(v3["loadbalancer"]["vip_subnet_cidr_id"], state::NEUTRON_SUBNET);
    let v2 = client.get(&format!("/v2/P/elb/loadbalancers/{shared}")).await.ok();
    assert_eq!(v2["loadbalancer"]["vip_subnet_id"], state::NEUTRON_SUBNET);
    assert!(!v2["loadbalancer"]["created_at"].as_str().unwrap().ends_with('Z'));
    let missing = client.get("/v3/P/elb/loadbalancers/nothing").await;
    assert_eq!(missing.refusal(), (404, "ELB.8904".to_owned()));
    assert!(missing.body["request_id"].is_string());
}

#[tokio::test]
async fn what_is_not_known_is_refused() {
    let (_cloud, client) = world().await;
    let load_balancer = shared(&client, "web").await;
    let listener = json!({ "loadbalancer_id": load_balancer, "protocol": "TCP", "protocol_port": 80 });
    for (what, path, body, expected) in [
        ("a filter", "/v3/P/elb/listeners?vpc_id=x", None, 400),
        ("a filter of v2", "/v2/P/elb/listeners?client_timeout=1", None, 400),
        ("a limit past the most", "/v3/P/elb/listeners?limit=2001", None, 400),
        ("a marker of nothing", "/v3/P/elb/listeners?marker=x", None, 400),
        ("a path", "/v3/P/elb/nothing", None, 404),
        ("no wrapping", "/v3/P/elb/listeners", Some(listener.clone()), 400),
        ("a second key", "/v3/P/elb/listeners", Some(json!({ "listener": listener, "x": 1 })), 400),
        (
            "a field of v3 in v2",
            "/v2/P/elb/loadbalancers",
            Some(json!({ "loadbalancer": { "vip_subnet_cidr_id": "x" } })),
            400,
        ),
        (
            "a header of v3 in v2",
            "/v2/P/elb/listeners",
            Some(json!({ "listener": {
            "loadbalancer_id": load_balancer, "protocol": "HTTP", "protocol_port": 80,
            "insert_headers": { "X-Real-IP": true } } })),
            400,
        ),
        (
            "timeouts in v2",
            "/v2/P/elb/listeners",
            Some(json!({ "listener": {
            "loadbalancer_id": load_balancer, "protocol": "HTTP", "protocol_port": 80, "client_timeout": 5 } })),
            400,
        ),
        (
            "shared through v3",
            "/v3/P/elb/loadbalancers",
            Some(json!({ "loadbalancer": {
            "guaranteed": false, "vip_subnet_cidr_id": state::NEUTRON_SUBNET, "availability_zone_list": ["ap-southeast-1a"] } })),
            400,
        ),
        (
            "a wrong tag action",
            &format!("/v3/P/loadbalancers/{load_balancer}/tags/action"),
            Some(json!({ "action": "x", "tags": [] })),
            400,
        ),
    ] {
        let answer = match body {
            None => client.get(path).await,
            Some(body) => client.post(path, body).await,
        };
        assert_eq!(answer.status, expected, "{what}: {answer:?}");
    }
    let none = json!({ "loadbalancer": { "vip_subnet_id": state::NEUTRON_SUBNET, "enterprise_project_id": "" } });
    assert_eq!(client.post("/v2/P/elb/loadbalancers", none).await.refusal(), (400, "ELB.1202".to_owned()));
}

#[tokio::test]
async fn what_is_being_made_cannot_be_changed_yet() {
    let (cloud, client) = world().await;
    cloud.turn(Change { delays_ms: [("loadbalancer.create".to_owned(), 60_000)].into(), ..Change::default() }).unwrap();
    let load_balancer = shared(&client, "web").await;
    let path = format!("/v2/P/elb/loadbalancers/{load_balancer}");
    let state = async || client.get(&path).await.ok()["loadbalancer"]["provisioning_status"].clone();
    assert_eq!(state().await, "PENDING_CREATE");
    let listener = json!({ "listener": { "loadbalancer_id": load_balancer, "protocol": "TCP", "protocol_port": 80 } });
    assert_eq!(client.post("/v3/P/elb/listeners", listener.clone()).await.status, 409);
    assert_eq!(client.post("/v2/P/elb/listeners", listener.clone()).await.refusal(), (409, "HTTPConflict".to_owned()));
    assert_eq!(delete(&client, &path).await.status, 409);
    cloud.advance(Duration::from_secs(60));
    assert_eq!(state().await, "ACTIVE");
    client.post("/v2/P/elb/listeners", listener).await.ok();
}

#[tokio::test]
async fn pages_follow_by_marker() {
    let (_cloud, client) = world().await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(shared(&client, &format!("lb-{n}")).await);
    }
    let (mut seen, mut marker) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/v3/P/elb/loadbalancers?limit=2{marker}")).await.ok();
        let rows = ids(&page, "loadbalancers");
        assert_eq!(page["page_info"]["current_count"], rows.len());
        seen.extend(rows);
        match page["page_info"]["next_marker"].as_str() {
            Some(next) => marker = format!("&marker={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made);
    let back = client.get(&format!("/v3/P/elb/loadbalancers?limit=2&marker={}&page_reverse=true", made[4])).await.ok();
    assert_eq!(ids(&back, "loadbalancers"), made[2..4]);
    let v2 = client.get(&format!("/v2/P/elb/loadbalancers?limit=2&marker={}", made[3])).await.ok();
    assert_eq!(ids(&v2, "loadbalancers"), made[4..]);
    assert!(v2.get("page_info").is_none());
}

#[tokio::test]
async fn a_graph_is_built_read_and_taken_down() {
    let (cloud, client) = world().await;
    let load_balancer = dedicated(&client, "web").await;
    let pool = pool(&client, &load_balancer).await;
    let members: Vec<_> = ["node-0", "node-1"]
        .iter()
        .map(|server| json!({ "address": address(&cloud, server), "protocol_port": 30080, "subnet_cidr_id": state::NEUTRON_SUBNET }))
        .collect();
    let path = format!("/v3/P/elb/pools/{pool}/members");
    let added = client.post(&format!("{path}/batch-add"), json!({ "members": members })).await;
    assert_eq!(added.status, 201);
    let statuses = |body: &Value| {
        body["members"].as_array().unwrap().iter().map(|row| row["ret_status"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&added.body), ["successful", "successful"]);
    let again = client.post(&format!("{path}/batch-add"), json!({ "members": members })).await.ok();
    assert_eq!(statuses(&again), ["existed", "existed"]);
    let single = client.post(&path, json!({ "member": members[0] })).await;
    assert_eq!(single.refusal(), (409, "ELB.8907".to_owned()));
    let monitor =
        json!({ "healthmonitor": { "pool_id": pool, "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3 } });
    client.post("/v3/P/elb/healthmonitors", monitor).await.ok();
    let listener = json!({ "listener": {
        "loadbalancer_id": load_balancer, "protocol": "TCP", "protocol_port": 80, "default_pool_id": pool } });
    let listener = id(&client.post("/v3/P/elb/listeners", listener).await.ok(), "listener");

    let tree = client.get(&format!("/v3/P/elb/loadbalancers/{load_balancer}/statuses")).await.ok();
    let tree = &tree["statuses"]["loadbalancer"];
    assert_eq!(tree["listeners"][0]["pools"][0]["members"][1]["operating_status"], "ONLINE");
    for (path, kinds, count) in [
        (format!("/v3/P/elb/listeners?loadbalancer_id={load_balancer}&loadbalancer_id=x"), "listeners", 1),
        (format!("/v3/P/elb/pools?loadbalancer_id={load_balancer}"), "pools", 1),
        (format!("/v3/P/elb/pools?listener_id={listener}"), "pools", 1),
        ("/v3/P/elb/pools?listener_id=x".to_owned(), "pools", 0),
        (format!("/v3/P/elb/members?loadbalancer_id={load_balancer}"), "members", 2),
        (format!("/v3/P/elb/members?pool_id={pool}&address={}", address(&cloud, "node-0")), "members", 1),
        (path.clone(), "members", 2),
        ("/v3/P/elb/healthmonitors".to_owned(), "healthmonitors", 1),
    ] {
        assert_eq!(ids(&client.get(&path).await.ok(), kinds).len(), count, "{path}");
    }
    let quota = client.get("/v3/P/elb/quotas/details?quota_key=member").await.ok();
    assert_eq!(quota["quotas"], json!([{ "quota_key": "member", "quota_limit": 500, "used": 2, "unit": "count" }]));

    assert_eq!(delete(&client, &format!("/v3/P/elb/loadbalancers/{load_balancer}")).await.status, 409);
    assert_eq!(delete(&client, &format!("/v3/P/elb/listeners/{listener}")).await.status, 409);
    assert_eq!(delete(&client, &format!("/v3/P/elb/pools/{pool}")).await.status, 409);
    assert_eq!(delete(&client, &format!("/v3/P/elb/loadbalancers/{load_balancer}/force-elb")).await.status, 204);
    for kinds in ["loadbalancers", "listeners", "pools", "members", "healthmonitors"] {
        assert!(ids(&client.get(&format!("/v3/P/elb/{kinds}")).await.ok(), kinds).is_empty(), "{kinds}");
    }
}

#[tokio::test]
async fn v2_works_on_shared_load_balancers_in_its_own_words() {
    let (cloud, client) = world().await;
    let load_balancer = shared(&client, "web").await;
    let listener = json!({ "listener": {
        "loadbalancer_id": load_balancer, "name": "l", "protocol": "TCP", "protocol_port": 80 } });
    let listener = client.post("/v2/P/elb/listeners", listener).await.ok();
    assert_eq!(listener["listener"]["tenant_id"], state::PROJECT);
    assert!(listener["listener"].get("keepalive_timeout").is_none());
    let listener = id(&listener, "listener");
    let body = json!({ "pool": { "listener_id": listener, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN" } });
    let pool = id(&client.post("/v2/P/elb/pools", body).await.ok(), "pool");
    let members = format!("/v2/P/elb/pools/{pool}/members");
    let member = json!({ "member": { "address": address(&cloud, "node-0"), "protocol_port": 30080, "subnet_id": state::NEUTRON_SUBNET } });
    let member = client.post(&members, member).await.ok();
    assert_eq!(member["member"]["subnet_id"], state::NEUTRON_SUBNET);
    let outside =
        json!({ "member": { "address": "192.168.0.250", "protocol_port": 30080, "subnet_id": state::NEUTRON_SUBNET } });
    assert_eq!(client.post(&members, outside).await.status, 400, "no server has it");
    assert_eq!(
        ids(&client.get(&format!("{members}?subnet_id={}", state::NEUTRON_SUBNET)).await.ok(), "members").len(),
        1
    );
    let whitelist =
        json!({ "whitelist": { "listener_id": listener, "enable_whitelist": true, "whitelist": "192.0.2.0/24" } });
    client.post("/v2/P/elb/whitelists", whitelist).await.ok();
    let change =
        put(&client, &format!("/v2/P/elb/listeners/{listener}"), json!({ "listener": { "description": "d" } }))
            .await
            .ok();
    assert_eq!(change["listener"]["description"], "d");
    let tree = client.get(&format!("/v2/P/elb/loadbalancers/{load_balancer}/statuses")).await.ok();
    assert_eq!(tree["statuses"]["loadbalancer"]["listeners"][0]["id"], listener.as_str());

    let foreign = dedicated(&client, "web").await;
    let listener = json!({ "listener": { "loadbalancer_id": foreign, "protocol": "TCP", "protocol_port": 80 } });
    assert_eq!(client.post("/v2/P/elb/listeners", listener).await.status, 404, "v2 does not know it");
    let foreign_pool = self::pool(&client, &foreign).await;
    assert_eq!(client.get(&format!("/v2/P/elb/pools/{foreign_pool}")).await.status, 404);
    assert_eq!(delete(&client, &format!("/v2/P/elb/pools/{foreign_pool}")).await.status, 404);
}

#[tokio::test]
async fn tags_are_put_on_and_searched_for() {
    let (_cloud, client) = world().await;
    let (one, two) = (shared(&client, "one").await, dedicated(&client, "two").await);
    for (load_balancer, value) in [(&one, "a"), (&two, "b")] {
        let body =
            json!({ "action": "create", "tags": [{ "key": "cluster", "value": value }, { "key": "x", "value": "y" }] });
        assert_eq!(client.post(&format!("/v3/P/loadbalancers/{load_balancer}/tags/action"), body).await.status, 204);
    }
    let v2 = client.get(&format!("/v2/P/elb/loadbalancers/{one}")).await.ok();
    assert_eq!(v2["loadbalancer"]["tags"], json!(["cluster=a", "x=y"]));
    let search =
        json!({ "action": "filter", "tags": [{ "key": "cluster", "values": ["b"] }], "limit": "100", "offset": "0" });
    let found = client.post("/v2.0/P/loadbalancers/resource_instances/action", search).await.ok();
    assert_eq!((&found["total_count"], &found["resources"][0]["resource_id"]), (&json!(1), &json!(two)));
    let body = json!({ "action": "delete", "tags": [{ "key": "x" }] });
    assert_eq!(client.post(&format!("/v3/P/loadbalancers/{one}/tags/action"), body).await.status, 204);
    let tags = client.get(&format!("/v3/P/loadbalancers/{one}/tags")).await.ok();
    assert_eq!(tags["tags"], json!([{ "key": "cluster", "value": "a" }]));
    assert_eq!(client.get(&format!("/v3/P/elb/loadbalancers/{one}/tags")).await.status, 404, "the path has no `elb`");
}

#[tokio::test]
async fn what_there_is_to_choose_from_is_told() {
    let (_cloud, client) = world().await;
    let flavors = client.get("/v3/P/elb/flavors?type=L4").await.ok();
    assert!(flavors["flavors"].as_array().unwrap().iter().all(|flavor| flavor["type"] == "L4"));
    let name = flavors["flavors"][1]["name"].as_str().unwrap();
    assert_eq!(ids(&client.get(&format!("/v3/P/elb/flavors?name={name}")).await.ok(), "flavors").len(), 1);
    let zones = client.get("/v3/P/elb/availability-zones").await.ok();
    assert_eq!(zones["availability_zones"][0][0]["code"], "ap-southeast-1a");
    assert_eq!(client.get("/v3/P/elb/quotas").await.ok()["quota"]["loadbalancer"], 50);
}

#[tokio::test]
async fn ip_groups_change_entry_by_entry() {
    let (_cloud, client) = world().await;
    let body = json!({ "ipgroup": { "name": "g", "ip_list": [{ "ip": "192.0.2.1" }] } });
    let group = id(&client.post("/v3/P/elb/ipgroups", body).await.ok(), "ipgroup");
    let path = format!("/v3/P/elb/ipgroups/{group}");
    let body =
        json!({ "ipgroup": { "ip_list": [{ "ip": "192.0.2.1", "description": "one" }, { "ip": "192.0.2.2" }] } });
    let after = client.post(&format!("{path}/iplist/create-or-update"), body).await.ok();
    assert_eq!(after["ipgroup"]["ip_list"][0], json!({ "ip": "192.0.2.1", "description": "one" }));
    let body = json!({ "ipgroup": { "ip_list": [{ "ip": "192.0.2.1" }] } });
    let after = client.post(&format!("{path}/iplist/batch-delete"), body).await.ok();
    assert_eq!(after["ipgroup"]["ip_list"], json!([{ "ip": "192.0.2.2", "description": "" }]));
    let load_balancer = dedicated(&client, "web").await;
    let listener = json!({ "listener": {
        "loadbalancer_id": load_balancer, "protocol": "TCP", "protocol_port": 80,
        "ipgroup": { "ipgroup_id": group, "enable_ipgroup": true, "type": "white" } } });
    let listener = id(&client.post("/v3/P/elb/listeners", listener).await.ok(), "listener");
    let related = client.get(&format!("{path}/related-listeners")).await.ok();
    assert_eq!(ids(&related, "listeners"), [listener]);
    assert_eq!(delete(&client, &path).await.status, 409);
}

#[tokio::test]
async fn a_failed_load_balancer_can_only_be_deleted() {
    let (cloud, client) = world().await;
    let load_balancer = shared(&client, "web").await;
    cloud.operate("set-loadbalancer-status", json!({ "id": load_balancer, "status": "ERROR" })).unwrap();
    let listener = json!({ "listener": { "loadbalancer_id": load_balancer, "protocol": "TCP", "protocol_port": 80 } });
    assert_eq!(client.post("/v3/P/elb/listeners", listener).await.status, 409);
    assert_eq!(delete(&client, &format!("/v2/P/elb/loadbalancers/{load_balancer}")).await.status, 204);
}

#[tokio::test]
async fn public_addresses_come_with_a_load_balancer_and_stay_behind_it() {
    let (cloud, client) = world().await;
    let body = json!({ "loadbalancer": {
        "vip_subnet_cidr_id": state::NEUTRON_SUBNET, "availability_zone_list": ["ap-southeast-1a"],
        "publicip": { "ip_version": 4, "network_type": "5_bgp", "bandwidth": {
            "name": "b", "size": 5, "share_type": "PER", "charge_mode": "traffic" } },
    } });
    let made = client.post("/v3/P/elb/loadbalancers", body).await.ok();
    let eip = made["loadbalancer"]["eips"][0]["eip_id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    assert_eq!(made["loadbalancer"]["publicips"][0]["publicip_id"], eip.as_str());
    let known = |eip: &str| cloud.look(|cloud| cloud.publicips.get(eip).cloned().unwrap());
    assert_eq!(known(&eip).port_id.as_deref(), made["loadbalancer"]["vip_port_id"].as_str());
    let listed = client.get(&format!("/v3/P/elb/loadbalancers?eips=eip_id%3D{eip}")).await;
    assert_eq!(ids(&listed.ok(), "loadbalancers").len(), 1);

    let load_balancer = id(&made, "loadbalancer");
    let address = format!("/v1/P/publicips/{eip}");
    put(&client, &address, json!({ "publicip": { "port_id": "" } })).await.ok();
    let view = client.get(&format!("/v3/P/elb/loadbalancers/{load_balancer}")).await.ok();
    assert_eq!(view["loadbalancer"]["eips"], json!([]), "unbinding shows");
    put(&client, &address, json!({ "publicip": { "port_id": made["loadbalancer"]["vip_port_id"] } })).await.ok();
    let body = json!({ "loadbalancer": {
        "vip_subnet_cidr_id": state::NEUTRON_SUBNET, "availability_zone_list": ["ap-southeast-1a"], "publicip_ids": [eip] } });
    let taken = client.post("/v3/P/elb/loadbalancers", body).await;
    assert_eq!(taken.status, 409, "bound to another");
    assert_eq!(cloud.look(|cloud| cloud.elb.load_balancers.len()), 1, "nothing is left of it");
    assert_eq!(delete(&client, &format!("/v3/P/elb/loadbalancers/{load_balancer}")).await.status, 204);
    let left = known(&eip);
    assert_eq!((left.status.as_str(), left.port_id), ("DOWN", None));
}

#[tokio::test]
async fn what_a_new_public_address_cannot_be_is_refused() {
    let (cloud, client) = world().await;
    let fine = json!({ "name": "b", "size": 5, "share_type": "PER" });
    for (what, publicip) in [
        ("no bandwidth", json!({ "network_type": "5_bgp" })),
        ("no size", json!({ "network_type": "5_bgp", "bandwidth": { "name": "b", "share_type": "PER" } })),
        (
            "shared by nobody",
            json!({ "network_type": "5_bgp", "bandwidth": { "name": "b", "size": 5, "share_type": "WHOLE" } }),
        ),
        ("no such line", json!({ "network_type": "dial-up", "bandwidth": fine })),
        ("IPv6", json!({ "ip_version": 6, "network_type": "5_bgp", "bandwidth": fine })),
        ("unknown field", json!({ "network_type": "5_bgp", "bandwidth": fine, "x": 1 })),
    ] {
        let body = json!({ "loadbalancer": {
            "vip_subnet_cidr_id": state::NEUTRON_SUBNET, "availability_zone_list": ["ap-southeast-1a"], "publicip": publicip } });
        assert_eq!(client.post("/v3/P/elb/loadbalancers", body).await.status, 400, "{what}");
        assert_eq!(cloud.look(|cloud| (cloud.elb.load_balancers.len(), cloud.publicips.len())), (0, 0), "{what}");
    }
}

#[tokio::test]
async fn a_large_store_is_listed_in_time() {
    let (cloud, client) = world().await;
    let seed: Seed = serde_json::from_value(json!({ "fleets": [{ "prefix": "many-", "count": 300 }] })).unwrap();
    cloud.edit(|cloud, _| cloud.seed(seed)).unwrap();
    let quotas = simulators::huawei::elb::QUOTAS.iter().map(|(name, _)| ((*name).to_owned(), 1_000_000));
    cloud.turn(Change { quotas: quotas.collect(), ..Change::default() }).unwrap();
    let members: Vec<_> = (0..200)
        .map(|n| json!({ "address": address(&cloud, &format!("many-{n}")), "protocol_port": 30080, "subnet_cidr_id": state::NEUTRON_SUBNET }))
        .collect();
    for n in 0..20 {
        let load_balancer = shared(&client, &format!("lb-{n}")).await;
        let pool = pool(&client, &load_balancer).await;
        client.post(&format!("/v3/P/elb/pools/{pool}/members/batch-add"), json!({ "members": members })).await.ok();
    }
    let page = client.get("/v3/P/elb/members?limit=2000").await.ok();
    assert_eq!(ids(&page, "members").len(), 2000);
    assert!(page["page_info"]["next_marker"].is_string());
    assert_eq!(ids(&client.get("/v3/P/elb/pools").await.ok(), "pools").len(), 20);
}
