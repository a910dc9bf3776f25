//! The machines behind nodes.

use std::collections::HashSet;

use cloud_provider_api::{
    error::Reason,
    v1::{self, instance_result::Answer, instances_server::Instances},
};
use tonic::{Request, Response, Status};

use super::{Call, Refusal, check::Checker, pages::Answers, watch};
use crate::{
    MockProvider,
    annotations::PROVIDED_NODE_IP,
    cloud::{LookUp, Machine, Operation, Time, Wanted},
    scenario::Scenario,
};

#[tonic::async_trait]
impl Instances for MockProvider {
    async fn batch_get_instances(
        &self,
        request: Request<v1::BatchGetInstancesRequest>,
    ) -> Result<Response<v1::BatchGetInstancesResponse>, Status> {
        let (call, request) = Call::of("BatchGetInstances", request);
        let mut call = call.about_nodes(request.nodes.iter().map(|node| node.node_name.clone()));
        call.fresh = request.max_age.is_some_and(|age| age.seconds == 0 && age.nanos == 0);
        let who = call.who();
        let work = async {
            let scenario = self.cloud().scenario();
            check(&scenario, &request)?;
            who.cluster(request.cluster.as_ref())?;
            let wanted: Vec<_> = request.nodes.iter().map(|node| want(&scenario, node)).collect();
            let asked: Vec<_> = wanted.iter().filter_map(|wanted| wanted.as_ref().ok().copied()).collect();
            let found = self.cloud_call(Operation::DescribeInstances, "", |cloud| cloud.look_up(&asked)).await?;
            let now = self.cloud().now();
            let mut found = found.into_iter();
            let results = request.nodes.iter().zip(wanted).map(|(node, wanted)| {
                let answer = match wanted {
                    Ok(_) => found.next().map(|look_up| answer(&scenario, node, look_up)),
                    Err(answer) => Some(*answer),
                };
                result(node, answer, now)
            });
            Ok(v1::BatchGetInstancesResponse { results: results.collect() })
        };
        self.answer(call, work).await.map(Response::new)
    }

    type WatchInstancesStream = Answers<v1::WatchInstancesResponse>;

    async fn watch_instances(
        &self,
        request: Request<v1::WatchInstancesRequest>,
    ) -> Result<Response<Self::WatchInstancesStream>, Status> {
        let (call, request) = Call::of("WatchInstances", request);
        // Before anything else: what changes from here on is told.
        let hints = self.cloud().hints();
        let who = call.who();
        let work = async {
            let mut checker = Checker::default();
            checker.cluster("cluster", request.cluster.as_ref());
            checker.finish()?;
            who.cluster(request.cluster.as_ref())
        };
        self.answer(call, work).await?;
        Ok(Response::new(watch::stream(hints)))
    }
}

fn check(scenario: &Scenario, request: &v1::BatchGetInstancesRequest) -> Result<(), Refusal> {
    let mut checker = Checker::default();
    checker.cluster("cluster", request.cluster.as_ref());
    checker.count("nodes", request.nodes.len(), scenario.provider.max_instances);
    let mut names = HashSet::with_capacity(request.nodes.len());
    for (index, node) in request.nodes.iter().enumerate() {
        checker.text(&format!("nodes[{index}].node_name"), &node.node_name, 1..=253);
        checker.text(&format!("nodes[{index}].node_uid"), &node.node_uid, 1..=63);
        checker.text(&format!("nodes[{index}].provider_id"), &node.provider_id, 0..=512);
        if !names.insert(&node.node_name) {
            checker.fault(format!("nodes[{index}].node_name"), format!("{:?} is asked for twice", node.node_name));
        }
    }
    checker.finish()
}

/// What to ask the cloud about a node, or the answer that needs no cloud.
fn want<'a>(scenario: &Scenario, node: &'a v1::NodeReference) -> Result<Wanted<'a>, Box<Answer>> {
    let internal_ip = internal_ip(node);
    if node.provider_id.is_empty() {
        return Ok(Wanted { id: "", name: &node.node_name, internal_ip });
    }
    let schemes = scenario.provider.schemes();
    match node.provider_id.split_once("://") {
        Some((scheme, id)) if schemes.iter().any(|ours| ours == scheme) => match id.trim_start_matches('/') {
            "" => {
                let message = format!("providerID {:?} names no machine", node.provider_id);
                Err(Box::new(unidentified(scenario, message)))
            }
            id => Ok(Wanted { id, name: &node.node_name, internal_ip }),
        },
        _ => {
            let reason = format!("providerID {:?} has none of the schemes {}", node.provider_id, schemes.join(", "));
            Err(Box::new(Answer::NotOurs(v1::InstanceNotOurs { reason })))
        }
    }
}

fn unidentified(scenario: &Scenario, message: String) -> Answer {
    Answer::Unknown(Refusal::new(Reason::InstanceUnidentified, message).into_item(&scenario.provider.name))
}

/// What the node says its internal IP is: what the kubelet was told, or else what it reports.
fn internal_ip(node: &v1::NodeReference) -> Option<std::net::IpAddr> {
    let told = node.annotations.get(PROVIDED_NODE_IP).and_then(|ips| ips.split(',').next());
    let reported = node.addresses.iter().find(|address| address.r#type() == v1::AddressType::InternalIp);
    told.or(reported.map(|address| address.address.as_str())).and_then(|ip| ip.trim().parse().ok())
}

fn answer(scenario: &Scenario, node: &v1::NodeReference, look_up: LookUp) -> Answer {
    match look_up {
        LookUp::Found(machine) => found(scenario, node, &machine),
        LookUp::Absent { account, region, evidence } => {
            Answer::NotFound(v1::InstanceAbsent { account, region, evidence })
        }
        // Absence is proven by id only: that no machine has this name says nothing about the node's machine.
        LookUp::Unidentified => unidentified(scenario, format!("no machine is named {:?}", node.node_name)),
        LookUp::NotOurs => {
            Answer::NotOurs(v1::InstanceNotOurs { reason: format!("no name of this provider's: {:?}", node.node_name) })
        }
    }
}

fn found(scenario: &Scenario, node: &v1::NodeReference, machine: &Machine) -> Answer {
    let provider_id = if node.provider_id.is_empty() {
        format!("{}://{}", scenario.provider.schemes()[0], machine.id)
    } else {
        node.provider_id.clone()
    };
    Answer::Found(v1::Instance {
        provider_id,
        instance_type: machine.instance_type.to_string(),
        zone: machine.zone.to_string(),
        region: machine.region.to_string(),
        addresses: machine.addresses.iter().map(v1::NodeAddress::from).collect(),
        state: machine.state.on_wire().unwrap_or_default().into(),
        labels: machine.labels.clone().into_iter().collect(),
        account: machine.account.to_string(),
    })
}

fn result(node: &v1::NodeReference, answer: Option<Answer>, now: Time) -> v1::InstanceResult {
    let known = !matches!(answer, Some(Answer::Unknown(_)));
    v1::InstanceResult { node_name: node.node_name.clone(), answer, observed_at: known.then(|| now.into()) }
}
