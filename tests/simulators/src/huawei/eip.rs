//! Public addresses by v1, on the VPC's host.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    State, errors,
    network::{Bandwidth, Port, PublicIp},
    tags::{self, Tag},
    vpc::PAGE,
};
use crate::engine::{Answer, Call, Problem, Reply, Route, Service, later, paging};

type C<'a> = Call<'a, State>;

/// Kinds of addresses there are.
const KINDS: [&str; 4] = ["5_bgp", "5_sbgp", "5_gray", "5_youdongyun"];
/// Most Mbit/s.
const SIZE: u32 = 2000;

pub(super) fn service() -> Service<State> {
    Service::new("eip", errors::vpc)
        .on(&["vpc", "eip"])
        .route(Route::post("/v1/{project_id}/publicips", "CreatePublicip", create))
        .route(Route::get("/v1/{project_id}/publicips", "ListPublicips", list).query(&[
            "id",
            "port_id",
            "public_ip_address",
            "private_ip_address",
            "ip_version",
            "enterprise_project_id",
            "marker",
            "limit",
        ]))
        .route(Route::get("/v1/{project_id}/publicips/{id}", "ShowPublicip", show))
        .route(Route::put("/v1/{project_id}/publicips/{id}", "UpdatePublicip", update))
        .route(Route::delete("/v1/{project_id}/publicips/{id}", "DeletePublicip", delete))
        .route(Route::post("/v2.0/{project_id}/publicips/{id}/tags/action", "BatchCreatePublicipTags", tag))
        .route(Route::get("/v2.0/{project_id}/publicips/{id}/tags", "ShowPublicipTags", tags))
}

fn view(publicip: &PublicIp, state: &State) -> Value {
    let bandwidth = &publicip.bandwidth;
    let mut view = json!({
        "id": publicip.id, "public_ip_address": publicip.public_ip_address, "status": publicip.status,
        "type": publicip.kind, "tenant_id": publicip.project_id, "alias": publicip.alias, "ip_version": 4,
        "bandwidth_id": bandwidth.id, "bandwidth_name": bandwidth.name, "bandwidth_size": bandwidth.size,
        "bandwidth_share_type": bandwidth.share_type, "enterprise_project_id": publicip.enterprise_project_id,
        "create_time": publicip.create_time.strftime("%Y-%m-%d %H:%M:%S").to_string(), "profile": {},
    });
    if let Some(port) = publicip.port_id.as_ref().and_then(|id| state.ports.get(id)) {
        view["port_id"] = json!(port.id);
        view["private_ip_address"] = json!(port.ipv4());
    }
    view
}

/// The address that the path names.
pub(super) fn named<'c>(call: &'c C<'_>) -> Result<&'c PublicIp, Problem> {
    let id = call.parameter("id");
    let publicip = call.state.publicips.get(id).filter(|publicip| publicip.project_id == call.project());
    publicip.ok_or_else(|| Problem::refused(404, "VPC.0504", "Floating IP could not be found."))
}

fn show(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&json!({ "publicip": view(named(call)?, call.state) })))
}

