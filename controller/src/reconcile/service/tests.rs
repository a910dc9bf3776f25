mod picked;
mod tenants;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use cloud_provider_api::v1;
use controller_core::names::{ANNOTATION_HANDLE, ANNOTATION_PROVIDER, FINALIZER_LB};
use serde_json::json;
use tokio::time::Instant;
use tonic::Status;

use super::run;
use crate::{
    config::Config,
    kube::fake::FakeApi,
    provider::{
        Settings,
        testing::{Daemon, handshake, settings},
    },
    reconcile::testing::Rig,
};

/// A cloud that takes its time and keeps hashes.
#[derive(Clone, Default)]
struct Cloud(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    balancers: BTreeMap<String, Balancer>,
    /// How long one takes.
    takes: Duration,
    /// How many are made at once; zero: any number.
    at_once: usize,
    /// Faults of the next calls.
    faults: Vec<Status>,
    /// Updates of members, by Service.
    updates: BTreeMap<String, usize>,
    /// As which tenants something was ensured or removed.
    asked: Vec<String>,
}

struct Balancer {
    hash: String,
    ready: Instant,
    members: usize,
}

impl Cloud {
    fn daemon(&self, name: &'static str) -> Daemon {
        let daemon = Daemon::named(name);
        let this = self.clone();
        daemon.on_ensure(move |request| {
            let state = this.ensure(&request);
            async move { Ok(v1::EnsureLoadBalancerResponse { state: Some(state?) }) }
        });
        let this = self.clone();
        daemon.on_update(move |request| {
            let state = this.update(&request);
            async move { Ok(v1::UpdateLoadBalancerMembersResponse { state: Some(state?) }) }
        });
        let this = self.clone();
        daemon.on_get(move |request| {
            let state = this.get(&request);
            async move {
                let observed_at = Some(crate::clock::system_time().into());
                Ok(v1::GetLoadBalancerResponse { state: Some(state?), observed_at })
            }
        });
        let this = self.clone();
        daemon.on_delete(move |request| {
            let key = request.key.expect("a key");
            this.with(|state| {
                state.asked.push(format!("delete as {}", key.tenant));
                state.balancers.remove(&key.service_uid)
            });
            let outcome = v1::delete_load_balancer_response::Outcome::Deleted(v1::Deleted {});
            async move { Ok(v1::DeleteLoadBalancerResponse { outcome: Some(outcome), notices: vec![] }) }
        });
        daemon
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.lock().expect("no panic"))
    }

    #[allow(clippy::result_large_err)] // As tonic's.
    fn ensure(&self, request: &v1::EnsureLoadBalancerRequest) -> Result<v1::LoadBalancerState, Status> {
        self.with(|state| {
            if let Some(fault) = state.faults.pop() {
                return Err(fault);
            }
            let key = request.key.clone().expect("a key");
            state.asked.push(format!("ensure as {}", key.tenant));
            let uid = key.service_uid;
            let ready = state.next_ready();
            let balancer = state.balancers.entry(uid).or_insert(Balancer { hash: String::new(), ready, members: 0 });
            balancer.hash.clone_from(&request.spec_hash);
            balancer.members = request.members.clone().unwrap_or_default().nodes.len();
            Ok(balancer.state())
        })
    }

    #[allow(clippy::result_large_err)] // As tonic's.
    fn update(&self, request: &v1::UpdateLoadBalancerMembersRequest) -> Result<v1::LoadBalancerState, Status> {
        self.with(|state| {
            let key = request.key.clone().expect("a key");
            *state.updates.entry(key.service_name).or_default() += 1;
            let balancer = state.balancers.get_mut(&key.service_uid).ok_or_else(|| Status::not_found("no such"))?;
            balancer.hash.clone_from(&request.spec_hash);
            balancer.members = request.members.clone().unwrap_or_default().nodes.len();
            Ok(balancer.state())
        })
    }

    #[allow(clippy::result_large_err)] // As tonic's.
    fn get(&self, request: &v1::GetLoadBalancerRequest) -> Result<v1::LoadBalancerState, Status> {
        let uid = request.key.clone().expect("a key").service_uid;
        self.with(|state| Ok(state.balancers.get(&uid).ok_or_else(|| Status::not_found("no such"))?.state()))
    }

    fn count(&self) -> usize {
        self.with(|state| state.balancers.len())
    }

    /// The numbers of members, once each.
    fn members(&self) -> Vec<usize> {
        let mut members: Vec<_> = self.with(|state| state.balancers.values().map(|b| b.members).collect());
        members.sort_unstable();
        members.dedup();
        members
    }
}

