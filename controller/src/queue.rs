//! A keyed work queue.
//!
//! Guarantees: a key is worked on by one worker at a time; a key added while it is worked on is worked on again
//! afterwards; a key added many times before its turn is worked on once; what a person changed goes before what was only
//! re-examined; a key whose provider is away is parked without growing older. Keys of different groups, where there are groups, are
//! worked on in turns, and some workers are kept from each group for the others.

mod batches;
mod state;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use controller_core::backoff::Backoff;
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use batches::{Batching, Taken};
use state::{Next, State};

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing left to do; earlier failures are forgotten.
    Done,
    /// Failed: again after a wait that grows with each failure in a row.
    Backoff,
    /// Again after this time; neither a failure nor a success.
    After(Duration),
    /// Failed in a way that only a change from outside cures: again after 10 to 30 minutes.
    Slow,
    /// Failed in a way that only a change of the object cures: not before it is added again.
    Halt,
    /// Its provider (named here) is away: not before [`Queue::thaw`], and without growing older.
    Park(String),
}

/// How urgent an addition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A person or a machine changed something.
    Change,
    /// A look whether all is still well.
    Audit,
}

/// Told what the queue does; the metrics implement it.
pub trait Observer: Send + Sync + 'static {
    /// Keys due now.
    fn depth(&self, due: usize);
    /// A key was added.
    fn added(&self);
    /// A key goes back in after a failure.
    fn retried(&self);
    /// A key waited this long between being due and being taken.
    fn waited(&self, time: Duration);
    /// A key was worked on for this long.
    fn worked(&self, time: Duration);
}

impl Observer for () {
    fn depth(&self, _: usize) {}
    fn added(&self) {}
    fn retried(&self) {}
    fn waited(&self, _: Duration) {}
    fn worked(&self, _: Duration) {}
}

/// The queue. Clones share it.
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

/// The group a key belongs to; `None`: keys are not told apart.
type GroupOf = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

struct Shared {
    name: &'static str,
    group_of: GroupOf,
    state: Mutex<State>,
    changed: Notify,
    observer: Box<dyn Observer>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl Queue {
    /// An empty queue; `name` is its label in logs and metrics.
    pub fn new(name: &'static str, backoff: Backoff, observer: impl Observer) -> Self {
        Self::fair(name, backoff, observer, |_| None)
    }

    /// An empty queue whose keys belong to groups, which are served in turns.
    pub fn fair(
        name: &'static str,
        backoff: Backoff,
        observer: impl Observer,
        group_of: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            name,
            group_of: Box::new(group_of),
            state: Mutex::new(State::new(backoff)),
            changed: Notify::new(),
            observer: Box::new(observer),
        }))
    }

    /// Adds a key because something changed. Wakes a key that waits, is parked or halted.
    pub fn add(&self, key: &str) {
        self.add_with(key, Priority::Change, Duration::ZERO);
    }

    /// Adds a key to be looked at when nothing more urgent is there.
    pub fn add_audit(&self, key: &str) {
        self.add_with(key, Priority::Audit, Duration::ZERO);
    }

    /// Adds a key for later; an earlier date that it already has stays.
    pub fn add_after(&self, key: &str, delay: Duration) {
        self.add_with(key, Priority::Audit, delay);
    }

    fn add_with(&self, key: &str, priority: Priority, delay: Duration) {
        self.lock().add(key, priority, Instant::now() + delay);
        self.0.observer.added();
        self.0.changed.notify_one();
    }

    /// Forgets a key that waits; one being worked on is not put back.
    pub fn remove(&self, key: &str) {
        self.lock().remove(key);
    }

    /// Puts the keys parked for `group` back in, oldest first: at a growing pace when `paced`, so that a provider which has
    /// just come back is not struck down again, else at once.
    pub fn thaw(&self, group: &str, paced: bool) {
        self.lock().thaw(group, paced, Instant::now());
        self.0.changed.notify_one();
    }

    /// How many keys are waiting, parked, halted or being worked on.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether the queue holds no key at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Works on keys, at most `workers` at once, until `stop`; then waits for those under way.
    ///
    /// A handler that panics counts as [`Outcome::Backoff`]: one bad object must not stop the others.
    pub async fn run<F, Fut>(&self, workers: usize, stop: CancellationToken, handler: F)
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let permits = Arc::new(Semaphore::new(workers.max(1)));
        let tasks = TaskTracker::new();
        while let Some(permit) = stop.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await {
            let most = most_of_a_group(workers);
            let Some(key) = stop.run_until_cancelled(self.next_within(most)).await else { break };
            let (queue, handler) = (self.clone(), Arc::clone(&handler));
            tasks.spawn(async move {
                queue.work(key, &*handler).await;
                drop(permit);
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn work<F, Fut>(&self, key: String, handler: &F)
    where
        F: Fn(String) -> Fut,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let started = Instant::now();
        let outcome = tokio::spawn(handler(key.clone())).await.unwrap_or_else(|error| {
            tracing::error!(queue = self.0.name, key, %error, "worker failed on a key");
            Outcome::Backoff
        });
        self.finish(&key, started, outcome);
    }

    /// Gives back a key that has been worked on since `started`.
    fn finish(&self, key: &str, started: Instant, outcome: Outcome) {
        self.0.observer.worked(started.elapsed());
        if matches!(outcome, Outcome::Backoff | Outcome::Slow) {
            self.0.observer.retried();
        }
        self.lock().finish(key, outcome, Instant::now(), rand::random());
        self.0.changed.notify_one();
    }

    /// The next key that is due; it counts as being worked on from then.
    async fn next(&self) -> String {
        self.next_within(usize::MAX).await
    }

    /// As [`Self::next`], of a group of which fewer keys than this are being worked on.
    async fn next_within(&self, most: usize) -> String {
        loop {
            let changed = self.0.changed.notified();
            let next = self.lock().next(Instant::now(), most, &*self.0.group_of);
            match next {
                Next::Key { key, waited, left } => {
                    self.0.observer.waited(waited);
                    self.0.observer.depth(left);
                    return key;
                }
                Next::Until(due) => {
                    let _ = tokio::time::timeout_at(due, changed).await;
                }
                Next::Nothing => changed.await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many of so many workers one group may have: some stay free, so that another group need not wait for this one's work to end.
fn most_of_a_group(workers: usize) -> usize {
    (workers - workers.div_ceil(4).min(workers)).max(1)
}

#[cfg(test)]
mod tests;
