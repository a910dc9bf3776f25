//! The record of calls that change something.

use std::time::Duration;

use crate::{actor::Actor, error::Kind};

/// Takes note of every attempt of a call that may change something, whatever came of it.
pub trait Audit: Send + Sync {
    /// Takes note of one.
    fn record(&self, entry: &AuditEntry<'_>);
}

/// One attempt of a call that may change something.
#[derive(Clone, Debug)]
pub struct AuditEntry<'a> {
    /// The account profile.
    pub account: &'a str,
    /// For whom.
    pub actor: &'a Actor,
    /// The cloud's name of the call.
    pub call: &'static str,
    /// The HTTP method.
    pub method: &'a str,
    /// The path, in which the object's id is.
    pub path: &'a str,
    /// The cloud's own id of it, or empty.
    pub cloud_request_id: &'a str,
    /// `OK`, or the cloud's code, or the kind of failure.
    pub result: &'a str,
    /// The kind of failure. `None`: it succeeded.
    pub failed: Option<Kind>,
    /// How long it took.
    pub duration: Duration,
}
