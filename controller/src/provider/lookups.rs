//! Look-ups of single nodes, gathered into batches.
//!
//! Every reconcile asks about its own node, and hundreds do at once. A look-up waits a moment for company; all with the same
//! wish for freshness travel together, and two about the same node share one answer. An answer that is on its way is shared
//! too where any age will do: what decides about removal is never answered by a question that was put earlier.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use controller_core::{
    fault::Fault,
    provider::{NodeReference, Observed},
};
use tokio::{
    sync::{Notify, Semaphore, oneshot},
    time::timeout,
};

/// How long a look-up waits for company.
const WINDOW: Duration = Duration::from_millis(8);
/// How many batches may be under way at once.
const FLIGHTS: usize = 8;

/// How old an answer may be; what batches are told apart by.
pub(super) type MaxAge = Option<Duration>;

/// Answers one batch: as for [`super::Provider::instances`], every node asked for is in the answer.
pub(super) trait Ask: Clone + Send + Sync + 'static {
    /// Most nodes of one question.
    fn most(&self) -> usize;
    /// Asks about nodes with distinct names.
    fn ask(
        &self,
        nodes: Vec<NodeReference>,
        max_age: MaxAge,
    ) -> impl Future<Output = Result<HashMap<String, Observed>, Fault>> + Send;
}

/// The look-ups that wait for company or for an answer.
#[derive(Debug)]
pub(super) struct Lookups {
    batches: Mutex<Batches>,
    flights: Semaphore,
}

#[derive(Debug, Default)]
struct Batches {
    next: u64,
    all: HashMap<u64, Batch>,
}

#[derive(Debug)]
struct Batch {
    max_age: MaxAge,
    entries: HashMap<String, Entry>,
    /// Set when the question has been put.
    sent: bool,
    /// Told when there is no room for more.
    full: Arc<Notify>,
}

#[derive(Debug)]
struct Entry {
    node: NodeReference,
    waiting: Vec<oneshot::Sender<Result<Observed, Fault>>>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self { batches: Mutex::default(), flights: Semaphore::new(FLIGHTS) }
    }
}

impl Lookups {
    /// Looks up one node. `None` only when the flight ended without an answer: it panicked, or the runtime is going down.
    pub(super) async fn one<A: Ask>(
        self: &Arc<Self>,
        ask: &A,
        node: NodeReference,
        max_age: MaxAge,
    ) -> Option<Result<Observed, Fault>> {
        let (sender, answer) = oneshot::channel();
        if let Some((id, full)) = self.lock().join(node, max_age, sender, ask.most()) {
            // In a task of its own: a caller that goes away takes nobody else's answer with it.
            tokio::spawn(Self::fly(self.clone(), ask.clone(), id, full));
        }
        answer.await.ok()
    }

    /// Looks up many nodes with distinct names, in as few questions as possible.
    ///
    /// A question that fails leaves its nodes unknown; when all fail there is nothing to say but why.
    pub(super) async fn many<A: Ask>(
        &self,
        ask: &A,
        nodes: Vec<NodeReference>,
        max_age: MaxAge,
        unknown: impl Fn(Fault) -> Observed,
    ) -> Result<HashMap<String, Observed>, Fault> {
        let chunks = nodes.chunks(ask.most()).map(<[NodeReference]>::to_vec);
        let questions = chunks.map(|chunk| async {
            let names: Vec<String> = chunk.iter().map(|node| node.node_name.clone()).collect();
            (names, self.ask(ask, chunk, max_age).await)
        });
        let mut answers = HashMap::with_capacity(nodes.len());
        let mut faults = Vec::new();
        let mut answered = nodes.is_empty();
        for (names, outcome) in futures::future::join_all(questions).await {
            match outcome {
                Ok(found) => {
                    answered = true;
                    answers.extend(found);
                }
                Err(fault) => faults.push((names, fault)),
            }
        }
        if !answered && let Some((_, fault)) = faults.pop() {
            return Err(fault);
        }
        for (names, fault) in faults {
            answers.extend(names.into_iter().map(|name| (name, unknown(fault.clone()))));
        }
        Ok(answers)
    }

