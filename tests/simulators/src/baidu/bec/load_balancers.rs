//! Load balancers of v1.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    members::{self, Member},
    monitors::{self, Monitor},
};
use crate::{
    baidu::{
        State, Tag, blb,
        calls::{C, body, checked_tags, numbered, second},
        errors::{self, bad, busy, over},
        machines::{Edge, Machine},
    },
    engine::{Answer, Frontend, Probe, Problem, Reply, Route, Service, Sources, by_weight, later},
};

/// A load balancer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeBlb {
    /// Its id.
    pub blb_id: String,
    /// Its account.
    pub account: String,
    /// Its name.
    pub name: String,
    /// Where it is, with its addresses outside by carrier.
    pub edge: Edge,
    /// Its address inside.
    pub internal_ip: Ipv4Addr,
    /// Most Mbit/s.
    pub bandwidth: u32,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Until when it is being made.
    pub ready_at: Timestamp,
    /// When it was made.
    pub created: Timestamp,
    /// Its listeners.
    pub monitors: Vec<Monitor>,
    /// Its backends.
    pub members: Vec<Member>,
}

/// What addresses at the edge are leased from: inside,
pub(in crate::baidu) const INSIDE: &str = "edge";
/// and outside.
pub(in crate::baidu) const PUBLIC: &str = "edge-public";
/// Most Mbit/s.
const BANDWIDTH: u32 = 20_000;

pub(in crate::baidu) fn service() -> Service<State> {
    const LIST: &[&str] =
        &["pageNo", "pageSize", "keyword", "keywordType", "status", "region", "lbType", "order", "orderBy"];
    let service = Service::new("bec", errors::common)
        .route(Route::post("/v1/blb", "CreateBecBlb", create))
        .route(Route::get("/v1/blb", "ListBecBlbs", list).query(LIST))
        .route(Route::get("/v1/blb/{id}", "GetBecBlb", show))
        .route(Route::put("/v1/blb/{id}", "UpdateBecBlb", update))
        .route(Route::delete("/v1/blb/{id}", "DeleteBecBlb", delete));
    members::routes(monitors::routes(service))
}

impl EdgeBlb {
    /// Its state, as the API has it.
    pub fn status(&self, now: Timestamp) -> &'static str {
        if self.ready_at > now { "CREATING" } else { "RUNNING" }
    }

    fn view(&self, now: Timestamp) -> Value {
        let of = |carrier: &str| {
            let found = self.edge.public_ips.iter().find(|(name, _)| name == carrier);
            found.map(|(_, ip)| ip.to_string()).unwrap_or_default()
        };
        let first = self.edge.public_ips.first().map(|(_, ip)| ip.to_string()).unwrap_or_default();
        let ports: Vec<_> =
            self.monitors.iter().map(|monitor| json!({ "protocol": monitor.protocol, "port": monitor.port })).collect();
        json!({
            "blbId": self.blb_id, "blbName": self.name, "status": self.status(now), "lbType": "vm", "region": self.edge.region,
            "serviceProvider": self.edge.service_provider, "city": self.edge.city, "regionId": self.edge.region_id,
            "publicIp": first, "cmPublicIP": of("CHINA_MOBILE"), "ctPublicIP": of("CHINA_TELECOM"),
            "unPublicIP": of("CHINA_UNICOM"), "internalIp": self.internal_ip, "ports": ports, "podCount": self.members.len(),
            "bandwidthInMbpsLimit": self.bandwidth, "createTime": second(self.created), "tags": self.tags,
        })
    }
}

/// An answer to a change.
pub(super) fn told(action: &str, details: &Value) -> Reply {
    Ok(Answer::ok(&json!({ "result": true, "action": action, "details": details })))
}

/// The load balancer that the path names.
pub(super) fn named<'c>(call: &'c C<'_>) -> Result<&'c EdgeBlb, Problem> {
    let id = call.parameter("id");
    let own = |blb: &&EdgeBlb| blb.account == call.account();
    let missing = || Problem::refused(404, "BlbNotFound", format!("The BLB {id} does not exist."));
    call.state.edge_blbs.get(id).filter(own).ok_or_else(missing)
}

