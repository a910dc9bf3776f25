//! Members of pools.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    At, Elb, Fields, Network, Pool,
    fields::{patch, read, show, yes},
    load_balancers::time,
    refusals::{check_range, check_text, conflict, invalid, missing},
};
use crate::engine::Problem;

/// Most members of one batch call.
const BATCH: usize = 200;

const CHANGEABLE: &[&str] = &["name", "weight", "admin_state_up", "protocol_port"];

/// A member.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project: String,
    /// Its pool.
    pub pool: String,
    /// The server it is.
    pub server: Option<String>,
    /// What the health check found last; `None`: nothing yet.
    pub healthy: Option<bool>,
    /// The rest, in the API's words.
    pub fields: MemberFields,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// Fields of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberFields {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    #[serde(default)]
    pub protocol_port: u16,
    /// Its subnet. `None`: it is known by its address alone.
    pub subnet_cidr_id: Option<String>,
    /// 0-100: its share; 0 gets no new connections.
    #[serde(default = "one")]
    pub weight: u32,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// It works.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// Its zone.
    pub availability_zone: Option<String>,
}

fn one() -> u32 {
    1
}

/// Which member a batch means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum MemberRef {
    /// By its id.
    Id {
        /// The id.
        id: String,
    },
    /// By where it is.
    Place {
        /// Its address.
        address: IpAddr,
        /// Its port.
        protocol_port: u16,
    },
}

/// What became of one member of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What is shown of it.
    pub shown: Fields,
    /// In the API's words.
    pub status: &'static str,
}

impl Outcome {
    /// As an answer shows it.
    pub fn into_fields(mut self) -> Fields {
        self.shown.insert("ret_status".to_owned(), self.status.into());
        self.shown
    }
}

impl Elb {
    /// Adds a member. Through v2 it must be a server's first address.
    pub fn create_member(
        &mut self,
        net: &dyn Network,
        at: &At,
        pool: &str,
        body: Fields,
        only_servers: bool,
    ) -> Result<String, Problem> {
        self.pool_settled(at, pool)?;
        let fields: MemberFields = read(body)?;
        if let Some(old) = self.member_at(pool, fields.address, fields.protocol_port) {
            return Err(conflict(format!(
                "Pool {pool} already has the member {} at {}:{}.",
                old.id, fields.address, fields.protocol_port
            )));
        }
        let server = self.check_member(net, at, self.pool(at, pool)?, &fields, only_servers)?;
        self.room_for_members(at, pool, 1)?;
        Ok(self.insert_member(at, pool, fields, server))
    }

    /// Adds many members; those that are there already stay as they are. One that cannot be refuses all.
    pub fn add_members(
        &mut self,
        net: &dyn Network,
        at: &At,
        pool: &str,
        members: Vec<Fields>,
    ) -> Result<Vec<Outcome>, Problem> {
        self.pool_settled(at, pool)?;
        check_batch(members.len())?;
        let members: Vec<MemberFields> = members.into_iter().map(read).collect::<Result<_, _>>()?;
        let object = self.pool(at, pool)?;
        let servers: Vec<_> =
            members.iter().map(|fields| self.check_member(net, at, object, fields, false)).collect::<Result<_, _>>()?;
        let is_new = |fields: &&MemberFields| self.member_at(pool, fields.address, fields.protocol_port).is_none();
        self.room_for_members(at, pool, members.iter().filter(is_new).count())?;
        let mut outcomes = Vec::new();
        for (fields, server) in members.into_iter().zip(servers) {
            let old = self.member_at(pool, fields.address, fields.protocol_port).map(|member| member.id.clone());
            let (id, status) = match old {
                Some(id) => (id, "existed"),
                None => (self.insert_member(at, pool, fields, server), "successful"),
            };
            let shown = self.show_member(self.member(at, pool, &id)?);
            outcomes.push(Outcome { shown, status });
        }
        Ok(outcomes)
    }

