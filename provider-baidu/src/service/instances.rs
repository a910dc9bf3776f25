//! The machines behind nodes.

use cloud_provider_api::{
    error::Reason,
    v1::{self, instance_result::Answer as Told, instances_server::Instances},
};
use futures::stream::BoxStream;
use provider_kit::{
    Call, Error, Result,
    inventory::{Clues, NodeView, Question, Unidentified, answer_nodes, check_nodes, internal_ips},
    rest::CloudConditions,
};
use tonic::{Request, Response, Status};

use super::{Provider, identity::MAX_INSTANCES};
use crate::{
    PROVIDER,
    config::Config,
    nodes::{
        describe,
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
        let max_age = check_nodes(&request, MAX_INSTANCES)?;
        call.caller.cluster(request.cluster.as_ref())?;
        let account = self.account(&call, "")?;
        let view = Nodes { config: account.cloud.config(), conditions: account.conditions(&self.0.kit) };
        let (results, machines) = answer_nodes(&account.fleet, &view, &request.nodes, max_age).await;
        for ((node, machine), result) in request.nodes.iter().zip(&machines).zip(&results) {
            if let Some(machine) = machine {
                account.hints.learn(&node.node_name, &node.annotations, machine);
            } else if let (Some(Told::NotFound(_)), ProviderId::Machine(id)) =
                (&result.answer, provider_id::parse(&node.provider_id))
            {
                account.hints.forget(&id);
            }
        }
        Ok(Response::new(v1::BatchGetInstancesResponse { results }))
    }

    type WatchInstancesStream = BoxStream<'static, Result<v1::WatchInstancesResponse, Status>>;

    async fn watch_instances(
        &self,
        _: Request<v1::WatchInstancesRequest>,
    ) -> Result<Response<Self::WatchInstancesStream>, Status> {
        let message = "the cloud tells of no changes: CAPABILITY_INSTANCE_WATCH was not announced";
        Err(Error::new(Reason::CapabilityAbsent, message).into())
    }
}

/// How nodes are read and machines described.
struct Nodes<'c> {
    config: &'c Config,
    conditions: CloudConditions,
}

impl NodeView<Machine> for Nodes<'_> {
    fn question<'a>(&'a self, node: &'a v1::NodeReference) -> Result<Question<'a>, Box<Told>> {
        match provider_id::parse(&node.provider_id) {
            ProviderId::Machine(id) => Ok(Question::Id(id)),
            ProviderId::Unset => {
                let vpc = self.config.vpc_id.as_deref().unwrap_or_default();
                Ok(Question::Node(Clues { name: &node.node_name, ips: internal_ips(node), vpc }))
            }
            ProviderId::Foreign => {
                let reason = format!("providerID {:?} is not of Baidu AI Cloud's", node.provider_id);
                Err(Box::new(Told::NotOurs(v1::InstanceNotOurs { reason })))
            }
            ProviderId::Malformed => {
                let message = format!("providerID {:?} names no machine: cce://<machine id> would", node.provider_id);
                let error = Error::cloud(PROVIDER, Reason::InstanceUnidentified, message);
                Err(Box::new(Told::Unknown(error.item_status())))
            }
        }
    }

    fn instance(&self, node: &v1::NodeReference, machine: &Machine) -> v1::Instance {
        describe::instance(node, machine, self.config)
    }

    fn heard(&self, outcome: Result<(), &Error>) {
        self.conditions.heard(outcome);
    }

    fn unlisted(&self, count: usize) {
        self.conditions.unlisted(count);
    }

    fn absent(&self, evidence: String) -> v1::InstanceAbsent {
        v1::InstanceAbsent { account: self.config.account_id.clone(), region: self.config.region.clone(), evidence }
    }

    /// At the edge users join machines of their own, which the cloud knows nothing of.
    fn unidentified(&self, why: &Unidentified) -> Option<Told> {
        let may_be_own = self.config.profile.features.own_machines && matches!(why, Unidentified::NoMatch { .. });
        may_be_own.then(|| {
            let reason = format!("a machine of the user's own, as it seems: {why}");
            Told::NotOurs(v1::InstanceNotOurs { reason })
        })
    }
}
