use controller_core::fault::{Code, Origin};

use super::*;
use crate::provider::testing;

fn wire(cidr: &str) -> v1::Route {
    v1::Route { name: "r".into(), destination_cidr: cidr.into(), ..v1::Route::default() }
}

fn result(id: u32, code: u32) -> v1::RouteResult {
    v1::RouteResult { id, status: Some(v1::ItemStatus { code, ..v1::ItemStatus::default() }) }
}

#[test]
fn a_table_with_a_broken_route_is_refused_whole() {
    assert_eq!(routes(vec![wire("10.0.0.0/24"), wire("2001:db8::/64")]).expect("good").len(), 2);
    for bad in ["", "10.0.0.0", "10.0.0.0/33", "pod-network"] {
        let refusal = routes(vec![wire("10.0.0.0/24"), wire(bad)]).expect_err(bad).to_string();
        assert!(refusal.contains("destination_cidr"), "{refusal}");
    }
    routes(vec![v1::Route { target_node: "n".repeat(300), ..wire("10.0.0.0/24") }]).expect_err("too long");
}

#[test]
fn outcomes_are_matched_by_id_and_kept_in_order() {
    let seen = results("p", 3, vec![result(3, 0), result(1, 0), result(2, 9)]);
    assert_eq!(seen.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(seen[1].as_ref().expect_err("failed").code, Code::FailedPrecondition);
}

#[test]
fn what_the_answer_does_not_say_plainly_failed() {
    let unsaid = v1::RouteResult { id: 4, status: None };
    let seen = results("p", 4, vec![result(1, 0), result(2, 0), result(2, 0), unsaid]);
    let reasons: Vec<&str> =
        seen.iter().map(|result| result.as_ref().err().map_or("", |fault| fault.reason.as_str())).collect();
    assert_eq!(reasons, ["", "BAD_ANSWER", "MISSING_ANSWER", "BAD_ANSWER"]);
}

#[test]
fn an_outcome_nobody_asked_for_fails_them_all() {
    // 0 is what a forgotten id looks like.
    for stray in [0, 3] {
        let seen = results("p", 2, vec![result(1, 0), result(2, 0), result(stray, 0)]);
        for fault in seen.into_iter().map(|result| result.expect_err("refused")) {
            assert_eq!(fault.origin, Origin::Distrust);
            assert!(fault.outcome_unknown(), "the routes may be there");
        }
    }
}

#[test]
fn items_are_numbered_and_named() {
    let route = Route {
        name: String::new(),
        target_node: "n1".into(),
        target_addresses: vec![],
        compare_addresses: false,
        destination_cidr: "10.0.1.0/24".into(),
        blackhole: false,
        target_provider_id: "test://i-1".into(),
        annotations: [("test.example/x".to_owned(), String::new()), ("y".to_owned(), String::new())].into(),
    };
    let sent =
        create_request(&testing::cluster(), &testing::info(), &[(route.clone(), "u1".into()), (route, "u2".into())]);
    assert_eq!(
        sent.routes.iter().map(|item| (item.id, item.name_hint.as_str())).collect::<Vec<_>>(),
        [(1, "u1"), (2, "u2")]
    );
    assert_eq!(sent.routes[0].route.as_ref().expect("a route").annotations.len(), 1);
}
