//! Route tables and their rules.

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::json;

use super::{
    State,
    calls::{C, body, done, page},
    errors::{self, bad, no_such},
    network::{RouteRule, overlap},
};
use crate::engine::{Answer, Problem, Reply, Route, Service};

/// Kinds of next hops that callers may name.
const HOPS: [&str; 8] = ["custom", "vpn", "nat", "dcGateway", "peerConn", "ipv6gateway", "enic", "havip"];

pub(super) fn service() -> Service<State> {
    Service::new("vpc", errors::common)
        .on(&["bcc", "vpc", "internal-api"])
        .route(Route::get("/v1/route", "GetRouteTable", table).query(&["routeTableId", "vpcId"]))
        .route(Route::get("/v1/route/rule", "ListRouteRules", rules).query(&[
            "routeTableId",
            "vpcId",
            "marker",
            "maxKeys",
        ]))
        .route(Route::post("/v1/route/rule", "CreateRouteRule", create).query(&["clientToken"]))
        .route(Route::put("/v1/route/rule/{id}", "UpdateRouteRule", update).query(&["clientToken"]))
        .route(Route::delete("/v1/route/rule/{id}", "DeleteRouteRule", delete).query(&["clientToken"]))
}

/// Id of the table that the query names, by its own id or its VPC's, and of the VPC.
fn named(call: &C<'_>) -> Result<(String, String), Problem> {
    let (table, vpc) = (call.query("routeTableId"), call.query("vpcId"));
    if table.is_none() && vpc.is_none() {
        return Err(bad("routeTableId", "it or vpcId is needed"));
    }
    let found = call.state.vpcs.iter().find(|known| {
        known.account == call.account()
            && table.is_none_or(|id| id == known.route_table_id)
            && vpc.is_none_or(|id| id == known.vpc_id)
    });
    let missing = || match (table, vpc) {
        (Some(table), _) => no_such("route table", table),
        (None, vpc) => no_such("VPC", vpc.unwrap_or_default()),
    };
    found.map(|vpc| (vpc.route_table_id.clone(), vpc.vpc_id.clone())).ok_or_else(missing)
}

fn table(call: &mut C<'_>) -> Reply {
    let (table, vpc) = named(call)?;
    let rules = call.list(&call.state.route_rules, |rule| rule.route_table_id == table);
    Ok(Answer::ok(&json!({ "name": "default", "routeTableId": table, "vpcId": vpc, "routeRules": rules })))
}

