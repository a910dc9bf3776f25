//! Route tables of a VPC (v1).

use cloud_rest::{Effect, Error};
use serde::{Deserialize, Serialize};

use super::{
    page::{ByMarker, Listed},
    text::or_default,
};
use crate::{
    cloud::{BY_MARKER, Cloud},
    endpoints::Service,
    routes::plan::Rule,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRule {
    route_rule_id: String,
    #[serde(default, deserialize_with = "or_default")]
    source_address: String,
    destination_address: String,
    #[serde(default, deserialize_with = "or_default")]
    nexthop_id: String,
    #[serde(default, deserialize_with = "or_default")]
    nexthop_type: String,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
}

impl Listed for WireRule {
    fn id(&self) -> &str {
        &self.route_rule_id
    }
}

impl From<WireRule> for Rule {
    fn from(wire: WireRule) -> Self {
        Self {
            id: wire.route_rule_id,
            source: wire.source_address,
            destination: wire.destination_address,
            nexthop: wire.nexthop_id,
            kind: wire.nexthop_type,
            description: wire.description,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    route_table_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewRule<'a> {
    route_table_id: &'a str,
    source_address: &'a str,
    destination_address: &'a str,
    nexthop_id: &'a str,
    nexthop_type: &'a str,
    description: &'a str,
    /// Said for IPv6 only: what is old does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_version: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    route_rule_id: String,
}

impl Cloud {
    /// The id of a VPC's route table.
    pub(crate) async fn route_table(&self, vpc: &str) -> Result<String, Error> {
        let request = self.get(Service::Vpc, "GetRouteTable", &["v1", "route"]).query("vpcId", vpc);
        Ok(request.send::<Table>().await?.value.route_table_id)
    }

    /// All rules of a table, whoever made them.
    pub(crate) async fn route_rules(&self, table: &str) -> Result<Vec<Rule>, Error> {
        let request = self.get(Service::Vpc, "ListRouteRules", &["v1", "route", "rule"]).query("routeTableId", table);
        let rules = request.list::<ByMarker<WireRule>>(BY_MARKER).await?;
        Ok(rules.into_iter().map(Into::into).collect())
    }

    /// Makes a rule; its id. The same within `window`, a stretch of time, is the same call to the cloud.
    pub(crate) async fn create_route_rule(&self, table: &str, rule: &Rule, window: &str) -> Result<String, Error> {
        let body = NewRule {
            route_table_id: table,
            source_address: &rule.source,
            destination_address: &rule.destination,
            nexthop_id: &rule.nexthop,
            nexthop_type: &rule.kind,
            description: &rule.description,
            ip_version: rule.destination.contains(':').then_some("6"),
        };
        let made_from = [table, &rule.source, &rule.destination, &rule.nexthop, &rule.description, window];
        let request = self.post(Service::Vpc, "CreateRouteRule", &["v1", "route", "rule"]).client_token(&made_from);
        Ok(request.body(&body).send::<Made>().await?.value.route_rule_id)
    }

    /// Removes a rule. Success if there is none.
    pub(crate) async fn delete_route_rule(&self, id: &str) -> Result<(), Error> {
        let request = self.delete(Service::Vpc, "DeleteRouteRule", &["v1", "route", "rule", id]).client_token(&[id]);
        match request.effect(Effect::RepeatableWrite).run().await {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_is_read_whoever_made_it() {
        let wire = json!({"routeRuleId": "rr-1", "routeTableId": "rt-1", "sourceAddress": "0.0.0.0/0",
            "destinationAddress": "10.244.3.0/24", "nexthopId": null, "nexthopType": "sys", "description": null, "pathType": "normal"});
        let rule: Rule = serde_json::from_value::<WireRule>(wire).unwrap().into();
        assert_eq!((rule.kind.as_str(), rule.nexthop.as_str(), rule.description.as_str()), ("sys", "", ""));
    }

    #[test]
    fn only_ipv6_is_said() {
        let rule = |ip_version| NewRule {
            route_table_id: "rt-1",
            source_address: "0.0.0.0/0",
            destination_address: "10.244.3.0/24",
            nexthop_id: "i-1",
            nexthop_type: "custom",
            description: "d",
            ip_version,
        };
        let wire = json!({"routeTableId": "rt-1", "sourceAddress": "0.0.0.0/0", "destinationAddress": "10.244.3.0/24",
            "nexthopId": "i-1", "nexthopType": "custom", "description": "d"});
        assert_eq!(serde_json::to_value(rule(None)).unwrap(), wire);
        assert_eq!(serde_json::to_value(rule(Some("6"))).unwrap()["ipVersion"], "6");
    }
}
