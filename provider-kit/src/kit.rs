//! What the handlers of a daemon share.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{audit::Audit, epoch::Epoch, metrics::Metrics, status::StatusBoard, writes::Writes};

/// Handed to a provider's services. Clones share everything.
#[derive(Clone, Debug)]
pub struct Kit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    epoch: Epoch,
    writes: Writes,
    audit: Audit,
    metrics: Metrics,
    status: StatusBoard,
    serving: CancellationToken,
    draining: CancellationToken,
    watches_over: CancellationToken,
    killed: CancellationToken,
    starting: watch::Sender<Option<String>>,
}

impl Kit {
    pub(crate) fn new(audit: Audit, metrics: Metrics) -> Self {
        let epoch = Epoch::new();
        let killed = CancellationToken::new();
        let status = StatusBoard::new(epoch.clone());
        metrics.register(|registry| status.register(registry));
        Self(Arc::new(Inner {
            status,
            epoch,
            writes: Writes::new(killed.clone()),
            audit,
            metrics,
            serving: CancellationToken::new(),
            draining: CancellationToken::new(),
            watches_over: CancellationToken::new(),
            killed,
            starting: watch::Sender::new(None),
        }))
    }

    /// Random, new at each start: `HandshakeResponse.epoch`.
    pub fn epoch(&self) -> Arc<str> {
        self.0.epoch.get()
    }

    /// Takes a new epoch without a restart: what the handshake told (accounts, capabilities, limits) no longer holds, and
    /// callers have to drop what they cached and shake hands again.
    pub fn renew_epoch(&self) {
        self.0.epoch.renew();
    }

    /// Where everything that changes the cloud runs.
    pub fn writes(&self) -> &Writes {
        &self.0.writes
    }

    /// The record of every change.
    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// Metrics, the daemon's and the provider's.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The daemon's state, answered by `GetStatus` from memory.
    pub fn status(&self) -> &StatusBoard {
        &self.0.status
    }

    /// Cancelled once every listener is bound and calls are answered.
    pub fn serving(&self) -> &CancellationToken {
        &self.0.serving
    }

    /// Cancelled when the daemon begins to shut down. Background work ends with it.
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    /// Says why the daemon cannot serve yet (`Some`), or that it can (`None`, as at the start). Health and readiness
    /// follow.
    pub fn set_starting(&self, why: Option<String>) {
        self.0.starting.send_replace(why);
    }

    /// Cancelled when streams without an end have to end: once health has said that the daemon shuts down.
    pub(crate) fn watches_over(&self) -> &CancellationToken {
        &self.0.watches_over
    }

    /// Cancelled when everything ends at once.
    pub(crate) fn killed(&self) -> &CancellationToken {
        &self.0.killed
    }

    pub(crate) fn starting(&self) -> watch::Receiver<Option<String>> {
        self.0.starting.subscribe()
    }

    /// Why the daemon is not ready; `None` when it is.
    pub(crate) fn not_ready(&self) -> Option<String> {
        if self.0.draining.is_cancelled() {
            return Some("shutting down".to_owned());
        }
        self.0.starting.borrow().clone()
    }
}
