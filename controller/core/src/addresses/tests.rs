use super::*;
use crate::fixtures::{self, address};

const EXTERNAL_DNS: &str = "edns";
const INTERNAL_DNS: &str = "idns";
const HOSTNAME: &str = "host.mydomain";

/// `I10.1.1.1 E55.55.55.55 Hname`: kind and address; `D` and `d` are external and internal DNS names.
fn list(text: &str) -> Vec<NodeAddress> {
    text.split_whitespace().map(address).collect()
}

#[test]
fn node_ip_annotation_is_read_strictly() {
    // Upstream's TestParseNodeIPAnnotation, in the strict mode the controllers use.
    let check = |case: &str, value: &str, expected: Option<&[&str]>| {
        let parsed = parse_provided_node_ips(value).ok();
        let expected = expected.map(|ips| ips.iter().map(|ip| ip.parse().expect("an IP")).collect::<Vec<IpAddr>>());
        assert_eq!(parsed, expected, "{case}: {value:?}");
    };
    check("empty --node-ip", "", None);
    check("whitespace-only --node-ip", "   ", None);
    check("garbage --node-ip", "blah", None);
    check("single IPv4 --node-ip with whitespace", " 1.2.3.4", None);
    check("single IPv4 --node-ip with trailing whitespace", "1.2.3.4 ", None);
    check("single IPv4 --node-ip, too short", "1.2.3", None);
    check("CIDR --node-ip", "1.2.3.0/24", None);
    check("single IPv4 --node-ip and then garbage (comma)", "1.2.3.4,not-an-IPv6-address", None);
    check("dual-stack --node-ip with whitespace", "1.2.3.4 , abcd::ef01", None);
    check("double IPv4 --node-ip", "1.2.3.4,5.6.7.8", None);
    check("double IPv6 --node-ip", "abcd::1,abcd::2", None);
    check("dual-stack --node-ip with unspecified IPv4", "0.0.0.0,abcd::1", None);
    check("dual-stack --node-ip with unspecified IPv6", "1.2.3.4,::", None);
    check("triple --node-ip", "1.2.3.4,abcd::1,5.6.7.8", None);
    check("single IPv4 --node-ip", "1.2.3.4", Some(&["1.2.3.4"]));
    check("single IPv4 --node-ip with leading zeros", "01.2.3.004", Some(&["1.2.3.4"]));
    check("single IPv4 --node-ip, unspecified", "0.0.0.0", Some(&["0.0.0.0"]));
    check("single IPv6 --node-ip", "abcd::ef01", Some(&["abcd::ef01"]));
    check("single IPv6 --node-ip, non-canonical", "abcd:0abc:00ab:0000:0000::1", Some(&["abcd:abc:ab::1"]));
    check("dual-stack --node-ip", "1.2.3.4,abcd::ef01", Some(&["1.2.3.4", "abcd::ef01"]));
    check("IPv6 first", "abcd::ef01,1.2.3.4", Some(&["abcd::ef01", "1.2.3.4"]));
    check("plus sign is no digit", "+1.2.3.4", None);
    check("octet out of range", "1.2.3.0256", None);
}

#[test]
fn the_kubelets_node_ip_chooses_and_orders() {
    // Upstream's TestGetNodeAddressesFromNodeIP, case by case.
    let check = |case: &str, node_ip: &str, cloud: &str, expected: Option<&str>| {
        let ips = parse_provided_node_ips(node_ip).expect("a valid annotation");
        assert_eq!(select_by_node_ips(&ips, &list(cloud)).ok(), expected.map(list), "{case}");
    };
    let h = |text: &str| format!("{text} H{HOSTNAME}");
    check("A single InternalIP", "10.1.1.1", &h("I10.1.1.1"), Some(&h("I10.1.1.1")));
    check("NodeIP is external", "55.55.55.55", &h("I10.1.1.1 E55.55.55.55"), Some(&h("E55.55.55.55 I10.1.1.1")));
    check(
        "InternalIP and ExternalIP are the same",
        "55.55.55.55",
        &h("I44.44.44.44 E44.44.44.44 I55.55.55.55 E55.55.55.55"),
        Some(&h("I55.55.55.55 E55.55.55.55")),
    );
    let dns = h(&format!("I10.1.1.1 E55.55.55.55 d{INTERNAL_DNS} D{EXTERNAL_DNS}"));
    check("An Internal/ExternalIP, an Internal/ExternalDNS", "10.1.1.1", &dns, Some(&dns));
    check(
        "An Internal with multiple internal IPs",
        "10.1.1.1",
        &h("I10.1.1.1 I10.2.2.2 I10.3.3.3 E55.55.55.55"),
        Some(&h("I10.1.1.1 E55.55.55.55")),
    );
    check("An InternalIP that isn't valid: should error", "10.2.2.2", &h("I10.1.1.1 E55.55.55.55"), None);
    check(
        "Dual-stack cloud, with nodeIP, different IPv6 formats",
        "2600:1f14:1d4:d101::ba3d",
        &h("I10.1.1.1 I2600:1f14:1d4:d101:0:0:0:ba3d"),
        Some(&h("I2600:1f14:1d4:d101:0:0:0:ba3d")),
    );
    check("Single-stack cloud, dual-stack request", "10.1.1.1,fc01:1234::5678", &h("I10.1.1.1"), None);
    check(
        "Dual-stack cloud, IPv4 first, IPv4-primary request",
        "10.1.1.1,fc01:1234::5678",
        &h("I10.1.1.1 Ifc01:1234::5678"),
        Some(&h("I10.1.1.1 Ifc01:1234::5678")),
    );
    check(
        "Dual-stack cloud, IPv6 first, IPv4-primary request",
        "10.1.1.1,fc01:1234::5678",
        &h("Ifc01:1234::5678 I10.1.1.1"),
        Some(&h("I10.1.1.1 Ifc01:1234::5678")),
    );
    check(
        "Dual-stack cloud, dual-stack request, multiple IPs",
        "10.1.1.1,fc01:1234::5678",
        &h("I10.1.1.1 I10.1.1.2 Ifc01:1234::1234 Ifc01:1234::5678"),
        Some(&h("I10.1.1.1 Ifc01:1234::5678")),
    );
    check(
        "Dual-stack cloud, dual-stack request, extra ExternalIP",
        "10.1.1.1,fc01:1234::5678",
        &h("I10.1.1.1 I10.1.1.2 Ifc01:1234::1234 Ifc01:1234::5678 E55.55.55.55"),
        Some(&h("I10.1.1.1 Ifc01:1234::5678 E55.55.55.55")),
    );
    check(
        "Dual-stack cloud, dual-stack request, multiple ExternalIPs",
        "fc01:1234::5678,10.1.1.1",
        &h("I10.1.1.1 E55.55.55.55 Ifc01:1234::5678 E2001:db1::1"),
        Some(&h("Ifc01:1234::5678 I10.1.1.1 E55.55.55.55 E2001:db1::1")),
    );
    check(
        "Dual-stack cloud, dual-stack request, mixed InternalIP/ExternalIP match",
        "55.55.55.55,fc01:1234::5678",
        &h("I10.1.1.1 E55.55.55.55 Ifc01:1234::5678 E2001:db1::1"),
        Some(&h("E55.55.55.55 Ifc01:1234::5678")),
    );
}

