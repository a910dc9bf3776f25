//! What values mean. Each parser's error is the remedy alone: the caller knows key and value.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use serde_json::Value;

/// Which implementation a Service gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Shared ELB.
    Shared,
    /// Dedicated ELB.
    Dedicated,
    /// DNAT rules of a NAT gateway.
    Dnat,
    /// Classic ELB, which Huawei Cloud has retired.
    Elasticity,
}

impl Class {
    /// As the annotation writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Dedicated => "dedicated",
            Self::Dnat => "dnat",
            Self::Elasticity => "elasticity",
        }
    }
}

/// How a pool chooses members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest connections.
    LeastConnections,
    /// By the client's address.
    SourceIp,
}

impl Algorithm {
    /// The cloud's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "ROUND_ROBIN",
            Self::LeastConnections => "LEAST_CONNECTIONS",
            Self::SourceIp => "SOURCE_IP",
        }
    }
}

/// By what clients are recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersistenceKind {
    /// Their address: TCP and UDP.
    SourceIp,
    /// A cookie of the load balancer's: HTTP.
    HttpCookie,
    /// A cookie of the application's, by name: HTTP.
    AppCookie(String),
}

/// Stickiness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// `None`: what fits the listener.
    pub kind: Option<PersistenceKind>,
    /// Minutes. `None`: the platform's default.
    pub minutes: Option<u32>,
}

/// Health checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthOption {
    /// Seconds between checks.
    pub delay: u32,
    /// Seconds to wait for an answer.
    pub timeout: u32,
    /// Failures that matter.
    pub max_retries: u32,
    /// Switches checks on although the flag says off, as the Go provider does.
    pub enable: bool,
}

impl Default for HealthOption {
    fn default() -> Self {
        Self { delay: 5, timeout: 3, max_retries: 3, enable: false }
    }
}

/// A public address to allocate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EipOption {
    /// Line: `5_bgp`.
    pub ip_type: String,
    /// Mbit/s. `None` only with a shared bandwidth.
    pub bandwidth_size: Option<u32>,
    /// The shared bandwidth to join.
    pub share_id: Option<String>,
    /// `traffic` or `bandwidth`.
    pub charge_mode: String,
}

/// A protocol the load balancer speaks in place of plain TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L7Protocol {
    /// Plain HTTP.
    Http,
    /// TLS ended at the load balancer.
    Https,
}

/// One entry of `elb.protocol-port`.
pub type L7Port = (u16, L7Protocol);

/// An IP group of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessList {
    /// Its id.
    pub id: String,
    /// It bars clients; else it admits them.
    pub black: bool,
}

pub(super) type Parsed<T> = Result<T, String>;

pub(super) fn class(value: &str) -> Parsed<Class> {
    match value {
        "shared" | "union" => Ok(Class::Shared),
        "dedicated" | "performance" => Ok(Class::Dedicated),
        "dnat" => Ok(Class::Dnat),
        "elasticity" => Ok(Class::Elasticity),
        _ => Err("write shared, dedicated or dnat".to_owned()),
    }
}

pub(super) fn boolean(value: &str) -> Parsed<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

pub(super) fn switch(value: &str) -> Parsed<bool> {
    match value {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("write on or off".to_owned()),
    }
}

pub(super) fn affinity_switch(value: &str) -> Parsed<bool> {
    // The classic class's word for `on`.
    if value == "SOURCE_IP" { Ok(true) } else { switch(value) }
}

pub(super) fn algorithm(value: &str) -> Parsed<Algorithm> {
    match value {
        "ROUND_ROBIN" => Ok(Algorithm::RoundRobin),
        "LEAST_CONNECTIONS" => Ok(Algorithm::LeastConnections),
        "SOURCE_IP" => Ok(Algorithm::SourceIp),
        _ => Err("write ROUND_ROBIN, LEAST_CONNECTIONS or SOURCE_IP".to_owned()),
    }
}

/// An id of the cloud's: never a path, a query or a second header.
pub(super) fn id(value: &str) -> Parsed<String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&value.len()) && value.chars().all(valid) {
        return Ok(value.to_owned());
    }
    Err("write the id as the console shows it: letters, digits, '-', '_' and '.', at most 64".to_owned())
}

