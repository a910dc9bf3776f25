//! Policies: which group an AppBLB's listener sends to.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Blb, Front, Kind, Listener, change, listed};
use crate::{
    baidu::{
        State,
        calls::{C, body, done, page},
        errors::{bad, no_such, over},
    },
    engine::{Problem, Reply, Route, Service},
};

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Its id.
    pub id: String,
    /// The listener's port.
    pub port: u16,
    /// The listener's protocol.
    pub protocol: String,
    /// For people.
    pub desc: String,
    /// The group, of machines or of addresses.
    pub group_id: String,
    /// The group's port; 0 when it is one of addresses.
    pub backend_port: u16,
    /// The smaller comes first.
    pub priority: u32,
    /// What a request has to be like; `*` is anything.
    pub rules: Vec<Rule>,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What of a request: `*`, `host`, `uri`.
    pub key: String,
    /// How that is.
    pub value: String,
}

impl Rule {
    pub(super) fn is_any(&self) -> bool {
        (self.key.as_str(), self.value.as_str()) == ("*", "*")
    }
}

impl Policy {
    /// Whether it is a listener's.
    pub(super) fn is_of(&self, listener: &Listener) -> bool {
        self.port == listener.port && self.protocol == listener.protocol
    }

    fn view(&self, blb: &Blb) -> Value {
        let mut view = json!({
            "id": self.id, "desc": self.desc, "frontendPort": self.port, "type": self.protocol, "portType": self.protocol,
            "priority": self.priority, "ruleList": self.rules,
        });
        if let Some(group) = blb.ip_group(&self.group_id) {
            view["appIpGroupId"] = json!(group.id);
            view["appIpGroupName"] = json!(group.name);
            view["groupType"] = json!("Ip");
        } else {
            view["appServerGroupId"] = json!(self.group_id);
            view["appServerGroupName"] = json!(blb.group(&self.group_id).map(|group| group.name.as_str()));
            view["backendPort"] = json!(self.backend_port);
            view["groupType"] = json!("Server");
        }
        view
    }
}

/// Largest priority.
const PRIORITY: u32 = 32768;

pub(super) fn routes<F: Front>(service: Service<State>) -> Service<State> {
    let (path, gone) = (F::path("/{id}/policys"), F::path("/{id}/policys?batchdelete"));
    service
        .route(Route::post(path, "CreatePolicies", create::<F>).query(&["clientToken"]))
        .route(Route::get(path, "ListPolicies", list::<F>).query(&["port", "type", "marker", "maker", "maxKeys"]))
        .route(Route::put(path, "UpdatePolicies", update::<F>).query(&["clientToken"]))
        .route(Route::put(gone, "DeletePolicies", delete::<F>).query(&["clientToken"]))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewPolicies {
    listener_port: u16,
    #[serde(rename = "type")]
    protocol: Option<String>,
    app_policy_vos: Vec<NewPolicy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewPolicy {
    #[serde(default)]
    desc: String,
    app_server_group_id: Option<String>,
    app_ip_group_id: Option<String>,
    backend_port: Option<u16>,
    priority: u32,
    rule_list: Option<Vec<Rule>>,
}

/// The listener of a port; its protocol is needed where there are several.
fn listener_of<'b>(blb: &'b Blb, port: u16, protocol: Option<&str>) -> Result<&'b Listener, Problem> {
    let at_port =
        |listener: &&Listener| listener.port == port && protocol.is_none_or(|protocol| protocol == listener.protocol);
    let mut found = blb.listeners.iter().filter(at_port);
    let missing = || Problem::refused(404, "ListenerNotFound", format!("There is no such listener at port {port}."));
    let listener = found.next().ok_or_else(missing)?;
    if found.next().is_some() {
        return Err(bad("type", format!("there are several listeners at port {port}")));
    }
    Ok(listener)
}

