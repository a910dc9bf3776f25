use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use cloud_provider_api::v1;
use serde_json::{Value, json};

use super::run;
use crate::{
    config::{Config, RouteConfig},
    kube::fake::FakeApi,
    provider::testing::{Daemon, pages, settings},
    reconcile::testing::Rig,
};

const ALREADY_EXISTS: u32 = 6;
const RESOURCE_EXHAUSTED: u32 = 8;
const INTERNAL: u32 = 13;

/// A cloud with one table.
#[derive(Clone, Default)]
struct Cloud(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    routes: Vec<v1::Route>,
    /// What the next creations are answered with, whatever becomes of them; zero is success.
    answers: Vec<u32>,
    /// Most routes.
    quota: Option<usize>,
    creations: usize,
}

impl Cloud {
    fn daemon(&self) -> Daemon {
        let daemon = Daemon::new();
        let this = self.clone();
        daemon.on_list_routes(move |_| {
            let routes = this.with(|state| state.routes.clone());
            async move {
                let total = routes.len() as u64;
                let complete = v1::ListComplete { total, observed_at: Some(crate::clock::system_time().into()) };
                let page = |page| Ok(v1::ListRoutesResponse { page: Some(page) });
                let stream = [
                    page(v1::list_routes_response::Page::Items(v1::RoutePage { routes })),
                    page(v1::list_routes_response::Page::Complete(complete)),
                ];
                Ok(pages(futures::stream::iter(stream)))
            }
        });
        let this = self.clone();
        daemon.on_create_routes(move |request| {
            let results = this.with(|state| request.routes.into_iter().map(|item| state.create(item)).collect());
            async move { Ok(v1::CreateRoutesResponse { results }) }
        });
        let this = self.clone();
        daemon.on_delete_routes(move |request| {
            let results = this.with(|state| request.routes.into_iter().map(|item| state.delete(&item)).collect());
            async move { Ok(v1::DeleteRoutesResponse { results }) }
        });
        daemon
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.lock().expect("no panic"))
    }

    /// Destinations and targets.
    fn table(&self) -> Vec<(String, String)> {
        let mut table: Vec<_> = self.with(|state| {
            state.routes.iter().map(|route| (route.destination_cidr.clone(), route.target_node.clone())).collect()
        });
        table.sort();
        table
    }

    fn add(&self, target: &str, cidr: &str) {
        let route = v1::Route { target_node: target.into(), destination_cidr: cidr.into(), ..v1::Route::default() };
        self.with(|state| _ = state.create(v1::RouteItem { route: Some(route), ..v1::RouteItem::default() }));
    }
}

impl State {
    fn create(&mut self, item: v1::RouteItem) -> v1::RouteResult {
        self.creations += 1;
        let mut route = item.route.expect("a route");
        route.name = format!("r-{}", self.creations);
        let taken = self.routes.iter().find(|other| other.destination_cidr == route.destination_cidr);
        let code = match taken {
            Some(other) if other.target_node == route.target_node => 0,
            Some(_) => ALREADY_EXISTS,
            None if self.quota.is_some_and(|quota| self.routes.len() >= quota) => RESOURCE_EXHAUSTED,
            None => {
                self.routes.push(route);
                0
            }
        };
        let code = if self.answers.is_empty() { code } else { self.answers.remove(0) };
        // A quota that is used up says so by its reason.
        let reason = if code == RESOURCE_EXHAUSTED { "QUOTA_EXHAUSTED" } else { "" };
        let status = v1::ItemStatus { code, reason: reason.into(), message: "no".into(), retry_after: None };
        v1::RouteResult { id: item.id, status: Some(status) }
    }

    fn delete(&mut self, item: &v1::RouteItem) -> v1::RouteResult {
        let name = &item.route.as_ref().expect("a route").name;
        assert!(!name.is_empty(), "routes are removed by the cloud's name");
        self.routes.retain(|route| route.name != *name);
        v1::RouteResult { id: item.id, status: Some(v1::ItemStatus::default()) }
    }
}

fn rig(daemon: &Daemon) -> Rig {
    let cluster_cidrs = vec!["10.244.0.0/16".parse().expect("a network")];
    let route = RouteConfig { enabled: true, period: Duration::from_secs(300), cluster_cidrs };
    Rig::new(&[daemon], &settings(), Config { route, ..Config::default() })
}

fn create_node(api: &FakeApi, number: usize) {
    let cidrs = json!([format!("10.244.{number}.0/24")]);
    api.create_node(&format!("n{number}"), &format!("test://n{number}"), &json!({"spec": {"podCIDRs": cidrs}}));
}

/// Status and reason of the condition.
fn condition(api: &FakeApi, node: &str) -> (Value, Value) {
    let node = api.node(node);
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ours = conditions.iter().find(|condition| condition["type"] == "NetworkUnavailable").cloned();
    let ours = ours.unwrap_or_default();
    (ours["status"].clone(), ours["reason"].clone())
}

fn routed() -> (Value, Value) {
    (json!("False"), json!("RouteCreated"))
}

fn unrouted() -> (Value, Value) {
    (json!("True"), json!("NoRouteCreated"))
}

