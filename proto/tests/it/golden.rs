//! Bytes written by earlier releases, a message of each service. They decode in every later one, into the same meaning.
//!
//! A file is written once, in the release that brings the message, and never again: `API_BASELINE=accept` only adds the
//! files that are not there.

use std::{collections::BTreeMap, env, fmt::Debug, fs};

use cloud_provider_api::v1;
use prost::Message;
use prost_types::{Duration, Timestamp};

use crate::schema::stored;

#[track_caller]
fn check<M: Message + Default + PartialEq + Debug>(name: &str, expected: &M) {
    let path = stored(&format!("golden/{name}.binpb"));
    if !path.exists() && env::var_os("API_BASELINE").is_some() {
        fs::write(&path, expected.encode_to_vec()).expect("the golden file can be written");
    }
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("golden/{name}.binpb: {error}"));
    assert!(!bytes.is_empty(), "golden/{name}.binpb proves nothing");
    let decoded = M::decode(bytes.as_slice()).unwrap_or_else(|error| panic!("golden/{name}.binpb: {error}"));
    assert_eq!(&decoded, expected, "golden/{name}.binpb");
}

fn cluster() -> v1::Cluster {
    v1::Cluster { id: "0b1c2d3e-cluster".to_owned(), name: "kubernetes".to_owned() }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 250_000_000 }
}

fn strings(of: &[&str]) -> Vec<String> {
    of.iter().map(|&text| text.to_owned()).collect()
}

