//! What machines an account has in its region: one listing answers any number of look-ups.
//!
//! * A listing is read by one task at a time, whoever asks; those who ask meanwhile share it if it is new enough for them, and
//!   share its failure. It goes on when its caller goes away.
//! * What the listing lacks is asked for by id, many at once, and what that lacks too is asked for by itself. Only the
//!   cloud's own word about that one machine is absence: lists lag, pages shift while they are read, and a listing that is
//!   empty for half a minute must not cost anybody a node.
//! * Few machines of a large account are asked for by id at once, where that is cheaper, as it is until such calls come to what
//!   a listing costs.

mod batch;
mod by_id;
mod identify;
mod snapshot;
#[cfg(test)]
mod tests;
mod unlisted;

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use cloud_provider_api::error::Reason;
use futures::{StreamExt as _, stream};
use tokio::{sync::Mutex as Turn, time::Instant};

pub use self::{
    batch::{NodeView, PROVIDED_NODE_IP, answer_nodes, check_nodes, internal_ips, tag_labels},
    identify::{Candidates, Clues, Unidentified, identify},
    snapshot::Snapshot,
};
use self::{by_id::Spent, unlisted::Unlisted};
use crate::error::{Error, Result};

/// How old an answer may be when the caller does not say.
const DEFAULT_AGE: Duration = Duration::from_secs(30);
/// A node nobody could name a machine for is looked for in a listing at most this old: its machine may have just been made.
const MISS_AGE: Duration = Duration::from_secs(10);
/// Single machines asked for at once.
const SHOWS_AT_ONCE: usize = 8;

/// A machine, as far as it matters for finding it: thousands are kept in memory.
pub trait Machine: Clone + Send + Sync + 'static {
    /// The cloud's id.
    fn id(&self) -> &str;

    /// What a node on it may be called.
    fn names(&self) -> Vec<&str>;

    /// Its addresses, and whether each is reached from outside only, and so nobody's internal one.
    fn addresses(&self) -> Vec<(IpAddr, bool)>;

    /// Whether it is in this network (VPC).
    fn is_in(&self, network: &str) -> bool;

    /// Whether it is on its way out, so that no new node is on it.
    fn is_leaving(&self) -> bool;
}

/// Where machines are read from.
pub trait Servers: Send + Sync + 'static {
    /// What is read.
    type Machine: Machine;

    /// The provider's name, the domain of errors that are the cloud's.
    const PROVIDER: &'static str;
    /// Scheme of the providerIDs, without `://`, for what people are told.
    const SCHEME: &'static str;
    /// Most ids in one [`Self::by_ids`].
    const IDS_PER_CALL: usize = 100;
    /// Most machines in one page of [`Self::list`], which tells what it costs.
    const PER_PAGE: usize = 1000;

    /// All of them, complete, or an error.
    fn list(&self) -> impl Future<Output = Result<Vec<Self::Machine>>> + Send;

    /// Those of at most [`Self::IDS_PER_CALL`] ids that are there.
    fn by_ids(&self, ids: &[String]) -> impl Future<Output = Result<Vec<Self::Machine>>> + Send;

    /// One.
    fn show(&self, id: &str) -> impl Future<Output = Result<Shown<Self::Machine>>> + Send;
}

/// The cloud's word about one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown<M> {
    /// It is there.
    There(Box<M>),
    /// It is not, in the cloud's own words.
    Absent {
        /// Error code and request id.
        evidence: String,
    },
}

/// Which machine is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// The one with this id.
    Id(String),
    /// The one that is a node's.
    Node(Clues<'a>),
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Answer<M> {
    /// What is known.
    pub outcome: Outcome<M>,
    /// When the cloud said so.
    pub observed_at: SystemTime,
}

/// What is known of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<M> {
    /// It is there.
    Found(Arc<M>),
    /// It is not, in the cloud's own words.
    Absent {
        /// Error code and request id.
        evidence: String,
    },
    /// No machine could be named for the node.
    Unidentified(Unidentified),
}

/// The machines of one account in one region. Clones share it.
pub struct Inventory<S: Servers>(Arc<Inner<S>>);

