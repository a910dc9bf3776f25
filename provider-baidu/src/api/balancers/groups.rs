//! Groups and policies: where AppBLB and the edge send traffic. AppBLB's groups are of servers, with ports of their own; the edge's are
//! of addresses with ports.

use cloud_rest::Error;
use provider_kit::load_balancers::PortKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Backend, Kind};
use crate::{
    api::{
        page::{ByMarker, Listed},
        text::{number, number_or_none, or_default},
    },
    cloud::{BY_MARKER, Cloud},
};

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Group {
    pub(crate) id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) desc: String,
    /// Ports, or at the edge protocols, with their health checks.
    #[serde(alias = "portList", alias = "backendPolicyList", deserialize_with = "or_default")]
    pub(crate) ports: Vec<GroupPort>,
    /// Filled in by hand.
    #[serde(skip)]
    pub(crate) members: Vec<GroupMember>,
}

impl Listed for Group {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What is checked of a group's members, for a port or a protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct GroupPort {
    pub(crate) id: String,
    /// 0 at the edge.
    #[serde(deserialize_with = "number")]
    pub(crate) port: u16,
    /// `TCP` or `UDP`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub(crate) protocol: String,
    #[serde(flatten)]
    pub(crate) check: Check,
}

/// A health check. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Check {
    /// `TCP`, `UDP`, `HTTP`.
    #[serde(rename = "healthCheck", skip_serializing_if = "Option::is_none", deserialize_with = "or_default")]
    pub(crate) protocol: Option<String>,
    #[serde(rename = "healthCheckPort", skip_serializing_if = "Option::is_none", deserialize_with = "number_or_none")]
    pub(crate) port: Option<u16>,
    #[serde(rename = "healthCheckUrlPath", skip_serializing_if = "Option::is_none", deserialize_with = "or_default")]
    pub(crate) path: Option<String>,
    #[serde(
        rename = "healthCheckTimeoutInSecond",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number_or_none"
    )]
    pub(crate) timeout: Option<u16>,
    #[serde(
        rename = "healthCheckIntervalInSecond",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number_or_none"
    )]
    pub(crate) interval: Option<u16>,
    #[serde(
        rename = "healthCheckDownRetry",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number_or_none"
    )]
    pub(crate) down: Option<u16>,
    #[serde(
        rename = "healthCheckUpRetry",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "number_or_none"
    )]
    pub(crate) up: Option<u16>,
    #[serde(rename = "udpHealthCheckString", skip_serializing_if = "Option::is_none", deserialize_with = "or_default")]
    pub(crate) udp_string: Option<String>,
}

impl Check {
    /// What of `wanted` is not as it is.
    pub(crate) fn towards(&self, wanted: &Self) -> Option<Self> {
        fn differs<T: Clone + PartialEq>(is: Option<&T>, wanted: Option<&T>) -> Option<T> {
            wanted.filter(|_| wanted != is).cloned()
        }
        let change = Self {
            protocol: differs(self.protocol.as_ref(), wanted.protocol.as_ref()),
            port: differs(self.port.as_ref(), wanted.port.as_ref()),
            path: differs(self.path.as_ref(), wanted.path.as_ref()),
            timeout: differs(self.timeout.as_ref(), wanted.timeout.as_ref()),
            interval: differs(self.interval.as_ref(), wanted.interval.as_ref()),
            down: differs(self.down.as_ref(), wanted.down.as_ref()),
            up: differs(self.up.as_ref(), wanted.up.as_ref()),
            udp_string: differs(self.udp_string.as_ref(), wanted.udp_string.as_ref()),
        };
        Some(change).filter(|change| *change != Self::default())
    }
}

/// A member: a server, or an address with a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct GroupMember {
    /// By which it is changed and removed.
    #[serde(alias = "memberId", rename = "instanceId")]
    pub(crate) id: String,
    /// At the edge.
    #[serde(deserialize_with = "or_default")]
    pub(crate) ip: String,
    /// At the edge.
    #[serde(deserialize_with = "number")]
    pub(crate) port: u16,
    #[serde(deserialize_with = "number")]
    pub(crate) weight: u16,
}

