//! One request to make or remove routes: read the table, plan, change it rule by rule. An answer that was lost is looked up before
//! anything is said about it.

use std::sync::{Mutex, PoisonError};

use cloud_provider_api::{error::Reason, v1};
use cloud_rest::{Executed, Kind};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use provider_kit::{Error, Result, routes::Wish};

use super::table;
use crate::{
    PROVIDER,
    accounts::Account,
    cloud::Cloud,
    fault,
    hints::{ADVERTISE_ROUTE, is_advertised},
    nodes::provider_id::{self, ProviderId},
    routes::plan::{Refusal, Rule, Step, Table, Unwanted, Want, network},
};

/// Rules changed at once. The cloud's own network plugin keeps below five calls a second.
const AT_ONCE: usize = 4;
/// A rule that was removed can be made again under another token after this many seconds at the latest.
const WINDOW: i64 = 600;

/// A well-formed item.
#[derive(Clone)]
enum Item {
    Want(Want),
    Unwanted(Unwanted),
    /// The node does not want it.
    KeptOut,
}

/// For whom and how.
#[derive(Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) account: &'a Account,
    /// The account's, working for the caller.
    pub(super) cloud: &'a Cloud,
}

/// What one change is made with.
struct Change {
    item: Item,
    delete: Vec<String>,
    create: Option<Rule>,
}

impl Pass<'_> {
    pub(super) async fn run(self, wish: Wish, items: &[v1::RouteItem]) -> Result<Vec<v1::RouteResult>> {
        let read: Vec<Result<Item>> = items.iter().map(|item| parse(wish, item)).collect();
        let _turn = self.account.table_turn.lock().await;
        let table = table(self.account, self.cloud).await?;
        let rules = match self.cloud.route_rules(&table).await {
            Ok(rules) => rules,
            Err(error) => {
                if error.is_not_found() {
                    *self.account.table.lock().await = None;
                }
                return Err(fault::of(&error));
            }
        };
        let mut outcomes: Vec<Result<()>> =
            read.iter().map(|item| item.as_ref().map(drop).map_err(Clone::clone)).collect();
        let mut changes = Vec::new();
        for (index, step) in self.plan(&read, &rules) {
            match step {
                Step::Done => {}
                Step::Refused(refusal) => outcomes[index] = Err(refused(&refusal)),
                Step::Change { delete, create } => {
                    if let Ok(item) = &read[index] {
                        changes.push((index, Change { item: item.clone(), delete, create }));
                    }
                }
            }
        }
        for (index, outcome) in self.apply(&table, changes).await {
            outcomes[index] = outcome;
        }
        let pairs = items.iter().zip(outcomes);
        Ok(pairs.map(|(item, outcome)| v1::RouteResult { id: item.id, status: Some(status(outcome)) }).collect())
    }

    /// A step for each item that is well-formed, by its index.
    fn plan(self, items: &[Result<Item>], rules: &[Rule]) -> Vec<(usize, Step)> {
        let table = Table::new(rules, &self.cloud.config().cluster_id);
        let (mut wants, mut unwanted, mut places) = (Vec::new(), Vec::new(), (Vec::new(), Vec::new()));
        for (index, item) in items.iter().enumerate() {
            match item {
                Ok(Item::Want(want)) => {
                    wants.push(want.clone());
                    places.0.push(index);
                }
                Ok(Item::Unwanted(route)) => {
                    unwanted.push(route.clone());
                    places.1.push(index);
                }
                Ok(Item::KeptOut) | Err(_) => {}
            }
        }
        let created = places.0.into_iter().zip(table.create(&wants));
        let node_of = |machine: &str| self.account.hints.node_of(machine);
        created.chain(places.1.into_iter().zip(table.delete(&unwanted, node_of))).collect()
    }

    /// Makes all changes, some at once; an outcome for each. What would fail for all alike ends it for those not begun yet.
    async fn apply(self, table: &str, changes: Vec<(usize, Change)>) -> Vec<(usize, Result<()>)> {
        let stopped: Mutex<Option<Error>> = Mutex::new(None);
        let stop = || stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let work = stream::iter(changes).map(async |(index, change)| {
            if let Some(error) = stop().clone() {
                return (index, Err(error));
            }
            let Err(error) = self.change(table, &change).await else { return (index, Ok(())) };
            let told = told(&error, table);
            // What one rule is to blame for says nothing about the next ones.
            if !matches!(error.kind, Kind::Conflict | Kind::Invalid | Kind::NotFound | Kind::Pending) {
                stop().get_or_insert(told.clone());
            }
            let look = error.executed != Executed::No || error.kind == Kind::Conflict;
            (index, if look { self.settled(table, &change.item, told).await } else { Err(told) })
        });
        work.buffered(AT_ONCE).collect().await
    }

    async fn change(self, table: &str, change: &Change) -> Result<(), cloud_rest::Error> {
        for id in &change.delete {
            self.cloud.delete_route_rule(id).await?;
        }
        if let Some(rule) = &change.create {
            let window = (Timestamp::now().as_second() / WINDOW).to_string();
            self.cloud.create_route_rule(table, rule, &window).await?;
        }
        Ok(())
    }

    /// What became of a change that failed, by the table as it is now.
    async fn settled(self, table: &str, item: &Item, told: Error) -> Result<()> {
        let Ok(rules) = self.cloud.route_rules(table).await else { return Err(told) };
        match self.plan(&[Ok(item.clone())], &rules).pop() {
            Some((_, Step::Done)) => Ok(()),
            Some((_, Step::Refused(refusal))) => Err(refused(&refusal)),
            Some((_, Step::Change { .. })) | None => Err(told),
        }
    }
}

