use super::*;
use crate::{
    names::ANNOTATION_SOURCE_RANGES,
    service::{
        ownership::wants_load_balancer,
        tests::{port, service},
    },
    view::{Protocol, ServiceType},
};

const PREFIXES: [&str; 1] = ["cloud.example/"];

fn wanted(service: &Service) -> Wanted {
    let prefixes = PREFIXES.map(str::to_owned);
    Wanted::new(service, "", &prefixes, Arc::default(), EndpointSet::default()).expect("valid source ranges")
}

/// Whether the cloud is asked again when `old` becomes `new`.
fn needs_update(old: &Service, new: &Service) -> bool {
    wants_load_balancer(old) != wants_load_balancer(new) || wanted(old).hash != wanted(new).hash
}

type Edit = fn(&mut Service);

#[test]
fn the_cloud_is_asked_again_when_something_it_is_told_changes() {
    // TestNeedsUpdate, then what it leaves out.
    const NOTHING: Edit = |_| ();
    const DUAL: Edit = |s| s.ip_families = vec![IpFamily::V4, IpFamily::V6];
    const SINGLE: Edit = |s| s.ip_families = vec![IpFamily::V4];
    for (case, old, new, expected) in [
        ("type changed from LoadBalancer to ClusterIP", NOTHING, (|s| s.kind = ServiceType::ClusterIp) as Edit, true),
        ("Ports are different", NOTHING, |s| s.ports.push(port(Protocol::Udp)), true),
        ("external ip counts are different", NOTHING, |s| s.external_ips = vec!["1.1.1.1".into()], true),
        (
            "external ips are different",
            |s| s.external_ips = vec!["1.1.1.1".into()],
            |s| s.external_ips = vec!["2.2.2.2".into()],
            true,
        ),
        ("UID is different", NOTHING, |s| s.uid = "uid-2".into(), true),
        ("ExternalTrafficPolicy is different", NOTHING, |s| s.local_traffic = true, true),
        (
            "HealthCheckNodePort is different",
            |s| (s.local_traffic, s.health_check_node_port) = (true, Some(1)),
            |s| (s.local_traffic, s.health_check_node_port) = (true, Some(2)),
            true,
        ),
        (
            "TargetGroup is different 1",
            |s| s.ports[0].target_port = "20".into(),
            |s| s.ports[0].target_port = "21".into(),
            true,
        ),
        (
            "TargetGroup is different 2",
            |s| s.ports[0].target_port = "22".into(),
            |s| s.ports[0].target_port = "dns".into(),
            true,
        ),
        (
            "appProtocol is the same",
            |s| s.ports[0].app_protocol = "http".into(),
            |s| s.ports[0].app_protocol = "http".into(),
            false,
        ),
        ("IPFamilies from single stack to dual stack", SINGLE, DUAL, true),
        ("IPFamilies from dual stack to single stack", DUAL, SINGLE, true),
        ("IPFamilies not change", DUAL, DUAL, false),
        ("appProtocol is set when previously unset", NOTHING, |s| s.ports[0].app_protocol = "http".into(), true),
        (
            "appProtocol is set to a different value",
            |s| s.ports[0].app_protocol = "http".into(),
            |s| s.ports[0].app_protocol = "tcp".into(),
            true,
        ),
        ("loadBalancerSourceRanges", NOTHING, |s| s.source_ranges = vec!["10.0.0.0/8".into()], true),
        (
            "source ranges by annotation",
            NOTHING,
            |s| _ = s.annotations.insert(ANNOTATION_SOURCE_RANGES.into(), "10.0.0.0/8".into()),
            true,
        ),
        ("sessionAffinity", NOTHING, |s| s.client_ip_affinity = Some(std::time::Duration::from_secs(10)), true),
        (
            "sessionAffinityConfig",
            |s| s.client_ip_affinity = Some(std::time::Duration::from_secs(10)),
            |s| s.client_ip_affinity = Some(std::time::Duration::from_secs(20)),
            true,
        ),
        ("loadBalancerIP", NOTHING, |s| s.load_balancer_ip = "9.9.9.9".into(), true),
        ("nodePort", NOTHING, |s| s.ports[0].node_port = None, true),
        ("protocol", NOTHING, |s| s.ports[0].protocol = Protocol::Sctp, true),
        (
            "an annotation the provider reads",
            NOTHING,
            |s| _ = s.annotations.insert("cloud.example/bandwidth".into(), "5".into()),
            true,
        ),
        (
            "an annotation of somebody else's",
            NOTHING,
            |s| _ = s.annotations.insert("other.example/x".into(), "5".into()),
            false,
        ),
        ("our own notes", NOTHING, |s| _ = s.annotations.insert(ANNOTATION_HANDLE.into(), "lb-1".into()), false),
        ("status", NOTHING, |s| s.ingress = vec![crate::view::Ingress::default()], false),
        ("a health check port that is not used", NOTHING, |s| s.health_check_node_port = Some(1), false),
    ] {
        let (mut before, mut after) = (service(), service());
        old(&mut before);
        new(&mut after);
        assert_eq!(needs_update(&before, &after), expected, "{case}");
    }
}

