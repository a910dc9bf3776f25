//! Listeners.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    At, Elb, Fields, LoadBalancer, Tag,
    fields::{patch, read, show, yes},
    load_balancers::{check_tags, time},
    refusals::{check_one_of, check_range, check_text, conflict, invalid},
    rules,
};
use crate::engine::Problem;

const CHANGEABLE: &[&str] = &[
    "name",
    "description",
    "admin_state_up",
    "default_pool_id",
    "default_tls_container_ref",
    "client_ca_tls_container_ref",
    "sni_container_refs",
    "tls_ciphers_policy",
    "security_policy_id",
    "http2_enable",
    "insert_headers",
    "keepalive_timeout",
    "client_timeout",
    "member_timeout",
    "transparent_client_ip_enable",
    "proxy_protocol_enable",
    "enable_member_retry",
    "gzip_enable",
    "ipgroup",
    "cps",
    "connection",
    "enhance_l7policy_enable",
];

const HEADERS: &[&str] = &[
    "X-Forwarded-Host",
    "X-Forwarded-ELB-IP",
    "X-Forwarded-Port",
    "X-Forwarded-For-Port",
    "X-Forwarded-Proto",
    "X-Real-IP",
    "X-Forwarded-ELB-ID",
    "X-Forwarded-TLS-Certificate-ID",
    "X-Forwarded-TLS-Protocol",
    "X-Forwarded-TLS-Cipher",
];

/// A listener.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listener {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project: String,
    /// The rest, in the API's words.
    pub fields: ListenerFields,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// Fields of a listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerFields {
    /// Its load balancer.
    pub loadbalancer_id: String,
    /// Its protocol, in the word of the load balancer's kind.
    pub protocol: String,
    /// Its port; 0 with ranges.
    pub protocol_port: u16,
    /// Its ports, when there are many.
    #[serde(default)]
    pub port_ranges: Vec<PortRange>,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// It works.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// Where it sends traffic.
    pub default_pool_id: Option<String>,
    /// Its certificate.
    pub default_tls_container_ref: Option<String>,
    /// The certificate clients are verified with.
    pub client_ca_tls_container_ref: Option<String>,
    /// Certificates by name.
    #[serde(default)]
    pub sni_container_refs: Vec<String>,
    /// Versions and ciphers.
    pub tls_ciphers_policy: Option<String>,
    /// A policy of one's own.
    pub security_policy_id: Option<String>,
    /// HTTP/2.
    pub http2_enable: Option<bool>,
    /// Headers it adds.
    #[serde(default)]
    pub insert_headers: BTreeMap<String, bool>,
    /// Seconds an idle connection stays.
    pub keepalive_timeout: Option<u32>,
    /// Seconds to wait for a request.
    pub client_timeout: Option<u32>,
    /// Seconds to wait for a response.
    pub member_timeout: Option<u32>,
    /// Members see the client's address.
    pub transparent_client_ip_enable: Option<bool>,
    /// The proxy protocol.
    pub proxy_protocol_enable: Option<bool>,
    /// Another member is tried.
    pub enable_member_retry: Option<bool>,
    /// Compression.
    pub gzip_enable: Option<bool>,
    /// Who may connect.
    pub ipgroup: Option<IpGroupRef>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// New connections a second.
    pub cps: Option<u32>,
    /// Connections.
    pub connection: Option<u32>,
    /// Translation between the families.
    pub nat64_enable: Option<bool>,
    /// Finer policies.
    pub enhance_l7policy_enable: Option<bool>,
}

/// A range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    /// The first.
    pub start_port: u16,
    /// The last.
    pub end_port: u16,
}

/// An IP group at a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IpGroupRef {
    /// The group.
    pub ipgroup_id: String,
    /// It has an effect.
    #[serde(default = "yes")]
    pub enable_ipgroup: bool,
    /// `white` or `black`.
    #[serde(default = "white", rename = "type")]
    pub kind: String,
}

fn white() -> String {
    "white".to_owned()
}

impl Listener {
    /// Its load balancer.
    pub fn load_balancer(&self) -> &str {
        &self.fields.loadbalancer_id
    }

    /// First and last of its ports.
    fn ports(fields: &ListenerFields) -> Vec<(u16, u16)> {
        if fields.port_ranges.is_empty() {
            return vec![(fields.protocol_port, fields.protocol_port)];
        }
        fields.port_ranges.iter().map(|range| (range.start_port, range.end_port)).collect()
    }
}

impl Elb {
    /// Makes a listener.
    pub fn create_listener(&mut self, at: &At, body: Fields) -> Result<String, Problem> {
        let mut fields: ListenerFields = read(body)?;
        let owner = self.load_balancer(at, &fields.loadbalancer_id)?.clone();
        self.settled(at, &owner.id)?;
        fields.protocol = rules::word_of(fields.protocol, owner.guaranteed);
        self.check_listener(at, &owner, &mut fields)?;
        self.check_ports(&fields)?;
        self.room_for(at, "listener", 1)?;
        Self::within_quota(at, "listeners_per_loadbalancer", self.listeners_of(&owner.id).count(), 1)?;
        let id = self.new_id();
        self.check_default_pool(at, &owner, &fields, &id)?;
        self.adopt_pool(at, &fields);
        let made =
            Listener { id: id.clone(), project: at.project.clone(), fields, created_at: at.now, updated_at: at.now };
        self.listeners.insert(at.now, &id, made);
        Ok(id)
    }