/// What an item asks for. All items of a request ask for the same.
fn parse(wish: Wish, item: &v1::RouteItem) -> Result<Item> {
    let route = item.route.clone().unwrap_or_default();
    let field = |field: &str, problem: String| Error::field(format!("route.{field}"), problem);
    let destination = network(&route.destination_cidr)
        .ok_or_else(|| field("destination_cidr", format!("{:?} is no CIDR", route.destination_cidr)))?;
    if wish == Wish::Delete {
        return Ok(Item::Unwanted(Unwanted { id: route.name, node: route.target_node, destination }));
    }
    if route.target_node.is_empty() {
        return Err(field("target_node", "is missing".to_owned()));
    }
    match is_advertised(&route.annotations) {
        Ok(true) => {}
        Ok(false) => return Ok(Item::KeptOut),
        Err(value) => {
            let message =
                format!("annotation {ADVERTISE_ROUTE} of node {} is {value:?}: write true or false", route.target_node);
            let place = format!("annotations[{ADVERTISE_ROUTE}]");
            return Err(Error::cloud(PROVIDER, Reason::AnnotationInvalid, message)
                .violation(place, "is neither true nor false"));
        }
    }
    match provider_id::parse(&route.target_provider_id) {
        ProviderId::Machine(machine) if !provider_id::is_at_the_edge(&machine) => {
            Ok(Item::Want(Want { node: route.target_node, destination, machine }))
        }
        ProviderId::Machine(_) | ProviderId::Unset | ProviderId::Malformed | ProviderId::Foreign => {
            let problem = format!("{:?} is no machine of a region of Baidu AI Cloud's", route.target_provider_id);
            Err(field("target_provider_id", problem))
        }
    }
}

/// A refusal in the API's words.
fn refused(refusal: &Refusal) -> Error {
    match refusal {
        Refusal::Taken(_) | Refusal::NotOurs(_) => Error::cloud(PROVIDER, Reason::NotOurs, refusal.to_string()),
        Refusal::Twice(_) => Error::field("route.destination_cidr", refusal.to_string()),
    }
}

/// The failure in the API's words.
fn told(error: &cloud_rest::Error, table: &str) -> Error {
    if error.kind == Kind::Quota {
        let message = format!("route table {table} is full: {error}; have its quota raised or use fewer routes");
        return Error::cloud(PROVIDER, Reason::QuotaExhausted, message)
            .quota(format!("rules of table {table}"), error.message.clone());
    }
    fault::of(error)
}

fn status(outcome: Result<()>) -> v1::ItemStatus {
    outcome.map_or_else(|error| error.item_status(), |()| v1::ItemStatus::default())
}
