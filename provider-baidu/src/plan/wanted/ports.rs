//! Listeners and health checks of the ports.

use std::collections::BTreeSet;

use cloud_provider_api::v1;
use provider_kit::load_balancers::{Note, PortKey, port_key};

use super::CLOUD;
use crate::{
    annotations::Settings,
    api::balancers::{Check, Kind, ListenerChange},
};

const ROUND_ROBIN: &str = "RoundRobin";
const HASH: &str = "Hash";
/// What the Go provider has UDP servers sent.
const CHECK_STRING: &str = "HealthCheck";

/// One port of the Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedPort {
    /// Which.
    pub(crate) key: PortKey,
    /// Where servers listen.
    pub(crate) node_port: u16,
    /// BLB: what the listener has to be set to; what is left out is not said by anybody.
    pub(crate) listener: ListenerChange,
    /// The other kinds: what has to be checked.
    pub(crate) check: Check,
}

impl WantedPort {
    /// What a listener is made with. `plain`: it is BLB's.
    pub(crate) fn new_listener(&self, plain: bool) -> ListenerChange {
        let scheduler = self.listener.scheduler.clone().or_else(|| Some(ROUND_ROBIN.to_owned()));
        if !plain {
            return ListenerChange { scheduler, ..ListenerChange::default() };
        }
        let string = self.key.udp.then(|| CHECK_STRING.to_owned());
        ListenerChange {
            scheduler,
            health_check_string: self.listener.health_check_string.clone().or(string),
            ..self.listener.clone()
        }
    }

    /// What a listener that is there has to be set to. `was_sticky`: `sessionAffinity` once made its scheduler what it is.
    pub(crate) fn changed_listener(&self, plain: bool, was_sticky: bool) -> ListenerChange {
        let back = was_sticky.then(|| ROUND_ROBIN.to_owned());
        let scheduler = self.listener.scheduler.clone().or(back);
        if plain {
            ListenerChange { scheduler, ..self.listener.clone() }
        } else {
            ListenerChange { scheduler, ..ListenerChange::default() }
        }
    }

    /// What a group's check is made with.
    pub(crate) fn new_check(&self) -> Check {
        let protocol = self.check.protocol.clone().or_else(|| Some(self.key.transport().to_owned()));
        let is_udp = protocol.as_deref() == Some("UDP");
        let string = is_udp.then(|| CHECK_STRING.to_owned());
        Check { protocol, udp_string: self.check.udp_string.clone().or(string), ..self.check.clone() }
    }
}

/// The ports in the Service's order, and whether their scheduler is what it is for the sake of `sessionAffinity`.
pub(super) fn wanted_ports(
    spec: &v1::LoadBalancerSpec,
    settings: &Settings,
    kind: Kind,
    faults: &mut Vec<(String, String)>,
    notes: &mut Vec<Note>,
) -> (Vec<WantedPort>, bool) {
    if spec.ports.is_empty() {
        faults.push(("spec.ports".to_owned(), "at least one is needed".to_owned()));
    }
    let affinity = spec.client_ip_affinity.is_some();
    if affinity && settings.scheduler.is_some_and(|scheduler| scheduler != HASH) {
        let message = "sessionAffinity ClientIP needs scheduler Hash: the annotation cce-load-balancer-scheduler wins, so clients do \
                       not stay with a server";
        notes.push(Note { reason: "AffinityIgnored", warning: true, message: message.to_owned() });
    }
    let sticky = affinity && settings.scheduler.is_none();
    let scheduler = settings.scheduler.or_else(|| sticky.then_some(HASH)).map(ToOwned::to_owned);
    let mut seen = BTreeSet::new();
    let mut ports = Vec::with_capacity(spec.ports.len());
    for (index, port) in spec.ports.iter().enumerate() {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        let key = match port_key(port, CLOUD) {
            Ok(key) => key,
            Err((name, problem)) => {
                faults.push((field(name), problem));
                continue;
            }
        };
        if !seen.insert(key) {
            faults.push((field("port"), format!("{key} is there twice")));
        }
        let Some(node_port) = port.node_port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0) else {
            let problem = "is missing: servers are reached at node ports; set allocateLoadBalancerNodePorts to true";
            faults.push((field("node_port"), problem.to_owned()));
            continue;
        };
        ports.push(WantedPort {
            key,
            node_port,
            listener: ListenerChange {
                backend_port: Some(node_port),
                scheduler: scheduler.clone(),
                health_check_timeout_in_second: settings.check_timeout,
                health_check_interval: settings.check_interval,
                unhealthy_threshold: settings.unhealthy,
                healthy_threshold: settings.healthy,
                health_check_string: settings.check_string.clone().filter(|_| key.udp),
            },
            check: check(spec, settings, kind, key),
        });
    }
    local_udp(spec, &ports, notes);
    (ports, sticky)
}

/// With `externalTrafficPolicy: Local`, a node without a pod of the Service drops what it gets: a check that connects to the node port
/// finds that out, one that asks kube-proxy finds it out without a pod's help.
fn check(spec: &v1::LoadBalancerSpec, settings: &Settings, kind: Kind, key: PortKey) -> Check {
    let local = spec.external_traffic_policy() == v1::TrafficPolicy::Local;
    let health_port = spec.health_check_node_port.filter(|_| local && kind == Kind::App && !key.udp);
    let health_port = health_port.and_then(|port| u16::try_from(port).ok());
    Check {
        protocol: health_port.map(|_| "HTTP".to_owned()),
        port: health_port,
        path: health_port.map(|_| "/healthz".to_owned()),
        timeout: settings.check_timeout,
        interval: settings.check_interval,
        down: settings.unhealthy,
        up: settings.healthy,
        udp_string: settings.check_string.clone().filter(|_| key.udp && health_port.is_none()),
    }
}

fn local_udp(spec: &v1::LoadBalancerSpec, ports: &[WantedPort], notes: &mut Vec<Note>) {
    let local = spec.external_traffic_policy() == v1::TrafficPolicy::Local;
    let blind = ports.iter().any(|port| port.key.udp && port.check.port.is_none());
    if local && blind {
        let message = "externalTrafficPolicy Local: UDP servers are checked by sending them a text, which pods have to answer \
                       (cce-load-balancer-health-check-string); where they do not, no node gets traffic";
        notes.push(Note { reason: "HealthCheckUdp", warning: true, message: message.to_owned() });
    }
}
