//! What was called.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A call that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRecord {
    /// Counted from 1.
    pub number: u64,
    /// When, by the cloud's clock.
    pub at: Timestamp,
    /// Service; empty when no route met the call.
    pub service: String,
    /// The cloud's name of the call; empty when no route met it.
    pub action: String,
    /// Method.
    pub method: String,
    /// Path as it came.
    pub path: String,
    /// Query, decoded.
    pub query: Vec<(String, String)>,
    /// Whether the call is one that changes something.
    pub mutating: bool,
    /// Whether its handler ran and did what was asked; not so when it was known for the repetition of an earlier call.
    pub executed: bool,
    /// Status that was answered, or would have been had the answer not been lost. `None`: there was no answer to give.
    pub status: Option<u16>,
    /// Whether the answer was lost on purpose, or never given.
    pub lost: bool,
    /// Id of the request, as the answer says.
    pub request_id: String,
    /// Key of the caller; empty when it is not known.
    pub key: String,
}