impl State {
    /// When a balancer asked for now is ready, if only so many are made at once.
    fn next_ready(&self) -> Instant {
        let now = Instant::now();
        let mut unfinished: Vec<Instant> =
            self.balancers.values().map(|balancer| balancer.ready).filter(|ready| *ready > now).collect();
        unfinished.sort_unstable();
        let begins = match unfinished.len().checked_sub(self.at_once) {
            Some(index) if self.at_once > 0 => unfinished[index],
            _ => now,
        };
        begins + self.takes
    }
}

impl Balancer {
    fn state(&self) -> v1::LoadBalancerState {
        let left = self.ready.saturating_duration_since(Instant::now());
        let phase = if left.is_zero() {
            let ingress = vec![v1::Ingress { ip: "192.0.2.1".into(), ..v1::Ingress::default() }];
            v1::load_balancer_state::Phase::Ready(v1::Ready { ingress, spec_hash: self.hash.clone() })
        } else {
            let poll_after = left.clamp(Duration::from_millis(100), Duration::from_secs(2));
            v1::load_balancer_state::Phase::InProgress(v1::InProgress {
                poll_after: Some(poll_after.try_into().expect("a short time")),
                message: "being made".into(),
            })
        };
        v1::LoadBalancerState { phase: Some(phase), handle: "lb-1".into(), notices: vec![] }
    }
}

