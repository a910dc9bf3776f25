//! v3: both kinds of load balancer.

use ::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{At, Elb, Fields, IpRange, QUOTAS, fields::take, members::MemberRef, refusals::invalid},
    Calling, answer,
    calls::{Version, create, delete, list, list_all, operate, show, update},
    done,
    kinds::{Certificates, IpGroups, Kind, Listeners, LoadBalancers, Members, Monitors, Path, Pools, Through},
    wrapped, wrapped_list,
};
use crate::{
    engine::{Answer, Problem, Reply, Route, Service, paging},
    huawei::{State, errors},
};

struct V3;

impl Version for V3 {
    const THROUGH: Through = Through::V3;

    fn new_fields(_: &str, body: Fields) -> Result<Fields, Problem> {
        Ok(body)
    }
    fn changed_fields(_: &str, body: Fields) -> Result<Fields, Problem> {
        Ok(body)
    }
    fn view(_: &str, view: Fields) -> Fields {
        view
    }
    fn page_info(page: &paging::Page<Fields>) -> Option<Value> {
        let mut info = json!({ "current_count": page.rows.len() });
        for (name, marker) in [("next_marker", &page.next), ("previous_marker", &page.previous)] {
            if let Some(marker) = marker {
                info[name] = json!(marker);
            }
        }
        Some(info)
    }
}

macro_rules! filters {
    ($($name:literal),* $(,)?) => { &["marker", "limit", "page_reverse", "id", "name", "description", "admin_state_up", "enterprise_project_id", $($name),*] };
}

const OF_LOAD_BALANCERS: &[&str] = filters![
    "provisioning_status",
    "operating_status",
    "guaranteed",
    "vpc_id",
    "vip_port_id",
    "vip_address",
    "vip_subnet_cidr_id",
    "ipv6_vip_port_id",
    "ipv6_vip_address",
    "ipv6_vip_virsubnet_id",
    "eips",
    "publicips",
    "availability_zone_list",
    "l4_flavor_id",
    "l7_flavor_id",
    "billing_info",
    "deletion_protection_enable",
    "elb_virsubnet_type",
];
const OF_LISTENERS: &[&str] = filters![
    "loadbalancer_id",
    "protocol",
    "protocol_port",
    "default_pool_id",
    "default_tls_container_ref",
    "client_ca_tls_container_ref",
    "tls_ciphers_policy",
    "http2_enable",
    "transparent_client_ip_enable",
    "proxy_protocol_enable",
    "enable_member_retry",
    "connection_limit",
];
const OF_POOLS: &[&str] = filters![
    "loadbalancer_id",
    "listener_id",
    "healthmonitor_id",
    "protocol",
    "lb_algorithm",
    "vpc_id",
    "type",
    "ip_version"
];
const OF_MEMBERS: &[&str] = filters![
    "address",
    "protocol_port",
    "weight",
    "subnet_cidr_id",
    "operating_status",
    "member_type",
    "instance_id",
    "ip_version",
    "pool_id",
    "loadbalancer_id",
];
const OF_MONITORS: &[&str] = filters![
    "monitor_port",
    "domain_name",
    "delay",
    "max_retries",
    "timeout",
    "type",
    "expected_codes",
    "url_path",
    "http_method",
];
const OF_IP_GROUPS: &[&str] = filters!["ip_list"];
const OF_CERTIFICATES: &[&str] = filters!["domain", "type", "common_name", "fingerprint"];

