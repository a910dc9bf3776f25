use controller_core::{provider::Notice, view::NodeAddress};

use super::*;
use crate::provider::testing::{self, key, spec};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn ip(ip: &str) -> v1::Ingress {
    v1::Ingress { ip: ip.into(), ..v1::Ingress::default() }
}

fn host(name: &str) -> v1::Ingress {
    v1::Ingress { hostname: name.into(), ..v1::Ingress::default() }
}

fn ready(ingress: Vec<v1::Ingress>) -> v1::LoadBalancerState {
    let ready = v1::Ready { ingress, spec_hash: "h".into() };
    v1::LoadBalancerState {
        phase: Some(load_balancer_state::Phase::Ready(ready)),
        handle: "lb-1".into(),
        notices: vec![v1::Notice { severity: 2, reason: "Slow".into(), message: "slow".into() }],
    }
}

fn progress(poll_after: Option<prost_types::Duration>) -> v1::LoadBalancerState {
    let progress = v1::InProgress { poll_after, message: "creating".into() };
    v1::LoadBalancerState { phase: Some(load_balancer_state::Phase::InProgress(progress)), ..Default::default() }
}

fn wait(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

#[test]
fn a_ready_load_balancer_is_taken_whole() {
    let wire = v1::Ingress {
        ip_mode: v1::IpMode::Proxy.into(),
        ports: vec![v1::PortStatus { port: 80, protocol: 1, error: "InUse".into() }],
        ..ip("192.0.2.1")
    };
    let ingress = Ingress {
        ip: "192.0.2.1".into(),
        hostname: String::new(),
        ip_mode: Some(IpMode::Proxy),
        ports: vec![PortStatus { port: 80, protocol: Protocol::Tcp, error: Some("InUse".into()) }],
    };
    assert_eq!(
        state(Some(ready(vec![wire]))),
        Ok(LoadBalancerState {
            phase: Phase::Ready { ingress: vec![ingress], spec_hash: "h".into() },
            handle: "lb-1".into(),
            notices: vec![Notice { warning: true, reason: "Slow".into(), message: "slow".into() }],
        })
    );
}

#[test]
fn modes_go_with_addresses_only() {
    let mode = |wire: v1::Ingress| ingress(wire).expect("good").ip_mode;
    assert_eq!(mode(ip("192.0.2.1")), Some(IpMode::Vip), "unspecified is VIP");
    assert_eq!(mode(v1::Ingress { ip_mode: 99, ..ip("2001:db8::1") }), Some(IpMode::Vip), "unknown is VIP");
    assert_eq!(mode(v1::Ingress { ip_mode: v1::IpMode::Proxy.into(), ..host("lb.example") }), None);
}

#[test]
fn delays_are_kept_within_bounds() {
    let check = |wire, expected: Duration| match state(Some(progress(wire))).expect("good").phase {
        Phase::InProgress { poll_after, .. } => assert_eq!(poll_after, expected),
        Phase::Ready { .. } => panic!("ready"),
    };
    check(Some(wait(2)), Duration::from_secs(2));
    check(Some(wait(0)), Duration::from_millis(100));
    check(Some(wait(86_400)), Duration::from_secs(300));
}

#[test]
fn bad_answers_are_refused_by_name() {
    let with_port = |port, protocol| {
        ready(vec![v1::Ingress {
            ports: vec![v1::PortStatus { port, protocol, error: String::new() }],
            ..ip("192.0.2.1")
        }])
    };
    let cases: Vec<(Option<v1::LoadBalancerState>, &str)> = vec![
        (None, "state is missing"),
        (Some(v1::LoadBalancerState::default()), "neither ready nor in progress"),
        (Some(ready(vec![])), "ready without ingress"),
        (Some(ready(vec![v1::Ingress::default()])), "neither ip nor hostname"),
        (Some(ready(vec![v1::Ingress { hostname: "lb".into(), ..ip("192.0.2.1") }])), "both ip and hostname"),
        (Some(ready(vec![ip("192.0.2.1"), ip("192.0.2")])), "ingress.ip \"192.0.2\""),
        (Some(ready(vec![ip("0.0.0.0")])), "ingress.ip \"0.0.0.0\""),
        (Some(ready(vec![ip("ff02::1")])), "ingress.ip \"ff02::1\""),
        (Some(ready(vec![host("Not A Name")])), "ingress.hostname \"Not A Name\""),
        (Some(ready(vec![host("192.0.2.1")])), "ingress.hostname \"192.0.2.1\""),
        (Some(with_port(0, 1)), "ingress.ports.port \"0\""),
        (Some(with_port(70_000, 1)), "ingress.ports.port \"70000\""),
        (Some(with_port(80, 9)), "ingress.ports.protocol \"9\""),
        (Some(progress(None)), "poll_after is missing or negative"),
        (Some(progress(Some(wait(-1)))), "poll_after is missing or negative"),
        (Some(v1::LoadBalancerState { handle: "h".repeat(2049), ..ready(vec![ip("192.0.2.1")]) }), "handle has 2049"),
        (Some(v1::LoadBalancerState { handle: "a\nb".into(), ..ready(vec![ip("192.0.2.1")]) }), "handle \"a\\nb\""),
    ];
    for (wire, says) in cases {
        let refusal = state(wire).expect_err(says).to_string();
        assert!(refusal.contains(says), "{refusal} does not say {says}");
    }
}

#[test]
fn a_removal_is_over_only_when_the_daemon_says_so() {
    let wire = |outcome| v1::DeleteLoadBalancerResponse { outcome, notices: vec![] };
    let deleted = delete_state(wire(Some(Outcome::Deleted(v1::Deleted {})))).expect("good");
    assert_eq!(deleted.in_progress, None);
    let waiting = v1::InProgress { poll_after: Some(wait(5)), message: "draining".into() };
    let waiting = delete_state(wire(Some(Outcome::InProgress(waiting)))).expect("good");
    assert_eq!(waiting.in_progress, Some((Duration::from_secs(5), "draining".into())));
    assert_eq!(delete_state(wire(None)), Err(InvalidLoadBalancer::NoOutcome));
    let undated = v1::InProgress { poll_after: None, message: String::new() };
    assert_eq!(delete_state(wire(Some(Outcome::InProgress(undated)))), Err(InvalidLoadBalancer::PollAfter));
}

#[test]
fn what_the_cloud_shows_has_a_date() {
    let wire = |observed_at| v1::GetLoadBalancerResponse { state: Some(ready(vec![ip("192.0.2.1")])), observed_at };
    let seen = observed_state(wire(Some(prost_types::Timestamp { seconds: 999_999, nanos: 0 })), NOW).expect("good");
    assert_eq!(seen.1, Timestamp::from_secs(999_999));
    observed_state(wire(None), NOW).expect_err("undated");
}

#[test]
fn the_list_is_of_this_cluster_and_tenant() {
    let cluster = testing::cluster();
    let wire = |id: &str, tenant: &str, uid: &str| v1::OwnedLoadBalancer {
        key: Some(v1::LoadBalancerKey {
            cluster: Some(v1::Cluster { id: id.into(), name: String::new() }),
            service_uid: uid.into(),
            tenant: tenant.into(),
            ..v1::LoadBalancerKey::default()
        }),
        name: "lb".into(),
        ..v1::OwnedLoadBalancer::default()
    };
    let ours = |wire| owned(&cluster, "t1", wire);
    let doubled = ours(vec![wire(&cluster.id, "t1", "u1"), wire(&cluster.id, "t1", "u1")]).expect("good");
    assert_eq!(doubled.len(), 2, "two of one key are what an audit is for");
    assert_eq!(ours(vec![wire("other", "t1", "u1")]), Err(InvalidLoadBalancer::OtherCluster(Excerpt::of("other"))));
    assert_eq!(ours(vec![wire(&cluster.id, "t2", "u1")]), Err(InvalidLoadBalancer::OtherTenant(Excerpt::of("t2"))));
    ours(vec![wire(&cluster.id, "t1", "")]).expect_err("without a UID nobody knows whose it is");
    ours(vec![v1::OwnedLoadBalancer::default()]).expect_err("without a key");
}

#[test]
fn requests_say_what_the_service_says() {
    let (cluster, info, key, spec) = (testing::cluster(), testing::info(), key(), spec());
    let about = About { cluster: &cluster, info: &info, key: &key };
    let members = [NodeMember {
        node_name: "n1".into(),
        provider_id: "test://i-1".into(),
        addresses: vec![NodeAddress::new(controller_core::view::AddressType::InternalIp, "10.0.0.1")],
        zone: "z1".into(),
        draining: true,
    }];
    let endpoints = [EndpointMember {
        address: "10.1.0.1".parse().expect("an address"),
        port: 8080,
        port_name: "web".into(),
        node_name: "n1".into(),
        zone: String::new(),
        ready: true,
        draining: false,
    }];
    let wanted = Wanted { spec: &spec, members: &members, endpoints: &endpoints, hash: "h1" };

    let wire = ensure_request(about, wanted);
    let sent = wire.key.expect("a key");
    assert_eq!((sent.service_uid.as_str(), sent.tenant.as_str(), sent.handle.as_str()), ("u1", "t1", "lb-1"));
    assert_eq!(sent.cluster, Some(wire_cluster(&cluster)));
    assert_eq!(wire.spec_hash, "h1");
    let sent = wire.spec.expect("a spec");
    assert_eq!(sent.ports[0].node_port, Some(30_080));
    assert_eq!(sent.external_traffic_policy(), v1::TrafficPolicy::Local);
    assert_eq!(sent.health_check_node_port, Some(32_000));
    assert_eq!(sent.client_ip_affinity, Some(wait(10_800)));
    assert_eq!(sent.annotations.keys().collect::<Vec<_>>(), ["test.example/eip"], "others are none of its business");
    assert_eq!(sent.ip_families, [v1::IpFamily::Ipv4 as i32]);
    assert_eq!(sent.ip_family_policy(), v1::IpFamilyPolicy::PreferDualStack);
    let sent = wire.members.expect("members");
    assert!(sent.nodes[0].draining);
    assert_eq!((sent.endpoints[0].address.as_str(), sent.endpoints[0].port), ("10.1.0.1", 8080));

    let wire = members_request(about, wanted);
    assert_eq!((wire.ports.len(), wire.spec_hash.as_str()), (1, "h1"));
    assert_eq!(wire.annotations.len(), 1);
    assert_eq!(delete_request(about, &spec.annotations).annotations.len(), 1);
    assert!(plan_request(about, wanted, true).delete);
}
