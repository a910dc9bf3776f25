//! The VPC service: VPCs, subnets and ports by v1, ports' security groups by v3, and what is left of Neutron.

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    State, errors,
    network::{AddressPair, Port, Subnet, Vpc},
};
use crate::engine::{Answer, Call, Problem, Reply, Route, Service, paging};

type C<'a> = Call<'a, State>;

/// Rows of a page unless fewer are asked for, and the most there are.
pub(super) const PAGE: usize = 2000;

const PORT_KEYS: &[&str] = &[
    "id",
    "name",
    "admin_state_up",
    "network_id",
    "mac_address",
    "device_id",
    "device_owner",
    "status",
    "fixed_ips",
    "security_groups",
    "enterprise_project_id",
    "marker",
    "limit",
];

pub(super) fn service() -> Service<State> {
    Service::new("vpc", errors::vpc)
        .route(Route::get("/v1/{project_id}/vpcs", "ListVpcs", vpcs).query(&[
            "id",
            "enterprise_project_id",
            "marker",
            "limit",
        ]))
        .route(Route::get("/v1/{project_id}/vpcs/{id}", "ShowVpc", show_vpc))
        .route(Route::get("/v1/{project_id}/subnets", "ListSubnets", subnets).query(&["vpc_id", "marker", "limit"]))
        .route(Route::get("/v1/{project_id}/subnets/{id}", "ShowSubnet", show_subnet))
        .route(Route::get("/v1/{project_id}/ports", "ListPorts", ports).query(PORT_KEYS))
        .route(Route::get("/v1/{project_id}/ports/{id}", "ShowPort", show_port))
        .route(Route::put("/v1/{project_id}/ports/{id}", "UpdatePort", update_port))
        .route(Route::put("/v3/{project_id}/ports/{id}/insert-security-groups", "AddSecurityGroups", insert_groups))
        .route(Route::put("/v3/{project_id}/ports/{id}/remove-security-groups", "RemoveSecurityGroups", remove_groups))
}

/// The older API of the same host; the project is the caller's.
pub(super) fn neutron() -> Service<State> {
    Service::new("vpc", errors::neutron)
        .on(&["vpc"])
        .route(Route::get("/v2.0/ports", "NeutronListPorts", ports).query(PORT_KEYS))
        .route(Route::get("/v2.0/ports/{id}", "NeutronShowPort", show_port_of_neutron))
        .route(Route::get("/v2.0/floatingips", "NeutronListFloatingIps", floating_ips).query(&[
            "id",
            "floating_ip_address",
            "fixed_ip_address",
            "port_id",
            "marker",
            "limit",
        ]))
}

fn limit(call: &C<'_>) -> Result<usize, Problem> {
    call.page_size("limit", PAGE, PAGE)
}

fn vpc_view(vpc: &Vpc) -> Value {
    json!({
        "id": vpc.id, "name": vpc.name, "description": "", "cidr": vpc.cidr.to_string(), "status": "OK", "routes": [],
        "enterprise_project_id": "0",
    })
}

fn vpcs(call: &mut C<'_>) -> Reply {
    let rows = call.list(&call.state.vpcs, |vpc| vpc.project_id == call.project() && call.admits("id", &vpc.id));
    let page = paging::by_marker(rows, |vpc| &vpc.id, call.query("marker"), limit(call)?)?;
    Ok(Answer::ok(&json!({ "vpcs": page.rows.into_iter().map(vpc_view).collect::<Vec<_>>() })))
}

fn show_vpc(call: &mut C<'_>) -> Reply {
    let id = call.parameter("id");
    let vpc = call.state.vpcs.get(id).filter(|vpc| vpc.project_id == call.project());
    let vpc = vpc.ok_or_else(|| Problem::refused(404, "VPC.0003", format!("VPC {id} could not be found.")))?;
    Ok(Answer::ok(&json!({ "vpc": vpc_view(vpc) })))
}

