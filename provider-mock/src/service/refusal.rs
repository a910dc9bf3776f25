//! Why a call or an item fails, before it is put on the wire.

use std::{collections::HashMap, time::Duration};

use cloud_provider_api::{
    error::{DOMAIN, Reason, Side},
    v1::ItemStatus,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt};

use crate::{cloud::CloudError, scenario::Failure};

/// Most wrong fields named in one answer.
const VIOLATIONS: usize = 10;

/// Why a call or an item fails.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) reason: String,
    /// `None`: the provider's name, a fault of the cloud.
    pub(crate) domain: Option<String>,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    /// Subject and description.
    pub(crate) quota: Option<(String, String)>,
    /// Field and description.
    pub(crate) violations: Vec<(String, String)>,
    /// Without details, as something between caller and daemon would answer.
    pub(crate) bare: bool,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            code: reason.codes()[0],
            reason: reason.as_str().to_owned(),
            domain: (reason.side() == Side::Api).then(|| DOMAIN.to_owned()),
            message: message.into(),
            retry_after: None,
            quota: None,
            violations: Vec::new(),
            bare: false,
        }
    }

    /// A request that cannot be: every wrong field at once.
    pub(crate) fn invalid(reason: Reason, mut violations: Vec<(String, String)>) -> Self {
        // Details travel in a header, which proxies cut off.
        let more = violations.len().saturating_sub(VIOLATIONS);
        violations.truncate(VIOLATIONS);
        if more > 0 {
            violations.push(("…".to_owned(), format!("and {more} more")));
        }
        let message =
            violations.iter().map(|(field, fault)| format!("{field}: {fault}")).collect::<Vec<_>>().join("; ");
        Self { violations, ..Self::new(reason, message) }
    }

    /// What a caller sees when something in between says so: no details.
    pub(crate) fn unavailable(message: &str) -> Self {
        Self { bare: true, ..Self::new(Reason::Unreachable, message) }
    }

    /// A failure that a rule wants.
    pub(crate) fn from_rule(failure: &Failure, rule: &str) -> Self {
        let fitting = || {
            let reason = Reason::ALL
                .iter()
                .find(|reason| reason.codes()[0] == failure.code && reason.side() != Side::Api)
                .unwrap_or(&Reason::Defect);
            reason.as_str().to_owned()
        };
        Self {
            code: failure.code,
            reason: failure.reason.clone().unwrap_or_else(fitting),
            domain: failure.domain.clone(),
            message: failure.message.clone().unwrap_or_else(|| format!("rule {rule} of the scenario wants this")),
            retry_after: failure.retry_after,
            quota: failure.quota.as_ref().map(|quota| (quota.subject.clone(), quota.description.clone())),
            violations: failure.violations.iter().map(|v| (v.field.clone(), v.description.clone())).collect(),
            bare: false,
        }
    }

    /// As the status of a whole call.
    pub(crate) fn into_status(self, provider: &str) -> Status {
        if self.bare {
            return Status::new(self.code, self.message);
        }
        let domain = self.domain.as_deref().unwrap_or(provider);
        let mut details = ErrorDetails::with_error_info(self.reason, domain, HashMap::new());
        if let Some(delay) = self.retry_after {
            details.set_retry_info(Some(delay));
        }
        if let Some((subject, description)) = self.quota {
            details.set_quota_failure(vec![QuotaViolation::new(subject, description)]);
        }
        if !self.violations.is_empty() {
            let fields = self.violations.into_iter().map(|(field, fault)| FieldViolation::new(field, fault));
            details.set_bad_request(fields.collect::<Vec<_>>());
        }
        Status::with_error_details(self.code, self.message, details)
    }

    /// As the status of one item.
    pub(crate) fn into_item(self) -> ItemStatus {
        ItemStatus {
            code: u32::try_from(self.code as i32).unwrap_or(2),
            reason: self.reason,
            message: self.message,
            retry_after: self.retry_after.and_then(|delay| delay.try_into().ok()),
        }
    }
}

impl From<CloudError> for Refusal {
    fn from(error: CloudError) -> Self {
        let message = error.to_string();
        match error {
            CloudError::Absent { .. } => Self::new(Reason::ObjectAbsent, message),
            CloudError::Exists { .. } => Self::new(Reason::NotOurs, message),
            CloudError::Quota { quota, subject, limit } => Self {
                quota: Some((subject, format!("{quota}: {limit} at most"))),
                ..Self::new(Reason::QuotaExhausted, message)
            },
            CloudError::NoAddress { .. } => Self::new(Reason::OutOfStock, message),
            CloudError::AddressRefused { .. } => Self {
                violations: vec![("spec.load_balancer_ip".to_owned(), message.clone())],
                ..Self::new(Reason::Unsupported, message)
            },
            CloudError::Busy { .. } => Self::new(Reason::Busy, message),
            CloudError::Invalid { field, fault } => Self::invalid(Reason::FieldInvalid, vec![(field, fault)]),
        }
    }
}
