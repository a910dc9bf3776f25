//! The first version, with the image registry of its time.

use serde_json::{Value, json};

use super::{
    Cluster, Version, find,
    kubeconfig::{Access, issue},
};
use crate::{
    baidu::{
        State,
        calls::{C, page, second},
        errors::{self, bad},
        machines::{Kind, Machine},
    },
    engine::{Answer, Reply, Route, Service},
};

pub(in crate::baidu) fn service() -> Service<State> {
    Service::new("cce", errors::common)
        .route(Route::get("/v1/cluster", "ListClustersV1", list).query(&["status", "marker", "maxKeys"]))
        .route(Route::get("/v1/cluster/versions", "ListClusterVersionsV1", versions))
        .route(Route::get("/v1/cluster/kubeconfig", "GetKubeConfigV1", kubeconfig).query(&["clusterUuid", "type"]))
        .route(Route::get("/v1/cluster/check_white_list", "CheckWhiteList", white_list).query(&["featureType"]))
        .route(Route::get("/v1/cluster/{id}", "GetClusterV1", show))
        // One of the SDK's lists misspells its marker.
        .route(Route::get("/v1/node", "ListNodesV1", nodes).query(&["clusterUuid", "marker", "maker", "maxKeys"]))
}

fn view(cluster: &Cluster, state: &State) -> Value {
    let nodes = state.machines.iter().filter(|machine| cluster.has(machine)).count();
    json!({
        "clusterUuid": cluster.id, "clusterName": cluster.name, "version": cluster.version, "region": state.region,
        "slaveVmCount": nodes, "masterVmCount": 0, "vpcId": cluster.vpc_id, "containerNet": cluster.pod_cidr,
        "status": cluster.phase.to_uppercase(), "masterExposed": cluster.public_endpoint.is_some(),
        "createTime": "1970-01-01T00:00:00Z",
    })
}

fn list(call: &mut C<'_>) -> Reply {
    let state = &*call.state;
    let rows = call.list(&state.clusters, |cluster| {
        cluster.account == call.account()
            && cluster.is_of(Version::V1)
            && call.query("status").is_none_or(|status| status.eq_ignore_ascii_case(&cluster.phase))
    });
    page(call, "clusters", rows, |cluster| &cluster.id, |cluster| view(cluster, state))
}

fn show(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&view(find(call, call.parameter("id"), Version::V1)?, call.state)))
}

fn versions(_: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&json!({ "data": ["1.31.1"] })))
}

fn white_list(_: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&json!({ "isExist": true })))
}

fn queried(call: &C<'_>) -> Result<String, crate::engine::Problem> {
    let id = call.query("clusterUuid").ok_or_else(|| bad("clusterUuid", "it is missing"))?;
    Ok(find(call, id, Version::V1)?.id.clone())
}

fn kubeconfig(call: &mut C<'_>) -> Reply {
    let id = queried(call)?;
    let access = match call.query("type").unwrap_or("default") {
        "default" => Access::Public,
        "internal" | "intraVpc" => Access::Vpc,
        other => return Err(bad("type", format!("{other} is not one of default, internal, intraVpc"))),
    };
    Ok(Answer::ok(&json!({ "data": issue(call, &id, access)? })))
}

fn nodes(call: &mut C<'_>) -> Reply {
    let cluster = find(call, &queried(call)?, Version::V1)?;
    let state = &*call.state;
    let rows = call.list(&state.machines, |machine| cluster.has(machine));
    page(call, "nodes", rows, |machine| &machine.id, |machine| node(machine, cluster, state))
}

fn node(machine: &Machine, cluster: &Cluster, state: &State) -> Value {
    let (cpu, memory) = machine.size();
    let vpc = state.vpcs.get(&machine.vpc_id);
    let kind = match (machine.kind, &machine.gpu_card) {
        (_, Some(_)) => "9",
        (Kind::Bcc, None) => "2",
        (Kind::Bbc, None) => "BBC",
        (Kind::Bec, None) => "BEC",
    };
    let subnet = state.subnets.get(&machine.subnet_id);
    json!({
        "instanceShortId": machine.id, "instanceUuid": machine.uuid, "instanceName": machine.name,
        "hostname": machine.hostname, "instanceType": kind, "status": status(machine), "fixIp": machine.internal_ip,
        "floatingIp": "", "eip": state.public_ip_of(&machine.id), "eipBandwidth": 0, "vpcId": machine.vpc_id,
        "vpcCidr": vpc.map(|vpc| vpc.cidr.to_string()), "subnetId": machine.subnet_id,
        "subnetType": subnet.map(|subnet| subnet.subnet_type.as_str()).unwrap_or_default(),
        "availableZone": machine.cce_zone(), "clusterUuid": cluster.id, "cpu": cpu, "memory": memory, "diskSize": 40,
        "sysDisk": 40, "runtimeVersion": "containerd", "paymentMethod": "postpay", "createTime": second(machine.created),
        "deleteTime": null, "expireTime": null,
    })
}

/// A machine's state in this version's words.
fn status(machine: &Machine) -> &'static str {
    match machine.status.to_ascii_lowercase().as_str() {
        "running" | "normal" => "RUNNING",
        "starting" | "creating" => "CREATING",
        "deleted" | "recycled" | "terminated" => "DELETED",
        _ => "ERROR",
    }
}
