use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Settings, Vec<Fault>> {
    Settings::read(&annotations(pairs))
}

fn annotations(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let key = |key: &str| format!("service.beta.kubernetes.io/cce-{key}");
    pairs.iter().map(|(name, value)| (key(name), (*value).to_owned())).collect()
}

/// `TestExtractServiceAnnotationBLB` and `…EIP` of the Go provider: every key.
#[test]
fn every_annotation_is_read() {
    let settings = read(&[
        ("load-balancer-id", "lb-1"),
        ("load-balancer-exist-id", "lb-2"),
        ("load-balancer-cce-add-id", "lb-3"),
        ("load-balancer-cce-add-eip", "106.12.0.9"),
        ("load-balancer-type", "appblb"),
        ("load-balancer-lb-name", "a/b"),
        ("load-balancer-internal-vpc", "true"),
        ("load-balancer-allocate-vip", "true"),
        ("load-balancer-subnet-id", "sbn-1"),
        ("load-balancer-rs-max-num", "50"),
        ("load-balancer-reserve-lb", "no"),
        ("load-balancer-scheduler", "Hash"),
        ("load-balancer-health-check-timeout-in-second", "60"),
        ("load-balancer-health-check-interval", "+10"),
        ("load-balancer-unhealthy-threshold", "2"),
        ("load-balancer-healthy-threshold", "5"),
        ("load-balancer-health-check-string", "ping"),
        ("elastic-ip-name", "e"),
        ("elastic-ip-payment-timing", "Postpaid"),
        ("elastic-ip-billing-method", "ByBandwidth"),
        ("elastic-ip-bandwidth-in-mbps", "200"),
        ("elastic-ip-reservation-length", "36"),
    ]);
    let text = |text: &str| Some(text.to_owned());
    let expected = Settings {
        id: text("lb-1"),
        exist_id: text("lb-2"),
        added_id: text("lb-3"),
        added_eip: text("106.12.0.9"),
        kind: Some(Kind::App),
        name: text("a/b"),
        internal: true,
        allocate_vip: true,
        subnet_id: text("sbn-1"),
        most_servers: Some(50),
        // By exist-id.
        reserve: true,
        scheduler: Some("Hash"),
        check_timeout: Some(60),
        check_interval: Some(10),
        unhealthy: Some(2),
        healthy: Some(5),
        check_string: text("ping"),
        eip: EipSettings {
            name: text("e"),
            payment_timing: Some("Postpaid"),
            billing_method: Some("ByBandwidth"),
            bandwidth: Some(200),
            reservation: Some(36),
        },
    };
    assert_eq!(settings, Ok(expected));
    assert_eq!(read(&[("load-balancer-id", "")]), Ok(Settings::default()), "an empty value is none");
}

/// `TestGetEipArgsFromAnnotation`: defaults, ranges, invalid values; and the errors of all integers.
#[test]
fn what_makes_no_sense_is_told_in_the_words_people_know() {
    for (pairs, part) in [
        (&[("load-balancer-rs-max-num", "x")][..], "ServiceAnnotationLoadBalancerRsMaxNum must be int"),
        (&[("load-balancer-rs-max-num", " 1")], "must be int"),
        (&[("load-balancer-rs-max-num", "0")], "must be in (0, 50]"),
        (&[("load-balancer-rs-max-num", "51")], "must be in (0, 50]"),
        (&[("load-balancer-health-check-timeout-in-second", "61")], "HealthCheckTimeoutInSecond must be in [1, 60]"),
        (&[("load-balancer-health-check-timeout-in-second", "1s")], "HealthCheckTimeoutInSecond must be int"),
        (&[("load-balancer-health-check-interval", "11")], "in [1, 10]"),
        (&[("load-balancer-unhealthy-threshold", "1")], "LoadBalancerUnhealthyThreshold must be in [2, 5]"),
        (&[("load-balancer-healthy-threshold", "-2")], "LoadBalancerHealthyThreshold must be in [2, 5]"),
        (&[("load-balancer-scheduler", "Random")], "LeastConnection"),
        (&[("load-balancer-id", "lb-1/listener")], "as the console shows it"),
        (&[("load-balancer-lb-name", "9")], "a letter first"),
        (&[("elastic-ip-payment-timing", "x")], "not support target ElasticIPPaymentTiming: x"),
        (&[("elastic-ip-billing-method", "x")], "not support target ElasticIPBillingMethod: x"),
        (&[("elastic-ip-bandwidth-in-mbps", "x")], "ServiceAnnotationElasticIPBandwidthInMbps must be int"),
        (&[("elastic-ip-bandwidth-in-mbps", "1001")], "bandwidthInMbps should in [1, 1000]"),
        (&[("elastic-ip-bandwidth-in-mbps", "0")], "bandwidthInMbps should in [1, 1000]"),
        (
            &[("elastic-ip-billing-method", "ByBandwidth"), ("elastic-ip-bandwidth-in-mbps", "201")],
            "bandwidthInMbps should in [1, 200]",
        ),
        (&[("elastic-ip-payment-timing", "Prepaid")], "prepaid EIP reservationLength should in"),
        (&[("elastic-ip-reservation-length", "10")], "prepaid EIP reservationLength should in"),
        (&[("elastic-ip-reservation-length", "x")], "ServiceAnnotationElasticIPReservationLength must be int"),
        (
            &[
                ("elastic-ip-payment-timing", "Prepaid"),
                ("elastic-ip-reservation-length", "1"),
                ("elastic-ip-billing-method", "ByTraffic"),
            ],
            "when using Prepaid EIP, do not need to set ElasticIPBillingMethod",
        ),
    ] {
        let faults = read(pairs).unwrap_err();
        assert!(faults.len() == 1 && faults[0].problem.contains(part), "{pairs:?}: {faults:?}");
    }
    let two = read(&[("load-balancer-scheduler", "x"), ("elastic-ip-payment-timing", "y")]).unwrap_err();
    assert_eq!(two.len(), 2, "all at once");
}

#[test]
fn a_removal_goes_by_what_is_readable() {
    let broken = [("load-balancer-rs-max-num", "x"), ("load-balancer-exist-id", "lb-2"), ("load-balancer-type", "?")];
    let settings = Settings::lenient(&annotations(&broken));
    assert_eq!((settings.exist_id.as_deref(), settings.reserve), (Some("lb-2"), true));
}

#[test]
fn annotations_page_is_what_the_table_says() {
    provider_kit::testing::is_page(env!("CARGO_MANIFEST_DIR"), "baidu-annotations.md", &markdown());
}
