//! For whom a call is made.

use std::sync::Arc;

use tokio::time::Instant;

/// Who asked, for the audit log, and how long they will wait.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The caller's identity.
    pub caller: Arc<str>,
    /// The id of the request this belongs to.
    pub request_id: Arc<str>,
    /// The idempotency key of what is being done: a Service, a node.
    pub key: Arc<str>,
    /// Whose part of what the account may call its calls are.
    pub share: Share,
    /// No call is begun, and none waits, past this moment. `None`: as long as it takes.
    pub deadline: Option<Instant>,
}

/// A part of the calls an account may make. While several want some they get equal parts, and whoever wanted less lately goes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Whose it is. Empty: of those who are not told apart.
    pub name: Arc<str>,
    /// Never more than this of each kind of calls, though nobody else wants any.
    pub calls_per_second: Option<u32>,
}

impl Actor {
    /// The daemon itself: inventories, checks of keys.
    pub fn daemon() -> Self {
        Self { caller: "daemon".into(), request_id: "".into(), key: "".into(), share: Share::default(), deadline: None }
    }
}

impl Default for Actor {
    fn default() -> Self {
        Self::daemon()
    }
}
