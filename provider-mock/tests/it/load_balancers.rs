use std::{collections::HashMap, time::Duration};

use cloud_provider_api::v1::{
    self, delete_load_balancer_response::Outcome, list_load_balancers_response::Page,
    load_balancers_server::LoadBalancers as _,
};
use provider_mock::{MockProvider, cloud::Operation};
use tonic::{Code, Request, Status};

use crate::requests::*;

const INSTANT: &str = "loadBalancers: {provisioning: 0s}";

async fn update(provider: &MockProvider, nodes: &[(&str, &str)], hash: &str) -> Result<v1::LoadBalancerState, Status> {
    let request = v1::UpdateLoadBalancerMembersRequest {
        key: Some(key("web")),
        ports: vec![port(80)],
        members: Some(members(nodes)),
        spec_hash: hash.to_owned(),
        annotations: HashMap::new(),
    };
    Ok(provider.update_load_balancer_members(Request::new(request)).await?.into_inner().state.unwrap())
}

async fn plan(provider: &MockProvider, service: &str, delete: bool) -> Vec<(String, bool)> {
    let ensure = ensure_request(service);
    let request = v1::PlanLoadBalancerRequest { key: ensure.key, spec: ensure.spec, members: ensure.members, delete };
    let steps = provider.plan_load_balancer(Request::new(request)).await.unwrap().into_inner().steps;
    steps.into_iter().map(|step| (step.action, step.waits)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_is_in_progress_for_as_long_as_the_cloud_takes() {
    let provider = provider("loadBalancers: {provisioning: 2s}");
    let waiting = in_progress(ensure(&provider, "web").await.unwrap());
    assert_eq!(Duration::try_from(waiting.poll_after.unwrap()).unwrap(), Duration::from_secs(2));
    assert!(waiting.message.contains("being made"));
    tokio::time::advance(Duration::from_millis(1500)).await;
    in_progress(ensure(&provider, "web").await.unwrap());
    tokio::time::advance(Duration::from_millis(500)).await;
    let state = ensure(&provider, "web").await.unwrap();
    assert!(!state.handle.is_empty());
    let ready = ready(state);
    assert_eq!(ready.spec_hash, "hash-1");
    assert!(ready.ingress[0].ip.starts_with("127.1."), "{ready:?}");
    assert_eq!(ready.ingress[0].ip_mode(), v1::IpMode::Proxy);
    assert_eq!(provider.cloud().load_balancers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_at_once_take_as_long_as_ten_in_parallel_need() {
    let provider = provider("loadBalancers: {provisioning: 2s, parallel: 10}");
    let began = tokio::time::Instant::now();
    let all = (0..200).map(async |n| {
        let service = format!("service-{n}");
        loop {
            let state = ensure(&provider, &service).await.unwrap();
            match state.phase.unwrap() {
                v1::load_balancer_state::Phase::Ready(_) => return,
                v1::load_balancer_state::Phase::InProgress(waiting) => {
                    tokio::time::sleep(waiting.poll_after.unwrap().try_into().unwrap()).await;
                }
            }
        }
    });
    futures::future::join_all(all).await;
    let took = began.elapsed();
    assert!((40.0..40.5).contains(&took.as_secs_f64()), "{took:?}");
}

#[tokio::test]
async fn ensuring_again_changes_nothing() {
    let provider = provider(INSTANT);
    let first = ensure(&provider, "web").await.unwrap();
    let events = provider.cloud().history();
    for _ in 0..10 {
        assert_eq!(ensure(&provider, "web").await.unwrap(), first);
    }
    assert_eq!(provider.cloud().history(), events);
    assert_eq!(get(&provider, "web").await.unwrap(), first);
}

#[tokio::test]
async fn many_at_once_with_one_key_make_one() {
    let provider = provider(INSTANT);
    let all = futures::future::join_all((0..20).map(|_| ensure(&provider, "web"))).await;
    assert!(all.iter().any(Result::is_ok));
    for other in all.into_iter().filter_map(Result::err) {
        assert_eq!(other.code(), Code::Aborted, "{other:?}");
    }
    assert_eq!(provider.cloud().operations()[&Operation::CreateLoadBalancer], 1);
}

#[tokio::test]
async fn new_members_are_one_update() {
    let provider = provider(INSTANT);
    ensure(&provider, "web").await.unwrap();
    let state = update(&provider, &[("a", "127.2.0.1"), ("b", "127.2.0.2")], "hash-2").await.unwrap();
    assert_eq!(ready(state).spec_hash, "hash-2");
    let object = &provider.cloud().load_balancers()[0];
    assert_eq!((object.member_updates, provider.cloud().members(object.members).len()), (2, 2));
    update(&provider, &[("b", "127.2.0.2"), ("a", "127.2.0.1")], "hash-2").await.unwrap();
    assert_eq!(provider.cloud().load_balancers()[0].member_updates, 2, "another order is no other set");
}

#[tokio::test]
async fn members_of_nothing_are_not_found() {
    let provider = provider(INSTANT);
    let status = update(&provider, &[("a", "127.2.0.1")], "h").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "OBJECT_ABSENT"));
    assert_eq!(get(&provider, "web").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_deleted_load_balancer_is_gone_however_often_it_is_deleted() {
    let provider = provider(INSTANT);
    ensure(&provider, "web").await.unwrap();
    ensure(&provider, "other").await.unwrap();
    for _ in 0..10 {
        assert_eq!(delete(&provider, "web").await.unwrap(), Outcome::Deleted(v1::Deleted {}));
    }
    assert_eq!(provider.cloud().operations()[&Operation::DeleteLoadBalancer], 1);
    assert_eq!(provider.cloud().load_balancers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_in_progress_is_told_and_a_new_ensure_waits_for_it() {
    let provider = provider("loadBalancers: {provisioning: 0s, deletion: 3s}");
    let first = ensure(&provider, "web").await.unwrap().handle;
    let Outcome::InProgress(waiting) = delete(&provider, "web").await.unwrap() else { panic!() };
    assert_eq!(waiting.poll_after.unwrap().seconds, 3);
    in_progress(ensure(&provider, "web").await.unwrap());
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(delete(&provider, "web").await.unwrap(), Outcome::Deleted(v1::Deleted {}));
    let again = ensure(&provider, "web").await.unwrap();
    assert_ne!(again.handle, first);
    ready(again);
}

#[tokio::test]
async fn two_with_one_key_need_a_person() {
    let provider = provider(INSTANT);
    ensure(&provider, "web").await.unwrap();
    let second = provider.cloud().duplicate_load_balancer("default/web").unwrap();
    let check = |status: Status| {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::DataLoss, "DUPLICATE_KEY"));
        assert!(status.message().contains(&second.id), "{status:?}");
    };
    check(ensure(&provider, "web").await.unwrap_err());
    check(get(&provider, "web").await.unwrap_err());
    check(delete(&provider, "web").await.unwrap_err());
    assert_eq!(provider.cloud().load_balancers().len(), 2, "neither was touched");
    provider.cloud().delete_load_balancer(&second.id);
    ready(ensure(&provider, "web").await.unwrap());
}

#[tokio::test]
async fn a_handle_proves_nothing() {
    let provider = provider(INSTANT);
    let theirs = ensure(&provider, "theirs").await.unwrap().handle;
    let mut request = ensure_request("mine");
    request.key.as_mut().unwrap().handle.clone_from(&theirs);
    assert_ne!(ensure_with(&provider, request).await.unwrap().handle, theirs);
    let request = v1::DeleteLoadBalancerRequest {
        key: Some(v1::LoadBalancerKey { handle: theirs.clone(), ..key("mine") }),
        annotations: HashMap::new(),
    };
    provider.delete_load_balancer(Request::new(request)).await.unwrap();
    assert_eq!(provider.cloud().load_balancers()[0].id, theirs);
}

#[tokio::test]
async fn what_was_deleted_behind_our_back_is_made_again() {
    let provider = provider(INSTANT);
    let first = ensure(&provider, "web").await.unwrap();
    provider.cloud().delete_load_balancer(&first.handle);
    assert_eq!(get(&provider, "web").await.unwrap_err().code(), Code::NotFound);
    let again = ensure(&provider, "web").await.unwrap();
    assert_eq!(ready(again).ingress, ready(first).ingress, "the address follows from the key");
}

#[tokio::test]
async fn a_plan_is_what_is_done_and_nothing_when_it_is_done() {
    let provider = provider("loadBalancers: {provisioning: 1s}");
    let steps = plan(&provider, "web", false).await;
    let names: Vec<_> = steps.iter().map(|(name, waits)| (name.as_str(), *waits)).collect();
    let want = [
        ("CreateLoadBalancer", true),
        ("CreateListener", false),
        ("SetAttributes", false),
        ("SetMembers", false),
        ("TagLoadBalancer", false),
    ];
    assert_eq!(names, want);
    assert!(provider.cloud().load_balancers().is_empty(), "a plan has no effect");

    provider.set_scenario(provider_mock::scenario::Scenario::parse(INSTANT).unwrap());
    ensure(&provider, "web").await.unwrap();
    let done: Vec<_> = provider.cloud().history().into_iter().map(|event| event.operation.to_string()).collect();
    assert_eq!(done, want.map(|(name, _)| name));
    assert_eq!(plan(&provider, "web", false).await, []);
    let removal: Vec<_> = plan(&provider, "web", true).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(removal, ["DeleteListener", "DeleteLoadBalancer"]);
    assert_eq!(plan(&provider, "other", true).await, []);
}

#[tokio::test]
async fn a_list_has_pages_and_an_end_and_only_the_clusters_own() {
    let provider = provider("{loadBalancers: {provisioning: 0s}, pageSize: 2, tenants: [{name: blue}]}");
    for n in 0..5 {
        ensure(&provider, &format!("service-{n}")).await.unwrap();
    }
    let mut foreign = ensure_request("foreign");
    foreign.key.as_mut().unwrap().cluster.as_mut().unwrap().id = "cluster-2".to_owned();
    ensure_with(&provider, foreign).await.unwrap();
    let mut blue = ensure_request("blue");
    blue.key.as_mut().unwrap().tenant = "blue".to_owned();
    ensure_with(&provider, blue).await.unwrap();

    let sizes = |messages: Vec<v1::ListLoadBalancersResponse>| -> (Vec<usize>, Option<u64>) {
        let mut pages: Vec<_> = messages.into_iter().map(|message| message.page.unwrap()).collect();
        let end = match pages.pop() {
            Some(Page::Complete(complete)) => Some(complete.total),
            other => panic!("{other:?}"),
        };
        let size = |page| match page {
            Page::Items(page) => page.load_balancers.len(),
            Page::Complete(_) => panic!("an end in the middle"),
        };
        (pages.into_iter().map(size).collect(), end)
    };
    assert_eq!(sizes(list(&provider, "").await), (vec![2, 2, 1], Some(5)));
    assert_eq!(sizes(list(&provider, "blue").await), (vec![1], Some(1)));
}

#[tokio::test]
async fn a_tenant_nobody_may_use_is_refused() {
    let provider = provider(INSTANT);
    let mut request = ensure_request("web");
    request.key.as_mut().unwrap().tenant = "blue".to_owned();
    let status = ensure_with(&provider, request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "TENANT_NOT_ALLOWED"));
}

#[tokio::test]
async fn a_used_up_quota_is_named() {
    let provider = provider("loadBalancers: {provisioning: 0s, quota: 1}");
    ensure(&provider, "web").await.unwrap();
    let status = ensure(&provider, "other").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "QUOTA_EXHAUSTED"));
    let details = tonic_types::StatusExt::get_error_details(&status);
    let violation = &details.quota_failure().unwrap().violations[0];
    assert_eq!(
        (violation.subject.as_str(), violation.description.as_str()),
        ("mock-account", "load-balancers: 1 at most")
    );
}

#[tokio::test]
async fn a_wanted_address_is_given_or_refused_by_field() {
    let provider = provider(INSTANT);
    let wanting = async |service: &str, ip: &str| {
        let mut request = ensure_request(service);
        request.spec.as_mut().unwrap().load_balancer_ip = ip.to_owned();
        ensure_with(&provider, request).await
    };
    assert_eq!(ready(wanting("web", "127.1.5.5").await.unwrap()).ingress[0].ip, "127.1.5.5");
    for (service, ip) in [("other", "127.1.5.5"), ("other", "10.0.0.1"), ("other", "fd00::1"), ("web", "127.1.5.6")] {
        let status = wanting(service, ip).await.unwrap_err();
        assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["spec.load_balancer_ip".to_owned()]));
    }
}