    /// Changes a listener.
    pub fn update_listener(&mut self, at: &At, id: &str, change: Fields) -> Result<(), Problem> {
        let old = self.listener(at, id)?;
        let mut fields: ListenerFields = patch(&old.fields, change, CHANGEABLE)?;
        let owner = self.load_balancer(at, &fields.loadbalancer_id)?.clone();
        self.settled(at, &owner.id)?;
        self.check_listener(at, &owner, &mut fields)?;
        self.check_default_pool(at, &owner, &fields, id)?;
        self.adopt_pool(at, &fields);
        if let Some(object) = self.listeners.change(at.now, id) {
            object.fields = fields;
            object.updated_at = at.now;
        }
        Ok(())
    }

    /// Deletes a listener that sends to no pool.
    pub fn delete_listener(&mut self, at: &At, id: &str) -> Result<(), Problem> {
        let listener = self.listener(at, id)?;
        self.settled(at, listener.load_balancer())?;
        if let Some(pool) = &listener.fields.default_pool_id {
            return Err(conflict(format!("Listener {id} still has the pool {pool}.")));
        }
        self.drop_listener(at, id);
        Ok(())
    }

    /// Deletes a listener and the pool it alone sends to, with members and monitor.
    pub fn force_delete_listener(&mut self, at: &At, id: &str) -> Result<(), Problem> {
        let listener = self.listener(at, id)?;
        self.settled(at, listener.load_balancer())?;
        let pool = listener.fields.default_pool_id.clone();
        self.drop_listener(at, id);
        if let Some(pool) = pool.filter(|pool| self.listeners_to(pool).next().is_none()) {
            self.drop_pool(at, &pool);
        }
        Ok(())
    }

    /// Takes a listener away, and the whitelist that is nothing without it.
    pub(super) fn drop_listener(&mut self, at: &At, id: &str) {
        self.listeners.remove(at.now, id);
        self.whitelists.retain(at.now, |list| list.id.clone(), |list| list.fields.listener_id != id);
    }

    fn check_listener(&self, at: &At, owner: &LoadBalancer, fields: &mut ListenerFields) -> Result<(), Problem> {
        let protocol = fields.protocol.clone();
        check_one_of("protocol", &protocol, rules::listener_protocols(owner.guaranteed))?;
        check_text("name", &fields.name)?;
        check_text("description", &fields.description)?;
        check_tags(&fields.tags)?;
        if fields.port_ranges.is_empty() == (fields.protocol_port == 0) {
            return Err(invalid("protocol_port", "it is 1 to 65535, or 0 together with port_ranges"));
        }
        check_flavor(owner, &protocol)?;
        check_timeouts(owner, fields)?;
        if let Some(header) = fields.insert_headers.keys().find(|header| !HEADERS.contains(&header.as_str())) {
            return Err(invalid("insert_headers", format!("there is no header {header}")));
        }
        self.check_tls(at, fields)?;
        check_transparency(owner, fields)?;
        if let Some(group) = &fields.ipgroup {
            check_one_of("ipgroup.type", &group.kind, &["white", "black"])?;
            self.ip_group(at, &group.ipgroup_id)?;
        }
        Ok(())
    }

    fn check_tls(&self, at: &At, fields: &mut ListenerFields) -> Result<(), Problem> {
        let ends_tls = rules::ends_tls(&fields.protocol);
        let named = fields.default_tls_container_ref.as_deref().filter(|id| !id.is_empty());
        match (ends_tls, named) {
            (true, None) => return Err(invalid("default_tls_container_ref", format!("{} needs it", fields.protocol))),
            (false, Some(_)) => {
                return Err(invalid("default_tls_container_ref", format!("{} has no certificate", fields.protocol)));
            }
            _ => {}
        }
        let server = named.map(|id| (id, "server")).into_iter();
        let client = fields.client_ca_tls_container_ref.as_deref().map(|id| (id, "client"));
        let by_name = fields.sni_container_refs.iter().map(|id| (id.as_str(), "server"));
        for (id, kind) in server.chain(client).chain(by_name) {
            let certificate = self.certificate(at, id)?;
            if certificate.fields.kind != kind {
                return Err(invalid("default_tls_container_ref", format!("certificate {id} is not of type {kind}")));
            }
        }
        if fields.tls_ciphers_policy.is_none() && ends_tls {
            fields.tls_ciphers_policy = Some("tls-1-2".to_owned());
        }
        Ok(())
    }

    fn check_ports(&self, fields: &ListenerFields) -> Result<(), Problem> {
        for other in self.listeners_of(&fields.loadbalancer_id) {
            if !rules::share_ports(&fields.protocol, &other.fields.protocol) {
                continue;
            }
            for (first, last) in Listener::ports(fields) {
                if Listener::ports(&other.fields).iter().any(|(start, end)| first <= *end && *start <= last) {
                    return Err(conflict(format!(
                        "Load balancer {} already has a listener with protocol_port of {first}.",
                        fields.loadbalancer_id
                    )));
                }
            }
        }
        Ok(())
    }

