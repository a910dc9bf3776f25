use std::collections::HashMap;

use cloud_provider_api::v1;
use controller_core::{
    fault::{Code, Fault, Origin, reason},
    provider::{Instance, InstanceState},
    time::Timestamp,
    view::{AddressType, NodeAddress},
};
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::*;
use crate::{
    config::Config,
    kube::scripted::ScriptedApi,
    provider::testing::{self, Daemon},
    reconcile::{
        fixtures::{self, next_event, what},
        testing::Rig,
    },
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

/// A daemon that gives every machine an address and an id, and takes its time.
fn daemon() -> Daemon {
    let daemon = Daemon::new();
    daemon.on_instances(|request| async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let mut answer = testing::all_found(&request);
        for result in &mut answer.results {
            if let Some(v1::instance_result::Answer::Found(machine)) = &mut result.answer {
                machine.addresses =
                    vec![v1::NodeAddress { r#type: v1::AddressType::InternalIp.into(), address: "10.0.0.1".into() }];
            }
        }
        Ok(answer)
    });
    daemon
}

fn named(name: &str) -> Value {
    let mut object = tainted("1");
    object["metadata"]["name"] = name.into();
    object["metadata"]["uid"] = format!("uid-{name}").into();
    object
}

/// Answers writes to Nodes as an apiserver would; gives the requests for each, in order, once `count` Nodes have lost their
/// taint.
async fn serve_writes(api: &mut ScriptedApi, count: usize) -> HashMap<String, Vec<String>> {
    let mut nodes: HashMap<String, Value> = HashMap::new();
    let mut requests: HashMap<String, Vec<String>> = HashMap::new();
    let mut initialised = 0;
    while initialised < count {
        let call = api.next().await;
        let name = call.path.split('/').nth(4).expect("a Node").to_owned();
        requests.entry(name.clone()).or_default().push(what(&call));
        let object = nodes.entry(name.clone()).or_insert_with(|| named(&name));
        if let Some(addresses) = call.body["status"].get("addresses") {
            object["status"]["addresses"] = addresses.clone();
        }
        if call.body["spec"]["taints"] == json!([]) {
            assert_ne!(object["status"]["addresses"], Value::Null, "{name} was open for pods without addresses");
            assert_ne!(call.body["spec"]["providerID"], Value::Null);
            initialised += 1;
        }
        let object = object.clone();
        call.answer(200, &object);
    }
    requests
}

#[tokio::test(start_paused = true)]
async fn many_nodes_cost_few_look_ups_and_two_writes_each() {
    let daemon = daemon();
    let (context, mut api, _events) = fixtures::context_with(&daemon, Config::default());
    let objects = (0..550).map(|n| named(&format!("n{n}"))).collect();
    let _watch = fixtures::list_nodes(&context, &mut api, objects).await;
    let running = tokio::spawn(run(Arc::clone(&context)));
    let requests = serve_writes(&mut api, 550).await;
    assert_eq!(requests.len(), 550);
    for (name, requests) in requests {
        let path = format!("PATCH /api/v1/nodes/{name}");
        assert_eq!(requests, [format!("{path}/status"), path]);
    }
    let calls = daemon.calls("BatchGetInstances").len();
    assert!(calls <= 6 + 5, "{calls} look-ups for 550 nodes");
    context.stop.cancel();
    running.await.expect("it ends in order");
}

#[tokio::test(start_paused = true)]
async fn work_waits_for_its_provider_and_goes_on_when_it_comes() {
    let daemon = daemon();
    daemon.refuse(true);
    let (context, mut api, mut events) = fixtures::context_with(&daemon, Config::default());
    let _watch = fixtures::list_nodes(&context, &mut api, vec![named("n1")]).await;
    let running = tokio::spawn(run(Arc::clone(&context)));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(api.try_next().is_none() && events.try_next().is_none());
    daemon.refuse(false);
    let requests = serve_writes(&mut api, 1).await;
    assert_eq!(requests["n1"].len(), 2);
    context.stop.cancel();
    running.await.expect("it ends in order");
}

#[tokio::test(start_paused = true)]
async fn with_nothing_to_do_there_is_one_look_a_period_and_no_write() {
    let daemon = daemon();
    daemon.on_watch(|_| async {
        let heartbeat = || v1::watch_instances_response::Event::Heartbeat(v1::Heartbeat {});
        let beats = tokio_stream::wrappers::IntervalStream::new(interval(Duration::from_secs(30)));
        Ok(testing::pages(beats.map(move |_| Ok(v1::WatchInstancesResponse { event: Some(heartbeat()) }))))
    });
    let (context, mut api, _events) = fixtures::context_with(&daemon, Config::default());
    let settled = |n: usize| {
        let mut object = named(&format!("n{n}"));
        object["spec"] = json!({"providerID": format!("test://n{n}")});
        object["status"] = json!({"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]});
        object
    };
    let _watch = fixtures::list_nodes(&context, &mut api, (0..250).map(settled).collect()).await;
    let running = tokio::spawn(run(Arc::clone(&context)));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(daemon.calls("BatchGetInstances").len(), 3, "at the start");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(daemon.calls("BatchGetInstances").len(), 9, "and every five minutes");
    assert!(api.try_next().is_none());
    context.stop.cancel();
    running.await.expect("it ends in order");
}

/// A daemon of this name that knows a machine for every Node, or says that none is its own.
fn daemon_named(name: &'static str, knows: bool) -> Daemon {
    let daemon = Daemon::named(name);
    daemon.on_instances(move |request| {
        let mut answer = testing::all_found(&request);
        for result in &mut answer.results {
            match &mut result.answer {
                Some(v1::instance_result::Answer::Found(machine)) if knows => {
                    machine.provider_id = format!("{name}://{}", result.node_name);
                    let (kind, address) = (v1::AddressType::InternalIp.into(), "10.0.0.1".to_owned());
                    machine.addresses = vec![v1::NodeAddress { r#type: kind, address }];
                }
                answer => {
                    let not_ours = v1::InstanceNotOurs { reason: "not here".into() };
                    *answer = Some(v1::instance_result::Answer::NotOurs(not_ours));
                }
            }
        }
        async { Ok(answer) }
    });
    daemon
}

async fn two_clouds(one: &Daemon, other: &Daemon) -> Rig {
    let mut rig = Rig::new(&[one, other], &testing::settings(), Config::default());
    rig.api.create_node("n1", "", &tainted("1"));
    for provider in rig.context.providers.all() {
        provider.until_ready().await;
    }
    rig.start(run);
    rig
}

fn provider_id(rig: &Rig) -> String {
    rig.api.node("n1")["spec"]["providerID"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_node_that_two_providers_have_is_nobodys_and_says_so() {
    let (a, b) = (daemon_named("a", true), daemon_named("b", true));
    let rig = two_clouds(&a, &b).await;
    let said =
        |api: &crate::kube::fake::FakeApi| api.events().into_iter().find(|(reason, _)| reason == "SeveralProviders");
    rig.until("it is said", |api| said(api).is_some()).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((provider_id(&rig).as_str(), rig.api.patches()), ("", 0));
    let (_, message) = said(&rig.api).expect("said");
    assert!(message.contains("a, b") && message.contains("--provider-node-selector"), "{message}");
    assert!(rig.context.metrics.node.uninitialized.with(["SeveralProviders"]).get() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_one_of_two_providers_has_is_its_own() {
    let rig = two_clouds(&daemon_named("a", false), &daemon_named("b", true)).await;
    rig.until("it is initialised", |_| provider_id(&rig) == "b://n1").await;
    assert!(rig.api.events().iter().all(|(reason, _)| reason == "Synced"), "{:?}", rig.api.events());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_keeps_no_node_from_another() {
    let (a, b) = (daemon_named("a", true), daemon_named("b", true));
    a.on_instances(|_| std::future::pending());
    let started = Instant::now();
    let rig = two_clouds(&a, &b).await;
    rig.until("it is initialised", |_| provider_id(&rig) == "b://n1").await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
