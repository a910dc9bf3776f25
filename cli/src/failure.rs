//! Why a command did not do what was asked, and what the exit code says of it.

use std::fmt;

use cloud_provider_api::error::{DOMAIN, Reason};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// What a person or a script does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something went wrong on this side.
    Failed,
    /// The command line cannot be meant so.
    Usage,
    /// Something has to change first; the same again leads to the same.
    Refused,
    /// Later it may work.
    TryAgain,
    /// Nobody confirmed it: nothing was changed.
    NotConfirmed,
    /// A part is done, and the rest waits for time or for a person. The same command again goes on.
    Unfinished,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Failed, Self::Usage, Self::Refused, Self::TryAgain, Self::NotConfirmed, Self::Unfinished];

    /// The exit code of the program.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::TryAgain => 4,
            Self::NotConfirmed => 5,
            Self::Unfinished => 6,
        }
    }

    /// What it means, for documents.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Failed => "something went wrong on this side: a file, the cluster, an answer that makes no sense",
            Self::Usage => "the command line cannot be meant so",
            Self::Refused => "refused by the daemon, the cloud or a check: the message says what has to change first",
            Self::TryAgain => "nobody answered, or too many asked: the same again may work",
            Self::NotConfirmed => "not confirmed: nothing was changed",
            Self::Unfinished => {
                "a part is done and the rest waits for time or for a person: the same command again goes on"
            }
        }
    }
}

/// Why a command did not do what was asked. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: Kind,
    message: String,
}

impl Failure {
    /// With words for people, which name the cause and the remedy.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Something went wrong on this side.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// The command line cannot be meant so.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Something has to change first.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// What is to be done next.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A call to the daemon failed.
    pub(crate) fn of_call(what: &str, status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let reason = info.and_then(|info| Reason::parse(&info.reason));
        let by_api = info.is_none_or(|info| info.domain == DOMAIN);
        let mut message = format!("{what}: {}", status.message());
        if let Some(remedy) = reason.and_then(remedy) {
            message = format!("{message}. {remedy}");
        } else if by_api && status.code() == Code::Unavailable {
            message += ". Is the daemon running, and does --provider name the place it listens at?";
        }
        if let Some(reason) = reason {
            message = format!("{message} [{reason}]");
        }
        Self::new(kind(status.code()), message)
    }

    /// A call to the cluster failed.
    pub(crate) fn of_cluster(what: &str, error: &kube::Error) -> Self {
        let kind = match error {
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => Kind::Refused,
            kube::Error::Api(status) if status.code == 429 || status.code >= 500 => Kind::TryAgain,
            kube::Error::HyperError(_) | kube::Error::Service(_) => Kind::TryAgain,
            _ => Kind::Failed,
        };
        let hint = if kind == Kind::Refused { "; docs/registry-user.md lists the rights this needs" } else { "" };
        Self::new(kind, format!("{what}: {error}{hint}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

fn kind(code: Code) -> Kind {
    match code {
        Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::ResourceExhausted | Code::Cancelled => {
            Kind::TryAgain
        }
        Code::Unknown | Code::Internal | Code::DataLoss | Code::Ok => Kind::Failed,
        _ => Kind::Refused,
    }
}

/// What helps, where the daemon's words do not say so already.
fn remedy(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::PeerNotAllowed | Reason::PeerUnidentified => {
            "Name this user or certificate to the daemon: --secret-peer-uid, --secret-peer-san, or its access file"
        }
        Reason::MethodNotAllowed => {
            "Kubeconfigs and registries are for callers the daemon allows secrets: --secret-peer-uid, --secret-peer-san, or \
             `classes: [read, secret]` in its access file"
        }
        Reason::ApiVersion => "Take cpctl from the same release as the daemon",
        Reason::TenantNotAllowed => {
            "--tenant names an account profile of the daemon; `cpctl provider info` shows yours"
        }
        Reason::CredentialsRejected | Reason::CredentialsMissing => {
            "The daemon's keys to the cloud are to be mended, not yours"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tonic_types::ErrorDetails;

    use super::*;

    fn failure(code: Code, reason: Reason, domain: &str) -> Failure {
        let details = ErrorDetails::with_error_info(reason.as_str(), domain, std::collections::HashMap::new());
        Failure::of_call("listing clusters", &Status::with_error_details(code, "the daemon's words", details))
    }

    #[test]
    fn exit_codes_are_distinct_and_never_success() {
        let codes: BTreeSet<u8> = Kind::ALL.into_iter().map(Kind::exit_code).collect();
        assert_eq!(codes, (1..=6).collect());
    }

    #[test]
    fn a_failed_call_says_what_helps_and_what_comes_next() {
        for (code, reason, domain, kind, part) in [
            (Code::PermissionDenied, Reason::MethodNotAllowed, DOMAIN, Kind::Refused, "--secret-peer-uid"),
            (Code::NotFound, Reason::ObjectAbsent, "mock", Kind::Refused, "the daemon's words [OBJECT_ABSENT]"),
            (Code::ResourceExhausted, Reason::Throttled, "mock", Kind::TryAgain, "[THROTTLED]"),
            (Code::Unknown, Reason::AnswerUnreadable, "mock", Kind::Failed, "[ANSWER_UNREADABLE]"),
        ] {
            let failure = failure(code, reason, domain);
            assert_eq!(failure.kind(), kind, "{reason}");
            assert!(failure.to_string().contains(part), "{failure}");
        }
        let away = Failure::of_call("handshake", &Status::unavailable("connecting to unix:/x: no such file"));
        assert!(away.kind() == Kind::TryAgain && away.to_string().contains("--provider"), "{away}");
    }
}
