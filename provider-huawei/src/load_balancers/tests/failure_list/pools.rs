//! Who answers behind a load balancer.

use cloud_provider_api::v1;
use serde_json::{Value, json};
use simulators::huawei::NewServer;

use super::{
    super::rig::{Rig, Service},
    listener, next,
};

fn members(rig: &Rig) -> Vec<String> {
    let members = listener(rig)["pool"]["members"].as_array().unwrap().clone();
    members.iter().map(|member| format!("{}:{}", member["address"].as_str().unwrap(), member["port"])).collect()
}

fn pod(address: &str, node: u32) -> v1::EndpointMember {
    v1::EndpointMember {
        address: address.to_owned(),
        port: 8080,
        port_name: "p80".to_owned(),
        node_name: format!("node-{node}"),
        ready: true,
        ..v1::EndpointMember::default()
    }
}

/// A Service without node ports.
fn with_pods(service: Service, pods: &[&str]) -> Service {
    service.change(|s| {
        s.spec.ports[0].node_port = None;
        s.spec.ports[0].target_port = "8080".to_owned();
        s.members.endpoints = pods.iter().zip(1..).map(|(pod_ip, node)| pod(pod_ip, node)).collect();
    })
}

/// #270: with `allocateLoadBalancerNodePorts: false` pods were added again and again, or not at all.
#[tokio::test]
async fn issue_270_pods_become_members_once() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let (one, two, three) = ("192.168.100.1", "192.168.100.2", "192.168.100.3");
        let mut service = with_pods(rig.service(class).await, &[one, two]);
        rig.ensure(&mut service).await;
        assert_eq!(members(&rig), [format!("{one}:8080"), format!("{two}:8080")], "{class}");
        rig.sim.forget_calls();
        rig.ensure(&mut service).await;
        assert_eq!(rig.calls().1, [""; 0], "{class}: nothing is added again");
        let mut other = with_pods(next(&service, "s1-m2"), &[two, three]);
        rig.sim.forget_calls();
        rig.update_members(&mut other).await.unwrap();
        assert_eq!(members(&rig), [format!("{two}:8080"), format!("{three}:8080")], "{class}");
        let (_, writes) = rig.calls();
        assert!(writes.len() <= 3, "{class}: {writes:?}");
    }
}

/// #270: pods outside the VPC's subnets are members of a dedicated load balancer by their address alone.
#[tokio::test]
async fn issue_270_pods_outside_the_vpc_need_a_load_balancer_that_takes_addresses() {
    let rig = Rig::start().await;
    let service = with_pods(rig.service("dedicated").await, &["10.244.1.5"]);
    let error = rig.ensure_once(&service).await.unwrap_err();
    assert!(error.message().contains("enable-cross-vpc"), "{error}");
    let mut service = service.with(("elb.enable-cross-vpc", "true"));
    rig.ensure(&mut service).await;
    assert_eq!(members(&rig), ["10.244.1.5:8080"]);
    rig.sim.forget_calls();
    rig.ensure(&mut service).await;
    assert_eq!(rig.calls().1, [""; 0]);
}

/// PR #235, #236: a member's subnet was looked up by the host's name.
#[tokio::test]
async fn pr_236_a_members_subnet_is_that_of_its_address() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        rig.sim
            .seed(json!({"subnets": [{"id": "net-2", "neutronSubnetId": "subnet-2", "cidr": "192.168.200.0/24"}]}))
            .unwrap();
        rig.sim
            .edit(|cloud, _| {
                cloud.add_server(NewServer { subnet_id: Some("net-2".to_owned()), ..NewServer::named("node-4") })
            })
            .unwrap();
        let mut service = rig.service(class).await.change(|s| s.members.nodes.push(rig.node(4)));
        rig.ensure(&mut service).await;
        let members = listener(&rig)["pool"]["members"].clone();
        let of_second = |member: &&Value| member["address"].as_str().unwrap().starts_with("192.168.200.");
        let member = members.as_array().unwrap().iter().find(of_second).unwrap().clone();
        assert_eq!(member["subnet"], "subnet-2", "{class}: {members}");
    }
}

/// 11.2.5: an empty list of nodes ended the process.
#[tokio::test]
async fn seen_5_a_service_without_nodes_is_made_and_filled_later() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let mut service = rig.service(class).await;
        let nodes = std::mem::take(&mut service.members.nodes);
        rig.ensure(&mut service).await;
        assert_eq!(members(&rig), [""; 0], "{class}");
        let mut filled = next(&service, "s1-m2").change(|s| s.members.nodes = nodes);
        rig.update_members(&mut filled).await.unwrap();
        assert_eq!(members(&rig).len(), 2, "{class}");
        let mut empty = next(&filled, "s1-m3").change(|s| s.members.nodes.clear());
        rig.update_members(&mut empty).await.unwrap();
        assert_eq!(members(&rig), [""; 0], "{class}");
    }
}

/// 11.2.5: and with rules of a NAT gateway, which then lead nowhere.
#[tokio::test]
async fn seen_5_rules_without_nodes_wait_for_one() {
    let rig = Rig::start().await;
    let mut service = rig.service("dnat").await;
    let nodes = std::mem::take(&mut service.members.nodes);
    let state = rig.ensure_once(&service).await.unwrap();
    assert!(format!("{state:?}").contains("no node is there"), "{state:?}");
    service.members.nodes = nodes;
    rig.ensure(&mut service).await;
    rig.delete(&service).await;
}
