use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cloud_provider_api::v1::{
    self, identity_server::Identity as _, instance_result::Answer, instances_server::Instances as _,
    list_load_balancers_response::Page,
};
use provider_mock::{
    MockProvider,
    cloud::{Cloud, MachineState, Operation},
    scenario::{Scenario, parse_rules},
};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::requests::*;

fn with_rules(rules: &str) -> MockProvider {
    let provider = provider("loadBalancers: {provisioning: 0s}");
    provider.set_rules(parse_rules(rules).unwrap());
    provider
}

fn objects(provider: &MockProvider) -> usize {
    provider.cloud().load_balancers().len()
}

#[tokio::test]
async fn a_failure_has_all_the_details_a_rule_gives_it() {
    let provider = with_rules(
        "[{match: {method: EnsureLoadBalancer}, when: {first: 1}, effects: [{fail: {code: RESOURCE_EXHAUSTED, reason: THROTTLED, \
         retryAfter: 7s, message: slow down, quota: {subject: s, description: q}, violations: [{field: f, description: d}]}}]}]",
    );
    let status = ensure(&provider, "web").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "slow down"));
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("THROTTLED", "mock"));
    assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(7)));
    assert_eq!(details.quota_failure().unwrap().violations[0].description, "q");
    assert_eq!(fields(&status), ["f"]);
    assert_eq!(objects(&provider), 0, "before the work");
    ready(ensure(&provider, "web").await.unwrap());
    let mut calls = BTreeMap::new();
    calls.insert("EnsureLoadBalancer", BTreeMap::from([("OK", 1), ("RESOURCE_EXHAUSTED", 1)]));
    assert_eq!(provider.calls(), calls);
}

#[tokio::test]
async fn every_code_has_a_reason_that_goes_with_it() {
    for code in ["UNAUTHENTICATED", "PERMISSION_DENIED", "UNAVAILABLE", "DATA_LOSS", "ABORTED"] {
        let provider = with_rules(&format!("[{{effects: [{{fail: {{code: {code}}}}}]}}]"));
        let status = ensure(&provider, "web").await.unwrap_err();
        let reason = cloud_provider_api::error::Reason::parse(&reason(&status)).unwrap();
        assert!(reason.codes().contains(&status.code()), "{reason} with {code}");
    }
}

#[tokio::test]
async fn an_answer_is_lost_before_or_after_the_effect() {
    for (at, want) in [("before", 0), ("after", 1)] {
        let rule = format!("[{{when: {{first: 1}}, effects: [{{loseAnswer: {{at: {at}, by: unavailable}}}}]}}]");
        let provider = with_rules(&rule);
        let status = ensure(&provider, "web").await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, ""), "{at}");
        assert_eq!(objects(&provider), want, "{at}");
        ready(ensure(&provider, "web").await.unwrap());
        assert_eq!(provider.cloud().operations()[&Operation::CreateLoadBalancer], 1, "{at}");
    }
}

#[tokio::test]
async fn a_fault_at_any_call_of_the_cloud_leaves_one_load_balancer_in_the_end() {
    for at in ["before", "after"] {
        for nth in 1..=6 {
            let rule = format!(
                "[{{match: {{method: cloud.*}}, when: {{nth: {nth}}}, effects: [{{fail: {{code: UNAVAILABLE, at: {at}}}}}]}}]"
            );
            let provider = with_rules(&rule);
            let failed = ensure(&provider, "web").await;
            assert_eq!(failed.map_err(|status| status.code()), Err(Code::Unavailable), "call {nth}, {at}");
            if let Ok(state) = get(&provider, "web").await {
                let tagged = ready(state).spec_hash == "hash-1";
                assert_eq!(tagged, (nth, at) == (6, "after"), "call {nth}, {at}: the tag says that all is done");
            }
            assert_eq!(ready(ensure(&provider, "web").await.unwrap()).spec_hash, "hash-1", "call {nth}, {at}");
            assert_eq!(objects(&provider), 1, "call {nth}, {at}");
        }
    }
}

