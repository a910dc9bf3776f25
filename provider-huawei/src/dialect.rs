//! How Huawei Cloud words its refusals.

mod body;
mod classify;

use std::time::Duration;

use cloud_rest::{Dialect, Failure};
use http::{HeaderMap, StatusCode};

pub use classify::classify;

/// The error bodies of all services, told apart by their form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Huawei;

impl Dialect for Huawei {
    fn failure(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Failure {
        let said = body::read(body);
        let kind = classify(status, &said);
        let retry_after = classify::pace(&said.message).map(|(calls, period)| period / calls.max(1));
        let message = if said.message.is_empty() { format!("HTTP {status}, without a reason") } else { said.message };
        Failure { kind, code: said.code, message, request_id: said.request_id, retry_after }
    }

    fn request_id(&self, headers: &HeaderMap) -> Option<String> {
        let id = headers.get("x-request-id").or_else(|| headers.get("x-iam-trace-id"))?;
        id.to_str().ok().map(str::to_owned)
    }
}

/// What an error body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The code, or empty.
    pub code: String,
    /// The words, or empty.
    pub message: String,
    /// The id of the call, if it is in the body.
    pub request_id: Option<String>,
    /// Whether a body of one of the cloud's forms was there at all: proxies answer with pages of their own.
    pub understood: bool,
}

/// How many calls there may be in what time.
type Pace = (u32, Duration);

#[cfg(test)]
mod tests;