pub(super) fn seconds(value: &str, least: u32, most: u32) -> Parsed<u32> {
    value
        .parse()
        .ok()
        .filter(|seconds| (least..=most).contains(seconds))
        .ok_or_else(|| format!("write a whole number of seconds from {least} to {most}"))
}

pub(super) fn zones(value: &str) -> Parsed<Vec<String>> {
    let zones: Vec<String> = value.split(';').map(|zone| zone.trim().to_owned()).collect();
    if zones.iter().any(String::is_empty) {
        return Err("write zones with ';' between them: az1;az2".to_owned());
    }
    Ok(zones)
}

pub(super) fn protocol_ports(value: &str) -> Parsed<BTreeMap<u16, L7Protocol>> {
    let remedy = || "write protocol:port pairs with ',' between them: https:443,http:80".to_owned();
    let mut ports = BTreeMap::new();
    for pair in value.split(',') {
        let (protocol, port) = pair.trim().split_once(':').ok_or_else(remedy)?;
        let protocol = match protocol.trim() {
            "http" => L7Protocol::Http,
            "https" => L7Protocol::Https,
            _ => return Err(remedy()),
        };
        let port = port.trim().parse().ok().filter(|port| *port > 0).ok_or_else(remedy)?;
        if ports.insert(port, protocol).is_some_and(|other| other != protocol) {
            return Err(format!("port {port} is there twice; {}", remedy()));
        }
    }
    Ok(ports)
}

pub(super) fn json(value: &str) -> Parsed<Value> {
    let parsed: Value = serde_json::from_str(value).map_err(|_| "write a JSON object".to_owned())?;
    if parsed.is_object() { Ok(parsed) } else { Err("write a JSON object".to_owned()) }
}

/// A number, also as a text: manifests have both.
fn number(object: &Value, key: &str, least: u32, most: u32) -> Parsed<Option<u32>> {
    let given = match &object[key] {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    given
        .filter(|number| (least..=most).contains(number))
        .map(Some)
        .ok_or_else(|| format!("{key:?} is {}: write a whole number from {least} to {most}", object[key]))
}

fn text<'a>(object: &'a Value, key: &str) -> Parsed<&'a str> {
    match &object[key] {
        Value::Null => Ok(""),
        Value::String(text) => Ok(text.trim()),
        other => Err(format!("{key:?} is {other}: write a text")),
    }
}

pub(super) fn affinity(object: &Value) -> Parsed<Affinity> {
    let cookie = text(object, "cookie_name")?;
    let kind = match text(object, "type")? {
        "" => None,
        "SOURCE_IP" => Some(PersistenceKind::SourceIp),
        "HTTP_COOKIE" => Some(PersistenceKind::HttpCookie),
        "APP_COOKIE" if cookie.is_empty() => {
            return Err("\"type\" APP_COOKIE needs \"cookie_name\", the name of the application's cookie".to_owned());
        }
        "APP_COOKIE" => Some(PersistenceKind::AppCookie(cookie.to_owned())),
        other => return Err(format!("\"type\" is {other:?}: write SOURCE_IP, HTTP_COOKIE or APP_COOKIE")),
    };
    // The longest any listener takes; the port's protocol may take less.
    Ok(Affinity { kind, minutes: number(object, "persistence_timeout", 1, 1440)? })
}

pub(super) fn health(object: &Value) -> Parsed<HealthOption> {
    let default = HealthOption::default();
    Ok(HealthOption {
        delay: number(object, "delay", 1, 50)?.unwrap_or(default.delay),
        timeout: number(object, "timeout", 1, 50)?.unwrap_or(default.timeout),
        max_retries: number(object, "max_retries", 1, 10)?.unwrap_or(default.max_retries),
        enable: object["enable"] == Value::Bool(true),
    })
}

