use cloud_provider_api::v1;
use controller_core::{
    fault::Origin,
    provider::{Absence, Account, Instance, InstanceState},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    config::Config,
    kube::scripted::ScriptedApi,
    provider::testing::{self, Daemon},
    reconcile::fixtures::{self, next_event, what},
};

/// A monitor, the script of its apiserver, and that of its Events.
fn monitor() -> (Arc<Monitor>, ScriptedApi, ScriptedApi) {
    let (context, api, events) = fixtures::context();
    let provider = fixtures::provider(&context);
    (Arc::new(Monitor::new(context, provider)), api, events)
}

fn info() -> Info {
    Info { accounts: vec![Account { id: "acc".to_owned(), region: "r1".to_owned() }], ..testing::info() }
}

fn object(name: &str, ready: &str, extra: Value) -> Value {
    let mut object = fixtures::object(
        &json!({"name": name, "uid": format!("uid-{name}"), "resourceVersion": "7",
            "creationTimestamp": "2020-01-01T00:00:00Z"}),
        &json!({"providerID": format!("fake://{name}")}),
        &json!({"conditions": [{"type": "Ready", "status": ready, "reason": "Tested",
            "lastTransitionTime": "2020-01-02T00:00:00Z"}]}),
    );
    if let Value::Array(taints) = extra {
        object["spec"]["taints"] = taints.into();
    }
    object
}

fn node(name: &str, ready: &str) -> Arc<Node> {
    Arc::new(fixtures::node(&object(name, ready, Value::Null)))
}

fn in_state(state: InstanceState) -> InstanceAnswer {
    InstanceAnswer::Found(Instance {
        provider_id: "fake://x".to_owned(),
        instance_type: None,
        zone: None,
        region: Some("r1".to_owned()),
        addresses: Vec::new(),
        state,
        labels: std::collections::BTreeMap::new(),
        account: "acc".to_owned(),
    })
}

fn absent() -> InstanceAnswer {
    InstanceAnswer::NotFound(Absence { account: "acc".to_owned(), region: "r1".to_owned(), evidence: "404".to_owned() })
}

/// What a look-up `ago` said, the canary of which was found.
fn looked(ago: Duration, suspects: &[(&Arc<Node>, InstanceAnswer)]) -> Looked {
    let asked = clock::now() - ago;
    let observed = |answer: &InstanceAnswer| Observed { answer: answer.clone(), at: asked };
    Looked {
        asked,
        canaries: vec![(node("canary", "True"), observed(&in_state(InstanceState::Running)))],
        suspects: suspects.iter().map(|(node, answer)| (Arc::clone(node), observed(answer))).collect(),
    }
}

