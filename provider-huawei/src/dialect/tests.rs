use cloud_rest::Kind;

use super::*;

fn check(status: u16, body: &str, kind: Kind, code: &str) {
    let failure = Huawei.failure(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
    assert_eq!((failure.kind, failure.code.as_str()), (kind, code), "{status} {body}");
}

#[test]
fn every_form_of_body_is_read() {
    check(404, r#"{"error_msg":"not found","error_code":"ELB.8904","request_id":"r"}"#, Kind::NotFound, "ELB.8904");
    check(
        404,
        r#"{"error":{"code":"Ecs.0114","message":"Instance[abc] could not be found."}}"#,
        Kind::NotFound,
        "Ecs.0114",
    );
    check(404, r#"{"code":"VPC.0504","message":"Floating IP could not be found."}"#, Kind::NotFound, "VPC.0504");
    check(404, r#"{"itemNotFound":{"message":"Instance not found","code":404}}"#, Kind::NotFound, "itemNotFound");
    let neutron =
        r#"{"NeutronError":{"type":"HTTPNotFound","message":"The resource could not be found.","detail":""}}"#;
    check(404, neutron, Kind::NotFound, "HTTPNotFound");
    check(401, r#"{"error":{"code":401,"message":"no","title":"Unauthorized"}}"#, Kind::Unauthenticated, "401");
    let cce = r#"{"errorCode":"CCE.01404001","errorMessage":"Resource not found","kind":"Status","code":404}"#;
    check(404, cce, Kind::NotFound, "CCE.01404001");
    let swr = r#"{"errors":[{"errorCode":"SVCSTG.SWR.4001001","errorMessage":"bad namespace"}]}"#;
    check(400, swr, Kind::Invalid, "SVCSTG.SWR.4001001");
    check(
        403,
        r#"{"error_code":"PAP.1","error_msg":"no","encoded_authorization_message":"x"}"#,
        Kind::PermissionDenied,
        "PAP.1",
    );
    check(502, "<html>Bad Gateway</html>", Kind::Server, "");
    check(503, "", Kind::Server, "");
}

#[test]
fn a_404_of_a_gateway_proves_nothing_about_an_object() {
    check(404, r#"{"error_msg":"The API does not exist","error_code":"APIGW.0101"}"#, Kind::NoSuchApi, "APIGW.0101");
    check(404, r#"{"error_msg":"The API does not exist","error_code":"APIG.0101"}"#, Kind::NoSuchApi, "APIG.0101");
    check(404, "<html><h1>404 Not Found</h1></html>", Kind::NoSuchApi, "");
    check(404, "", Kind::NoSuchApi, "");
    check(404, "404 page not found", Kind::NoSuchApi, "");
    check(404, r#"{"message":"no route"}"#, Kind::NoSuchApi, "");
    check(302, "", Kind::NoSuchApi, "");
}

#[test]
fn the_status_counts_first_and_codes_decide_where_it_is_vague() {
    let coded = |code: &str, message: &str| format!(r#"{{"error_code":"{code}","error_msg":"{message}"}}"#);
    let rows = [
        (401, "APIGW.0301", "verify aksk signature fail", Kind::Unauthenticated),
        (401, "APIGW.0303", "date", Kind::Unauthenticated),
        (403, "APIGW.0302", "not allowed", Kind::PermissionDenied),
        (403, "VPC.2201", "policy", Kind::PermissionDenied),
        (429, "APIGW.0308", "over ratelimit", Kind::Throttled),
        (429, "", "", Kind::Throttled),
        (409, "ELB.8907", "conflict", Kind::Conflict),
        (409, "VPC.0510", "already bound", Kind::Conflict),
        (409, "ELB.8905", "Quota exceeded for resources: listener", Kind::Quota),
        (409, "ELB.8905", "data conflict", Kind::Conflict),
        (409, "ELB.1", "load balancer is immutable: PENDING_UPDATE", Kind::Pending),
        (403, "Ecs.0001", "too many", Kind::Quota),
        (400, "VPC.0304", "bandwidth", Kind::Quota),
        (400, "ELB.1202", "enterprise_project_id can not be empty", Kind::Invalid),
        (400, "ELB.1003", "load balancer missing", Kind::NotFound),
        (500, "VPC.0504", "Floating IP could not be found", Kind::NotFound),
        (500, "ELB.8906", "internal", Kind::Server),
        (504, "APIGW.0201", "backend timeout", Kind::Server),
        (400, "APIGW.0201", "backend timeout", Kind::Server),
        (503, "APIGW.0308", "the backend's own matter", Kind::Server),
    ];
    for (status, code, message, kind) in rows {
        check(status, &coded(code, message), kind, code);
    }
}

#[test]
fn the_words_of_a_throttled_call_size_the_wait() {
    for (words, want) in [
        (
            "The throttling threshold has been reached: policy user over ratelimit,limit:200,time:5 minute",
            Some((200, 300)),
        ),
        ("policy ip over ratelimit,limit:20,time:1 second", Some((20, 1))),
        ("over ratelimit, limit: 10, time: 1 hour", Some((10, 3600))),
        ("limit:5,time:minute", Some((5, 60))),
        ("limit:0,time:5 minute", None),
        ("limit:many,time:5 minute", None),
        ("too many requests", None),
        ("limit:5", None),
    ] {
        let want = want.map(|(calls, seconds)| (calls, Duration::from_secs(seconds)));
        assert_eq!(classify::pace(words), want, "{words}");
    }
}

#[test]
fn long_words_are_cut_and_kept_on_one_line() {
    let body = format!(r#"{{"code":"X","message":"a\nb{}"}}"#, "ä".repeat(2_000));
    let failure = Huawei.failure(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes());
    assert!(failure.message.chars().count() <= 501 && failure.message.starts_with("a b"), "{}", failure.message);
}