fn balanced() -> serde_json::Value {
    json!({"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]})
}

fn has_address(api: &FakeApi, name: &str) -> bool {
    api.service(name)["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"
}

fn started(daemon: &Daemon) -> Rig {
    let mut rig = Rig::over(daemon);
    rig.api.create_node("n1", "test://n1", &json!({}));
    rig.start(run);
    rig
}

#[tokio::test(start_paused = true)]
async fn a_service_gets_an_address_and_leaves_nothing_behind() {
    let cloud = Cloud::default();
    cloud.with(|state| state.takes = Duration::from_secs(5));
    let rig = started(&cloud.daemon("test"));
    rig.api.create_service("web", &balanced());
    rig.until("the address", |api| has_address(api, "web")).await;
    let service = rig.api.service("web");
    assert_eq!(service["metadata"]["finalizers"], json!([FINALIZER_LB]));
    assert_eq!(service["metadata"]["annotations"], json!({ANNOTATION_HANDLE: "lb-1", ANNOTATION_PROVIDER: "test"}));
    assert_eq!(cloud.members(), [1]);

    rig.api.delete_service("web");
    rig.until("the Service is gone", |api| api.service("web").is_null()).await;
    assert_eq!(cloud.count(), 0);
    let reasons: Vec<_> = rig.api.events().into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, ["EnsuringLoadBalancer", "EnsuredLoadBalancer", "DeletingLoadBalancer", "DeletedLoadBalancer"]);
}

#[tokio::test(start_paused = true)]
async fn another_process_finds_work_that_is_done_and_writes_nothing() {
    let cloud = Cloud::default();
    let daemon = cloud.daemon("test");
    let mut rig = started(&daemon);
    rig.api.create_service("web", &balanced());
    rig.until("the address", |api| has_address(api, "web")).await;
    rig.stop().await;
    let (ensures, patches) = (daemon.calls("EnsureLoadBalancer").len(), rig.api.patches());
    rig.start(run);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(daemon.calls("GetLoadBalancer").len(), 1);
    assert_eq!((daemon.calls("EnsureLoadBalancer").len(), rig.api.patches()), (ensures, patches));
}

#[tokio::test(start_paused = true)]
async fn two_hundred_at_once_take_little_longer_than_the_cloud() {
    let cloud = Cloud::default();
    cloud.with(|state| (state.takes, state.at_once) = (Duration::from_secs(2), 10));
    let rig = started(&cloud.daemon("test"));
    let begun = Instant::now();
    for n in 0..200 {
        rig.api.create_service(&format!("s{n}"), &balanced());
    }
    rig.until("all addresses", |api| (0..200).all(|n| has_address(api, &format!("s{n}")))).await;
    let ideal = Duration::from_secs(200 / 10 * 2);
    assert!(begun.elapsed() <= ideal.mul_f64(1.2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_new_node_is_one_update_a_service_and_a_burst_two() {
    let cloud = Cloud::default();
    let rig = started(&cloud.daemon("test"));
    for n in 0..20 {
        rig.api.create_service(&format!("s{n}"), &balanced());
    }
    rig.until("all addresses", |api| (0..20).all(|n| has_address(api, &format!("s{n}")))).await;
    let updates = || cloud.with(|state| std::mem::take(&mut state.updates));
    assert!(updates().is_empty());

    // As a kubelet registers, and as the node controller introduces it.
    let taint = json!([{"key": "node.cloudprovider.kubernetes.io/uninitialized", "effect": "NoSchedule"}]);
    rig.api.create_node("n2", "", &json!({"spec": {"taints": taint}}));
    tokio::time::sleep(Duration::from_secs(20)).await;
    rig.api.edit_node("n2", &json!({"spec": {"providerID": "test://n2", "taints": null}}));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(cloud.members(), [2]);
    assert_eq!(updates().into_values().collect::<Vec<_>>(), [1; 20]);

    tokio::time::sleep(Duration::from_secs(60)).await;
    for n in 0..100 {
        let excluded = if n % 2 == 0 { json!("true") } else { json!("false") };
        let label = json!({"node.kubernetes.io/exclude-from-external-load-balancers": excluded});
        rig.api.edit_node("n2", &json!({"metadata": {"labels": label}}));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cloud.members(), [2], "as the last flip left it");
    assert!(updates().into_values().all(|count| count <= 2));
    rig.api.edit_node(
        "n2",
        &json!({"metadata": {"labels": {"node.kubernetes.io/exclude-from-external-load-balancers": "true"}}}),
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((cloud.members(), updates().into_values().max()), (vec![1], Some(1)), "a flip that lasts arrives");
}

#[tokio::test(start_paused = true)]
async fn while_a_provider_is_away_its_services_wait_as_they_are() {
    let cloud = Cloud::default();
    let daemon = cloud.daemon("test");
    let rig = started(&daemon);
    rig.api.create_service("old", &balanced());
    rig.until("the address", |api| has_address(api, "old")).await;

    daemon.refuse(true);
    daemon.cut();
    rig.context.providers.all()[0].until_away().await;
    rig.api.create_service("new", &balanced());
    rig.api.delete_service("old");
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert!(has_address(&rig.api, "old"), "nothing is cleared");
    assert_eq!(rig.api.service("old")["metadata"]["finalizers"], json!([FINALIZER_LB]));
    assert!(!rig.api.events().iter().any(|(reason, _)| reason == "SyncLoadBalancerFailed"));

    daemon.refuse(false);
    rig.until("all is made up for", |api| api.service("old").is_null() && has_address(api, "new")).await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_leaves_the_others_alone() {
    let cloud = Cloud::default();
    let (good, bad) = (cloud.daemon("test"), Daemon::named("bad"));
    bad.on_ensure(|_| std::future::pending());
    let classes = BTreeMap::from([("slow".to_owned(), "bad".to_owned())]);
    let settings = Settings { classes, ..settings() };
    let mut rig = Rig::new(&[&good, &bad], &settings, Config::default());
    rig.start(run);
    for n in 0..50 {
        let mut spec = balanced();
        spec["loadBalancerClass"] = json!("slow");
        rig.api.create_service(&format!("bad{n}"), &spec);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    rig.api.create_service("good", &balanced());
    rig.until("the address", |api| has_address(api, "good")).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_foreign_class_gets_no_write() {
    let cloud = Cloud::default();
    let rig = started(&cloud.daemon("test"));
    let mut spec = balanced();
    spec["loadBalancerClass"] = json!("other.example/lb");
    rig.api.create_service("foreign", &spec);
    rig.api.edit_service("foreign", &json!({"metadata": {"finalizers": [FINALIZER_LB]}}));
    rig.api.delete_service("foreign");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.api.patches(), 0);
    assert_eq!(rig.api.service("foreign")["metadata"]["finalizers"], json!([FINALIZER_LB]));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_met_another_is_decided_anew() {
    let cloud = Cloud::default();
    let rig = started(&cloud.daemon("test"));
    rig.api.hide(true);
    rig.api.refuse_next(409);
    rig.api.create_service("web", &balanced());
    rig.api.hide(false);
    rig.until("the address", |api| has_address(api, "web")).await;
    assert!(!rig.api.events().iter().any(|(reason, _)| reason == "SyncLoadBalancerFailed"));

    rig.api.create_service("denied", &balanced());
    rig.api.refuse_next(403);
    rig.until("the address", |api| has_address(api, "denied")).await;
    let told = rig.api.events().into_iter().find(|(reason, _)| reason == "SyncLoadBalancerFailed").expect("told");
    assert!(told.1.contains("failed to add load balancer cleanup finalizer"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_lags_causes_no_second_write() {
    let cloud = Cloud::default();
    let rig = started(&cloud.daemon("test"));
    rig.api.create_service("web", &balanced());
    rig.api.hide(true);
    rig.until("the address", |api| has_address(api, "web")).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.api.patches(), 2, "finalizer, then status and handle");
    rig.api.hide(false);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.api.patches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_service_is_tried_again_when_the_daemon_is_another_one() {
    let cloud = Cloud::default();
    cloud.with(|state| state.faults.push(Status::invalid_argument("bandwidth: not a number")));
    let daemon = cloud.daemon("test");
    let rig = started(&daemon);
    rig.api.create_service("web", &balanced());
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(daemon.calls("EnsureLoadBalancer").len(), 1, "nothing changed, so nobody asks again");
    let told = rig.api.events().into_iter().find(|(reason, _)| reason == "SyncLoadBalancerFailed").expect("told");
    assert!(told.1.starts_with("Error syncing load balancer: ") && told.1.contains("bandwidth"), "{told:?}");
    daemon.restart("e2");
    rig.until("the address", |api| has_address(api, "web")).await;
}

#[tokio::test(start_paused = true)]
async fn load_balancers_without_a_service_are_told_of_and_left() {
    let cloud = Cloud::default();
    let daemon = cloud.daemon("test");
    daemon.on_handshake(|_| async { Ok(v1::HandshakeResponse { tenants: vec![], ..handshake("test") }) });
    daemon.on_list(|_| async {
        let key = v1::LoadBalancerKey {
            cluster: Some(v1::Cluster { id: "c-1".into(), name: "prod".into() }),
            service_namespace: "default".into(),
            service_name: "lost".into(),
            service_uid: "u-lost".into(),
            ..v1::LoadBalancerKey::default()
        };
        let lost = v1::OwnedLoadBalancer { key: Some(key), name: "lb-lost".into(), ..v1::OwnedLoadBalancer::default() };
        let items = v1::LoadBalancerPage { load_balancers: vec![lost] };
        let complete = v1::ListComplete { total: 1, observed_at: Some(crate::clock::system_time().into()) };
        let page = |page| Ok(v1::ListLoadBalancersResponse { page: Some(page) });
        let stream = [
            page(v1::list_load_balancers_response::Page::Items(items)),
            page(v1::list_load_balancers_response::Page::Complete(complete)),
        ];
        Ok(crate::provider::testing::pages(futures::stream::iter(stream)))
    });
    let rig = started(&daemon);
    rig.until("the orphan is told of", |api| api.events().iter().any(|(reason, _)| reason == "OrphanedLoadBalancer"))
        .await;
    assert_eq!(rig.context.metrics.service.orphans.with(["test"]).get(), 1);
    assert!(daemon.calls("DeleteLoadBalancer").is_empty());
}

/// Pods with these last bytes, all ready, behind a port without a name.
fn pods(last: impl IntoIterator<Item = u8>) -> (serde_json::Value, serde_json::Value) {
    let endpoint = |n| json!({"addresses": [format!("10.0.0.{n}")], "conditions": {"ready": true}, "nodeName": "n1"});
    (last.into_iter().map(endpoint).collect::<Vec<_>>().into(), json!([{"name": "", "port": 8080, "protocol": "TCP"}]))
}

/// A daemon that notes the pods it is sent.
fn noting_pods(capabilities: impl Fn() -> Vec<i32> + Send + Sync + 'static) -> (Daemon, Arc<Mutex<Vec<Vec<String>>>>) {
    let cloud = Cloud::default();
    let daemon = cloud.daemon("test");
    daemon.on_handshake(move |_| {
        let answer = v1::HandshakeResponse { capabilities: capabilities(), ..handshake("test") };
        async { Ok(answer) }
    });
    let sent: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let note = {
        let sent = Arc::clone(&sent);
        move |members: Option<v1::Members>| {
            let pods = members.unwrap_or_default().endpoints;
            let pods = pods.iter().map(|pod| format!("{}:{} on {}", pod.address, pod.port, pod.node_name)).collect();
            sent.lock().expect("no panic").push(pods);
        }
    };
    let (of_ensure, of_update) = (note.clone(), note);
    let same = cloud.clone();
    daemon.on_ensure(move |request| {
        of_ensure(request.members.clone());
        let state = same.ensure(&request);
        async move { Ok(v1::EnsureLoadBalancerResponse { state: Some(state?) }) }
    });
    daemon.on_update(move |request| {
        of_update(request.members.clone());
        let state = cloud.update(&request);
        async move { Ok(v1::UpdateLoadBalancerMembersResponse { state: Some(state?) }) }
    });
    (daemon, sent)
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_sends_to_pods_is_told_of_them_in_bursts() {
    let (daemon, sent) = noting_pods(|| (1..=12).collect());
    let rig = started(&daemon);
    let (endpoints, ports) = pods([1]);
    rig.api.show_slice("web-a", "web", &endpoints, &ports);
    rig.api.create_service("web", &balanced());
    rig.until("the address", |api| has_address(api, "web")).await;
    let sent_so_far = || sent.lock().expect("no panic").clone();
    assert_eq!(sent_so_far(), [["10.0.0.1:8080 on n1"]]);

    tokio::time::sleep(Duration::from_secs(60)).await;
    for n in 2..=20 {
        let (endpoints, ports) = pods(1..=n);
        rig.api.show_slice("web-a", "web", &endpoints, &ports);
        // Somebody else's pods are nobody's business.
        rig.api.show_slice("other-a", "other", &endpoints, &ports);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(sent_so_far().iter().map(Vec::len).collect::<Vec<_>>(), [1, 20], "one update for all of them");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(sent_so_far().len(), 2, "and quiet after that");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_does_not_send_to_pods_hears_nothing_of_them() {
    let (daemon, sent) = noting_pods(|| vec![1, 3]);
    let rig = started(&daemon);
    let (endpoints, ports) = pods([1]);
    rig.api.show_slice("web-a", "web", &endpoints, &ports);
    rig.api.create_service("web", &balanced());
    rig.until("the address", |api| has_address(api, "web")).await;
    let (endpoints, ports) = pods([1, 2]);
    rig.api.show_slice("web-a", "web", &endpoints, &ports);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(*sent.lock().expect("no panic"), [Vec::<String>::new()]);
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_not_known_yet_are_not_called_none() {
    let (daemon, sent) = noting_pods(|| (1..=12).collect());
    let mut rig = Rig::over(&daemon);
    rig.context =
        Arc::new(crate::context::Context { slices: crate::kube::cache::Cache::new(), ..(*rig.context).clone() });
    rig.api.create_node("n1", "test://n1", &json!({}));
    rig.start(run);
    rig.api.create_service("web", &balanced());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(sent.lock().expect("no panic").is_empty());
}
