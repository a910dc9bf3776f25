use std::collections::HashMap;

use tonic_types::{ErrorDetails, QuotaViolation};

use super::*;

fn read(status: &Status) -> Fault {
    from_status(Attempt { provider: "mock", overdue: false }, status)
}

fn info(domain: &str, reason: &str) -> ErrorDetails {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, domain, HashMap::new());
    details
}

fn with(code: tonic::Code, details: ErrorDetails) -> Status {
    Status::with_error_details(code, "it broke", details)
}

#[test]
fn every_code_keeps_its_number() {
    for code in Code::ALL {
        let status = Status::new(tonic::Code::from(code as i32), "it broke");
        assert_eq!(read(&status).code, code);
    }
}

#[test]
fn the_domain_decides_who_is_to_blame() {
    let check = |details: ErrorDetails, expected: Origin| {
        let fault = read(&with(tonic::Code::PermissionDenied, details));
        assert_eq!(fault.origin, expected, "{fault}");
    };
    check(info("provider-api", "PEER_NOT_ALLOWED"), Origin::Provider);
    check(info("mock", "ACTION_DENIED"), Origin::Cloud);
    check(info("huaweicloud", "SOMETHING_NEW"), Origin::Cloud);
    check(info("", "ACTION_DENIED"), Origin::Cloud);
    check(info("", "SOMETHING_NEW"), Origin::Provider);
    check(ErrorDetails::new(), Origin::Provider);
}

#[test]
fn details_are_read() {
    let mut details = info("mock", "ANNOTATION_INVALID");
    details
        .set_retry_info(Some(Duration::from_secs(9)))
        .add_bad_request_violation("annotations[mock/eip]", "no such address")
        .set_request_info("req-7", "");
    let fault = read(&with(tonic::Code::InvalidArgument, details));
    assert_eq!(fault.reason, "ANNOTATION_INVALID");
    assert_eq!(fault.retry_after, Some(Duration::from_secs(9)));
    assert_eq!(fault.violations, [("annotations[mock/eip]".to_owned(), "no such address".to_owned())]);
    assert_eq!(fault.request_id.as_deref(), Some("req-7"));
    assert!(!fault.quota);
}

#[test]
fn a_used_up_quota_is_told_from_throttling() {
    let mut details = ErrorDetails::new();
    details.set_quota_failure(vec![QuotaViolation::new("load balancers", "limit 50")]);
    let fault = read(&with(tonic::Code::ResourceExhausted, details));
    assert!(fault.quota && !fault.is_throttle());
    assert_eq!(fault.violations, [("load balancers".to_owned(), "limit 50".to_owned())]);
    assert!(read(&with(tonic::Code::FailedPrecondition, info("mock", "QUOTA_EXHAUSTED"))).quota);
    assert!(read(&with(tonic::Code::ResourceExhausted, info("mock", "OUT_OF_STOCK"))).quota);
    assert!(read(&with(tonic::Code::ResourceExhausted, info("mock", "THROTTLED"))).is_throttle());
}

#[test]
fn a_cancelled_call_whose_deadline_passed_timed_out() {
    let status = Status::cancelled("Timeout expired");
    assert_eq!(read(&status).code, Code::Cancelled);
    assert_eq!(from_status(Attempt { provider: "mock", overdue: true }, &status).code, Code::DeadlineExceeded);
}

#[test]
fn a_broken_transport_is_unavailable_whatever_its_code() {
    let broken: Box<dyn std::error::Error + Send + Sync> = Box::new(LinkError::NotSent);
    let status = Status::from_error(broken);
    let fault = read(&status);
    assert_eq!((fault.code, fault.origin, fault.reason.as_str()), (Code::Unavailable, Origin::Provider, "UNREACHABLE"));
    assert!(not_sent(&status));
    assert!(!not_sent(&Status::unavailable("the daemon's own word")));
}

#[test]
fn no_daemon_can_claim_that_a_call_was_not_made() {
    let fault = read(&with(tonic::Code::Unavailable, info("provider-api", reason::AWAY)));
    assert!(!fault.is_away());
    assert!(fault.outcome_unknown());
}

#[test]
fn texts_are_cut_and_cleaned() {
    let mut details = info("mock", "not a reason");
    for n in 0..100 {
        details.add_bad_request_violation(format!("f{n}"), "line\nbreak");
    }
    details.set_retry_info(Some(Duration::from_secs(1_000_000)));
    let status = Status::with_error_details(tonic::Code::InvalidArgument, "x\n".repeat(2000), details);
    let fault = read(&status);
    assert_eq!(fault.message.len(), 1024);
    assert!(!fault.message.contains('\n'));
    assert_eq!(fault.reason, "");
    assert_eq!(fault.violations.len(), VIOLATIONS);
    assert_eq!(fault.violations[0].1, "line break");
    assert_eq!(fault.retry_after, Some(Duration::from_secs(1800)));
}
