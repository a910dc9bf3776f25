//! Load balancers that carry real connections on loopback.

use std::{net::SocketAddr, time::Duration};

use cloud_provider_api::v1;
use provider_mock::{MockProvider, cloud::Cloud, scenario::Scenario, traffic::Traffic};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::requests::*;

/// A place on loopback for one test of one process, so that those that run at the same time do not meet.
struct Place(u8);

impl Place {
    /// Sixteen addresses for load balancers.
    fn network(&self) -> String {
        let pid = std::process::id();
        format!("127.{}.{}.{}/28", 5 + pid % 5, pid / 5 % 256, self.0 * 16)
    }

    /// The address of a machine.
    fn machine(&self, number: u8) -> String {
        let pid = std::process::id();
        format!("127.{}.{}.{}", 10 + pid % 5, pid / 5 % 256, self.0 * 16 + number)
    }

    fn scenario(&self) -> Scenario {
        let network = self.network();
        let text = format!("{{loadBalancers: {{provisioning: 0s}}, network: {{loadBalancers: {network}}}}}");
        Scenario::parse(&text).unwrap()
    }
}

fn carrying(place: &Place) -> MockProvider {
    let scenario = place.scenario();
    MockProvider::with_cloud(Cloud::open(scenario, None, Some(Traffic::on_this_runtime())).unwrap())
}

/// Answers every connection with what it sent, after its own name.
async fn backend(name: &'static str, address: &str, port: u16) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut text = [0; 4];
                stream.read_exact(&mut text).await?;
                stream.write_all(name.as_bytes()).await?;
                stream.write_all(&text).await
            });
        }
    });
    (address, task)
}

/// Answers every `GET` with a status.
async fn healthz(address: &str, port: u16, status: &'static str) -> u16 {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 256];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
        }
    });
    port
}

async fn ask(address: SocketAddr) -> Option<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"ping").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok::<_, std::io::Error>(text)
    };
    tokio::time::timeout(Duration::from_secs(5), exchange).await.unwrap().ok().filter(|text| !text.is_empty())
}

struct Service {
    request: v1::EnsureLoadBalancerRequest,
}

impl Service {
    fn new(place: &Place, node_port: u16, nodes: &[&str]) -> Self {
        let addresses: Vec<_> = (1..).take(nodes.len()).map(|number| place.machine(number)).collect();
        let nodes: Vec<_> = nodes.iter().copied().zip(addresses.iter().map(String::as_str)).collect();
        let mut request = ensure_request("web");
        request.spec.as_mut().unwrap().ports =
            vec![v1::ServicePort { port: 18_080, node_port: Some(node_port.into()), ..port(18_080) }];
        request.members = Some(members(&nodes));
        Self { request }
    }

    fn spec(&mut self) -> &mut v1::LoadBalancerSpec {
        self.request.spec.as_mut().unwrap()
    }

    async fn ensure(&self, provider: &MockProvider) -> (SocketAddr, v1::LoadBalancerState) {
        let state = ensure_with(provider, self.request.clone()).await.unwrap();
        let ip = ready(state.clone()).ingress[0].ip.parse().unwrap();
        (SocketAddr::new(ip, 18_080), state)
    }
}

#[tokio::test]
async fn a_connection_is_answered_by_each_member_in_turn_and_by_the_living_alone() {
    let place = Place(1);
    let provider = carrying(&place);
    let (one, first) = backend("one ", &place.machine(1), 0).await;
    let (_, second) = backend("two ", &place.machine(2), one.port()).await;
    let (address, state) = Service::new(&place, one.port(), &["a", "b", "c"]).ensure(&provider).await;
    assert_eq!(ready(state).ingress[0].ports[0].error, "");
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(ask(address).await.unwrap());
    }
    assert!(answers.contains(&"one ping".to_owned()) && answers.contains(&"two ping".to_owned()), "{answers:?}");
    first.abort();
    let _ = first.await;
    for _ in 0..3 {
        assert_eq!(ask(address).await.unwrap(), "two ping");
    }
    second.abort();
    let _ = second.await;
    assert_eq!(ask(address).await, None);
    delete(&provider, "web").await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn ports_follow_the_service() {
    let place = Place(2);
    let provider = carrying(&place);
    let (one, _task) = backend("one ", &place.machine(1), 0).await;
    let mut service = Service::new(&place, one.port(), &["a"]);
    let (address, _) = service.ensure(&provider).await;
    assert!(ask(address).await.is_some());
    service.spec().ports[0].port = 18_081;
    service.ensure(&provider).await;
    assert!(TcpStream::connect(address).await.is_err());
    assert!(ask(SocketAddr::new(address.ip(), 18_081)).await.is_some());
}

