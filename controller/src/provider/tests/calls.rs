//! What goes over the wire, and what comes back.

use std::time::Duration;

use cloud_provider_api::v1;
use controller_core::{
    fault::{Code, Origin, reason},
    provider::{Capability, InstanceAnswer, NodeMember, Phase, Route},
};
use futures::{future::join_all, stream};
use tokio::time::{Instant, sleep};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    kube::lease::Standing,
    provider::{
        Settings,
        testing::{Daemon, Facade, all_found, handshake, key, node, pages, ready, settings, spec},
    },
};

#[tokio::test(start_paused = true)]
async fn a_call_carries_deadline_request_id_and_trace_context() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    facade.provider().instance(node("a"), None).await.expect("found");
    let of = |method: &str, name: &str| {
        let call = daemon.calls(method).pop().unwrap_or_else(|| panic!("{method} was not called"));
        call.metadata.get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
    };
    assert_eq!(of("Handshake", "grpc-timeout"), "3000000u");
    assert_eq!(of("GetStatus", "grpc-timeout"), "3000000u");
    assert_eq!(of("BatchGetInstances", "grpc-timeout"), "15000000u");
    assert_eq!(of("BatchGetInstances", "x-request-id").len(), 32);
    assert!(of("BatchGetInstances", "traceparent").starts_with("00-"));
    assert!(of("BatchGetInstances", "user-agent").starts_with("cloud-controller-manager/"));
}

#[tokio::test(start_paused = true)]
async fn the_cloud_is_only_read_without_the_lease() {
    let daemon = Daemon::new();
    let standby = Settings { standing: Some(Standing::standby()), ..settings() };
    let facade = Facade::start(vec![daemon.remote()], &standby);
    let provider = facade.provider();
    provider.until_ready().await;
    provider.instance(node("a"), None).await.expect("reading is open to all");
    let fault = provider.ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect_err("not leading");
    assert!(fault.message.contains("does not hold the leader lease"), "{fault}");
    assert!(daemon.calls("EnsureLoadBalancer").is_empty());
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_lookups_cost_a_few_calls() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let answers = join_all((0..450).map(|n| provider.instance(node(&format!("n{n}")), None))).await;
    for (n, seen) in answers.into_iter().enumerate() {
        let InstanceAnswer::Found(seen) = seen.expect("an answer").answer else { panic!("not found") };
        assert_eq!(seen.provider_id, format!("test://n{n}"));
    }
    assert_eq!(daemon.calls("BatchGetInstances").len(), 5);
}

