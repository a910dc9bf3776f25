//! How a cloud words its answers.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::error::Kind;

/// Reads what a cloud answers when it refuses or fails.
pub trait Dialect: Send + Sync {
    /// What an answer other than 2xx means.
    fn failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure;

    /// The cloud's own id of the call.
    fn request_id(&self, headers: &HeaderMap) -> Option<String>;
}

/// What the cloud said about a call it did not carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the caller can do about it.
    pub kind: Kind,
    /// The cloud's own code: `ELB.8904`. Empty if it gave none.
    pub code: String,
    /// The cloud's own words.
    pub message: String,
    /// The cloud's id of the call, if the body has it.
    pub request_id: Option<String>,
    /// How long to wait, if the words say so. A `Retry-After` header is read by the client.
    pub retry_after: Option<Duration>,
}
