//! Public addresses by v3: one list with filters, and binding by what they are for.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    State, eip, errors,
    network::{Port, PublicIp},
    publicips::LOAD_BALANCER,
    server::second,
    vpc::PAGE,
};
use crate::engine::{Answer, Call, Problem, Reply, Route, Service, paging};

type C<'a> = Call<'a, State>;

pub(super) fn service() -> Service<State> {
    Service::new("eip", errors::eip)
        .on(&["eip", "vpc"])
        .route(Route::get("/v3/{project_id}/eip/publicips", "ListPublicipsV3", list).query(&[
            "id",
            "vnic.port_id",
            "vnic.device_id",
            "associate_instance_type",
            "associate_instance_id",
            "public_ip_address",
            "status",
            "enterprise_project_id",
            "fields",
            "offset",
            "marker",
            "limit",
        ]))
        .route(Route::get("/v3/{project_id}/eip/publicips/{id}", "ShowPublicipV3", show))
        .route(Route::post("/v3/{project_id}/eip/publicips/{id}/associate-instance", "AssociatePublicips", associate))
        .route(Route::post(
            "/v3/{project_id}/eip/publicips/{id}/disassociate-instance",
            "DisassociatePublicips",
            disassociate,
        ))
}

/// Kind and id of what an address is bound to.
fn instance(port: &Port) -> (&'static str, &str) {
    if port.device_owner == LOAD_BALANCER { ("ELB", &port.device_id) } else { ("PORT", &port.id) }
}

fn port_of<'s>(publicip: &PublicIp, state: &'s State) -> Option<&'s Port> {
    state.ports.get(publicip.port_id.as_ref()?)
}

fn view(publicip: &PublicIp, state: &State) -> Value {
    let port = port_of(publicip, state);
    let bandwidth = &publicip.bandwidth;
    json!({
        "id": publicip.id, "project_id": publicip.project_id, "ip_version": 4, "alias": publicip.alias,
        "public_ip_address": publicip.public_ip_address, "status": publicip.status, "publicip_pool_name": publicip.kind,
        "enterprise_project_id": publicip.enterprise_project_id, "created_at": second(publicip.create_time),
        "tags": publicip.tags.iter().map(|tag| format!("{}={}", tag.key, tag.value)).collect::<Vec<_>>(),
        "associate_instance_type": port.map(|port| instance(port).0),
        "associate_instance_id": port.map(|port| instance(port).1),
        "vnic": port.map(|port| json!({
            "port_id": port.id, "device_id": port.device_id, "device_owner": port.device_owner, "vpc_id": port.vpc_id,
            "private_ip_address": port.ipv4(),
        })),
        "bandwidth": {
            "id": bandwidth.id, "name": bandwidth.name, "size": bandwidth.size, "share_type": bandwidth.share_type,
            "charge_mode": bandwidth.charge_mode,
        },
    })
}

fn list(call: &mut C<'_>) -> Reply {
    let state = &*call.state;
    let rows = call.list(&state.publicips, |publicip| {
        let port = port_of(publicip, state);
        let (kind, id) = port.map(instance).unwrap_or_default();
        publicip.project_id == call.project()
            && call.admits("id", &publicip.id)
            && call.admits("vnic.port_id", port.map(|port| port.id.as_str()).unwrap_or_default())
            && call.admits("vnic.device_id", port.map(|port| port.device_id.as_str()).unwrap_or_default())
            && call.admits("associate_instance_type", kind)
            && call.admits("associate_instance_id", id)
            && call.admits("public_ip_address", &publicip.public_ip_address.to_string())
            && call.admits("status", &publicip.status)
            && call.admits("enterprise_project_id", &publicip.enterprise_project_id)
    });
    let limit = call.page_size("limit", PAGE, PAGE)?;
    let page = match call.parsed("offset")? {
        Some(offset) => paging::by_offset(rows, |publicip| &publicip.id, offset, limit),
        None => paging::by_marker(rows, |publicip| &publicip.id, call.query("marker"), limit)?,
    };
    let total = page.total;
    let mut info = json!({ "current_count": page.rows.len() });
    for (key, id) in [("next_marker", page.next), ("previous_marker", page.previous)] {
        if let Some(id) = id {
            info[key] = json!(id);
        }
    }
    let views: Vec<_> = page.rows.into_iter().map(|publicip| view(publicip, state)).collect();
    Ok(Answer::ok(&json!({
        "publicips": views, "page_info": info, "total_count": total, "request_id": call.request_id,
    })))
}

fn answer(call: &C<'_>, status: StatusCode) -> Reply {
    Ok(Answer::json(status, &json!({ "publicip": view(eip::named(call)?, call.state), "request_id": call.request_id })))
}

fn show(call: &mut C<'_>) -> Reply {
    answer(call, StatusCode::OK)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssociateRequest {
    publicip: Associate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Associate {
    associate_instance_type: String,
    associate_instance_id: String,
}

fn associate(call: &mut C<'_>) -> Reply {
    let publicip = eip::named(call)?.clone();
    let AssociateRequest { publicip: Associate { associate_instance_type: kind, associate_instance_id: id } } =
        call.body()?;
    let port = match kind.as_str() {
        "PORT" => call.state.ports.get(&id),
        "ELB" => call.state.ports.iter().find(|port| port.device_owner == LOAD_BALANCER && port.device_id == id),
        other => return Err(Problem::bad_parameter("associate_instance_type", format!("{other} is not simulated"))),
    };
    let missing = || Problem::refused(404, "EIP.7903", format!("The {kind} {id} could not be found."));
    let port = port.ok_or_else(missing)?.id.clone();
    eip::check_free(&publicip)?;
    eip::check_without_rules(call, &publicip)?;
    eip::check_port(call, &port)?;
    call.state.bind(call.now, &publicip.id, &port);
    answer(call, StatusCode::ACCEPTED)
}

fn disassociate(call: &mut C<'_>) -> Reply {
    let id = eip::named(call)?.id.clone();
    call.state.unbind(call.now, &id);
    answer(call, StatusCode::ACCEPTED)
}
