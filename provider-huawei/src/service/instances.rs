//! The machines behind nodes.

use cloud_provider_api::{
    error::Reason,
    v1::{self, instance_result::Answer as Told, instances_server::Instances},
};
use futures::stream::BoxStream;
use provider_kit::{
    Call, Error, Result,
    inventory::{Clues, NodeView, Question, answer_nodes, check_nodes, internal_ips},
    rest::CloudConditions,
};
use tonic::{Request, Response, Status};

use super::{Provider, identity::MAX_INSTANCES};
use crate::{
    PROVIDER,
    accounts::Account,
    nodes::{
        describe::{self, View},
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
        let cluster = call.caller.cluster(request.cluster.as_ref())?.id.clone();
        let account = self.account(&call, "")?;
        let nodes = Nodes {
            conditions: account.conditions(&self.0.kit),
            view: self.view(account)?,
            vpc: account.cloud.config().vpc.id.clone().unwrap_or_default(),
        };
        let (results, machines) = answer_nodes(&account.inventory, &nodes, &request.nodes, max_age).await;
        let machines: Vec<_> = machines.into_iter().flatten().collect();
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

/// How nodes are read and servers described.
struct Nodes {
    conditions: CloudConditions,
    view: View,
    vpc: String,
}

impl NodeView<Machine> for Nodes {
    fn question<'a>(&'a self, node: &'a v1::NodeReference) -> Result<Question<'a>, Box<Told>> {
        match provider_id::parse(&node.provider_id) {
            ProviderId::Server(id) => Ok(Question::Id(id)),
            ProviderId::Unset => {
                Ok(Question::Node(Clues { name: &node.node_name, ips: internal_ips(node), vpc: &self.vpc }))
            }
            ProviderId::Foreign => {
                let reason = format!("providerID {:?} is not of Huawei Cloud's", node.provider_id);
                Err(Box::new(Told::NotOurs(v1::InstanceNotOurs { reason })))
            }
            ProviderId::Malformed => {
                let message =
                    format!("providerID {:?} names no server: huaweicloud://<server id> would", node.provider_id);
                let error = Error::cloud(PROVIDER, Reason::InstanceUnidentified, message);
                Err(Box::new(Told::Unknown(error.item_status())))
            }
        }
    }

    fn instance(&self, node: &v1::NodeReference, machine: &Machine) -> v1::Instance {
        describe::instance(node, machine, &self.view)
    }

    fn heard(&self, outcome: Result<(), &Error>) {
        self.conditions.heard(outcome);
    }

    fn unlisted(&self, count: usize) {
        self.conditions.unlisted(count);
    }

    fn absent(&self, evidence: String) -> v1::InstanceAbsent {
        v1::InstanceAbsent { account: self.view.account.clone(), region: self.view.region.clone(), evidence }
    }
}