    fn check_default_pool(
        &self,
        at: &At,
        owner: &LoadBalancer,
        fields: &ListenerFields,
        id: &str,
    ) -> Result<(), Problem> {
        let Some(pool_id) = &fields.default_pool_id else { return Ok(()) };
        let pool = self.pool(at, pool_id)?;
        if pool.load_balancer.as_ref().is_some_and(|other| *other != owner.id) {
            return Err(conflict(format!("Pool {pool_id} belongs to another load balancer.")));
        }
        if !owner.guaranteed && self.listeners_to(pool_id).any(|other| other.id != id) {
            return Err(conflict(format!("Pool {pool_id} is in use by another listener.")));
        }
        check_pair(&fields.protocol, &pool.fields.protocol)
    }

    /// A pool without load balancer becomes that of its first listener.
    fn adopt_pool(&mut self, at: &At, fields: &ListenerFields) {
        let Some(pool) = &fields.default_pool_id else { return };
        if self.pools.get(pool).is_some_and(|pool| pool.load_balancer.is_none())
            && let Some(pool) = self.pools.change(at.now, pool)
        {
            pool.load_balancer = Some(fields.loadbalancer_id.clone());
        }
    }

    /// A listener as v3 shows it.
    pub fn show_listener(&self, object: &Listener) -> Fields {
        let mut view = show(&object.fields);
        view.remove("loadbalancer_id");
        let layer_7 = rules::is_layer_7(&object.fields.protocol);
        let dedicated = self.load_balancers.get(object.load_balancer()).is_some_and(|owner| owner.guaranteed);
        for (name, value) in [
            ("id", json!(object.id)),
            ("project_id", json!(object.project)),
            ("loadbalancers", json!([{ "id": object.load_balancer() }])),
            ("connection_limit", json!(-1)),
            ("created_at", json!(time(object.created_at))),
            ("updated_at", json!(time(object.updated_at))),
        ] {
            view.insert(name.to_owned(), value);
        }
        let fallback = |view: &mut Fields, name: &str, value: serde_json::Value| {
            let field = view.entry(name).or_insert_with(|| json!(null));
            if field.is_null() {
                *field = value;
            }
        };
        if dedicated || object.fields.protocol != "UDP" {
            fallback(&mut view, "keepalive_timeout", json!(if layer_7 { 60 } else { 300 }));
        }
        if layer_7 {
            fallback(&mut view, "client_timeout", json!(60));
            fallback(&mut view, "member_timeout", json!(60));
        }
        fallback(&mut view, "transparent_client_ip_enable", json!(dedicated));
        view
    }
}

/// That a listener can send to a pool.
pub(super) fn check_pair(listener: &str, pool: &str) -> Result<(), Problem> {
    if rules::pools_for(listener).contains(&pool) {
        return Ok(());
    }
    Err(invalid("protocol", format!("a listener of protocol {listener} cannot have a pool of protocol {pool}")))
}

fn check_flavor(owner: &LoadBalancer, protocol: &str) -> Result<(), Problem> {
    let (flavor, kind) = if rules::is_layer_7(protocol) {
        (&owner.fields.l7_flavor_id, "L7")
    } else {
        (&owner.fields.l4_flavor_id, "L4")
    };
    if owner.guaranteed && flavor.is_none() {
        return Err(invalid("protocol", format!("{protocol} needs a load balancer with a flavor of type {kind}")));
    }
    Ok(())
}

fn check_timeouts(owner: &LoadBalancer, fields: &ListenerFields) -> Result<(), Problem> {
    let layer_7 = rules::is_layer_7(&fields.protocol);
    if fields.protocol == "UDP" && !owner.guaranteed && fields.keepalive_timeout.is_some() {
        return Err(invalid("keepalive_timeout", "a UDP listener of a shared load balancer does not have it"));
    }
    check_range("keepalive_timeout", fields.keepalive_timeout, if layer_7 { 0 } else { 10 }, 4000)?;
    for (name, value) in [("client_timeout", fields.client_timeout), ("member_timeout", fields.member_timeout)] {
        if value.is_some() && !layer_7 {
            return Err(invalid(name, format!("a {} listener does not have it", fields.protocol)));
        }
        check_range(name, value, 1, 300)?;
    }
    Ok(())
}

fn check_transparency(owner: &LoadBalancer, fields: &ListenerFields) -> Result<(), Problem> {
    let field = "transparent_client_ip_enable";
    match (fields.transparent_client_ip_enable, owner.guaranteed) {
        (Some(false), true) => Err(invalid(field, "a dedicated load balancer cannot switch it off")),
        (Some(true), false) if rules::is_layer_7(&fields.protocol) => {
            Err(invalid(field, format!("a {} listener of a shared load balancer does not have it", fields.protocol)))
        }
        _ => Ok(()),
    }
}