/// Changes it; it has to be there by now.
pub(super) fn change<R>(
    call: &mut C<'_>,
    alter: impl FnOnce(&mut EdgeBlb) -> Result<R, Problem>,
) -> Result<R, Problem> {
    let mut blb = named(call)?.clone();
    if blb.ready_at > call.now {
        return Err(busy("BLB", &blb.blb_id, "CREATING"));
    }
    let result = alter(&mut blb)?;
    let id = blb.blb_id.clone();
    if let Some(place) = call.state.edge_blbs.change(call.now, &id) {
        *place = blb;
    }
    Ok(result)
}

/// The load balancer that the path names, as listings of its parts see it.
pub(super) fn listed<'c>(call: &'c C<'_>) -> Result<&'c EdgeBlb, Problem> {
    let now = named(call)?;
    Ok(call.seen(&call.state.edge_blbs, &now.blb_id).unwrap_or(now))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewBlb {
    lb_type: String,
    payment_method: String,
    region: Option<String>,
    city: Option<String>,
    service_provider: Option<String>,
    region_id: Option<String>,
    #[serde(default, rename = "networkType")]
    _network_type: Option<String>,
    #[serde(default, rename = "vpcId")]
    _vpc_id: Option<String>,
    #[serde(default, rename = "subnetId")]
    _subnet_id: Option<String>,
    #[serde(default, rename = "subServiceProviders")]
    _sub_service_providers: Vec<String>,
    blb_name: String,
    #[serde(default)]
    need_public_ip: bool,
    bandwidth_in_mbps_limit: Option<u32>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    listeners: Vec<Map<String, Value>>,
}

fn check_bandwidth(wanted: u32) -> Result<u32, Problem> {
    if !(1..=BANDWIDTH).contains(&wanted) {
        return Err(bad("bandwidthInMbpsLimit", format!("{wanted} is not from 1 to {BANDWIDTH}")));
    }
    Ok(wanted)
}

fn create(call: &mut C<'_>) -> Reply {
    let new: NewBlb = body(call)?;
    if new.lb_type != "vm" {
        return Err(bad("lbType", format!("{} is not simulated, only vm is", new.lb_type)));
    }
    if !["netraffic", "bandwidth_95", "bandwidth_day_peak"].contains(&new.payment_method.as_str()) {
        return Err(bad("paymentMethod", format!("{} is unknown", new.payment_method)));
    }
    if new.blb_name.is_empty() || new.blb_name.chars().count() > 65 {
        return Err(bad("blbName", "it has 1 to 65 characters"));
    }
    if !new.listeners.is_empty() {
        return Err(bad("listeners", "they are added as monitors"));
    }
    let place = (new.region, new.city, new.service_provider);
    let mut edge = match (place, new.region_id) {
        ((Some(region), Some(city), Some(service_provider)), region_id) => {
            let made_up = || format!("cn-{}-cm", city.to_ascii_lowercase());
            let region_id = region_id.unwrap_or_else(made_up);
            Edge { region, city, service_provider, region_id, public_ips: Vec::new() }
        }
        (_, Some(region_id)) => Edge { region_id, ..Edge::default() },
        _ => return Err(bad("regionId", "it, or region, city and serviceProvider, are needed")),
    };
    let tags = checked_tags(new.tags)?;
    let bandwidth = check_bandwidth(new.bandwidth_in_mbps_limit.unwrap_or(100))?;
    let account = call.account().to_owned();
    let (quota, used) = (call.quota("blbs"), call.state.edge_blbs.iter().filter(|blb| blb.account == account).count());
    if used >= quota {
        return Err(over("BlbExceedLimit", "BLBs of an account", quota));
    }
    if new.need_public_ip {
        let carriers: &[&str] = match edge.service_provider.as_str() {
            "TRIPLE_LINE" => &["CHINA_MOBILE", "CHINA_TELECOM", "CHINA_UNICOM"],
            one => &[one],
        };
        for carrier in carriers {
            let full = |why| Problem::refused(413, "IpExceedLimit", why);
            edge.public_ips.push(((*carrier).to_owned(), call.state.lease_edge(true).map_err(full)?));
        }
    }
    let blb = EdgeBlb {
        blb_id: call.state.new_id("lb"),
        account,
        name: new.blb_name,
        edge,
        internal_ip: call.state.lease_edge(false).map_err(|why| Problem::refused(413, "IpExceedLimit", why))?,
        bandwidth,
        tags,
        ready_at: later(call.now, call.delay(blb::CREATION)),
        created: call.now,
        monitors: Vec::new(),
        members: Vec::new(),
    };
    let view = blb.view(call.now);
    call.state.edge_blbs.insert(call.now, &blb.blb_id.clone(), blb);
    told("create", &view)
}

fn list(call: &mut C<'_>) -> Reply {
    let now = call.now;
    let rows = call.list(&call.state.edge_blbs, |blb| {
        let of = match call.query("keywordType") {
            Some("blbId") => &blb.blb_id,
            _ => &blb.name,
        };
        blb.account == call.account()
            && call.query("keyword").is_none_or(|word| of.contains(word))
            && call.query("status").is_none_or(|status| status.eq_ignore_ascii_case(blb.status(now)))
            && call.query("region").is_none_or(|region| region == blb.edge.region)
            && call.query("lbType").is_none_or(|kind| kind == "vm")
    });
    answer_page(call, rows, |blb| blb.view(now))
}

pub(super) fn answer_page<T>(call: &C<'_>, rows: Vec<T>, view: impl Fn(&T) -> Value) -> Reply {
    let page = numbered(call, rows, view)?;
    Ok(Answer::ok(&json!({
        "orders": [], "orderBy": "createTime", "order": "desc", "pageNo": page.number, "pageSize": page.size,
        "totalCount": page.total, "result": page.rows,
    })))
}

fn show(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&named(call)?.view(call.now)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Changed {
    blb_name: Option<String>,
    bandwidth_in_mbps_limit: Option<u32>,
    /// What is changed: the name, or the bandwidth.
    #[serde(rename = "type")]
    kind: String,
}

fn update(call: &mut C<'_>) -> Reply {
    let changed: Changed = body(call)?;
    let now = call.now;
    let view = change(call, |blb| {
        match (changed.kind.as_str(), changed.blb_name, changed.bandwidth_in_mbps_limit) {
            ("name", Some(name), _) => blb.name = name,
            ("bandwidth", _, Some(wanted)) => blb.bandwidth = check_bandwidth(wanted)?,
            (kind, ..) => {
                return Err(bad("type", format!("{kind} is neither name nor bandwidth, or its value is missing")));
            }
        }
        Ok(blb.view(now))
    })?;
    told("update", &view)
}

fn delete(call: &mut C<'_>) -> Reply {
    let id = named(call)?.blb_id.clone();
    change(call, |_| Ok(()))?;
    if let Some(blb) = call.state.edge_blbs.remove(call.now, &id) {
        call.state.leases.give_back(INSIDE, blb.internal_ip);
        for (_, address) in blb.edge.public_ips {
            call.state.leases.give_back(PUBLIC, address);
        }
    }
    told("delete", &json!({ "blbId": id }))
}

impl State {
    /// An address of the edge's, inside or outside.
    ///
    /// # Errors
    /// Says for people that none is free.
    pub(in crate::baidu) fn lease_edge(&mut self, public: bool) -> Result<Ipv4Addr, String> {
        let (name, first, length) = if public {
            (PUBLIC, Ipv4Addr::new(198, 51, 100, 0), 24)
        } else {
            (INSIDE, Ipv4Addr::new(172, 16, 0, 0), 16)
        };
        self.leases.take(name, ipnet::Ipv4Net::new_assert(first, length), None)
    }

    /// What v1's load balancers carry.
    pub(in crate::baidu) fn edge_frontends(&self) -> Vec<Frontend> {
        let mut frontends = Vec::new();
        for blb in self.edge_blbs.iter() {
            let addresses = std::iter::once(blb.internal_ip).chain(blb.edge.public_ips.iter().map(|(_, ip)| *ip));
            for address in addresses {
                for monitor in blb.monitors.iter().filter(|monitor| monitor.protocol == "TCP") {
                    let members = blb
                        .members
                        .iter()
                        .filter(|member| self.machines.get(&member.name).is_some_and(Machine::is_running));
                    let members: Vec<_> = members
                        .map(|member| (SocketAddr::new(member.ip.into(), monitor.backend_port), member.weight))
                        .collect();
                    frontends.push(Frontend {
                        address: IpAddr::V4(address),
                        port: monitor.port,
                        members: by_weight(&members),
                        sources: Sources::All,
                        probe: Some(Probe { port: None, path: None }),
                        affinity: None,
                    });
                }
            }
        }
        frontends
    }
}