    /// Puts one question, when not too many are under way.
    async fn ask<A: Ask>(
        &self,
        ask: &A,
        nodes: Vec<NodeReference>,
        max_age: MaxAge,
    ) -> Result<HashMap<String, Observed>, Fault> {
        // Never closed; without a permit there would be one question more.
        let _permit = self.flights.acquire().await.ok();
        ask.ask(nodes, max_age).await
    }

    /// The life of one batch: wait for company, ask, hand out the answers.
    async fn fly<A: Ask>(self: Arc<Self>, ask: A, id: u64, full: Arc<Notify>) {
        let landing = Landing { lookups: &self, id };
        // Running out is the usual case.
        let _ = timeout(WINDOW, full.notified()).await;
        // More may join while others are under way: the longer the wait, the fuller the batch.
        let permit = self.flights.acquire().await.ok();
        let Some((nodes, max_age)) = self.lock().send(id) else { return };
        let outcome = ask.ask(nodes, max_age).await;
        drop(permit);
        for (name, entry) in landing.entries() {
            let answer = match &outcome {
                Err(fault) => Err(fault.clone()),
                Ok(answers) => match answers.get(&name) {
                    Some(answer) => Ok(answer.clone()),
                    // `Ask` has promised an answer for each name.
                    None => continue,
                },
            };
            for waiting in entry.waiting {
                // Who does not wait any more does not want it.
                let _ = waiting.send(answer.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a batch off the list, however its flight ends: nobody waits for an answer that will not come.
struct Landing<'a> {
    lookups: &'a Lookups,
    id: u64,
}

impl Landing<'_> {
    fn entries(&self) -> HashMap<String, Entry> {
        self.lookups.lock().all.remove(&self.id).map(|batch| batch.entries).unwrap_or_default()
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        drop(self.entries());
    }
}

impl Batches {
    /// Adds a look-up to a batch. Answers the batch and its alarm if it is a new one.
    fn join(
        &mut self,
        node: NodeReference,
        max_age: MaxAge,
        waiting: oneshot::Sender<Result<Observed, Fault>>,
        most: usize,
    ) -> Option<(u64, Arc<Notify>)> {
        // A question that was put earlier may be answered with what is older than this caller allows.
        let any_age = max_age.is_none();
        let mut open = None;
        for (id, batch) in &mut self.all {
            if batch.max_age != max_age {
                continue;
            }
            let room = !batch.sent && batch.entries.len() < most;
            match batch.entries.get_mut(&node.node_name) {
                Some(entry) if entry.node == node && (!batch.sent || any_age) => {
                    entry.waiting.push(waiting);
                    return None;
                }
                None if room => open = Some(*id),
                // Asked already with other content, or too long ago: it takes another batch.
                Some(_) | None => {}
            }
        }
        let id = open.unwrap_or_else(|| {
            self.next += 1;
            self.next
        });
        let batch = self.all.entry(id).or_insert_with(|| Batch {
            max_age,
            entries: HashMap::new(),
            sent: false,
            full: Arc::new(Notify::new()),
        });
        batch.entries.insert(node.node_name.clone(), Entry { node, waiting: vec![waiting] });
        if batch.entries.len() >= most {
            batch.full.notify_one();
        }
        open.is_none().then(|| (id, batch.full.clone()))
    }

    /// Closes a batch and says what to ask.
    fn send(&mut self, id: u64) -> Option<(Vec<NodeReference>, MaxAge)> {
        let batch = self.all.get_mut(&id)?;
        batch.sent = true;
        Some((batch.entries.values().map(|entry| entry.node.clone()).collect(), batch.max_age))
    }
}

#[cfg(test)]
mod tests;
