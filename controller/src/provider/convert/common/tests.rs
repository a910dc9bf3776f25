use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn at(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 500_000_000 }
}

#[test]
fn times_must_be_there_and_not_ahead() {
    let check = |wire, expected: Result<u64, &str>| match observed_at("observed_at", wire, NOW) {
        Ok(time) => assert_eq!(Ok(time.0), expected),
        Err(error) => assert_eq!(Err(error.to_string().as_str()), expected),
    };
    check(Some(at(999_000)), Ok(999_000_500));
    check(Some(at(1_000_059)), Ok(1_000_059_500));
    check(Some(at(1_000_090)), Err("observed_at lies 90 s in the future"));
    check(Some(at(i64::MAX)), Err("observed_at \"9223372036854775807 s\" is not a time after 1970"));
    check(Some(at(-5)), Err("observed_at \"-5 s\" is not a time after 1970"));
    check(None, Err("observed_at is missing"));
}

#[test]
fn label_values_are_kubernetes() {
    for good in ["a", "cn-north-4a", "s6.large.2", "A_b", &"x".repeat(63)] {
        assert_eq!(label_value("zone", good.into()), Ok(Some(good.to_owned())));
    }
    assert_eq!(label_value("zone", String::new()), Ok(None));
    for bad in ["-a", "a-", "a b", "zone/1", "zöne", &"x".repeat(64)] {
        label_value("zone", bad.into()).expect_err(bad);
    }
}

#[test]
fn labels_have_keys_kubernetes_takes() {
    let one = |key: &str, value: &str| labels("labels", [(key.to_owned(), value.to_owned())]);
    one("cloud.example/rack", "r-1").expect("a good label");
    one("rack", "").expect("an empty value");
    for bad in ["", "/rack", "Cloud.Example/rack", "a/b/c", "cloud.example/", "-rack"] {
        one(bad, "x").expect_err(bad);
    }
    one("rack", "no spaces").expect_err("a bad value");
    one("rack", &"x".repeat(5000)).expect_err("too much");
}

#[test]
fn addresses_of_unknown_kind_are_left_out_and_malformed_ones_refused() {
    let wire = |kind: i32, address: &str| v1::NodeAddress { r#type: kind, address: address.to_owned() };
    let (ip, dns) = (v1::AddressType::InternalIp as i32, v1::AddressType::InternalDns as i32);
    let good = addresses("addresses", vec![wire(ip, "10.0.0.1"), wire(99, "x"), wire(0, ""), wire(dns, "n.local")]);
    assert_eq!(
        good,
        Ok(vec![
            NodeAddress::new(AddressType::InternalIp, "10.0.0.1"),
            NodeAddress::new(AddressType::InternalDns, "n.local"),
        ])
    );
    for bad in ["", "10.0.0", "10.0.0.1/24", "0.0.0.0", "224.0.0.1", "::", "host", "010.0.0.1"] {
        addresses("addresses", vec![wire(ip, bad)]).expect_err(bad);
    }
    addresses("addresses", vec![wire(dns, "new\nline")]).expect_err("control characters");
}

#[test]
fn ports_are_of_sixteen_bits_and_not_zero() {
    assert_eq!(port("port", 80), Ok(80));
    assert_eq!(port("port", 65_535), Ok(65_535));
    for bad in [0, 65_536, u32::MAX] {
        port("port", bad).expect_err("not a port");
    }
}

#[test]
fn texts_for_people_are_short_and_on_one_line() {
    assert_eq!(text("two\nlines\u{1b}[31m"), "two lines [31m");
    assert_eq!(text(&"ö".repeat(1000)).len(), 1024);
    assert_eq!(Excerpt::of(&"x".repeat(1000)).to_string().len(), 66);
}

#[test]
fn reasons_are_words_and_never_the_controllers_own() {
    assert_eq!(reason("QUOTA_EXHAUSTED"), "QUOTA_EXHAUSTED");
    assert_eq!(reason("not a word"), "");
    assert_eq!(reason(controller_core::fault::reason::AWAY), "", "no daemon can claim that a call was not made");
}

#[test]
fn item_faults_tell_code_origin_and_delay() {
    let wire = |code, reason: &str, retry| v1::ItemStatus {
        code,
        reason: reason.to_owned(),
        message: "m".to_owned(),
        retry_after: retry,
    };
    let five = prost_types::Duration { seconds: 5, nanos: 0 };
    let year = prost_types::Duration { seconds: 31_000_000, nanos: 0 };
    assert_eq!(item_status("p", &wire(0, "", None)), Ok(()));

    let fault = item_fault("p", &wire(8, "THROTTLED", Some(five)));
    assert_eq!((fault.code, fault.origin), (Code::ResourceExhausted, Origin::Cloud));
    assert_eq!((fault.retry_after, fault.quota), (Some(Duration::from_secs(5)), false));

    assert_eq!(item_fault("p", &wire(14, "DRAINING", None)).origin, Origin::Provider);
    assert!(item_fault("p", &wire(9, "QUOTA_EXHAUSTED", None)).quota);
    assert_eq!(item_fault("p", &wire(99, "", None)).code, Code::Unknown);
    assert_eq!(item_fault("p", &wire(0, "", None)).code, Code::Unknown, "an unknown item is no success");
    assert_eq!(item_fault("p", &wire(8, "", Some(year))).retry_after, Some(Duration::from_secs(1800)), "within reason");
}

#[test]
fn notices_become_events_that_kubernetes_takes() {
    let wire = |severity: i32, reason: &str, message: &str| v1::Notice {
        severity,
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    let seen = notices(vec![wire(2, "QuotaLow", "three left"), wire(77, "bad reason!", "hm"), wire(1, "Empty", "")]);
    let notice = |warning, reason: &str, message: &str| Notice {
        warning,
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    assert_eq!(seen, [notice(true, "QuotaLow", "three left"), notice(false, "ProviderNotice", "hm")]);
}

#[test]
fn only_annotations_under_the_providers_prefixes_leave() {
    let all = ["a.example/x", "b.example/y", "kubectl.kubernetes.io/z"].map(|key| (key.to_owned(), String::new()));
    let sent: BTreeMap<String, String> = wire_annotations(&all.into(), &["a.example/".to_owned()]);
    assert_eq!(sent.keys().map(String::as_str).collect::<Vec<_>>(), ["a.example/x"]);
    let none: BTreeMap<String, String> = wire_annotations(&sent, &[]);
    assert!(none.is_empty());
}