fn list(call: &mut C<'_>) -> Reply {
    let state = &*call.state;
    let rows = call.list(&state.publicips, |publicip| {
        let port = publicip.port_id.as_ref().and_then(|id| state.ports.get(id));
        let private = port.and_then(Port::ipv4).map(|address| address.to_string()).unwrap_or_default();
        publicip.project_id == call.project()
            && call.admits("id", &publicip.id)
            && call.admits("port_id", publicip.port_id.as_deref().unwrap_or_default())
            && call.admits("public_ip_address", &publicip.public_ip_address.to_string())
            && call.admits("private_ip_address", &private)
            && call.admits("ip_version", "4")
            && call
                .query("enterprise_project_id")
                .is_none_or(|wanted| wanted == "all_granted_eps" || wanted == publicip.enterprise_project_id)
    });
    let limit = call.page_size("limit", PAGE, PAGE)?;
    let page = paging::by_marker(rows, |publicip| &publicip.id, call.query("marker"), limit)?;
    let views: Vec<_> = page.rows.into_iter().map(|publicip| view(publicip, state)).collect();
    Ok(Answer::ok(&json!({ "publicips": views })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRequest {
    publicip: NewPublicIp,
    bandwidth: NewBandwidth,
    enterprise_project_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPublicIp {
    #[serde(rename = "type")]
    kind: String,
    ip_address: Option<std::net::Ipv4Addr>,
    ip_version: Option<u8>,
    #[serde(default)]
    alias: String,
    port_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBandwidth {
    name: Option<String>,
    size: Option<u32>,
    share_type: String,
    charge_mode: Option<String>,
    id: Option<String>,
}

fn invalid(field: &str, why: impl Into<String>) -> Problem {
    Problem::bad_parameter(field, why)
}

impl NewBandwidth {
    fn checked(self, call: &mut C<'_>) -> Result<Bandwidth, Problem> {
        let charge_mode = self.charge_mode.unwrap_or_else(|| "bandwidth".to_owned());
        if !["bandwidth", "traffic"].contains(&charge_mode.as_str()) {
            return Err(invalid("charge_mode", format!("{charge_mode} is neither bandwidth nor traffic")));
        }
        match self.share_type.as_str() {
            "WHOLE" => {
                let id = self.id.ok_or_else(|| invalid("id", "share_type WHOLE needs the id of a bandwidth"))?;
                let shared = call.state.bandwidths.get(&id).cloned();
                shared.ok_or_else(|| Problem::refused(404, "VPC.0302", format!("Bandwidth {id} could not be found.")))
            }
            "PER" => {
                let name = self.name.ok_or_else(|| invalid("name", "share_type PER needs the bandwidth's name"))?;
                let good = |c: char| c.is_alphanumeric() || "_-.".contains(c);
                if name.is_empty() || name.chars().count() > 64 || !name.chars().all(good) {
                    return Err(invalid("name", format!("{name}: 1 to 64 letters, digits, _, - and .")));
                }
                let size = self.size.ok_or_else(|| invalid("size", "share_type PER needs a size"))?;
                if !(1..=SIZE).contains(&size) {
                    return Err(invalid("size", format!("{size} is not between 1 and {SIZE}")));
                }
                Ok(Bandwidth { id: call.state.new_id(), name, size, share_type: self.share_type, charge_mode })
            }
            other => Err(invalid("share_type", format!("{other} is neither PER nor WHOLE"))),
        }
    }
}

fn create(call: &mut C<'_>) -> Reply {
    let CreateRequest { publicip: new, bandwidth, enterprise_project_id } = call.body()?;
    if !KINDS.contains(&new.kind.as_str()) {
        return Err(Problem::refused(
            400,
            "VPC.0501",
            format!("publicip type {} is not one of {}", new.kind, KINDS.join(", ")),
        ));
    }
    if new.ip_version.is_some_and(|version| version != 4) {
        return Err(invalid("ip_version", "only 4 is simulated"));
    }
    let bandwidth = bandwidth.checked(call)?;
    let project = call.project().to_owned();
    let own = call.state.publicips.iter().filter(|publicip| publicip.project_id == project).count();
    if own >= call.quota("publicips") {
        return Err(Problem::refused(409, "VPC.0532", "Quota exceeded for resources: ['publicip']"));
    }
    let port_id = new.port_id.filter(|port| !port.is_empty());
    if let Some(port) = &port_id {
        check_port(call, port)?;
    }
    let ready_at = later(call.now, call.delay("publicip.create"));
    let made = PublicIp {
        id: String::new(),
        project_id: project,
        kind: new.kind,
        public_ip_address: std::net::Ipv4Addr::UNSPECIFIED,
        alias: new.alias,
        status: "PENDING_CREATE".to_owned(),
        ready_at,
        port_id: None,
        bandwidth,
        enterprise_project_id: enterprise_project_id.unwrap_or_else(|| "0".to_owned()),
        tags: Vec::new(),
        create_time: call.now,
    };
    let taken = |why| Problem::refused(409, "VPC.0521", why);
    let id = call.state.add_publicip(call.now, made, new.ip_address).map_err(taken)?;
    if let Some(port) = &port_id {
        call.state.bind(call.now, &id, port);
    }
    if let Some(publicip) = call.state.publicips.change(call.now, &id) {
        // It is on its way for as long as the cloud takes, bound or not.
        "PENDING_CREATE".clone_into(&mut publicip.status);
    }
    let publicip = call.state.publicips.get(&id).expect("it was just made");
    let mut view = view(publicip, call.state);
    view["bandwidth_size"] = json!(0);
    Ok(Answer::ok(&json!({ "publicip": view })))
}

/// Whether a public address can be bound to the port.
pub(super) fn check_port(call: &C<'_>, id: &str) -> Result<(), Problem> {
    let port = call.state.ports.get(id).filter(|port| port.project_id == call.project());
    let port = port.ok_or_else(|| Problem::refused(404, "VPC.0202", format!("Port {id} could not be found.")))?;
    match &port.publicip_id {
        None => Ok(()),
        Some(other) => {
            Err(Problem::refused(409, "VPC.0510", format!("Port {id} has the floating IP {other} already.")))
        }
    }
}

/// Whether an address can be bound now.
pub(super) fn check_free(publicip: &PublicIp) -> Result<(), Problem> {
    if publicip.status == "PENDING_CREATE" {
        return Err(Problem::refused(409, "VPC.0509", "The floating IP is PENDING_CREATE."));
    }
    match &publicip.port_id {
        None => Ok(()),
        Some(port) => {
            let message = format!("Floating IP has already associated with port {port}.");
            Err(Problem::refused(409, "VPC.0510", message))
        }
    }
}

/// That no NAT gateway has the address.
pub(super) fn check_without_rules(call: &C<'_>, publicip: &PublicIp) -> Result<(), Problem> {
    if call.state.has_dnat_rule(&publicip.id) {
        return Err(Problem::refused(409, "VPC.0510", "Floating IP is in use by a NAT gateway."));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateRequest {
    publicip: Update,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    port_id: Option<String>,
    alias: Option<String>,
}

fn update(call: &mut C<'_>) -> Reply {
    let publicip = named(call)?.clone();
    let UpdateRequest { publicip: Update { port_id, alias } } = call.body()?;
    if let Some(alias) = alias {
        if let Some(publicip) = call.state.publicips.change(call.now, &publicip.id) {
            publicip.alias = alias;
        }
    } else if let Some(port) = port_id.filter(|port| !port.is_empty()) {
        check_free(&publicip)?;
        check_without_rules(call, &publicip)?;
        check_port(call, &port)?;
        call.state.bind(call.now, &publicip.id, &port);
    } else {
        call.state.unbind(call.now, &publicip.id);
    }
    Ok(Answer::ok(&json!({ "publicip": view(named(call)?, call.state) })))
}

fn delete(call: &mut C<'_>) -> Reply {
    let publicip = named(call)?;
    if let Some(port) = &publicip.port_id {
        let message = format!("Floating IP is associated with port {port}, disassociate it first.");
        return Err(Problem::refused(409, "VPC.0517", message));
    }
    check_without_rules(call, publicip)?;
    let id = publicip.id.clone();
    call.state.publicips.remove(call.now, &id);
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TagRequest {
    action: String,
    tags: Vec<Tag>,
}

fn tag(call: &mut C<'_>) -> Reply {
    let publicip = named(call)?.clone();
    let TagRequest { action, tags } = call.body()?;
    let mut all = publicip.tags;
    all.retain(|old| !tags.iter().any(|new| new.key == old.key));
    match action.as_str() {
        "create" => all.extend(tags),
        "delete" => {}
        other => return Err(invalid("action", format!("{other} is neither create nor delete"))),
    }
    if let Some(fault) = tags::fault(&all) {
        return Err(invalid("tags", fault));
    }
    if let Some(publicip) = call.state.publicips.change(call.now, &publicip.id) {
        publicip.tags = all;
    }
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

fn tags(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&json!({ "tags": named(call)?.tags })))
}
