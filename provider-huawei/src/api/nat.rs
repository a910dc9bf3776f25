//! NAT gateways and their DNAT rules (NAT v2).

use cloud_rest::{
    Error,
    paging::{Page, Parts, Style},
};
use serde::{Deserialize, Serialize};

use super::{gone_is_done, nothing::or_default};
use crate::{
    cloud::{Cloud, PROJECT},
    endpoints::Service,
};

/// A NAT gateway.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Gateway {
    /// Its id.
    pub id: String,
    /// Its VPC.
    #[serde(deserialize_with = "or_default")]
    pub router_id: String,
}

/// A DNAT rule.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Its gateway.
    #[serde(deserialize_with = "or_default")]
    pub nat_gateway_id: String,
    /// The server's port traffic goes to.
    #[serde(deserialize_with = "or_default")]
    pub port_id: String,
    /// The port the server listens on.
    #[serde(deserialize_with = "or_default")]
    pub internal_service_port: u16,
    /// The public address, by id.
    #[serde(deserialize_with = "or_default")]
    pub floating_ip_id: String,
    /// The public address.
    #[serde(deserialize_with = "or_default")]
    pub floating_ip_address: String,
    /// The port clients connect to.
    #[serde(deserialize_with = "or_default")]
    pub external_service_port: u16,
    /// `tcp`, `udp` or `any`.
    #[serde(deserialize_with = "or_default")]
    pub protocol: String,
    /// Free text, at most 255 characters, no `<` and `>`.
    #[serde(deserialize_with = "or_default")]
    pub description: String,
    /// `ACTIVE`, `PENDING_*`, `EIP_FREEZED`, `INACTIVE`.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
}

/// A rule to make.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct NewRule {
    /// Its gateway.
    pub nat_gateway_id: String,
    /// The server's port.
    pub port_id: String,
    /// The port the server listens on.
    pub internal_service_port: u16,
    /// The public address.
    pub floating_ip_id: String,
    /// The port clients connect to.
    pub external_service_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Whose it is.
    pub description: String,
}

/// A rule moved or marked.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct RuleChange {
    /// Its gateway; the call needs it.
    pub nat_gateway_id: String,
    /// The server's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_id: Option<String>,
    /// The port the server listens on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_service_port: Option<u16>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A port of a server, in Neutron's words.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// The machine it belongs to.
    #[serde(deserialize_with = "or_default")]
    pub device_id: String,
    /// Its addresses.
    #[serde(deserialize_with = "or_default")]
    pub fixed_ips: Vec<FixedIp>,
}

/// An address of a port.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct FixedIp {
    /// Its subnet.
    #[serde(deserialize_with = "or_default")]
    pub subnet_id: String,
    /// The address.
    #[serde(deserialize_with = "or_default")]
    pub ip_address: String,
}

#[derive(Deserialize)]
struct OneGateway {
    nat_gateway: Gateway,
}

#[derive(Deserialize)]
struct OneRule {
    dnat_rule: Rule,
}

#[derive(Deserialize)]
struct Rules {
    dnat_rules: Vec<Rule>,
}

impl Page for Rules {
    type Item = Rule;

    fn split(self) -> Parts<Rule> {
        Parts { items: self.dnat_rules, next: None, total: None }
    }

    fn id(item: &Rule) -> &str {
        &item.id
    }
}

#[derive(Deserialize)]
struct Ports {
    ports: Vec<Port>,
}

impl Page for Ports {
    type Item = Port;

    fn split(self) -> Parts<Port> {
        Parts { items: self.ports, next: None, total: None }
    }

    fn id(item: &Port) -> &str {
        &item.id
    }
}

#[derive(Serialize)]
struct NewRules<'a> {
    dnat_rules: &'a [NewRule],
}

#[derive(Serialize)]
struct RuleBody<'a> {
    dnat_rule: &'a RuleChange,
}

impl Cloud {
    /// A NAT gateway.
    pub async fn nat_gateway(&self, id: &str) -> Result<Gateway, Error> {
        let request = self.get(Service::Nat, "ShowNatGateway", &["v2", PROJECT, "nat_gateways", id]);
        Ok(request.send::<OneGateway>().await?.value.nat_gateway)
    }

    /// The DNAT rules of a gateway, or of all, others' too.
    pub async fn dnat_rules(&self, gateway: Option<&str>) -> Result<Vec<Rule>, Error> {
        let request = self.get(Service::Nat, "ListNatGatewayDnatRules", &["v2", PROJECT, "dnat_rules"]);
        let style = Style::LastId { marker: "marker", size: "limit", limit: 2000 };
        Ok(request.query_if("nat_gateway_id", gateway).list::<Rules>(style).await?.into_inner())
    }

    /// One DNAT rule.
    pub async fn dnat_rule(&self, id: &str) -> Result<Rule, Error> {
        let request = self.get(Service::Nat, "ShowNatGatewayDnatRule", &["v2", PROJECT, "dnat_rules", id]);
        Ok(request.send::<OneRule>().await?.value.dnat_rule)
    }

    /// The ports that have an address.
    pub async fn ports_at(&self, address: &str) -> Result<Vec<Port>, Error> {
        let request = self.get(Service::Vpc, "ListPorts", &["v1", PROJECT, "ports"]);
        let style = Style::LastId { marker: "marker", size: "limit", limit: 1000 };
        let request = request.query("fixed_ips", format!("ip_address={address}"));
        Ok(request.list::<Ports>(style).await?.into_inner())
    }

    /// Makes DNAT rules.
    pub async fn create_dnat_rules(&self, rules: &[NewRule]) -> Result<(), Error> {
        let request =
            self.post(Service::Nat, "BatchCreateNatGatewayDnatRules", &["v2", PROJECT, "dnat_rules", "batch"]);
        request.body(&NewRules { dnat_rules: rules }).run().await.map(drop)
    }

    /// Changes a DNAT rule in place.
    pub async fn update_dnat_rule(&self, id: &str, change: &RuleChange) -> Result<(), Error> {
        let request = self.put(Service::Nat, "UpdateNatGatewayDnatRule", &["v2", PROJECT, "dnat_rules", id]);
        request.body(&RuleBody { dnat_rule: change }).run().await.map(drop)
    }

    /// Deletes a DNAT rule of a gateway.
    pub async fn delete_dnat_rule(&self, gateway: &str, id: &str) -> Result<(), Error> {
        let path = ["v2", PROJECT, "nat_gateways", gateway, "dnat_rules", id];
        gone_is_done(self.delete(Service::Nat, "DeleteNatGatewayDnatRule", &path).run().await.map(drop))
    }
}
