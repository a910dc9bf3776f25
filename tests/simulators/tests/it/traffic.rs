//! Connections through load balancers.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::json;
use simulators::{
    engine::{Running, Settings},
    huawei::{Huawei, NewServer, Seed, state},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::client::Client;

/// A cloud that is played by 127.N.0.0/16.
async fn carrying(n: u8) -> Running<Huawei> {
    Huawei::default().start(Settings { traffic: Some(n), ..Settings::default() }).await.unwrap()
}

/// A member that answers every connection with its name.
pub(crate) async fn member(name: &'static str, at: SocketAddr) {
    let listener = TcpListener::bind(at).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.write_all(name.as_bytes()).await;
        }
    });
}

pub(crate) async fn ask(at: SocketAddr) -> String {
    let mut said = String::new();
    if let Ok(mut connection) = TcpStream::connect(at).await {
        let _ = connection.read_to_string(&mut said).await;
    }
    said
}

#[tokio::test]
async fn connections_reach_members_by_their_weights_through_either_address() {
    let cloud = carrying(201).await;
    let addresses = cloud.edit(|cloud, _| {
        ["heavy", "light", "idle"].map(|name| {
            let id = cloud.add_server(NewServer::named(name)).unwrap();
            cloud.ports.get(&cloud.servers.get(&id).unwrap().ports[0]).unwrap().ipv4().unwrap()
        })
    });
    for (name, address) in ["heavy", "light", "idle"].into_iter().zip(addresses) {
        member(name, SocketAddr::new(cloud.played_by(address.into()).unwrap(), 30080)).await;
    }
    let client = Client::of(&cloud);
    let body = json!({ "loadbalancer": {
        "vip_subnet_cidr_id": state::NEUTRON_SUBNET, "availability_zone_list": ["ap-southeast-1a"],
        "publicip": { "network_type": "5_bgp", "bandwidth": { "name": "b", "size": 5, "share_type": "PER" } } } });
    let load_balancer = client.post("/v3/P/elb/loadbalancers", body).await.ok()["loadbalancer"].clone();
    let body =
        json!({ "pool": { "loadbalancer_id": load_balancer["id"], "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN" } });
    let pool = client.post("/v3/P/elb/pools", body).await.ok()["pool"]["id"].as_str().unwrap().to_owned();
    let body = json!({ "listener": {
        "loadbalancer_id": load_balancer["id"], "protocol": "TCP", "protocol_port": 8080, "default_pool_id": pool } });
    let listener = client.post("/v3/P/elb/listeners", body).await.ok()["listener"]["id"].as_str().unwrap().to_owned();
    let members: Vec<_> = addresses
        .iter()
        .zip([20, 10, 0])
        .map(|(address, weight)| {
            json!({ "address": address, "protocol_port": 30080, "subnet_cidr_id": state::NEUTRON_SUBNET, "weight": weight })
        })
        .collect();
    let batch = format!("/v3/P/elb/pools/{pool}/members/batch-add");
    client.post(&batch, json!({ "members": members })).await.ok();

    for address in [&load_balancer["vip_address"], &load_balancer["eips"][0]["eip_address"]] {
        let address = address.as_str().unwrap().parse().unwrap();
        let at = cloud.reach(address, 8080).unwrap_or_else(|| panic!("nothing listens at {address}"));
        let mut shares = BTreeMap::<_, u32>::new();
        for _ in 0..6 {
            *shares.entry(ask(at).await).or_default() += 1;
        }
        assert_eq!(shares, BTreeMap::from([("heavy".to_owned(), 4), ("light".to_owned(), 2)]), "{address}");
    }
    let vip = load_balancer["vip_address"].as_str().unwrap().parse().unwrap();
    client.call(reqwest::Method::DELETE, &format!("/v3/P/elb/listeners/{listener}/force"), None).await.unwrap().ok();
    assert!(cloud.reach(vip, 8080).is_none(), "without listener nothing listens");
}

#[tokio::test]
async fn an_ip_group_keeps_clients_out() {
    let cloud = carrying(202).await;
    let address = cloud.edit(|cloud, _| {
        let id = cloud.add_server(NewServer::named("node")).unwrap();
        cloud.ports.get(&cloud.servers.get(&id).unwrap().ports[0]).unwrap().ipv4().unwrap()
    });
    member("node", SocketAddr::new(cloud.played_by(address.into()).unwrap(), 30080)).await;
    let client = Client::of(&cloud);
    let body = json!({ "loadbalancer": { "vip_subnet_id": state::NEUTRON_SUBNET } });
    let load_balancer = client.post("/v2/P/elb/loadbalancers", body).await.ok()["loadbalancer"].clone();
    let body =
        json!({ "listener": { "loadbalancer_id": load_balancer["id"], "protocol": "TCP", "protocol_port": 8080 } });
    let listener = client.post("/v3/P/elb/listeners", body).await.ok()["listener"]["id"].clone();
    let body = json!({ "pool": { "listener_id": listener, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN" } });
    let pool = client.post("/v3/P/elb/pools", body).await.ok()["pool"]["id"].as_str().unwrap().to_owned();
    let body =
        json!({ "member": { "address": address, "protocol_port": 30080, "subnet_cidr_id": state::NEUTRON_SUBNET } });
    client.post(&format!("/v3/P/elb/pools/{pool}/members"), body).await.ok();
    let body = json!({ "ipgroup": { "ip_list": [{ "ip": "127.0.0.0/8" }] } });
    let group = client.post("/v3/P/elb/ipgroups", body).await.ok()["ipgroup"]["id"].clone();
    let vip = load_balancer["vip_address"].as_str().unwrap().parse().unwrap();
    for (kind, expected) in [("white", "node"), ("black", "")] {
        let body = json!({ "listener": { "ipgroup": { "ipgroup_id": group, "enable_ipgroup": true, "type": kind } } });
        let path = format!("/v3/P/elb/listeners/{}", listener.as_str().unwrap());
        client.call(reqwest::Method::PUT, &path, Some(body)).await.unwrap().ok();
        assert_eq!(ask(cloud.reach(vip, 8080).unwrap()).await, expected, "{kind}");
    }
}

#[tokio::test]
async fn a_dnat_rule_leads_to_its_port() {
    let cloud = carrying(203).await;
    let seed: Seed = serde_json::from_value(json!({ "natGateways": [{ "id": "gateway" }] })).unwrap();
    let (port, address) = cloud.edit(|cloud, _| {
        cloud.seed(seed).unwrap();
        let id = cloud.add_server(NewServer::named("node")).unwrap();
        let port = cloud.servers.get(&id).unwrap().ports[0].clone();
        (port.clone(), cloud.ports.get(&port).unwrap().ipv4().unwrap())
    });
    member("node", SocketAddr::new(cloud.played_by(address.into()).unwrap(), 30080)).await;
    let client = Client::of(&cloud);
    let body = json!({ "publicip": { "type": "5_bgp" }, "bandwidth": { "name": "b", "size": 5, "share_type": "PER" } });
    let eip = client.post("/v1/P/publicips", body).await.ok()["publicip"].clone();
    let body = json!({ "dnat_rule": {
        "nat_gateway_id": "gateway", "port_id": port, "internal_service_port": 30080, "floating_ip_id": eip["id"],
        "external_service_port": 8081, "protocol": "tcp" } });
    client.post("/v2/P/dnat_rules", body).await.ok();
    let public = eip["public_ip_address"].as_str().unwrap().parse().unwrap();
    assert_eq!(ask(cloud.reach(public, 8081).unwrap()).await, "node");
}
