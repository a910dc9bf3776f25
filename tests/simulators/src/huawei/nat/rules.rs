//! DNAT rules: what a port of a public address leads to.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Gateway;
use crate::{
    engine::{Problem, later},
    huawei::{State, elb::uuid_of, network::Port},
};

/// What is sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// All.
    Any,
}

/// A DNAT rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// What it says.
    pub fields: RuleFields,
    /// What it does not yet say: `PENDING_CREATE` or `PENDING_UPDATE`, until then.
    pub pending: (&'static str, Timestamp),
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFields {
    /// Its gateway.
    pub nat_gateway_id: String,
    /// Where it leads: a port,
    pub port_id: Option<String>,
    /// or an address outside the cloud.
    pub private_ip: Option<IpAddr>,
    /// The port there.
    #[serde(default)]
    pub internal_service_port: u16,
    /// The public address.
    pub floating_ip_id: String,
    /// Its port.
    #[serde(default)]
    pub external_service_port: u16,
    /// What is sent on.
    pub protocol: Protocol,
    /// Free text.
    #[serde(default)]
    pub description: String,
}

/// A rule without ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RuleTree {
    /// The public port.
    pub external: (Protocol, u16),
    /// Where it leads.
    pub internal: (Option<IpAddr>, u16),
    /// Free text.
    pub description: String,
}

impl Rule {
    /// Its state at a moment.
    pub fn status(&self, now: Timestamp) -> &'static str {
        if now < self.pending.1 { self.pending.0 } else { "ACTIVE" }
    }
}

fn missing(kind: &str, id: &str) -> Problem {
    Problem::refused(404, "NAT.0002", format!("{kind} {id} could not be found."))
}

fn invalid(field: &str, why: &str) -> Problem {
    Problem::refused(400, "NAT.0001", format!("Invalid input for {field}: {why}."))
}

fn conflict(message: String) -> Problem {
    Problem::refused(409, "NAT.0003", message)
}

impl State {
    /// A gateway of a project.
    pub(super) fn nat_gateway(&self, project: &str, id: &str) -> Result<&Gateway, Problem> {
        let known = self.nat.gateways.get(id).filter(|gateway| gateway.project_id == project);
        known.ok_or_else(|| missing("NAT gateway", id))
    }

    /// A rule of a project.
    pub(super) fn dnat_rule(&self, project: &str, id: &str) -> Result<&Rule, Problem> {
        let known = self.nat.rules.get(id).filter(|rule| rule.project_id == project);
        known.ok_or_else(|| missing("DNAT rule", id))
    }

    /// Makes rules; all or none.
    pub(super) fn create_dnat_rules(
        &mut self,
        project: &str,
        now: Timestamp,
        takes: std::time::Duration,
        rules: Vec<RuleFields>,
    ) -> Result<Vec<String>, Problem> {
        for (place, fields) in rules.iter().enumerate() {
            let gateway = self.nat_gateway(project, &fields.nat_gateway_id)?;
            let (used, limit) = (self.rules_of(&gateway.id).count() + place, gateway.dnat_rules_limit);
            if used >= limit {
                return Err(conflict(format!("Quota exceeded for resources: ['dnat_rule'], the quota is {limit}.")));
            }
            self.check_dnat_rule(project, fields, None)?;
            if rules[..place].iter().any(|other| clash(other, fields)) {
                return Err(conflict("Two of the rules have the same public port.".to_owned()));
            }
        }
        let mut ids = Vec::new();
        for fields in rules {
            self.nat.ids += 1;
            let id = uuid_of(&hex_of(self.nat.ids));
            let pending = ("PENDING_CREATE", later(now, takes));
            let rule = Rule { id: id.clone(), project_id: project.to_owned(), fields, pending, created_at: now };
            self.nat.rules.insert(now, &id, rule);
            ids.push(id);
        }
        Ok(ids)
    }

    /// Changes a rule; it can be moved to another port.
    pub(super) fn update_dnat_rule(
        &mut self,
        project: &str,
        now: Timestamp,
        takes: std::time::Duration,
        id: &str,
        change: RuleChange,
    ) -> Result<(), Problem> {
        let rule = self.dnat_rule(project, id)?;
        if change.nat_gateway_id != rule.fields.nat_gateway_id {
            return Err(invalid("nat_gateway_id", "the rule is another gateway's"));
        }
        settled(rule, now)?;
        let fields = change.over(rule.fields.clone());
        self.check_dnat_rule(project, &fields, Some(id))?;
        if let Some(rule) = self.nat.rules.change(now, id) {
            rule.fields = fields;
            rule.pending = ("PENDING_UPDATE", later(now, takes));
        }
        Ok(())
    }

    /// Takes a rule away.
    pub(super) fn delete_dnat_rule(
        &mut self,
        project: &str,
        now: Timestamp,
        gateway: &str,
        id: &str,
    ) -> Result<(), Problem> {
        let rule = self.dnat_rule(project, id)?;
        if rule.fields.nat_gateway_id != gateway {
            return Err(missing("DNAT rule", id));
        }
        settled(rule, now)?;
        self.nat.rules.remove(now, id);
        Ok(())
    }

    /// Whether a rule leads from a public address.
    pub(in crate::huawei) fn has_dnat_rule(&self, eip: &str) -> bool {
        self.nat.rules.iter().any(|rule| rule.fields.floating_ip_id == eip)
    }

