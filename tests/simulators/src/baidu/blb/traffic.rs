//! What load balancers carry: each TCP listener, at the address inside and at the one outside.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;

use super::{Backend, Blb, Check, Kind, Listener, fields::Fields, policies::Rule};
use crate::{
    baidu::State,
    engine::{Frontend, Probe, Sources, by_weight},
};

impl State {
    /// Frontends of all load balancers that work. Listeners of HTTP are carried as TCP; those that end TLS, and those over UDP, are
    /// not carried.
    pub(in crate::baidu) fn frontends(&self) -> Vec<Frontend> {
        let mut frontends = Vec::new();
        for blb in self.blbs.iter().filter(|blb| blb.status(Timestamp::MAX) == "available") {
            let mut addresses = vec![IpAddr::V4(blb.address)];
            let bound = self.eips.iter().filter(|eip| eip.leads_to(&blb.blb_id));
            addresses.extend(bound.map(|eip| eip.eip).chain(blb.public_address).map(IpAddr::V4));
            for listener in
                blb.listeners.iter().filter(|listener| ["TCP", "HTTP"].contains(&listener.protocol.as_str()))
            {
                for address in &addresses {
                    frontends.push(self.frontend(blb, listener, *address));
                }
            }
        }
        frontends.extend(self.edge_frontends());
        frontends
    }

    fn frontend(&self, blb: &Blb, listener: &Listener, address: IpAddr) -> Frontend {
        let (members, probe) = match blb.kind {
            Kind::Layer4 => (self.members(&blb.backends, listener.number("backendPort")), probe(listener)),
            Kind::App | Kind::Edge => self.by_policy(blb, listener),
        };
        // The hash is over the client's address.
        let affinity = (listener.text("scheduler") == "Hash").then_some(Duration::from_secs(3600));
        Frontend { address, port: listener.port, members, sources: Sources::All, probe, affinity }
    }

    /// What the listener's first policy that is for anything leads to.
    fn by_policy(&self, blb: &Blb, listener: &Listener) -> (Vec<SocketAddr>, Option<Probe>) {
        let own = blb.policies.iter().filter(|policy| policy.is_of(listener) && policy.rules.iter().all(Rule::is_any));
        let Some(policy) = own.min_by_key(|policy| policy.priority) else { return (Vec::new(), None) };
        if let Some(group) = blb.ip_group(&policy.group_id) {
            let members =
                group.members.iter().map(|member| (SocketAddr::new(member.ip.into(), member.port), member.weight));
            let check = group.checks.iter().find(|check| check.serves(&listener.protocol));
            return (by_weight(&members.collect::<Vec<_>>()), check.and_then(checked));
        }
        let Some(group) = blb.group(&policy.group_id) else { return (Vec::new(), None) };
        let mut ports = group.ports.iter().filter(|check| check.port == policy.backend_port);
        let check = ports.find(|check| check.serves(&listener.protocol));
        (self.members(&group.backends, policy.backend_port.into()), check.and_then(checked))
    }

    /// Machines that take new connections at a port.
    fn members(&self, backends: &[Backend], port: u64) -> Vec<SocketAddr> {
        let port = u16::try_from(port).unwrap_or_default();
        let running = backends.iter().filter_map(|backend| {
            let machine = self.machines.get(&backend.instance_id).filter(|machine| machine.is_running() && port > 0)?;
            Some((SocketAddr::new(machine.internal_ip.into(), port), backend.weight))
        });
        by_weight(&running.collect::<Vec<_>>())
    }
}

fn probe(listener: &Listener) -> Option<Probe> {
    Some(read_probe(&listener.fields, "healthCheckType", "healthCheckURI"))
}

fn checked(check: &Check) -> Option<Probe> {
    let enabled = check.fields.get("enableHealthCheck").and_then(Value::as_bool).unwrap_or(true);
    enabled.then(|| read_probe(&check.fields, "healthCheck", "healthCheckUrlPath"))
}

fn read_probe(fields: &Fields, kind: &str, path: &str) -> Probe {
    let text = |field: &str| fields.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let port = fields.get("healthCheckPort").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let path = (text(kind) == Some("HTTP")).then(|| text(path).unwrap_or("/").to_owned());
    Probe { port: port.filter(|port| *port > 0), path }
}
