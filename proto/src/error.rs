//! The vocabulary of errors: which words `ErrorInfo.reason` and `ItemStatus.reason` may hold, what each means and which gRPC
//! code it goes with.
//!
//! The list is closed for senders: a daemon that needs another word adds it here. It is open for receivers: one that meets
//! a word it does not know goes by the code alone.

use tonic::Code;

/// `ErrorInfo.domain` of a fault between the caller and the daemon, or in the daemon itself. A fault in the cloud behind the
/// daemon has the provider's name as its domain instead.
pub const DOMAIN: &str = "provider-api";

/// Keys of gRPC metadata.
pub mod metadata {
    /// Request: made by the caller, one for each call. Response: the same, echoed.
    pub const REQUEST_ID: &str = "x-request-id";
    /// Response: `HandshakeResponse.epoch` of the daemon that answered.
    pub const PROVIDER_EPOCH: &str = "x-provider-epoch";
}

/// Keys of `ErrorInfo.metadata`. A header, a body, a signature or a credential is never among the values.
pub mod info {
    /// The cloud's own error code, as it wrote it.
    pub const CLOUD_CODE: &str = "cloud_code";
    /// The HTTP status the cloud answered, in decimal.
    pub const HTTP_STATUS: &str = "http_status";
    /// The cloud account or project the call was made in.
    pub const ACCOUNT: &str = "account";
    /// The region the call was made in.
    pub const REGION: &str = "region";
}