#[tokio::test(start_paused = true)]
async fn batches_are_as_large_as_the_provider_says() {
    let daemon = Daemon::new();
    daemon.on_handshake(|_| async {
        let limits = v1::Limits { max_instances: Some(7), ..v1::Limits::default() };
        Ok(v1::HandshakeResponse { limits: Some(limits), ..handshake("test") })
    });
    let facade = Facade::over(&daemon).await;
    let nodes = (0..20).chain(0..20).map(|n| node(&format!("n{n}"))).collect();
    let answers = facade.provider().instances(nodes, None).await.expect("answers");
    assert_eq!(answers.len(), 20, "a name given twice counts once");
    assert_eq!(daemon.calls("BatchGetInstances").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_broken_item_is_unknown_and_counted() {
    let daemon = Daemon::new();
    daemon.on_instances(|request| async move {
        let mut answer = all_found(&request);
        answer.results.remove(0);
        Ok(answer)
    });
    let facade = Facade::over(&daemon).await;
    let answers = facade.provider().instances(vec![node("a"), node("b")], None).await.expect("answers");
    let InstanceAnswer::Unknown(fault) = &answers["a"].answer else { panic!("{answers:?}") };
    assert_eq!((fault.origin, fault.reason.as_str()), (Origin::Distrust, reason::MISSING_ANSWER));
    assert!(matches!(answers["b"].answer, InstanceAnswer::Found(_)));
    let refused = facade.metrics.provider.distrusted.with(["test", reason::MISSING_ANSWER]).get();
    assert_eq!(refused, 1);
}

#[tokio::test(start_paused = true)]
async fn a_capability_that_was_not_announced_is_never_called() {
    let daemon = Daemon::new();
    daemon.on_handshake(|_| async { Ok(v1::HandshakeResponse { capabilities: vec![], ..handshake("test") }) });
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let faults = [
        provider.instance(node("a"), None).await.expect_err("no instances"),
        provider.ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect_err("no load balancers"),
        provider.plan_load_balancer(&key(), &spec(), &[], &[], false).await.expect_err("no plans"),
        provider.list_load_balancers("").await.expect_err("no list"),
        provider.list_routes().await.expect_err("no routes"),
    ];
    for fault in faults {
        assert_eq!((fault.code, fault.reason.as_str()), (Code::Unimplemented, reason::CAPABILITY_ABSENT), "{fault}");
    }
    for method in [
        "BatchGetInstances",
        "EnsureLoadBalancer",
        "PlanLoadBalancer",
        "ListLoadBalancers",
        "ListRoutes",
        "WatchInstances",
    ] {
        assert!(daemon.calls(method).is_empty(), "{method} was called to find out");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_the_deadline_of_its_class() {
    let daemon = Daemon::new();
    daemon.on_instances(|_| futures::future::pending());
    daemon.on_ensure(|_| futures::future::pending());
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();

    let start = Instant::now();
    let fault = provider.instances(vec![node("a")], None).await.expect_err("silence");
    assert_eq!(
        (fault.code, fault.origin, fault.reason.as_str()),
        (Code::DeadlineExceeded, Origin::Provider, "TIMED_OUT")
    );
    assert_eq!(start.elapsed().as_secs(), 15);

    let start = Instant::now();
    let fault = provider.ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect_err("silence");
    assert!(fault.outcome_unknown(), "the load balancer may be there: {fault}");
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cancels_after_the_deadline_timed_out() {
    let daemon = Daemon::new();
    daemon.on_instances(|_| async {
        sleep(Duration::from_millis(15_100)).await;
        Err(Status::cancelled("Timeout expired"))
    });
    let facade = Facade::over(&daemon).await;
    let fault = facade.provider().instances(vec![node("a")], None).await.expect_err("too late");
    assert_eq!(fault.code, Code::DeadlineExceeded, "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_loses_its_connection_is_unavailable_and_its_outcome_unknown() {
    let daemon = Daemon::new();
    daemon.on_ensure({
        let daemon = daemon.clone();
        move |_| {
            daemon.cut();
            futures::future::pending()
        }
    });
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let fault = provider.ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect_err("cut");
    assert_eq!((fault.code, fault.origin, fault.reason.as_str()), (Code::Unavailable, Origin::Provider, "UNREACHABLE"));
    assert!(fault.outcome_unknown());
    assert_eq!(daemon.calls("EnsureLoadBalancer").len(), 1, "a write that was sent is never sent again from here");
}

#[tokio::test(start_paused = true)]
async fn an_answer_larger_than_a_message_may_be_is_refused() {
    let daemon = Daemon::new();
    daemon.on_plan(|_| async {
        let step = v1::PlanStep { reason: "x".repeat(5 << 20), ..v1::PlanStep::default() };
        Ok(v1::PlanLoadBalancerResponse { steps: vec![step] })
    });
    let facade = Facade::over(&daemon).await;
    let fault = facade.provider().plan_load_balancer(&key(), &spec(), &[], &[], false).await.expect_err("too large");
    assert_eq!((fault.code, fault.origin), (Code::Internal, Origin::Distrust), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_request_larger_than_the_provider_takes_is_not_sent() {
    let daemon = Daemon::new();
    daemon.on_handshake(|_| async {
        let limits = v1::Limits { max_members: Some(1), ..v1::Limits::default() };
        Ok(v1::HandshakeResponse { limits: Some(limits), ..handshake("test") })
    });
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let member = |name: &str| NodeMember {
        node_name: name.into(),
        provider_id: String::new(),
        addresses: vec![],
        zone: String::new(),
        draining: false,
    };
    let two = [member("a"), member("b")];
    let many = provider.ensure_load_balancer(&key(), &spec(), &two, &[], "h").await.expect_err("two members");
    let huge = [member(&"n".repeat(5 << 20))];
    let huge = provider.ensure_load_balancer(&key(), &spec(), &huge, &[], "h").await.expect_err("5 MiB");
    for fault in [many, huge] {
        assert_eq!((fault.code, fault.reason.as_str()), (Code::OutOfRange, reason::OVER_LIMIT));
        assert!(!fault.outcome_unknown());
    }
    assert!(daemon.calls("EnsureLoadBalancer").is_empty());
}

#[tokio::test(start_paused = true)]
async fn load_balancer_calls_answer_what_the_daemon_says() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let made = provider.ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect("made");
    assert!(matches!(made.phase, Phase::Ready { ref ingress, .. } if ingress[0].ip == "192.0.2.1"));
    let told = provider.update_load_balancer_members(&key(), &spec(), &[], &[], "h").await.expect("told");
    assert_eq!(told.handle, "lb-1");
    let (seen, _) = provider.get_load_balancer(&key(), &spec().annotations).await.expect("there");
    assert_eq!(seen, told);
    assert_eq!(provider.plan_load_balancer(&key(), &spec(), &[], &[], false).await, Ok(vec![]));
    let gone = provider.delete_load_balancer(&key(), &spec().annotations).await.expect("deleted");
    assert_eq!(gone.in_progress, None);
}

#[tokio::test(start_paused = true)]
async fn ready_without_ingress_is_a_fault_that_names_the_provider() {
    let daemon = Daemon::new();
    daemon.on_ensure(|_| async {
        let mut state = ready("192.0.2.1");
        state.phase = Some(v1::load_balancer_state::Phase::Ready(v1::Ready::default()));
        Ok(v1::EnsureLoadBalancerResponse { state: Some(state) })
    });
    let facade = Facade::over(&daemon).await;
    let fault = facade.provider().ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect_err("a lie");
    assert_eq!(fault.to_string(), "provider test: INTERNAL (BAD_ANSWER): answer refused: ready without ingress");
    assert!(fault.outcome_unknown());
}

#[tokio::test(start_paused = true)]
async fn no_more_load_balancers_are_changed_at_once_than_is_useful() {
    let daemon = Daemon::new();
    daemon.on_ensure(|_| async {
        sleep(Duration::from_secs(2)).await;
        Ok(v1::EnsureLoadBalancerResponse { state: Some(ready("192.0.2.1")) })
    });
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let start = Instant::now();
    let (key, spec) = (key(), spec());
    let made = join_all((0..40).map(|_| provider.ensure_load_balancer(&key, &spec, &[], &[], "h"))).await;
    assert!(made.iter().all(Result::is_ok), "waiting for a turn is not part of the deadline");
    assert_eq!(start.elapsed().as_secs(), 8, "ten at a time");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_told_by_the_code_alone() {
    let absent = || {
        Status::with_error_details(
            tonic::Code::NotFound,
            "no such load balancer",
            ErrorDetails::with_error_info("OBJECT_ABSENT", "test", []),
        )
    };
    let daemon = Daemon::new();
    daemon.on_get(move |_| async move { Err(absent()) });
    daemon.on_update(move |_| async move { Err(absent()) });
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let got = provider.get_load_balancer(&key(), &spec().annotations).await.expect_err("absent");
    let told = provider.update_load_balancer_members(&key(), &spec(), &[], &[], "h").await.expect_err("absent");
    for fault in [got, told] {
        assert_eq!((fault.code, fault.origin), (Code::NotFound, Origin::Cloud), "{fault}");
        assert!(!fault.outcome_unknown());
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_under_way_says_when_to_ask_again() {
    let daemon = Daemon::new();
    daemon.on_delete(|_| async {
        let progress = v1::InProgress {
            poll_after: Some(prost_types::Duration { seconds: 2, nanos: 0 }),
            message: "draining".into(),
        };
        let outcome = Some(v1::delete_load_balancer_response::Outcome::InProgress(progress));
        Ok(v1::DeleteLoadBalancerResponse { outcome, notices: vec![] })
    });
    let facade = Facade::over(&daemon).await;
    let state = facade.provider().delete_load_balancer(&key(), &spec().annotations).await.expect("begun");
    assert_eq!(state.in_progress, Some((Duration::from_secs(2), "draining".into())));
}

#[tokio::test(start_paused = true)]
async fn the_audit_reads_a_tenants_load_balancers() {
    let daemon = Daemon::new();
    daemon.on_list(|request| async move {
        let key = v1::LoadBalancerKey {
            cluster: request.cluster,
            service_uid: "u1".into(),
            tenant: request.tenant,
            ..v1::LoadBalancerKey::default()
        };
        let owned = v1::OwnedLoadBalancer { key: Some(key), name: "lb".into(), ..v1::OwnedLoadBalancer::default() };
        let page = v1::LoadBalancerPage { load_balancers: vec![owned] };
        let complete = v1::ListComplete { total: 1, observed_at: Some(crate::clock::system_time().into()) };
        let answer = [
            v1::list_load_balancers_response::Page::Items(page),
            v1::list_load_balancers_response::Page::Complete(complete),
        ];
        Ok(pages(stream::iter(answer.map(|page| Ok(v1::ListLoadBalancersResponse { page: Some(page) })))))
    });
    let facade = Facade::over(&daemon).await;
    let seen = facade.provider().list_load_balancers("t1").await.expect("complete");
    assert_eq!(seen.iter().map(|owned| owned.uid.as_str()).collect::<Vec<_>>(), ["u1"]);
}

fn route(cidr: &str) -> v1::Route {
    v1::Route { name: "r".into(), destination_cidr: cidr.into(), ..v1::Route::default() }
}

fn routes(cidrs: &[&str]) -> v1::ListRoutesResponse {
    let page = v1::RoutePage { routes: cidrs.iter().map(|cidr| route(cidr)).collect() };
    v1::ListRoutesResponse { page: Some(v1::list_routes_response::Page::Items(page)) }
}

fn complete(total: u64) -> v1::ListRoutesResponse {
    let complete = v1::ListComplete { total, observed_at: Some(crate::clock::system_time().into()) };
    v1::ListRoutesResponse { page: Some(v1::list_routes_response::Page::Complete(complete)) }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_whole_or_nothing() {
    let check = async |answer: Vec<Result<v1::ListRoutesResponse, Status>>, expected: Result<usize, &str>| {
        let daemon = Daemon::new();
        daemon.on_list_routes(move |_| {
            let answer = answer.clone();
            async { Ok(pages(stream::iter(answer))) }
        });
        let facade = Facade::over(&daemon).await;
        let seen = facade.provider().list_routes().await;
        assert_eq!(seen.as_ref().map(Vec::len).map_err(|fault| fault.reason.as_str()), expected, "{seen:?}");
    };
    let page = || Ok(routes(&["10.0.0.0/24", "10.0.1.0/24"]));
    check(vec![page(), page(), Ok(complete(4))], Ok(4)).await;
    check(vec![Ok(complete(0))], Ok(0)).await;
    check(vec![], Err(reason::TRUNCATED_LIST)).await;
    check(vec![page()], Err(reason::TRUNCATED_LIST)).await;
    check(vec![page(), Ok(complete(3))], Err(reason::TRUNCATED_LIST)).await;
    check(vec![page(), Ok(complete(2)), page()], Err(reason::BAD_ANSWER)).await;
    check(vec![Ok(routes(&["nonsense"])), Ok(complete(1))], Err(reason::BAD_ANSWER)).await;
    check(vec![page(), Err(Status::unavailable("the cloud broke"))], Err("")).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_stalls_ends_with_the_deadline_of_a_page() {
    let daemon = Daemon::new();
    daemon.on_list_routes(|_| async {
        let slow = stream::unfold(0, |n| async move {
            sleep(Duration::from_secs(if n < 3 { 20 } else { 3600 })).await;
            Some((Ok(routes(&["10.0.0.0/24"])), n + 1))
        });
        Ok(pages(slow))
    });
    let facade = Facade::over(&daemon).await;
    let start = Instant::now();
    let fault = facade.provider().list_routes().await.expect_err("stalled");
    assert_eq!(fault.code, Code::DeadlineExceeded);
    assert_eq!(start.elapsed().as_secs(), 90, "three pages of 20 s each were in time, the fourth was not");
}

#[tokio::test(start_paused = true)]
async fn routes_go_in_chunks_and_results_keep_their_order() {
    let daemon = Daemon::new();
    daemon.on_handshake(|_| async {
        let limits = v1::Limits { max_routes: Some(2), ..v1::Limits::default() };
        Ok(v1::HandshakeResponse { limits: Some(limits), ..handshake("test") })
    });
    daemon.on_create_routes(|request| async move {
        let failed = |item: &v1::RouteItem| item.route.as_ref().is_some_and(|route| route.target_node == "n2");
        let results = request.routes.iter().rev().map(|item| v1::RouteResult {
            id: item.id,
            status: Some(v1::ItemStatus { code: if failed(item) { 9 } else { 0 }, ..v1::ItemStatus::default() }),
        });
        Ok(v1::CreateRoutesResponse { results: results.collect() })
    });
    let facade = Facade::over(&daemon).await;
    let route = |n: usize| Route {
        name: String::new(),
        target_node: format!("n{n}"),
        target_addresses: vec![],
        compare_addresses: false,
        destination_cidr: format!("10.0.{n}.0/24"),
        blackhole: false,
        target_provider_id: String::new(),
        annotations: [].into(),
    };
    let made =
        facade.provider().create_routes((0..5).map(|n| (route(n), format!("u{n}"))).collect()).await.expect("sent");
    assert_eq!(made.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true, true]);
    assert_eq!(daemon.calls("CreateRoutes").len(), 3);
    let gone = facade.provider().delete_routes((0..3).map(route).collect()).await.expect("sent");
    assert_eq!(gone, vec![Ok(()); 3]);
    assert_eq!(daemon.calls("DeleteRoutes").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_fails_fails_the_rest_and_says_so() {
    let daemon = Daemon::new();
    daemon.on_handshake(|_| async {
        let limits = v1::Limits { max_routes: Some(1), ..v1::Limits::default() };
        Ok(v1::HandshakeResponse { limits: Some(limits), ..handshake("test") })
    });
    daemon.on_delete_routes(|request| async move {
        let route = request.routes[0].route.clone().unwrap_or_default();
        if route.target_node == "n1" {
            return Err(Status::unavailable("broke"));
        }
        let done = v1::RouteResult { id: request.routes[0].id, status: Some(v1::ItemStatus::default()) };
        Ok(v1::DeleteRoutesResponse { results: vec![done] })
    });
    let facade = Facade::over(&daemon).await;
    let route = |name: &str| Route {
        name: String::new(),
        target_node: name.into(),
        target_addresses: vec![],
        compare_addresses: false,
        destination_cidr: "10.0.0.0/24".into(),
        blackhole: false,
        target_provider_id: String::new(),
        annotations: [].into(),
    };
    let gone =
        facade.provider().delete_routes(vec![route("n0"), route("n1"), route("n2")]).await.expect("one was sent");
    assert_eq!(gone.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(daemon.calls("DeleteRoutes").len(), 2);
    facade.provider().delete_routes(vec![route("n1")]).await.expect_err("nothing was done at all");
}

#[tokio::test(start_paused = true)]
async fn calls_are_measured_by_method_code_and_provider() {
    let daemon = Daemon::new();
    daemon.on_ensure(|_| async { Err(Status::failed_precondition("no subnet")) });
    let facade = Facade::over(&daemon).await;
    facade.provider().instance(node("a"), None).await.expect("found");
    facade.provider().ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect_err("told to");
    let text = facade.metrics.prometheus_text();
    for line in [
        r#"cloudprovider_request_duration_seconds_count{provider="test",method="BatchGetInstances",code="OK"} 1"#,
        r#"cloudprovider_request_duration_seconds_count{provider="test",method="EnsureLoadBalancer",code="FAILED_PRECONDITION"} 1"#,
        r#"cloudprovider_ready{provider="test"} 1"#,
        r#"cloudprovider_info{provider="test",version="1.0",api="1"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(facade.provider().info().expect("ready").can(Capability::Instances));
}
