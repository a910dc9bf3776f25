//! One request to make or remove routes: read the table, plan, see to the ports, change the table.

use cloud_provider_api::{error::Reason, v1};
use provider_kit::{Error, Result, routes::Wish};

use super::{apply::Apply, ports};
use crate::{
    PROVIDER,
    accounts::Account,
    cloud::Cloud,
    nodes::provider_id::{self, ProviderId},
    routes::plan::{self, Change, Refusal, Step, Table, TableRoute, Unwanted, Want},
};

/// For whom, where and how.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) account: &'a Account,
    /// The account's, working for the caller.
    pub(super) cloud: &'a Cloud,
    /// Id of the cluster.
    pub(super) cluster: &'a str,
    /// Most changes in one update.
    pub(super) per_request: usize,
}

/// A well-formed item.
pub(super) enum Item {
    Want(Want),
    Unwanted(Unwanted),
}

impl Pass<'_> {
    pub(super) async fn run(self, wish: Wish, items: &[v1::RouteItem]) -> Result<Vec<v1::RouteResult>> {
        let read: Vec<Result<Item>> = items.iter().map(|item| parse(wish, item)).collect();
        let _turn = self.account.tables.turn().await;
        let (table, routes) = self.account.tables.read(self.cloud).await?;
        let mut outcomes: Vec<Result<()>> = Vec::with_capacity(items.len());
        let mut changes = Vec::new();
        for (index, (item, step)) in read.iter().zip(self.plan(&read, &routes)).enumerate() {
            outcomes.push(match (item, step) {
                (Err(error), _) => Err(error.clone()),
                (Ok(_), Some(Step::Change(change))) => {
                    changes.push((index, change));
                    Ok(())
                }
                (Ok(_), Some(Step::Refused(refusal))) => Err(refused(&refusal)),
                (Ok(_), Some(Step::Done) | None) => Ok(()),
            });
        }
        // The ports first: a route that is there says that its port is done.
        let ready = ports::prepare(self.account, self.cloud, &changes).await;
        let (mut go, mut stay) = (Vec::new(), Vec::new());
        for ((index, change), outcome) in changes.into_iter().zip(ready) {
            match outcome {
                Ok(()) => go.push((index, change)),
                Err(error) => stay.push((index, Err(error))),
            }
        }
        let apply = Apply { pass: self, table: &table, items: &read };
        for (index, outcome) in apply.run(go).await.into_iter().chain(stay) {
            outcomes[index] = outcome;
        }
        let pairs = items.iter().zip(outcomes);
        Ok(pairs.map(|(item, outcome)| v1::RouteResult { id: item.id, status: Some(status(outcome)) }).collect())
    }

    /// A step for each item that is well-formed.
    pub(super) fn plan(self, items: &[Result<Item>], routes: &[TableRoute]) -> Vec<Option<Step>> {
        let table = Table::new(routes, self.cluster);
        let mut wants = Vec::new();
        let mut unwanted = Vec::new();
        for item in items.iter().flatten() {
            match item {
                Item::Want(want) => wants.push(want.clone()),
                Item::Unwanted(route) => unwanted.push(route.clone()),
            }
        }
        let mut steps = table.create(&wants).into_iter().chain(table.delete(&unwanted));
        items.iter().map(|item| item.as_ref().ok().and_then(|_| steps.next())).collect()
    }
}

/// What an item asks for. All items of a request ask for the same.
fn parse(wish: Wish, item: &v1::RouteItem) -> Result<Item> {
    let route = item.route.clone().unwrap_or_default();
    let field = |field: &str, problem: String| Error::field(format!("route.{field}"), problem);
    let destination = plan::network(&route.destination_cidr)
        .ok_or_else(|| field("destination_cidr", format!("{:?} is no CIDR", route.destination_cidr)))?;
    if wish == Wish::Delete {
        return Ok(Item::Unwanted(Unwanted { node: route.target_node, destination }));
    }
    if route.target_node.is_empty() {
        return Err(field("target_node", "is missing".to_owned()));
    }
    match provider_id::parse(&route.target_provider_id) {
        ProviderId::Server(server) => Ok(Item::Want(Want { node: route.target_node, destination, server })),
        ProviderId::Unset | ProviderId::Malformed | ProviderId::Foreign => {
            let problem = format!("{:?} is no server of Huawei Cloud's", route.target_provider_id);
            Err(field("target_provider_id", problem))
        }
    }
}

/// A refusal in the API's words.
pub(super) fn refused(refusal: &Refusal) -> Error {
    let reason = match refusal {
        Refusal::Taken { .. } | Refusal::NotOurs { .. } => Reason::NotOurs,
        Refusal::NameTooLong { .. } => Reason::OutOfRange,
        Refusal::Twice { .. } => return Error::field("route.destination_cidr", refusal.to_string()),
    };
    Error::cloud(PROVIDER, reason, refusal.to_string())
}

fn status(outcome: Result<()>) -> v1::ItemStatus {
    outcome.map_or_else(|error| error.item_status(), |()| v1::ItemStatus::default())
}

/// The network a change is about.
pub(super) fn destination(change: &Change) -> &TableRoute {
    match change {
        Change::Add(route) | Change::Modify(route) | Change::Delete(route) => route,
    }
}