/// The service under `/v3/{project_id}/elb`.
pub(in crate::huawei) fn service() -> Service<State> {
    let service = Service::new("elb", errors::elb);
    let service = crud::<LoadBalancers>(
        service,
        ["/v3/{project_id}/elb/loadbalancers", "/v3/{project_id}/elb/loadbalancers/{id}"],
        ["CreateLoadBalancer", "ListLoadBalancers", "ShowLoadBalancer", "UpdateLoadBalancer", "DeleteLoadBalancer"],
        OF_LOAD_BALANCERS,
    );
    let service = crud::<Listeners>(
        service,
        ["/v3/{project_id}/elb/listeners", "/v3/{project_id}/elb/listeners/{id}"],
        ["CreateListener", "ListListeners", "ShowListener", "UpdateListener", "DeleteListener"],
        OF_LISTENERS,
    );
    let service = crud::<Pools>(
        service,
        ["/v3/{project_id}/elb/pools", "/v3/{project_id}/elb/pools/{id}"],
        ["CreatePool", "ListPools", "ShowPool", "UpdatePool", "DeletePool"],
        OF_POOLS,
    );
    let service = crud::<Members>(
        service,
        ["/v3/{project_id}/elb/pools/{pool_id}/members", "/v3/{project_id}/elb/pools/{pool_id}/members/{id}"],
        ["CreateMember", "ListMembers", "ShowMember", "UpdateMember", "DeleteMember"],
        OF_MEMBERS,
    );
    let service = crud::<Monitors>(
        service,
        ["/v3/{project_id}/elb/healthmonitors", "/v3/{project_id}/elb/healthmonitors/{id}"],
        [
            "CreateHealthMonitor",
            "ListHealthMonitors",
            "ShowHealthMonitor",
            "UpdateHealthMonitor",
            "DeleteHealthMonitor",
        ],
        OF_MONITORS,
    );
    let service = crud::<IpGroups>(
        service,
        ["/v3/{project_id}/elb/ipgroups", "/v3/{project_id}/elb/ipgroups/{id}"],
        ["CreateIpGroup", "ListIpGroups", "ShowIpGroup", "UpdateIpGroup", "DeleteIpGroup"],
        OF_IP_GROUPS,
    );
    let service = crud::<Certificates>(
        service,
        ["/v3/{project_id}/elb/certificates", "/v3/{project_id}/elb/certificates/{id}"],
        ["CreateCertificate", "ListCertificates", "ShowCertificate", "UpdateCertificate", "DeleteCertificate"],
        OF_CERTIFICATES,
    );
    catalogue(groups(deletions(members(service))))
}

fn crud<K: Kind + 'static>(
    service: Service<State>,
    [many, one]: [&'static str; 2],
    [make, all, this, change, drop]: [&'static str; 5],
    filters: &'static [&'static str],
) -> Service<State> {
    service
        .route(Route::post(many, make, create::<K, V3>))
        .route(Route::get(many, all, list::<K, V3>).query(filters))
        .route(Route::get(one, this, show::<K, V3>))
        .route(Route::put(one, change, update::<K, V3>))
        .route(Route::delete(one, drop, delete::<K, V3>))
}

fn members(service: Service<State>) -> Service<State> {
    service
        .route(Route::get("/v3/{project_id}/elb/members", "ListAllMembers", list_all::<Members, V3>).query(OF_MEMBERS))
        .route(Route::post("/v3/{project_id}/elb/pools/{pool_id}/members/batch-add", "BatchCreateMembers", |call| {
            let (pool, members) = (call.parameter("pool_id").to_owned(), wrapped_list(call, "members")?);
            let outcomes = operate(call, |elb, net, at| elb.add_members(net, at, &pool, members))?;
            let shown: Vec<_> = outcomes.into_iter().map(super::super::members::Outcome::into_fields).collect();
            Ok(answer(201, call, "members", json!(shown)))
        }))
        .route(Route::post("/v3/{project_id}/elb/pools/{pool_id}/members/batch-delete", "BatchDeleteMembers", |call| {
            let pool = call.parameter("pool_id").to_owned();
            let members = wrapped_list(call, "members")?.into_iter().map(|member| {
                serde_json::from_value::<MemberRef>(Value::Object(member)).map_err(|_| {
                    Problem::BadBody("a member is given by `id`, or `address` and `protocol_port`".to_owned())
                })
            });
            let members = members.collect::<Result<_, _>>()?;
            let outcomes = operate(call, |elb, _, at| elb.remove_members(at, &pool, members))?;
            let shown: Vec<_> = outcomes.into_iter().map(super::super::members::Outcome::into_fields).collect();
            Ok(answer(200, call, "members", json!(shown)))
        }))
        .route(Route::post("/v3/{project_id}/elb/pools/{pool_id}/members/batch-update", "BatchUpdateMembers", |call| {
            let (pool, members) = (call.parameter("pool_id").to_owned(), wrapped_list(call, "members")?);
            let outcomes = operate(call, |elb, _, at| elb.change_members(at, &pool, members))?;
            let shown: Vec<_> = outcomes.into_iter().map(super::super::members::Outcome::into_fields).collect();
            Ok(answer(200, call, "members", json!(shown)))
        }))
}

