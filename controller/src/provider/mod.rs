//! The facade of the provider daemons: the one place that knows there is a wire.
//!
//! Above it the controller speaks of [`controller_core::provider`] values and [`Fault`]s; below it are the generated
//! clients. In between each call gets a deadline, a request id, a span and a histogram; look-ups of many tasks become
//! batches; a throttled provider is left in peace; and no answer passes that breaks a rule of the API: a daemon is trusted
//! with credentials, not with the cluster.
//!
//! Providers share nothing: no lock, no queue, no limit. One that hangs costs the others nothing.
//!
//! From the outside in: [`Providers`] says whose an object is, [`Provider`] is one daemon, `call` makes a call when one may
//! be made, `exchange` is one question and its answer, `link` one connection. Beside them `supervisor` keeps a provider
//! connected, and `convert` is the only place that knows the messages.

mod api;
mod call;
mod claims;
mod convert;
mod dial;
mod exchange;
mod fault;
mod health;
mod hints;
mod info;
mod link;
mod lookups;
mod metrics;
mod registry;
mod session;
mod settings;
mod status;
mod supervisor;
mod throttle;
mod wire;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use controller_core::{
    fault::{Code, Fault, Origin, reason},
    selector::Selector,
    time::Timestamp,
    view::Node,
};
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

pub use self::{
    dial::{Dialer, Remote, Stream},
    info::{Hint, Info, Limits, Status},
    metrics::Metrics,
    registry::{NodeOwner, Providers, ServiceOwner},
    settings::{Cluster, Deadlines, Settings},
};
use self::{lookups::Lookups, session::Session, throttle::Throttle, wire::Wire};
use crate::clock;

/// Hints kept for a receiver that is behind; past that it looks at everything.
const HINTS: usize = 4096;

/// One `--provider` endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Provider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    remote: Remote,
    settings: Arc<Settings>,
    metrics: Metrics,
    /// What the controller is told.
    status: watch::Sender<Status>,
    /// What calls go by. Unlike the status it says nothing of a connection that is just being replaced.
    wire: Wire,
    throttle: Throttle,
    lookups: Arc<Lookups>,
    hints: broadcast::Sender<Hint>,
    /// Hints have been given before, so some may have been lost since.
    hinted: AtomicBool,
    /// A call got no answer: is the daemon still there?
    probe: Notify,
    /// When somebody's identity was last refused.
    auth_fault: Mutex<Option<Timestamp>>,
}

impl Provider {
    /// Keeps a connection to `remote` until `stop`.
    fn start(remote: Remote, settings: Arc<Settings>, metrics: Metrics, stop: CancellationToken) -> Self {
        let inner = Arc::new(Inner {
            remote,
            settings,
            metrics,
            status: watch::Sender::new(Status::Away { since: clock::now(), fault: None, last: None }),
            wire: Wire::new(),
            throttle: Throttle::default(),
            lookups: Arc::default(),
            hints: broadcast::Sender::new(HINTS),
            hinted: AtomicBool::new(false),
            probe: Notify::new(),
            auth_fault: Mutex::default(),
        });
        tokio::spawn(supervisor::run(inner.clone(), stop));
        Self(inner)
    }

    /// The name the provider gave itself in the handshake; the endpoint before that. Kept while it is away.
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// The endpoint as written on the command line.
    pub fn endpoint(&self) -> &str {
        &self.0.remote.endpoint
    }

    /// What the provider said of itself. `None` unless it is connected, has shaken hands and serves.
    pub fn info(&self) -> Option<Arc<Info>> {
        match &*self.0.status.borrow() {
            Status::Ready(info) => Some(info.clone()),
            Status::Away { .. } => None,
        }
    }

    /// What the provider last said of itself, be it away or not. Ownership goes by this.
    pub fn last_info(&self) -> Option<Arc<Info>> {
        self.0.status.borrow().info().cloned()
    }

