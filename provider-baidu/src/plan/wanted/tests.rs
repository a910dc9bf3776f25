use super::*;

fn owner(uid: &str) -> Owner {
    Owner { uid: uid.to_owned(), ..Owner::default() }
}

fn port(protocol: v1::Protocol, port: u32) -> v1::ServicePort {
    v1::ServicePort { protocol: protocol.into(), port, node_port: Some(30000 + port), ..v1::ServicePort::default() }
}

fn spec(ports: &[v1::ServicePort]) -> v1::LoadBalancerSpec {
    v1::LoadBalancerSpec { ports: ports.to_vec(), ..v1::LoadBalancerSpec::default() }
}

fn read_as(spec: &v1::LoadBalancerSpec, settings: &Settings, public: bool, kind: Kind) -> Result<Wanted, Refusal> {
    let around = Surroundings { settings, kind, kinds: &Kind::ALL, public };
    Wanted::read(owner("u1"), spec, None, &around)
}

fn read(spec: &v1::LoadBalancerSpec) -> Result<Wanted, Refusal> {
    read_as(spec, &Settings::default(), true, Kind::Plain)
}

fn nodes(count: u32) -> v1::Members {
    let node = |number| v1::NodeMember {
        node_name: format!("n-{number}"),
        provider_id: format!("cce://i-{number}"),
        ..v1::NodeMember::default()
    };
    v1::Members { nodes: (0..count).map(node).collect(), endpoints: Vec::new() }
}

fn chosen(uid: &str, members: &v1::Members, most: u16) -> Vec<String> {
    let settings = Settings { most_servers: Some(most), ..Settings::default() };
    let members = wanted_members(&owner(uid), Some(members), Kind::Plain, &settings, &mut Vec::new());
    members.into_iter().map(|member| member.target).collect()
}

/// `TestValidateService`, and every field that cannot be honoured.
#[test]
fn what_cannot_be_is_refused_by_field() {
    let tcp = || spec(&[port(v1::Protocol::Tcp, 80)]);
    let with = |change: fn(&mut v1::LoadBalancerSpec)| {
        let mut spec = tcp();
        change(&mut spec);
        spec
    };
    for (spec, part) in [
        (spec(&[]), "at least one"),
        (spec(&[port(v1::Protocol::Tcp, 0)]), "1 to 65535"),
        (spec(&[port(v1::Protocol::Sctp, 80)]), "SCTP"),
        (spec(&[port(v1::Protocol::Tcp, 80), port(v1::Protocol::Tcp, 80)]), "twice"),
        (with(|spec| spec.ports[0].node_port = None), "allocateLoadBalancerNodePorts"),
        (with(|spec| spec.source_ranges = vec!["203.0.113.0/24".to_owned()]), "security group"),
        (with(|spec| spec.source_ranges = vec!["x".to_owned()]), "is no CIDR"),
        (with(|spec| spec.ip_families = vec![v1::IpFamily::Ipv6.into()]), "IPv6"),
        (with(|spec| spec.ip_family_policy = v1::IpFamilyPolicy::RequireDualStack.into()), "RequireDualStack"),
        (with(|spec| spec.load_balancer_ip = "x".to_owned()), "is no IP address"),
        (with(|spec| spec.load_balancer_ip = "::1".to_owned()), "only IPv4"),
    ] {
        let refusal = read(&spec).unwrap_err();
        assert!(refusal.message.contains(part), "{part}: {refusal:?}");
    }
    assert!(read(&with(|spec| spec.source_ranges = vec!["0.0.0.0/0".to_owned()])).is_ok());
    let both = read(&spec(&[port(v1::Protocol::Tcp, 53), port(v1::Protocol::Udp, 53)])).unwrap();
    assert_eq!(both.ports.len(), 2, "one port with two protocols is two listeners");
    let dual = read(&with(|spec| spec.ip_family_policy = v1::IpFamilyPolicy::PreferDualStack.into())).unwrap();
    assert!(dual.notes.iter().any(|note| note.reason == "SingleStack"));
}

#[test]
fn the_address_is_outside_unless_the_service_or_the_installation_is_internal() {
    let mut spec = spec(&[port(v1::Protocol::Tcp, 80)]);
    let internal = Settings { internal: true, ..Settings::default() };
    let of = |spec: &v1::LoadBalancerSpec, settings: &Settings, public, kind| {
        let wanted = read_as(spec, settings, public, kind).unwrap();
        (wanted.eip, wanted.address)
    };
    assert_eq!(of(&spec, &Settings::default(), true, Kind::Plain), (WantedEip::Made, None));
    assert_eq!(of(&spec, &internal, true, Kind::Plain), (WantedEip::None, None));
    assert_eq!(of(&spec, &Settings::default(), false, Kind::Plain), (WantedEip::None, None), "the private cloud");
    assert_eq!(of(&spec, &Settings::default(), true, Kind::Edge), (WantedEip::Included, None));
    spec.load_balancer_ip = "106.12.0.9".to_owned();
    let given = Some("106.12.0.9".to_owned());
    assert_eq!(of(&spec, &Settings::default(), true, Kind::App), (WantedEip::Existing(given.clone().unwrap()), None));
    assert_eq!(of(&spec, &internal, true, Kind::Plain), (WantedEip::None, given));
    assert!(read_as(&spec, &Settings::default(), true, Kind::Edge).unwrap_err().message.contains("cannot be chosen"));
}

