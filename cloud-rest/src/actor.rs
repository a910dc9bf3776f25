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
    /// No call is begun, and none waits, past this moment. `None`: as long as it takes.
    pub deadline: Option<Instant>,
}

impl Actor {
    /// The daemon itself: inventories, checks of keys.
    pub fn daemon() -> Self {
        Self { caller: "daemon".into(), request_id: "".into(), key: "".into(), deadline: None }
    }
}

impl Default for Actor {
    fn default() -> Self {
        Self::daemon()
    }
}
