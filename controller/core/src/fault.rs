//! Why a provider's call did not succeed, and what follows from it: one function for every code, so that no two loops
//! disagree.

use std::{fmt, time::Duration};

/// The gRPC codes, by name. The numbers are gRPC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider {}: {:?}", self.provider, self.code)?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        write!(f, ": {}", self.message)?;
        for (field, problem) in &self.violations {
            write!(f, "; {field}: {problem}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " [request id {id}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