    /// Takes many members away.
    pub fn remove_members(&mut self, at: &At, pool: &str, members: Vec<MemberRef>) -> Result<Vec<Outcome>, Problem> {
        self.pool_settled(at, pool)?;
        self.check_protection(at, pool)?;
        check_batch(members.len())?;
        let mut outcomes = Vec::new();
        for wanted in members {
            let (found, mut shown) = match &wanted {
                MemberRef::Id { id } => {
                    (self.members.get(id).filter(|member| member.pool == pool), fields_of(&json!({ "id": id })))
                }
                MemberRef::Place { address, protocol_port } => (
                    self.member_at(pool, *address, *protocol_port),
                    fields_of(&json!({ "address": address, "protocol_port": protocol_port })),
                ),
            };
            let found = found.map(|member| member.id.clone());
            let status = if let Some(id) = found {
                self.forget_member(at, pool, &id);
                shown.insert("id".to_owned(), id.into());
                "successful"
            } else {
                "not found"
            };
            outcomes.push(Outcome { shown, status });
        }
        Ok(outcomes)
    }

    /// Changes many members.
    pub fn change_members(&mut self, at: &At, pool: &str, members: Vec<Fields>) -> Result<Vec<Outcome>, Problem> {
        self.pool_settled(at, pool)?;
        check_batch(members.len())?;
        let mut outcomes = Vec::new();
        for mut change in members {
            let Some(id) = change.remove("id").and_then(|id| id.as_str().map(str::to_owned)) else {
                return Err(invalid("members", "each needs its id"));
            };
            if self.member(at, pool, &id).is_err() {
                outcomes.push(Outcome { shown: fields_of(&json!({ "id": id })), status: "not found" });
                continue;
            }
            self.update_member(at, pool, &id, change)?;
            let shown = self.show_member(self.member(at, pool, &id)?);
            outcomes.push(Outcome { shown, status: "successful" });
        }
        Ok(outcomes)
    }

    /// Changes a member.
    pub fn update_member(&mut self, at: &At, pool: &str, id: &str, change: Fields) -> Result<(), Problem> {
        let old = self.member(at, pool, id)?;
        let fields: MemberFields = patch(&old.fields, change, CHANGEABLE)?;
        self.pool_settled(at, pool)?;
        check(&fields)?;
        if self.member_at(pool, fields.address, fields.protocol_port).is_some_and(|other| other.id != id) {
            return Err(conflict(format!("Pool {pool} already has a member at {}.", fields.address)));
        }
        if let Some(object) = self.members.change(at.now, id) {
            object.fields = fields;
            object.updated_at = at.now;
        }
        Ok(())
    }

    /// Takes a member away.
    pub fn delete_member(&mut self, at: &At, pool: &str, id: &str) -> Result<(), Problem> {
        self.member(at, pool, id)?;
        self.pool_settled(at, pool)?;
        self.check_protection(at, pool)?;
        self.forget_member(at, pool, id);
        Ok(())
    }

    fn member_at<'a>(&'a self, pool: &'a str, address: IpAddr, port: u16) -> Option<&'a Member> {
        self.members_of(pool).find(|member| member.fields.address == address && member.fields.protocol_port == port)
    }

    fn room_for_members(&self, at: &At, pool: &str, more: usize) -> Result<(), Problem> {
        self.room_for(at, "member", more)?;
        Self::within_quota(at, "members_per_pool", self.members_of(pool).count(), more)
    }

    fn insert_member(&mut self, at: &At, pool: &str, fields: MemberFields, server: Option<String>) -> String {
        let id = self.new_id();
        let made = Member {
            id: id.clone(),
            project: at.project.clone(),
            pool: pool.to_owned(),
            server,
            healthy: None,
            fields,
            created_at: at.now,
            updated_at: at.now,
        };
        self.members.insert(at.now, &id, made);
        self.pool_members.entry(pool.to_owned()).or_default().push(id.clone());
        id
    }

    fn forget_member(&mut self, at: &At, pool: &str, id: &str) {
        self.members.remove(at.now, id);
        if let Some(ids) = self.pool_members.get_mut(pool) {
            ids.retain(|other| other != id);
        }
    }

