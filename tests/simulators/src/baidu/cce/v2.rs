//! The second version.

use serde_json::{Value, json};

use super::{
    Cluster, Version, find,
    kubeconfig::{Access, issue},
    rbac,
};
use crate::{
    baidu::{
        State,
        calls::{C, Numbered, numbered, second},
        errors::{self, bad, no_such},
        machines::Machine,
    },
    engine::{Answer, Reply, Route, Service},
};

/// A route under the path that the documents have and under the one that the SDK has.
macro_rules! both {
    ($service:expr, $method:ident, $path:literal, $action:literal, $handler:expr, $query:expr) => {
        $service
            .route(Route::$method(concat!("/v2", $path), $action, $handler).query($query))
            .route(Route::$method(concat!("/api/cce/service/v2", $path), $action, $handler).query($query))
    };
}

pub(in crate::baidu) fn service() -> Service<State> {
    const PAGES: &[&str] = &["keywordType", "keyword", "orderBy", "order", "pageNo", "pageSize"];
    let service = Service::new("cce", errors::cce);
    let service = both!(service, get, "/clusters", "ListClusters", list, PAGES);
    let service = both!(service, get, "/cluster/{id}", "GetCluster", show, &[]);
    let service = both!(service, get, "/cluster/{id}/instances", "ListClusterInstances", instances, PAGES);
    let service = both!(service, get, "/cluster/{id}/instance/{instance}", "GetClusterInstance", instance, &[]);
    let service = both!(service, get, "/kubeconfig/{id}/{type}", "GetKubeConfig", kubeconfig, &[]);
    let service = both!(service, post, "/rbac", "CreateRBAC", rbac::create, &[]);
    let service = both!(service, put, "/rbac", "UpdateRBAC", rbac::renew, &[]);
    let service = both!(service, delete, "/rbac", "DeleteRBAC", rbac::delete, &[]);
    both!(service, get, "/rbac", "GetRBAC", rbac::show, &["userID"])
}

fn view(cluster: &Cluster, state: &State) -> Value {
    let nodes = state.machines.iter().filter(|machine| cluster.has(machine)).count();
    json!({
        "spec": {
            "clusterID": cluster.id, "clusterName": cluster.name, "clusterType": cluster.kind, "k8sVersion": cluster.version,
            "vpcID": cluster.vpc_id, "vpcCIDR": state.vpcs.get(&cluster.vpc_id).map(|vpc| vpc.cidr.to_string()), "plugins": [],
            "containerNetworkConfig": {
                "mode": "vpc-route-veth", "lbServiceVPCSubnetID": cluster.lb_subnet_id, "clusterPodCIDR": cluster.pod_cidr,
                "clusterIPServiceCIDR": cluster.service_cidr, "maxPodsPerNode": 256, "nodePortRangeMin": 30000,
                "nodePortRangeMax": 32767,
            },
            "k8sCustomConfig": {
                "disableCCM": cluster.disable_ccm, "enableLBServiceController": !cluster.disable_ccm,
                "enableCloudNodeController": !cluster.disable_ccm,
            },
        },
        "status": {
            "clusterBLB": {
                "id": "", "vpcIP": host_of(&cluster.vpc_endpoint),
                "eip": cluster.public_endpoint.as_deref().map(host_of).unwrap_or_default(),
            },
            "clusterPhase": cluster.phase, "nodeNum": nodes,
        },
        "createdAt": "1970-01-01T00:00:00Z", "updatedAt": "1970-01-01T00:00:00Z",
    })
}

/// The host of a URL.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':']).next().unwrap_or_default()
}

fn keyword(call: &C<'_>, known: &[&str]) -> Result<Option<(String, String)>, crate::engine::Problem> {
    let Some(kind) = call.query("keywordType") else { return Ok(None) };
    if !known.contains(&kind) {
        return Err(bad("keywordType", format!("{kind} is not one of {}", known.join(", "))));
    }
    Ok(call.query("keyword").map(|word| (kind.to_owned(), word.to_owned())))
}

/// A page as this version has it.
fn paged(call: &C<'_>, list: &str, page: &Numbered) -> Value {
    let echo = |key: &str| call.query(key).unwrap_or_default().to_owned();
    json!({
        "keywordType": echo("keywordType"), "keyword": echo("keyword"), "orderBy": echo("orderBy"), "order": echo("order"),
        "pageNo": page.number, "pageSize": page.size, "totalCount": page.total, list: page.rows,
    })
}

