//! For daemons that call their cloud with `cloud-rest` (feature `rest`): failed calls in the API's words, for whom calls are
//! made, what they say of the cloud, and the kubeconfigs clouds issue.

mod conditions;
mod kubeconfig;
mod traces;

use std::time::Duration;

use cloud_provider_api::error::Reason;
use cloud_rest::{Actor, Kind, Share};

pub use self::{
    conditions::CloudConditions,
    kubeconfig::{Kubeconfig, NoKubeconfig, issued},
    traces::Traces,
};
use crate::{caller::Call, error::Error, tenancy::Tenant};

/// How long to wait when the cloud throttles and does not say for how long.
const THROTTLED: Duration = Duration::from_secs(5);

/// For whom a call to the cloud is made, and for what: the idempotency key of a Service or node.
pub fn actor(call: &Call, key: &str) -> Actor {
    actor_for(call, &Tenant::default(), key)
}

/// [`actor`] for a tenant's Service: its calls come out of the tenant's share of the account's.
pub fn actor_for(call: &Call, tenant: &Tenant, key: &str) -> Actor {
    // In an account of its own there is nobody to be fair to.
    let name = if tenant.shares_account { tenant.name.as_str() } else { "" };
    Actor {
        share: Share { name: name.into(), calls_per_second: tenant.share.calls_per_second },
        caller: call.caller.to_string().into(),
        request_id: call.request_id.as_str().into(),
        key: key.into(),
        deadline: None,
    }
}

/// What a caller is told of a call that failed. What the cloud said about the *thing* asked for is the caller's to judge: here
/// a missing object is a reference that leads nowhere, for absence is an answer and no failure.
pub fn fault(provider: &'static str, error: &cloud_rest::Error) -> Error {
    let mut fault = Error::cloud(provider, reason(error), error.to_string());
    if error.kind == Kind::Throttled {
        fault = fault.retry_after(error.retry_after.unwrap_or(THROTTLED));
    } else if let Some(delay) = error.retry_after {
        fault = fault.retry_after(delay);
    }
    if error.kind == Kind::Quota {
        fault = fault.quota(error.call, error.message.clone());
    }
    if !error.code.is_empty() {
        fault = fault.cloud_code(error.code.clone());
    }
    if let Some(status) = error.status {
        fault = fault.http_status(status.as_u16());
    }
    if let Some(id) = &error.request_id {
        fault = fault.cloud_request_id(id.clone());
    }
    fault
}

/// The same of a call about the very object the request names: a missing one is absent.
pub fn fault_of_named(provider: &'static str, error: &cloud_rest::Error) -> Error {
    if error.is_not_found() {
        return Error::cloud(provider, Reason::ObjectAbsent, error.to_string());
    }
    fault(provider, error)
}

fn reason(error: &cloud_rest::Error) -> Reason {
    match error.kind {
        Kind::NotFound => Reason::ReferenceMissing,
        Kind::Unauthenticated if error.status.is_none() => Reason::CredentialsMissing,
        Kind::Unauthenticated if is_clock(error) => Reason::ClockSkew,
        Kind::Unauthenticated => Reason::CredentialsRejected,
        Kind::PermissionDenied if is_suspended(error) => Reason::AccountSuspended,
        Kind::PermissionDenied => Reason::ActionDenied,
        Kind::Throttled => Reason::Throttled,
        Kind::Conflict => Reason::NotOurs,
        Kind::Quota => Reason::QuotaExhausted,
        Kind::Pending => Reason::Busy,
        Kind::Invalid => Reason::Unsupported,
        Kind::Timeout => Reason::TimedOut,
        Kind::Garbled => Reason::AnswerUnreadable,
        // A wrong endpoint is a matter of configuration, but it says nothing about any object: it is as if nobody answered.
        Kind::NoSuchApi | Kind::Server | Kind::Connect => Reason::CloudUnavailable,
    }
}

fn is_clock(error: &cloud_rest::Error) -> bool {
    let message = error.message.to_ascii_lowercase();
    error.code == "RequestExpired"
        || ["skew", "timestamp", "x-sdk-date", "expired date", "request time"].iter().any(|word| message.contains(word))
}

fn is_suspended(error: &cloud_rest::Error) -> bool {
    let message = error.message.to_ascii_lowercase();
    ["ServiceBlocked", "PaymentRequired", "InsufficientBalance"].contains(&error.code.as_str())
        || ["suspended", "arrears", "frozen"].iter().any(|word| message.contains(word))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use tonic::{Code, Status};
    use tonic_types::StatusExt as _;

    use super::*;

    fn failure(kind: Kind, status: u16, message: &str) -> cloud_rest::Error {
        let mut error = cloud_rest::Error::unsent("ListServersDetails", kind, message);
        error.status = StatusCode::from_u16(status).ok();
        error.code = "APIGW.0301".to_owned();
        error.request_id = Some("req-1".to_owned());
        error
    }

    #[test]
    fn every_kind_has_its_code_and_none_says_not_found() {
        for (kind, message, expected) in [
            (Kind::NotFound, "", Code::FailedPrecondition),
            (Kind::NoSuchApi, "", Code::Unavailable),
            (Kind::Unauthenticated, "", Code::Unauthenticated),
            (Kind::PermissionDenied, "", Code::PermissionDenied),
            (Kind::PermissionDenied, "the account is suspended", Code::FailedPrecondition),
            (Kind::Throttled, "", Code::ResourceExhausted),
            (Kind::Conflict, "", Code::FailedPrecondition),
            (Kind::Quota, "", Code::FailedPrecondition),
            (Kind::Pending, "", Code::Aborted),
            (Kind::Invalid, "", Code::InvalidArgument),
            (Kind::Server, "", Code::Unavailable),
            (Kind::Connect, "", Code::Unavailable),
            (Kind::Timeout, "", Code::DeadlineExceeded),
            (Kind::Garbled, "", Code::Unknown),
        ] {
            assert_eq!(fault("mock", &failure(kind, 400, message)).code(), expected, "{kind:?} {message}");
        }
    }

    #[test]
    fn what_the_cloud_said_is_passed_on() {
        let status = Status::from(fault("mock", &failure(Kind::Unauthenticated, 401, "verify aksk signature fail")));
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "CREDENTIALS_REJECTED");
        assert_eq!(details.error_info().unwrap().metadata["http_status"], "401");
        assert_eq!(details.request_info().unwrap().request_id, "req-1");
        assert!(status.message().contains("ListServersDetails"), "{}", status.message());
    }

    #[test]
    fn throttling_always_says_how_long() {
        let told = |retry_after| {
            let error = cloud_rest::Error { retry_after, ..failure(Kind::Throttled, 429, "") };
            Status::from(fault("mock", &error)).get_error_details().retry_info().unwrap().retry_delay
        };
        assert_eq!(told(None), Some(THROTTLED));
        assert_eq!(told(Some(Duration::from_secs(60))), Some(Duration::from_secs(60)));
    }
}