#[tokio::test(start_paused = true)]
async fn routes_come_and_go_with_their_nodes() {
    let cloud = Cloud::default();
    cloud.add("gone-long-ago", "10.244.9.0/24");
    cloud.add("elsewhere", "192.168.0.0/24");
    let daemon = cloud.daemon();
    let mut rig = rig(&daemon);
    create_node(&rig.api, 1);
    rig.start(run);
    rig.until("n1 is routed", |api| condition(api, "n1") == routed()).await;
    create_node(&rig.api, 2);
    rig.until("n2 is routed", |api| condition(api, "n2") == routed()).await;
    let row = |cidr: &str, node: &str| (cidr.to_owned(), node.to_owned());
    let others = row("192.168.0.0/24", "elsewhere");
    assert_eq!(cloud.table(), [row("10.244.1.0/24", "n1"), row("10.244.2.0/24", "n2"), others.clone()]);

    rig.api.delete_node("n2");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(cloud.table(), [row("10.244.1.0/24", "n1"), others]);
    let patches = rig.api.patches();
    let lists = daemon.calls("ListRoutes").len();
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(rig.api.patches(), patches, "nothing to do, nothing written");
    assert_eq!(daemon.calls("ListRoutes").len() - lists, 3, "one listing a period");
}

#[tokio::test(start_paused = true)]
async fn a_destination_taken_by_the_very_route_is_success() {
    let cloud = Cloud::default();
    // The route is made, but the answer says that it was there.
    cloud.with(|state| state.answers = vec![ALREADY_EXISTS]);
    let mut rig = rig(&cloud.daemon());
    create_node(&rig.api, 1);
    rig.start(run);
    rig.until("n1 is routed", |api| condition(api, "n1") == routed()).await;
    assert_eq!(cloud.with(|state| state.creations), 1);
    assert!(rig.api.events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_route_that_fails_is_told_and_tried_again_without_listing() {
    let cloud = Cloud::default();
    cloud.with(|state| state.quota = Some(0));
    cloud.with(|state| state.answers = vec![INTERNAL; 3]);
    let daemon = cloud.daemon();
    let mut rig = rig(&daemon);
    create_node(&rig.api, 1);
    rig.start(run);
    rig.until("it is told", |api| condition(api, "n1") == unrouted()).await;
    let (reason, message) = rig.api.events().first().cloned().expect("an Event");
    assert_eq!(reason, "FailedToCreateRoute");
    assert!(message.starts_with("Could not create route uid-n1 10.244.1.0/24 for node n1 after "), "{message}");
    cloud.with(|state| state.quota = None);
    rig.until("n1 is routed", |api| condition(api, "n1") == routed()).await;
    assert_eq!(daemon.calls("CreateRoutes").len(), 4);
    assert_eq!(daemon.calls("ListRoutes").len(), 1);
    assert!(rig.context.metrics.route.sync_total.with(["error", "retry"]).get() >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_is_not_run_against() {
    let cloud = Cloud::default();
    cloud.with(|state| state.quota = Some(1));
    let daemon = cloud.daemon();
    let mut rig = rig(&daemon);
    create_node(&rig.api, 1);
    rig.start(run);
    rig.until("n1 is routed", |api| condition(api, "n1") == routed()).await;
    create_node(&rig.api, 2);
    rig.until("it is told", |api| condition(api, "n2") == unrouted()).await;
    let before = cloud.with(|state| state.creations);
    create_node(&rig.api, 3);
    rig.until("n3 is not routed", |api| condition(api, "n3") == unrouted()).await;
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert_eq!(cloud.with(|state| state.creations), before, "nobody asks");
    rig.api.delete_node("n1");
    rig.until("there is room", |api| [condition(api, "n2"), condition(api, "n3")].contains(&routed())).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_address_changed_before_the_next_listing_keeps_its_route() {
    let cloud = Cloud::default();
    let daemon = cloud.daemon();
    let mut rig = rig(&daemon);
    create_node(&rig.api, 1);
    rig.start(run);
    rig.until("n1 is routed", |api| condition(api, "n1") == routed()).await;
    let addresses = json!([{"type": "InternalIP", "address": "10.0.0.99"}]);
    rig.api.edit_node("n1", &json!({"status": {"addresses": addresses}}));
    tokio::time::sleep(Duration::from_secs(5)).await;
    // This cloud does not compare addresses, as the listing that the difference causes shows.
    assert_eq!(daemon.calls("ListRoutes").len(), 2);
    assert!(daemon.calls("DeleteRoutes").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_cannot_be_listed_is_left_alone() {
    let cloud = Cloud::default();
    cloud.add("unknown", "10.244.9.0/24");
    let daemon = cloud.daemon();
    daemon.on_list_routes(|_| async { Err(tonic::Status::unauthenticated("the key has expired")) });
    let mut rig = rig(&daemon);
    create_node(&rig.api, 1);
    rig.start(run);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(daemon.calls("DeleteRoutes").is_empty() && daemon.calls("CreateRoutes").is_empty());
    assert_eq!(rig.api.patches(), 0);
    assert!(rig.context.metrics.route.sync_total.with(["error", "periodic"]).get() > 1);
}
