//! Routes that carry pod traffic between nodes, in the VPC's route table.

mod apply;

use std::{sync::Arc, time::SystemTime};

use cloud_provider_api::{
    error::Reason,
    v1::{self, routes_server::Routes},
};
use futures::stream;
use provider_kit::{
    Batch, Call, Error, Listing, Result, check_routes,
    inventory::{Outcome, Question},
    listing,
};
use tonic::{Request, Response, Status};

use self::apply::{Pass, Wish};
use super::{Provider, identity::MAX_ROUTES};
use crate::{
    PROVIDER,
    accounts::Account,
    cloud::Cloud,
    fault,
    routes::plan::{Rule, own},
};

#[tonic::async_trait]
impl Routes for Provider {
    type ListRoutesStream = Listing<v1::ListRoutesResponse>;

    async fn list_routes(
        &self,
        request: Request<v1::ListRoutesRequest>,
    ) -> Result<Response<Self::ListRoutesStream>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        call.caller.cluster(request.cluster.as_ref())?;
        let account = self.routing_account(&call)?;
        let observed_at = SystemTime::now();
        let table = table(account, &account.cloud).await?;
        let rules = account.cloud.route_rules(&table).await.map_err(|error| fault::of(&error))?;
        let items = own_routes(account, &rules).await;
        Ok(Response::new(listing(stream::iter([Ok(Batch { items, observed_at })]))))
    }

    async fn create_routes(
        &self,
        request: Request<v1::CreateRoutesRequest>,
    ) -> Result<Response<v1::CreateRoutesResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        check_routes(&request.routes, MAX_ROUTES)?;
        let cluster = call.caller.cluster(request.cluster.as_ref())?.id.clone();
        let results = self.change(&call, &cluster, Wish::Create, request.routes).await?;
        Ok(Response::new(v1::CreateRoutesResponse { results }))
    }

    async fn delete_routes(
        &self,
        request: Request<v1::DeleteRoutesRequest>,
    ) -> Result<Response<v1::DeleteRoutesResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        check_routes(&request.routes, MAX_ROUTES)?;
        let cluster = call.caller.cluster(request.cluster.as_ref())?.id.clone();
        let results = self.change(&call, &cluster, Wish::Delete, request.routes).await?;
        Ok(Response::new(v1::DeleteRoutesResponse { results }))
    }
}

impl Provider {
    fn routing_account(&self, call: &Call) -> Result<&Arc<Account>> {
        let account = self.account(call, "")?;
        if account.cloud.config().profile.features.routes {
            return Ok(account);
        }
        let message = "this profile's installation has no routes: CAPABILITY_ROUTES was not announced";
        Err(Error::new(Reason::CapabilityAbsent, message))
    }

    /// Makes or removes routes, in a task that outlives its caller.
    async fn change(
        &self,
        call: &Call,
        cluster: &str,
        wish: Wish,
        items: Vec<v1::RouteItem>,
    ) -> Result<Vec<v1::RouteResult>> {
        let account = self.routing_account(call)?.clone();
        // The same request again joins the one under way; others wait for the table themselves.
        let first = items.first().and_then(|item| item.route.as_ref()).map_or("", |route| &route.destination_cidr);
        let key = format!("routes/{}/{cluster}/{first}+{}", wish.as_str(), items.len());
        let cloud = account.acting_for(call, &key);
        let work = {
            let items = items.clone();
            async move { Pass { account: &account, cloud: &cloud }.run(wish, &items).await }
        };
        self.0.kit.writes().run(&key, items, work).await
    }
}

/// The id of the VPC's route table, looked up once.
async fn table(account: &Account, cloud: &Cloud) -> Result<String> {
    let mut known = account.table.lock().await;
    if let Some(table) = &*known {
        return Ok(table.clone());
    }
    let vpc = cloud.config().vpc_id.clone().or_else(|| account.hints.vpc()).ok_or_else(|| {
        let message = "the VPC of the nodes is not known before the first of them is looked at; VpcId in the cloud \
                       configuration makes that needless";
        Error::new(Reason::Starting, message)
    })?;
    let found = cloud.route_table(&vpc).await;
    let table = found.map_err(|error| {
        if error.is_not_found() {
            let message = format!("VPC {vpc} shows no route table: {error}; check VpcId in the cloud configuration");
            return Error::cloud(PROVIDER, Reason::ReferenceMissing, message);
        }
        fault::of(&error)
    })?;
    Ok(known.insert(table).clone())
}

/// The routes this cluster may change. Those to a machine that is proven gone lead nowhere, and those that the node does not want
/// are shown as if they did, so that they go.
async fn own_routes(account: &Account, rules: &[Rule]) -> Vec<v1::Route> {
    let own = own(rules, &account.cloud.config().cluster_id);
    let questions: Vec<Question<'_>> = own.iter().map(|(rule, _)| Question::Id(rule.nexthop.clone())).collect();
    let machines = account.fleet.look_up(&questions, None).await;
    let pairs = own.into_iter().zip(machines);
    pairs
        .map(|((rule, marked), machine)| {
            let outcome = machine.ok().map(|answer| answer.outcome);
            let is_gone = matches!(outcome, Some(Outcome::Absent { .. }));
            // The Go provider did not say for which node: CCE calls nodes by their address, unless we know better.
            let by_address = || match &outcome {
                Some(Outcome::Found(machine)) => machine.internal.first().map(ToString::to_string),
                _ => None,
            };
            let named = Some(marked.to_owned()).filter(|node| !node.is_empty());
            v1::Route {
                name: rule.id.clone(),
                target_node: named
                    .or_else(|| account.hints.node_of(&rule.nexthop))
                    .or_else(by_address)
                    .unwrap_or_default(),
                destination_cidr: rule.destination.clone(),
                blackhole: is_gone || account.hints.is_kept_out(&rule.nexthop),
                ..v1::Route::default()
            }
        })
        .collect()
}