fn deletions(service: Service<State>) -> Service<State> {
    service
        .route(Route::delete("/v3/{project_id}/elb/loadbalancers/{id}/force-elb", "DeleteLoadBalancerForce", |call| {
            let id = call.parameter("id").to_owned();
            operate(call, |elb, net, at| elb.force_delete_load_balancer(net, at, &id))?;
            Ok(done())
        }))
        .route(Route::post(
            "/v3/{project_id}/elb/loadbalancers/{id}/delete-cascade",
            "DeleteLoadBalancerCascade",
            cascade,
        ))
        .route(Route::delete("/v3/{project_id}/elb/listeners/{id}/force", "DeleteListenerForce", |call| {
            let id = call.parameter("id").to_owned();
            operate(call, |elb, _, at| elb.force_delete_listener(at, &id))?;
            Ok(done())
        }))
        .route(Route::delete("/v3/{project_id}/elb/pools/{id}/delete-cascade", "DeletePoolCascade", |call| {
            let id = call.parameter("id").to_owned();
            operate(call, |elb, _, at| elb.cascade_pool(at, &id))?;
            Ok(done())
        }))
        .route(Route::post("/v3/{project_id}/elb/listeners/batch-delete", "BatchDeleteListeners", |call| {
            batch_delete(call, "listeners", Elb::delete_listener)
        }))
        .route(Route::post("/v3/{project_id}/elb/pools/batch-delete", "BatchDeletePools", |call| {
            batch_delete(call, "pools", Elb::delete_pool)
        }))
        .route(Route::get("/v3/{project_id}/elb/loadbalancers/{id}/statuses", "ShowLoadBalancerStatus", |call| {
            let at = At::of(call);
            let tree = call.state.elb.statuses(&at, call.parameter("id"))?;
            Ok(answer(200, call, "statuses", tree))
        }))
}

fn cascade(call: Calling<'_, '_>) -> Reply {
    let id = call.parameter("id").to_owned();
    let mut body = wrapped(call, "loadbalancer")?;
    let pools = take(&mut body, "unbounded_pool")?.unwrap_or_default();
    let public_ip = take(&mut body, "public_ip")?.unwrap_or_default();
    if let Some(other) = body.keys().next() {
        return Err(Problem::BadBody(format!("unknown field `{other}`")));
    }
    operate(call, |elb, net, at| elb.cascade_load_balancer(net, at, &id, pools, public_ip))?;
    Ok(done())
}

