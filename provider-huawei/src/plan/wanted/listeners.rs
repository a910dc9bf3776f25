//! Listeners, pools and health checks of the ports.

use std::collections::BTreeSet;

use cloud_provider_api::v1;

use super::WantedPort;
use crate::{
    annotations::{Affinity, L7Protocol, PersistenceKind, Settings},
    api::elb::Persistence,
    config::Features,
    plan::{Note, PortKey},
};

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// HTTP.
    Http,
    /// TLS ended at the load balancer.
    Https,
}

impl Speaks {
    /// The cloud's word for the listener: the two kinds of load balancer differ.
    pub fn listener(self, dedicated: bool) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Http => "HTTP",
            Self::Https if dedicated => "HTTPS",
            Self::Https => "TERMINATED_HTTPS",
        }
    }

    /// The cloud's word for the pool behind it.
    pub fn pool(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Http | Self::Https => "HTTP",
        }
    }

    /// Whether it reads requests.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Longest stickiness, in minutes.
    fn most_minutes(self) -> u32 {
        if self.is_http() { 1440 } else { 60 }
    }
}

/// A health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorSpec {
    /// The cloud's word.
    pub kind: &'static str,
    /// Seconds between checks.
    pub delay: u32,
    /// Seconds to wait.
    pub timeout: u32,
    /// Failures that matter.
    pub max_retries: u32,
    /// The port checked. `None`: the member's own.
    pub port: Option<u16>,
    /// What is asked for. `None`: the platform's default.
    pub path: Option<&'static str>,
}

/// What a listener is set to. `None`: the platform's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Its certificate.
    pub certificate: Option<String>,
    /// Adds `X-Forwarded-Host`. `None`: not for this protocol.
    pub x_forwarded_host: Option<bool>,
    /// Seconds an idle connection stays.
    pub idle_timeout: Option<u32>,
    /// Seconds to wait for a request.
    pub request_timeout: Option<u32>,
    /// Seconds to wait for a response.
    pub response_timeout: Option<u32>,
    /// Members see the client's address. `None`: nothing to say.
    pub transparent: Option<bool>,
}

pub(super) fn wanted_ports(
    spec: &v1::LoadBalancerSpec,
    settings: &Settings,
    dedicated: bool,
    features: &Features,
    faults: &mut Vec<(String, String)>,
    notes: &mut Vec<Note>,
) -> Vec<WantedPort> {
    if spec.ports.is_empty() {
        faults.push(("spec.ports".to_owned(), "at least one is needed".to_owned()));
    }
    let mut seen = BTreeSet::new();
    let mut ports = Vec::with_capacity(spec.ports.len());
    for (index, port) in spec.ports.iter().enumerate() {
        let key = match port_key(port) {
            Ok(key) => key,
            Err((field, problem)) => {
                faults.push((format!("spec.ports[{index}].{field}"), problem));
                continue;
            }
        };
        if !seen.insert(key) {
            faults.push((format!("spec.ports[{index}].port"), format!("{key} is there twice")));
        }
        let speaks = speaks(key, settings);
        ports.push(WantedPort {
            key,
            speaks,
            algorithm: settings.algorithm,
            persistence: persistence(spec, settings, speaks, faults),
            monitor: monitor(spec, settings, speaks, notes),
            listener: listener(settings, speaks, dedicated, features),
            members: Vec::new(),
        });
    }
    ports
}

/// Transport and number, or the field that is wrong.
pub(crate) fn port_key(port: &v1::ServicePort) -> Result<PortKey, (&'static str, String)> {
    provider_kit::load_balancers::port_key(port, "Huawei Cloud")
}

fn speaks(key: PortKey, settings: &Settings) -> Speaks {
    if key.udp {
        return Speaks::Udp;
    }
    if !settings.protocol_ports.is_empty() {
        return match settings.protocol_ports.get(&key.port) {
            Some(L7Protocol::Http) => Speaks::Http,
            Some(L7Protocol::Https) => Speaks::Https,
            None => Speaks::Tcp,
        };
    }
    match (&settings.certificate, settings.x_forwarded_host) {
        (Some(_), _) => Speaks::Https,
        (None, true) => Speaks::Http,
        (None, false) => Speaks::Tcp,
    }
}

