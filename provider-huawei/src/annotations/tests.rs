use super::*;
use crate::options::LoadBalancerOptions;

fn annotations(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| {
            let key = if key.contains('/') { (*key).to_owned() } else { format!("kubernetes.io/elb.{key}") };
            (key, (*value).to_owned())
        })
        .collect()
}

fn read(pairs: &[(&str, &str)]) -> Result<Settings, Vec<Fault>> {
    let mut all = vec![("class", "shared")];
    all.extend(pairs);
    Settings::read(&annotations(&all), &LoadBalancerOptions::default())
}

#[test]
fn annotations_page_matches_the_table() {
    provider_kit::testing::is_page(env!("CARGO_MANIFEST_DIR"), "huawei-annotations.md", &markdown());
}

#[test]
fn every_annotation_has_an_announced_prefix_and_is_there_once() {
    let mut seen = std::collections::BTreeSet::new();
    for annotation in all() {
        assert!(PREFIXES.iter().any(|prefix| annotation.key.starts_with(prefix)), "{}", annotation.key);
        assert!(seen.insert(annotation.key), "{} is there twice", annotation.key);
    }
}

#[test]
fn a_bad_value_names_annotation_value_and_remedy() {
    for (key, value, remedy) in [
        ("class", "fast", "write shared, dedicated or dnat"),
        ("class", "elasticity", "retired"),
        ("id", "../x", "as the console shows it"),
        ("keep-eip", "yes", "write true or false"),
        ("lb-algorithm", "RANDOM", "write ROUND_ROBIN"),
        ("session-affinity-flag", "sometimes", "write on or off"),
        ("session-affinity-option", "{", "JSON"),
        ("session-affinity-option", r#"{"type":"COOKIE"}"#, "APP_COOKIE"),
        ("session-affinity-option", r#"{"type":"APP_COOKIE"}"#, "cookie_name"),
        ("health-check-option", r#"{"delay":0}"#, "from 1 to 50"),
        ("health-check-option", "[]", "JSON object"),
        ("idle-timeout", "5000", "0 to 4000"),
        ("request-timeout", "a minute", "0 to 300"),
        ("availability-zones", "az1;;az2", "az1;az2"),
        ("protocol-port", "tls:443", "https:443"),
        ("protocol-port", "http:80,https:80", "twice"),
        ("acl-type", "grey", "white or black"),
        ("autocreate", r#"{"type":"outer"}"#, "public or inner"),
        ("autocreate", r#"{"type":"public","eip_type":"5_bgp"}"#, "bandwidth_size"),
        ("autocreate", r#"{"type":"public","bandwidth_size":5}"#, "\"eip_type\" is missing"),
        ("autocreate", r#"{"type":"inner","available_zone":"az1"}"#, "no list"),
        ("autocreate", r#"{"type":"inner","l4_flavor_name":"L4_flavor.elb.s1.small"}"#, "l4-flavor-id"),
        ("autocreate", r#"{"type":"inner","vip_address":"here"}"#, "an IPv4 address"),
        ("eip-auto-create-option", r#"{"ip_type":"5_bgp"}"#, "bandwidth_size"),
        ("eip-auto-create-option", r#"{"ip_type":"5_bgp","bandwidth_size":5,"share_type":"WHOLE"}"#, "share_id"),
        ("eip-auto-create-option", r#"{"ip_type":"5_bgp","bandwidth_size":5,"charge_mode":"free"}"#, "charge_mode"),
    ] {
        let faults = read(&[(key, value)]).unwrap_err();
        let fault = &faults[0];
        assert!(fault.key.ends_with(key), "{key}: {fault:?}");
        assert!(fault.problem.contains(remedy), "{key} {value}: {fault:?}");
        assert!(fault.problem.contains(value) || fault.problem.contains(&format!("{value:?}")), "{key}: {fault:?}");
    }
}

#[test]
fn all_faults_come_at_once() {
    let faults = read(&[("class", ""), ("keep-eip", "x"), ("idle-timeout", "x"), ("protocol-port", "https:443")]);
    assert_eq!(faults.unwrap_err().len(), 4);
}

#[test]
fn what_cannot_be_read_is_not_also_called_missing() {
    let faults = read(&[("class", "shered")]).unwrap_err();
    assert!(faults.len() == 1 && faults[0].problem.contains("shered"), "{faults:?}");
}

#[test]
fn what_a_class_needs_is_said() {
    for (class, key) in [("dedicated", "availability-zones"), ("dnat", "natgateway.id")] {
        let faults = read(&[("class", class)]).unwrap_err();
        assert!(faults[0].key.ends_with(key) && faults[0].problem.contains("missing"), "{faults:?}");
    }
    read(&[("class", "performance"), ("availability-zones", "az1; az2")]).unwrap();
    read(&[("class", "dedicated"), ("id", "lb-1")]).unwrap();
}

#[test]
fn annotations_override_the_options_one_by_one() {
    let options = LoadBalancerOptions {
        default_elb_class: "union".to_owned(),
        lb_algorithm: "LEAST_CONNECTIONS".to_owned(),
        session_affinity_flag: "on".to_owned(),
        session_affinity_option: Some(serde_json::json!({"type": "SOURCE_IP", "persistence_timeout": 15})),
        health_check_flag: "off".to_owned(),
        idle_timeout: 50,
        ..LoadBalancerOptions::default()
    };
    let settings = Settings::read(&HashMap::new(), &options).unwrap();
    assert_eq!(settings.class, Some(Class::Shared));
    assert_eq!(settings.algorithm, Algorithm::LeastConnections);
    let affinity = Affinity { kind: Some(PersistenceKind::SourceIp), minutes: Some(15) };
    assert_eq!((settings.affinity, &settings.affinity_option), (Some(true), &affinity));
    assert!(!settings.health_check);
    assert_eq!(settings.idle_timeout, Some(50));

    let written = annotations(&[
        ("class", "dedicated"),
        ("availability-zones", "a"),
        ("lb-algorithm", "SOURCE_IP"),
        ("session-affinity-flag", "off"),
        ("health-check-option", r#"{"delay":"7","enable":true}"#),
        ("idle-timeout", "0"),
    ]);
    let settings = Settings::read(&written, &options).unwrap();
    assert_eq!(settings.class, Some(Class::Dedicated));
    assert_eq!(settings.algorithm, Algorithm::SourceIp);
    assert_eq!(settings.affinity, Some(false));
    assert!(settings.health_check, "the option's `enable` wins, as it always did");
    assert_eq!((settings.health_option.delay, settings.health_option.timeout), (7, 3));
    assert_eq!(settings.idle_timeout, None);
    let on = Settings::read(&annotations(&[("session-affinity-flag", "on")]), &options).unwrap();
    assert_eq!((on.affinity, on.affinity_option), (Some(true), affinity));
}

#[test]
fn annotations_without_effect_are_told() {
    let settings = read(&[("availability-zones", "a"), ("lb-algorithm", "SOURCE_IP"), ("mark", "1")]).unwrap();
    assert_eq!(settings.unused, ["kubernetes.io/elb.availability-zones", "kubernetes.io/elb.mark"]);
}

#[test]
fn deletion_goes_by_what_is_readable_and_keeps_what_is_unclear() {
    let options = LoadBalancerOptions::default();
    let broken = annotations(&[("class", "?"), ("keep-eip", "perhaps"), ("eip-id", " e1 ")]);
    let hints = DeletionHints::read(&broken, &options);
    assert_eq!((hints.class, hints.keep_eip, hints.eip_id.as_deref()), (None, true, Some("e1")));
    let none = DeletionHints::read(&HashMap::new(), &options);
    assert_eq!(none, DeletionHints::default());
}

#[test]
fn cces_autocreate_says_how_a_load_balancer_is_made_and_single_annotations_win() {
    const PUBLIC: &str = r#"{"type":"public","name":"x","bandwidth_name":"b","bandwidth_chargemode":"traffic",
        "bandwidth_size":5,"bandwidth_sharetype":"PER","eip_type":"5_bgp","available_zone":["az1","az2"],
        "vip_subnet_cidr_id":"s-1","vip_address":"192.168.0.9"}"#;
    let settings = read(&[("autocreate", PUBLIC)]).unwrap();
    let eip = settings.eip.clone().unwrap();
    assert_eq!((eip.ip_type.as_str(), eip.bandwidth_size, eip.charge_mode.as_str()), ("5_bgp", Some(5), "traffic"));
    assert_eq!(
        (settings.zones, settings.subnet_id.as_deref()),
        (vec!["az1".to_owned(), "az2".to_owned()], Some("s-1"))
    );
    assert_eq!(settings.vip_address.unwrap().to_string(), "192.168.0.9");
    let other = r#"{"ip_type":"5_sbgp","bandwidth_size":7}"#;
    let settings = read(&[
        ("autocreate", PUBLIC),
        ("eip-auto-create-option", other),
        ("availability-zones", "az3"),
        ("subnet-id", "s-2"),
    ])
    .unwrap();
    assert_eq!(settings.eip.unwrap().ip_type, "5_sbgp");
    assert_eq!((settings.zones, settings.subnet_id.as_deref()), (vec!["az3".to_owned()], Some("s-2")));
    assert_eq!(read(&[("autocreate", r#"{"type":"inner"}"#)]).unwrap().eip, None);
}

#[test]
fn the_options_can_give_every_load_balancer_zones_and_an_address() {
    let options = r#"{"default-elb-class": "dedicated", "availability-zones": "az1;az2",
        "eip-auto-create-option": {"ip_type": "5_bgp", "bandwidth_size": 5}}"#;
    let options = crate::options::Options::parse(options).unwrap().load_balancers;
    let with = |pairs: &[(&str, &str)]| {
        let annotations = annotations(pairs);
        let wants_eip = DeletionHints::read(&annotations, &options).wants_eip;
        let settings = Settings::read(&annotations, &options).unwrap();
        assert_eq!(settings.eip.is_some(), wants_eip, "{pairs:?}");
        (settings.zones, wants_eip)
    };
    let zones = vec!["az1".to_owned(), "az2".to_owned()];
    assert_eq!(with(&[]), (zones.clone(), true));
    assert_eq!(with(&[("eip-auto-create-option", "none")]), (zones.clone(), false));
    assert_eq!(with(&[("autocreate", r#"{"type":"inner"}"#)]), (zones, false));
    let wrong = crate::options::Options::parse(r#"{"eip-auto-create-option": {"ip_type": "5_bgp"}}"#).unwrap_err();
    assert!(wrong.to_string().contains("bandwidth_size"), "{wrong}");
}
