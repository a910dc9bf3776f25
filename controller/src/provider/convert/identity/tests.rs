use super::*;

fn good() -> v1::HandshakeResponse {
    v1::HandshakeResponse {
        provider_name: "mock".into(),
        provider_version: "1.0".into(),
        api_minor: API_MINORS[0],
        epoch: "e1".into(),
        provider_id_schemes: vec!["mock".into(), String::new()],
        accounts: vec![v1::Account { id: "a1".into(), region: "r1".into() }],
        capabilities: vec![1, 3, 999, 0],
        limits: Some(v1::Limits { max_instances: Some(7), max_routes: Some(0), ..v1::Limits::default() }),
        annotation_prefixes: vec!["mock.example/".into()],
        tenants: vec!["t1".into()],
        node_selector_annotations: vec!["mock.example/nodes".into()],
    }
}

#[test]
fn a_good_handshake_is_understood_and_unknown_capabilities_are_ignored() {
    let info = info(good(), &[]).expect("good");
    assert_eq!(info.name, "mock");
    assert_eq!(info.capabilities, [Capability::Instances, Capability::LoadBalancers].into());
    assert_eq!(info.accounts, [Account { id: "a1".into(), region: "r1".into() }]);
    assert_eq!(info.limits, Limits { instances: 7, ..Limits::default() }, "zero and absence are the defaults");
}

#[test]
fn bad_handshakes_are_refused_by_name() {
    type Break = fn(&mut v1::HandshakeResponse);
    let cases: [(Break, &str, &str); 13] = [
        (|h| h.provider_name.clear(), "BAD_ANSWER", "provider_name"),
        (|h| h.provider_name = "Mock/1".into(), "BAD_ANSWER", "provider_name \"Mock/1\""),
        (|h| h.provider_name = "m".repeat(64), "BAD_ANSWER", "provider_name"),
        (|h| h.api_minor = 0, "API_VERSION", "api_minor 0"),
        (|h| h.api_minor = 4711, "API_VERSION", "api_minor 4711"),
        (|h| h.epoch.clear(), "BAD_ANSWER", "epoch is missing"),
        (|h| h.epoch = "e".repeat(65), "BAD_ANSWER", "epoch has 65 bytes"),
        (|h| h.provider_id_schemes.clear(), "BAD_ANSWER", "provider_id_schemes is empty"),
        (|h| h.provider_id_schemes = vec!["mock://".into()], "BAD_ANSWER", "\"mock://\""),
        (|h| h.accounts.clear(), "BAD_ANSWER", "accounts is empty"),
        (|h| h.accounts[0].region.clear(), "BAD_ANSWER", "accounts.region is missing"),
        (|h| h.annotation_prefixes.push(String::new()), "BAD_ANSWER", "annotation_prefixes is missing"),
        (
            |h| h.node_selector_annotations.push("a".repeat(318)),
            "BAD_ANSWER",
            "node_selector_annotations has 318 bytes",
        ),
    ];
    for (spoil, reason, says) in cases {
        let mut wire = good();
        spoil(&mut wire);
        let refusal = info(wire, &[]).expect_err(says);
        assert_eq!(refusal.reason(), reason, "{refusal}");
        assert!(refusal.to_string().contains(says), "{refusal} does not say {says}");
    }
}

#[test]
fn accounts_must_be_among_the_configured() {
    let account = |id: &str, region: &str| Account { id: id.into(), region: region.into() };
    info(good(), &[account("a0", "r1"), account("a1", "r1")]).expect("configured");
    for other in [account("a1", "r2"), account("a2", "r1")] {
        let refusal = info(good(), &[other]).expect_err("not configured");
        assert_eq!(refusal.reason(), reason::WRONG_ACCOUNT);
        assert_eq!(refusal.to_string(), "account \"a1\" in region \"r1\" is not among the configured ones");
    }
}

#[test]
fn the_request_offers_every_minor_and_names_the_cluster() {
    let request = request(&Cluster { id: "c-1".into(), name: "prod".into() });
    assert_eq!(request.api_minors, API_MINORS);
    assert_eq!(request.capabilities.len(), Capability::ALL.len());
    assert_eq!(request.cluster, Some(v1::Cluster { id: "c-1".into(), name: "prod".into() }));
}

#[test]
fn every_capability_reads_back() {
    for known in Capability::ALL {
        assert_eq!(capability(wire_capability(known)), Some(known));
    }
    assert_eq!(capability(v1::Capability::Unspecified), None);
}