/// Lets the monitor take note of the Nodes, and follow what was said of them in the background.
fn follow(monitor: &Arc<Monitor>, nodes: &[Arc<Node>], said: Looked) -> tokio::task::JoinHandle<()> {
    let (monitor, nodes) = (Arc::clone(monitor), nodes.to_vec());
    monitor.state().due(&nodes, "e1", &monitor.settings, clock::now());
    tokio::spawn(async move { monitor.follow(&nodes, vec![said], &info()).await })
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_node_goes_after_the_second_answer_and_not_before() {
    let (monitor, mut api, mut events) = monitor();
    let gone = node("gone", "Unknown");
    let nodes = [Arc::clone(&gone)];
    follow(&monitor, &nodes, looked(MINUTE, &[(&gone, absent())])).await.expect("no panic");
    assert!(api.try_next().is_none(), "one answer is none");

    let done = follow(&monitor, &nodes, looked(Duration::ZERO, &[(&gone, absent())]));
    let (reason, message) = next_event(&mut events).await;
    assert_eq!(reason, "DeletingNode");
    assert_eq!(message, "Deleting node gone because it does not exist in the cloud provider");
    let call = api.next().await;
    assert_eq!(what(&call), "DELETE /api/v1/nodes/gone");
    assert_eq!(call.body["preconditions"], json!({"uid": "uid-gone", "resourceVersion": "7"}));
    call.answer(200, &json!({"kind": "Status", "status": "Success"}));
    done.await.expect("no panic");
    assert_eq!(monitor.ctx.metrics.lifecycle.removals.get(), 1);
}

#[tokio::test]
async fn a_removal_that_fails_is_said_and_tried_again() {
    let (monitor, mut api, mut events) = monitor();
    let gone = node("gone", "Unknown");
    let nodes = [Arc::clone(&gone)];
    follow(&monitor, &nodes, looked(MINUTE, &[(&gone, absent())])).await.expect("no panic");
    let done = follow(&monitor, &nodes, looked(Duration::ZERO, &[(&gone, absent())]));
    assert_eq!(next_event(&mut events).await.0, "DeletingNode");
    api.next().await.refuse(403, "Forbidden");
    done.await.expect("no panic");
    assert_eq!(next_event(&mut events).await.0, "DeletingNodeFailed");
    let due = monitor.state().due(&nodes, "e1", &monitor.settings, clock::now());
    assert_eq!(due.len(), 1);
}

#[tokio::test]
async fn too_many_at_once_open_the_breaker() {
    let (monitor, mut api, mut events) = monitor();
    let nodes: Vec<Arc<Node>> = (0..10).map(|n| node(&format!("n{n}"), "Unknown")).collect();
    let say_absent = |ago| looked(ago, &nodes[..4].iter().map(|node| (node, absent())).collect::<Vec<_>>());
    let first = follow(&monitor, &nodes, say_absent(MINUTE));
    first.await.expect("no panic");
    assert!(api.try_next().is_none());

    let done = follow(&monitor, &nodes, say_absent(Duration::ZERO));
    for _ in 0..4 {
        let (reason, message) = next_event(&mut events).await;
        assert_eq!(reason, "NodeRemovalHeld");
        assert!(message.contains("4 machines are absent") && message.contains("at most 3 may go"), "{message}");
        let call = api.next().await;
        assert!(what(&call).ends_with("/status") && call.method == "PATCH", "the condition, no deletion: {call:?}");
        assert_eq!(call.body["status"]["conditions"][0]["reason"], "BreakerOpen");
        call.answer(200, &object("n0", "Unknown", Value::Null));
    }
    done.await.expect("no panic");
    let metrics = &monitor.ctx.metrics.lifecycle;
    let name = monitor.provider.name();
    assert_eq!(metrics.breaker_open.with([&name]).get(), 1);
    assert_eq!(metrics.removals_held.with([&name, "BreakerOpen"]).get(), 4);

    // One of them turns out to be there: the share has fallen, the others go.
    let said = |n: usize| if n == 3 { in_state(InstanceState::Running) } else { absent() };
    let there = looked(Duration::ZERO, &(0..4).map(|n| (&nodes[n], said(n))).collect::<Vec<_>>());
    let done = follow(&monitor, &nodes, there);
    let mut gone = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let call = api.next().await;
        gone.insert(what(&call));
        call.answer(200, &json!({"kind": "Status", "status": "Success"}));
    }
    done.await.expect("no panic");
    assert_eq!(gone.into_iter().collect::<Vec<_>>(), ["n0", "n1", "n2"].map(|n| format!("DELETE /api/v1/nodes/{n}")));
    assert_eq!(metrics.breaker_open.with([&name]).get(), 0);
    assert_eq!(metrics.removals_held.with([&name, "BreakerOpen"]).get(), 0);
}

#[tokio::test]
async fn a_stopped_machine_taints_its_node_once() {
    let (monitor, mut api, _events) = monitor();
    let down = node("down", "Unknown");
    let stopped = || looked(Duration::ZERO, &[(&down, in_state(InstanceState::Stopped))]);
    let done = follow(&monitor, &[Arc::clone(&down)], stopped());
    let call = api.next().await;
    assert_eq!(what(&call), "PATCH /api/v1/nodes/down");
    let taints = json!([{"key": "node.cloudprovider.kubernetes.io/shutdown", "effect": "NoSchedule"}]);
    assert_eq!(call.body["spec"], json!({"taints": taints}));
    call.answer(200, &object("down", "Unknown", taints.clone()));
    done.await.expect("no panic");

    let tainted = Arc::new(fixtures::node(&object("down", "Unknown", taints)));
    let again = looked(Duration::ZERO, &[(&tainted, in_state(InstanceState::Stopped))]);
    follow(&monitor, &[tainted], again).await.expect("no panic");
    assert!(api.try_next().is_none());
}

