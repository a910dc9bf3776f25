//! AppBLB.

use std::net::SocketAddr;

use serde_json::{Value, json};
use simulators::{
    baidu::{Baidu, state},
    engine::{Change, Running, Settings},
};

use super::client::{Answer, Client, cloud};
use crate::traffic::{ask, member};

/// A client, and a load balancer's path, in a cloud with two machines.
async fn world(cloud: &Running<Baidu>) -> (Client, String) {
    cloud.seed(json!({ "machines": [{ "id": "i-1", "name": "a" }, { "id": "i-2", "name": "b" }] })).unwrap();
    let client = Client::of(cloud);
    let body = json!({ "name": "web", "vpcId": state::VPC, "subnetId": state::SUBNET });
    let made = client.post("/blb/v1/appblb", body).await.ok();
    let path = format!("/blb/v1/appblb/{}", made["blbId"].as_str().unwrap());
    (client, path)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

async fn group(client: &Client, path: &str, name: &str) -> String {
    let body = json!({ "name": name, "backendServerList": [{ "instanceId": "i-1", "weight": 100 }] });
    text(&client.post(&format!("{path}/appservergroup"), body).await.ok()["id"])
}

async fn port(client: &Client, path: &str, group: &str, port: u16, kind: &str) -> Answer {
    client.post(&format!("{path}/appservergroupport"), json!({ "sgId": group, "port": port, "type": kind })).await
}

fn policy(group: &str, priority: u32) -> Value {
    json!({ "listenerPort": 80, "type": "TCP", "appPolicyVos": [{
        "desc": "d", "appServerGroupId": group, "backendPort": 30080, "priority": priority,
        "ruleList": [{ "key": "*", "value": "*" }],
    }] })
}

#[tokio::test]
async fn a_listener_sends_to_the_group_that_its_policy_names() {
    let cloud = cloud().await;
    let (client, path) = world(&cloud).await;
    let id = group(&client, &path, "first").await;
    port(&client, &path, &id, 30080, "TCP").await.ok();
    let listener = json!({ "listenerPort": 80, "scheduler": "RoundRobin" });
    client.post(&format!("{path}/TCPlistener"), listener).await.ok();
    client.post(&format!("{path}/policys"), policy(&id, 1)).await.ok();
    let policies = client.get(&format!("{path}/policys?port=80&type=TCP")).await.ok()["policyList"].clone();
    let first = &policies[0];
    assert_eq!(
        (&first["appServerGroupName"], &first["backendPort"], &first["frontendPort"]),
        (&json!("first"), &json!(30080), &json!(80))
    );
    let detail = client.get(&path).await.ok();
    assert_eq!(detail["listener"], json!([{ "port": "80", "type": "TCP" }]));
    assert_eq!(client.get(&path.replace("appblb", "blb")).await.refusal(), (404, "NoSuchObject"), "it is no BLB");

    let groups = client.get(&format!("{path}/appservergroup")).await.ok()["appServerGroupList"].clone();
    let port_id = text(&groups[0]["portList"][0]["id"]);
    assert_eq!(
        (&groups[0]["portList"][0]["healthCheck"], &groups[0]["portList"][0]["port"]),
        (&json!("TCP"), &json!(30080))
    );
    let in_use = (400, "ResourceInUse");
    let delete = json!({ "sgId": id });
    assert_eq!(client.put(&format!("{path}/appservergroup?delete"), delete.clone()).await.refusal(), in_use);
    let ports = json!({ "sgId": id, "portIdList": [port_id] });
    assert_eq!(client.put(&format!("{path}/appservergroupport?batchdelete"), ports.clone()).await.refusal(), in_use);
    let changed = json!({ "sgId": id, "portId": port_id, "healthCheckUpRetry": 5 });
    client.put(&format!("{path}/appservergroupport"), changed).await.ok();
    let again = client.get(&format!("{path}/appservergroup?name=first&exactlyMatch=true")).await.ok();
    assert_eq!(again["appServerGroupList"][0]["portList"][0]["healthCheckUpRetry"], 5);

    let gone = json!({ "port": 80, "type": "TCP", "policyIdList": [first["id"]] });
    client.put(&format!("{path}/policys?batchdelete"), gone.clone()).await.ok();
    assert_eq!(client.put(&format!("{path}/policys?batchdelete"), gone).await.refusal(), (404, "PolicyNotFound"));
    client.put(&format!("{path}/appservergroupport?batchdelete"), ports).await.ok();
    client.put(&format!("{path}/appservergroup?delete"), delete.clone()).await.ok();
    assert_eq!(client.put(&format!("{path}/appservergroup?delete"), delete).await.refusal(), (404, "NoSuchObject"));
}

#[tokio::test]
async fn a_policy_that_cannot_be_is_refused() {
    let cloud = cloud().await;
    let (client, path) = world(&cloud).await;
    let id = group(&client, &path, "first").await;
    let make = async |body: Value| client.post(&format!("{path}/policys"), body).await;
    assert_eq!(make(policy(&id, 1)).await.refusal(), (404, "ListenerNotFound"));
    client.post(&format!("{path}/TCPlistener"), json!({ "listenerPort": 80, "scheduler": "RoundRobin" })).await.ok();
    assert_eq!(make(policy(&id, 1)).await.refusal(), (400, "InvalidParameter"), "the group has no such port");
    port(&client, &path, &id, 30080, "HTTP").await.ok();
    assert_eq!(make(policy(&id, 1)).await.refusal(), (400, "InvalidParameter"), "nor one for TCP");
    port(&client, &path, &id, 30080, "TCP").await.ok();
    assert_eq!(make(policy("sg-nobody", 1)).await.refusal(), (404, "NoSuchObject"));
    assert_eq!(make(policy(&id, 0)).await.refusal(), (400, "InvalidParameter"));
    let mut by_host = policy(&id, 1);
    by_host["appPolicyVos"][0]["ruleList"] = json!([{ "key": "host", "value": "a.example" }]);
    assert_eq!(make(by_host).await.refusal(), (400, "InvalidParameter"), "TCP knows no hosts");
    make(policy(&id, 1)).await.ok();
    assert_eq!(make(policy(&id, 2)).await.refusal(), (400, "PolicyAlreadyExist"), "TCP has one policy");
    let all = json!({ "portList": [80] });
    client.put(&format!("{path}/listener?batchdelete"), all).await.ok();
    assert_eq!(cloud.look(|cloud| cloud.blbs.iter().next().unwrap().policies.len()), 0, "they go with their listener");
}

#[tokio::test]
async fn ports_and_machines_of_groups_are_counted_and_known() {
    let cloud = cloud().await;
    let (client, path) = world(&cloud).await;
    let id = group(&client, &path, "first").await;
    port(&client, &path, &id, 53, "TCP").await.ok();
    assert_eq!(port(&client, &path, &id, 53, "TCP").await.refusal(), (400, "AppServerGroupPortAlreadyExist"));
    assert_eq!(port(&client, &path, &id, 53, "UDP").await.refusal(), (400, "InvalidParameter"), "UDP needs a string");
    let udp = json!({ "sgId": id, "port": 53, "type": "UDP", "udpHealthCheckString": "HealthCheck" });
    client.post(&format!("{path}/appservergroupport"), udp).await.ok();
    assert_eq!(port(&client, &path, "sg-nobody", 53, "TCP").await.refusal(), (404, "NoSuchObject"));

    let machines = |ids: &[&str]| {
        let list: Vec<_> = ids.iter().map(|id| json!({ "instanceId": id, "weight": 50 })).collect();
        json!({ "sgId": id, "backendServerList": list })
    };
    let at = format!("{path}/blbrs");
    assert_eq!(client.post(&at, machines(&["i-1"])).await.refusal(), (400, "BackendServerAlreadyExist"));
    assert_eq!(client.post(&at, machines(&["i-9"])).await.refusal(), (404, "InstanceNotFound"));
    client.post(&at, machines(&["i-2"])).await.ok();
    client.put(&at, machines(&["i-1"])).await.ok();
    let list = client.get(&format!("{at}?sgId={id}")).await.ok()["backendServerList"].clone();
    let told: Vec<_> =
        list.as_array().unwrap().iter().map(|row| (text(&row["instanceId"]), row["weight"].clone())).collect();
    assert_eq!(told, [("i-1".to_owned(), json!(50)), ("i-2".to_owned(), json!(50))]);
    assert_eq!(list[0]["portList"][0]["status"], "Alive");
    let remove = json!({ "sgId": id, "backendServerIdList": ["i-1"] });
    client.put(&format!("{at}?batchdelete"), remove.clone()).await.ok();
    assert_eq!(client.put(&format!("{at}?batchdelete"), remove).await.refusal(), (404, "BackendServerNotFound"));
    let mounted = client.get(&format!("{path}/blbrsmount?sgId={id}")).await.ok();
    assert_eq!(mounted["backendServerList"][0]["instanceId"], "i-2");
    let unmounted = client.get(&format!("{path}/blbrsunmount?sgId={id}")).await.ok();
    assert_eq!(unmounted["backendServerList"][0]["instanceId"], "i-1");
    cloud.turn(serde_json::from_value(json!({ "quotas": { "server_groups_per_blb": 1 } })).unwrap()).unwrap();
    let answer = client.post(&format!("{path}/appservergroup"), json!({ "name": "second" })).await;
    assert_eq!(answer.refusal(), (413, "AppServerGroupExceedLimit"));
}

#[tokio::test]
async fn connections_reach_machines_and_bare_addresses() {
    let cloud = Baidu::default().start(Settings { traffic: Some(212), ..Settings::default() }).await.unwrap();
    cloud.turn(Change { delays_ms: [("*".to_owned(), 0)].into(), ..Change::default() }).unwrap();
    let (client, path) = world(&cloud).await;
    let address = cloud.look(|cloud| cloud.machines.get("i-1").unwrap().internal_ip);
    member("machine", SocketAddr::new(cloud.played_by(address.into()).unwrap(), 30080)).await;
    member("address", SocketAddr::new(cloud.played_by("192.168.77.7".parse().unwrap()).unwrap(), 31000)).await;
    let id = group(&client, &path, "machines").await;
    port(&client, &path, &id, 30080, "TCP").await.ok();
    for listener in [80, 81] {
        let body = json!({ "listenerPort": listener, "scheduler": "RoundRobin" });
        client.post(&format!("{path}/TCPlistener"), body).await.ok();
    }
    client.post(&format!("{path}/policys"), policy(&id, 1)).await.ok();
    let body = json!({ "name": "ips", "memberList": [{ "ip": "192.168.77.7", "port": 31000, "weight": 10 }] });
    let ips = text(&client.post(&format!("{path}/ipgroup"), body).await.ok()["id"]);
    let to_ips = json!({ "listenerPort": 81, "appPolicyVos": [{
        "appIpGroupId": ips, "priority": 1, "ruleList": [{ "key": "*", "value": "*" }] }] });
    assert_eq!(client.post(&format!("{path}/policys"), to_ips.clone()).await.refusal(), (400, "InvalidParameter"));
    client.post(&format!("{path}/ipgroup/backendpolicy"), json!({ "ipGroupId": ips, "type": "TCP" })).await.ok();
    client.post(&format!("{path}/policys"), to_ips).await.ok();
    let front = cloud.look(|cloud| cloud.blbs.iter().next().unwrap().address);
    assert_eq!(ask(cloud.reach(front.into(), 80).unwrap()).await, "machine");
    assert_eq!(ask(cloud.reach(front.into(), 81).unwrap()).await, "address");
    let listed = client.get(&format!("{path}/ipgroup/member?ipGroupId={ips}")).await.ok()["memberList"].clone();
    let idle = json!({ "ipGroupId": ips, "memberList": [{ "memberId": listed[0]["memberId"], "weight": 0 }] });
    client.put(&format!("{path}/ipgroup/member"), idle).await.ok();
    assert_eq!(ask(cloud.reach(front.into(), 81).unwrap()).await, "");
    let gone = json!({ "ipGroupId": ips, "memberIdList": [listed[0]["memberId"]] });
    client.put(&format!("{path}/ipgroup/member?delete"), gone.clone()).await.ok();
    assert_eq!(
        client.put(&format!("{path}/ipgroup/member?delete"), gone).await.refusal(),
        (404, "IpGroupMemberNotFound")
    );
    let used = client.put(&format!("{path}/ipgroup?delete"), json!({ "ipGroupId": ips })).await;
    assert_eq!(used.refusal(), (400, "ResourceInUse"));
}
