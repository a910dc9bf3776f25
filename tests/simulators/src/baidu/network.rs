//! VPCs, their subnets and route tables.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{
    State,
    calls::{C, Tag, page, second},
    errors::{self, no_such},
};
use crate::engine::{Answer, Problem, Reply, Route, Service};

/// A VPC.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vpc {
    /// Its id.
    pub vpc_id: String,
    /// Its account.
    pub account: String,
    /// Its name.
    pub name: String,
    /// Its range.
    #[serde(serialize_with = "as_text")]
    pub cidr: Ipv4Net,
    /// Whether it is the account's first.
    pub is_default: bool,
    /// Its route table.
    pub route_table_id: String,
    /// When it was made.
    pub created: Timestamp,
}

/// A subnet of a VPC.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subnet {
    /// Its id.
    pub subnet_id: String,
    /// Its account.
    pub account: String,
    /// Its name.
    pub name: String,
    /// Its zone, such as `cn-bj-a`.
    pub zone_name: String,
    /// Its range.
    #[serde(serialize_with = "as_text")]
    pub cidr: Ipv4Net,
    /// Its IPv6 range.
    pub ipv6_cidr: String,
    /// The VPC it is in.
    pub vpc_id: String,
    /// `BCC`, `BCC_NAT` or `BBC`.
    pub subnet_type: String,
    /// Tags.
    pub tags: Vec<Tag>,
    /// When it was made.
    pub created: Timestamp,
}

/// A rule of a route table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteRule {
    /// Its id.
    pub route_rule_id: String,
    /// Its account.
    #[serde(skip)]
    pub account: String,
    /// The table it is of.
    pub route_table_id: String,
    /// Where what it is about comes from.
    pub source_address: String,
    /// Where that goes to.
    pub destination_address: String,
    /// What it is handed to.
    pub nexthop_id: String,
    /// Kind of that: `custom` is a machine; `sys` are rules that come with the VPC.
    pub nexthop_type: String,
    /// For people.
    pub description: String,
    /// `normal`, or that of one of several next hops.
    pub path_type: String,
}

fn as_text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Addresses of a subnet that are nobody's: network, gateway, broadcast.
const RESERVED: usize = 3;

impl State {
    /// Adds a VPC with its route table, in which there is a rule that comes with it.
    pub fn add_vpc(&mut self, account: &str, vpc_id: &str, cidr: Ipv4Net, route_table_id: &str) {
        let is_default = !self.vpcs.iter().any(|vpc| vpc.account == account);
        let vpc = Vpc {
            vpc_id: vpc_id.to_owned(),
            account: account.to_owned(),
            name: format!("name-of-{vpc_id}"),
            cidr,
            is_default,
            route_table_id: route_table_id.to_owned(),
            created: Timestamp::UNIX_EPOCH,
        };
        self.vpcs.insert(Timestamp::MIN, vpc_id, vpc);
        let rule = RouteRule {
            route_rule_id: String::new(),
            account: account.to_owned(),
            route_table_id: route_table_id.to_owned(),
            source_address: "0.0.0.0/0".to_owned(),
            destination_address: cidr.to_string(),
            nexthop_id: String::new(),
            nexthop_type: "sys".to_owned(),
            description: "system".to_owned(),
            path_type: "normal".to_owned(),
        };
        self.add_route_rule(Timestamp::MIN, rule);
    }

    /// Adds a rule to a route table, and answers its id.
    pub fn add_route_rule(&mut self, now: Timestamp, rule: RouteRule) -> String {
        let id = self.new_id("rr");
        self.route_rules.insert(now, &id, RouteRule { route_rule_id: id.clone(), ..rule });
        id
    }

    /// Adds a subnet to a VPC that is there.
    ///
    /// # Errors
    /// Says for people that the VPC is not there, or that the range is not within the VPC's.
    pub fn add_subnet(&mut self, subnet: Subnet) -> Result<(), String> {
        let vpc = self.vpcs.get(&subnet.vpc_id).ok_or_else(|| format!("VPC {} does not exist", subnet.vpc_id))?;
        if !vpc.cidr.contains(&subnet.cidr) {
            return Err(format!("{} is not within the VPC's {}", subnet.cidr, vpc.cidr));
        }
        let gateway = subnet.cidr.hosts().next();
        self.leases.take(&subnet.subnet_id, subnet.cidr, gateway)?;
        self.subnets.insert(Timestamp::MIN, &subnet.subnet_id.clone(), subnet);
        Ok(())
    }

