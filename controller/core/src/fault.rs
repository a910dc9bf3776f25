//! Why a provider's call did not succeed, and what follows from it: one function for every code, so that no two loops
//! disagree.

use std::{fmt, time::Duration};

/// Words of [`Fault::reason`] that the controller itself gives. Those of the daemon are in the API's own list.
pub mod reason {
    /// The provider is away: the call was not made.
    pub const AWAY: &str = "AWAY";
    /// The connection was lost before the answer.
    pub const UNREACHABLE: &str = "UNREACHABLE";
    /// The call was not made: the provider asked for a pause.
    pub const THROTTLED: &str = "THROTTLED";
    /// Our deadline passed before the answer.
    pub const TIMED_OUT: &str = "TIMED_OUT";
    /// The provider did not announce the capability: the call was not made.
    pub const CAPABILITY_ABSENT: &str = "CAPABILITY_ABSENT";
    /// The request is larger than the provider takes: the call was not made.
    pub const OVER_LIMIT: &str = "OVER_LIMIT";
    /// No minor of the API in common.
    pub const API_VERSION: &str = "API_VERSION";
    /// The answer is about an account or region that is not served or not configured.
    pub const WRONG_ACCOUNT: &str = "WRONG_ACCOUNT";
    /// The answer breaks a rule of the API. The message names the field.
    pub const BAD_ANSWER: &str = "BAD_ANSWER";
    /// The answer says nothing about an item that was asked for.
    pub const MISSING_ANSWER: &str = "MISSING_ANSWER";
    /// A listing ended before it said that it was complete.
    pub const TRUNCATED_LIST: &str = "TRUNCATED_LIST";
    /// The answer is older than what was asked for.
    pub const STALE_ANSWER: &str = "STALE_ANSWER";
}

/// The gRPC codes but `OK`, by name. The numbers are gRPC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Code {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// Where the fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Between the controller and the daemon, or in the daemon itself.
    Provider,
    /// In the cloud behind the daemon.
    Cloud,
    /// The daemon's answer was refused by the controller's own checks.
    Distrust,
}

/// A failed call or item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The gRPC code.
    pub code: Code,
    /// Where the fault lies.
    pub origin: Origin,
    /// Name of the provider.
    pub provider: String,
    /// Stable upper-case word of `ErrorInfo.reason`; empty when none was given.
    pub reason: String,
    /// For people, at most 1024 bytes, holds no secret.
    pub message: String,
    /// `RetryInfo`: not before this time has passed.
    pub retry_after: Option<Duration>,
    /// `QuotaFailure` was given: a quota is used up, which waiting a little does not cure.
    pub quota: bool,
    /// `BadRequest`: each wrong field or annotation, and what is wrong with it.
    pub violations: Vec<(String, String)>,
    /// The cloud's own request id, when known.
    pub request_id: Option<String>,
}

/// When an item that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Per item, growing from 5 s to 300 s, with jitter.
    Backoff,
    /// After exactly this time plus jitter; neither counts as a failure nor clears earlier ones.
    After(Duration),
    /// Parked: on a change of the object, or after a long while.
    Slow,
    /// Not before the object changes or the daemon restarts.
    Halt,
}

impl Code {
    /// Every code, in gRPC's order.
    pub const ALL: [Self; 16] = [
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code with gRPC's number. A number that is none, and `OK` where a fault was announced, is [`Code::Unknown`].
    pub fn from_number(number: u32) -> Self {
        Self::ALL.into_iter().find(|code| *code as u32 == number).unwrap_or(Self::Unknown)
    }

    /// As gRPC writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

/// Pause after a refused identity or refused credentials: both heal from outside, within seconds of a rotation.
const IDENTITY_PAUSE: Duration = Duration::from_secs(30);
/// Pause while another call for the same object is under way.
const BUSY_PAUSE: Duration = Duration::from_secs(3);

impl Fault {
    /// A fault without details.
    pub fn new(code: Code, origin: Origin, provider: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            origin,
            provider: provider.into(),
            reason: String::new(),
            message: message.into(),
            retry_after: None,
            quota: false,
            violations: Vec::new(),
            request_id: None,
        }
    }

    /// The same fault with a [`reason`].
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// When the item that failed is tried again. The only classification there is: the loops add nothing to it but what they
    /// know of the object (an absent load balancer is what a delete wants).
    pub const fn retry(&self) -> Retry {
        // A broken answer says nothing about the object: a fixed daemon is asked again without anybody's help.
        if matches!(self.origin, Origin::Distrust) {
            return Retry::Backoff;
        }
        match self.code {
            Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented | Code::DataLoss => Retry::Halt,
            Code::NotFound | Code::AlreadyExists => Retry::Slow,
            Code::PermissionDenied => match self.origin {
                Origin::Cloud => self.after_or(Retry::Slow),
                Origin::Provider | Origin::Distrust => self.after_or(Retry::After(IDENTITY_PAUSE)),
            },
            Code::Unauthenticated => self.after_or(Retry::After(IDENTITY_PAUSE)),
            Code::ResourceExhausted | Code::FailedPrecondition if self.quota => Retry::Slow,
            Code::FailedPrecondition => self.after_or(Retry::Slow),
            Code::Aborted => self.after_or(Retry::After(BUSY_PAUSE)),
            Code::ResourceExhausted
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable => self.after_or(Retry::Backoff),
        }
    }

    /// What the provider asked for, else `otherwise`.
    const fn after_or(&self, otherwise: Retry) -> Retry {
        match self.retry_after {
            Some(pause) => Retry::After(pause),
            None => otherwise,
        }
    }

    /// Somebody's identity was refused: ours by the daemon, or the daemon's by the cloud. No node is removed while such
    /// faults are fresh, since whoever cannot log in sees nothing.
    pub const fn is_auth(&self) -> bool {
        matches!(self.code, Code::Unauthenticated | Code::PermissionDenied)
    }

    /// A write that failed so may have taken effect all the same: read before the next write.
    pub fn outcome_unknown(&self) -> bool {
        if self.is_away() {
            return false;
        }
        matches!(self.origin, Origin::Distrust)
            || matches!(
                self.code,
                Code::Cancelled | Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::Unavailable
            )
    }

    /// The provider is away and the call was not made. The item waits for it without ageing.
    pub fn is_away(&self) -> bool {
        matches!(self.code, Code::Unavailable) && self.reason == reason::AWAY
    }

    /// Too many calls: not the item's failure, and not to be shown as one.
    pub const fn is_throttle(&self) -> bool {
        matches!(self.code, Code::ResourceExhausted) && !self.quota
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider {}: {}", self.provider, self.code.as_str())?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        write!(f, ": {}", self.message)?;
        // A daemon may have told them in its message already.
        for (field, problem) in self.violations.iter().filter(|(_, problem)| !self.message.contains(problem.as_str())) {
            write!(f, "; {field}: {problem}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " [request id {id}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests;