#[tokio::test]
async fn a_ready_node_loses_the_shutdown_taint_without_a_look_up() {
    let (monitor, mut api, _events) = monitor();
    let taints = json!([{"key": "node.cloudprovider.kubernetes.io/shutdown", "effect": "NoSchedule"}]);
    let nodes = [Arc::new(fixtures::node(&object("up", "True", taints))), node("other", "True")];
    let tending = Arc::clone(&monitor);
    let done = tokio::spawn(async move { tending.tend_ready(&nodes).await });
    let call = api.next().await;
    assert_eq!((what(&call).as_str(), &call.body["spec"]), ("PATCH /api/v1/nodes/up", &json!({"taints": []})));
    call.answer(200, &object("up", "True", Value::Null));
    done.await.expect("no panic");
    assert!(api.try_next().is_none());
}

#[tokio::test]
async fn an_unknown_answer_changes_nothing() {
    let (monitor, mut api, mut events) = monitor();
    let down = node("down", "Unknown");
    let fault = Fault::new(Code::Unauthenticated, Origin::Cloud, "fake", "expired");
    let unknown = || looked(Duration::ZERO, &[(&down, InstanceAnswer::Unknown(fault.clone()))]);
    for _ in 0..2 {
        follow(&monitor, &[Arc::clone(&down)], unknown()).await.expect("no panic");
    }
    assert!(events.try_next().is_none(), "it may pass");
    for _ in 0..3 {
        follow(&monitor, &[Arc::clone(&down)], unknown()).await.expect("no panic");
    }
    let (reason, message) = next_event(&mut events).await;
    assert_eq!(reason, "InstanceUnknown");
    assert!(message.contains("UNAUTHENTICATED") && message.contains("expired"), "{message}");
    assert!(events.try_next().is_none(), "once");
    assert!(api.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_hold_removals_of_all_its_nodes() {
    let denied = || Answer::Unknown(v1::ItemStatus { code: 7, ..v1::ItemStatus::default() });
    let daemon = daemon_without(&["gone"], move |name| (name == "other").then(denied));
    let (context, mut api, mut events) = fixtures::context_with(&daemon, unconfirmed());
    let objects = vec![of_test("gone", "Unknown"), of_test("other", "Unknown"), of_test("c1", "True")];
    let _watch = fixtures::list_nodes(&context, &mut api, objects).await;
    let running = tokio::spawn(run(Arc::clone(&context)));
    let call = api.next().await;
    assert_eq!(what(&call), "PATCH /api/v1/nodes/gone/status");
    assert_eq!(call.body["status"]["conditions"][0]["reason"], "CredentialsRefused");
    call.answer(200, &of_test("gone", "Unknown"));
    assert!(next_event(&mut events).await.1.contains("credentials were refused"));
    context.stop.cancel();
    running.await.expect("it ends in order");
}

#[tokio::test]
async fn another_daemon_must_say_it_twice_itself() {
    let (monitor, mut api, _events) = monitor();
    let gone = node("gone", "Unknown");
    let nodes = [Arc::clone(&gone)];
    follow(&monitor, &nodes, looked(MINUTE, &[(&gone, absent())])).await.expect("no panic");
    monitor.state().due(&nodes, "e2", &monitor.settings, clock::now());
    let said = looked(Duration::ZERO, &[(&gone, absent())]);
    monitor.follow(&nodes, vec![said], &Info { epoch: "e2".to_owned(), ..info() }).await;
    assert!(api.try_next().is_none());
}

#[tokio::test]
async fn look_ups_are_counted_under_upstreams_names() {
    // Upstream's TestMonitorNodesMetrics: a Node that is not Ready and whose machine exists and runs.
    let case = "one not ready node that exists and is not shut down";
    let (monitor, _api, _events) = monitor();
    let observed = |answer| Observed { answer, at: clock::now() };
    let calls = &monitor.ctx.metrics.lifecycle.provider_calls;
    monitor.count_call(&observed(in_state(InstanceState::Running)));
    assert_eq!(calls.with(["instance_exists", "success"]).get(), 1, "{case}");
    assert_eq!(calls.with(["instance_shutdown", "success"]).get(), 1, "{case}");
    monitor.count_call(&observed(absent()));
    assert_eq!(calls.with(["instance_exists", "instance_not_found"]).get(), 1);
    for (code, result) in
        [(Code::Unimplemented, "not_implemented"), (Code::Cancelled, "canceled"), (Code::Internal, "error")]
    {
        monitor.count_call(&observed(InstanceAnswer::Unknown(Fault::new(code, Origin::Cloud, "fake", ""))));
        assert_eq!(calls.with(["instance_exists", result]).get(), 1, "{result}");
    }
    assert_eq!(calls.with(["instance_shutdown", "success"]).get(), 1, "what is absent is not shut down");
}

#[test]
fn only_a_change_of_readiness_is_urgent() {
    let change = |old: Option<&str>, new: Option<&str>| {
        is_urgent(&Change { old: old.map(|ready| node("n", ready)), new: new.map(|ready| node("n", ready)) })
    };
    assert!(change(Some("True"), Some("Unknown")) && change(Some("False"), Some("True")));
    assert!(change(None, Some("Unknown")), "found so at the start");
    assert!(!change(None, Some("True")) && !change(Some("True"), Some("True")) && !change(Some("Unknown"), None));
    assert!(!change(Some("False"), Some("Unknown")), "not Ready either way");
}

type Answer = v1::instance_result::Answer;

/// A daemon that knows every machine but these, and those of which `other` has something else to say.
fn daemon_without(
    absent: &'static [&'static str],
    other: impl Fn(&str) -> Option<Answer> + Clone + Send + Sync + 'static,
) -> Daemon {
    let daemon = Daemon::new();
    daemon.on_instances(move |request| {
        let mut answer = testing::all_found(&request);
        for result in &mut answer.results {
            if absent.contains(&result.node_name.as_str()) {
                let absent = v1::InstanceAbsent { account: "a1".into(), region: "r1".into(), evidence: "404".into() };
                result.answer = Some(Answer::NotFound(absent));
            } else if let Some(said) = other(&result.node_name) {
                result.answer = Some(said);
            } else if let Some(Answer::Found(machine)) = &mut result.answer {
                machine.region = "r1".into();
            }
        }
        async { Ok(answer) }
    });
    daemon
}

fn of_test(name: &str, ready: &str) -> Value {
    let mut object = object(name, ready, Value::Null);
    object["spec"]["providerID"] = format!("test://{name}").into();
    object
}

/// As configured by default, but without waiting for a second answer.
fn unconfirmed() -> Config {
    let mut config = Config::default();
    config.lifecycle.removal.confirm_interval = Duration::ZERO;
    config
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_ready_is_looked_at_at_once_with_a_canary() {
    let daemon = daemon_without(&["gone"], |_| None);
    let (context, mut api, _events) = fixtures::context_with(&daemon, unconfirmed());
    let objects = vec![of_test("gone", "Unknown"), of_test("c1", "True"), of_test("c2", "True")];
    let _watch = fixtures::list_nodes(&context, &mut api, objects).await;
    let running = tokio::spawn(run(Arc::clone(&context)));
    let call = api.next().await;
    assert_eq!(what(&call), "DELETE /api/v1/nodes/gone");
    assert_eq!(daemon.calls("BatchGetInstances").len(), 1);
    call.answer(200, &json!({"kind": "Status", "status": "Success"}));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(api.try_next().is_none(), "though the cache still shows it");
    assert_eq!(daemon.calls("BatchGetInstances").len(), 1);
    context.stop.cancel();
    running.await.expect("it ends in order");
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_canary_stays_and_says_so() {
    let daemon = daemon_without(&["gone", "too"], |_| None);
    let (context, mut api, _events) = fixtures::context_with(&daemon, unconfirmed());
    let objects = vec![of_test("gone", "Unknown"), of_test("too", "True")];
    let _watch = fixtures::list_nodes(&context, &mut api, objects).await;
    let running = tokio::spawn(run(Arc::clone(&context)));
    let call = api.next().await;
    assert_eq!(what(&call), "PATCH /api/v1/nodes/gone/status");
    assert_eq!(call.body["status"]["conditions"][0]["reason"], "CanaryAbsent");
    call.answer(200, &of_test("gone", "Unknown"));
    context.stop.cancel();
    running.await.expect("it ends in order");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_while_every_node_is_ready() {
    let daemon = Daemon::new();
    let (context, mut api, _events) = fixtures::context_with(&daemon, Config::default());
    let _watch = fixtures::list_nodes(&context, &mut api, vec![of_test("a", "True"), of_test("b", "True")]).await;
    let running = tokio::spawn(run(Arc::clone(&context)));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(daemon.calls("BatchGetInstances").is_empty() && api.try_next().is_none());
    context.stop.cancel();
    running.await.expect("it ends in order");
}
