//! Routes that carry pod traffic between nodes, in the VPC's route table.

mod apply;

use std::sync::Arc;

use cloud_provider_api::{error::Reason, v1};
use provider_kit::{
    Call, Error, Result,
    inventory::{Outcome, Question},
    routes::{Tables, Wish, Work},
};

use self::apply::Pass;
use super::{Provider, identity::MAX_ROUTES};
use crate::{
    PROVIDER,
    accounts::Account,
    cloud::Cloud,
    fault,
    routes::plan::{Rule, own},
};

#[tonic::async_trait]
impl Tables for Provider {
    const MOST: u32 = MAX_ROUTES;

    async fn owned(&self, call: &Call, _: &v1::Cluster) -> Result<Vec<v1::Route>> {
        let account = self.routing_account(call)?;
        let table = table(account, &account.cloud).await?;
        let rules = account.cloud.route_rules(&table).await.map_err(|error| fault::of(&error))?;
        Ok(own_routes(account, &rules).await)
    }

    fn change(&self, call: &Call, _: &v1::Cluster, key: &str, wish: Wish, items: Vec<v1::RouteItem>) -> Result<Work> {
        let account = self.routing_account(call)?.clone();
        let cloud = account.acting_for(call, key);
        Ok(Box::pin(async move { Pass { account: &account, cloud: &cloud }.run(wish, &items).await }))
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
/// are shown as if they did, so that they go. What the Go provider made says no node: until the node on its machine was looked at it is
/// not shown, for under a name that is guessed it would be taken for a route to no node, and go.
async fn own_routes(account: &Account, rules: &[Rule]) -> Vec<v1::Route> {
    let own = own(rules, &account.cloud.config().cluster_id);
    let questions: Vec<Question<'_>> = own.iter().map(|(rule, _)| Question::Id(rule.nexthop.clone())).collect();
    let machines = account.fleet.look_up(&questions, None).await;
    let pairs = own.into_iter().zip(machines);
    pairs
        .filter_map(|((rule, marked), machine)| {
            let is_gone = machine.is_ok_and(|answer| matches!(answer.outcome, Outcome::Absent { .. }));
            let named = Some(marked.to_owned()).filter(|node| !node.is_empty());
            let node = named.or_else(|| account.hints.node_of(&rule.nexthop));
            (is_gone || node.is_some()).then(|| v1::Route {
                name: rule.id.clone(),
                target_node: node.unwrap_or_default(),
                destination_cidr: rule.destination.clone(),
                blackhole: is_gone || account.hints.is_kept_out(&rule.nexthop),
                ..v1::Route::default()
            })
        })
        .collect()
}
