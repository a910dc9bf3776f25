//! A machine in the API's words.

use std::net::IpAddr;

use cloud_provider_api::v1::{AddressType, Instance, NodeAddress, NodeReference};
use provider_kit::inventory::{internal_ips, tag_labels};

use super::{
    machine::{Kind, Machine},
    provider_id,
};
use crate::config::{Config, InstanceTypeStyle, NodeSettings, ZoneStyle};

/// Prefix of labels made from tags.
const TAG_LABELS: &str = "tags.baidubce.com/";
/// What CCE puts behind a place at the edge to name the carrier.
const CARRIERS: [&str; 4] = ["-cm", "-cu", "-ct", "-tl"];

/// What the API is told of a node's machine.
pub(crate) fn instance(node: &NodeReference, machine: &Machine, config: &Config) -> Instance {
    let settings = &config.nodes;
    let provider_id =
        if node.provider_id.is_empty() { provider_id::of_machine(&machine.id) } else { node.provider_id.clone() };
    Instance {
        provider_id,
        instance_type: instance_type(machine, settings.instance_type_style),
        zone: zone(machine, settings.zone_style),
        region: region(machine, &config.region),
        addresses: addresses(node, machine, settings),
        state: machine.state.into(),
        labels: tag_labels(
            TAG_LABELS,
            machine.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())),
            &settings.tag_labels,
        ),
        account: config.account_id.clone(),
    }
}

