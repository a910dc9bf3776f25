//! Security groups and their rules, by v1.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    State, errors,
    network::{RuleSpec, SecurityGroup, SecurityGroupRule},
    vpc::PAGE,
};
use crate::engine::{Answer, Call, Problem, Reply, Route, Service, paging};

type C<'a> = Call<'a, State>;

pub(super) fn service() -> Service<State> {
    Service::new("vpc", errors::vpc)
        .route(Route::get("/v1/{project_id}/security-groups", "ListSecurityGroups", groups).query(&[
            "vpc_id",
            "enterprise_project_id",
            "marker",
            "limit",
        ]))
        .route(Route::get("/v1/{project_id}/security-groups/{id}", "ShowSecurityGroup", show_group))
        .route(Route::get("/v1/{project_id}/security-group-rules", "ListSecurityGroupRules", rules).query(&[
            "security_group_id",
            "marker",
            "limit",
        ]))
        .route(Route::post("/v1/{project_id}/security-group-rules", "CreateSecurityGroupRule", create))
        .route(Route::get("/v1/{project_id}/security-group-rules/{id}", "ShowSecurityGroupRule", show_rule))
        .route(Route::delete("/v1/{project_id}/security-group-rules/{id}", "DeleteSecurityGroupRule", delete))
}

fn rule_view(rule: &SecurityGroupRule) -> Value {
    let mut view = serde_json::to_value(rule).expect("a rule is JSON");
    view["tenant_id"] = json!(rule.project_id);
    view
}

fn group_view(group: &SecurityGroup, state: &State) -> Value {
    let rules = state.security_group_rules.iter().filter(|rule| rule.security_group_id == group.id);
    json!({
        "id": group.id, "name": group.name, "description": group.description, "enterprise_project_id": "0",
        "security_group_rules": rules.map(rule_view).collect::<Vec<_>>(),
    })
}

fn groups(call: &mut C<'_>) -> Reply {
    let rows = call.list(&call.state.security_groups, |group| group.project_id == call.project());
    let limit = call.page_size("limit", PAGE, PAGE)?;
    let page = paging::by_marker(rows, |group| &group.id, call.query("marker"), limit)?;
    let views: Vec<_> = page.rows.into_iter().map(|group| group_view(group, call.state)).collect();
    Ok(Answer::ok(&json!({ "security_groups": views })))
}

fn group<'c>(call: &'c C<'_>, id: &str) -> Result<&'c SecurityGroup, Problem> {
    let group = call.state.security_groups.get(id).filter(|group| group.project_id == call.project());
    group.ok_or_else(|| Problem::refused(404, "VPC.0602", format!("Security group {id} could not be found.")))
}

fn show_group(call: &mut C<'_>) -> Reply {
    let group = group(call, call.parameter("id"))?;
    Ok(Answer::ok(&json!({ "security_group": group_view(group, call.state) })))
}

fn rules(call: &mut C<'_>) -> Reply {
    let rows = call.list(&call.state.security_group_rules, |rule| {
        rule.project_id == call.project() && call.admits("security_group_id", &rule.security_group_id)
    });
    let limit = call.page_size("limit", PAGE, PAGE)?;
    let page = paging::by_marker(rows, |rule| &rule.id, call.query("marker"), limit)?;
    Ok(Answer::ok(&json!({ "security_group_rules": page.rows.into_iter().map(rule_view).collect::<Vec<_>>() })))
}

fn rule<'c>(call: &'c C<'_>) -> Result<&'c SecurityGroupRule, Problem> {
    let id = call.parameter("id");
    let rule = call.state.security_group_rules.get(id).filter(|rule| rule.project_id == call.project());
    rule.ok_or_else(|| Problem::refused(404, "VPC.0602", format!("Security group rule {id} could not be found.")))
}

fn show_rule(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&json!({ "security_group_rule": rule_view(rule(call)?) })))
}

fn delete(call: &mut C<'_>) -> Reply {
    let id = rule(call)?.id.clone();
    call.state.security_group_rules.remove(call.now, &id);
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRequest {
    security_group_rule: NewRule,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRule {
    security_group_id: String,
    direction: String,
    ethertype: Option<String>,
    protocol: Option<String>,
    port_range_min: Option<u16>,
    port_range_max: Option<u16>,
    remote_ip_prefix: Option<String>,
    remote_group_id: Option<String>,
    #[serde(default)]
    description: String,
}

fn create(call: &mut C<'_>) -> Reply {
    let CreateRequest { security_group_rule: new } = call.body()?;
    group(call, &new.security_group_id)?;
    if !["ingress", "egress"].contains(&new.direction.as_str()) {
        return Err(Problem::bad_parameter("direction", format!("{} is neither ingress nor egress", new.direction)));
    }
    let spec = RuleSpec {
        direction: new.direction,
        ethertype: new.ethertype.unwrap_or_else(|| "IPv4".to_owned()),
        protocol: new.protocol,
        port_range_min: new.port_range_min,
        port_range_max: new.port_range_max,
        remote_ip_prefix: new.remote_ip_prefix,
        remote_group_id: new.remote_group_id,
        description: new.description,
    };
    let group_id = new.security_group_id;
    let same = |rule: &SecurityGroupRule| {
        rule.security_group_id == group_id
            && rule.spec == RuleSpec { description: rule.spec.description.clone(), ..spec.clone() }
    };
    if let Some(rule) = call.state.security_group_rules.iter().find(|rule| same(rule)) {
        let message = format!("Security group rule already exists. Rule id is {}.", rule.id);
        return Err(Problem::refused(409, "VPC.0608", message));
    }
    if call.state.security_group_rules.len() >= call.quota("security_group_rules") {
        let message = "Quota exceeded for resources: ['security_group_rule']";
        return Err(Problem::refused(409, "VPC.0114", message));
    }
    let id = call.state.new_id();
    let rule =
        SecurityGroupRule { id: id.clone(), project_id: call.project().to_owned(), security_group_id: group_id, spec };
    let view = rule_view(&rule);
    call.state.security_group_rules.insert(call.now, &id, rule);
    Ok(Answer::json(StatusCode::CREATED, &json!({ "security_group_rule": view })))
}
