//! ECS.

use serde_json::{Value, json};
use simulators::{
    engine::{Change, Running},
    huawei::{Huawei, NewServer, Seed, state},
};

use crate::client::{Client, cloud};

fn names(body: &Value) -> Vec<&str> {
    body["servers"].as_array().unwrap().iter().map(|server| server["name"].as_str().unwrap_or("null")).collect()
}

fn fleet(cloud: &Running<Huawei>, count: usize) -> Vec<String> {
    let seed = json!({ "fleets": [{ "prefix": "node-", "count": count }] });
    let seed: Seed = serde_json::from_value(seed).unwrap();
    cloud.edit(|cloud, _| cloud.seed(seed)).unwrap().servers
}

#[tokio::test]
async fn servers_are_listed_in_pages_by_number() {
    let cloud = cloud().await;
    fleet(&cloud, 30);
    let client = Client::of(&cloud);
    for (query, count, first) in [
        ("", 25, "node-0"),
        ("?limit=10&offset=1", 10, "node-0"),
        ("?limit=10&offset=3", 10, "node-20"),
        ("?limit=20&offset=2", 10, "node-20"),
        ("?limit=1000", 30, "node-0"),
    ] {
        let page = client.get(&format!("/v1/P/cloudservers/detail{query}")).await.ok();
        assert_eq!(page["count"], 30, "{query}");
        let names = names(&page);
        assert_eq!((names.len(), names[0]), (count, first), "{query}");
    }
    let beyond = client.get("/v1/P/cloudservers/detail?limit=10&offset=4").await.ok();
    assert_eq!(beyond["servers"], json!([]));
    assert_eq!(client.get("/v1/P/cloudservers/detail?limit=1001").await.status, 400);
    cloud.turn(Change { page_rows: Some(7), ..Change::default() }).unwrap();
    let short = client.get("/v1/P/cloudservers/detail?limit=10").await.ok();
    assert_eq!(names(&short).len(), 7, "a cloud may give less than is asked for");
}

#[tokio::test]
async fn servers_are_found_by_name_address_and_id() {
    let cloud = cloud().await;
    let ids = fleet(&cloud, 12);
    let client = Client::of(&cloud);
    let address = cloud.look(|cloud| {
        let server = cloud.servers.get(&ids[1]).unwrap();
        cloud.ports.get(&server.ports[0]).unwrap().ipv4().unwrap()
    });
    for (query, expected) in [
        ("name=node-1".to_owned(), vec!["node-1", "node-10", "node-11"]),
        ("name=%5Enode-1%24".to_owned(), vec!["node-1"]),
        (format!("ip_eq={address}"), vec!["node-1"]),
        ("ip_eq=192.168.0".to_owned(), vec![]),
        ("status=SHUTOFF".to_owned(), vec![]),
        (format!("server_id={}%2C{}&name=x", ids[2], ids[0]), vec!["node-2", "node-0"]),
    ] {
        let page = client.get(&format!("/v1/P/cloudservers/detail?{query}")).await.ok();
        assert_eq!(names(&page), expected, "{query}");
    }
}

#[tokio::test]
async fn an_unknown_id_comes_back_empty_in_a_list_and_as_404_alone() {
    let cloud = cloud().await;
    let ids = fleet(&cloud, 1);
    let client = Client::of(&cloud);
    let page = client.get(&format!("/v1/P/cloudservers/detail?server_id=dead%2C{}", ids[0])).await.ok();
    let [unknown, known] = page["servers"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!((unknown["id"].as_str(), &unknown["status"]), (Some("dead"), &Value::Null));
    assert_eq!(unknown["fault"]["code"], 404);
    assert_eq!((known["status"].as_str(), &known["fault"]), (Some("ACTIVE"), &Value::Null));
    assert_eq!(client.get("/v1/P/cloudservers/dead").await.refusal(), (404, "Ecs.0114".to_owned()));
    client.get(&format!("/v1/P/cloudservers/{}", ids[0])).await.ok();
    let many = vec!["x"; 101].join("%2C");
    assert_eq!(client.get(&format!("/v1/P/cloudservers/detail?server_id={many}")).await.status, 400);
}

#[tokio::test]
async fn a_server_shows_what_a_provider_reads() {
    let cloud = cloud().await;
    let new = NewServer { address: Some([192, 168, 0, 12].into()), ..NewServer::named("node") };
    let id = cloud.edit(|cloud, _| cloud.add_server(new)).unwrap();
    let client = Client::of(&cloud);
    let server = client.get(&format!("/v1/P/cloudservers/{id}")).await.ok()["server"].clone();
    assert_eq!(server["addresses"][state::VPC][0]["addr"], "192.168.0.12");
    assert_eq!(server["flavor"]["name"], "c6.large.2");
    assert_eq!(server["OS-EXT-AZ:availability_zone"], "ap-southeast-1a");
    let interfaces = client.get(&format!("/v1/P/cloudservers/{id}/os-interface")).await.ok();
    let fixed = &interfaces["interfaceAttachments"][0]["fixed_ips"][0];
    assert_eq!(*fixed, json!({ "ip_address": "192.168.0.12", "subnet_id": state::NEUTRON_SUBNET }));
    let status = json!({ "id": id, "status": "SHUTOFF" });
    cloud.operate("set-server-status", status).unwrap();
    let server = client.get(&format!("/v1/P/cloudservers/{id}")).await.ok();
    assert_eq!(server["server"]["status"], "SHUTOFF");
    cloud.operate("delete-server", json!({ "id": id })).unwrap();
    assert_eq!(client.get(&format!("/v1/P/cloudservers/{id}")).await.status, 404);
}

#[tokio::test]
async fn security_groups_come_and_go_by_novas_actions() {
    let cloud = cloud().await;
    let id = fleet(&cloud, 1).remove(0);
    let client = Client::of(&cloud);
    let act = async |what: &str, group: &str| {
        client.post(&format!("/v2.1/P/servers/{id}/action"), json!({ what: { "name": group } })).await
    };
    let groups = async || client.get(&format!("/v2.1/P/servers/{id}/os-security-groups")).await.ok();
    assert_eq!(groups().await["security_groups"][0]["id"], state::SECURITY_GROUP);
    assert_eq!(act("removeSecurityGroup", state::SECURITY_GROUP).await.status, 202);
    assert_eq!(groups().await["security_groups"], json!([]));
    let again = act("removeSecurityGroup", state::SECURITY_GROUP).await;
    assert!(again.body.to_string().contains("not associated with the instance"), "{again:?}");
    let unknown = act("addSecurityGroup", "nobodys").await;
    assert!(unknown.body.to_string().contains("is not found for project"), "{unknown:?}");
    assert_eq!(act("addSecurityGroup", state::SECURITY_GROUP).await.status, 202);
    assert_eq!(act("reboot", "x").await.refusal(), (400, "badRequest".to_owned()), "an action it does not have");
}