#[test]
fn affinity_is_a_scheduler_and_the_annotation_wins() {
    let mut spec = spec(&[port(v1::Protocol::Tcp, 80)]);
    let scheduler = |spec: &v1::LoadBalancerSpec, scheduler| {
        let wanted =
            read_as(spec, &Settings { scheduler, ..Settings::default() }, true, Kind::Plain).expect("nothing is wrong");
        (wanted.ports[0].new_listener(true).scheduler.unwrap(), wanted.sticky, wanted.notes.len())
    };
    assert_eq!(scheduler(&spec, None), ("RoundRobin".to_owned(), false, 0));
    spec.client_ip_affinity = std::time::Duration::from_secs(10_800).try_into().ok();
    assert_eq!(scheduler(&spec, None), ("Hash".to_owned(), true, 0));
    assert_eq!(scheduler(&spec, Some("LeastConnection")), ("LeastConnection".to_owned(), false, 1));
}

#[test]
fn local_traffic_is_checked_at_the_health_port_where_that_can_be() {
    let mut spec = spec(&[port(v1::Protocol::Tcp, 80)]);
    spec.external_traffic_policy = v1::TrafficPolicy::Local.into();
    spec.health_check_node_port = Some(32000);
    let app = read_as(&spec, &Settings::default(), true, Kind::App).unwrap().ports[0].new_check();
    assert_eq!((app.protocol.as_deref(), app.port, app.path.as_deref()), (Some("HTTP"), Some(32000), Some("/healthz")));
    let plain = read(&spec).unwrap();
    assert_eq!(plain.ports[0].listener.backend_port, Some(30080), "BLB checks the node port itself");
    spec.ports = vec![port(v1::Protocol::Udp, 53)];
    assert!(read(&spec).unwrap().notes.iter().any(|note| note.reason == "HealthCheckUdp"));
}

/// `TestMergeBackend`, 11.2.5: which of many is stable, spread, and may be none.
#[test]
fn the_servers_of_many_are_stable_under_churn_and_spread_over_services() {
    let all = nodes(200);
    let first = chosen("u1", &all, 50);
    assert_eq!(first.len(), 50);
    let mut reversed = all.clone();
    reversed.nodes.reverse();
    assert_eq!(chosen("u1", &reversed, 50), first);
    let gone: Vec<_> = first[..3].iter().map(|id| format!("cce://{id}")).collect();
    let mut fewer = all.clone();
    fewer.nodes.retain(|node| !gone.contains(&node.provider_id));
    let second = chosen("u1", &fewer, 50);
    assert_eq!(second.iter().filter(|id| first.contains(id)).count(), 47, "only the gone are replaced");
    let other = chosen("u2", &all, 50);
    assert!(other.iter().filter(|id| first.contains(id)).count() < 30, "another Service has others");
    assert_eq!(chosen("u1", &nodes(0), 50), Vec::<String>::new());
    assert_eq!(chosen("u1", &nodes(3), 1).len(), 1);
}

#[test]
fn nodes_that_are_no_machines_of_the_kind_are_left_out_and_told() {
    let node = |provider_id: &str, draining| v1::NodeMember {
        node_name: "n".to_owned(),
        provider_id: provider_id.to_owned(),
        addresses: vec![v1::NodeAddress { r#type: v1::AddressType::InternalIp.into(), address: "10.0.0.1".to_owned() }],
        draining,
        ..v1::NodeMember::default()
    };
    let members = v1::Members {
        nodes: vec![node("cce://i-1", true), node("i-2", false), node("cce://vm-1", false), node("", false)],
        endpoints: Vec::new(),
    };
    let of = |kind| {
        let mut notes = Vec::new();
        let members = wanted_members(&owner("u"), Some(&members), kind, &Settings::default(), &mut notes);
        (members.into_iter().map(|member| (member.target, member.weight)).collect::<Vec<_>>(), notes.len())
    };
    assert_eq!(of(Kind::Plain), (vec![("i-1".to_owned(), 0), ("i-2".to_owned(), 100)], 1));
    assert_eq!(of(Kind::Edge).0.len(), 1, "four nodes of one address are one member");
}
