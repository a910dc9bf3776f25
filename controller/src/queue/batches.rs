//! Keys taken many at a time, for work that is cheaper together: one look-up answers for a whole batch.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Outcome, Queue, state::Next};

/// How keys are gathered into batches.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// Most keys in a batch.
    pub size: usize,
    /// Most batches being worked on at once.
    pub at_once: usize,
    /// How long a batch that is not full waits for the next key. Keys that come together are worked on together, though
    /// they are added one after the other.
    pub linger: Duration,
}

/// Longest wait for a batch to fill, in lingers.
const LONGEST_LINGER: u32 = 10;

/// A key being worked on. Dropped without an outcome, as by a panic, it counts as [`Outcome::Backoff`].
#[derive(Debug)]
pub struct Taken {
    queue: Queue,
    key: String,
    since: Instant,
    finished: bool,
}

impl Taken {
    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Gives the key back to the queue; others of the batch may still be worked on.
    pub fn finish(mut self, outcome: Outcome) {
        self.finished = true;
        self.queue.finish(&self.key, self.since, outcome);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.finished {
            self.queue.finish(&self.key, self.since, Outcome::Backoff);
        }
    }
}

impl Queue {
    /// Works on keys in batches until `stop`; then waits for those under way.
    pub async fn run_batches<F, Fut>(&self, batching: Batching, stop: CancellationToken, handler: F)
    where
        F: Fn(Vec<Taken>) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let permits = Arc::new(Semaphore::new(batching.at_once.max(1)));
        let tasks = TaskTracker::new();
        while let Some(permit) = stop.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await {
            let Some(batch) = stop.run_until_cancelled(self.next_batch(batching)).await else { break };
            let work = handler(batch);
            tasks.spawn(async move {
                work.await;
                drop(permit);
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Keys that are due, at least one.
    async fn next_batch(&self, batching: Batching) -> Vec<Taken> {
        let mut batch = vec![self.taken(self.next().await)];
        for _ in 0..LONGEST_LINGER {
            let before = batch.len();
            self.take_due(&mut batch, batching.size);
            if batch.len() >= batching.size {
                break;
            }
            tokio::time::sleep(batching.linger).await;
            self.take_due(&mut batch, batching.size);
            if batch.len() == before {
                break;
            }
        }
        batch
    }

    fn take_due(&self, batch: &mut Vec<Taken>, size: usize) {
        while batch.len() < size {
            let next = self.lock().next(Instant::now(), usize::MAX, &*self.0.group_of);
            let Next::Key { key, waited, left } = next else { return };
            self.0.observer.waited(waited);
            self.0.observer.depth(left);
            batch.push(self.taken(key));
        }
    }

    fn taken(&self, key: String) -> Taken {
        Taken { queue: self.clone(), key, since: Instant::now(), finished: false }
    }
}
