//! Routes that carry pod traffic between nodes, in a route table of the VPC.

mod apply;
mod pass;
mod ports;
mod table;

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

use self::pass::{Pass, Wish};
pub(crate) use self::table::RouteTables;
use super::{Provider, identity::MAX_ROUTES};
use crate::{
    accounts::Account,
    cloud::Cloud,
    routes::{
        mark::{self, Whose},
        plan::{TO_SERVER, TableRoute},
    },
};

/// Whether an account has a table to keep routes in.
pub(super) fn is_configured(cloud: &Cloud) -> bool {
    let vpc = &cloud.config().vpc;
    vpc.id.is_some() || vpc.route_table_id.is_some()
}

#[tonic::async_trait]
impl Routes for Provider {
    type ListRoutesStream = Listing<v1::ListRoutesResponse>;

    async fn list_routes(
        &self,
        request: Request<v1::ListRoutesRequest>,
    ) -> Result<Response<Self::ListRoutesStream>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        let cluster = call.caller.cluster(request.cluster.as_ref())?;
        let account = self.routing_account(&call)?;
        let observed_at = SystemTime::now();
        let (table, routes) = account.tables.read(&account.cloud).await?;
        let items = own_routes(account, &table, &routes, &cluster.id).await;
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
        let results = self.change(&call, cluster, Wish::Create, request.routes).await?;
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
        let results = self.change(&call, cluster, Wish::Delete, request.routes).await?;
        Ok(Response::new(v1::DeleteRoutesResponse { results }))
    }
}

impl Provider {
    fn routing_account(&self, call: &Call) -> Result<&Arc<Account>> {
        let account = self.account(call, "")?;
        if is_configured(&account.cloud) { Ok(account) } else { Err(not_configured()) }
    }

    /// Makes or removes routes, in a task that outlives its caller.
    async fn change(
        &self,
        call: &Call,
        cluster: String,
        wish: Wish,
        items: Vec<v1::RouteItem>,
    ) -> Result<Vec<v1::RouteResult>> {
        let account = self.routing_account(call)?.clone();
        // The same request again joins the one under way; others wait for the table themselves.
        let first = items.first().and_then(|item| item.route.as_ref()).map_or("", |route| &route.destination_cidr);
        let key = format!("routes/{}/{cluster}/{first}+{}", wish.as_str(), items.len());
        let cloud = account.acting_for(call, &key);
        let per_request = self.0.routes_per_request;
        let work = {
            let items = items.clone();
            async move { Pass { account: &account, cloud: &cloud, cluster: &cluster, per_request }.run(wish, &items).await }
        };
        self.0.kit.writes().run(&key, items, work).await
    }
}

fn not_configured() -> Error {
    let message =
        "routes need [Vpc] id or route-table-id in the cloud configuration; CAPABILITY_ROUTES was not announced";
    Error::new(Reason::CapabilityAbsent, message)
}

/// The routes this cluster may change, by their marks. Those to a server that is proven gone lead nowhere.
async fn own_routes(account: &Account, table: &str, routes: &[TableRoute], cluster: &str) -> Vec<v1::Route> {
    let own: Vec<(&TableRoute, &str)> = routes
        .iter()
        .filter_map(|route| match mark::read(&route.description, cluster) {
            Whose::Ours { node } => Some((route, node)),
            Whose::OtherCluster | Whose::Unmarked => None,
        })
        .collect();
    let questions: Vec<Question<'_>> =
        own.iter().map(|(route, _)| Question::Id(route.nexthop.to_ascii_lowercase())).collect();
    let servers = account.inventory.look_up(&questions, None).await;
    let pairs = own.into_iter().zip(servers);
    pairs
        .map(|((route, node), server)| {
            let is_gone = matches!(server, Ok(answer) if matches!(answer.outcome, Outcome::Absent { .. }));
            v1::Route {
                name: format!("{table}/{}", route.destination),
                target_node: node.to_owned(),
                destination_cidr: route.destination.clone(),
                blackhole: is_gone && route.kind == TO_SERVER,
                ..v1::Route::default()
            }
        })
        .collect()
}