impl<S: Servers> Clone for Inventory<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Inner<S: Servers> {
    servers: S,
    /// Held by whoever reads a listing.
    turn: Arc<Turn<()>>,
    last: Mutex<Last<S::Machine>>,
}

/// What was read last.
struct Last<M> {
    by_id: Spent,
    unlisted: Unlisted,
    good: Option<Arc<Snapshot<M>>>,
    /// How many were begun.
    begun: u64,
    /// The number of the last one that failed, if none was good since, and why it failed.
    bad: Option<(u64, Error)>,
}

impl<S: Servers> Inventory<S> {
    /// Over these; nothing is asked yet.
    pub fn new(servers: S) -> Self {
        let last = Last { by_id: Spent::default(), unlisted: Unlisted::default(), good: None, begun: 0, bad: None };
        Self(Arc::new(Inner { servers, turn: Arc::default(), last: Mutex::new(last) }))
    }

    /// How many machines the cloud shows when asked for each by itself, though its lists lack them: lists are behind, or lie.
    pub fn unlisted(&self) -> usize {
        self.last().unlisted.count(Instant::now())
    }

    /// One answer for each question, in order. `max_age` zero: nothing remembered serves.
    pub async fn look_up(
        &self,
        questions: &[Question<'_>],
        max_age: Option<Duration>,
    ) -> Vec<Result<Answer<S::Machine>>> {
        let now = Instant::now();
        let not_before = now.checked_sub(max_age.unwrap_or(DEFAULT_AGE)).unwrap_or(now);
        let ids: HashSet<&String> = questions.iter().filter_map(Question::id).collect();
        let nameless = questions.iter().any(|question| question.id().is_none());
        let listing = match self.remembered(not_before) {
            Some(listing) => Some(listing),
            None if !nameless && self.by_id_is_cheaper(ids.len(), not_before, now) => None,
            None => match self.listing(not_before).await {
                Ok(listing) => Some(listing),
                Err(error) => return questions.iter().map(|_| Err(error.clone())).collect(),
            },
        };
        let missing = ids.iter().filter(|id| listing.as_ref().is_none_or(|listing| listing.get(id).is_none()));
        let by_id = self.ask_by_id(missing.map(|id| (*id).clone()).collect()).await;
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            answers.push(match question {
                Question::Id(id) => match listing.as_ref().and_then(|listing| listing.answer(id)) {
                    Some(answer) => Ok(answer),
                    None => by_id.get(id).cloned().unwrap_or_else(|| Err(Self::unanswered(id))),
                },
                Question::Node(clues) => self.identify(clues, listing.as_deref(), now).await,
            });
        }
        answers
    }

    /// The machine of a node without providerID. One that no machine fits is looked for in a new listing before that is said.
    async fn identify(
        &self,
        clues: &Clues<'_>,
        listing: Option<&Snapshot<S::Machine>>,
        now: Instant,
    ) -> Result<Answer<S::Machine>> {
        if let Some(listing) = listing {
            let outcome = identify(clues, S::SCHEME, listing);
            if !matches!(outcome, Err(Unidentified::NoMatch { .. })) {
                return Ok(listing.tell(outcome));
            }
        }
        let listing = self.listing(now.checked_sub(MISS_AGE).unwrap_or(now)).await?;
        Ok(listing.tell(identify(clues, S::SCHEME, &*listing)))
    }

    /// Whether asking for so many machines by id, too, takes fewer calls than a listing that would do for all since `not_before`.
    fn by_id_is_cheaper(&self, ids: usize, not_before: Instant, now: Instant) -> bool {
        let mut last = self.last();
        let machines = last.good.as_ref().map_or(0, |listing| listing.len());
        let listing = machines.div_ceil(S::PER_PAGE).max(1);
        last.by_id.afford(ids.div_ceil(S::IDS_PER_CALL), listing, not_before, now)
    }

