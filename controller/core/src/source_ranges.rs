//! Who may connect to a load balancer: `spec.loadBalancerSourceRanges`, or its older annotation form.

use std::{collections::BTreeSet, fmt};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{names::ANNOTATION_SOURCE_RANGES, view::Service};

/// A source range that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSourceRange {
    /// Where it stands: the field of the spec or the annotation.
    pub field: String,
    /// As written.
    pub value: String,
}

impl fmt::Display for InvalidSourceRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} is not a CIDR; write it as 10.0.0.0/8 or 2001:db8::/32", self.field, self.value)
    }
}

impl std::error::Error for InvalidSourceRange {}

/// The networks that may connect: the spec's when it names any, else the annotation's, else everybody (`0.0.0.0/0`).
pub fn source_ranges(service: &Service) -> Result<BTreeSet<IpNet>, InvalidSourceRange> {
    if !service.source_ranges.is_empty() {
        return parse_all("spec.loadBalancerSourceRanges", service.source_ranges.iter().map(String::as_str));
    }
    let text = service.annotations.get(ANNOTATION_SOURCE_RANGES).map_or("", |text| text.trim());
    if text.is_empty() {
        return Ok(BTreeSet::from([IpNet::V4(Ipv4Net::default())]));
    }
    parse_all(&format!("metadata.annotations[{ANNOTATION_SOURCE_RANGES}]"), text.split(','))
}

fn parse_all<'a>(field: &str, values: impl Iterator<Item = &'a str>) -> Result<BTreeSet<IpNet>, InvalidSourceRange> {
    values
        .map(|value| {
            let invalid = || InvalidSourceRange { field: field.to_owned(), value: value.to_owned() };
            value.trim().parse::<IpNet>().map(|net| net.trunc()).map_err(|_| invalid())
        })
        .collect()
}

/// Whether every IPv4 address may connect. As upstream has it, `::/0` plays no part in this.
pub fn is_allow_all(ranges: &BTreeSet<IpNet>) -> bool {
    ranges.contains(&IpNet::V4(Ipv4Net::default()))
}

/// The ranges as a provider is told: normalised and in order, empty for "everybody".
///
/// Allowing all of IPv4 stands for everybody, as it always has, unless somebody narrowed IPv6 beside it.
pub fn to_send(ranges: &BTreeSet<IpNet>) -> Vec<String> {
    let narrows_v6 = ranges.iter().any(|net| matches!(net, IpNet::V6(v6) if *v6 != Ipv6Net::default()));
    if is_allow_all(ranges) && !narrows_v6 {
        return Vec::new();
    }
    ranges.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::service;

    fn set(ranges: &[&str]) -> BTreeSet<IpNet> {
        ranges.iter().map(|text| text.parse::<IpNet>().unwrap().trunc()).collect()
    }

    /// Reads `text` in both forms: the annotation, and the spec's list of what stands between the commas.
    fn both_forms(text: &str) -> [Result<BTreeSet<IpNet>, InvalidSourceRange>; 2] {
        let mut annotated = service();
        annotated.annotations.insert(ANNOTATION_SOURCE_RANGES.into(), text.into());
        let mut specified = service();
        specified.source_ranges = text.split(',').map(Into::into).collect();
        [source_ranges(&annotated), source_ranges(&specified)]
    }

    #[test]
    fn refuses_what_is_no_cidr_and_names_it() {
        // TestGetLoadBalancerSourceRanges, the error cases.
        for (text, culprit) in [
            ("10.0.0.1/33", "10.0.0.1/33"),
            ("foo.bar", "foo.bar"),
            ("10.0.0.1/32,*", "*"),
            ("10.0.0.1/32,", ""),
            ("10.0.0.1/32, ", " "),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            let [annotated, specified] = both_forms(text);
            let expected = |field: &str| InvalidSourceRange { field: field.into(), value: culprit.trim().into() };
            let trimmed = |result: Result<_, InvalidSourceRange>| {
                result.map_err(|e| InvalidSourceRange { value: e.value.trim().into(), ..e })
            };
            let field = format!("metadata.annotations[{ANNOTATION_SOURCE_RANGES}]");
            assert_eq!(trimmed(annotated), Err(expected(&field)), "{text:?}");
            assert_eq!(trimmed(specified), Err(expected("spec.loadBalancerSourceRanges")), "{text:?}");
        }
    }

    #[test]
    fn reads_and_normalises_ranges() {
        // TestGetLoadBalancerSourceRanges, the good cases.
        for (text, expected) in [
            ("192.168.0.1/32", vec!["192.168.0.1/32"]),
            ("192.168.0.1/32,192.168.0.1/32", vec!["192.168.0.1/32"]),
            ("192.168.0.1/32,192.168.0.2/32", vec!["192.168.0.1/32", "192.168.0.2/32"]),
            ("  192.168.0.1/32 , 192.168.0.2/32   ", vec!["192.168.0.1/32", "192.168.0.2/32"]),
            ("10.1.2.3/8,2001:DB8::1/32", vec!["10.0.0.0/8", "2001:db8::/32"]),
        ] {
            for result in both_forms(text) {
                assert_eq!(result, Ok(set(&expected)), "{text:?}");
            }
        }
    }

    #[test]
    fn nothing_set_and_an_empty_annotation_allow_everybody() {
        for (case, annotation) in [("nothing set", None), ("empty annotation", Some(" "))] {
            let mut service = service();
            service.annotations.extend(annotation.map(|text| (ANNOTATION_SOURCE_RANGES.into(), text.into())));
            let ranges = source_ranges(&service).unwrap();
            assert_eq!(ranges.len(), 1, "{case}");
            assert!(is_allow_all(&ranges), "{case}");
        }
    }

    #[test]
    fn the_spec_wins_over_the_annotation() {
        let mut service = service();
        service.annotations.insert(ANNOTATION_SOURCE_RANGES.into(), "nonsense".into());
        service.source_ranges = vec!["10.0.0.0/8".into()];
        assert_eq!(source_ranges(&service), Ok(set(&["10.0.0.0/8"])));
    }

    #[test]
    fn allow_all_is_a_matter_of_the_ipv4_default_route() {
        // TestAllowAll.
        for (ranges, expected) in [
            ("10.0.0.1/32", false),
            ("10.0.0.1/32, 10.0.0.2/32", false),
            ("10.0.0.1/32, 10.0.0.1/32", false),
            ("0.0.0.0/0", true),
            ("192.168.0.0/0", true),
            ("192.168.0.1/32, 0.0.0.0/0", true),
        ] {
            let list: Vec<&str> = ranges.split(", ").collect();
            assert_eq!(is_allow_all(&set(&list)), expected, "{ranges}");
        }
    }

    #[test]
    fn everybody_is_sent_as_an_empty_list() {
        for (ranges, expected) in [
            (vec!["0.0.0.0/0"], vec![]),
            (vec!["0.0.0.0/0", "::/0"], vec![]),
            (vec!["0.0.0.0/0", "10.0.0.0/8"], vec![]),
            (vec!["0.0.0.0/0", "2001:db8::/32"], vec!["0.0.0.0/0", "2001:db8::/32"]),
            (vec!["::/0"], vec!["::/0"]),
            (vec!["10.0.0.2/32", "10.0.0.1/32"], vec!["10.0.0.1/32", "10.0.0.2/32"]),
        ] {
            assert_eq!(to_send(&set(&ranges)), expected, "{ranges:?}");
        }
    }
}
