//! Machines of a region, VPCs and subnets.

use std::time::Duration;

use serde_json::{Value, json};
use simulators::{baidu::state, engine::Change};

use super::client::{Client, cloud};

fn ids(body: &Value, kind: &str) -> Vec<String> {
    body[kind].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lists_are_paged_filtered_and_limited() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    cloud
        .seed(json!({ "fleets": [{ "prefix": "n-", "count": 5 }, { "prefix": "b-", "count": 2, "kind": "BBC" }] }))
        .unwrap();
    let all = ids(&client.get("/bcc/v2/instance").await.ok(), "instances");
    assert_eq!(all.len(), 5, "bare metal is of another service");
    let (mut marker, mut seen) = (String::new(), Vec::new());
    loop {
        let page = client.get(&format!("/bcc/v2/instance?maxKeys=2&marker={marker}")).await.ok();
        assert_eq!((&page["marker"], &page["maxKeys"]), (&json!(marker), &json!(2)));
        seen.extend(ids(&page, "instances"));
        match page["nextMarker"].as_str() {
            Some(next) => next.clone_into(&mut marker),
            None => break assert_eq!(page["isTruncated"], false),
        }
        assert!(page["isTruncated"] == true && !all.contains(&marker), "a marker is no id");
    }
    assert_eq!(seen, all);
    let by_ids = format!("/bcc/v2/instance?instanceIds={},{},i-nobody", all[1], all[3]);
    assert_eq!(ids(&client.get(&by_ids).await.ok(), "instances"), [all[1].clone(), all[3].clone()]);
    let one = client.get(&format!("/bcc/v2/instance/{}", all[0])).await.ok()["instance"].clone();
    let address = one["internalIp"].as_str().unwrap();
    let by_address = client.get(&format!("/bcc/v2/instance?internalIp={address}")).await.ok();
    assert_eq!(by_address["instances"], json!([one]));
    let by_address = format!("/bcc/v2/instance?privateIps={address}&vpcId={}", state::VPC);
    assert_eq!(ids(&client.get(&by_address).await.ok(), "instances"), all[..1]);
    let listed =
        client.post("/bcc/v2/instance/listByInstanceId", json!({ "instanceIds": [all[4], "i-nobody"] })).await.ok();
    assert_eq!(ids(&listed, "instances"), all[4..]);
    let many = vec!["i-1"; 101];
    for (path, wrong) in [
        ("/bcc/v2/instance?maxKeys=1001".to_owned(), None),
        ("/bcc/v2/instance?maxKeys=0".to_owned(), None),
        (format!("/bcc/v2/instance?vpcId={}", state::VPC), None),
        ("/bcc/v2/instance?marker=i-1".to_owned(), None),
        (format!("/bcc/v2/instance?instanceIds={}", many.join(",")), None),
        ("/bcc/v2/instance/listByInstanceId".to_owned(), Some(json!({ "instanceIds": many }))),
    ] {
        let answer = match wrong {
            None => client.get(&path).await,
            Some(body) => client.post(&path, body).await,
        };
        assert_eq!(answer.refusal(), (400, "InvalidParameter"), "{path}");
    }
}

#[tokio::test]
async fn a_forced_page_size_and_a_lag_hold_for_lists_alone() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    cloud.seed(json!({ "fleets": [{ "prefix": "n-", "count": 3 }] })).unwrap();
    cloud.turn(Change { page_rows: Some(2), lag_ms: Some(5000), ..Change::default() }).unwrap();
    let page = client.get("/bcc/v2/instance").await.ok();
    let all = ids(&page, "instances");
    assert_eq!((all.len(), &page["isTruncated"]), (2, &json!(true)));
    cloud.operate("delete-machine", json!({ "id": all[0] })).unwrap();
    assert_eq!(ids(&client.get("/bcc/v2/instance").await.ok(), "instances"), all);
    assert_eq!(client.get(&format!("/bcc/v2/instance/{}", all[0])).await.refusal(), (404, "NoSuchObject"));
    cloud.advance(Duration::from_secs(6));
    assert_ne!(ids(&client.get("/bcc/v2/instance").await.ok(), "instances"), all);
}

