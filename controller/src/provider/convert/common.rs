//! What several messages share: times, texts, addresses, item results.

use std::{collections::BTreeMap, fmt, net::IpAddr, time::Duration};

use cloud_provider_api::{error, v1};
use controller_core::{
    fault::{Code, Fault, Origin},
    provider::Notice,
    time::Timestamp,
    view::{AddressType, NodeAddress, Protocol},
};

use super::Refusal;
use crate::provider::Cluster;

/// Longest text for people.
const TEXT: usize = 1024;
/// Longest name.
const NAME: usize = 253;
/// Longest id.
pub(super) const ID: usize = 512;
/// Longest handle of a load balancer.
pub(super) const HANDLE: usize = 2048;
/// Most bytes in one map of labels.
const MAP: usize = 4096;
/// How far a daemon's clock may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(60);
/// Longest delay a daemon can impose by naming one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);

/// A field that breaks a rule common to all messages.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::provider) enum InvalidField {
    #[error("{field} is missing")]
    Missing { field: &'static str },
    #[error("{field} has {actual} bytes, more than {limit}")]
    TooLong { field: &'static str, actual: usize, limit: usize },
    #[error("{field} {value} is not {wanted}")]
    Malformed { field: &'static str, value: Excerpt, wanted: &'static str },
    #[error("{field} lies {} s in the future", .ahead.as_secs())]
    Future { field: &'static str, ahead: Duration },
}

impl Refusal for InvalidField {}

/// Foreign text in a message of ours: quoted, escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::provider) struct Excerpt(String);

impl Excerpt {
    pub(in crate::provider) fn of(text: &str) -> Self {
        Self(cut(text, 64).to_owned())
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// At most `limit` bytes of `text`, cut between characters.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// A text for people: without control characters, cut to what an Event holds.
pub(in crate::provider) fn text(text: &str) -> String {
    cut(text, TEXT).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An upper-case word as in `ErrorInfo.reason`; anything else is dropped, and so is the word by which the controller marks
/// calls it did not make.
pub(in crate::provider) fn reason(word: &str) -> String {
    let well_formed =
        word.len() <= 63 && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if well_formed && word != controller_core::fault::reason::AWAY { word.to_owned() } else { String::new() }
}

/// Where a fault with this reason lies, when no domain says it.
pub(in crate::provider) fn origin(word: &str) -> Option<Origin> {
    error::Reason::parse(word).and_then(|reason| match reason.side() {
        error::Side::Api => Some(Origin::Provider),
        error::Side::Cloud => Some(Origin::Cloud),
        error::Side::Either => None,
    })
}

/// Whether a fault with this reason is one that waiting a little does not cure.
pub(in crate::provider) fn is_quota(word: &str) -> bool {
    [error::Reason::QuotaExhausted, error::Reason::OutOfStock].iter().any(|reason| reason.as_str() == word)
}

/// A delay named by the daemon, within reason.
pub(in crate::provider) fn pause(pause: Duration) -> Duration {
    pause.min(LONGEST_PAUSE)
}

/// A duration of the wire; `None` when negative or out of range.
pub(super) fn duration(wire: prost_types::Duration) -> Option<Duration> {
    Duration::try_from(wire).ok()
}

/// A duration for the wire.
pub(super) fn wire_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).unwrap_or(prost_types::Duration { seconds: i64::MAX, nanos: 0 })
}

/// When the cloud said something: required, and not ahead of our clock.
pub(super) fn observed_at(
    field: &'static str,
    wire: Option<prost_types::Timestamp>,
    now: Timestamp,
) -> Result<Timestamp, InvalidField> {
    let wire = wire.ok_or(InvalidField::Missing { field })?;
    let millis = i128::from(wire.seconds) * 1000 + i128::from(wire.nanos) / 1_000_000;
    let at = Timestamp(u64::try_from(millis).map_err(|_| InvalidField::Malformed {
        field,
        value: Excerpt(format!("{} s", wire.seconds)),
        wanted: "a time after 1970",
    })?);
    if at > now + AHEAD {
        return Err(InvalidField::Future { field, ahead: at.since(now) });
    }
    Ok(at)
}

/// A text of `min` to `max` bytes without control characters.
pub(super) fn bounded(field: &'static str, value: String, max: usize) -> Result<String, InvalidField> {
    if value.len() > max {
        return Err(InvalidField::TooLong { field, actual: value.len(), limit: max });
    }
    if value.chars().any(char::is_control) {
        return Err(malformed(field, &value, "text without control characters"));
    }
    Ok(value)
}

/// Like [`bounded`], and not empty.
pub(super) fn required(field: &'static str, value: String, max: usize) -> Result<String, InvalidField> {
    if value.is_empty() {
        return Err(InvalidField::Missing { field });
    }
    bounded(field, value, max)
}

pub(super) fn malformed(field: &'static str, value: &str, wanted: &'static str) -> InvalidField {
    InvalidField::Malformed { field, value: Excerpt::of(value), wanted }
}

/// A value Kubernetes takes for a label; `None` when empty.
pub(super) fn label_value(field: &'static str, value: String) -> Result<Option<String>, InvalidField> {
    if value.is_empty() {
        return Ok(None);
    }
    if !is_label_value(&value) {
        return Err(malformed(field, &value, "a label value"));
    }
    Ok(Some(value))
}

/// Labels Kubernetes takes.
pub(super) fn labels(
    field: &'static str,
    wire: impl IntoIterator<Item = (String, String)>,
) -> Result<BTreeMap<String, String>, InvalidField> {
    let labels: BTreeMap<String, String> = wire.into_iter().collect();
    let size = labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > MAP {
        return Err(InvalidField::TooLong { field, actual: size, limit: MAP });
    }
    for (key, value) in &labels {
        if !is_qualified_name(key) {
            return Err(malformed(field, key, "a label key"));
        }
        if !value.is_empty() && !is_label_value(value) {
            return Err(malformed(field, value, "a label value"));
        }
    }
    Ok(labels)
}

/// `[prefix/]name` as Kubernetes wants it of labels and annotations.
fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_dns_name(prefix) && is_label_value(name),
        None => is_label_value(key),
    }
}

/// 1-63 bytes of letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_label_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    value.len() <= 63
        && ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// A lower-case DNS name: labels of 1-63 bytes, 253 bytes in all.
pub(super) fn is_dns_name(name: &str) -> bool {
    name.len() <= NAME && name.split('.').all(is_dns_label)
}

fn is_dns_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
}