/// Where a fault lies, and so which domain its `ErrorInfo` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Between the caller and the daemon, or in the daemon: domain [`DOMAIN`].
    Api,
    /// In the cloud behind the daemon: domain is the provider's name.
    Cloud,
    /// Either: the domain tells which.
    Either,
}

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])+ $name:ident = $word:literal, $side:ident, [$($code:ident),+]; )+) => {
        /// Why a call or an item of a batch failed: a stable word, finer than the gRPC code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The codes it goes with. The first is the one to send; a receiver takes any of them.
            pub const fn codes(self) -> &'static [Code] {
                match self { $(Self::$name => &[$(Code::$code),+],)+ }
            }

            /// Where the fault lies.
            pub const fn side(self) -> Side {
                match self { $(Self::$name => Side::$side,)+ }
            }

            /// What it means, for documents.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    // Between the caller and the daemon.

    /// No minor of `cloudprovider.v1` in common. One side has to be updated.
    ApiVersion = "API_VERSION", Api, [FailedPrecondition];
    /// The peer showed no identity: no client certificate, or a socket without peer credentials.
    PeerUnidentified = "PEER_UNIDENTIFIED", Api, [Unauthenticated];
    /// The peer's identity (SAN or uid) is not on the daemon's allow-list.
    PeerNotAllowed = "PEER_NOT_ALLOWED", Api, [PermissionDenied];
    /// The peer is known but may not call methods of this class (read, write or secret).
    MethodNotAllowed = "METHOD_NOT_ALLOWED", Api, [PermissionDenied];
    /// The peer may not use the tenant it named.
    TenantNotAllowed = "TENANT_NOT_ALLOWED", Api, [PermissionDenied];
    /// The call has no `grpc-timeout`.
    DeadlineMissing = "DEADLINE_MISSING", Api, [InvalidArgument];
    /// The call's deadline leaves less time than the daemon needs to answer anything.
    DeadlineTooShort = "DEADLINE_TOO_SHORT", Api, [InvalidArgument];
    /// A field of the request is missing, malformed or over its documented limit. `BadRequest` names it.
    FieldInvalid = "FIELD_INVALID", Api, [InvalidArgument];
    /// The capability the call needs was not announced in the handshake.
    CapabilityAbsent = "CAPABILITY_ABSENT", Api, [Unimplemented];
    /// The daemon is shutting down and takes no new work.
    Draining = "DRAINING", Api, [Unavailable];
    /// The daemon has not yet loaded what it needs to answer: configuration, credentials, the first look at the cloud.
    Starting = "STARTING", Api, [Unavailable];
    /// The daemon could not be reached, or the connection was lost before the answer. Set by callers, never on the wire.
    Unreachable = "UNREACHABLE", Api, [Unavailable];
    /// An invariant of the daemon is broken: a defect to report.
    Defect = "DEFECT", Api, [Internal];

    // On either side.

    /// Too many calls. `RetryInfo` says how long to wait. Domain [`DOMAIN`]: the daemon's own limit for this caller; else
    /// the cloud's, and the whole provider waits.
    Throttled = "THROTTLED", Either, [ResourceExhausted];
    /// The time ran out; the effect may exist all the same.
    TimedOut = "TIMED_OUT", Either, [DeadlineExceeded];
    /// Another call for the same object is under way.
    Busy = "BUSY", Either, [Aborted];

    // What a person asked for.

    /// An annotation of the Service or Node is wrong. `BadRequest` names it as `annotations[KEY]`.
    AnnotationInvalid = "ANNOTATION_INVALID", Cloud, [InvalidArgument];
    /// The cloud cannot do what a field of the Service asks. `BadRequest` names the field.
    Unsupported = "UNSUPPORTED", Cloud, [InvalidArgument, FailedPrecondition];
    /// A value is beyond a limit of the cloud's that no quota raises. The message names both.
    OutOfRange = "OUT_OF_RANGE", Cloud, [OutOfRange];

    // What has to change outside first.

    /// A quota is used up. `QuotaFailure` names it and its limit.
    QuotaExhausted = "QUOTA_EXHAUSTED", Cloud, [FailedPrecondition, ResourceExhausted];
    /// The cloud has nothing left of what is wanted, for instance addresses of a kind.
    OutOfStock = "OUT_OF_STOCK", Cloud, [FailedPrecondition, ResourceExhausted];
    /// Something the configuration or an annotation names is not there: a subnet, an address, a certificate.
    ReferenceMissing = "REFERENCE_MISSING", Cloud, [FailedPrecondition];
    /// The object exists and belongs to another Service, cluster, tenant or person. It is neither adopted nor changed.
    NotOurs = "NOT_OURS", Cloud, [FailedPrecondition, AlreadyExists];
    /// The object is protected or locked: deletion protection, a lock by an administrator.
    ObjectLocked = "OBJECT_LOCKED", Cloud, [FailedPrecondition];
    /// The object is in an error state that the cloud does not leave by itself.
    ObjectFailed = "OBJECT_FAILED", Cloud, [FailedPrecondition];
    /// The account is suspended or in arrears.
    AccountSuspended = "ACCOUNT_SUSPENDED", Cloud, [FailedPrecondition];
    /// The managed cluster has no endpoint of the wanted kind.
    EndpointAbsent = "ENDPOINT_ABSENT", Cloud, [FailedPrecondition];
    /// A node without a providerID matches no machine, or more than one.
    InstanceUnidentified = "INSTANCE_UNIDENTIFIED", Cloud, [FailedPrecondition];

    // Credentials.

    /// The cloud rejects the credentials: unknown, expired, revoked, wrongly signed.
    CredentialsRejected = "CREDENTIALS_REJECTED", Cloud, [Unauthenticated];
    /// The daemon has no credentials at present.
    CredentialsMissing = "CREDENTIALS_MISSING", Cloud, [Unauthenticated];
    /// The daemon's clock is so far off that the cloud refuses its signatures.
    ClockSkew = "CLOCK_SKEW", Cloud, [Unauthenticated];
    /// The credentials are good but may not do this.
    ActionDenied = "ACTION_DENIED", Cloud, [PermissionDenied];
    /// The credentials belong to another account or region than the configured one.
    WrongAccount = "WRONG_ACCOUNT", Cloud, [PermissionDenied];

    // What the cloud did.

    /// The object named by the request is not there, by the cloud's own answer. Never said of an instance.
    ObjectAbsent = "OBJECT_ABSENT", Cloud, [NotFound];
    /// Two objects carry one key. A person has to say which is right.
    DuplicateKey = "DUPLICATE_KEY", Cloud, [DataLoss];
    /// The cloud could not be reached or answered with a fault of its own.
    CloudUnavailable = "CLOUD_UNAVAILABLE", Cloud, [Unavailable];
    /// A listing could not be read to its end, so what it lacks is unknown.
    ListingUnfinished = "LISTING_UNFINISHED", Cloud, [Aborted, Unavailable];
    /// The cloud's answer could not be understood.
    AnswerUnreadable = "ANSWER_UNREADABLE", Cloud, [Unknown, Internal];
}

impl Reason {
    /// The reason with this word, or `None` for one this build does not know.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_are_distinct_and_read_back() {
        let words: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len(), "two reasons share a word");
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::parse("api_version"), None);
        assert_eq!(Reason::parse(""), None);
    }

    #[test]
    fn words_are_what_error_info_allows() {
        for reason in Reason::ALL {
            let word = reason.as_str();
            // google.rpc.ErrorInfo: `[A-Z][A-Z0-9_]+[A-Z0-9]`, at most 63 characters.
            assert!(word.len() <= 63 && word.len() >= 3, "{word}");
            assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
            assert!(word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'), "{word}");
            assert!(!word.ends_with('_'), "{word}");
        }
    }

    #[test]
    fn nothing_but_an_absent_object_goes_with_not_found() {
        for reason in Reason::ALL {
            assert_eq!(reason.codes().contains(&Code::NotFound), *reason == Reason::ObjectAbsent, "{reason}");
            assert!(!reason.codes().contains(&Code::Ok), "{reason}");
        }
    }
}
