//! Machines: v1 by page, v2 by marker, which word the same differently.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::{
    baidu::{
        State,
        calls::{C, numbered, page, second},
        errors,
        machines::{Edge, Kind, Machine},
        network::among,
    },
    engine::{Answer, Problem, Reply, Route, Service},
};

pub(in crate::baidu) fn service() -> Service<State> {
    const KEYS: &[&str] = &[
        "pageNo",
        "pageSize",
        "keywordType",
        "keyword",
        "order",
        "orderBy",
        "status",
        "region",
        "city",
        "serviceProvider",
        "regionId",
        "serviceId",
        "vpcId",
    ];
    Service::new("bec", errors::common)
        .route(Route::get("/v1/vm/instance", "ListVmInstancesV1", list).query(KEYS))
        .route(Route::get("/v1/vm/instance/{id}", "GetVmInstance", show))
        .route(
            Route::get(
                "/v1/vm/instance/regions/{region}/sps/{provider}/cities/{city}",
                "ListNodeVmInstances",
                list_place,
            )
            .query(&["pageNo", "pageSize"]),
        )
        .route(Route::get("/v2/vm/instance", "ListVmInstances", list_v2).query(&[
            "marker",
            "maxKeys",
            "regionId",
            "internalIp",
            "vpcId",
            "imageId",
            "instanceIds",
        ]))
        .route(Route::get("/v1/node", "ListEdgeNodes", places).query(&["type"]))
}

/// Where a machine is, and its addresses by carrier.
fn edge(machine: &Machine) -> Edge {
    machine.edge.clone().unwrap_or_default()
}

fn first_public(edge: &Edge) -> String {
    edge.public_ips.first().map(|(_, ip)| ip.to_string()).unwrap_or_default()
}

fn view(machine: &Machine) -> Value {
    let (edge, (cpu, memory)) = (edge(machine), machine.size());
    let public =
        edge.public_ips.iter().map(|(carrier, ip)| json!({ "serviceProvider": carrier, "ip": ip, "ipv6": "" }));
    json!({
        "vmId": machine.id, "uuid": machine.uuid, "vmName": machine.name, "status": machine.status, "spec": machine.spec,
        "cpu": cpu, "mem": memory, "gpu": 0, "region": edge.region, "city": edge.city, "regionId": edge.region_id,
        "serviceId": format!("s-of-{}", machine.id), "serviceProvider": edge.service_provider, "publicIp": first_public(&edge),
        "internalIp": machine.internal_ip, "ipv6PublicIp": "", "multiplePublicIp": public.collect::<Vec<_>>(),
        "hostname": machine.hostname, "vpc": { "vpcId": machine.vpc_id }, "privateIps": [], "createTime": second(machine.created),
    })
}

fn page_of(call: &C<'_>, rows: Vec<&Machine>) -> Reply {
    let page = numbered(call, rows, |machine| view(machine))?;
    Ok(Answer::ok(&json!({
        "orders": [], "orderBy": "createTime", "order": "desc", "pageNo": page.number, "pageSize": page.size,
        "totalCount": page.total, "result": page.rows,
    })))
}

fn list(call: &mut C<'_>) -> Reply {
    let is = |key: &str, value: &str| call.query(key).is_none_or(|wanted| wanted.eq_ignore_ascii_case(value));
    let rows = call.list(&call.state.machines, |machine| {
        let edge = edge(machine);
        let of = match call.query("keywordType") {
            Some("instanceId" | "vmId") => machine.id.clone(),
            Some("internalIp") => machine.internal_ip.to_string(),
            _ => machine.name.clone(),
        };
        machine.account == call.account()
            && machine.kind == Kind::Bec
            && call.query("keyword").is_none_or(|word| of.contains(word))
            && is("status", &machine.status)
            && is("region", &edge.region)
            && is("city", &edge.city)
            && is("serviceProvider", &edge.service_provider)
            && is("regionId", &edge.region_id)
            && is("vpcId", &machine.vpc_id)
    });
    page_of(call, rows)
}

fn list_place(call: &mut C<'_>) -> Reply {
    let is = |name: &str, value: &str| call.parameter(name).eq_ignore_ascii_case(value);
    let rows = call.list(&call.state.machines, |machine| {
        let edge = edge(machine);
        machine.account == call.account()
            && machine.kind == Kind::Bec
            && is("region", &edge.region)
            && is("provider", &edge.service_provider)
            && is("city", &edge.city)
    });
    page_of(call, rows)
}

fn show(call: &mut C<'_>) -> Reply {
    let id = call.parameter("id");
    let machine = call.state.machine_of(call.account(), id).filter(|machine| machine.kind == Kind::Bec);
    let missing = || Problem::refused(404, "VmNotFound", format!("The machine {id} does not exist."));
    Ok(Answer::ok(&view(machine.ok_or_else(missing)?)))
}

fn view_v2(machine: &Machine) -> Value {
    let (edge, (cpu, memory)) = (edge(machine), machine.size());
    json!({
        "id": machine.id, "name": machine.name, "hostname": machine.hostname, "status": machine.status.to_ascii_lowercase(),
        "internalIp": machine.internal_ip, "publicIp": first_public(&edge), "ipv6": "", "regionId": edge.region_id,
        "spec": machine.spec, "cpuCount": cpu, "memoryCapacityInGB": memory, "vpcId": machine.vpc_id,
        "createTime": second(machine.created), "tags": machine.tags,
    })
}

fn list_v2(call: &mut C<'_>) -> Reply {
    let address: Option<Ipv4Addr> = call.parsed("internalIp")?;
    let rows = call.list(&call.state.machines, |machine| {
        machine.account == call.account()
            && machine.kind == Kind::Bec
            && call.query("regionId").is_none_or(|id| id == edge(machine).region_id)
            && call.query("vpcId").is_none_or(|id| id == machine.vpc_id)
            && address.is_none_or(|address| address == machine.internal_ip)
            && among(call, "instanceIds", &machine.id)
    });
    page(call, "instances", rows, |machine| &machine.id, |machine| view_v2(machine))
}

/// One place for each carrier of one city: as much as a provider asks about.
fn places(_: &mut C<'_>) -> Reply {
    let carriers = [("CHINA_MOBILE", "cm"), ("CHINA_UNICOM", "un"), ("CHINA_TELECOM", "ct"), ("TRIPLE_LINE", "ix")];
    let providers: Vec<_> = carriers
        .iter()
        .map(|(carrier, short)| {
            json!({
                "serviceProvider": carrier, "name": carrier, "regionId": format!("cn-hangzhou-{short}"),
                "capability": ["vm", "lb"],
            })
        })
        .collect();
    Ok(Answer::ok(&json!({
        "regionList": [{
            "region": "EAST_CHINA", "name": "East China", "country": "CHINA",
            "cityList": [{ "city": "HANGZHOU", "name": "Hangzhou", "serviceProviderList": providers }],
        }],
    })))
}