impl GroupMember {
    /// What it stands for: the server, or the address.
    pub(crate) fn target(&self) -> &str {
        if self.ip.is_empty() { &self.id } else { &self.ip }
    }
}

impl Listed for GroupMember {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What leads a listener to a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Policy {
    pub(crate) id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) app_server_group_id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) app_ip_group_id: String,
    #[serde(deserialize_with = "number")]
    pub(crate) backend_port: u16,
}

impl Policy {
    /// The group it leads to, of either kind.
    pub(crate) fn group(&self) -> &str {
        if self.app_server_group_id.is_empty() { &self.app_ip_group_id } else { &self.app_server_group_id }
    }
}

impl Listed for Policy {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A policy to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPolicy {
    pub(crate) group: String,
    /// Not at the edge.
    pub(crate) backend_port: u16,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// A member on the wire.
fn member(kind: Kind, member: &GroupMember) -> Value {
    match kind {
        Kind::Edge => json!({ "ip": member.ip, "port": member.port, "weight": member.weight }),
        _ => json!(Backend { instance: member.id.clone(), weight: member.weight }),
    }
}

fn changed_member(kind: Kind, of: &GroupMember) -> Value {
    match kind {
        Kind::Edge => json!({ "memberId": of.id, "port": of.port, "weight": of.weight }),
        _ => member(kind, of),
    }
}

/// The names of things, which differ.
struct Words {
    groups: &'static str,
    group_id: &'static str,
    new_members: &'static str,
    members: &'static [&'static str],
    changed_members: &'static str,
    gone_members: &'static str,
    ports: &'static [&'static str],
    port_id: &'static str,
    gone_ports: &'static str,
    remove: &'static str,
    policy_group: &'static str,
}

const APP: Words = Words {
    groups: "appservergroup",
    group_id: "sgId",
    new_members: "backendServerList",
    members: &["blbrs"],
    changed_members: "backendServerList",
    gone_members: "backendServerIdList",
    ports: &["appservergroupport"],
    port_id: "portId",
    gone_ports: "portIdList",
    remove: "batchdelete",
    policy_group: "appServerGroupId",
};

const EDGE: Words = Words {
    groups: "ipgroup",
    group_id: "ipGroupId",
    new_members: "memberList",
    members: &["ipgroup", "member"],
    changed_members: "memberList",
    gone_members: "memberIdList",
    ports: &["ipgroup", "backendpolicy"],
    port_id: "id",
    gone_ports: "backendPolicyIdList",
    remove: "delete",
    policy_group: "appIpGroupId",
};

fn words(kind: Kind) -> &'static Words {
    if kind == Kind::Edge { &EDGE } else { &APP }
}

fn under<'a>(balancer: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    std::iter::once(balancer).chain(rest.iter().copied()).collect()
}

/// A check with the ids of what it belongs to.
fn with(check: &Check, pairs: &[(&str, Value)]) -> Value {
    let mut body = json!(check);
    for (key, value) in pairs {
        body[*key] = value.clone();
    }
    body
}

impl Cloud {
    /// All groups of a load balancer, without members.
    pub(crate) async fn groups(&self, kind: Kind, balancer: &str) -> Result<Vec<Group>, Error> {
        let request = self.balancer_get(kind, "DescribeGroups", &[balancer, words(kind).groups]);
        Ok(request.list::<ByMarker<Group>>(BY_MARKER).await?.into_inner())
    }

    /// The members of a group.
    pub(crate) async fn group_members(
        &self,
        kind: Kind,
        balancer: &str,
        group: &str,
    ) -> Result<Vec<GroupMember>, Error> {
        let words = words(kind);
        let request = self.balancer_get(kind, "DescribeGroupMembers", &under(balancer, words.members));
        let listed = request.query(words.group_id, group).list::<ByMarker<GroupMember>>(BY_MARKER).await?;
        Ok(listed.into_inner())
    }

