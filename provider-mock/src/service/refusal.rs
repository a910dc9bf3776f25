//! Why a call or an item fails, before it is put on the wire.

use std::collections::HashMap;

use cloud_provider_api::{
    error::{Reason, Side},
    v1::ItemStatus,
};
use provider_kit::Error;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt};

use crate::{cloud::CloudError, scenario::Failure};

/// Why a call or an item fails.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// It cannot be done.
    Honest(Box<Honest>),
    /// A rule wants it.
    Told(Box<Told>),
    /// The answer is lost on the way: no details, as something between caller and daemon would say it.
    Lost,
}

/// A failure as any daemon has them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Honest {
    reason: Reason,
    /// Other than the reason's usual one.
    code: Option<Code>,
    message: String,
    /// Subject and description.
    quota: Option<(String, String)>,
    /// Field and description.
    violations: Vec<(String, String)>,
}

/// A failure that a rule wants, with whatever words it has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    failure: Failure,
    rule: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self::honest(reason, message.into(), Vec::new())
    }

    /// With another code than the reason's usual one.
    pub(crate) fn with_code(code: Code, reason: Reason, message: impl Into<String>) -> Self {
        let honest = Honest { reason, code: Some(code), message: message.into(), quota: None, violations: Vec::new() };
        Self::Honest(Box::new(honest))
    }

    /// A request that cannot be: every wrong field at once.
    pub(crate) fn invalid(reason: Reason, violations: Vec<(String, String)>) -> Self {
        let words: Vec<_> = violations.iter().map(|(field, fault)| format!("{field}: {fault}")).collect();
        Self::honest(reason, words.join("; "), violations)
    }

    /// A wrong field.
    pub(crate) fn field(reason: Reason, field: &str, fault: impl Into<String>) -> Self {
        Self::invalid(reason, vec![(field.to_owned(), fault.into())])
    }

    /// What a rule wants.
    pub(crate) fn told(failure: &Failure, rule: &str) -> Self {
        Self::Told(Box::new(Told { failure: failure.clone(), rule: rule.to_owned() }))
    }

    fn honest(reason: Reason, message: String, violations: Vec<(String, String)>) -> Self {
        Self::Honest(Box::new(Honest { reason, code: None, message, quota: None, violations }))
    }

    /// As the status of a whole call.
    pub(crate) fn into_status(self, provider: &str) -> Status {
        match self {
            Self::Honest(honest) => honest.into_error(provider).into(),
            Self::Told(told) => told.into_status(provider),
            Self::Lost => Status::unavailable("connection lost"),
        }
    }

    /// As the status of one item.
    pub(crate) fn into_item(self, provider: &str) -> ItemStatus {
        match self {
            Self::Honest(honest) => honest.into_error(provider).item_status(),
            Self::Told(told) => told.into_item(),
            Self::Lost => Error::new(Reason::Starting, "connection lost").item_status(),
        }
    }
}

impl Honest {
    fn into_error(self, provider: &str) -> Error {
        let mut error = match self.reason.side() {
            Side::Api => Error::new(self.reason, self.message),
            Side::Cloud | Side::Either => Error::cloud(provider.to_owned(), self.reason, self.message),
        };
        if let Some(code) = self.code {
            error = error.with_code(code);
        }
        if let Some((subject, description)) = self.quota {
            error = error.quota(subject, description);
        }
        self.violations.into_iter().fold(error, |error, (field, fault)| error.violation(field, fault))
    }
}

impl Told {
    fn reason(&self) -> String {
        let fitting = || {
            let mut all = Reason::ALL.iter();
            let fits = |reason: &&Reason| reason.codes()[0] == self.failure.code && reason.side() != Side::Api;
            all.find(fits).unwrap_or(&Reason::Defect).as_str().to_owned()
        };
        self.failure.reason.clone().unwrap_or_else(fitting)
    }

    fn message(&self) -> String {
        let message = || format!("rule {} of the scenario wants this", self.rule);
        self.failure.message.clone().unwrap_or_else(message)
    }

    fn into_status(self, provider: &str) -> Status {
        let domain = self.failure.domain.as_deref().unwrap_or(provider);
        let mut details = ErrorDetails::with_error_info(self.reason(), domain, HashMap::new());
        if let Some(delay) = self.failure.retry_after {
            details.set_retry_info(Some(delay));
        }
        if let Some(quota) = &self.failure.quota {
            details.set_quota_failure(vec![QuotaViolation::new(&quota.subject, &quota.description)]);
        }
        let violations = &self.failure.violations;
        if !violations.is_empty() {
            let fields = violations.iter().map(|wrong| FieldViolation::new(&wrong.field, &wrong.description));
            details.set_bad_request(fields.collect::<Vec<_>>());
        }
        Status::with_error_details(self.failure.code, self.message(), details)
    }

    fn into_item(self) -> ItemStatus {
        ItemStatus {
            code: u32::try_from(i32::from(self.failure.code)).unwrap_or_default(),
            reason: self.reason(),
            message: self.message(),
            retry_after: self.failure.retry_after.and_then(|delay| delay.try_into().ok()),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::with_code(error.code(), error.reason(), error.message())
    }
}

impl From<CloudError> for Refusal {
    fn from(error: CloudError) -> Self {
        let message = error.to_string();
        match error {
            CloudError::Absent { .. } => Self::new(Reason::ObjectAbsent, message),
            CloudError::Exists { .. } => Self::new(Reason::NotOurs, message),
            CloudError::Quota { quota, subject, limit } => {
                let quota = Some((subject, format!("{quota}: {limit} at most")));
                let honest =
                    Honest { reason: Reason::QuotaExhausted, code: None, message, quota, violations: Vec::new() };
                Self::Honest(Box::new(honest))
            }
            CloudError::NoAddress { .. } => Self::new(Reason::OutOfStock, message),
            CloudError::AddressRefused { .. } => Self::field(Reason::Unsupported, "spec.load_balancer_ip", message),
            CloudError::Busy { .. } => Self::new(Reason::Busy, message),
            CloudError::Invalid { field, fault } => Self::field(Reason::FieldInvalid, &field, fault),
        }
    }
}
