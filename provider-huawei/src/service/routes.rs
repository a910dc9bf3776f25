//! Routes that carry pod traffic between nodes, in a route table of the VPC.

mod apply;
mod pass;
mod ports;
mod table;

use std::sync::Arc;

use cloud_provider_api::{error::Reason, v1};
use provider_kit::{
    Call, Error, Result,
    inventory::{Outcome, Question},
    routes::{Tables, Wish, Work},
};

use self::pass::Pass;
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
impl Tables for Provider {
    const MOST: u32 = MAX_ROUTES;

    async fn owned(&self, call: &Call, cluster: &v1::Cluster) -> Result<Vec<v1::Route>> {
        let account = self.routing_account(call)?;
        let (table, routes) = account.tables.read(&account.cloud).await?;
        Ok(own_routes(account, &table, &routes, &cluster.id).await)
    }

    fn change(
        &self,
        call: &Call,
        cluster: &v1::Cluster,
        key: &str,
        wish: Wish,
        items: Vec<v1::RouteItem>,
    ) -> Result<Work> {
        let account = self.routing_account(call)?.clone();
        let (cloud, cluster, per_request) =
            (account.acting_for(call, key), cluster.id.clone(), self.0.routes_per_request);
        Ok(Box::pin(async move {
            Pass { account: &account, cloud: &cloud, cluster: &cluster, per_request }.run(wish, &items).await
        }))
    }
}

impl Provider {
    fn routing_account(&self, call: &Call) -> Result<&Arc<Account>> {
        let account = self.account(call, "")?;
        if is_configured(&account.cloud) { Ok(account) } else { Err(not_configured()) }
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
