//! Work that changes the cloud, run so that it neither dies with its caller nor runs twice at once.
//!
//! tonic drops a handler at its current await when the client goes away. A load balancer half made by then would wait for
//! the next attempt, and a write resent by a client that saw no answer would run beside the first. So each write runs in a
//! task of its own under an idempotency key (for a load balancer: cluster id and Service UID), and the handler only waits
//! for it:
//!
//! * the same request under the same key joins the running work;
//! * another request under the key is `ABORTED` with a delay: one change of one object at a time;
//! * an answer nobody received is kept for a while, for the retry that asks for it. One that was received is forgotten, so
//!   that the next call looks at the cloud again; so is a failure.

use std::{
    any::Any,
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cloud_provider_api::error::Reason;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::{
    error::{Error, Result},
    tenancy::Tenant,
};

/// How long an answer nobody received is kept.
const KEEP: Duration = Duration::from_mins(5);
/// When a call that met another one on its key may come again.
const BUSY: Duration = Duration::from_secs(2);
/// When a call of a tenant that has as many writes under way as it may have may come again.
const TENANT_BUSY: Duration = Duration::from_secs(1);

/// The writes of a daemon. Clones share them.
#[derive(Clone, Default)]
pub struct Writes(Arc<Inner>);

#[derive(Default)]
struct Inner {
    entries: Mutex<HashMap<String, Entry>>,
    next: AtomicU64,
    tasks: TaskTracker,
    killed: CancellationToken,
}

type Answer = Arc<dyn Any + Send + Sync>;

struct Entry {
    id: u64,
    /// Name of the tenant it is done for.
    tenant: String,
    request: Box<dyn Any + Send>,
    answer: Shared<BoxFuture<'static, Answer>>,
    /// When the work succeeded. `None`: it runs.
    finished: Option<Instant>,
}

impl Writes {
    /// All work is dropped where it stands when `killed` is cancelled.
    pub(crate) fn new(killed: CancellationToken) -> Self {
        Self(Arc::new(Inner { killed, ..Inner::default() }))
    }

    /// Runs `work` under `key`, or joins it if it already runs there for an equal request. The work goes on when the
    /// returned future is dropped.
    ///
    /// # Errors
    /// The work's own, `ABORTED` (reason `BUSY`) while another request holds the key, `INTERNAL` when the work panicked.
    pub async fn run<R, T, F>(&self, key: &str, request: R, work: F) -> Result<T>
    where
        R: PartialEq + Send + 'static,
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.run_for(&Tenant::default(), key, request, work).await
    }

    /// [`Writes::run`] for a tenant, which may have so many under way at once and no more.
    ///
    /// # Errors
    /// Those of [`Writes::run`]; `ABORTED` (reason `BUSY`), too, while the tenant has as many under way as its share allows.
    pub async fn run_for<R, T, F>(&self, tenant: &Tenant, key: &str, request: R, work: F) -> Result<T>
    where
        R: PartialEq + Send + 'static,
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (id, answer) = self.join_or_start(tenant, key, request, work)?;
        let answer = answer.await;
        self.forget(key, id);
        match answer.downcast_ref::<Result<T>>() {
            Some(outcome) => outcome.clone(),
            // Equal requests of one type have answers of one type, unless a handler mixes them up.
            None => Err(Error::new(Reason::Defect, format!("writes of different kinds share the key {key:?}"))),
        }
    }

    fn join_or_start<R, T, F>(
        &self,
        tenant: &Tenant,
        key: &str,
        request: R,
        work: F,
    ) -> Result<(u64, Shared<BoxFuture<'static, Answer>>)>
    where
        R: PartialEq + Send + 'static,
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let now = Instant::now();
        let mut entries = self.entries();
        entries.retain(|_, entry| entry.finished.is_none_or(|at| now < at + KEEP));
        if let Some(entry) = entries.get(key) {
            if entry.request.downcast_ref::<R>() == Some(&request) {
                return Ok((entry.id, entry.answer.clone()));
            }
            if entry.finished.is_none() {
                return Err(Error::new(Reason::Busy, format!("another change of {key} is under way")).retry_after(BUSY));
            }
        }
        let running =
            || entries.values().filter(|entry| entry.finished.is_none() && entry.tenant == tenant.name).count();
        if let Some(most) = tenant.share.concurrent_writes
            && running() >= most as usize
        {
            let message = format!("tenant {:?} has {most} changes under way, as many as it may have", tenant.name);
            return Err(Error::new(Reason::Busy, message).retry_after(TENANT_BUSY));
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let answer = self.start(key.to_owned(), id, work);
        let entry = Entry {
            id,
            tenant: tenant.name.clone(),
            request: Box::new(request),
            answer: answer.clone(),
            finished: None,
        };
        entries.insert(key.to_owned(), entry);
        Ok((id, answer))
    }

    fn start<T, F>(&self, key: String, id: u64, work: F) -> Shared<BoxFuture<'static, Answer>>
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let this = self.clone();
        let task = self.0.tasks.spawn(
            async move {
                let work = AssertUnwindSafe(work).catch_unwind();
                let outcome = match this.0.killed.run_until_cancelled(work).await {
                    Some(Ok(outcome)) => outcome,
                    Some(Err(_)) => {
                        tracing::error!(key, "a write panicked");
                        Err(Error::new(Reason::Defect, "the daemon failed while working on the request"))
                    }
                    None => Err(Error::new(Reason::Draining, "the daemon ended while working on the request")),
                };
                this.settle(&key, id, outcome.is_ok());
                Arc::new(outcome) as Answer
            }
            .in_current_span(),
        );
        async move { task.await.unwrap_or_else(|_| Arc::new(()) as Answer) }.boxed().shared()
    }

    fn settle(&self, key: &str, id: u64, keep: bool) {
        let mut entries = self.entries();
        if !keep {
            drop(entries);
            return self.forget(key, id);
        }
        if let Some(entry) = entries.get_mut(key).filter(|entry| entry.id == id) {
            entry.finished = Some(Instant::now());
        }
    }

    fn forget(&self, key: &str, id: u64) {
        let mut entries = self.entries();
        if entries.get(key).is_some_and(|entry| entry.id == id) {
            entries.remove(key);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many writes run now.
    pub fn running(&self) -> usize {
        self.0.tasks.len()
    }

    /// Returns when no write runs. None may be begun from here on.
    pub(crate) async fn finished(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl std::fmt::Debug for Writes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writes").field("running", &self.running()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::{
        sync::{Notify, oneshot},
        task::yield_now,
        time::advance,
    };
    use tonic::Code;

    use super::*;

    /// Work that ends when told, and counts how often it ran.
    #[derive(Clone, Default)]
    struct Work {
        go: Arc<Notify>,
        runs: Arc<AtomicUsize>,
    }

    impl Work {
        fn run(&self, answer: Result<u32>) -> impl Future<Output = Result<u32>> + Send + use<> {
            let this = self.clone();
            async move {
                this.runs.fetch_add(1, Ordering::Relaxed);
                this.go.notified().await;
                answer
            }
        }

        fn runs(&self) -> usize {
            self.runs.load(Ordering::Relaxed)
        }
    }

    async fn until(reached: impl Fn() -> bool) {
        for _ in 0..1000 {
            if reached() {
                return;
            }
            yield_now().await;
        }
        panic!("not reached");
    }

    #[tokio::test]
    async fn a_repeat_joins_the_running_work() {
        let (writes, work) = (Writes::default(), Work::default());
        let first = tokio::spawn({
            let (w, k) = (writes.clone(), work.run(Ok(1)));
            async move { w.run("k", "r", k).await }
        });
        until(|| work.runs() == 1).await;
        let second = tokio::spawn({
            let (w, k) = (writes.clone(), work.run(Ok(2)));
            async move { w.run("k", "r", k).await }
        });
        yield_now().await;
        work.go.notify_one();
        assert_eq!(first.await.unwrap(), Ok(1));
        assert_eq!(second.await.unwrap(), Ok(1));
        assert_eq!(work.runs(), 1);
    }

    #[tokio::test]
    async fn work_goes_on_without_its_caller_and_the_retry_gets_the_answer_once() {
        let (writes, work) = (Writes::default(), Work::default());
        let caller = tokio::spawn({
            let (w, k) = (writes.clone(), work.run(Ok(1)));
            async move { w.run("k", "r", k).await }
        });
        until(|| work.runs() == 1).await;
        caller.abort();
        caller.await.unwrap_err();
        work.go.notify_one();
        until(|| writes.running() == 0).await;
        assert_eq!(writes.run("k", "r", async { Ok(2_u32) }).await, Ok(1), "what was missed");
        assert_eq!(writes.run("k", "r", async { Ok(3_u32) }).await, Ok(3), "a new look");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_nobody_asks_for_is_forgotten() {
        let (writes, work) = (Writes::default(), Work::default());
        work.go.notify_one();
        drop(writes.join_or_start(&Tenant::default(), "k", "r", work.run(Ok(1))).unwrap());
        until(|| writes.running() == 0).await;
        advance(KEEP).await;
        assert_eq!(writes.run("k", "r", async { Ok(2_u32) }).await, Ok(2));
    }

    #[tokio::test]
    async fn a_failure_is_never_kept() {
        let (writes, work) = (Writes::default(), Work::default());
        work.go.notify_one();
        drop(
            writes
                .join_or_start(&Tenant::default(), "k", "r", work.run(Err(Error::new(Reason::Draining, "x"))))
                .unwrap(),
        );
        until(|| writes.running() == 0).await;
        assert_eq!(writes.run("k", "r", async { Ok(2_u32) }).await, Ok(2));
    }

    #[tokio::test]
    async fn another_request_waits_its_turn_and_other_keys_do_not() {
        let (writes, work) = (Writes::default(), Work::default());
        drop(writes.join_or_start(&Tenant::default(), "k", "r", work.run(Ok(1))).unwrap());
        let busy = writes.run("k", "other", async { Ok(2_u32) }).await.unwrap_err();
        assert_eq!((busy.code(), busy.reason()), (Code::Aborted, Reason::Busy));
        let busy = writes.run("k", 5_u8, async { Ok(2_u32) }).await.unwrap_err();
        assert_eq!(busy.reason(), Reason::Busy, "a request of another kind");
        assert_eq!(writes.run("l", "r", async { Ok(3_u32) }).await, Ok(3));
        work.go.notify_one();
        until(|| writes.running() == 0).await;
        assert_eq!(
            writes.run("k", "other", async { Ok(2_u32) }).await,
            Ok(2),
            "an answer kept for another is no obstacle"
        );
    }

    #[tokio::test]
    async fn a_tenant_has_so_many_under_way_and_another_is_not_kept_waiting() {
        let (writes, work) = (Writes::default(), Work::default());
        let share = crate::tenancy::Share { concurrent_writes: Some(1), ..Default::default() };
        let tenant = |name: &str| Tenant { name: name.to_owned(), share, ..Tenant::default() };
        drop(writes.join_or_start(&tenant("a"), "k", "r", work.run(Ok(1))).unwrap());
        let busy = writes.run_for(&tenant("a"), "l", "r", async { Ok(2_u32) }).await.unwrap_err();
        assert_eq!((busy.reason(), busy.message().contains("tenant \"a\"")), (Reason::Busy, true));
        assert_eq!(writes.run_for(&tenant("b"), "l", "r", async { Ok(3_u32) }).await, Ok(3));
        work.go.notify_one();
        until(|| writes.running() == 0).await;
        assert_eq!(
            writes.run_for(&tenant("a"), "m", "r", async { Ok(4_u32) }).await,
            Ok(4),
            "what is done counts no more"
        );
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_the_key() {
        let writes = Writes::default();
        let outcome: Result<u32> = writes.run("k", "r", async { panic!("on purpose") }).await;
        assert_eq!(outcome.unwrap_err().reason(), Reason::Defect);
        assert_eq!(writes.run("k", "r", async { Ok(2_u32) }).await, Ok(2));
    }

    #[tokio::test]
    async fn finished_waits_for_the_last() {
        let writes = Writes::default();
        let (go, gone) = oneshot::channel::<()>();
        drop(writes.join_or_start(&Tenant::default(), "k", "r", async move { Ok(gone.await.is_ok()) }).unwrap());
        let waiting = tokio::spawn({
            let writes = writes.clone();
            async move { writes.finished().await }
        });
        yield_now().await;
        assert!(!waiting.is_finished());
        go.send(()).unwrap();
        waiting.await.unwrap();
    }
}
