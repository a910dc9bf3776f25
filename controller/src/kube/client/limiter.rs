//! Holds requests back as [`controller_core::api_limit`] says.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use controller_core::api_limit::{AdaptiveLimit, FixedRate, Outcome};
use tokio::{sync::Notify, time::Instant};

#[derive(Debug)]
pub(super) struct Limiter {
    start: Instant,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    limit: AdaptiveLimit,
    /// `--kube-api-qps`, on top.
    rate: Option<FixedRate>,
    under_way: usize,
}

/// The right to have one request under way.
#[derive(Debug)]
pub(super) struct Permit<'a>(&'a Limiter);

impl Limiter {
    pub(super) fn adaptive() -> Self {
        Self::new(None)
    }

    pub(super) fn fixed(qps: f64, burst: u32) -> Self {
        Self::new(Some(FixedRate::new(qps, burst)))
    }

    fn new(rate: Option<FixedRate>) -> Self {
        let state = State { limit: AdaptiveLimit::default(), rate, under_way: 0 };
        Self { start: Instant::now(), state: Mutex::new(state), freed: Notify::new() }
    }

    /// Waits until a request may be sent.
    pub(super) async fn admit(&self) -> Permit<'_> {
        self.keep_rate().await;
        loop {
            // Registered before looking, so that a place freed in between is not missed.
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            let pause = {
                let mut state = self.lock();
                let pause = state.limit.paused(self.now());
                if pause.is_none() && state.under_way < state.limit.limit() {
                    state.under_way += 1;
                    return Permit(self);
                }
                pause
            };
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => freed.await,
            }
        }
    }

    async fn keep_rate(&self) {
        let now = self.now();
        let wait = self.lock().rate.as_mut().map(|rate| rate.reserve(now));
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Learns from how a request went.
    pub(super) fn ended(&self, outcome: Outcome) {
        let now = self.now();
        let mut state = self.lock();
        let under_way = state.under_way;
        let before = state.limit.limit();
        state.limit.ended(outcome, under_way, now);
        if state.limit.limit() > before {
            self.freed.notify_one();
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.lock().limit.limit()
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
        self.0.freed.notify_one();
    }
}