/// IPv4 before IPv6, which is shown where the node asks for it; inside before outside; then the name, as the Go provider did.
fn addresses(node: &NodeReference, machine: &Machine, settings: &NodeSettings) -> Vec<NodeAddress> {
    let wants_ipv6 = internal_ips(node).iter().any(IpAddr::is_ipv6);
    let shown = |ips: &[IpAddr]| {
        let mut ips: Vec<IpAddr> = ips.iter().copied().filter(|ip| wants_ipv6 || ip.is_ipv4()).collect();
        ips.sort_by_key(IpAddr::is_ipv6);
        ips
    };
    let inside = shown(&machine.internal).into_iter().map(|ip| (AddressType::InternalIp, ip.to_string()));
    let outside = if settings.external_ip { shown(&machine.external) } else { Vec::new() };
    let outside = outside.into_iter().map(|ip| (AddressType::ExternalIp, ip.to_string()));
    let mut all: Vec<(AddressType, String)> = Vec::new();
    for address in inside.chain(outside) {
        if !all.iter().any(|(_, known)| *known == address.1) {
            all.push(address);
        }
    }
    // A machine without any address yet is not known well enough to speak of its addresses.
    if !all.is_empty() {
        all.push((AddressType::Hostname, node.node_name.clone()));
    }
    all.into_iter().map(|(kind, address)| NodeAddress { r#type: kind.into(), address }).collect()
}

fn instance_type(machine: &Machine, style: InstanceTypeStyle) -> String {
    match style {
        InstanceTypeStyle::Spec => machine.spec.clone(),
        InstanceTypeStyle::Legacy if machine.gpu => "GPU".to_owned(),
        InstanceTypeStyle::Legacy => "BCC".to_owned(),
    }
}

/// `cn-bj-a` is CCE's `zoneA`.
fn zone(machine: &Machine, style: ZoneStyle) -> String {
    match machine.zone.rsplit_once('-') {
        Some((_, letter)) if style == ZoneStyle::Cce && machine.kind != Kind::Bec && letter.len() == 1 => {
            format!("zone{}", letter.to_ascii_uppercase())
        }
        _ => machine.zone.clone(),
    }
}

/// At the edge the place is the region, whatever the cluster's is, and its carrier a zone of it.
fn region(machine: &Machine, configured: &str) -> String {
    if machine.kind != Kind::Bec || machine.zone.is_empty() {
        return configured.to_owned();
    }
    let place = CARRIERS.iter().find_map(|carrier| machine.zone.strip_suffix(carrier));
    place.unwrap_or(&machine.zone).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{super::machine::testing::machine, *};

    fn config(more: &str) -> Config {
        let text = format!(r#"{{"ClusterId":"c-1","Region":"bj","AccessKeyID":"AK","SecretAccessKey":"SK"{more}}}"#);
        crate::config::parse(&text, &|_| None).unwrap().config
    }

    fn node(provider_id: &str) -> NodeReference {
        NodeReference {
            node_name: "192.168.0.4".to_owned(),
            provider_id: provider_id.to_owned(),
            ..NodeReference::default()
        }
    }

    fn told(node: &NodeReference, machine: &Machine, more: &str) -> Instance {
        instance(node, machine, &config(more))
    }

    #[test]
    fn the_form_on_the_node_is_kept_and_a_new_one_has_the_scheme() {
        let machine = machine("i-AbCd1234", "192.168.0.4");
        let provider_id = |on_node: &str| told(&node(on_node), &machine, "").provider_id;
        assert_eq!(provider_id(""), "cce://i-AbCd1234");
        assert_eq!(provider_id("i-AbCd1234"), "i-AbCd1234");
        assert_eq!(provider_id("cce:///zoneA/i-AbCd1234"), "cce:///zoneA/i-AbCd1234");
    }

    #[test]
    fn labels_keep_the_go_providers_words_where_that_is_wanted() {
        let bcc = machine("i-1", "192.168.0.4");
        let gpu = Machine { gpu: true, ..bcc.clone() };
        for (machine, more, instance_type, zone) in [
            (&bcc, "", "bcc.g5.c4m16", "zoneA"),
            (&bcc, r#","InstanceTypeStyle":"legacy""#, "BCC", "zoneA"),
            (&gpu, r#","InstanceTypeStyle":"legacy""#, "GPU", "zoneA"),
            (&bcc, r#","ZoneStyle":"cloud""#, "bcc.g5.c4m16", "cn-bj-a"),
        ] {
            let told = told(&node(""), machine, more);
            assert_eq!((told.instance_type.as_str(), told.zone.as_str()), (instance_type, zone), "{more}");
            assert_eq!((told.region.as_str(), told.account.as_str()), ("bj", "c-1"));
        }
    }

    #[test]
    fn at_the_edge_the_place_is_the_region_and_the_carrier_the_zone() {
        let edge = |zone: &str| Machine { kind: Kind::Bec, zone: zone.to_owned(), ..machine("vm-1", "172.16.0.4") };
        for (place, region, zone) in [
            ("cn-hangzhou-cm", "cn-hangzhou", "cn-hangzhou-cm"),
            ("cn-hangzhou-x", "cn-hangzhou-x", "cn-hangzhou-x"),
            ("", "bj", ""),
        ] {
            let told = told(&node(""), &edge(place), "");
            assert_eq!((told.region.as_str(), told.zone.as_str()), (region, zone), "{place}");
        }
    }

    #[test]
    fn addresses_are_ordered_and_the_public_ones_can_be_left_out() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let machine = Machine {
            internal: vec![ip("fd00::4"), ip("192.168.0.4"), ip("192.168.0.4")],
            external: vec![ip("203.0.113.9")],
            ..machine("i-1", "192.168.0.4")
        };
        let words = |node: &NodeReference, more: &str| {
            let told = told(node, &machine, more).addresses;
            told.iter().map(|address| format!("{:?} {}", address.r#type(), address.address)).collect::<Vec<_>>()
        };
        let hostname = "Hostname 192.168.0.4";
        assert_eq!(words(&node(""), ""), ["InternalIp 192.168.0.4", "ExternalIp 203.0.113.9", hostname]);
        assert_eq!(words(&node(""), r#","ExternalIP":false"#), ["InternalIp 192.168.0.4", hostname]);
        let mut dual = node("");
        let six = NodeAddress { r#type: AddressType::InternalIp.into(), address: "fd00::4".to_owned() };
        dual.addresses.push(six);
        let all = ["InternalIp 192.168.0.4", "InternalIp fd00::4", "ExternalIp 203.0.113.9", hostname];
        assert_eq!(words(&dual, ""), all);
        let bare = Machine { internal: Vec::new(), external: Vec::new(), ..machine.clone() };
        assert!(told(&node(""), &bare, "").addresses.is_empty());
    }

    #[test]
    fn tags_become_labels_where_they_are_asked_for() {
        let tags = vec![("role".to_owned(), "worker".to_owned()), ("other".to_owned(), "x".to_owned())];
        let machine = Machine { tags, ..machine("i-1", "192.168.0.4") };
        let labels = told(&node(""), &machine, r#","NodeTagLabels":["role"]"#).labels;
        assert_eq!(labels.get("tags.baidubce.com/role").map(String::as_str), Some("worker"));
        assert_eq!(labels.len(), 1);
    }
}
