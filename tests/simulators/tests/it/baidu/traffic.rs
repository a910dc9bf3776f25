//! Connections through load balancers.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::json;
use simulators::{
    baidu::{Baidu, NewMachine, state},
    engine::{Change, Running, Settings},
};

use super::client::Client;
use crate::traffic::{ask, member};

/// A cloud that is played by 127.N.0.0/16.
async fn carrying(n: u8) -> Running<Baidu> {
    let cloud = Baidu::default().start(Settings { traffic: Some(n), ..Settings::default() }).await.unwrap();
    cloud.turn(Change { delays_ms: [("*".to_owned(), 0)].into(), ..Change::default() }).unwrap();
    cloud
}

#[tokio::test]
async fn connections_reach_machines_by_their_weights_through_either_address() {
    let cloud = carrying(211).await;
    let names = ["heavy", "light", "idle"];
    for name in names {
        let machine = NewMachine { id: Some(format!("i-{name}")), ..NewMachine::named(name) };
        let id = cloud.edit(|cloud, _| cloud.add_machine(machine)).unwrap();
        let address = cloud.look(|cloud| cloud.machines.get(&id).unwrap().internal_ip);
        member(name, SocketAddr::new(cloud.played_by(address.into()).unwrap(), 30080)).await;
    }
    let client = Client::of(&cloud);
    let body = json!({ "name": "web", "vpcId": state::VPC, "subnetId": state::SUBNET });
    let made = client.post("/blb/v1/blb", body).await.ok();
    let path = format!("/blb/v1/blb/{}", made["blbId"].as_str().unwrap());
    let listener = json!({ "listenerPort": 8080, "backendPort": 30080, "scheduler": "RoundRobin" });
    client.post(&format!("{path}/TCPlistener"), listener).await.ok();
    let servers: Vec<_> = names
        .iter()
        .zip([100, 50, 0])
        .map(|(name, weight)| json!({ "instanceId": format!("i-{name}"), "weight": weight }))
        .collect();
    client.post(&format!("{path}/backendserver"), json!({ "backendServerList": servers })).await.ok();
    let eip = json!({ "bandwidthInMbps": 1, "billing": { "paymentTiming": "Postpaid", "billingMethod": "ByTraffic" } });
    let eip = client.post("/eip/v1/eip", eip).await.ok()["eip"].as_str().unwrap().to_owned();
    let bind = json!({ "instanceType": "BLB", "instanceId": made["blbId"] });
    client.put(&format!("/eip/v1/eip/{eip}?bind"), bind).await.ok();

    for address in [made["address"].as_str().unwrap(), &eip] {
        let at = cloud.reach(address.parse().unwrap(), 8080).unwrap_or_else(|| panic!("nothing listens at {address}"));
        let mut shares = BTreeMap::<_, u32>::new();
        for _ in 0..6 {
            *shares.entry(ask(at).await).or_default() += 1;
        }
        assert_eq!(shares, BTreeMap::from([("heavy".to_owned(), 4), ("light".to_owned(), 2)]), "{address}");
    }
    let at = cloud.reach(eip.parse().unwrap(), 8080).unwrap();
    cloud.operate("set-machine-status", json!({ "id": "i-heavy", "status": "Stopped" })).unwrap();
    assert_eq!(ask(at).await, "light", "what does not run is not sent to");
    client.put(&format!("/eip/v1/eip/{eip}?unbind"), json!(null)).await.ok();
    assert_eq!(cloud.reach(eip.parse().unwrap(), 8080), None);
    client.put(&format!("{path}/listener?batchdelete"), json!({ "portList": [8080] })).await.ok();
    assert_eq!(cloud.reach(made["address"].as_str().unwrap().parse().unwrap(), 8080), None);
}
