use controller_core::{
    fault::{Code, Fault, Origin, reason},
    provider::{Instance, InstanceState},
    time::Timestamp,
    view::{AddressType, NodeAddress},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    kube::scripted::ScriptedApi,
    reconcile::fixtures::{self, next_event, what},
};

/// A worker, the script of its apiserver, and that of its Events.
fn worker() -> (Arc<Worker>, ScriptedApi, ScriptedApi) {
    let (context, api, events) = fixtures::context();
    let provider = fixtures::provider(&context);
    (Arc::new(Worker::new(context, provider, 0)), api, events)
}

/// A Node that waits for its initialisation, at this resource version.
fn tainted(version: &str) -> Value {
    fixtures::object(
        &json!({"name": "n1", "uid": "u1", "resourceVersion": version}),
        &json!({"taints": [{"key": "node.cloudprovider.kubernetes.io/uninitialized", "effect": "NoSchedule"}]}),
        &json!({}),
    )
}

/// The same Node with its addresses.
fn addressed(version: &str) -> Value {
    let mut object = tainted(version);
    object["status"] = json!({"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]});
    object
}

fn found() -> Observed {
    let instance = Instance {
        provider_id: "fake://1".to_owned(),
        instance_type: None,
        zone: None,
        region: Some("r1".to_owned()),
        addresses: vec![NodeAddress::new(AddressType::InternalIp, "10.0.0.1")],
        state: InstanceState::Running,
        labels: std::collections::BTreeMap::new(),
        account: "acc".to_owned(),
    };
    Observed { answer: InstanceAnswer::Found(instance), at: Timestamp::from_secs(1) }
}

fn unknown(fault: Fault) -> Observed {
    Observed { answer: InstanceAnswer::Unknown(fault), at: Timestamp::from_secs(1) }
}

/// Settles the Node in the background.
fn settle(worker: &Arc<Worker>, object: &Value, observed: Observed) -> tokio::task::JoinHandle<Outcome> {
    let (worker, node) = (Arc::clone(worker), fixtures::node(object));
    tokio::spawn(async move { worker.settle(&node, &observed).await })
}

#[tokio::test(start_paused = true)]
async fn a_node_is_initialised_by_two_writes_addresses_first() {
    let (worker, mut api, mut events) = worker();
    let done = settle(&worker, &tainted("1"), found());
    let call = api.next().await;
    assert_eq!(what(&call), "PATCH /api/v1/nodes/n1/status");
    assert_eq!(call.body["status"]["addresses"], json!([{"type": "InternalIP", "address": "10.0.0.1"}]));
    call.answer(200, &addressed("2"));
    let call = api.next().await;
    assert_eq!(what(&call), "PATCH /api/v1/nodes/n1");
    assert_eq!(call.body["metadata"]["resourceVersion"], "2", "bound to the Node as the first write left it");
    assert_eq!(call.body["spec"], json!({"providerID": "fake://1", "taints": []}));
    assert_eq!(call.body["metadata"]["labels"]["topology.kubernetes.io/region"], "r1");
    call.answer(200, &addressed("3"));
    assert_eq!(done.await.expect("no panic"), Outcome::Done);
    assert_eq!(next_event(&mut events).await.0, "Synced");
    assert!(api.try_next().is_none(), "two writes, no more");
}

#[tokio::test(start_paused = true)]
async fn the_taint_stays_when_the_addresses_cannot_be_written() {
    let (worker, mut api, _events) = worker();
    let done = settle(&worker, &tainted("1"), found());
    api.next().await.refuse(500, "InternalError");
    assert_eq!(done.await.expect("no panic"), Outcome::Backoff);
    assert!(api.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_decided_anew_from_the_node_as_it_is() {
    let (worker, mut api, _events) = worker();
    let done = settle(&worker, &addressed("1"), found());
    api.next().await.refuse(409, "Conflict");
    let call = api.next().await;
    assert_eq!(what(&call), "GET /api/v1/nodes/n1");
    let mut object = addressed("5");
    object["spec"]["taints"].as_array_mut().expect("taints").push(json!({"key": "new", "effect": "NoSchedule"}));
    call.answer(200, &object);
    let call = api.next().await;
    assert_eq!(call.body["metadata"]["resourceVersion"], "5");
    assert_eq!(call.body["spec"]["taints"], json!([{"key": "new", "effect": "NoSchedule"}]), "the other taint stays");
    call.answer(200, &object);
    assert_eq!(done.await.expect("no panic"), Outcome::Done);
}

#[tokio::test(start_paused = true)]
async fn another_node_of_the_same_name_is_not_written() {
    let (worker, mut api, _events) = worker();
    let done = settle(&worker, &addressed("1"), found());
    api.next().await.refuse(409, "Conflict");
    let mut other = tainted("9");
    other["metadata"]["uid"] = "u2".into();
    api.next().await.answer(200, &other);
    assert_eq!(done.await.expect("no panic"), Outcome::Done);
    assert!(api.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_as_it_should_be_gets_no_write() {
    let (worker, mut api, _events) = worker();
    let object = fixtures::object(
        &json!({"name": "n1", "uid": "u1", "resourceVersion": "1", "labels": {
            "topology.kubernetes.io/region": "r1", "failure-domain.beta.kubernetes.io/region": "r1"}}),
        &json!({"providerID": "fake://1"}),
        &json!({"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}),
    );
    assert_eq!(settle(&worker, &object, found()).await.expect("no panic"), Outcome::Done);
    assert!(api.try_next().is_none());
}

/// 10.1.5: upstream shows nothing but a taint that stays.
#[tokio::test(start_paused = true)]
async fn a_failed_initialisation_shows_as_an_event_and_in_a_metric() {
    let (worker, mut api, mut events) = worker();
    let mut object = tainted("1");
    object["metadata"]["annotations"] = json!({"alpha.kubernetes.io/provided-node-ip": "10.9.9.9"});
    assert_eq!(settle(&worker, &object, found()).await.expect("no panic"), Outcome::Backoff);
    let (reason, message) = next_event(&mut events).await;
    assert_eq!(reason, "InvalidNodeIP");
    assert!(message.contains("10.9.9.9") && message.contains("10.0.0.1"), "{message}");
    let gauge = &worker.ctx.metrics.node.uninitialized;
    assert_eq!(gauge.with(["InvalidNodeIP"]).get(), 1);
    assert!(api.try_next().is_none(), "nothing is written");

    object["metadata"]["annotations"] = json!({});
    let done = settle(&worker, &object, found());
    api.next().await.answer(200, &addressed("2"));
    api.next().await.answer(200, &addressed("3"));
    assert_eq!(done.await.expect("no panic"), Outcome::Done);
    assert_eq!(gauge.with(["InvalidNodeIP"]).get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_may_pass_is_said_when_it_stays() {
    let (worker, _api, mut events) = worker();
    let fault = || unknown(Fault::new(Code::Unavailable, Origin::Cloud, "fake", "503"));
    for _ in 0..2 {
        assert_eq!(settle(&worker, &tainted("1"), fault()).await.expect("no panic"), Outcome::Backoff);
    }
    assert!(events.try_next().is_none());
    assert_eq!(settle(&worker, &tainted("1"), fault()).await.expect("no panic"), Outcome::Backoff);
    assert_eq!(next_event(&mut events).await.0, "InstanceUnknown");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_away_is_waited_for_without_a_word() {
    let (worker, _api, mut events) = worker();
    let away = Fault::new(Code::Unavailable, Origin::Provider, "fake", "not connected").with_reason(reason::AWAY);
    for _ in 0..5 {
        let outcome = settle(&worker, &tainted("1"), unknown(away.clone())).await.expect("no panic");
        assert_eq!(outcome, Outcome::Park(AWAY.to_owned()));
    }
    assert!(events.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_initialised_node_waits_for_the_periodic_look() {
    let (worker, _api, mut events) = worker();
    let mut object = addressed("1");
    object["spec"] = json!({"providerID": "fake://1"});
    let denied = Fault::new(Code::PermissionDenied, Origin::Cloud, "fake", "no");
    assert_eq!(settle(&worker, &object, unknown(denied)).await.expect("no panic"), Outcome::Done);
    assert!(events.try_next().is_none(), "the provider's trouble, not the Node's");
}

#[tokio::test(start_paused = true)]
async fn addresses_that_do_not_stay_do_not_keep_the_worker() {
    let (worker, mut api, _events) = worker();
    let done = settle(&worker, &tainted("1"), found());
    let mut altered = addressed("2");
    altered["status"]["addresses"] = json!([{"type": "InternalIP", "address": "10.7.7.7"}]);
    api.next().await.answer(200, &altered);
    let call = api.next().await;
    assert_eq!(what(&call), "PATCH /api/v1/nodes/n1");
    call.answer(200, &altered);
    assert_eq!(done.await.expect("no panic"), Outcome::Done);
}