    /// Whether the provider can be asked, and every change of that. Also changes when a restarted daemon says something
    /// else of itself, if only its epoch: then whatever was remembered of it is worth nothing.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.status.subscribe()
    }

    /// Whether the node may be this provider's by its labels. What it says of its providerID is another matter.
    pub fn selects(&self, node: &Node) -> bool {
        self.node_selector().is_none_or(|selector| selector.matches(&node.labels))
    }

    /// Which nodes are this provider's, where somebody has said so.
    pub fn node_selector(&self) -> Option<&Selector> {
        self.0.settings.node_selectors.get(&self.name())
    }

    /// Whether both are handles of one endpoint.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// When credentials were last refused: ours by the daemon or its by the cloud in any call, or the right to look at
    /// machines. Whoever cannot log in sees nothing, so no Node is removed for a while after that.
    pub fn last_auth_fault(&self) -> Option<Timestamp> {
        *self.0.auth_fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hints that a machine changed. A receiver that lags behind must take it as [`Hint::All`].
    pub fn hints(&self) -> broadcast::Receiver<Hint> {
        self.0.hints.subscribe()
    }
}

impl Inner {
    fn name(&self) -> String {
        self.status.borrow().info().map_or_else(|| self.remote.endpoint.clone(), |info| info.name.clone())
    }

    /// Calls can be made.
    fn publish_ready(&self, session: &Arc<Session>) {
        self.wire.ready(session.clone());
        let now = Status::Ready(session.info.clone());
        let mut before = None;
        self.status.send_if_modified(|status| {
            let changed = *status != now;
            before = changed.then(|| mem::replace(status, now.clone()));
            changed
        });
        let Some(before) = before else { return };
        let info = &session.info;
        match before.info() {
            Some(last) => {
                if last.epoch != info.epoch {
                    self.metrics.restarts.with([&info.name]).inc();
                }
                self.forget(last);
            }
            // Until now it was called by its endpoint.
            None => self.metrics.ready.remove([&self.remote.endpoint]),
        }
        self.metrics.ready.with([&info.name]).set(1);
        self.metrics.info.with([&info.name, &info.version, &info.api_minor.to_string()]).set(1);
        tracing::info!(
            provider = info.name,
            endpoint = self.remote.endpoint,
            version = info.version,
            epoch = info.epoch,
            accounts = ?info.accounts,
            schemes = ?info.schemes,
            capabilities = ?info.capabilities,
            "provider ready"
        );
    }

    /// The connection has just ended and the next is being opened. One that was away stays so.
    fn publish_handover(&self) {
        if matches!(&*self.status.borrow(), Status::Ready(_)) {
            self.wire.handover();
        }
    }

    /// Calls cannot be made.
    fn publish_away(&self, fault: &Fault) {
        self.wire.away(fault.clone());
        let mut ended = None;
        let mut news = false;
        self.status.send_if_modified(|status| {
            let (since, last) = match status {
                Status::Away { since, last, .. } => (*since, last.clone()),
                Status::Ready(info) => {
                    ended = Some(info.clone());
                    (clock::now(), Some(info.clone()))
                }
            };
            let now = Status::Away { since, fault: Some(fault.clone()), last };
            news = *status != now;
            *status = now;
            news
        });
        if let Some(info) = ended {
            self.forget(&info);
        }
        self.metrics.ready.with([&self.name()]).set(0);
        // The same fault at every attempt is said once.
        if news {
            tracing::warn!(provider = self.name(), endpoint = self.remote.endpoint, %fault, "provider away");
        }
    }

    /// What was measured of a daemon that is gone, or has become another.
    fn forget(&self, info: &Info) {
        self.metrics.info.remove([&info.name, &info.version, &info.api_minor.to_string()]);
        self.metrics.ready.remove([&info.name]);
    }

    /// The connection is gone.
    fn lost(&self, message: &str) -> Fault {
        Fault::new(Code::Unavailable, Origin::Provider, self.name(), message).with_reason(reason::UNREACHABLE)
    }
}