fn rules(call: &mut C<'_>) -> Reply {
    let (table, _) = named(call)?;
    let rules = call.list(&call.state.route_rules, |rule| rule.route_table_id == table);
    page(call, "routeRules", rules, |rule| &rule.route_rule_id, |rule| json!(rule))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewRule {
    route_table_id: String,
    source_address: String,
    destination_address: String,
    nexthop_type: String,
    #[serde(default)]
    nexthop_id: String,
    #[serde(default)]
    description: String,
    ip_version: Option<String>,
}

fn range(field: &str, text: &str) -> Result<IpNet, Problem> {
    let range: IpNet = text.parse().map_err(|_| bad(field, format!("{text} is no range of addresses")))?;
    if range.trunc() != range {
        return Err(bad(field, format!("{text} has bits outside its mask: {}", range.trunc())));
    }
    Ok(range)
}

/// Whether the rule may be among the table's; `but` is the rule that it is to take the place of.
fn check(call: &C<'_>, rule: &RouteRule, but: &str) -> Result<(), Problem> {
    let state = &*call.state;
    let own = |vpc: &&super::network::Vpc| vpc.account == call.account() && vpc.route_table_id == rule.route_table_id;
    let vpc = state.vpcs.iter().find(own).ok_or_else(|| no_such("route table", &rule.route_table_id))?;
    let (source, destination) =
        (range("sourceAddress", &rule.source_address)?, range("destinationAddress", &rule.destination_address)?);
    if source.addr().is_ipv4() != destination.addr().is_ipv4() {
        return Err(bad("sourceAddress", "it is of another family than destinationAddress"));
    }
    let in_subnet = || {
        let mut subnets = state.subnets.iter().filter(|subnet| subnet.vpc_id == vpc.vpc_id);
        subnets.any(|subnet| IpNet::from(subnet.cidr).contains(&source))
    };
    if source.prefix_len() > 0 && !in_subnet() {
        return Err(bad("sourceAddress", format!("{source} is in no subnet of the VPC")));
    }
    if destination.prefix_len() > 0 && overlap(destination, vpc.cidr.into()) {
        return Err(bad("destinationAddress", format!("{destination} overlaps the VPC's {}", vpc.cidr)));
    }
    if !HOPS.contains(&rule.nexthop_type.as_str()) {
        return Err(bad("nexthopType", format!("{} is not one of {}", rule.nexthop_type, HOPS.join(", "))));
    }
    if rule.nexthop_type == "custom" {
        let machine = state.machines.get(&rule.nexthop_id);
        let there = machine.is_some_and(|machine| machine.account == call.account() && machine.vpc_id == vpc.vpc_id);
        if !there {
            return Err(no_such("instance", &rule.nexthop_id));
        }
    }
    let same = |other: &RouteRule| {
        other.route_table_id == rule.route_table_id
            && other.route_rule_id != but
            && other.nexthop_type != "sys"
            && (&other.source_address, &other.destination_address) == (&rule.source_address, &rule.destination_address)
    };
    if state.route_rules.iter().any(same) {
        return Err(Problem::refused(400, "RouteRuleRepeated", "There is a rule of this source and destination."));
    }
    Ok(())
}

fn create(call: &mut C<'_>) -> Reply {
    let new: NewRule = body(call)?;
    let version = match new.ip_version.as_deref() {
        None | Some("4") => '.',
        Some("6") => ':',
        Some(other) => return Err(bad("ipVersion", format!("{other} is neither 4 nor 6"))),
    };
    if !new.destination_address.contains(version) {
        return Err(bad("ipVersion", format!("{} is of the other family", new.destination_address)));
    }
    let rule = RouteRule {
        route_rule_id: String::new(),
        account: call.account().to_owned(),
        route_table_id: new.route_table_id,
        source_address: new.source_address,
        destination_address: new.destination_address,
        nexthop_id: new.nexthop_id,
        nexthop_type: new.nexthop_type,
        description: new.description,
        path_type: "normal".to_owned(),
    };
    check(call, &rule, "")?;
    let most = call.quota("route_rules_per_table");
    let own = |other: &&RouteRule| other.route_table_id == rule.route_table_id && other.nexthop_type != "sys";
    if call.state.route_rules.iter().filter(own).count() >= most {
        return Err(Problem::refused(400, "RouteRuleExceedQuota", format!("The table may have at most {most} rules.")));
    }
    let id = call.state.add_route_rule(call.now, rule);
    Ok(Answer::ok(&json!({ "routeRuleId": id })))
}

/// The rule that the path names, when it is one that callers may change.
fn own_rule(call: &C<'_>) -> Result<RouteRule, Problem> {
    let id = call.parameter("id");
    let rule = call.state.route_rules.get(id).filter(|rule| rule.account == call.account());
    let rule = rule.ok_or_else(|| no_such("route rule", id))?;
    if rule.nexthop_type == "sys" {
        return Err(Problem::refused(403, "AccessDenied", "The rule comes with the VPC."));
    }
    Ok(rule.clone())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Changed {
    source_address: Option<String>,
    destination_address: Option<String>,
    nexthop_id: Option<String>,
    description: Option<String>,
}

fn update(call: &mut C<'_>) -> Reply {
    let old = own_rule(call)?;
    let changed: Changed = body(call)?;
    let rule = RouteRule {
        source_address: changed.source_address.unwrap_or(old.source_address),
        destination_address: changed.destination_address.unwrap_or(old.destination_address),
        nexthop_id: changed.nexthop_id.unwrap_or(old.nexthop_id),
        description: changed.description.unwrap_or(old.description),
        ..old
    };
    check(call, &rule, &rule.route_rule_id)?;
    if let Some(place) = call.state.route_rules.change(call.now, &rule.route_rule_id) {
        *place = rule;
    }
    done()
}

fn delete(call: &mut C<'_>) -> Reply {
    let rule = own_rule(call)?;
    call.state.route_rules.remove(call.now, &rule.route_rule_id);
    done()
}