#[tokio::test]
async fn a_crash_comes_before_or_after_its_call() {
    for (at, want) in [("before", 0), ("after", 1)] {
        let crashes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&crashes);
        let scenario = Scenario::parse("loadBalancers: {provisioning: 0s}").unwrap();
        let provider = MockProvider::with_crash(Cloud::in_memory(scenario), move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let rule = format!("[{{match: {{method: cloud.CreateLoadBalancer}}, effects: [{{crash: {at}}}]}}]");
        provider.set_rules(parse_rules(&rule).unwrap());
        let call = tokio::time::timeout(Duration::from_secs(5), ensure(&provider, "web"));
        tokio::pin!(call);
        // In a process it is over here. In a test the provider stays, as its callers see it: without an answer.
        while crashes.load(Ordering::Relaxed) == 0 {
            tokio::select! {
                biased;
                answer = &mut call => { assert!(!matches!(answer, Ok(Ok(_))), "{at}"); break }
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!((crashes.load(Ordering::Relaxed), objects(&provider)), (1, want), "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_delays_and_a_hang_never_ends() {
    let provider = with_rules(
        "[{match: {method: EnsureLoadBalancer}, when: {nth: 1}, effects: [{delay: 3s}]}, {when: {nth: 2}, effects: [hang]}]",
    );
    let began = tokio::time::Instant::now();
    ensure(&provider, "web").await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert!(tokio::time::timeout(Duration::from_hours(1), ensure(&provider, "web")).await.is_err());
    assert_eq!(provider.calls()["EnsureLoadBalancer"]["CANCELLED"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_hung_call_of_the_cloud_is_given_up() {
    let provider = with_rules("[{match: {method: cloud.SetMembers}, when: {nth: 1}, effects: [hang]}]");
    let status = ensure(&provider, "web").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "TIMED_OUT"));
    ready(ensure(&provider, "web").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn latency_is_added_to_every_call() {
    let provider = provider("latency: 30ms");
    let began = tokio::time::Instant::now();
    batch(&provider, vec![node("a", "")]).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(30));
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_on_when_its_caller_goes_away() {
    let provider = provider("loadBalancers: {provisioning: 0s, callDuration: 1s}");
    let impatient = tokio::time::timeout(Duration::from_millis(1500), ensure(&provider, "web")).await;
    assert!(impatient.is_err());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(ready(get(&provider, "web").await.unwrap()).spec_hash, "hash-1");
}

#[tokio::test]
async fn a_fault_of_one_node_is_unknown_on_that_node() {
    let provider = with_rules("[{match: {node: b}, effects: [{fail: {code: UNAVAILABLE, retryAfter: 2s}}]}]");
    let results = batch(&provider, vec![node("a", ""), node("b", "")]).await.unwrap();
    assert!(matches!(results[0].answer, Some(Answer::Found(_))));
    let Some(Answer::Unknown(status)) = &results[1].answer else { panic!("{results:?}") };
    assert_eq!((status.code, status.reason.as_str()), (14, "CLOUD_UNAVAILABLE"));
    assert_eq!(status.retry_after.unwrap().seconds, 2);
}

#[tokio::test]
async fn machines_can_be_lied_about() {
    let provider = with_rules("[]");
    let told = async |lie: &str| {
        provider.set_rules(parse_rules(&format!("[{{effects: [{{lie: {lie}}}]}}]")).unwrap());
        batch(&provider, vec![node("a", ""), node("b", "mock://i-b")]).await.unwrap()
    };
    let instance = |results: &[v1::InstanceResult]| match results[0].answer.clone() {
        Some(Answer::Found(instance)) => instance,
        other => panic!("{other:?}"),
    };
    let results = told("notFound").await;
    assert!(results.iter().all(|result| matches!(result.answer, Some(Answer::NotFound(_)))));
    assert_eq!(told("{dropItems: 1}").await.len(), 1);
    assert_eq!(instance(&told("{wrongAccount: other}").await).account, "other");
    assert!(instance(&told("{foreignProviderIds: aws}").await).provider_id.starts_with("aws://i-"));
    assert_eq!(instance(&told("malformedAddresses").await).addresses[0].address, "999.1.1.1");
    let unknown = instance(&told("unknownEnums").await);
    assert_eq!((unknown.state, unknown.addresses[0].r#type), (999, 999));

    provider.set_rules(parse_rules("[{match: {node: b}, effects: [{lie: {dropItems: 0}}]}]").unwrap());
    let results = batch(&provider, vec![node("a", ""), node("b", "")]).await.unwrap();
    assert_eq!(results.iter().map(|result| result.node_name.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn stale_reads_last_and_fresh_is_fresh_unless_the_rule_says_otherwise() {
    let ask = async |provider: &MockProvider, fresh: bool| {
        let max_age = fresh.then(prost_types::Duration::default);
        let nodes = vec![node("a", "mock://i-a")];
        let request = v1::BatchGetInstancesRequest { cluster: Some(cluster()), nodes, max_age };
        let mut response = provider.batch_get_instances(Request::new(request)).await.unwrap().into_inner();
        let result = response.results.pop().unwrap();
        let stopped = match result.answer {
            Some(Answer::Found(instance)) => instance.state() == v1::InstanceState::Stopped,
            other => panic!("{other:?}"),
        };
        (stopped, result.observed_at.unwrap().seconds)
    };
    for even_fresh in [false, true] {
        let provider =
            with_rules(&format!("[{{effects: [{{lie: {{staleReads: {{for: 30s, evenFresh: {even_fresh}}}}}}}]}}]"));
        let (_, seen) = ask(&provider, false).await;
        provider.cloud().set_machine_state("i-a", MachineState::Stopped).unwrap();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(ask(&provider, false).await, (false, seen), "old and honest about it");
        let (stopped, at) = ask(&provider, true).await;
        assert_eq!((stopped, at), (!even_fresh, seen + 10));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(ask(&provider, false).await.0, "after a while the cloud is asked again");
    }
}

#[tokio::test]
async fn load_balancers_can_be_lied_about() {
    let provider = with_rules("[{effects: [{lie: emptyIngress}]}]");
    assert_eq!(ready(ensure(&provider, "web").await.unwrap()).ingress, []);
    provider.set_rules(parse_rules("[{effects: [{lie: malformedAddresses}, {lie: unknownEnums}]}]").unwrap());
    let ingress = ready(get(&provider, "web").await.unwrap()).ingress;
    assert_eq!((ingress[0].ip.as_str(), ingress[0].ip_mode), ("999.1.1.1", 999));
}

#[tokio::test]
async fn lists_can_be_lied_about() {
    let provider = provider("{loadBalancers: {provisioning: 0s}, pageSize: 1}");
    for service in ["a", "b", "c"] {
        ensure(&provider, service).await.unwrap();
    }
    let told = async |lie: &str| {
        provider.set_rules(
            parse_rules(&format!("[{{match: {{method: ListLoadBalancers}}, effects: [{{lie: {lie}}}]}}]")).unwrap(),
        );
        let messages = list(&provider, "").await;
        let total = messages.iter().find_map(|message| match &message.page {
            Some(Page::Complete(complete)) => Some(complete.total),
            _ => None,
        });
        (messages.len() - usize::from(total.is_some()), total)
    };
    assert_eq!(told("emptyInventory").await, (0, Some(0)));
    assert_eq!(told("{truncateList: 2}").await, (2, None));
    assert_eq!(told("wrongTotal").await, (3, Some(4)));
}

#[tokio::test]
async fn the_handshake_can_be_lied_about() {
    let provider =
        with_rules("[{effects: [newEpoch, {lie: {apiMinor: 9}}, {lie: {wrongAccount: other}}, {lie: unknownEnums}]}]");
    let epoch = provider.epoch();
    let request = v1::HandshakeRequest {
        controller_name: "test".to_owned(),
        api_minors: vec![1],
        ..v1::HandshakeRequest::default()
    };
    let response = provider.handshake(Request::new(request)).await.unwrap().into_inner();
    assert_eq!((response.api_minor, response.accounts[0].id.as_str()), (9, "other"));
    assert!(response.capabilities.contains(&999));
    assert_ne!(response.epoch, epoch);
    assert_eq!(response.epoch, provider.epoch());
}