    fn rules_of<'a>(&'a self, gateway: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.nat.rules.iter().filter(move |rule| rule.fields.nat_gateway_id == gateway)
    }

    fn check_dnat_rule(&self, project: &str, fields: &RuleFields, but: Option<&str>) -> Result<(), Problem> {
        let gateway = self.nat_gateway(project, &fields.nat_gateway_id)?;
        check_text(&fields.description)?;
        match (&fields.port_id, fields.private_ip) {
            (Some(id), None) => {
                let port = self.ports.get(id).filter(|port| port.project_id == project);
                let port = port.ok_or_else(|| missing("port", id))?;
                if port.vpc_id != gateway.router_id {
                    return Err(invalid("port_id", "the port is not in the gateway's VPC"));
                }
            }
            (None, Some(_)) => {}
            _ => return Err(invalid("port_id", "one of port_id and private_ip is needed")),
        }
        let any = fields.protocol == Protocol::Any;
        for (name, port) in [
            ("internal_service_port", fields.internal_service_port),
            ("external_service_port", fields.external_service_port),
        ] {
            if any != (port == 0) {
                return Err(invalid(name, "it is 0 with the protocol any, else 1 to 65535"));
            }
        }
        let eip = self.publicips.get(&fields.floating_ip_id).filter(|eip| eip.project_id == project);
        let eip = eip.ok_or_else(|| missing("floating IP", &fields.floating_ip_id))?;
        if eip.port_id.is_some() {
            return Err(conflict(format!("Floating IP {} is bound to a port.", eip.id)));
        }
        for other in self.nat.rules.iter().filter(|rule| Some(rule.id.as_str()) != but) {
            if other.fields.floating_ip_id == fields.floating_ip_id
                && other.fields.nat_gateway_id != fields.nat_gateway_id
            {
                return Err(conflict(format!("Floating IP {} is used by another gateway.", eip.id)));
            }
            if clash(&other.fields, fields) {
                return Err(conflict(format!("DNAT rule {} has the same public port.", other.id)));
            }
        }
        Ok(())
    }

    /// A rule as the API shows it.
    pub(super) fn show_dnat_rule(&self, rule: &Rule, now: Timestamp) -> Value {
        let fields = &rule.fields;
        let eip = self.publicips.get(&fields.floating_ip_id);
        let leads = self.internal_address(fields);
        json!({
            "id": rule.id,
            "tenant_id": rule.project_id,
            "nat_gateway_id": fields.nat_gateway_id,
            "port_id": fields.port_id.as_deref().unwrap_or_default(),
            "private_ip": leads.map(|address| address.to_string()).unwrap_or_default(),
            "internal_service_port": fields.internal_service_port,
            "floating_ip_id": fields.floating_ip_id,
            "floating_ip_address": eip.map(|eip| eip.public_ip_address.to_string()).unwrap_or_default(),
            "external_service_port": fields.external_service_port,
            "protocol": fields.protocol,
            "description": fields.description,
            "status": rule.status(now),
            "admin_state_up": true,
            "created_at": rule.created_at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string(),
        })
    }

    /// The address a rule leads to.
    pub(super) fn internal_address(&self, fields: &RuleFields) -> Option<IpAddr> {
        let port = fields.port_id.as_ref().and_then(|id| self.ports.get(id));
        fields.private_ip.or_else(|| port.and_then(Port::ipv4).map(IpAddr::V4))
    }

    /// All rules of a project, sorted, without ids.
    pub fn dnat_tree(&self, project: &str) -> Vec<RuleTree> {
        let own = self.nat.rules.iter().filter(|rule| rule.project_id == project);
        let mut tree: Vec<_> = own
            .map(|Rule { fields, .. }| RuleTree {
                external: (fields.protocol, fields.external_service_port),
                internal: (self.internal_address(fields), fields.internal_service_port),
                description: fields.description.clone(),
            })
            .collect();
        tree.sort();
        tree
    }
}

fn settled(rule: &Rule, now: Timestamp) -> Result<(), Problem> {
    match rule.status(now) {
        "ACTIVE" => Ok(()),
        status => Err(conflict(format!("DNAT rule {} is in the state {status}.", rule.id))),
    }
}

fn clash(one: &RuleFields, other: &RuleFields) -> bool {
    let all = one.protocol == Protocol::Any || other.protocol == Protocol::Any;
    let same = one.protocol == other.protocol && one.external_service_port == other.external_service_port;
    one.floating_ip_id == other.floating_ip_id && (all || same)
}

fn check_text(text: &str) -> Result<(), Problem> {
    if text.chars().count() > 255 {
        return Err(invalid("description", "it is longer than 255 characters"));
    }
    if text.contains(['<', '>']) {
        return Err(invalid("description", "`<` and `>` cannot stand in it"));
    }
    Ok(())
}

fn hex_of(number: u64) -> String {
    use sha2::{Digest as _, Sha256};
    hex::encode(&Sha256::digest(format!("nat {number}"))[..16])
}

/// What of a rule is changed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleChange {
    nat_gateway_id: String,
    port_id: Option<String>,
    private_ip: Option<IpAddr>,
    internal_service_port: Option<u16>,
    floating_ip_id: Option<String>,
    external_service_port: Option<u16>,
    protocol: Option<Protocol>,
    description: Option<String>,
}

impl RuleChange {
    fn over(self, mut fields: RuleFields) -> RuleFields {
        if self.port_id.is_some() || self.private_ip.is_some() {
            (fields.port_id, fields.private_ip) = (self.port_id, self.private_ip);
        }
        fields.internal_service_port = self.internal_service_port.unwrap_or(fields.internal_service_port);
        fields.external_service_port = self.external_service_port.unwrap_or(fields.external_service_port);
        fields.floating_ip_id = self.floating_ip_id.unwrap_or(fields.floating_ip_id);
        fields.protocol = self.protocol.unwrap_or(fields.protocol);
        fields.description = self.description.unwrap_or(fields.description);
        fields
    }
}
