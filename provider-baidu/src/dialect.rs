//! How Baidu AI Cloud words its refusals.

mod body;
mod classify;

use cloud_rest::{Dialect, Failure, Kind};
use http::{HeaderMap, StatusCode};

/// The header with the cloud's own id of a call.
const REQUEST_ID: &str = "x-bce-request-id";

/// The error bodies of all services.
#[derive(Clone, Copy, Debug, Default)]
pub struct Baidu {
    /// Whether calls go through the gateway of CCE, whose own refusals are about the token.
    pub gateway: bool,
}

/// What a body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    /// The cloud's code, or empty.
    code: String,
    /// Words for people.
    message: String,
    /// The cloud's id of the call.
    request_id: Option<String>,
    /// The service itself said it: not something in between.
    by_service: bool,
}

impl Dialect for Baidu {
    fn failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        let mut said = body::read(body);
        let request_id = self.request_id(headers);
        // Services answer without a body now and then, but never without an id.
        said.by_service |= body.is_empty() && request_id.is_some();
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let kind = if self.gateway && refused && !said.by_service {
            Kind::Unauthenticated
        } else {
            classify::classify(status, &said)
        };
        let code = if said.code.is_empty() { classify::implied_code(status).to_owned() } else { said.code };
        let message = match (said.message.is_empty(), code.is_empty()) {
            (false, _) => said.message,
            (true, false) => format!("the cloud says {code} and no more"),
            (true, true) => format!("the cloud answers {status} and no more"),
        };
        Failure { kind, code, message, request_id: said.request_id, retry_after: None }
    }

    fn request_id(&self, headers: &HeaderMap) -> Option<String> {
        let value = headers.get(REQUEST_ID)?.to_str().ok()?;
        (!value.is_empty()).then(|| value.to_owned())
    }
}

#[cfg(test)]
mod tests;
