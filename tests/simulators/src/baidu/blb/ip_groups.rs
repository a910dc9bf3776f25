//! Groups of addresses, which an AppBLB's listeners can send to: backends that need be no machines of the cloud.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Blb, Check, Front, Kind, change,
    checks::{self, take_text},
    fields::Fields,
    groups::{check_name, in_use, is_named},
    listed,
};
use crate::{
    baidu::{
        State,
        calls::{C, body, done, page},
        errors::{bad, no_such, over},
    },
    engine::{Answer, Problem, Reply, Route, Service},
};

/// A group of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IpGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// For people.
    pub desc: String,
    /// How its members are checked, by protocol.
    pub checks: Vec<Check>,
    /// Its members.
    pub members: Vec<Member>,
}

/// An address that is sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its id.
    pub member_id: String,
    /// The address.
    pub ip: Ipv4Addr,
    /// The port.
    pub port: u16,
    /// Its share; 0 takes no new connections.
    pub weight: u32,
}

impl IpGroup {
    fn view(&self) -> Value {
        let checks: Vec<_> = self.checks.iter().map(Check::view).collect();
        json!({ "id": self.id, "name": self.name, "desc": self.desc, "backendPolicyList": checks })
    }
}

impl Blb {
    /// A group of addresses.
    pub fn ip_group(&self, id: &str) -> Option<&IpGroup> {
        self.ip_groups.iter().find(|group| group.id == id)
    }
}

fn group_mut<'b>(blb: &'b mut Blb, id: &str) -> Result<&'b mut IpGroup, Problem> {
    blb.ip_groups.iter_mut().find(|group| group.id == id).ok_or_else(|| no_such("IP group", id))
}

