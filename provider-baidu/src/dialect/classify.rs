//! What a refusal means for the caller. The code comes first: services do not agree on statuses, and say that an object is missing
//! with 400 as well as 404.

use cloud_rest::Kind;
use http::StatusCode;

use super::Said;

/// How a code is recognised.
enum Is {
    /// It is this.
    Exactly(&'static str),
    /// It begins so.
    Begins(&'static str),
    /// It ends so.
    Ends(&'static str),
}

use Is::{Begins, Ends, Exactly};

/// What codes mean, the more special first. A code counts with any status but a success.
const CODES: &[(Is, Kind)] = &[
    // The path's version is unknown: a wrong endpoint, although the status is 404.
    (Exactly("InvalidVersion"), Kind::NoSuchApi),
    (Exactly("InvalidAccessKeyId"), Kind::Unauthenticated),
    (Exactly("SignatureDoesNotMatch"), Kind::Unauthenticated),
    (Exactly("InvalidHTTPAuthHeader"), Kind::Unauthenticated),
    (Exactly("InvalidSessionToken"), Kind::Unauthenticated),
    // The clock, ours or the cloud's.
    (Exactly("RequestExpired"), Kind::Unauthenticated),
    (Exactly("AccessDenied"), Kind::PermissionDenied),
    (Exactly("OptInRequired"), Kind::PermissionDenied),
    (Exactly("ServiceBlocked"), Kind::PermissionDenied),
    (Exactly("PaymentRequired"), Kind::PermissionDenied),
    (Exactly("InsufficientBalance"), Kind::PermissionDenied),
    (Exactly("RateLimit"), Kind::Throttled),
    (Exactly("RequestLimitExceeded"), Kind::Throttled),
    (Exactly("TooManyRequests"), Kind::Throttled),
    (Begins("Throttling"), Kind::Throttled),
    // A state, not an error: an earlier change is under way.
    (Exactly("LastOperationNotFinished"), Kind::Pending),
    (Exactly("OperationNotAvailable"), Kind::Pending),
    (Exactly("InstanceBusy"), Kind::Pending),
    (Ends("StatusError"), Kind::Pending),
    (Ends("AlreadyExist"), Kind::Conflict),
    (Ends("AlreadyExists"), Kind::Conflict),
    (Exactly("RouteRuleRepeated"), Kind::Conflict),
    (Exactly("IdempotentParameterMismatch"), Kind::Conflict),
    (Exactly("ListenerExceeded"), Kind::Quota),
    (Exactly("QuotaLimitExceeded"), Kind::Quota),
    (Exactly("LimitExceeded"), Kind::Quota),
    (Ends("ExceedQuota"), Kind::Quota),
    (Ends("ExceedLimit"), Kind::Quota),
    (Exactly("NoSuchObject"), Kind::NotFound),
    (Exactly("NoSuchKey"), Kind::NotFound),
    (Ends("NotFound"), Kind::NotFound),
    // The front of the services failed, not the request: the SDK repeats it, too.
    (Exactly("Http400"), Kind::Server),
];

/// The kind of an answer other than 2xx.
pub(super) fn classify(status: StatusCode, said: &Said) -> Kind {
    // A server that failed did not look at the request: what it says of an object is no knowledge.
    if status.is_server_error() {
        return Kind::Server;
    }
    let known = CODES.iter().find(|(is, _)| match is {
        Exactly(code) => said.code == *code,
        Begins(start) => said.code.starts_with(start),
        Ends(end) => said.code.ends_with(end),
    });
    known.map_or_else(|| by_status(status, said), |(_, kind)| *kind)
}

fn by_status(status: StatusCode, said: &Said) -> Kind {
    match status {
        StatusCode::UNAUTHORIZED => Kind::Unauthenticated,
        StatusCode::FORBIDDEN | StatusCode::PAYMENT_REQUIRED => Kind::PermissionDenied,
        // A 404 speaks about an object only if it comes from the service.
        StatusCode::NOT_FOUND if said.by_service => Kind::NotFound,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Kind::NoSuchApi,
        StatusCode::REQUEST_TIMEOUT => Kind::Timeout,
        StatusCode::CONFLICT | StatusCode::LOCKED => Kind::Pending,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::Quota,
        StatusCode::TOO_MANY_REQUESTS => Kind::Throttled,
        // Redirects are not followed: whoever sends one is not the API.
        status if status.is_redirection() => Kind::NoSuchApi,
        _ => Kind::Invalid,
    }
}

/// What an answer without a body stands for.
pub(super) fn implied_code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "InvalidHTTPRequest",
        StatusCode::FORBIDDEN => "AccessDenied",
        StatusCode::PRECONDITION_FAILED => "PreconditionFailed",
        StatusCode::INTERNAL_SERVER_ERROR => "InternalError",
        _ => "",
    }
}