    /// The policies of a listener.
    pub(crate) async fn policies(&self, kind: Kind, balancer: &str, key: PortKey) -> Result<Vec<Policy>, Error> {
        let request = self.balancer_get(kind, "DescribePolicies", &[balancer, "policys"]);
        let request = request.query("port", key.port).query("type", key.transport());
        Ok(request.list::<ByMarker<Policy>>(BY_MARKER).await?.into_inner())
    }

    /// Makes a group with its members; its id.
    pub(crate) async fn create_group(
        &self,
        kind: Kind,
        balancer: &str,
        (name, desc): (&str, &str),
        members: &[GroupMember],
    ) -> Result<String, Error> {
        let words = words(kind);
        let mut body = json!({ "name": name, "desc": desc });
        if !members.is_empty() {
            body[words.new_members] = members.iter().map(|one| member(kind, one)).collect();
        }
        let request = self.balancer_post(kind, "CreateGroup", &[balancer, words.groups]).body(&body);
        Ok(request.send::<Id>().await?.value.id)
    }

    /// Describes a group anew.
    pub(crate) async fn update_group(
        &self,
        kind: Kind,
        balancer: &str,
        group: &str,
        (name, desc): (&str, &str),
    ) -> Result<(), Error> {
        let words = words(kind);
        let mut body = json!({ "name": name, "desc": desc });
        body[words.group_id] = group.into();
        self.balancer_put(kind, "UpdateGroup", &[balancer, words.groups]).body(&body).run().await.map(drop)
    }

    /// Deletes a group. Success if there is none.
    pub(crate) async fn delete_group(&self, kind: Kind, balancer: &str, group: &str) -> Result<(), Error> {
        let words = words(kind);
        let request = self.balancer_put(kind, "DeleteGroup", &[balancer, words.groups]).action("delete");
        crate::api::gone(request.body(&json!({ words.group_id: group })).run().await)
    }

    /// Makes a port of a group, or at the edge a protocol.
    pub(crate) async fn create_group_port(
        &self,
        kind: Kind,
        balancer: &str,
        group: &str,
        port: &GroupPort,
    ) -> Result<(), Error> {
        let words = words(kind);
        let mut pairs = vec![(words.group_id, json!(group)), ("type", json!(port.protocol))];
        if kind != Kind::Edge {
            pairs.push(("port", json!(port.port)));
        }
        let request = self.balancer_post(kind, "CreateGroupPort", &under(balancer, words.ports));
        request.body(&with(&port.check, &pairs)).run().await.map(drop)
    }

    /// Changes the check of a port of a group.
    pub(crate) async fn update_group_port(
        &self,
        kind: Kind,
        balancer: &str,
        group: &str,
        port: &str,
        check: &Check,
    ) -> Result<(), Error> {
        let words = words(kind);
        let request = self.balancer_put(kind, "UpdateGroupPort", &under(balancer, words.ports));
        let body = with(check, &[(words.group_id, json!(group)), (words.port_id, json!(port))]);
        request.body(&body).run().await.map(drop)
    }

    /// Deletes ports of a group. Success if there are none.
    pub(crate) async fn delete_group_ports(
        &self,
        kind: Kind,
        balancer: &str,
        group: &str,
        ports: &[String],
    ) -> Result<(), Error> {
        let words = words(kind);
        let request = self.balancer_put(kind, "DeleteGroupPorts", &under(balancer, words.ports)).action(words.remove);
        let body = json!({ words.group_id: group, words.gone_ports: ports });
        crate::api::all_gone(ports.len(), request.body(&body).run().await)
    }

    /// Adds members to a group.
    pub(crate) async fn add_group_members(
        &self,
        kind: Kind,
        balancer: &str,
        group: &str,
        new: &[GroupMember],
    ) -> Result<(), Error> {
        let words = words(kind);
        let list: Vec<Value> = new.iter().map(|one| member(kind, one)).collect();
        let request = self.balancer_post(kind, "AddGroupMembers", &under(balancer, words.members));
        request.body(&json!({ words.group_id: group, words.new_members: list })).run().await.map(drop)
    }