#[tokio::test]
async fn a_wrong_annotation_is_named() {
    let provider = provider(INSTANT);
    let annotated = async |key: &str, value: &str| {
        let mut request = ensure_request("web");
        request.spec.as_mut().unwrap().annotations.insert(key.to_owned(), value.to_owned());
        ensure_with(&provider, request).await
    };
    let status = annotated("mock.cloudprovider.io/ip-mode", "magic").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "ANNOTATION_INVALID"));
    assert_eq!(fields(&status), ["annotations[mock.cloudprovider.io/ip-mode]"]);
    let ingress = ready(annotated("mock.cloudprovider.io/ip-mode", "vip").await.unwrap()).ingress;
    assert_eq!(ingress[0].ip_mode(), v1::IpMode::Vip);
    let ingress = ready(annotated("mock.cloudprovider.io/hostname", "web.example").await.unwrap()).ingress;
    assert_eq!((ingress[0].hostname.as_str(), ingress[0].ip.as_str()), ("web.example", ""));
}

#[tokio::test]
async fn a_spec_that_cannot_be_names_every_wrong_field() {
    let provider = provider(INSTANT);
    let mut request = ensure_request("web");
    request.key.as_mut().unwrap().service_uid.clear();
    let spec = request.spec.as_mut().unwrap();
    spec.ports = vec![port(80), port(80), v1::ServicePort { port: 70_000, protocol: 9, ..port(1) }];
    spec.source_ranges = vec!["10.0.0.0".to_owned()];
    request.spec_hash = "x".repeat(65);
    let status = ensure_with(&provider, request).await.unwrap_err();
    let want = [
        "key.service_uid",
        "spec.ports[1].name",
        "spec.ports[1].port",
        "spec.ports[2].protocol",
        "spec_hash",
        "spec.source_ranges[0]",
    ];
    assert_eq!(fields(&status), want);
    let mut request = ensure_request("web");
    request.spec.as_mut().unwrap().ip_family_policy = v1::IpFamilyPolicy::RequireDualStack.into();
    assert_eq!(ensure_with(&provider, request).await.unwrap_err().code(), Code::FailedPrecondition);
}
