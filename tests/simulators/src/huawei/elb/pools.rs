//! Pools.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    At, Elb, Fields, Network,
    fields::{patch, read, show, take, yes},
    listeners::check_pair,
    load_balancers::time,
    refusals::{check_one_of, check_range, check_text, conflict, invalid, missing},
    rules,
};
use crate::engine::Problem;

const CHANGEABLE: &[&str] = &[
    "name",
    "description",
    "admin_state_up",
    "lb_algorithm",
    "session_persistence",
    "slow_start",
    "connection_drain",
    "member_deletion_protection_enable",
];

/// A pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pool {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project: String,
    /// Its load balancer, if it has one.
    pub load_balancer: Option<String>,
    /// The rest, in the API's words.
    pub fields: PoolFields,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// Fields of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolFields {
    /// Its protocol.
    pub protocol: String,
    /// How members are chosen.
    pub lb_algorithm: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// It works.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// `instance` or `ip`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its VPC.
    pub vpc_id: Option<String>,
    /// Stickiness.
    pub session_persistence: Option<Persistence>,
    /// New members are eased in.
    pub slow_start: Option<SlowStart>,
    /// Leaving members are eased out.
    pub connection_drain: Option<ConnectionDrain>,
    /// Members cannot be deleted.
    #[serde(default)]
    pub member_deletion_protection_enable: bool,
    /// `v4`, `v6` or `dualstack`.
    pub ip_version: Option<String>,
    /// Members take all ports.
    #[serde(default)]
    pub any_port_enable: bool,
}

/// Stickiness.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persistence {
    /// `SOURCE_IP`, `HTTP_COOKIE` or `APP_COOKIE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Only with `APP_COOKIE`.
    pub cookie_name: Option<String>,
    /// Minutes.
    pub persistence_timeout: Option<u32>,
}

/// New members are eased in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowStart {
    /// It is on.
    pub enable: bool,
    /// Seconds.
    pub duration: Option<u32>,
}

/// Leaving members are eased out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionDrain {
    /// It is on.
    pub enable: bool,
    /// Seconds.
    pub timeout: Option<u32>,
}

impl Elb {
    /// Makes a pool for a listener, a load balancer, or for later.
    pub fn create_pool(&mut self, net: &dyn Network, at: &At, mut body: Fields) -> Result<String, Problem> {
        let listener: Option<String> = take(&mut body, "listener_id")?;
        let owner: Option<String> = take(&mut body, "loadbalancer_id")?;
        let mut fields: PoolFields = read(body)?;
        let owner = match &listener {
            Some(id) => Some(self.check_listener_of_pool(at, id, owner.as_deref(), &fields)?),
            None => owner,
        };
        let dedicated = match &owner {
            Some(id) => {
                let owner = self.load_balancer(at, id)?;
                fields.vpc_id.clone_from(&owner.fields.vpc_id);
                self.settled(at, id)?;
                owner.guaranteed
            }
            None => check_loose(net, at, &fields).map(|()| true)?,
        };
        check_one_of("protocol", &fields.protocol, rules::pool_protocols(dedicated))?;
        check(&fields)?;
        self.room_for(at, "pool", 1)?;
        let id = self.new_id();
        let made = Pool {
            id: id.clone(),
            project: at.project.clone(),
            load_balancer: owner,
            fields,
            created_at: at.now,
            updated_at: at.now,
        };
        self.pools.insert(at.now, &id, made);
        if let Some(listener) = listener.and_then(|listener| self.listeners.change(at.now, &listener)) {
            listener.fields.default_pool_id = Some(id.clone());
        }
        Ok(id)
    }

    /// The load balancer of a new pool's listener.
    fn check_listener_of_pool(
        &self,
        at: &At,
        id: &str,
        owner: Option<&str>,
        fields: &PoolFields,
    ) -> Result<String, Problem> {
        let listener = self.listener(at, id)?;
        if owner.is_some_and(|owner| owner != listener.load_balancer()) {
            return Err(invalid("loadbalancer_id", format!("listener {id} belongs to another")));
        }
        if let Some(pool) = &listener.fields.default_pool_id {
            return Err(conflict(format!("Listener {id} already has the default pool {pool}.")));
        }
        check_pair(&listener.fields.protocol, &fields.protocol)?;
        Ok(listener.load_balancer().to_owned())
    }

    /// Changes a pool.
    pub fn update_pool(&mut self, at: &At, id: &str, change: Fields) -> Result<(), Problem> {
        let fields = patch(&self.pool(at, id)?.fields, change, CHANGEABLE)?;
        self.pool_settled(at, id)?;
        check(&fields)?;
        if let Some(object) = self.pools.change(at.now, id) {
            object.fields = fields;
            object.updated_at = at.now;
        }
        Ok(())
    }

    /// Deletes a pool that has neither members nor a monitor; listeners send to it no more.
    pub fn delete_pool(&mut self, at: &At, id: &str) -> Result<(), Problem> {
        self.pool_settled(at, id)?;
        if self.members_of(id).next().is_some() {
            return Err(conflict(format!("Pool {id} still has members.")));
        }
        if let Some(monitor) = self.monitor_of(id) {
            return Err(conflict(format!("Pool {id} still has the health monitor {}.", monitor.id)));
        }
        self.drop_pool(at, id);
        Ok(())
    }