fn subnet_view(subnet: &Subnet, state: &State) -> Value {
    let size = 1_usize << (32 - subnet.cidr.prefix_len());
    let mut view = json!({
        "id": subnet.id, "name": subnet.name, "description": "", "cidr": subnet.cidr.to_string(),
        "gateway_ip": subnet.gateway_ip, "vpc_id": subnet.vpc_id, "status": "ACTIVE", "dhcp_enable": true,
        "ipv6_enable": subnet.ipv6.is_some(), "neutron_network_id": subnet.id,
        "neutron_subnet_id": subnet.neutron_subnet_id,
        "available_ip_address_count": size.saturating_sub(4 + state.leased(&subnet.id)),
    });
    if let Some(ipv6) = &subnet.ipv6 {
        view["cidr_v6"] = json!(ipv6.cidr.to_string());
        view["neutron_subnet_id_v6"] = json!(ipv6.neutron_subnet_id);
    }
    view
}

fn subnets(call: &mut C<'_>) -> Reply {
    let wanted = |subnet: &Subnet| subnet.project_id == call.project() && call.admits("vpc_id", &subnet.vpc_id);
    let rows = call.list(&call.state.subnets, wanted);
    let page = paging::by_marker(rows, |subnet| &subnet.id, call.query("marker"), limit(call)?)?;
    let views: Vec<_> = page.rows.into_iter().map(|subnet| subnet_view(subnet, call.state)).collect();
    Ok(Answer::ok(&json!({ "subnets": views })))
}

fn show_subnet(call: &mut C<'_>) -> Reply {
    let id = call.parameter("id");
    let subnet = call.state.subnets.get(id).filter(|subnet| subnet.project_id == call.project());
    let subnet = subnet.ok_or_else(|| Problem::refused(404, "VPC.0202", format!("Subnet {id} could not be found.")))?;
    Ok(Answer::ok(&json!({ "subnet": subnet_view(subnet, call.state) })))
}

fn port_view(port: &Port) -> Value {
    json!({
        "id": port.id, "name": port.name, "network_id": port.network_id, "mac_address": port.mac_address,
        "fixed_ips": port.fixed_ips, "device_id": port.device_id, "device_owner": port.device_owner,
        "tenant_id": port.project_id, "status": port.status, "security_groups": port.security_groups,
        "allowed_address_pairs": port.allowed_address_pairs, "admin_state_up": true, "extra_dhcp_opts": [],
        "binding:vnic_type": "normal",
    })
}

/// Whether a port has a fixed IP as the filter says: `ip_address=…` or `subnet_id=…`.
fn has_fixed_ip(port: &Port, filter: &str) -> bool {
    match filter.split_once('=') {
        Some(("ip_address", address)) => port.fixed_ips.iter().any(|fixed| fixed.ip_address.to_string() == address),
        Some(("subnet_id", id)) => port.fixed_ips.iter().any(|fixed| fixed.subnet_id == id),
        _ => false,
    }
}

fn ports(call: &mut C<'_>) -> Reply {
    let rows = call.list(&call.state.ports, |port| {
        port.project_id == call.project()
            && call.admits("id", &port.id)
            && call.admits("name", &port.name)
            && call.admits("network_id", &port.network_id)
            && call.admits("mac_address", &port.mac_address)
            && call.admits("device_id", &port.device_id)
            && call.admits("device_owner", &port.device_owner)
            && call.admits("status", &port.status)
            && call.all("fixed_ips").all(|filter| has_fixed_ip(port, filter))
            && call.all("security_groups").all(|group| port.security_groups.iter().any(|own| own == group))
    });
    let page = paging::by_marker(rows, |port| &port.id, call.query("marker"), limit(call)?)?;
    Ok(Answer::ok(&json!({ "ports": page.rows.into_iter().map(port_view).collect::<Vec<_>>() })))
}

/// The port that the path names.
fn named<'c>(call: &'c C<'_>, code: &str) -> Result<&'c Port, Problem> {
    let id = call.parameter("id");
    let port = call.state.ports.get(id).filter(|port| port.project_id == call.project());
    port.ok_or_else(|| Problem::refused(404, code, format!("Port {id} could not be found.")))
}

fn show_port(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&json!({ "port": port_view(named(call, "VPC.0602")?) })))
}