#[test]
fn addresses_are_added_once() {
    // Upstream's TestAddToNodeAddresses.
    let check = |case: &str, existing: &str, more: &str, expected: &str| {
        let mut addresses = list(existing);
        add(&mut addresses, list(more));
        assert_eq!(addresses, list(expected), "{case}");
    };
    check("add no addresses to empty node addresses", "", "", "");
    check("add new node addresses to empty existing addresses", "", "E1.1.1.1 Hh", "E1.1.1.1 Hh");
    check("add a duplicate node address", "", "E1.1.1.1 E1.1.1.1", "E1.1.1.1");
    check("add 1 new and 1 duplicate address", "I10.0.0.1 E1.1.1.1", "E1.1.1.1 Hh", "I10.0.0.1 E1.1.1.1 Hh");
}

#[test]
fn a_change_is_a_change_of_the_ordered_list() {
    // Upstream's TestNodeAddressesChangeDetected. There a map by kind is compared (10.1.3); here the lists.
    let check = |case: &str, old: &str, new: &str, expected: bool| {
        let node = fixtures::Node::new().addresses(old).build();
        let wanted = wanted(&node, &list(new)).expect("no annotation").expect("known");
        assert_eq!(wanted != node.addresses, expected, "{case}");
    };
    check("identical", "I10.0.0.1 E132.143.154.163", "I10.0.0.1 E132.143.154.163", false);
    check("external differs", "I10.0.0.1 E132.143.154.164", "I10.0.0.1 E132.143.154.163", true);
    check("new has an additional hostname", "I10.0.0.1 E132.143.154.163", "I10.0.0.1 E132.143.154.163 Hn", true);
    check("values swapped", "I132.143.154.163 E10.0.0.1", "I10.0.0.1 E132.143.154.163", true);
    check("10.1.3: two of one kind, unchanged", "I10.0.0.1 Ifc00::1", "I10.0.0.1 Ifc00::1", false);
    check("10.1.3: two of one kind, reordered", "I10.0.0.1 Ifc00::1", "Ifc00::1 I10.0.0.1", true);
    // Upstream compares raw lists here and calls it a change; the Node's hostname is kept before the lists are compared.
    check("old has an additional hostname", "I10.0.0.1 Hn", "I10.0.0.1", false);
}

#[test]
fn nothing_known_changes_nothing() {
    let node = fixtures::Node::new().addresses("I10.0.0.1 Hn").build();
    assert_eq!(wanted(&node, &[]), Ok(None));
}

#[test]
fn a_wanted_ip_without_any_known_address_is_an_error() {
    let node = fixtures::Node::new().node_ip("10.0.0.1").build();
    let error = wanted(&node, &[]).expect_err("no address matches");
    assert!(error.to_string().contains("10.0.0.1"), "{error}");
}

#[test]
fn a_hostname_survives_the_choice_by_node_ip() {
    let node = fixtures::Node::new().node_ip("10.0.0.1").addresses("Hnode0").build();
    assert_eq!(wanted(&node, &list("I10.0.0.1 I10.0.0.2")), Ok(Some(list("I10.0.0.1 Hnode0"))));
}

#[test]
fn an_error_names_the_annotation_the_value_and_what_is_known() {
    let node = fixtures::Node::new().node_ip("10.9.9.9").build();
    let error = wanted(&node, &list("I10.0.0.1 E1.1.1.1")).expect_err("not among them").to_string();
    for part in [ANNOTATION_PROVIDED_NODE_IP, "10.9.9.9", "10.0.0.1, 1.1.1.1"] {
        assert!(error.contains(part), "{error}");
    }
}