/// Deletes many objects, each as by itself; one that cannot go stops the rest.
fn batch_delete(call: Calling<'_, '_>, names: &str, delete: fn(&mut Elb, &At, &str) -> Result<(), Problem>) -> Reply {
    let mut ids = Vec::new();
    for mut object in wrapped_list(call, names)? {
        let id: Option<String> = take(&mut object, "id")?;
        ids.push(id.ok_or_else(|| invalid(names, "each needs its id"))?);
    }
    let outcomes = operate(call, |elb, _, at| {
        let mut outcomes = Vec::new();
        for id in ids {
            let status = match delete(elb, at, &id) {
                Ok(()) => "successful",
                Err(Problem::Refused { status, .. }) if status == StatusCode::NOT_FOUND => "not found",
                Err(problem) => return Err(problem),
            };
            outcomes.push(json!({ "id": id, "ret_status": status }));
        }
        Ok(outcomes)
    })?;
    Ok(answer(200, call, names, json!(outcomes)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    ip: String,
}

fn groups(service: Service<State>) -> Service<State> {
    service
        .route(Route::post("/v3/{project_id}/elb/ipgroups/{id}/iplist/create-or-update", "UpdateIpList", |call| {
            let id = call.parameter("id").to_owned();
            let mut body = wrapped(call, "ipgroup")?;
            let entries: Vec<IpRange> = take(&mut body, "ip_list")?.unwrap_or_default();
            operate(call, |elb, _, at| elb.extend_ip_group(at, &id, entries))?;
            show::<IpGroups, V3>(call)
        }))
        .route(Route::post("/v3/{project_id}/elb/ipgroups/{id}/iplist/batch-delete", "BatchDeleteIpList", |call| {
            let id = call.parameter("id").to_owned();
            let mut body = wrapped(call, "ipgroup")?;
            let entries: Vec<Entry> = take(&mut body, "ip_list")?.unwrap_or_default();
            let entries: Vec<_> = entries.into_iter().map(|entry| entry.ip).collect();
            operate(call, |elb, _, at| elb.shrink_ip_group(at, &id, &entries))?;
            show::<IpGroups, V3>(call)
        }))
        .route(Route::get(
            "/v3/{project_id}/elb/ipgroups/{id}/related-listeners",
            "ListIpGroupRelatedListeners",
            |call| {
                let at = At::of(call);
                let elb = &call.state.elb;
                let group = IpGroups::find(elb, &at, &Path { id: call.parameter("id").to_owned(), ..Path::default() })?;
                let listeners = elb.listeners_with_group(&group.id).filter_map(|id| elb.listeners.get(id));
                let listeners: Vec<_> = listeners
                    .map(|listener| {
                        let fields = &listener.fields;
                        json!({
                            "id": listener.id,
                            "name": fields.name,
                            "protocol": fields.protocol,
                            "protocol_port": fields.protocol_port,
                        })
                    })
                    .collect();
                Ok(answer(200, call, "listeners", json!(listeners)))
            },
        ))
}

fn catalogue(service: Service<State>) -> Service<State> {
    service
        .route(Route::get("/v3/{project_id}/elb/flavors", "ListFlavors", flavors).query(&[
            "marker", "limit", "page_reverse", "id", "name", "type", "shared",
        ]))
        .route(Route::get("/v3/{project_id}/elb/availability-zones", "ListAvailabilityZones", |call| {
            let zones = call.state.elb.zones.iter();
            let set: Vec<_> = zones
                .map(|zone| json!({ "code": zone, "state": "ACTIVE", "protocol": ["L4", "L7"], "public_border_group": "center" }))
                .collect();
            Ok(answer(200, call, "availability_zones", json!([set])))
        }))
        .route(Route::get("/v3/{project_id}/elb/quotas", "ShowQuota", |call| {
            let mut quota = json!({ "project_id": call.project() });
            for (name, _) in QUOTAS {
                quota[*name] = json!(call.quota(name));
            }
            Ok(answer(200, call, "quota", quota))
        }))
        .route(Route::get("/v3/{project_id}/elb/quotas/details", "ListQuotaDetails", quota_details).query(&["quota_key"]))
}

fn flavors(call: Calling<'_, '_>) -> Reply {
    let known = call.state.elb.flavors.iter();
    let wanted = known.filter(|flavor| {
        call.admits("id", &flavor.id) && call.admits("name", &flavor.name) && call.admits("type", flavor.kind)
    });
    let rows: Vec<_> = wanted
        .map(|flavor| json!({ "id": flavor.id, "name": flavor.name, "type": flavor.kind, "shared": true, "flavor_sold_out": false }))
        .collect();
    let body = json!({
        "flavors": rows,
        "page_info": { "current_count": rows.len() },
        "request_id": call.request_id,
    });
    Ok(Answer::ok(&body))
}

fn quota_details(call: Calling<'_, '_>) -> Reply {
    let (at, elb) = (At::of(call), &call.state.elb);
    let mut rows = Vec::new();
    for (name, _) in QUOTAS {
        if let Some(used) = elb.used(&at.project, name).filter(|_| call.admits("quota_key", name)) {
            rows.push(json!({ "quota_key": name, "quota_limit": at.quota(name), "used": used, "unit": "count" }));
        }
    }
    Ok(answer(200, call, "quotas", json!(rows)))
}
