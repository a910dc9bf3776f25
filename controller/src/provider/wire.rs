//! Over which session calls are made now.

use std::{sync::Arc, time::Duration};

use controller_core::fault::Fault;
use tokio::{sync::watch, time::timeout};

use super::session::Session;

/// How long a call waits for the connection that replaces one that has just ended. Past that the provider is away.
pub(super) const HANDOVER: Duration = Duration::from_secs(3);

/// The state of the connection, as calls see it.
#[derive(Clone, Debug)]
enum State {
    /// No calls. The fault is missing before the first attempt.
    Away(Option<Fault>),
    /// The connection has just ended and the next is being opened: calls wait for it.
    Handover,
    /// Calls are made over this session.
    Ready(Arc<Session>),
}

/// Hands the current session to calls.
#[derive(Debug)]
pub(super) struct Wire(watch::Sender<State>);

impl Wire {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(State::Away(None)))
    }

    pub(super) fn ready(&self, session: Arc<Session>) {
        self.0.send_replace(State::Ready(session));
    }

    pub(super) fn handover(&self) {
        self.0.send_replace(State::Handover);
    }

    pub(super) fn away(&self, fault: Fault) {
        self.0.send_replace(State::Away(Some(fault)));
    }

    /// The session, or why there is none.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Option<Fault>> {
        let mut states = self.0.subscribe();
        let usable = |state: &State| match state {
            State::Away(_) => true,
            State::Handover => false,
            // The end of a session is seen here before the supervisor has said so.
            State::Ready(session) => session.is_open(),
        };
        let state = match timeout(HANDOVER, states.wait_for(usable)).await {
            Ok(Ok(state)) => state.clone(),
            // The sender lives as long as this.
            Ok(Err(_)) | Err(_) => return Err(None),
        };
        match state {
            State::Ready(session) => Ok(session),
            State::Away(fault) => Err(fault),
            State::Handover => Err(None),
        }
    }
}