    /// Takes an address of a subnet.
    ///
    /// # Errors
    /// Says for people why not.
    pub(super) fn lease(&mut self, subnet_id: &str, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr, String> {
        let subnet = self.subnets.get(subnet_id).ok_or_else(|| format!("subnet {subnet_id} does not exist"))?;
        self.leases.take(subnet_id, subnet.cidr, wanted)
    }

    fn available(&self, subnet: &Subnet) -> usize {
        // The gateway's address is among those in use.
        let all = 1_usize << (32 - subnet.cidr.prefix_len());
        (all + 1).saturating_sub(RESERVED + self.leases.in_use(&subnet.subnet_id))
    }

    /// The VPC, when it is the account's.
    pub(super) fn vpc_of(&self, account: &str, id: &str) -> Result<&Vpc, Problem> {
        self.vpcs.get(id).filter(|vpc| vpc.account == account).ok_or_else(|| no_such("VPC", id))
    }

    /// The subnet, when it is the account's.
    pub(super) fn subnet_of(&self, account: &str, id: &str) -> Result<&Subnet, Problem> {
        self.subnets.get(id).filter(|subnet| subnet.account == account).ok_or_else(|| no_such("subnet", id))
    }
}

pub(super) fn service() -> Service<State> {
    Service::new("vpc", errors::common)
        .on(&["bcc", "vpc", "internal-api"])
        .route(Route::get("/v1/vpc", "ListVpcs", vpcs).query(&["vpcIds", "isDefault", "marker", "maxKeys"]))
        .route(Route::get("/v1/vpc/{id}", "GetVpc", vpc))
        .route(Route::get("/v1/subnet", "ListSubnets", subnets).query(&SUBNET_KEYS))
        .route(Route::get("/v1/subnet/{id}", "GetSubnet", subnet))
        // Where the Go provider looks for them.
        .route(Route::get("/v1/vpc/subnet", "ListSubnets", subnets).query(&SUBNET_KEYS))
        .route(Route::get("/v1/vpc/subnet/{id}", "GetSubnet", subnet))
}

const SUBNET_KEYS: [&str; 6] = ["vpcId", "zoneName", "subnetType", "subnetIds", "marker", "maxKeys"];

fn vpc_view(vpc: &Vpc) -> Value {
    json!({
        "vpcId": vpc.vpc_id, "name": vpc.name, "cidr": vpc.cidr.to_string(), "ipv6Cidr": "", "description": "", "isDefault": vpc.is_default,
        "createdTime": second(vpc.created), "secondaryCidr": [], "tags": [],
    })
}

fn subnet_view(state: &State, subnet: &Subnet) -> Value {
    json!({
        "subnetId": subnet.subnet_id, "name": subnet.name, "zoneName": subnet.zone_name, "cidr": subnet.cidr.to_string(),
        "ipv6Cidr": subnet.ipv6_cidr, "vpcId": subnet.vpc_id, "subnetType": subnet.subnet_type, "description": "",
        "createdTime": second(subnet.created), "availableIp": state.available(subnet), "tags": subnet.tags,
    })
}

/// Whether a value is among those a key lists with commas; everything is when it is not there.
pub(super) fn among(call: &C<'_>, key: &str, value: &str) -> bool {
    call.query(key).is_none_or(|list| list.split(',').any(|wanted| wanted == value))
}

fn vpcs(call: &mut C<'_>) -> Reply {
    let default: Option<bool> = call.parsed("isDefault")?;
    let rows = call.list(&call.state.vpcs, |vpc| {
        vpc.account == call.account()
            && among(call, "vpcIds", &vpc.vpc_id)
            && default.is_none_or(|wanted| wanted == vpc.is_default)
    });
    page(call, "vpcs", rows, |vpc| &vpc.vpc_id, |vpc| vpc_view(vpc))
}

fn vpc(call: &mut C<'_>) -> Reply {
    let state = &*call.state;
    let vpc = state.vpc_of(call.account(), call.parameter("id"))?;
    let subnets: Vec<_> = state
        .subnets
        .iter()
        .filter(|subnet| subnet.vpc_id == vpc.vpc_id)
        .map(|subnet| subnet_view(state, subnet))
        .collect();
    let mut view = vpc_view(vpc);
    view["subnets"] = json!(subnets);
    Ok(Answer::ok(&json!({ "vpc": view })))
}

fn subnets(call: &mut C<'_>) -> Reply {
    let state = &*call.state;
    let rows = call.list(&state.subnets, |subnet| {
        subnet.account == call.account()
            && call.query("vpcId").is_none_or(|id| id == subnet.vpc_id)
            && call.query("zoneName").is_none_or(|zone| zone == subnet.zone_name)
            && call.query("subnetType").is_none_or(|kind| kind == subnet.subnet_type)
            && among(call, "subnetIds", &subnet.subnet_id)
    });
    page(call, "subnets", rows, |subnet| &subnet.subnet_id, |subnet| subnet_view(state, subnet))
}

fn subnet(call: &mut C<'_>) -> Reply {
    let subnet = call.state.subnet_of(call.account(), call.parameter("id"))?;
    Ok(Answer::ok(&json!({ "subnet": subnet_view(call.state, subnet) })))
}

/// Whether two ranges have addresses in common.
pub(super) fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}