impl NewPolicy {
    fn checked(self, id: String, blb: &Blb, listener: &Listener) -> Result<Policy, Problem> {
        if !(1..=PRIORITY).contains(&self.priority) {
            return Err(bad("priority", format!("{} is not from 1 to {PRIORITY}", self.priority)));
        }
        // At the edge, there is nothing to be said.
        let any = || vec![Rule { key: "*".to_owned(), value: "*".to_owned() }];
        let rules = self.rule_list.or_else(|| (blb.kind == Kind::Edge).then(any)).unwrap_or_default();
        if rules.is_empty() {
            return Err(bad("ruleList", "it is missing or empty"));
        }
        let plain = !["HTTP", "HTTPS"].contains(&listener.protocol.as_str());
        if plain && !rules.iter().all(Rule::is_any) {
            return Err(bad("ruleList", format!("{} listeners know * alone", listener.protocol)));
        }
        let (group_id, backend_port) = match (self.app_server_group_id, self.app_ip_group_id) {
            (Some(id), None) => {
                let group = blb.group(&id).ok_or_else(|| no_such("server group", &id))?;
                let port = self.backend_port.ok_or_else(|| bad("backendPort", "it is missing"))?;
                if !group.ports.iter().any(|check| check.port == port && check.serves(&listener.protocol)) {
                    return Err(bad("backendPort", format!("the group has no {} port {port}", listener.protocol)));
                }
                (id, port)
            }
            (None, Some(id)) => {
                let group = blb.ip_group(&id).ok_or_else(|| no_such("IP group", &id))?;
                if !group.checks.iter().any(|check| check.serves(&listener.protocol)) {
                    return Err(bad(
                        "appIpGroupId",
                        format!("the group has no backend policy for {}", listener.protocol),
                    ));
                }
                (id, 0)
            }
            _ => return Err(bad("appServerGroupId", "either it or appIpGroupId is needed")),
        };
        Ok(Policy {
            id,
            port: listener.port,
            protocol: listener.protocol.clone(),
            desc: self.desc,
            group_id,
            backend_port,
            priority: self.priority,
            rules,
        })
    }
}

fn create<F: Front>(call: &mut C<'_>) -> Reply {
    let NewPolicies { listener_port, protocol, app_policy_vos: new } = body(call)?;
    if new.is_empty() {
        return Err(bad("appPolicyVos", "it is empty"));
    }
    let quota = call.quota("policies_per_listener");
    let ids: Vec<_> = new.iter().map(|_| call.state.new_id("policy")).collect();
    change::<F, _>(call, |blb| {
        let listener = listener_of(blb, listener_port, protocol.as_deref())?.clone();
        for (new, id) in new.into_iter().zip(ids) {
            let policy = new.checked(id, blb, &listener)?;
            let plain = !["HTTP", "HTTPS"].contains(&listener.protocol.as_str());
            let own: Vec<_> = blb.policies.iter().filter(|other| other.is_of(&listener)).collect();
            if (plain && !own.is_empty()) || own.iter().any(|other| other.priority == policy.priority) {
                let message = format!("The listener at port {listener_port} has such a policy already.");
                return Err(Problem::refused(400, "PolicyAlreadyExist", message));
            }
            if own.len() >= quota {
                return Err(over("PolicyExceedLimit", "policies of a listener", quota));
            }
            blb.policies.push(policy);
        }
        Ok(())
    })?;
    done()
}

fn list<F: Front>(call: &mut C<'_>) -> Reply {
    let port: u16 = call.parsed("port")?.ok_or_else(|| bad("port", "it is missing"))?;
    let blb = listed::<F>(call)?;
    let rows = blb
        .policies
        .iter()
        .filter(|policy| policy.port == port && call.query("type").is_none_or(|protocol| protocol == policy.protocol));
    let rows = call.shown(rows.collect());
    page(call, "policyList", rows, |policy| &policy.id, |policy| policy.view(blb))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Changed {
    port: u16,
    #[serde(rename = "type")]
    protocol: Option<String>,
    policy_list: Vec<ChangedPolicy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChangedPolicy {
    policy_id: String,
    priority: Option<u32>,
    description: Option<String>,
}

fn no_policy(id: &str) -> Problem {
    Problem::refused(404, "PolicyNotFound", format!("The policy {id} does not exist at the listener."))
}

fn update<F: Front>(call: &mut C<'_>) -> Reply {
    let Changed { port, protocol, policy_list } = body(call)?;
    change::<F, _>(call, |blb| {
        let listener = listener_of(blb, port, protocol.as_deref())?.clone();
        for ChangedPolicy { policy_id, priority, description } in policy_list {
            let mut own = blb.policies.iter_mut().filter(|policy| policy.is_of(&listener));
            let policy = own.find(|policy| policy.id == policy_id).ok_or_else(|| no_policy(&policy_id))?;
            policy.priority = priority.unwrap_or(policy.priority);
            policy.desc = description.unwrap_or_else(|| policy.desc.clone());
        }
        Ok(())
    })?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Removed {
    port: u16,
    #[serde(rename = "type")]
    protocol: Option<String>,
    policy_id_list: Vec<String>,
}

fn delete<F: Front>(call: &mut C<'_>) -> Reply {
    let Removed { port, protocol, policy_id_list: ids } = body(call)?;
    change::<F, _>(call, |blb| {
        let listener = listener_of(blb, port, protocol.as_deref())?.clone();
        let own = |policy: &Policy, id: &String| policy.is_of(&listener) && policy.id == *id;
        if let Some(id) = ids.iter().find(|id| !blb.policies.iter().any(|policy| own(policy, id))) {
            return Err(no_policy(id));
        }
        blb.policies.retain(|policy| !ids.iter().any(|id| own(policy, id)));
        Ok(())
    })?;
    done()
}
