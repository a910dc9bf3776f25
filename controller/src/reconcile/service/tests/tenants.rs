//! Services of tenants, from the map to the calls.

use controller_core::names::ANNOTATION_TENANT;

use super::*;
use crate::{config::ProviderConfig, tenants::parse};

fn started_with(daemon: &Daemon, map: &str) -> Rig {
    daemon.on_handshake(|_| async {
        Ok(v1::HandshakeResponse { tenants: vec!["a".into(), "b".into()], ..handshake("test") })
    });
    let tenants = parse(map.as_bytes()).expect("a map");
    let provider = ProviderConfig { tenants, ..ProviderConfig::default() };
    let mut rig = Rig::new(&[daemon], &settings(), Config { provider, ..Config::default() });
    rig.api.create_node("n1", "test://n1", &json!({}));
    rig.start(run);
    rig
}

fn told(api: &FakeApi, part: &str) -> bool {
    api.events().iter().any(|(reason, message)| reason == "SyncLoadBalancerFailed" && message.contains(part))
}

#[tokio::test(start_paused = true)]
async fn calls_are_made_for_the_tenant_of_the_namespace_and_the_service_notes_it() {
    let cloud = Cloud::default();
    let rig = started_with(&cloud.daemon("test"), "default: a");
    rig.api.create_service("web", &balanced());
    rig.until("the address", |api| has_address(api, "web")).await;
    assert_eq!(rig.api.service("web")["metadata"]["annotations"][ANNOTATION_TENANT], "a");
    rig.api.delete_service("web");
    rig.until("the Service is gone", |api| api.service("web").is_null()).await;
    assert_eq!(cloud.with(|state| state.asked.clone()), ["ensure as a", "delete as a"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_gets_its_tenant_later_gets_its_load_balancers_then() {
    let cloud = Cloud::default();
    let rig = started_with(&cloud.daemon("test"), "{unmapped: refuse, namespaces: {other: b}}");
    rig.api.create_service("web", &balanced());
    rig.until("it is told", |api| told(api, "namespace \"default\" has no tenant")).await;
    assert_eq!(cloud.count(), 0);
    rig.context.tenants.take_over(parse(b"default: a").expect("a map"));
    rig.until("the address", |api| has_address(api, "web")).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_map_moves_no_load_balancer_and_says_so_at_once() {
    let cloud = Cloud::default();
    let rig = started_with(&cloud.daemon("test"), "default: a");
    rig.api.create_service("web", &balanced());
    rig.until("the address", |api| has_address(api, "web")).await;
    rig.context.tenants.take_over(parse(b"default: b").expect("a map"));
    rig.until("it is told", |api| told(api, "made for tenant \"a\"")).await;
    rig.api.create_node("n2", "test://n2", &json!({}));
    rig.until("the nodes are followed", |_| cloud.members() == [2]).await;
    rig.api.delete_service("web");
    rig.until("the Service is gone", |api| api.service("web").is_null()).await;
    assert_eq!(cloud.with(|state| state.asked.clone()), ["ensure as a", "delete as a"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_map_nothing_is_noted() {
    let cloud = Cloud::default();
    let rig = started(&cloud.daemon("test"));
    rig.api.create_service("web", &balanced());
    rig.until("the address", |api| has_address(api, "web")).await;
    assert!(rig.api.service("web")["metadata"]["annotations"].get(ANNOTATION_TENANT).is_none());
    assert_eq!(cloud.with(|state| state.asked.clone()), ["ensure as "]);
}
