//! Changes of a table, some in each request. One that cannot be must not take the others along, and one whose answer was lost
//! is looked up before anything is said about it.

use cloud_provider_api::error::Reason;
use cloud_rest::{Executed, Kind};
use provider_kit::{Error, Result};

use super::pass::{Item, Pass, refused};
use crate::{
    PROVIDER, fault,
    routes::plan::{Change, Step},
};

/// Where changes are made, and for which items.
#[derive(Clone, Copy)]
pub(super) struct Apply<'a> {
    pub(super) pass: Pass<'a>,
    pub(super) table: &'a str,
    pub(super) items: &'a [Result<Item>],
}

/// A change and the index of its item.
pub(super) type Numbered = (usize, Change);
/// What became of items.
type Outcomes = Vec<(usize, Result<()>)>;

impl Apply<'_> {
    /// Makes all changes; an outcome for each.
    pub(super) async fn run(self, changes: Vec<Numbered>) -> Outcomes {
        let mut outcomes = Vec::with_capacity(changes.len());
        // Removals first: they make room, within the quota too.
        let (deletions, others): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(_, change)| matches!(change, Change::Delete(_)));
        let most = self.pass.per_request;
        let mut stopped: Option<Error> = None;
        for chunk in deletions.chunks(most).chain(others.chunks(most)) {
            if stopped.is_none() {
                let (done, stop) = self.chunk(chunk).await;
                outcomes.extend(done);
                stopped = stop;
            } else if let Some(error) = &stopped {
                outcomes.extend(all(chunk, &Err(error.clone())));
            }
        }
        outcomes
    }

    /// One request, and one for each entry where one of them spoils it. The second: why there is no use in going on.
    async fn chunk(self, chunk: &[Numbered]) -> (Outcomes, Option<Error>) {
        let Err(error) = self.update(chunk).await else { return (all(chunk, &Ok(())), None) };
        let spoilt = matches!(error.kind, Kind::Conflict | Kind::Quota | Kind::Invalid | Kind::NotFound);
        if !spoilt || chunk.len() == 1 {
            return self.failed(chunk, &error).await;
        }
        let mut outcomes = Vec::with_capacity(chunk.len());
        let mut stopped: Option<Error> = None;
        for one in chunk.chunks(1) {
            if let Some(error) = &stopped {
                outcomes.extend(all(one, &Err(error.clone())));
                continue;
            }
            match self.update(one).await {
                Ok(()) => outcomes.extend(all(one, &Ok(()))),
                Err(error) => {
                    let (done, stop) = self.failed(one, &error).await;
                    outcomes.extend(done);
                    stopped = stop;
                }
            }
        }
        (outcomes, stopped)
    }

    async fn update(self, chunk: &[Numbered]) -> Result<(), cloud_rest::Error> {
        let changes: Vec<Change> = chunk.iter().map(|(_, change)| change.clone()).collect();
        self.pass.cloud.update_routes(self.table, &changes).await.map(drop)
    }

    /// What became of changes whose request failed, and why there is no use in going on, if there is none.
    async fn failed(self, chunk: &[Numbered], error: &cloud_rest::Error) -> (Outcomes, Option<Error>) {
        let told = told(error, self.table);
        let look = error.executed != Executed::No || matches!(error.kind, Kind::Conflict | Kind::NotFound);
        let outcomes = if look { settled(chunk, &told, self.again().await) } else { all(chunk, &Err(told.clone())) };
        // What one entry is to blame for says nothing about the next ones.
        let go_on = matches!(error.kind, Kind::Conflict | Kind::Invalid | Kind::NotFound);
        (outcomes, (!go_on).then_some(told))
    }

    /// Plans all items anew, on the table as it is now.
    async fn again(self) -> Result<Vec<Option<Step>>> {
        let (_, routes) = self.pass.account.tables.read(self.pass.cloud).await?;
        Ok(self.pass.plan(self.items, &routes))
    }
}

fn all(chunk: &[Numbered], outcome: &Result<()>) -> Outcomes {
    chunk.iter().map(|(index, _)| (*index, outcome.clone())).collect()
}

/// What became of changes whose request failed, by the table as it is now.
fn settled(chunk: &[Numbered], told: &Error, steps: Result<Vec<Option<Step>>>) -> Outcomes {
    let Ok(steps) = steps else { return all(chunk, &Err(told.clone())) };
    let outcome = |index: usize| match steps.get(index).and_then(Option::as_ref) {
        Some(Step::Done) => Ok(()),
        Some(Step::Refused(refusal)) => Err(refused(refusal)),
        Some(Step::Change(_)) | None => Err(told.clone()),
    };
    chunk.iter().map(|(index, _)| (*index, outcome(*index))).collect()
}

/// The failure in the API's words.
fn told(error: &cloud_rest::Error, table: &str) -> Error {
    if error.kind == Kind::Quota {
        let message = format!("route table {table} is full: {error}; have its quota raised or use fewer routes");
        return Error::cloud(PROVIDER, Reason::QuotaExhausted, message)
            .quota(format!("routes of table {table}"), error.message.clone());
    }
    fault::of(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::plan::{Refusal, TableRoute};

    fn change(destination: &str) -> Change {
        Change::Add(TableRoute {
            kind: "ecs".to_owned(),
            destination: destination.to_owned(),
            nexthop: "s".to_owned(),
            description: String::new(),
        })
    }

    #[test]
    fn a_lost_answer_is_judged_by_the_table() {
        let chunk = [(0, change("10.0.0.0/24")), (2, change("10.0.2.0/24")), (3, change("10.0.3.0/24"))];
        let taken = Refusal::NotOurs { destination: "10.0.3.0/24".to_owned(), description: String::new() };
        let steps = vec![Some(Step::Done), None, Some(Step::Change(change("10.0.2.0/24"))), Some(Step::Refused(taken))];
        let told = Error::cloud(PROVIDER, Reason::TimedOut, "lost");
        let outcomes = settled(&chunk, &told, Ok(steps));
        let reasons: Vec<_> =
            outcomes.iter().map(|(index, outcome)| (*index, outcome.as_ref().err().map(Error::reason))).collect();
        assert_eq!(reasons, [(0, None), (2, Some(Reason::TimedOut)), (3, Some(Reason::NotOurs))]);
        let unread = settled(&chunk, &told, Err(told.clone()));
        assert!(unread.iter().all(|(_, outcome)| outcome.is_err()));
    }

    #[test]
    fn a_full_table_names_its_quota() {
        let error = cloud_rest::Error::unsent("UpdateRouteTable", Kind::Quota, "Quota exceeded for routes: 200");
        let told = told(&error, "rtb-1");
        assert_eq!(told.reason(), Reason::QuotaExhausted);
        assert!(told.message().contains("rtb-1") && told.message().contains("200"), "{}", told.message());
    }
}
