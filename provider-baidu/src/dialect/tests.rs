use super::*;

fn failure(status: u16, body: &str) -> Failure {
    Baidu::default().failure(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
}

fn coded(code: &str) -> String {
    format!(r#"{{"requestId":"ae2225f7","code":"{code}","message":"words"}}"#)
}

#[test]
fn the_code_counts_before_the_status() {
    for (status, code, kind) in [
        (404, "NoSuchObject", Kind::NotFound),
        (400, "NoSuchObject", Kind::NotFound),
        (404, "EipNotFound", Kind::NotFound),
        (400, "ListenerNotFound", Kind::NotFound),
        (404, "cce.warning.ClusterNotFound", Kind::NotFound),
        (404, "SomethingNew", Kind::NotFound),
        (404, "InvalidVersion", Kind::NoSuchApi),
        (403, "InvalidAccessKeyId", Kind::Unauthenticated),
        (400, "SignatureDoesNotMatch", Kind::Unauthenticated),
        (403, "SignatureDoesNotMatch", Kind::Unauthenticated),
        (400, "InvalidHTTPAuthHeader", Kind::Unauthenticated),
        (400, "RequestExpired", Kind::Unauthenticated),
        (403, "AccessDenied", Kind::PermissionDenied),
        (403, "OptInRequired", Kind::PermissionDenied),
        (403, "ServiceBlocked", Kind::PermissionDenied),
        (409, "LastOperationNotFinished", Kind::Pending),
        (400, "OperationNotAvailable", Kind::Pending),
        (400, "EipStatusError", Kind::Pending),
        (409, "ListenerAlreadyExist", Kind::Conflict),
        (409, "BackendServerAlreadyExists", Kind::Conflict),
        (400, "RouteRuleRepeated", Kind::Conflict),
        (403, "IdempotentParameterMismatch", Kind::Conflict),
        (400, "RouteRuleExceedQuota", Kind::Quota),
        (403, "QuotaLimitExceeded", Kind::Quota),
        (400, "EipExceedLimit", Kind::Quota),
        (400, "RateLimit", Kind::Throttled),
        (403, "ThrottlingUser", Kind::Throttled),
        (429, "TooManyRequests", Kind::Throttled),
        (400, "InvalidParameterValue", Kind::Invalid),
        (400, "InappropriateJSON", Kind::Invalid),
        (412, "PreconditionFailed", Kind::Invalid),
        (400, "Http400", Kind::Server),
        (500, "InternalError", Kind::Server),
        (503, "ServiceUnavailable", Kind::Server),
        (500, "NoSuchObject", Kind::Server),
        (502, "NoSuchObject", Kind::Server),
    ] {
        let failure = failure(status, &coded(code));
        assert_eq!((failure.kind, failure.code.as_str()), (kind, code), "{status} {code}");
        assert_eq!(failure.request_id.as_deref(), Some("ae2225f7"));
    }
}

#[test]
fn without_a_known_code_the_status_decides() {
    for (status, kind) in [
        (400, Kind::Invalid),
        (401, Kind::Unauthenticated),
        (402, Kind::PermissionDenied),
        (403, Kind::PermissionDenied),
        (405, Kind::NoSuchApi),
        (408, Kind::Timeout),
        (409, Kind::Pending),
        (413, Kind::Quota),
        (429, Kind::Throttled),
        (302, Kind::NoSuchApi),
        (500, Kind::Server),
        (504, Kind::Server),
    ] {
        assert_eq!(failure(status, &coded("SomethingNew")).kind, kind, "{status}");
        assert_eq!(failure(status, "").kind, kind, "{status} without a body");
    }
}

#[test]
fn a_404_from_something_in_between_proves_nothing_about_an_object() {
    for body in ["", "<html>404</html>", "404 page not found", r#"{"message":"no route"}"#, "[]"] {
        assert_eq!(failure(404, body).kind, Kind::NoSuchApi, "{body}");
    }
    // The service answers without a body, but with its id.
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static(REQUEST_ID), "r-1".parse().unwrap())]);
    let failure = Baidu::default().failure(StatusCode::NOT_FOUND, &headers, b"");
    assert_eq!((failure.kind, failure.code.as_str()), (Kind::NotFound, ""));
    let page = Baidu::default().failure(StatusCode::NOT_FOUND, &headers, b"<html>");
    assert_eq!(page.kind, Kind::NoSuchApi);
}

#[test]
fn names_are_read_in_any_case_and_nested() {
    for body in [
        r#"{"requestID":"r-1","Code":"NoSuchObject","Message":"gone"}"#,
        r#"{"RequestId":"r-1","error":{"code":"NoSuchObject","message":"gone"}}"#,
    ] {
        let failure = failure(404, body);
        assert_eq!((failure.code.as_str(), failure.message.as_str()), ("NoSuchObject", "gone"), "{body}");
        assert_eq!(failure.request_id.as_deref(), Some("r-1"), "{body}");
    }
}

#[test]
fn an_empty_body_still_has_a_code_where_the_status_implies_one() {
    assert_eq!(failure(403, "").code, "AccessDenied");
    assert_eq!(failure(500, "").code, "InternalError");
    assert!(failure(418, "").message.contains("418"));
}

#[test]
fn what_the_gateway_itself_refuses_is_the_token() {
    let gateway = Baidu { gateway: true };
    let kind = |status, body: &str| {
        gateway.failure(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes()).kind
    };
    assert_eq!(kind(403, "token expired"), Kind::Unauthenticated);
    assert_eq!(kind(401, ""), Kind::Unauthenticated);
    assert_eq!(kind(403, &coded("AccessDenied")), Kind::PermissionDenied, "the service's own word");
}

#[test]
fn long_words_are_cut_and_kept_on_one_line() {
    let body = format!(r#"{{"code":"X","message":"a\nb{}"}}"#, "ä".repeat(2_000));
    let message = failure(400, &body).message;
    assert!(message.chars().count() <= 501 && message.starts_with("a b"), "{message}");
}