#[test]
fn our_own_notes_are_never_sent_even_when_the_provider_reads_our_prefix() {
    let annotations = [(ANNOTATION_HANDLE, "lb-1"), (ANNOTATION_PROVIDER, "p"), ("ccm.cloudprovider.io/other", "kept")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let sent = sent_annotations(&annotations, &["ccm.cloudprovider.io/".to_owned()]);
    assert_eq!(sent.into_keys().collect::<Vec<_>>(), ["ccm.cloudprovider.io/other"]);
}

#[test]
fn members_and_spec_change_their_own_half_of_the_hash() {
    let before = wanted(&service());
    let nodes = Arc::new(NodeSet { members: vec![], digest: "other".into() });
    let other_members = Wanted::new(&service(), "", &[], nodes, EndpointSet::default()).unwrap();
    assert_eq!(before.hash.spec, other_members.hash.spec);
    assert_ne!(before.hash.members, other_members.hash.members);
    let other_tenant = Wanted::new(&service(), "team-a", &[], Arc::default(), EndpointSet::default()).unwrap();
    assert_ne!(before.hash.spec, other_tenant.hash.spec);
}

#[test]
fn a_hash_fits_a_tag_and_is_read_back() {
    let nodes = Arc::new(NodeSet::new([], crate::node_set::Takes { schemes: &[], selector: None, draining: false }));
    let hash = Wanted::new(&service(), "", &[], nodes, EndpointSet::default()).unwrap().hash;
    assert!(hash.to_string().len() <= 43, "{hash}");
    assert_eq!(SpecHash::parse(&hash.to_string()), Some(hash));
    assert_eq!(SpecHash::parse("something else"), None);
}

#[test]
fn wrong_source_ranges_are_told_by_field_and_value() {
    let bad = Service { source_ranges: vec!["10.0.0.1".into()], ..service() };
    let problem = Wanted::new(&bad, "", &[], Arc::default(), EndpointSet::default()).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "spec.loadBalancerSourceRanges: \"10.0.0.1\" is not a CIDR; write it as 10.0.0.0/8 or 2001:db8::/32"
    );
}

#[test]
fn pods_are_members_too_and_change_nothing_where_there_are_none() {
    let nodes = || Arc::new(NodeSet { digest: "00112233".repeat(2), ..NodeSet::default() });
    let with = |endpoints| Wanted::new(&service(), "", &[], nodes(), endpoints).unwrap();
    let pod = crate::provider::EndpointMember {
        address: [10, 0, 0, 1].into(),
        port: 80,
        port_name: String::new(),
        node_name: String::new(),
        zone: String::new(),
        ready: true,
        draining: false,
    };
    let none = with(EndpointSet::default());
    let one = with(EndpointSet { members: vec![pod], digest: "d".to_owned() });
    assert_eq!(none.hash.members, nodes().digest);
    assert_eq!((one.hash.spec.as_str(), one.hash.members.len()), (none.hash.spec.as_str(), 16));
    assert_ne!(one.hash.members, none.hash.members);
    assert!(one.has_members() && !none.has_members());
}