    /// Asks for machines by id: many at once, then one by one for those that this did not show.
    async fn ask_by_id(&self, ids: Vec<String>) -> HashMap<String, Result<Answer<S::Machine>>> {
        let mut answers = HashMap::with_capacity(ids.len());
        let mut unseen = Vec::new();
        for chunk in ids.chunks(S::IDS_PER_CALL) {
            let observed_at = SystemTime::now();
            match self.0.servers.by_ids(chunk).await {
                Ok(machines) => {
                    self.last().unlisted.listed(|id| machines.iter().any(|machine| machine.id() == id));
                    for machine in machines {
                        let id = machine.id().to_owned();
                        let outcome = Outcome::Found(Arc::new(machine));
                        answers.insert(id, Ok(Answer { outcome, observed_at }));
                    }
                    unseen.extend(chunk.iter().filter(|id| !answers.contains_key(*id)).cloned());
                }
                Err(error) => answers.extend(chunk.iter().map(|id| (id.clone(), Err(error.clone())))),
            }
        }
        let shown = stream::iter(unseen).map(async |id| {
            let observed_at = SystemTime::now();
            let outcome = self.0.servers.show(&id).await.map(|shown| match shown {
                Shown::There(machine) => Outcome::Found(Arc::new(*machine)),
                Shown::Absent { evidence } => Outcome::Absent { evidence },
            });
            (id, outcome.map(|outcome| Answer { outcome, observed_at }))
        });
        let shown: Vec<(String, Result<Answer<_>>)> = shown.buffer_unordered(SHOWS_AT_ONCE).collect().await;
        let is = |answer: &Result<Answer<_>>, there: bool| match answer {
            Ok(Answer { outcome, .. }) => matches!(outcome, Outcome::Found(_)) == there,
            Err(_) => false,
        };
        let those = |there: bool| shown.iter().filter(move |(_, answer)| is(answer, there)).map(|(id, _)| id);
        self.last().unlisted.shown(those(true), Instant::now());
        self.last().unlisted.listed(|id| those(false).any(|absent| absent == id));
        answers.extend(shown);
        answers
    }

    /// A listing that began at `not_before` or later.
    pub async fn listing(&self, not_before: Instant) -> Result<Arc<Snapshot<S::Machine>>> {
        if let Some(listing) = self.remembered(not_before) {
            return Ok(listing);
        }
        let begun_before = self.last().begun;
        let turn = self.0.turn.clone().lock_owned().await;
        if let Some(listing) = self.remembered(not_before) {
            return Ok(listing);
        }
        if let Some((number, error)) = &self.last().bad
            && *number > begun_before
        {
            return Err(error.clone());
        }
        let this = self.clone();
        // In a task of its own: others wait for it, too, and a caller that goes away must not take it along.
        let reading = tokio::spawn(async move {
            let outcome = this.read().await;
            drop(turn);
            outcome
        });
        reading.await.unwrap_or_else(|_| Err(Error::new(Reason::Defect, "reading the machines of the account failed")))
    }

    async fn read(&self) -> Result<Arc<Snapshot<S::Machine>>> {
        let (began, observed_at) = (Instant::now(), SystemTime::now());
        self.last().begun += 1;
        let outcome = self.0.servers.list().await;
        let mut last = self.last();
        match outcome {
            Ok(machines) => {
                let listing = Arc::new(Snapshot::new(machines, began, observed_at));
                last.unlisted.listed(|id| listing.get(id).is_some());
                last.good = Some(listing.clone());
                last.bad = None;
                Ok(listing)
            }
            Err(error) => {
                last.bad = Some((last.begun, error.clone()));
                Err(error)
            }
        }
    }

    /// A machine that was asked for is answered for; this is the guard against a fault of ours.
    fn unanswered(id: &str) -> Error {
        Error::cloud(S::PROVIDER, Reason::ListingUnfinished, format!("nothing was learned about machine {id}"))
    }

    fn remembered(&self, not_before: Instant) -> Option<Arc<Snapshot<S::Machine>>> {
        self.last().good.clone().filter(|listing| listing.began() >= not_before)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last<S::Machine>> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question<'_> {
    fn id(&self) -> Option<&String> {
        match self {
            Self::Id(id) => Some(id),
            Self::Node(_) => None,
        }
    }
}
