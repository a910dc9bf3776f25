//! From a gRPC status to a [`Fault`]: code, where it lies, and what the typed details say.

use std::{error::Error, time::Duration};

use cloud_provider_api::error;
use controller_core::fault::{Code, Fault, Origin, reason};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use super::{
    convert::common::{is_quota, origin, pause, reason as word, text},
    link::LinkError,
};

/// Most violations kept of one fault: an Event holds no more.
const VIOLATIONS: usize = 16;

/// How a call that failed went, as far as it matters to what its status means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// Name of the provider.
    pub(super) provider: &'a str,
    /// Our deadline had passed when the status came.
    pub(super) overdue: bool,
}

/// What follows from a status.
pub(super) fn from_status(attempt: Attempt<'_>, status: &Status) -> Fault {
    if status.source().is_some() {
        // The status was made on this side: the transport broke. Whatever its code, the daemon did not say it.
        return Fault::new(Code::Unavailable, Origin::Provider, attempt.provider, text(&chain(status)))
            .with_reason(reason::UNREACHABLE);
    }
    if is_oversize(status) {
        return Fault::new(Code::Internal, Origin::Distrust, attempt.provider, text(status.message()))
            .with_reason(reason::BAD_ANSWER);
    }
    let mut code = code(status.code());
    let details = status.get_error_details();
    let mut word = details.error_info().map(|info| word(&info.reason)).unwrap_or_default();
    if code == Code::Cancelled && attempt.overdue {
        // A tonic server ends a call whose deadline has passed with CANCELLED.
        code = Code::DeadlineExceeded;
        reason::TIMED_OUT.clone_into(&mut word);
    }
    Fault {
        code,
        origin: place(&details, &word),
        provider: attempt.provider.to_owned(),
        message: text(status.message()),
        retry_after: details.retry_info().and_then(|info| info.retry_delay).map(pause),
        quota: quota(&details, &word),
        violations: violations(&details),
        request_id: details.request_info().map(|info| text(&info.request_id)).filter(|id| !id.is_empty()),
        reason: word,
    }
}

/// Our own deadline passed before any answer.
pub(super) fn timed_out(provider: &str, deadline: Duration) -> Fault {
    let message = format!("no answer within {deadline:?}");
    Fault::new(Code::DeadlineExceeded, Origin::Provider, provider, message).with_reason(reason::TIMED_OUT)
}

/// Whether the call was not sent, so that it can be made over another connection.
pub(super) fn not_sent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(LinkError::NotSent) = error.downcast_ref() {
            return true;
        }
        source = error.source();
    }
    false
}

/// An answer larger than we take. tonic refuses it with a code that elsewhere says that a person's wish is beyond the
/// cloud's limits, so it is told by its words; the tests hold them.
fn is_oversize(status: &Status) -> bool {
    status.code() == tonic::Code::OutOfRange && status.message().starts_with("Error, decoded message length too large")
}

/// Who is to blame. The domain says; without one the reason; without either the daemon, which should have said.
fn place(details: &ErrorDetails, word: &str) -> Origin {
    match details.error_info().map(|info| info.domain.as_str()) {
        Some(error::DOMAIN) => Origin::Provider,
        Some("") | None => origin(word).unwrap_or(Origin::Provider),
        Some(_) => Origin::Cloud,
    }
}

fn quota(details: &ErrorDetails, word: &str) -> bool {
    is_quota(word) || details.quota_failure().is_some_and(|failure| !failure.violations.is_empty())
}

/// Everything that is wrong, whichever detail says it.
fn violations(details: &ErrorDetails) -> Vec<(String, String)> {
    let fields = details.bad_request().into_iter().flat_map(|detail| &detail.field_violations);
    let quotas = details.quota_failure().into_iter().flat_map(|detail| &detail.violations);
    let preconditions = details.precondition_failure().into_iter().flat_map(|detail| &detail.violations);
    fields
        .map(|violation| (text(&violation.field), text(&violation.description)))
        .chain(quotas.map(|violation| (text(&violation.subject), text(&violation.description))))
        .chain(preconditions.map(|violation| (text(&violation.subject), text(&violation.description))))
        .take(VIOLATIONS)
        .collect()
}

fn code(code: tonic::Code) -> Code {
    u32::try_from(i32::from(code)).map_or(Code::Unknown, Code::from_number)
}

/// The status' message and those of its sources that add something.
fn chain(status: &Status) -> String {
    let mut message = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !message.contains(&said) {
            message = format!("{message}: {said}");
        }
        source = error.source();
    }
    message
}

#[cfg(test)]
mod tests;
