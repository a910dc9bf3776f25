//! What went wrong, said so that the caller knows what to do.

use std::{fmt, time::Duration};

use http::StatusCode;

/// What the caller can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The cloud says that the thing asked for does not exist.
    NotFound,
    /// There is no such API at this address: a wrong endpoint, region or version. Says nothing about any object.
    NoSuchApi,
    /// The credentials are wrong, have ended, or the clock is off. A person must act, or a renewal.
    Unauthenticated,
    /// The credentials are right and may not do this.
    PermissionDenied,
    /// Too many calls; later it will work. It was not carried out.
    Throttled,
    /// It clashes with something that exists: a duplicate, an object in use.
    Conflict,
    /// The account's quota is used up.
    Quota,
    /// The object is busy with an earlier change; soon it will work.
    Pending,
    /// The request is wrong; it will not work later.
    Invalid,
    /// The cloud failed.
    Server,
    /// No connection: it was not sent, or was cut off ([`Executed`] says which).
    Connect,
    /// No answer in time.
    Timeout,
    /// An answer that cannot be understood.
    Garbled,
}

impl Kind {
    /// A word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NoSuchApi => "no_such_api",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::Throttled => "throttled",
            Self::Conflict => "conflict",
            Self::Quota => "quota",
            Self::Pending => "pending",
            Self::Invalid => "invalid",
            Self::Server => "server",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Garbled => "garbled",
        }
    }

    /// Whether the same call may well succeed later, with nobody doing anything.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Pending | Self::Server | Self::Connect | Self::Timeout | Self::Garbled)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the cloud carried the call out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Executed {
    /// Surely not.
    No,
    /// Surely, but what it answered is lost.
    Yes,
    /// Perhaps. A write has to be looked up before it is sent again.
    Unknown,
}

/// A call that failed, its repeats included. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The cloud's name of the call.
    pub call: &'static str,
    /// What can be done about it.
    pub kind: Kind,
    /// The HTTP status. `None`: there was no answer.
    pub status: Option<StatusCode>,
    /// The cloud's own code, or empty.
    pub code: String,
    /// What happened, in the cloud's words or ours.
    pub message: String,
    /// The cloud's own id of the call.
    pub request_id: Option<String>,
    /// When to try again, if the cloud or the rate limit knows.
    pub retry_after: Option<Duration>,
    /// Whether it was carried out all the same.
    pub executed: Executed,
    /// How often it was sent.
    pub attempts: u32,
}

impl Error {
    /// A failure on this side, before anything was sent.
    pub fn unsent(call: &'static str, kind: Kind, message: impl Into<String>) -> Self {
        Self {
            call,
            kind,
            status: None,
            code: String::new(),
            message: message.into(),
            request_id: None,
            retry_after: None,
            executed: Executed::No,
            attempts: 0,
        }
    }

    /// Whether the cloud itself said that the thing does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.message)?;
        let mut notes = Vec::new();
        if let Some(status) = self.status {
            notes.push(format!("HTTP {}", status.as_u16()));
        }
        if !self.code.is_empty() {
            notes.push(self.code.clone());
        }
        if let Some(id) = &self.request_id {
            notes.push(format!("request {id}"));
        }
        if self.attempts > 1 {
            notes.push(format!("{} attempts", self.attempts));
        }
        if notes.is_empty() { Ok(()) } else { write!(f, " ({})", notes.join(", ")) }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_who_refused_what() {
        let mut error = Error::unsent("ShowListener", Kind::NotFound, "listener abc could not be found");
        assert_eq!(error.to_string(), "ShowListener: listener abc could not be found");
        error.status = Some(StatusCode::NOT_FOUND);
        error.code = "ELB.8904".to_owned();
        error.request_id = Some("42".to_owned());
        error.attempts = 3;
        assert_eq!(
            error.to_string(),
            "ShowListener: listener abc could not be found (HTTP 404, ELB.8904, request 42, 3 attempts)"
        );
    }
}