fn list(call: &mut C<'_>) -> Reply {
    let wanted = keyword(call, &["clusterName", "clusterID"])?;
    let state = &*call.state;
    let rows = call.list(&state.clusters, |cluster| {
        let met = wanted.as_ref().is_none_or(|(kind, word)| {
            if kind == "clusterID" { cluster.id.contains(word) } else { cluster.name.contains(word) }
        });
        cluster.account == call.account() && cluster.is_of(Version::V2) && met
    });
    let page = numbered(call, rows, |cluster| view(cluster, state))?;
    Ok(Answer::ok(&json!({ "clusterPage": paged(call, "clusterList", &page), "requestID": call.request_id })))
}

fn show(call: &mut C<'_>) -> Reply {
    let cluster = find(call, call.parameter("id"), Version::V2)?;
    Ok(Answer::ok(&json!({ "cluster": view(cluster, call.state), "requestID": call.request_id })))
}

/// Id of a machine as the cluster's instance.
fn instance_id(cluster: &Cluster, machine: &Machine) -> String {
    format!("{}-{}", cluster.id, machine.uuid.get(..8).unwrap_or_default())
}

fn instance_view(cluster: &Cluster, machine: &Machine, state: &State) -> Value {
    let (cpu, memory) = machine.size();
    json!({
        "spec": {
            "cceInstanceID": instance_id(cluster, machine), "instanceName": machine.name, "clusterRole": "node",
            "machineType": machine.kind, "instanceType": "N5",
            "vpcConfig": {
                "vpcID": machine.vpc_id, "vpcSubnetID": machine.subnet_id, "availableZone": machine.cce_zone(),
            },
            "instanceResource": { "machineSpec": machine.spec, "cpu": cpu, "mem": memory },
        },
        "status": {
            "machine": {
                "instanceID": machine.id, "instanceUUID": machine.uuid, "vpcIP": machine.internal_ip,
                "vpcIPIPv6": machine.ipv6.map(|ip| ip.to_string()).unwrap_or_default(), "eip": state.public_ip_of(&machine.id),
                "k8sNodeName": machine.internal_ip, "hostname": machine.hostname,
            },
            "instancePhase": "running", "machineStatus": machine_status(machine),
        },
        "createdAt": second(machine.created),
    })
}

/// A machine's state in this version's words.
fn machine_status(machine: &Machine) -> &'static str {
    match machine.status.to_ascii_lowercase().as_str() {
        "running" | "normal" => "ACTIVE",
        "starting" | "creating" => "BUILD",
        "stopping" | "stopped" | "stop" => "STOPPED",
        "deleted" | "recycled" | "terminated" => "DELETED",
        "expired" => "EXPIRED",
        "error" | "failed" | "exception" => "ERROR",
        _ => "UNKNOWN",
    }
}

fn instances(call: &mut C<'_>) -> Reply {
    let wanted = keyword(call, &["instanceName", "instanceID", "k8sNodeName", "vpcIP", "instanceGroupID"])?;
    let cluster = find(call, call.parameter("id"), Version::V2)?;
    let state = &*call.state;
    let rows = call.list(&state.machines, |machine| {
        let met = wanted.as_ref().is_none_or(|(kind, word)| match kind.as_str() {
            "instanceName" => machine.name.contains(word),
            "instanceID" => machine.id.contains(word),
            "instanceGroupID" => false,
            _ => machine.internal_ip.to_string().contains(word),
        });
        cluster.has(machine) && met
    });
    let page = numbered(call, rows, |machine| instance_view(cluster, machine, state))?;
    let mut page = paged(call, "instanceList", &page);
    page["clusterID"] = json!(cluster.id);
    Ok(Answer::ok(&json!({ "instancePage": page, "requestID": call.request_id })))
}

fn instance(call: &mut C<'_>) -> Reply {
    let cluster = find(call, call.parameter("id"), Version::V2)?;
    let id = call.parameter("instance");
    let mut own = call.state.machines.iter().filter(|machine| cluster.has(machine));
    let machine = own.find(|machine| instance_id(cluster, machine) == id).ok_or_else(|| no_such("instance", id))?;
    let view = instance_view(cluster, machine, call.state);
    Ok(Answer::ok(&json!({ "instance": view, "requestID": call.request_id })))
}

fn kubeconfig(call: &mut C<'_>) -> Reply {
    let id = find(call, call.parameter("id"), Version::V2)?.id.clone();
    let kind = call.parameter("type").to_owned();
    let access = match kind.as_str() {
        "public" => Access::Public,
        "vpc" | "internal" => Access::Vpc,
        other => return Err(bad("type", format!("{other} is not one of vpc, public, internal"))),
    };
    let text = issue(call, &id, access)?;
    Ok(Answer::ok(&json!({ "kubeConfigType": kind, "kubeConfig": text, "requestID": call.request_id })))
}
