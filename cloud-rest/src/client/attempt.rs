//! One attempt: signed anew, sent, read, noted.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;

use super::{Client, Wire};
use crate::{
    audit::AuditEntry,
    call::{Answer, Call},
    credentials::{Credentials, Verdict},
    error::{Error, Executed, Kind},
    metrics::Of,
    sign::Family,
    transport::{Broken, Response},
};

/// A clock that is off by more than this is named when a key is refused.
const SKEW: Duration = Duration::from_mins(2);

impl Wire {
    pub(super) async fn attempt(
        &self,
        call: &Call,
        credentials: &Credentials,
        within: Option<Duration>,
    ) -> Result<Answer<Bytes>, Error> {
        let now = (self.clock)();
        let request = self.request(call, credentials, now)?;
        match self.transport.send(request, within).await {
            Ok(response) => self.read(call, credentials, response, now),
            Err(Broken { kind, executed, message }) => {
                Err(Error { executed, attempts: 1, ..Error::unsent(call.name, kind, message) })
            }
        }
    }

    /// What the cloud says to credentials that are not in use yet.
    pub(super) async fn try_out(&self, probe: &Call, candidate: &Credentials) -> Verdict {
        match self.attempt(probe, candidate, None).await {
            Ok(_) => Verdict::Good,
            Err(error) if error.kind == Kind::Unauthenticated => Verdict::Bad(error.to_string()),
            // They are known, and may not do this: which is another matter.
            Err(error) if matches!(error.kind, Kind::PermissionDenied | Kind::NotFound) => Verdict::Good,
            Err(error) => Verdict::Unclear(error.to_string()),
        }
    }

    fn request(&self, call: &Call, credentials: &Credentials, now: Timestamp) -> Result<http::Request<Bytes>, Error> {
        let invalid = |message: String| Error::unsent(call.name, Kind::Invalid, message);
        let url = call.url().map_err(|fault| invalid(fault.to_owned()))?;
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(url.as_str())
            .body(call.body.clone().unwrap_or_default())
            .map_err(|error| invalid(error.to_string()))?;
        *request.headers_mut() = call.headers.clone();
        request.extensions_mut().insert(Family(call.family));
        if call.body.is_some() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
        }
        let signed = self.sign.sign(&mut request, credentials, now);
        signed.map_err(|error| Error::unsent(call.name, Kind::Unauthenticated, error.to_string()))?;
        Ok(request)
    }

    fn read(
        &self,
        call: &Call,
        credentials: &Credentials,
        response: Response,
        now: Timestamp,
    ) -> Result<Answer<Bytes>, Error> {
        let Response { status, headers, body } = response;
        let request_id = self.dialect.request_id(&headers);
        if status.is_success() {
            return Ok(Answer { value: body, headers, request_id });
        }
        let failure = self.dialect.failure(status, &headers, &body);
        let mut message = credentials.remove_from(&failure.message);
        if failure.kind == Kind::Unauthenticated {
            message.extend(skew(&headers, now));
        }
        Err(Error {
            call: call.name,
            kind: failure.kind,
            status: Some(status),
            code: failure.code,
            message,
            request_id: request_id.or(failure.request_id),
            retry_after: retry_after(&headers, now).or(failure.retry_after),
            executed: if status.is_server_error() { Executed::Unknown } else { Executed::No },
            attempts: 1,
        })
    }
}

impl Client {
    /// Log, metrics, audit.
    pub(super) fn note(&self, call: &Call, outcome: &Result<Answer<Bytes>, Error>, waited: Duration, took: Duration) {
        let (account, mutates) = (self.account(), call.effect.mutates());
        let of = Of { account, family: call.family, call: call.name, mutates };
        let (metrics, failed) = (&self.shared.metrics, outcome.as_ref().err());
        metrics.attempt(&of, failed.map_or("ok", |error| error.kind.as_str()), took);
        metrics.waited(&of, waited);
        let rates = self.shared.limits.rates();
        let rate = rates.iter().find(|(family, writes, _)| (*family, *writes) == (call.family, mutates));
        if let Some((.., rate)) = rate {
            metrics.rate(&of, *rate);
        }
        match failed {
            None => tracing::debug!(?took, ?waited, "cloud call succeeded"),
            Some(error) => tracing::debug!(%error, kind = %error.kind, ?took, ?waited, "cloud call failed"),
        }
        if mutates {
            self.record(call, outcome, took);
        }
    }

    fn record(&self, call: &Call, outcome: &Result<Answer<Bytes>, Error>, duration: Duration) {
        let Some(audit) = &self.shared.audit else { return };
        let (request_id, result, failed) = match outcome {
            Ok(answer) => (answer.request_id.as_deref(), "OK", None),
            Err(error) if error.code.is_empty() => (error.request_id.as_deref(), error.kind.as_str(), Some(error.kind)),
            Err(error) => (error.request_id.as_deref(), error.code.as_str(), Some(error.kind)),
        };
        let path = call.url().map(|url| url.path().to_owned()).unwrap_or_default();
        audit.record(&AuditEntry {
            account: self.account(),
            actor: self.actor(),
            call: call.name,
            method: call.method.as_str(),
            path: &path,
            cloud_request_id: request_id.unwrap_or_default(),
            result,
            failed,
            duration,
        });
    }

    pub(super) fn count_credentials(&self) {
        let status = self.shared.credentials.status();
        let status = status.borrow();
        self.shared.metrics.credentials(self.account(), status.replaced, status.fault.is_some());
    }
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Duration::try_from(http_date(value)?.duration_since(now)).ok(),
    }
}

/// The clock's fault, if it is that much off.
fn skew(headers: &HeaderMap, now: Timestamp) -> Option<String> {
    let theirs = http_date(headers.get(header::DATE)?.to_str().ok()?)?;
    let off = now.duration_since(theirs);
    if off.unsigned_abs() < SKEW {
        return None;
    }
    let way = if off.is_negative() { "behind" } else { "ahead of" };
    let minutes = (off.unsigned_abs().as_secs() + 30) / 60;
    Some(format!("; this machine's clock is {minutes} minutes {way} the cloud's: set it right"))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    fn now() -> Timestamp {
        "2026-11-20T01:02:03Z".parse().unwrap()
    }

    #[test]
    fn a_wait_is_read_in_both_forms() {
        let wait = |value| retry_after(&headers(header::RETRY_AFTER, value), now());
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Fri, 20 Nov 2026 01:03:03 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Fri, 20 Nov 2026 01:00:00 GMT"), None);
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn a_clock_that_is_off_is_named() {
        let said = |value| skew(&headers(header::DATE, value), now()).unwrap_or_default();
        assert_eq!(said("Fri, 20 Nov 2026 01:02:00 GMT"), "");
        assert!(said("Fri, 20 Nov 2026 00:42:03 GMT").contains("20 minutes ahead"));
        assert!(said("Fri, 20 Nov 2026 01:22:03 GMT").contains("20 minutes behind"));
    }
}