    /// That there can be such a member; the server it is, when it is one.
    fn check_member(
        &self,
        net: &dyn Network,
        at: &At,
        pool: &Pool,
        fields: &MemberFields,
        only_servers: bool,
    ) -> Result<Option<String>, Problem> {
        check(fields)?;
        if (fields.protocol_port == 0) != pool.fields.any_port_enable {
            return Err(invalid("protocol_port", "it is 1 to 65535, or 0 in a pool with any_port_enable"));
        }
        let Some(subnet_id) = &fields.subnet_cidr_id else {
            let by_address = self.load_balancer_of(pool).is_some_and(|owner| owner.fields.ip_target_enable)
                || pool.fields.kind.as_deref() == Some("ip");
            return if by_address && !only_servers {
                Ok(None)
            } else {
                Err(invalid("subnet_cidr_id", "it is missing, and the load balancer does not have ip_target_enable"))
            };
        };
        let subnet = net.subnet(at, subnet_id).ok_or_else(|| missing("subnet", subnet_id))?;
        let within =
            subnet.cidr.contains(&fields.address) || subnet.cidr_v6.is_some_and(|v6| v6.contains(&fields.address));
        if !within {
            return Err(invalid("address", format!("{} is not in subnet {subnet_id}", fields.address)));
        }
        if pool.fields.vpc_id.as_ref().is_some_and(|vpc| *vpc != subnet.vpc_id) {
            return Err(invalid("subnet_cidr_id", format!("subnet {subnet_id} is not in the load balancer's VPC")));
        }
        let nic = net.nic(at, &subnet.vpc_id, fields.address);
        if only_servers && !nic.as_ref().is_some_and(|nic| nic.primary) {
            return Err(invalid("address", format!("{} is not a server's primary address", fields.address)));
        }
        Ok(nic.map(|nic| nic.server))
    }

    /// A member as v3 shows it.
    pub fn show_member(&self, object: &Member) -> Fields {
        let mut view = show(&object.fields);
        let by_address = object.fields.subnet_cidr_id.is_none();
        for (name, value) in [
            ("id", json!(object.id)),
            ("project_id", json!(object.project)),
            ("pool_id", json!(object.pool)),
            ("operating_status", json!(self.operating_status(object))),
            ("ip_version", json!(if object.fields.address.is_ipv4() { "v4" } else { "v6" })),
            ("member_type", json!(if by_address { "ip" } else { "instance" })),
            ("instance_id", json!(object.server.as_deref().unwrap_or_default())),
            ("status", json!([])),
            ("created_at", json!(time(object.created_at))),
            ("updated_at", json!(time(object.updated_at))),
        ] {
            view.insert(name.to_owned(), value);
        }
        if object.healthy == Some(false) && self.monitor_of(&object.pool).is_some() {
            let reason =
                json!({ "reason_code": "CONNECT_REFUSED", "expected_response": "", "healthcheck_response": "" });
            view.insert("reason".to_owned(), reason);
        }
        view
    }

    /// What health checks find of all members at an address from now on; `None`: nothing yet.
    pub fn set_member_health(&mut self, now: Timestamp, address: IpAddr, healthy: Option<bool>) {
        let at_address = self.members.iter().filter(|member| member.fields.address == address);
        let ids: Vec<_> = at_address.map(|member| member.id.clone()).collect();
        for id in ids {
            if let Some(member) = self.members.change(now, &id) {
                member.healthy = healthy;
            }
        }
    }

    /// What the health monitor says of a member.
    pub fn operating_status(&self, member: &Member) -> &'static str {
        let monitored = self.monitor_of(&member.pool).is_some_and(|monitor| monitor.fields.admin_state_up);
        match (monitored, member.healthy) {
            (false, _) => "NO_MONITOR",
            (true, Some(false)) => "OFFLINE",
            (true, _) => "ONLINE",
        }
    }
}

fn check(fields: &MemberFields) -> Result<(), Problem> {
    check_text("name", &fields.name)?;
    check_range("weight", Some(fields.weight), 0, 100)
}

fn check_batch(size: usize) -> Result<(), Problem> {
    if size == 0 || size > BATCH {
        return Err(invalid("members", format!("{size} members, where 1 to {BATCH} can be")));
    }
    Ok(())
}

fn fields_of(value: &serde_json::Value) -> Fields {
    show(value)
}
