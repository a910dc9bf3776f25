//! What holds from one handshake to the end of its connection.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Info, link::Link};

/// A connection to a daemon that has shaken hands, and what it said. Calls are made over a session, and its answers are held
/// against its own handshake, never against another daemon's.
#[derive(Debug)]
pub(super) struct Session {
    /// The connection.
    pub(super) link: Link,
    /// What the daemon said.
    pub(super) info: Arc<Info>,
    /// As many changes of load balancers at once as the daemon finds useful.
    pub(super) load_balancers: Semaphore,
    /// Somebody else answers on this connection: shake hands again.
    retired: CancellationToken,
}

impl Session {
    pub(super) fn new(link: Link, info: Arc<Info>) -> Self {
        let load_balancers = Semaphore::new(info.limits.load_balancer_concurrency.min(Semaphore::MAX_PERMITS));
        Self { link, info, load_balancers, retired: CancellationToken::new() }
    }

    /// Whether new calls may be made.
    pub(super) fn is_open(&self) -> bool {
        !self.link.is_closed() && !self.retired.is_cancelled()
    }

    /// Whether an answer with this epoch is from the daemon that shook hands. If not, the session takes no more calls.
    pub(super) fn recognises(&self, epoch: Option<&str>) -> bool {
        let known = epoch.is_none_or(|epoch| epoch == self.info.epoch);
        if !known {
            self.retired.cancel();
        }
        known
    }

    /// Waits until no new calls may be made.
    pub(super) async fn over(&self) {
        tokio::select! {
            () = self.link.closed() => {}
            () = self.retired.cancelled() => {}
        }
    }
}
