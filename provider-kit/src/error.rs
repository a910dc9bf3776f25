//! A daemon's failures, and how they become the status of a call or of an item.

use std::{borrow::Cow, collections::HashMap, fmt, time::Duration};

use cloud_provider_api::{
    error::{DOMAIN, Reason, Side, info},
    v1::ItemStatus,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Longest message for people, in bytes.
const MAX_MESSAGE: usize = 1024;
/// Most bytes of encoded details. They travel in one header as base64, and some proxies cut headers at 8 KiB.
const MAX_DETAILS: usize = 3 * 1024;
/// Longest text within a detail, in bytes.
const MAX_FIELD: usize = 256;

/// The number of `UNKNOWN`.
const UNKNOWN: u32 = 2;

/// Why a call or an item failed. Holds no secret: what a cloud answered is never quoted, only its code and request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Fault>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    reason: Reason,
    code: Code,
    domain: Cow<'static, str>,
    message: String,
    retry_after: Option<Duration>,
    violations: Vec<(String, String)>,
    quotas: Vec<(String, String)>,
    preconditions: Vec<(String, String)>,
    request_id: Option<String>,
    info: Vec<(&'static str, String)>,
}

/// What a call of this crate's traits answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A fault between the caller and the daemon, or in the daemon.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        debug_assert!(reason.side() != Side::Cloud, "{reason} is a fault of the cloud's: use Error::cloud");
        Self::in_domain(DOMAIN.into(), reason, message.into())
    }

    /// A fault in the cloud behind the daemon. `provider` is the provider's name.
    pub fn cloud(provider: impl Into<Cow<'static, str>>, reason: Reason, message: impl Into<String>) -> Self {
        debug_assert!(reason.side() != Side::Api, "{reason} is no fault of the cloud's: use Error::new");
        Self::in_domain(provider.into(), reason, message.into())
    }

    fn in_domain(domain: Cow<'static, str>, reason: Reason, message: String) -> Self {
        Self(Box::new(Fault {
            reason,
            code: reason.codes()[0],
            domain,
            message: cut(message, MAX_MESSAGE),
            retry_after: None,
            violations: Vec::new(),
            quotas: Vec::new(),
            preconditions: Vec::new(),
            request_id: None,
            info: Vec::new(),
        }))
    }

    /// A field of the request is missing, malformed or over its limit. Paths as in `BadRequest`: `key.cluster.id`.
    pub fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self::new(Reason::FieldInvalid, format!("{field}: {problem}")).violation(field, problem)
    }

    /// Another of the codes that go with the reason.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        debug_assert!(self.0.reason.codes().contains(&code), "{} does not go with {code:?}", self.0.reason);
        self.0.code = code;
        self
    }

    /// `RetryInfo`: not before this time has passed.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// `BadRequest`: a wrong field or annotation, and what is wrong with it.
    #[must_use]
    pub fn violation(mut self, field: impl Into<String>, problem: impl Into<String>) -> Self {
        self.0.violations.push((cut(field.into(), MAX_FIELD), cut(problem.into(), MAX_FIELD)));
        self
    }

    /// `QuotaFailure`: which quota is used up, and its limit in words.
    #[must_use]
    pub fn quota(mut self, subject: impl Into<String>, description: impl Into<String>) -> Self {
        self.0.quotas.push((cut(subject.into(), MAX_FIELD), cut(description.into(), MAX_FIELD)));
        self
    }

    /// `PreconditionFailure`: what has to change first.
    #[must_use]
    pub fn precondition(mut self, subject: impl Into<String>, description: impl Into<String>) -> Self {
        self.0.preconditions.push((cut(subject.into(), MAX_FIELD), cut(description.into(), MAX_FIELD)));
        self
    }

    /// `RequestInfo`: the cloud's own id of the call that failed.
    #[must_use]
    pub fn cloud_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(cut(id.into(), MAX_FIELD));
        self
    }

    /// The cloud's own error code, for `ErrorInfo.metadata`.
    #[must_use]
    pub fn cloud_code(self, code: impl Into<String>) -> Self {
        self.with_info(info::CLOUD_CODE, code.into())
    }

    /// The HTTP status the cloud answered, for `ErrorInfo.metadata`.
    #[must_use]
    pub fn http_status(self, status: u16) -> Self {
        self.with_info(info::HTTP_STATUS, status.to_string())
    }

    /// Where the call was made, for `ErrorInfo.metadata`.
    #[must_use]
    pub fn in_account(self, account: impl Into<String>, region: impl Into<String>) -> Self {
        self.with_info(info::ACCOUNT, account.into()).with_info(info::REGION, region.into())
    }

    fn with_info(mut self, key: &'static str, value: String) -> Self {
        self.0.info.push((key, cut(value, MAX_FIELD)));
        self
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Whether what was asked is at fault: the same again fails again.
    pub fn is_refusal(&self) -> bool {
        matches!(self.0.code, Code::InvalidArgument | Code::FailedPrecondition)
    }

    /// The stable word.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// For people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// As the outcome of one item of a batch.
    pub fn item_status(&self) -> ItemStatus {
        ItemStatus {
            code: u32::try_from(i32::from(self.0.code)).unwrap_or(UNKNOWN),
            reason: self.0.reason.as_str().to_owned(),
            message: self.0.message.clone(),
            retry_after: self.0.retry_after.and_then(|delay| delay.try_into().ok()),
        }
    }

    fn details(&self) -> ErrorDetails {
        let metadata: HashMap<String, String> =
            self.0.info.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let mut details = ErrorDetails::with_error_info(self.0.reason.as_str(), &*self.0.domain, metadata);
        if let Some(delay) = self.0.retry_after {
            details.set_retry_info(Some(delay));
        }
        if let Some(id) = &self.0.request_id {
            details.set_request_info(id, "");
        }
        for (field, problem) in &self.0.violations {
            details.add_bad_request_violation(field, problem);
        }
        for (subject, description) in &self.0.quotas {
            details.add_quota_failure_violation(subject, description);
        }
        for (subject, description) in &self.0.preconditions {
            details.add_precondition_failure_violation(self.0.reason.as_str(), subject, description);
        }
        details
    }

    /// Gives up the last of the longest list. `false`: there is none left.
    fn shorten(&mut self) -> bool {
        let lists = [&mut self.0.violations, &mut self.0.quotas, &mut self.0.preconditions];
        lists.into_iter().max_by_key(|list| list.len()).is_some_and(|list| list.pop().is_some())
    }
}