#[tokio::test]
async fn who_is_outside_the_source_ranges_is_not_served() {
    let place = Place(3);
    let provider = carrying(&place);
    let (one, _task) = backend("one ", &place.machine(1), 0).await;
    let mut service = Service::new(&place, one.port(), &["a"]);
    service.spec().source_ranges = vec!["10.0.0.0/8".to_owned()];
    let (address, _) = service.ensure(&provider).await;
    assert_eq!(ask(address).await, None);
    service.spec().source_ranges.push("127.0.0.0/8".to_owned());
    service.ensure(&provider).await;
    assert!(ask(address).await.is_some());
}

#[tokio::test]
async fn with_the_local_policy_only_members_that_say_so_are_served() {
    let place = Place(4);
    let provider = carrying(&place);
    let (one, _task) = backend("one ", &place.machine(1), 0).await;
    let (_, _other) = backend("two ", &place.machine(2), one.port()).await;
    let health = healthz(&place.machine(1), 0, "503 Service Unavailable").await;
    healthz(&place.machine(2), health, "200 OK").await;
    let mut service = Service::new(&place, one.port(), &["a", "b"]);
    service.spec().external_traffic_policy = v1::TrafficPolicy::Local.into();
    service.spec().health_check_node_port = Some(health.into());
    let (address, _) = service.ensure(&provider).await;
    for _ in 0..4 {
        assert_eq!(ask(address).await.unwrap(), "two ping");
    }
}

#[tokio::test]
async fn affinity_keeps_a_client_at_its_member() {
    let place = Place(5);
    let provider = carrying(&place);
    let (one, _task) = backend("one ", &place.machine(1), 0).await;
    let (_, _other) = backend("two ", &place.machine(2), one.port()).await;
    let mut service = Service::new(&place, one.port(), &["a", "b"]);
    service.spec().client_ip_affinity = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let (address, _) = service.ensure(&provider).await;
    let first = ask(address).await.unwrap();
    for _ in 0..5 {
        assert_eq!(ask(address).await.unwrap(), first);
    }
}

#[tokio::test]
async fn a_draining_member_gets_nothing_new() {
    let place = Place(6);
    let provider = carrying(&place);
    let (one, _task) = backend("one ", &place.machine(1), 0).await;
    let (_, _other) = backend("two ", &place.machine(2), one.port()).await;
    let mut service = Service::new(&place, one.port(), &["a", "b"]);
    service.request.members.as_mut().unwrap().nodes[0].draining = true;
    let (address, _) = service.ensure(&provider).await;
    for _ in 0..4 {
        assert_eq!(ask(address).await.unwrap(), "two ping");
    }
}

#[tokio::test]
async fn pods_are_reached_without_a_node_port() {
    let place = Place(7);
    let provider = carrying(&place);
    let (pod, _task) = backend("pod ", &place.machine(1), 0).await;
    let mut service = Service::new(&place, 1, &[]);
    service.request.members.as_mut().unwrap().endpoints = vec![v1::EndpointMember {
        address: pod.ip().to_string(),
        port: pod.port().into(),
        port_name: "port-18080".to_owned(),
        ready: true,
        ..v1::EndpointMember::default()
    }];
    let (address, _) = service.ensure(&provider).await;
    assert_eq!(ask(address).await.unwrap(), "pod ping");
}

#[tokio::test]
async fn a_port_that_cannot_be_had_is_told_and_tried_again() {
    let place = Place(8);
    let provider = carrying(&place);
    let (one, _task) = backend("one ", &place.machine(1), 0).await;
    let service = Service::new(&place, one.port(), &["a"]);
    let (address, _) = service.ensure(&provider).await;
    delete(&provider, "web").await.unwrap();
    let squatter = TcpListener::bind(address).await.unwrap();
    let (_, state) = service.ensure(&provider).await;
    assert_eq!(state.notices[0].reason, "PortUnavailable");
    assert!(state.notices[0].message.contains(&address.to_string()), "{state:?}");
    assert_eq!(ready(state).ingress[0].ports[0].error, "mock.cloudprovider.io/PortUnavailable");
    drop(squatter);
    let (_, state) = service.ensure(&provider).await;
    assert_eq!(state.notices, []);
    assert!(ask(address).await.is_some());
}

#[tokio::test]
async fn a_cloud_that_comes_back_carries_on() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place(9);
    let open = || {
        let path = dir.path().join("cloud");
        MockProvider::with_cloud(Cloud::open(place.scenario(), Some(&path), Some(Traffic::on_this_runtime())).unwrap())
    };
    let (one, _task) = backend("one ", &place.machine(1), 0).await;
    let provider = open();
    let (address, _) = Service::new(&place, one.port(), &["a"]).ensure(&provider).await;
    drop(provider);
    let _provider = open();
    assert_eq!(ask(address).await.unwrap(), "one ping");
}