/// The addresses of a node, those of unknown kind left out.
pub(super) fn addresses(field: &'static str, wire: Vec<v1::NodeAddress>) -> Result<Vec<NodeAddress>, InvalidField> {
    wire.into_iter().filter_map(|address| address_of(field, address).transpose()).collect()
}

fn address_of(field: &'static str, wire: v1::NodeAddress) -> Result<Option<NodeAddress>, InvalidField> {
    let kind = match wire.r#type() {
        v1::AddressType::Unspecified => return Ok(None),
        v1::AddressType::Hostname => AddressType::Hostname,
        v1::AddressType::InternalIp => AddressType::InternalIp,
        v1::AddressType::ExternalIp => AddressType::ExternalIp,
        v1::AddressType::InternalDns => AddressType::InternalDns,
        v1::AddressType::ExternalDns => AddressType::ExternalDns,
    };
    let address = required(field, wire.address, NAME)?;
    match kind {
        AddressType::InternalIp | AddressType::ExternalIp if !is_usable_ip(&address) => {
            Err(malformed(field, &address, "an IP address of a machine"))
        }
        _ => Ok(Some(NodeAddress::new(kind, address))),
    }
}

/// An IP literal that can be somebody's address.
pub(super) fn is_usable_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok_and(|ip| !ip.is_unspecified() && !ip.is_multicast())
}

/// A port number.
pub(super) fn port(field: &'static str, wire: u32) -> Result<u16, InvalidField> {
    u16::try_from(wire)
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| malformed(field, &wire.to_string(), "a port of 1-65535"))
}

/// The outcome of one item: `Ok` when its code is zero.
pub(super) fn item_status(provider: &str, wire: &v1::ItemStatus) -> Result<(), Fault> {
    if wire.code == 0 { Ok(()) } else { Err(item_fault(provider, wire)) }
}

/// The fault of an item that cannot be a success.
pub(super) fn item_fault(provider: &str, wire: &v1::ItemStatus) -> Fault {
    let code = Code::from_number(wire.code);
    let reason = reason(&wire.reason);
    // An item carries no domain. What the vocabulary does not place lies with the cloud, as items are its objects.
    let origin = origin(&reason).unwrap_or(Origin::Cloud);
    Fault {
        retry_after: wire.retry_after.and_then(duration).map(pause),
        quota: is_quota(&reason),
        ..Fault::new(code, origin, provider, text(&wire.message)).with_reason(reason)
    }
}

/// What people should read; without those that say nothing.
pub(super) fn notices(wire: Vec<v1::Notice>) -> Vec<Notice> {
    wire.into_iter()
        .filter(|notice| !notice.message.is_empty())
        .map(|notice| Notice {
            warning: notice.severity() == v1::Severity::Warning,
            reason: event_reason(&notice.reason),
            message: text(&notice.message),
        })
        .collect()
}

/// A reason an Event can have; another becomes a general one, since the message is what matters.
fn event_reason(word: &str) -> String {
    let well_formed = (1..=128).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric());
    if well_formed { word.to_owned() } else { "ProviderNotice".to_owned() }
}

/// The cluster, for the wire.
pub(super) fn wire_cluster(cluster: &Cluster) -> v1::Cluster {
    v1::Cluster { id: cluster.id.clone(), name: cluster.name.clone() }
}

/// Addresses, for the wire.
pub(super) fn wire_addresses(addresses: &[NodeAddress]) -> Vec<v1::NodeAddress> {
    addresses
        .iter()
        .map(|address| v1::NodeAddress {
            r#type: match address.kind {
                AddressType::Hostname => v1::AddressType::Hostname,
                AddressType::InternalIp => v1::AddressType::InternalIp,
                AddressType::ExternalIp => v1::AddressType::ExternalIp,
                AddressType::InternalDns => v1::AddressType::InternalDns,
                AddressType::ExternalDns => v1::AddressType::ExternalDns,
            }
            .into(),
            address: address.address.clone(),
        })
        .collect()
}

/// A protocol, for the wire.
pub(super) const fn wire_protocol(protocol: Protocol) -> v1::Protocol {
    match protocol {
        Protocol::Tcp => v1::Protocol::Tcp,
        Protocol::Udp => v1::Protocol::Udp,
        Protocol::Sctp => v1::Protocol::Sctp,
    }
}

/// Those annotations that the provider reads, for the wire: the others are none of its business.
pub(super) fn wire_annotations<M: FromIterator<(String, String)>>(
    annotations: &BTreeMap<String, String>,
    prefixes: &[String],
) -> M {
    annotations
        .iter()
        .filter(|(key, _)| prefixes.iter().any(|prefix| key.starts_with(prefix.as_str())))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