    /// Sets weights of members of a group.
    pub(crate) async fn update_group_members(
        &self,
        kind: Kind,
        balancer: &str,
        group: &str,
        changed: &[GroupMember],
    ) -> Result<(), Error> {
        let words = words(kind);
        let list: Vec<Value> = changed.iter().map(|one| changed_member(kind, one)).collect();
        let request = self.balancer_put(kind, "UpdateGroupMembers", &under(balancer, words.members));
        request.body(&json!({ words.group_id: group, words.changed_members: list })).run().await.map(drop)
    }

    /// Takes members out of a group. Success if they are not there.
    pub(crate) async fn remove_group_members(
        &self,
        kind: Kind,
        balancer: &str,
        group: &str,
        gone: &[String],
    ) -> Result<(), Error> {
        let words = words(kind);
        let request =
            self.balancer_put(kind, "RemoveGroupMembers", &under(balancer, words.members)).action(words.remove);
        let body = json!({ words.group_id: group, words.gone_members: gone });
        crate::api::all_gone(gone.len(), request.body(&body).run().await)
    }

    /// Makes a policy.
    pub(crate) async fn create_policy(
        &self,
        kind: Kind,
        balancer: &str,
        key: PortKey,
        new: &NewPolicy,
    ) -> Result<(), Error> {
        let mut policy = json!({ words(kind).policy_group: new.group, "priority": 1, "desc": "" });
        if kind != Kind::Edge {
            policy["backendPort"] = new.backend_port.into();
            policy["ruleList"] = json!([{ "key": "*", "value": "*" }]);
        }
        let body = json!({ "listenerPort": key.port, "type": key.transport(), "appPolicyVos": [policy] });
        self.balancer_post(kind, "CreatePolicies", &[balancer, "policys"]).body(&body).run().await.map(drop)
    }

    /// Deletes policies of a listener. Success if there are none.
    pub(crate) async fn delete_policies(
        &self,
        kind: Kind,
        balancer: &str,
        key: PortKey,
        gone: &[String],
    ) -> Result<(), Error> {
        let body = json!({ "port": key.port, "type": key.transport(), "policyIdList": gone });
        let request = self.balancer_put(kind, "DeletePolicies", &[balancer, "policys"]).action("batchdelete");
        crate::api::all_gone(gone.len(), request.body(&body).run().await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_groups_are_read() {
        let app = json!({"id": "sg-1", "name": "g", "desc": "d", "status": "available", "portList": [{"id": "p-1", "port": 30080,
            "type": "TCP", "healthCheck": "HTTP", "healthCheckPort": 32000, "healthCheckUrlPath": "/healthz", "healthCheckDownRetry": 3}]});
        let group: Group = serde_json::from_value(app).unwrap();
        assert_eq!((group.ports[0].port, group.ports[0].check.port), (30080, Some(32000)));
        let edge = json!({"id": "ip-1", "name": "g", "backendPolicyList": [{"id": "b-1", "type": "UDP", "udpHealthCheckString": "x"}]});
        let group: Group = serde_json::from_value(edge).unwrap();
        assert_eq!((group.ports[0].protocol.as_str(), group.ports[0].port), ("UDP", 0));
        let members: [GroupMember; 2] = serde_json::from_value(json!([{"instanceId": "i-1", "weight": 100},
            {"memberId": "m-1", "ip": "10.0.0.1", "port": 30080, "weight": 0}]))
        .unwrap();
        assert_eq!((members[0].target(), members[1].target()), ("i-1", "10.0.0.1"));
        assert_eq!(member(Kind::Edge, &members[1]), json!({"ip": "10.0.0.1", "port": 30080, "weight": 0}));
        assert_eq!(member(Kind::App, &members[0]), json!({"instanceId": "i-1", "weight": 100}));
    }
}