impl From<Error> for Status {
    fn from(mut error: Error) -> Self {
        loop {
            let status = Status::with_error_details(error.0.code, error.0.message.clone(), error.details());
            if status.details().len() <= MAX_DETAILS || !error.shorten() {
                return status;
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}): {}", self.0.reason, self.0.code, self.0.message)
    }
}

impl std::error::Error for Error {}

/// At most `limit` bytes, cut between characters.
fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let ellipsis = '…';
        let end = text.floor_char_boundary(limit - ellipsis.len_utf8());
        text.truncate(end);
        text.push(ellipsis);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_all_that_is_known() {
        let error = Error::cloud("mock", Reason::QuotaExhausted, "no more load balancers")
            .retry_after(Duration::from_secs(7))
            .quota("load balancers", "50 in region r1")
            .precondition("subnet s1", "is full")
            .cloud_code("ELB.8902")
            .http_status(400)
            .in_account("p1", "r1")
            .cloud_request_id("req-1");
        let status = Status::from(error);
        assert_eq!(status.code(), Code::FailedPrecondition);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("QUOTA_EXHAUSTED", "mock"));
        assert_eq!(info.metadata["cloud_code"], "ELB.8902");
        assert_eq!(info.metadata["http_status"], "400");
        assert_eq!((info.metadata["account"].as_str(), info.metadata["region"].as_str()), ("p1", "r1"));
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(7)));
        assert_eq!(details.quota_failure().unwrap().violations[0].subject, "load balancers");
        assert_eq!(details.precondition_failure().unwrap().violations[0].description, "is full");
        assert_eq!(details.request_info().unwrap().request_id, "req-1");
    }

    #[test]
    fn a_wrong_field_is_named_twice_for_people_and_for_programs() {
        let status = Status::from(Error::field("key.cluster.id", "is empty"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "key.cluster.id: is empty");
        let details = status.get_error_details();
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "key.cluster.id");
        assert_eq!(details.error_info().unwrap().domain, DOMAIN);
    }

    #[test]
    fn long_texts_and_lists_are_cut_to_what_a_header_carries() {
        let mut error = Error::new(Reason::FieldInvalid, "ä".repeat(2000)).retry_after(Duration::from_secs(1));
        for i in 0..200 {
            error = error.violation(format!("spec.ports[{i}]"), "x".repeat(400));
        }
        let status = Status::from(error);
        assert!(status.message().len() <= MAX_MESSAGE && status.message().ends_with('…'));
        assert!(status.details().len() <= MAX_DETAILS, "{}", status.details().len());
        let details = status.get_error_details();
        assert!(!details.bad_request().unwrap().field_violations.is_empty());
        assert!(details.error_info().is_some() && details.retry_info().is_some());
    }

    #[test]
    fn an_item_carries_the_same() {
        let item =
            Error::cloud("mock", Reason::Throttled, "slow down").retry_after(Duration::from_millis(1500)).item_status();
        assert_eq!((item.code, item.reason.as_str()), (8, "THROTTLED"));
        assert_eq!(item.retry_after.unwrap(), prost_types::Duration { seconds: 1, nanos: 500_000_000 });
    }
}