#[tokio::test]
async fn a_machine_is_shown_with_all_that_is_known() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    cloud
        .seed(json!({ "machines": [
            { "id": "i-1", "name": "n1", "hostname": "h1", "spec": "bcc.gn5.c8m32", "gpuCard": "V100", "ipv6": "fd00::4",
              "address": "192.168.0.4", "podIps": ["192.168.0.77"], "tags": [{ "tagKey": "role", "tagValue": "worker" }] },
            { "id": "i-2", "name": "b1", "kind": "BBC" },
        ] }))
        .unwrap();
    let one = client.get("/bcc/v2/instance/i-1").await.ok()["instance"].clone();
    for (field, value) in [
        ("status", json!("Running")),
        ("cpuCount", json!(8)),
        ("memoryCapacityInGB", json!(32)),
        ("zoneName", json!("cn-bj-a")),
        ("vpcId", json!(state::VPC)),
        ("publicIp", json!("")),
        ("tags", json!([{ "tagKey": "role", "tagValue": "worker" }])),
    ] {
        assert_eq!(one[field], value, "{field}");
    }
    assert_eq!(one["nicInfo"]["ips"][1], json!({ "privateIp": "192.168.0.77", "primary": "false", "eip": "" }));
    assert_eq!(client.get("/bbc/v1/instance/i-1").await.refusal(), (400, "NoSuchObject"));
    assert_eq!(client.get("/bcc/v2/instance/i-2").await.refusal(), (404, "NoSuchObject"));
    assert_eq!(client.get("/bbc/v1/instance/i-2").await.ok()["flavorId"], "BBC-G4-02");
    let tags = json!({ "changeTags": [{ "tagKey": "role", "tagValue": "master" }, { "tagKey": "x" }] });
    client.put("/bcc/v2/instance/i-1/tag?bind", tags.clone()).await.ok();
    let tagged = client.get("/bcc/v2/instance/i-1").await.ok()["instance"]["tags"].clone();
    assert_eq!(tagged, json!([{ "tagKey": "role", "tagValue": "master" }, { "tagKey": "x", "tagValue": "" }]));
    client.put("/bcc/v2/instance/i-1/tag?unbind=", tags).await.ok();
    assert_eq!(client.get("/bcc/v2/instance/i-1").await.ok()["instance"]["tags"], json!([]));
    cloud.operate("set-machine-status", json!({ "id": "i-1", "status": "Stopped" })).unwrap();
    assert_eq!(client.get("/bcc/v2/instance?status=Stopped").await.ok()["instances"][0]["id"], "i-1");
}

#[tokio::test]
async fn subnets_tell_their_vpc_and_what_is_free_in_them() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let small = json!({ "id": "sbn-small", "cidr": "192.168.128.0/29", "subnetType": "BBC", "zoneName": "cn-bj-b" });
    cloud.seed(json!({ "subnets": [small] })).unwrap();
    let subnet = client.get("/vpc/v1/subnet/sbn-small").await.ok()["subnet"].clone();
    assert_eq!((&subnet["availableIp"], &subnet["vpcId"]), (&json!(5), &json!(state::VPC)));
    for path in ["/bcc/v1/subnet", "/bcc/v1/vpc/subnet"] {
        let list = client.get(&format!("{path}?vpcId={}&subnetType=BBC", state::VPC)).await.ok();
        assert_eq!(list["subnets"], json!([subnet]), "{path}");
    }
    for path in ["/vpc/v1/subnet/sbn-x", "/vpc/v1/vpc/subnet/sbn-x", "/vpc/v1/vpc/vpc-x"] {
        assert_eq!(client.get(path).await.refusal(), (404, "NoSuchObject"), "{path}");
    }
    let vpc = client.get(&format!("/vpc/v1/vpc/{}", state::VPC)).await.ok()["vpc"].clone();
    assert_eq!((vpc["cidr"].as_str(), vpc["subnets"].as_array().map(Vec::len)), (Some("192.168.0.0/16"), Some(2)));
    let body = json!({ "name": "a", "vpcId": state::VPC, "subnetId": "sbn-small" });
    for _ in 0..5 {
        client.post("/blb/v1/blb", body.clone()).await.ok();
    }
    assert_eq!(client.get("/vpc/v1/subnet/sbn-small").await.ok()["subnet"]["availableIp"], 0);
    assert_eq!(client.post("/blb/v1/blb", body).await.refusal(), (413, "SubnetIpExceedLimit"));
}