pub(super) fn eip(object: &Value) -> Parsed<EipOption> {
    let share_id = match text(object, "share_id")? {
        "" => None,
        share => Some(id(share).map_err(|remedy| format!("\"share_id\" is {share:?}: {remedy}"))?),
    };
    match (text(object, "share_type")?, &share_id) {
        ("" | "PER", _) | ("WHOLE", Some(_)) => {}
        ("WHOLE", None) => {
            return Err("\"share_type\" WHOLE needs \"share_id\", the id of a shared bandwidth".to_owned());
        }
        (other, _) => return Err(format!("\"share_type\" is {other:?}: write PER or WHOLE")),
    }
    let charge_mode = match text(object, "charge_mode")? {
        "" => "traffic",
        mode @ ("traffic" | "bandwidth") => mode,
        other => return Err(format!("\"charge_mode\" is {other:?}: write traffic or bandwidth")),
    };
    let bandwidth_size = number(object, "bandwidth_size", 1, 2000)?;
    if bandwidth_size.is_none() && share_id.is_none() {
        return Err("\"bandwidth_size\" is missing: write Mbit/s, or the \"share_id\" of a shared bandwidth".to_owned());
    }
    let ip_type = match text(object, "ip_type")? {
        "" => return Err("\"ip_type\" is missing: write the line, for example 5_bgp".to_owned()),
        line => id(line).map_err(|remedy| format!("\"ip_type\" is {line:?}: {remedy}"))?,
    };
    Ok(EipOption { ip_type, bandwidth_size, share_id, charge_mode: charge_mode.to_owned() })
}

/// What CCE's `elb.autocreate` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Autocreate {
    /// A public address to allocate.
    pub(super) eip: Option<EipOption>,
    /// Zones of a dedicated one.
    pub(super) zones: Vec<String>,
    /// IPv4 subnet of the virtual address.
    pub(super) subnet_id: Option<String>,
    /// The virtual address.
    pub(super) vip_address: Option<Ipv4Addr>,
}

pub(super) fn autocreate(object: &Value) -> Parsed<Autocreate> {
    let subnet_id = match text(object, "vip_subnet_cidr_id")? {
        "" => None,
        value => Some(id(value).map_err(|remedy| format!("\"vip_subnet_cidr_id\" is {value:?}: {remedy}"))?),
    };
    for (flavor, instead) in [("l4_flavor_name", "l4-flavor-id"), ("l7_flavor_name", "l7-flavor-id")] {
        if !text(object, flavor)?.is_empty() {
            return Err(format!("{flavor:?}: write the flavor's id as kubernetes.io/elb.{instead}"));
        }
    }
    let eip_option = match text(object, "type")? {
        "inner" => None,
        "public" => {
            let field = |key: &str| object[key].clone();
            let option = serde_json::json!({
                "ip_type": field("eip_type"), "bandwidth_size": field("bandwidth_size"),
                "share_type": field("bandwidth_sharetype"), "charge_mode": field("bandwidth_chargemode"),
            });
            Some(eip(&option).map_err(|remedy| format!("\"type\" is public: {}", in_cces_words(&remedy)))?)
        }
        other => return Err(format!("\"type\" is {other:?}: write public or inner")),
    };
    let zones = match &object["available_zone"] {
        Value::Null => Vec::new(),
        Value::Array(zones) => {
            let named = zones.iter().map(|zone| zone.as_str().map(|zone| zone.trim().to_owned()));
            named.collect::<Option<_>>().ok_or("\"available_zone\" is no list of names: write [\"az1\",\"az2\"]")?
        }
        _ => return Err("\"available_zone\" is no list: write [\"az1\",\"az2\"]".to_owned()),
    };
    let vip_address = match text(object, "vip_address")? {
        "" => None,
        address => Some(
            address
                .parse::<Ipv4Addr>()
                .map_err(|_| format!("\"vip_address\" is {address:?}: write an IPv4 address"))?,
        ),
    };
    Ok(Autocreate { eip: eip_option, zones, subnet_id, vip_address })
}

/// CCE has other names for the fields of a public address.
fn in_cces_words(remedy: &str) -> String {
    [
        ("\"ip_type\"", "\"eip_type\""),
        ("\"share_type\"", "\"bandwidth_sharetype\""),
        ("\"charge_mode\"", "\"bandwidth_chargemode\""),
    ]
    .iter()
    .fold(remedy.to_owned(), |text, (ours, theirs)| text.replace(ours, theirs))
}

impl Affinity {
    /// Kubernetes' `ClientIP` affinity for this long, in the platform's minutes, rounded up.
    pub fn client_ip(duration: Duration) -> Self {
        let minutes = duration.as_secs().div_ceil(60).max(1);
        Self { kind: Some(PersistenceKind::SourceIp), minutes: u32::try_from(minutes).ok() }
    }
}