pub(super) fn routes<F: Front>(service: Service<State>) -> Service<State> {
    let group = F::path("/{id}/ipgroup");
    let check = F::path("/{id}/ipgroup/backendpolicy");
    let member = F::path("/{id}/ipgroup/member");
    let gone = ["", "/backendpolicy", "/member"].map(|part| F::path(&format!("/{{id}}/ipgroup{part}?delete")));
    // One of the SDK's lists misspells its marker.
    let keys = &["ipGroupId", "marker", "maker", "maxKeys"];
    service
        .route(Route::post(group, "CreateAppIpGroup", create::<F>).query(&["clientToken"]))
        .route(Route::get(group, "ListAppIpGroups", list::<F>).query(&[
            "name",
            "exactlyMatch",
            "marker",
            "maker",
            "maxKeys",
        ]))
        .route(Route::put(group, "UpdateAppIpGroup", update::<F>).query(&["clientToken"]))
        .route(Route::put(gone[0], "DeleteAppIpGroup", delete::<F>).query(&["clientToken"]))
        .route(Route::post(check, "CreateAppIpGroupBackendPolicy", create_check::<F>).query(&["clientToken"]))
        .route(Route::get(check, "ListAppIpGroupBackendPolicies", list_checks::<F>).query(keys))
        .route(Route::put(check, "UpdateAppIpGroupBackendPolicy", update_check::<F>).query(&["clientToken"]))
        .route(Route::put(gone[1], "DeleteAppIpGroupBackendPolicies", delete_checks::<F>).query(&["clientToken"]))
        .route(Route::post(member, "CreateAppIpGroupMembers", add_members::<F>).query(&["clientToken"]))
        .route(Route::get(member, "ListAppIpGroupMembers", list_members::<F>).query(keys))
        .route(Route::put(member, "UpdateAppIpGroupMembers", update_members::<F>).query(&["clientToken"]))
        .route(Route::put(gone[2], "DeleteAppIpGroupMembers", delete_members::<F>).query(&["clientToken"]))
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Said {
    member_id: Option<String>,
    ip: Option<Ipv4Addr>,
    port: Option<u16>,
    weight: Option<u32>,
}

impl Said {
    fn weight(&self) -> Result<u32, Problem> {
        let weight = self.weight.unwrap_or(100);
        if weight > 100 { Err(bad("weight", format!("{weight} is not from 0 to 100"))) } else { Ok(weight) }
    }

    /// A new member.
    fn made(self, member_id: String) -> Result<Member, Problem> {
        let weight = self.weight()?;
        if self.member_id.is_some() {
            return Err(bad("memberId", "the cloud makes it"));
        }
        let ip = self.ip.ok_or_else(|| bad("ip", "it is missing"))?;
        let port = self.port.filter(|port| *port > 0).ok_or_else(|| bad("port", "it is missing or 0"))?;
        Ok(Member { member_id, ip, port, weight })
    }
}

fn made_members(call: &mut C<'_>, said: Vec<Said>) -> Result<Vec<Member>, Problem> {
    said.into_iter().map(|one| one.made(call.state.new_id("member"))).collect()
}

fn add(group: &mut IpGroup, members: Vec<Member>, quota: usize) -> Result<(), Problem> {
    for member in members {
        if group.members.iter().any(|other| (other.ip, other.port) == (member.ip, member.port)) {
            let message = format!("{}:{} is a member already.", member.ip, member.port);
            return Err(Problem::refused(400, "IpGroupMemberAlreadyExist", message));
        }
        group.members.push(member);
    }
    if group.members.len() > quota {
        return Err(over("IpGroupMemberExceedLimit", "members of an IP group", quota));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewGroup {
    #[serde(default)]
    name: String,
    #[serde(default)]
    desc: String,
    #[serde(default)]
    member_list: Vec<Said>,
}

fn create<F: Front>(call: &mut C<'_>) -> Reply {
    let NewGroup { name, desc, member_list } = body(call)?;
    check_name(&name)?;
    let members = made_members(call, member_list)?;
    let (quota, most) = (call.quota("ip_groups_per_blb"), call.quota("members_per_ip_group"));
    let id = call.state.new_id("ip_group");
    let name = if name.is_empty() { format!("group-{id}") } else { name };
    let made = change::<F, _>(call, |blb| {
        if blb.ip_groups.len() >= quota {
            return Err(over("AppIpGroupExceedLimit", "IP groups of a BLB", quota));
        }
        let mut group = IpGroup { id, name, desc, checks: Vec::new(), members: Vec::new() };
        add(&mut group, members, most)?;
        let view = json!({ "id": group.id, "name": group.name, "desc": group.desc });
        blb.ip_groups.push(group);
        Ok(view)
    })?;
    Ok(Answer::ok(&made))
}

fn list<F: Front>(call: &mut C<'_>) -> Reply {
    let mut rows = Vec::new();
    for group in &listed::<F>(call)?.ip_groups {
        if is_named(call, &group.name)? {
            rows.push(group);
        }
    }
    page(call, "appIpGroupList", call.shown(rows), |group| &group.id, |group| group.view())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChangedGroup {
    ip_group_id: String,
    name: Option<String>,
    desc: Option<String>,
}

fn update<F: Front>(call: &mut C<'_>) -> Reply {
    let ChangedGroup { ip_group_id, name, desc } = body(call)?;
    name.as_deref().map_or(Ok(()), check_name)?;
    change::<F, _>(call, |blb| {
        let group = group_mut(blb, &ip_group_id)?;
        group.name = name.unwrap_or_else(|| group.name.clone());
        group.desc = desc.unwrap_or_else(|| group.desc.clone());
        Ok(())
    })?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GroupId {
    ip_group_id: String,
}

fn delete<F: Front>(call: &mut C<'_>) -> Reply {
    let GroupId { ip_group_id } = body(call)?;
    change::<F, _>(call, |blb| {
        group_mut(blb, &ip_group_id)?;
        if blb.policies.iter().any(|policy| policy.group_id == ip_group_id) {
            return Err(in_use("IP group", &ip_group_id));
        }
        blb.ip_groups.retain(|group| group.id != ip_group_id);
        Ok(())
    })?;
    done()
}

fn create_check<F: Front>(call: &mut C<'_>) -> Reply {
    let mut said: Fields = body(call)?;
    let group = take_text(&mut said, "ipGroupId")?;
    let check = Check::new(call.state.new_id("bp"), 0, said)?;
    let id = check.id.clone();
    change::<F, _>(call, |blb| {
        let group = group_mut(blb, &group)?;
        if group.checks.iter().any(|other| other.protocol == check.protocol) {
            let message = format!("The group has a backend policy of type {} already.", check.protocol);
            return Err(Problem::refused(400, "IpGroupBackendPolicyAlreadyExist", message));
        }
        group.checks.push(check);
        Ok(())
    })?;
    // The region's service answers nothing, but the edge's does.
    if F::KIND == Kind::Edge { Ok(Answer::ok(&json!({ "id": id }))) } else { done() }
}

fn list_checks<F: Front>(call: &mut C<'_>) -> Reply {
    let group = queried::<F>(call)?;
    let rows = call.shown(group.checks.iter().collect());
    page(call, "backendPolicyList", rows, |check| &check.id, |check| check.view())
}

/// The group that the query names, as listings see it.
fn queried<'c, F: Front>(call: &'c C<'_>) -> Result<&'c IpGroup, Problem> {
    let id = call.query("ipGroupId").ok_or_else(|| bad("ipGroupId", "it is missing"))?;
    listed::<F>(call)?.ip_group(id).ok_or_else(|| no_such("IP group", id))
}

fn update_check<F: Front>(call: &mut C<'_>) -> Reply {
    let mut said: Fields = body(call)?;
    let (group, id) = (take_text(&mut said, "ipGroupId")?, take_text(&mut said, "id")?);
    change::<F, _>(call, |blb| checks::find(&mut group_mut(blb, &group)?.checks, &id)?.change(&said))?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Checks {
    ip_group_id: String,
    backend_policy_id_list: Vec<String>,
}

fn delete_checks<F: Front>(call: &mut C<'_>) -> Reply {
    let Checks { ip_group_id, backend_policy_id_list: ids } = body(call)?;
    change::<F, _>(call, |blb| {
        let of_group: Vec<_> = blb.policies.iter().filter(|policy| policy.group_id == ip_group_id).cloned().collect();
        let group = group_mut(blb, &ip_group_id)?;
        let mut going = group.checks.iter().filter(|check| ids.contains(&check.id));
        if let Some(check) = going.find(|check| of_group.iter().any(|policy| check.serves(&policy.protocol))) {
            return Err(in_use("backend policy", &check.id));
        }
        checks::remove(&mut group.checks, &ids)
    })?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Members {
    ip_group_id: String,
    member_list: Vec<Said>,
}

fn add_members<F: Front>(call: &mut C<'_>) -> Reply {
    let Members { ip_group_id, member_list } = body(call)?;
    if member_list.is_empty() {
        return Err(bad("memberList", "it is empty"));
    }
    let members = made_members(call, member_list)?;
    let quota = call.quota("members_per_ip_group");
    let made = json!({ "memberList": members });
    change::<F, _>(call, |blb| add(group_mut(blb, &ip_group_id)?, members, quota))?;
    if F::KIND == Kind::Edge { Ok(Answer::ok(&made)) } else { done() }
}

fn no_member(id: &str) -> Problem {
    Problem::refused(404, "IpGroupMemberNotFound", format!("The member {id} does not exist."))
}

fn update_members<F: Front>(call: &mut C<'_>) -> Reply {
    let Members { ip_group_id, member_list } = body(call)?;
    change::<F, _>(call, |blb| {
        let group = group_mut(blb, &ip_group_id)?;
        for said in &member_list {
            let id = said.member_id.as_deref().ok_or_else(|| bad("memberId", "it is missing"))?;
            let member = group.members.iter_mut().find(|member| member.member_id == id).ok_or_else(|| no_member(id))?;
            member.weight = said.weight()?;
            member.port = said.port.unwrap_or(member.port);
        }
        Ok(())
    })?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Removed {
    ip_group_id: String,
    member_id_list: Vec<String>,
}

fn delete_members<F: Front>(call: &mut C<'_>) -> Reply {
    let Removed { ip_group_id, member_id_list: ids } = body(call)?;
    change::<F, _>(call, |blb| {
        let group = group_mut(blb, &ip_group_id)?;
        if let Some(id) = ids.iter().find(|id| !group.members.iter().any(|member| member.member_id == **id)) {
            return Err(no_member(id));
        }
        group.members.retain(|member| !ids.contains(&member.member_id));
        Ok(())
    })?;
    done()
}

fn list_members<F: Front>(call: &mut C<'_>) -> Reply {
    let group = queried::<F>(call)?;
    let rows = call.shown(group.members.iter().collect());
    page(call, "memberList", rows, |member| &member.member_id, |member| json!(member))
}