    /// Deletes a pool with members and monitor.
    pub fn cascade_pool(&mut self, at: &At, id: &str) -> Result<(), Problem> {
        self.pool_settled(at, id)?;
        self.check_protection(at, id)?;
        self.drop_pool(at, id);
        Ok(())
    }

    pub(super) fn check_protection(&self, at: &At, id: &str) -> Result<(), Problem> {
        if self.pool(at, id)?.fields.member_deletion_protection_enable && self.members_of(id).next().is_some() {
            return Err(conflict(format!("Deletion protection of the members of pool {id} is on.")));
        }
        Ok(())
    }

    pub(super) fn drop_pool(&mut self, at: &At, id: &str) {
        let listeners: Vec<_> = self.listeners_to(id).map(|listener| listener.id.clone()).collect();
        for listener in listeners {
            if let Some(listener) = self.listeners.change(at.now, &listener) {
                listener.fields.default_pool_id = None;
            }
        }
        for member in self.pool_members.remove(id).unwrap_or_default() {
            self.members.remove(at.now, &member);
        }
        self.monitors.retain(at.now, |monitor| monitor.id.clone(), |monitor| monitor.fields.pool_id != id);
        self.pools.remove(at.now, id);
    }

    /// A pool as v3 shows it.
    pub fn show_pool(&self, object: &Pool) -> Fields {
        let mut view = show(&object.fields);
        let ids = |ids: Vec<&str>| ids.into_iter().map(|id| json!({ "id": id })).collect::<Value>();
        let id = &object.id;
        for (name, value) in [
            ("id", json!(id)),
            ("project_id", json!(object.project)),
            ("loadbalancers", ids(object.load_balancer.iter().map(String::as_str).collect())),
            ("listeners", ids(self.listeners_to(id).map(|listener| listener.id.as_str()).collect())),
            ("members", ids(self.members_of(id).map(|member| member.id.as_str()).collect())),
            ("healthmonitor_id", json!(self.monitor_of(id).map(|monitor| monitor.id.as_str()).unwrap_or_default())),
            ("created_at", json!(time(object.created_at))),
            ("updated_at", json!(time(object.updated_at))),
        ] {
            view.insert(name.to_owned(), value);
        }
        view
    }
}

/// That a pool without load balancer says what it is for.
fn check_loose(net: &dyn Network, at: &At, fields: &PoolFields) -> Result<(), Problem> {
    match (fields.kind.as_deref(), &fields.vpc_id) {
        (Some("ip"), _) => Ok(()),
        (Some("instance"), Some(vpc)) if net.has_vpc(at, vpc) => Ok(()),
        (Some("instance"), Some(vpc)) => Err(missing("vpc", vpc)),
        _ => Err(invalid(
            "pool",
            "one of listener_id, loadbalancer_id and type (`instance` with vpc_id, or `ip`) is needed",
        )),
    }
}

fn check(fields: &PoolFields) -> Result<(), Problem> {
    check_text("name", &fields.name)?;
    check_text("description", &fields.description)?;
    check_one_of("lb_algorithm", &fields.lb_algorithm, &["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "QUIC_CID"])?;
    if fields.lb_algorithm == "QUIC_CID" && fields.protocol != "QUIC" {
        return Err(invalid("lb_algorithm", "QUIC_CID is for pools of protocol QUIC"));
    }
    if let Some(kind) = &fields.kind {
        check_one_of("type", kind, &["instance", "ip"])?;
    }
    if let Some(version) = &fields.ip_version {
        check_one_of("ip_version", version, &["v4", "v6", "dualstack"])?;
    }
    check_range("slow_start.duration", fields.slow_start.as_ref().and_then(|slow| slow.duration), 30, 1200)?;
    check_range(
        "connection_drain.timeout",
        fields.connection_drain.as_ref().and_then(|drain| drain.timeout),
        10,
        4000,
    )?;
    fields.session_persistence.as_ref().map_or(Ok(()), |persistence| check_persistence(&fields.protocol, persistence))
}

fn check_persistence(protocol: &str, persistence: &Persistence) -> Result<(), Problem> {
    let layer_7 = rules::is_layer_7(protocol) && protocol != "QUIC";
    let kinds: &[&str] = if layer_7 { &["HTTP_COOKIE", "APP_COOKIE"] } else { &["SOURCE_IP"] };
    check_one_of("session_persistence.type", &persistence.kind, kinds)?;
    let most = if layer_7 { 1440 } else { 60 };
    check_range("session_persistence.persistence_timeout", persistence.persistence_timeout, 1, most)?;
    let named = persistence.cookie_name.as_ref().is_some_and(|name| !name.is_empty());
    if named != (persistence.kind == "APP_COOKIE") {
        return Err(invalid("session_persistence.cookie_name", "APP_COOKIE needs it, the other types do not have it"));
    }
    Ok(())
}
