//! The edge, and the private cloud.

use std::{net::SocketAddr, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use simulators::{
    baidu::{Baidu, state},
    engine::{Change, Running, Settings},
};

use super::client::{Client, cloud, slow_cloud};
use crate::traffic::{ask, member};

fn seed(cloud: &Running<Baidu>) {
    let other = json!({
        "region": "NORTH_CHINA", "city": "BEIJING", "serviceProvider": "CHINA_UNICOM", "regionId": "cn-beijing-un",
        "publicIps": [["CHINA_UNICOM", "198.51.100.200"]],
    });
    cloud
        .seed(json!({ "machines": [
            { "id": "vm-1", "name": "e1", "kind": "BEC", "address": "172.16.0.4" },
            { "id": "vm-2", "name": "e2", "kind": "BEC", "address": "172.16.0.5", "edge": other },
            { "id": "i-1", "name": "n1" },
        ] }))
        .unwrap();
}

#[tokio::test]
async fn both_versions_show_the_machines_at_the_edge_in_their_own_words() {
    let cloud = cloud().await;
    seed(&cloud);
    let client = Client::of(&cloud);
    let list = client.get("/bec/v2/vm/instance").await.ok();
    let told: Vec<_> =
        list["instances"].as_array().unwrap().iter().map(|row| (row["id"].clone(), row["status"].clone())).collect();
    assert_eq!(told, [(json!("vm-1"), json!("running")), (json!("vm-2"), json!("running"))]);
    let by_ids = client.get("/bec/v2/vm/instance?instanceIds=vm-2,vm-9").await.ok();
    assert_eq!(by_ids["instances"].as_array().unwrap().len(), 1);
    let page = client.get("/bec/v1/vm/instance?pageNo=1&pageSize=1&region=NORTH_CHINA").await.ok();
    assert_eq!((&page["totalCount"], &page["result"][0]["vmId"]), (&json!(1), &json!("vm-2")));
    let one = client.get("/bec/v1/vm/instance/vm-2").await.ok();
    assert_eq!(
        (&one["publicIp"], &one["status"], &one["regionId"]),
        (&json!("198.51.100.200"), &json!("RUNNING"), &json!("cn-beijing-un"))
    );
    assert_eq!(client.get("/bec/v1/vm/instance/i-1").await.refusal(), (404, "VmNotFound"));
    let place = client.get("/bec/v1/vm/instance/regions/NORTH_CHINA/sps/CHINA_UNICOM/cities/BEIJING").await.ok();
    assert_eq!(place["totalCount"], 1);
}

fn blb(name: &str, carrier: &str) -> Value {
    json!({
        "lbType": "vm", "paymentMethod": "netraffic", "region": "EAST_CHINA", "city": "HANGZHOU", "serviceProvider": carrier,
        "blbName": name, "needPublicIp": true, "bandwidthInMbpsLimit": 100,
    })
}

fn monitor(protocol: &str, port: u16) -> Value {
    json!({ "frontendPort": { "protocol": protocol, "port": port }, "backendPort": 30080, "lbMode": "wrr" })
}

#[tokio::test]
async fn a_load_balancer_of_the_first_version_has_monitors_and_bindings() {
    let cloud = Baidu::default().start(Settings { traffic: Some(213), ..Settings::default() }).await.unwrap();
    cloud.turn(Change { delays_ms: [("*".to_owned(), 0)].into(), ..Change::default() }).unwrap();
    seed(&cloud);
    let client = Client::of(&cloud);
    let made = client.post("/bec/v1/blb", blb("web", "TRIPLE_LINE")).await.ok()["details"].clone();
    let addresses = ["cmPublicIP", "ctPublicIP", "unPublicIP"].map(|field| made[field].as_str().unwrap().to_owned());
    assert!(addresses.iter().all(|address| !address.is_empty()) && addresses[0] != addresses[1], "{made}");
    let path = format!("/bec/v1/blb/{}", made["blbId"].as_str().unwrap());
    let monitors = format!("{path}/monitor");
    client.post(&monitors, monitor("TCP", 80)).await.ok();
    assert_eq!(client.post(&monitors, monitor("TCP", 80)).await.refusal(), (400, "MonitorAlreadyExist"));
    assert_eq!(
        client.post(&monitors, monitor("UDP", 80)).await.refusal(),
        (400, "InvalidParameter"),
        "UDP needs a string"
    );
    assert_eq!(client.put(&monitors, monitor("TCP", 81)).await.refusal(), (404, "MonitorNotFound"));
    let bind =
        |name: &str, ip: &str| json!({ "bindingForms": [{ "podWeight": [{ "name": name, "ip": ip, "weight": 10 }] }] });
    client.post(&format!("{path}/binding"), bind("vm-1", "172.16.0.4")).await.ok();
    assert_eq!(
        client.post(&format!("{path}/binding"), bind("vm-1", "172.16.0.4")).await.refusal(),
        (400, "BackendAlreadyExist")
    );
    assert_eq!(
        client.post(&format!("{path}/binding"), bind("vm-2", "172.16.0.9")).await.refusal(),
        (404, "VmNotFound")
    );
    let bound = client.get(&format!("{path}/binded")).await.ok();
    assert_eq!(
        (&bound["result"][0]["podName"], &bound["result"][0]["backendPort"][0]["health"]),
        (&json!("vm-1"), &json!(true))
    );
    member("edge", SocketAddr::new(cloud.played_by("172.16.0.4".parse().unwrap()).unwrap(), 30080)).await;
    for address in &addresses {
        assert_eq!(ask(cloud.reach(address.parse().unwrap(), 80).unwrap()).await, "edge", "{address}");
    }
    let found = client.get("/bec/v1/blb?keywordType=blbName&keyword=we").await.ok();
    assert_eq!(
        (&found["totalCount"], &found["result"][0]["ports"]),
        (&json!(1), &json!([{ "protocol": "TCP", "port": 80 }]))
    );
    let weight = json!({ "podWeightList": [{ "name": "vm-1", "ip": "172.16.0.4", "weight": 0 }] });
    client.put(&format!("{path}/binded"), weight.clone()).await.ok();
    client.call(Method::DELETE, &format!("{path}/binded"), Some(weight.clone())).await.unwrap().ok();
    let again = client.call(Method::DELETE, &format!("{path}/binded"), Some(weight)).await.unwrap();
    assert_eq!(again.refusal(), (404, "BackendNotFound"));
    client.call(Method::DELETE, &monitors, Some(json!([{ "protocol": "TCP", "port": 80 }]))).await.unwrap().ok();
    assert_eq!(client.get(&monitors).await.ok()["totalCount"], 0);
    client.put(&path, json!({ "type": "bandwidth", "bandwidthInMbpsLimit": 200 })).await.ok();
    assert_eq!(client.get(&path).await.ok()["bandwidthInMbpsLimit"], 200);
    client.delete(&path).await.ok();
    assert_eq!(client.get(&path).await.refusal(), (404, "BlbNotFound"));
    let mut wide = blb("wide", "CHINA_MOBILE");
    wide["bandwidthInMbpsLimit"] = json!(20_001);
    assert_eq!(client.post("/bec/v1/blb", wide).await.refusal(), (400, "InvalidParameter"));
}

#[tokio::test]
async fn it_takes_a_while_to_be_there() {
    let cloud = slow_cloud().await;
    cloud.turn(Change { delays_ms: [("*".to_owned(), 1000)].into(), ..Change::default() }).unwrap();
    let client = Client::of(&cloud);
    let made = client.post("/bec/v1/blb", blb("web", "CHINA_MOBILE")).await.ok()["details"].clone();
    let path = format!("/bec/v1/blb/{}", made["blbId"].as_str().unwrap());
    assert_eq!(made["status"], "CREATING");
    assert_eq!(
        client.post(&format!("{path}/monitor"), monitor("TCP", 80)).await.refusal(),
        (409, "LastOperationNotFinished")
    );
    cloud.advance(Duration::from_secs(1));
    assert_eq!(client.get(&path).await.ok()["status"], "RUNNING");
    client.post(&format!("{path}/monitor"), monitor("TCP", 80)).await.ok();
}

#[tokio::test]
async fn one_of_the_second_version_sends_to_groups_of_addresses() {
    let cloud = Baidu::default().start(Settings { traffic: Some(214), ..Settings::default() }).await.unwrap();
    cloud.turn(Change { delays_ms: [("*".to_owned(), 0)].into(), ..Change::default() }).unwrap();
    seed(&cloud);
    let client = Client::of(&cloud);
    let body = json!({ "name": "web", "regionId": "cn-hangzhou-cm", "needPublicIp": true });
    let made = client.post("/bec/v2/appblb?clientToken=t", body.clone()).await.ok();
    assert_eq!(client.post("/bec/v2/appblb?clientToken=t", body).await.ok(), made);
    let path = format!("/bec/v2/appblb/{}", made["blbId"].as_str().unwrap());
    let detail = client.get(&path).await.ok();
    assert_eq!((&detail["regionId"], &detail["status"]), (&json!("cn-hangzhou-cm"), &json!("available")));
    client.post(&format!("{path}/TCPlistener"), json!({ "listenerPort": 80, "scheduler": "RoundRobin" })).await.ok();
    let group = client.post(&format!("{path}/ipgroup"), json!({ "name": "nodes" })).await.ok()["id"].clone();
    let check =
        client.post(&format!("{path}/ipgroup/backendpolicy"), json!({ "ipGroupId": group, "type": "TCP" })).await.ok();
    assert!(check["id"].is_string(), "{check}");
    let members = json!({ "ipGroupId": group, "memberList": [{ "ip": "172.16.0.4", "port": 30080, "weight": 100 }] });
    let added = client.post(&format!("{path}/ipgroup/member"), members).await.ok();
    assert!(added["memberList"][0]["memberId"].is_string(), "{added}");
    let policy =
        json!({ "listenerPort": 80, "type": "TCP", "appPolicyVos": [{ "appIpGroupId": group, "priority": 1 }] });
    client.post(&format!("{path}/policys"), policy).await.ok();
    member("edge", SocketAddr::new(cloud.played_by("172.16.0.4".parse().unwrap()).unwrap(), 30080)).await;
    let public = detail["publicIp"].as_str().unwrap().parse().unwrap();
    assert_eq!(ask(cloud.reach(public, 80).unwrap()).await, "edge");
    assert_eq!(client.get("/bec/v2/appblb").await.ok()["blbList"].as_array().unwrap().len(), 1);
    assert_eq!(client.get("/blb/v1/appblb").await.ok()["blbList"], json!([]), "the region's are others");
    client.delete(&path).await.ok();
}

#[tokio::test]
async fn the_private_cloud_has_all_below_one_prefix() {
    let cloud = cloud().await;
    seed(&cloud);
    let client = Client::of(&cloud);
    let own = client.get("/internal-api/v1/instance?clusterid=c-1").await.ok();
    assert_eq!((own["instances"].as_array().unwrap().len(), &own["instances"][0]["id"]), (1, &json!("i-1")));
    client.get("/internal-api/v2/instance").await.ok();
    client.get(&format!("/internal-api/v1/vpc/subnet?vpcId={}", state::VPC)).await.ok();
    client.get(&format!("/internal-api/v1/route?vpcId={}", state::VPC)).await.ok();
    let body = json!({ "name": "web", "vpcId": state::VPC, "subnetId": state::SUBNET });
    let made = client.post("/internal-api/v1/blb", body).await.ok();
    client.get(&format!("/blb/v1/blb/{}", made["blbId"].as_str().unwrap())).await.ok();
}