fn show_port_of_neutron(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&json!({ "port": port_view(named(call, "PortNotFound")?) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortUpdate {
    port: PortChange,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortChange {
    name: Option<String>,
    security_groups: Option<Vec<String>>,
    allowed_address_pairs: Option<Vec<AddressPair>>,
}

/// An address or a range; a range of everything is refused, but for the one that switches the check off.
fn check_pair(pair: &AddressPair) -> Result<(), Problem> {
    let text = pair.ip_address.as_str();
    let wrong = |why: &str| Err(Problem::bad_parameter("allowed_address_pairs", format!("{text} {why}")));
    if text.parse::<std::net::IpAddr>().is_ok() || text == "1.1.1.1/0" {
        return Ok(());
    }
    match text.parse::<IpNet>() {
        Ok(range) if range.prefix_len() == 0 => wrong("is not allowed"),
        Ok(_) => Ok(()),
        Err(_) => wrong("is no address and no range"),
    }
}

fn check_groups(call: &C<'_>, groups: &[String]) -> Result<(), Problem> {
    for id in groups {
        let group = call.state.security_groups.get(id).filter(|group| group.project_id == call.project());
        group.ok_or_else(|| Problem::refused(404, "VPC.0602", format!("Security group {id} could not be found.")))?;
    }
    Ok(())
}

fn update_port(call: &mut C<'_>) -> Reply {
    let id = named(call, "VPC.0602")?.id.clone();
    let PortUpdate { port: change } = call.body()?;
    change.allowed_address_pairs.iter().flatten().try_for_each(check_pair)?;
    check_groups(call, change.security_groups.as_deref().unwrap_or_default())?;
    edit(call, &id, |port| {
        port.name = change.name.unwrap_or_else(|| port.name.clone());
        if let Some(groups) = change.security_groups {
            port.security_groups = groups;
        }
        if let Some(pairs) = change.allowed_address_pairs {
            port.allowed_address_pairs = pairs;
        }
    })
}

/// Changes a port that is there, and answers with it.
fn edit(call: &mut C<'_>, id: &str, change: impl FnOnce(&mut Port)) -> Reply {
    let gone = || Problem::refused(404, "VPC.0602", format!("Port {id} could not be found."));
    let port = call.state.ports.change(call.now, id).ok_or_else(gone)?;
    change(port);
    Ok(Answer::ok(&json!({ "port": port_view(port) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupsUpdate {
    port: Groups,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Groups {
    security_groups: Vec<String>,
}

fn insert_groups(call: &mut C<'_>) -> Reply {
    let id = named(call, "VPC.0602")?.id.clone();
    let GroupsUpdate { port: Groups { security_groups } } = call.body()?;
    check_groups(call, &security_groups)?;
    edit(call, &id, |port| {
        for group in security_groups {
            if !port.security_groups.contains(&group) {
                port.security_groups.push(group);
            }
        }
    })
}

fn remove_groups(call: &mut C<'_>) -> Reply {
    let id = named(call, "VPC.0602")?.id.clone();
    let GroupsUpdate { port: Groups { security_groups } } = call.body()?;
    edit(call, &id, |port| port.security_groups.retain(|group| !security_groups.contains(group)))
}

fn floating_ips(call: &mut C<'_>) -> Reply {
    let state = &*call.state;
    let fixed = |port: &Option<String>| port.as_ref().and_then(|id| state.ports.get(id)).and_then(Port::ipv4);
    let rows = call.list(&state.publicips, |publicip| {
        let fixed = fixed(&publicip.port_id).map(|address| address.to_string()).unwrap_or_default();
        publicip.project_id == call.project()
            && call.admits("id", &publicip.id)
            && call.admits("floating_ip_address", &publicip.public_ip_address.to_string())
            && call.admits("fixed_ip_address", &fixed)
            && call.admits("port_id", publicip.port_id.as_deref().unwrap_or_default())
    });
    let page = paging::by_marker(rows, |publicip| &publicip.id, call.query("marker"), limit(call)?)?;
    let views = page.rows.into_iter().map(|publicip| {
        let port = publicip.port_id.as_ref().and_then(|id| state.ports.get(id));
        json!({
            "id": publicip.id, "floating_ip_address": publicip.public_ip_address, "tenant_id": publicip.project_id,
            "port_id": publicip.port_id, "fixed_ip_address": fixed(&publicip.port_id),
            "router_id": port.map(|port| &port.vpc_id),
            "status": if port.is_some() { "ACTIVE" } else { "DOWN" },
        })
    });
    Ok(Answer::ok(&json!({ "floatingips": views.collect::<Vec<_>>() })))
}