fn persistence(
    spec: &v1::LoadBalancerSpec,
    settings: &Settings,
    speaks: Speaks,
    faults: &mut Vec<(String, String)>,
) -> Option<Persistence> {
    let service = spec.client_ip_affinity.and_then(|time| std::time::Duration::try_from(time).ok());
    let affinity = match (settings.affinity, service) {
        (Some(false), _) | (None, None) => return None,
        (Some(true), _) => settings.affinity_option.clone(),
        (None, Some(time)) => Affinity::client_ip(time),
    };
    let by_annotation = settings.affinity == Some(true);
    let most = speaks.most_minutes();
    let field = "annotations[kubernetes.io/elb.session-affinity-option]";
    if let (true, Some(minutes)) = (by_annotation, affinity.minutes.filter(|minutes| *minutes > most)) {
        let problem = format!("\"persistence_timeout\" is {minutes}: {} ports take 1 to {most} minutes", speaks.pool());
        faults.push((field.to_owned(), problem));
    }
    let minutes = affinity.minutes.map(|minutes| minutes.min(most));
    let (kind, cookie_name) = match (affinity.kind, speaks.is_http()) {
        // An HTTP listener recognises clients by cookies alone.
        (None | Some(PersistenceKind::HttpCookie), true) => ("HTTP_COOKIE", None),
        (Some(PersistenceKind::SourceIp), true) if !by_annotation => ("HTTP_COOKIE", None),
        (None | Some(PersistenceKind::SourceIp), _) => ("SOURCE_IP", None),
        (Some(PersistenceKind::AppCookie(name)), true) => ("APP_COOKIE", Some(name)),
        (Some(_), false) => {
            let problem = format!("cookies need an HTTP port, this one is {}: write SOURCE_IP", speaks.pool());
            faults.push((field.to_owned(), problem));
            return None;
        }
    };
    // The application's cookie says itself how long it lives.
    let minutes = if cookie_name.is_some() { None } else { minutes };
    Some(Persistence { kind: kind.to_owned(), cookie_name, persistence_timeout: minutes })
}

fn monitor(
    spec: &v1::LoadBalancerSpec,
    settings: &Settings,
    speaks: Speaks,
    notes: &mut Vec<Note>,
) -> Option<MonitorSpec> {
    let option = settings.health_option;
    let local = spec.external_traffic_policy() == v1::TrafficPolicy::Local;
    let health_port = spec.health_check_node_port.filter(|_| local).and_then(|port| u16::try_from(port).ok());
    if !settings.health_check {
        if health_port.is_some() {
            let message = "externalTrafficPolicy Local without health checks: nodes without a pod of the Service get traffic, \
                           which they drop; switch kubernetes.io/elb.health-check-flag on";
            note_once(notes, "HealthCheckOff", message);
        }
        return None;
    }
    let (kind, port, path) = match (speaks, health_port) {
        (Speaks::Udp, Some(_)) => {
            let message = "externalTrafficPolicy Local: UDP ports can be checked only on their own node port, not on the \
                           health check node port";
            note_once(notes, "HealthCheckUdp", message);
            ("UDP_CONNECT", None, None)
        }
        (Speaks::Udp, None) => ("UDP_CONNECT", None, None),
        (_, Some(port)) => ("HTTP", Some(port), Some("/healthz")),
        (Speaks::Tcp, None) => ("TCP", None, None),
        (Speaks::Http | Speaks::Https, None) => ("HTTP", None, None),
    };
    let (delay, timeout, max_retries) = (option.delay, option.timeout, option.max_retries);
    Some(MonitorSpec { kind, delay, timeout, max_retries, port, path })
}

fn note_once(notes: &mut Vec<Note>, reason: &'static str, message: &str) {
    if !notes.iter().any(|note| note.reason == reason) {
        notes.push(Note { reason, warning: true, message: message.to_owned() });
    }
}

fn listener(settings: &Settings, speaks: Speaks, dedicated: bool, features: &Features) -> ListenerSettings {
    let http = speaks.is_http();
    // A dedicated load balancer always shows members the client's address, and v2 cannot be told.
    let transparent = !http && features.dedicated_load_balancers && (!dedicated || settings.transparent_client_ip);
    ListenerSettings {
        certificate: settings.certificate.clone().filter(|_| speaks == Speaks::Https),
        x_forwarded_host: http.then_some(settings.x_forwarded_host),
        idle_timeout: settings.idle_timeout.filter(|_| dedicated || speaks != Speaks::Udp),
        request_timeout: settings.request_timeout.filter(|_| http),
        response_timeout: settings.response_timeout.filter(|_| http),
        transparent: transparent.then_some(settings.transparent_client_ip),
    }
}
