//! The machines behind nodes.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use cloud_provider_api::{
    error::Reason,
    v1::{self, instance_result::Answer as Told, instances_server::Instances},
};
use futures::stream::BoxStream;
use provider_kit::{Call, Error, Kit, Result};
use tonic::{Request, Response, Status};

use super::{Provider, check::Checker, identity::MAX_INSTANCES};
use crate::{
    PROVIDER,
    accounts::Account,
    conditions,
    inventory::{Answer, Outcome, Question},
    nodes::{
        describe::{self, View},
        identify::Clues,
        machine::Machine,
        provider_id::{self, ProviderId},
    },
};

#[tonic::async_trait]
impl Instances for Provider {
    async fn batch_get_instances(
        &self,
        request: Request<v1::BatchGetInstancesRequest>,
    ) -> Result<Response<v1::BatchGetInstancesResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        let max_age = check(&request)?;
        let cluster = call.caller.cluster(request.cluster.as_ref())?.id.clone();
        let account = self.account(&call, "")?;
        let view = self.view(account)?;
        let (results, machines) = look_up(&self.0.kit, account, &view, &request.nodes, max_age).await;
        // What is asked for afresh is asked about few nodes, those in doubt.
        let is_round = max_age.is_none_or(|age| !age.is_zero());
        self.keep_security_group(account, &call, &cluster, &machines, is_round);
        Ok(Response::new(v1::BatchGetInstancesResponse { results }))
    }

    type WatchInstancesStream = BoxStream<'static, Result<v1::WatchInstancesResponse, Status>>;

    async fn watch_instances(
        &self,
        _: Request<v1::WatchInstancesRequest>,
    ) -> Result<Response<Self::WatchInstancesStream>, Status> {
        let message = "Huawei Cloud tells of no changes: CAPABILITY_INSTANCE_WATCH was not announced";
        Err(Error::new(Reason::CapabilityAbsent, message).into())
    }
}

impl Provider {
    fn view(&self, account: &Account) -> Result<View> {
        Ok(View {
            account: account.project()?.to_string(),
            region: account.cloud.region().to_owned(),
            networks: self.0.accounts.options.networking.clone(),
            tag_labels: self.0.tag_labels.clone(),
        })
    }
}

/// Checks the request; how old its answers may be.
fn check(request: &v1::BatchGetInstancesRequest) -> Result<Option<Duration>> {
    let mut checker = Checker::default();
    checker.count("nodes", request.nodes.len(), MAX_INSTANCES);
    let mut names = HashSet::with_capacity(request.nodes.len());
    for (index, node) in request.nodes.iter().enumerate() {
        checker.text(&format!("nodes[{index}].node_name"), &node.node_name, 1..=253);
        checker.text(&format!("nodes[{index}].node_uid"), &node.node_uid, 1..=63);
        checker.text(&format!("nodes[{index}].provider_id"), &node.provider_id, 0..=512);
        if !names.insert(&node.node_name) {
            checker.fault(format!("nodes[{index}].node_name"), format!("{:?} is asked for twice", node.node_name));
        }
    }
    let max_age = request.max_age.map(Duration::try_from).transpose().unwrap_or_else(|_| {
        checker.fault("max_age", "is negative");
        None
    });
    checker.finish()?;
    Ok(max_age)
}

/// One result for each node, and the servers found.
async fn look_up(
    kit: &Kit,
    account: &Account,
    view: &View,
    nodes: &[v1::NodeReference],
    max_age: Option<Duration>,
) -> (Vec<v1::InstanceResult>, Vec<Arc<Machine>>) {
    let vpc = account.cloud.config().vpc.id.clone().unwrap_or_default();
    let asked: Vec<_> = nodes.iter().map(|node| question(node, &vpc)).collect();
    let questions: Vec<Question<'_>> = asked.iter().filter_map(|asked| asked.as_ref().ok().cloned()).collect();
    let answers = account.inventory.look_up(&questions, max_age).await;
    if let Some(failed) = answers.iter().find_map(|answer| answer.as_ref().err()) {
        conditions::note(kit, account, Err(failed));
    } else if !answers.is_empty() {
        conditions::note(kit, account, Ok(()));
    }
    let mut answers = answers.into_iter();
    let mut machines = Vec::new();
    let pairs = nodes.iter().zip(asked);
    let results = pairs
        .map(|(node, asked)| match asked {
            Ok(_) => match answers.next() {
                Some(Ok(answer)) => {
                    if let Outcome::Found(machine) = &answer.outcome {
                        machines.push(machine.clone());
                    }
                    told(node, answer, view)
                }
                Some(Err(error)) => result(node, Told::Unknown(error.item_status()), None),
                None => v1::InstanceResult { node_name: node.node_name.clone(), ..v1::InstanceResult::default() },
            },
            Err(answer) => result(node, *answer, Some(SystemTime::now())),
        })
        .collect();
    (results, machines)
}

/// What to ask about a node, or the answer that needs no cloud.
fn question<'a>(node: &'a v1::NodeReference, vpc: &'a str) -> Result<Question<'a>, Box<Told>> {
    match provider_id::parse(&node.provider_id) {
        ProviderId::Server(id) => Ok(Question::Id(id)),
        ProviderId::Unset => {
            Ok(Question::Node(Clues { name: &node.node_name, ips: describe::internal_ips(node), vpc }))
        }
        ProviderId::Foreign => {
            let reason = format!("providerID {:?} is not of Huawei Cloud's", node.provider_id);
            Err(Box::new(Told::NotOurs(v1::InstanceNotOurs { reason })))
        }
        ProviderId::Malformed => {
            let message = format!("providerID {:?} names no server: huaweicloud://<server id> would", node.provider_id);
            Err(Box::new(Told::Unknown(unidentified(message).item_status())))
        }
    }
}

fn unidentified(message: String) -> Error {
    Error::cloud(PROVIDER, Reason::InstanceUnidentified, message)
}

fn told(node: &v1::NodeReference, answer: Answer, view: &View) -> v1::InstanceResult {
    let told = match answer.outcome {
        Outcome::Found(machine) => Told::Found(describe::instance(node, &machine, view)),
        Outcome::Absent { evidence } => {
            Told::NotFound(v1::InstanceAbsent { account: view.account.clone(), region: view.region.clone(), evidence })
        }
        Outcome::Unidentified(why) => Told::Unknown(unidentified(why.to_string()).item_status()),
    };
    result(node, told, Some(answer.observed_at))
}

fn result(node: &v1::NodeReference, answer: Told, at: Option<SystemTime>) -> v1::InstanceResult {
    let at = at.filter(|_| !matches!(answer, Told::Unknown(_)));
    v1::InstanceResult { node_name: node.node_name.clone(), answer: Some(answer), observed_at: at.map(Into::into) }
}
