use super::*;

const ORIGINS: [Origin; 3] = [Origin::Provider, Origin::Cloud, Origin::Distrust];

fn fault(code: Code, origin: Origin) -> Fault {
    Fault::new(code, origin, "mock", "it broke")
}

/// One row of the table: a code, and what follows when the fault lies with the daemon and with the cloud.
struct Row {
    code: Code,
    provider: Retry,
    cloud: Retry,
    /// What follows when the daemon says how long to wait, wherever the fault lies.
    told_to_wait: Retry,
    auth: bool,
    unknown_outcome: bool,
}

const fn row(code: Code, retry: Retry) -> Row {
    Row { code, provider: retry, cloud: retry, told_to_wait: Retry::After(TOLD), auth: false, unknown_outcome: false }
}

/// What the daemon says in the table.
const TOLD: Duration = Duration::from_secs(7);

fn table() -> [Row; 16] {
    let unknown = |code| Row { unknown_outcome: true, ..row(code, Retry::Backoff) };
    let deaf = |code, retry| Row { told_to_wait: retry, ..row(code, retry) };
    let identity = Retry::After(Duration::from_secs(30));
    [
        unknown(Code::Cancelled),
        unknown(Code::Unknown),
        deaf(Code::InvalidArgument, Retry::Halt),
        unknown(Code::DeadlineExceeded),
        deaf(Code::NotFound, Retry::Slow),
        deaf(Code::AlreadyExists, Retry::Slow),
        Row { provider: identity, cloud: Retry::Slow, auth: true, ..row(Code::PermissionDenied, identity) },
        row(Code::ResourceExhausted, Retry::Backoff),
        row(Code::FailedPrecondition, Retry::Slow),
        row(Code::Aborted, Retry::After(Duration::from_secs(3))),
        deaf(Code::OutOfRange, Retry::Halt),
        deaf(Code::Unimplemented, Retry::Halt),
        unknown(Code::Internal),
        unknown(Code::Unavailable),
        deaf(Code::DataLoss, Retry::Halt),
        Row { auth: true, ..row(Code::Unauthenticated, identity) },
    ]
}

#[test]
fn every_code_has_one_row() {
    assert_eq!(table().map(|row| row.code), Code::ALL);
    for (code, number) in Code::ALL.into_iter().zip(1..) {
        assert_eq!(code as u32, number);
        assert_eq!(Code::from_number(number), code);
    }
}

#[test]
fn retry_follows_from_code_and_origin() {
    for row in table() {
        assert_eq!(fault(row.code, Origin::Provider).retry(), row.provider, "{:?} of the provider", row.code);
        assert_eq!(fault(row.code, Origin::Cloud).retry(), row.cloud, "{:?} of the cloud", row.code);
        assert_eq!(fault(row.code, Origin::Distrust).retry(), Retry::Backoff, "{:?} distrusted", row.code);
    }
}

#[test]
fn a_given_delay_is_kept_where_waiting_helps() {
    for row in table() {
        for origin in [Origin::Provider, Origin::Cloud] {
            let fault = Fault { retry_after: Some(TOLD), ..fault(row.code, origin) };
            assert_eq!(fault.retry(), row.told_to_wait, "{:?} {origin:?}", row.code);
        }
    }
}

#[test]
fn a_quota_is_not_cured_by_waiting_a_little() {
    for code in [Code::ResourceExhausted, Code::FailedPrecondition] {
        let fault = Fault { quota: true, retry_after: Some(TOLD), ..fault(code, Origin::Cloud) };
        assert_eq!(fault.retry(), Retry::Slow, "{code:?}");
        assert!(!fault.is_throttle());
    }
    assert!(fault(Code::ResourceExhausted, Origin::Cloud).is_throttle());
}

#[test]
fn refused_identities_are_told_apart_from_all_else() {
    for row in table() {
        for origin in ORIGINS {
            assert_eq!(fault(row.code, origin).is_auth(), row.auth, "{:?} {origin:?}", row.code);
        }
    }
}

#[test]
fn outcomes_are_unknown_where_the_effect_may_exist() {
    for row in table() {
        for origin in [Origin::Provider, Origin::Cloud] {
            assert_eq!(fault(row.code, origin).outcome_unknown(), row.unknown_outcome, "{:?} {origin:?}", row.code);
        }
        assert!(fault(row.code, Origin::Distrust).outcome_unknown(), "{:?}: an answer was given", row.code);
    }
}

#[test]
fn a_call_that_was_not_made_has_no_effect() {
    assert!(!fault(Code::Unavailable, Origin::Provider).with_reason(reason::AWAY).outcome_unknown());
    assert!(fault(Code::Unavailable, Origin::Provider).with_reason(reason::UNREACHABLE).outcome_unknown());
}

#[test]
fn away_is_told_apart_from_a_lost_connection() {
    assert!(fault(Code::Unavailable, Origin::Provider).with_reason(reason::AWAY).is_away());
    assert!(!fault(Code::Unavailable, Origin::Provider).with_reason(reason::UNREACHABLE).is_away());
    assert!(!fault(Code::Unavailable, Origin::Cloud).is_away());
}

#[test]
fn numbers_that_are_no_code_count_as_unknown() {
    for number in [0, 17, u32::MAX] {
        assert_eq!(Code::from_number(number), Code::Unknown);
    }
}

#[test]
fn display_names_provider_code_reason_fields_and_request() {
    let fault = Fault {
        violations: vec![("spec.ports".into(), "too many".into())],
        request_id: Some("req-1".into()),
        ..fault(Code::InvalidArgument, Origin::Cloud).with_reason("UNSUPPORTED")
    };
    assert_eq!(
        fault.to_string(),
        "provider mock: INVALID_ARGUMENT (UNSUPPORTED): it broke; spec.ports: too many [request id req-1]"
    );
}

#[test]
fn what_the_message_tells_is_not_told_twice() {
    let fault = Fault {
        message: "annotations elb.class \"x\": write shared; and one more".into(),
        violations: vec![("elb.class".into(), "\"x\": write shared".into()), ("elb.id".into(), "is no id".into())],
        ..fault(Code::InvalidArgument, Origin::Cloud)
    };
    let told = fault.to_string();
    assert_eq!(told.matches("write shared").count(), 1, "{told}");
    assert!(told.ends_with("; elb.id: is no id"), "{told}");
}