fn internal_ip(address: &str) -> v1::NodeAddress {
    v1::NodeAddress { r#type: v1::AddressType::InternalIp.into(), address: address.to_owned() }
}

#[test]
fn identity_handshake_response() {
    check(
        "identity.HandshakeResponse.1",
        &v1::HandshakeResponse {
            provider_name: "mock.example".to_owned(),
            provider_version: "0.1.0".to_owned(),
            api_minor: 1,
            epoch: "5f0c".to_owned(),
            provider_id_schemes: strings(&["mock", ""]),
            accounts: vec![v1::Account { id: "project-1".to_owned(), region: "north-1".to_owned() }],
            capabilities: vec![v1::Capability::Instances.into(), v1::Capability::LoadBalancers.into()],
            limits: Some(v1::Limits {
                max_instances: Some(100),
                load_balancer_concurrency: Some(0),
                ..Default::default()
            }),
            annotation_prefixes: strings(&["mock.example/"]),
            tenants: strings(&["team-a"]),
            node_selector_annotations: Vec::new(),
        },
    );
}

#[test]
fn instances_batch_get_instances_response() {
    use v1::instance_result::Answer;

    let result = |node_name: &str, answer| v1::InstanceResult {
        node_name: node_name.to_owned(),
        answer: Some(answer),
        observed_at: Some(at(1_700_000_000)),
    };
    let found = v1::Instance {
        provider_id: "mock://i-1".to_owned(),
        instance_type: "m.large".to_owned(),
        zone: "north-1a".to_owned(),
        region: "north-1".to_owned(),
        addresses: vec![internal_ip("10.0.0.1")],
        state: v1::InstanceState::Running.into(),
        labels: [("mock.example/rack".to_owned(), "7".to_owned())].into(),
        account: "project-1".to_owned(),
    };
    let absent = v1::InstanceAbsent {
        account: "project-1".to_owned(),
        region: "north-1".to_owned(),
        evidence: "InstanceNotFound, request id 7f".to_owned(),
    };
    let unknown = v1::ItemStatus {
        code: 8,
        reason: "THROTTLED".to_owned(),
        message: "too many calls".to_owned(),
        retry_after: Some(Duration { seconds: 3, nanos: 0 }),
    };
    check(
        "instances.BatchGetInstancesResponse.1",
        &v1::BatchGetInstancesResponse {
            results: vec![
                result("found", Answer::Found(found)),
                result("gone", Answer::NotFound(absent)),
                result("foreign", Answer::NotOurs(v1::InstanceNotOurs { reason: "scheme aws".to_owned() })),
                result("unknown", Answer::Unknown(unknown)),
            ],
        },
    );
}

#[test]
fn load_balancers_ensure_load_balancer_request() {
    let spec = v1::LoadBalancerSpec {
        ports: vec![v1::ServicePort {
            name: "http".to_owned(),
            protocol: v1::Protocol::Tcp.into(),
            port: 80,
            node_port: Some(30080),
            target_port: "web".to_owned(),
            app_protocol: "http".to_owned(),
        }],
        source_ranges: strings(&["192.0.2.0/24"]),
        external_traffic_policy: v1::TrafficPolicy::Local.into(),
        health_check_node_port: Some(31000),
        client_ip_affinity: Some(Duration { seconds: 10800, nanos: 0 }),
        load_balancer_ip: "198.51.100.7".to_owned(),
        load_balancer_class: "ccm.cloudprovider.io/mock".to_owned(),
        ip_families: vec![v1::IpFamily::Ipv4.into(), v1::IpFamily::Ipv6.into()],
        ip_family_policy: v1::IpFamilyPolicy::PreferDualStack.into(),
        annotations: BTreeMap::from([("mock.example/size".to_owned(), "small".to_owned())]).into_iter().collect(),
        external_ips: strings(&["203.0.113.9"]),
    };
    let node = v1::NodeMember {
        node_name: "node-1".to_owned(),
        provider_id: "mock://i-1".to_owned(),
        addresses: vec![internal_ip("10.0.0.1")],
        zone: "north-1a".to_owned(),
        draining: true,
    };
    let endpoint = v1::EndpointMember {
        address: "10.1.0.4".to_owned(),
        port: 8080,
        port_name: "http".to_owned(),
        node_name: "node-1".to_owned(),
        zone: "north-1a".to_owned(),
        ready: true,
        draining: false,
    };
    check(
        "load_balancers.EnsureLoadBalancerRequest.1",
        &v1::EnsureLoadBalancerRequest {
            key: Some(v1::LoadBalancerKey {
                cluster: Some(cluster()),
                service_namespace: "default".to_owned(),
                service_name: "web".to_owned(),
                service_uid: "8d2f".to_owned(),
                tenant: "team-a".to_owned(),
                handle: "lb-1".to_owned(),
                attempted: false,
                published_addresses: Vec::new(),
            }),
            spec: Some(spec),
            members: Some(v1::Members { nodes: vec![node], endpoints: vec![endpoint] }),
            spec_hash: "c0ffee".to_owned(),
        },
    );
}

#[test]
fn routes_create_routes_request() {
    let route = v1::Route {
        name: String::new(),
        target_node: "node-1".to_owned(),
        target_addresses: vec![internal_ip("10.0.0.1")],
        compare_addresses: true,
        destination_cidr: "10.244.1.0/24".to_owned(),
        blackhole: false,
        target_provider_id: "mock://i-1".to_owned(),
        annotations: [("mock.example/table".to_owned(), "main".to_owned())].into(),
    };
    let item = v1::RouteItem { id: 1, route: Some(route), name_hint: "8d2f".to_owned() };
    check("routes.CreateRoutesRequest.1", &v1::CreateRoutesRequest { cluster: Some(cluster()), routes: vec![item] });
}

#[test]
fn clusters_list_clusters_response() {
    use v1::list_clusters_response::Page;

    let listed = v1::ManagedCluster {
        id: "c-1".to_owned(),
        name: "prod".to_owned(),
        version: "1.37.1".to_owned(),
        region: "north-1".to_owned(),
        state: "Available".to_owned(),
        endpoints: vec![v1::ClusterEndpoint::Public.into(), v1::ClusterEndpoint::Vpc.into()],
        notices: Vec::new(),
    };
    check(
        "clusters.ListClustersResponse.1",
        &v1::ListClustersResponse { page: Some(Page::Items(v1::ClusterPage { clusters: vec![listed] })) },
    );
    check(
        "clusters.ListClustersResponse.complete.1",
        &v1::ListClustersResponse {
            page: Some(Page::Complete(v1::ListComplete { total: 1, observed_at: Some(at(1_700_000_000)) })),
        },
    );
}

#[test]
fn registries_replace_registry_user_response() {
    let user = v1::RegistryUser {
        id: "u-1".to_owned(),
        username: "north-1@robot".to_owned(),
        enabled: true,
        expires_at: Some(at(1_800_000_000)),
        ours: true,
    };
    let credential = v1::RegistryCredential {
        hosts: strings(&["registry.example"]),
        username: "north-1@robot".to_owned(),
        password: "not a real one".to_owned(),
        expires_at: Some(at(1_800_000_000)),
    };
    check(
        "registries.ReplaceRegistryUserResponse.1",
        &v1::ReplaceRegistryUserResponse {
            user: Some(user),
            credential: Some(credential),
            steps: strings(&["made user robot"]),
        },
    );
}
