//! Routes: only the cluster's own change, in few requests, and what stands in the way is told.

use cloud_provider_api::v1::{self, list_routes_response::Page};
use futures::StreamExt as _;
use simulators::{
    engine::{Change, Effect, LastAnswer, Rule, Running, each_kill},
    huawei::{Huawei, NewServer, network::Route, state},
};

use crate::rig::{Rig, Setup, cloud, cluster, timed};

async fn rig() -> Rig {
    rig_of(cloud().await).await
}

async fn rig_of(cloud: Running<Huawei>) -> Rig {
    let vpc = format!("id={}", state::VPC);
    Rig::of(cloud, Setup { vpc: &vpc, ..Setup::default() }).await
}

fn cidr(n: usize) -> String {
    format!("10.244.{n}.0/24")
}

fn item(id: usize, node: &str, cidr: &str, server: &str) -> v1::RouteItem {
    let route = v1::Route {
        target_node: node.to_owned(),
        destination_cidr: cidr.to_owned(),
        target_provider_id: format!("huaweicloud://{server}"),
        ..v1::Route::default()
    };
    v1::RouteItem { id: u32::try_from(id).unwrap(), route: Some(route), name_hint: "uid".to_owned() }
}

/// Routes to `servers`, one each.
fn items(servers: &[String]) -> Vec<v1::RouteItem> {
    let numbered = servers.iter().enumerate();
    numbered.map(|(n, server)| item(n + 1, &format!("node-{n}"), &cidr(n), server)).collect()
}

/// The reasons of the results, in the items' order; empty is success.
fn reasons(mut results: Vec<v1::RouteResult>) -> Vec<String> {
    results.sort_by_key(|result| result.id);
    results.into_iter().map(|result| result.status.unwrap().reason).collect()
}

async fn create(rig: &Rig, routes: Vec<v1::RouteItem>) -> Vec<String> {
    let request = v1::CreateRoutesRequest { cluster: Some(cluster()), routes };
    reasons(rig.routes().create_routes(timed(request)).await.unwrap().into_inner().results)
}

async fn delete(rig: &Rig, routes: Vec<v1::RouteItem>) -> Vec<String> {
    let request = v1::DeleteRoutesRequest { cluster: Some(cluster()), routes };
    reasons(rig.routes().delete_routes(timed(request)).await.unwrap().into_inner().results)
}

async fn list(rig: &Rig) -> Vec<v1::Route> {
    let request = v1::ListRoutesRequest { cluster: Some(cluster()) };
    let pages = rig.routes().list_routes(timed(request)).await.unwrap().into_inner();
    let pages: Vec<_> = pages.map(|page| page.unwrap().page.unwrap()).collect().await;
    let mut routes = Vec::new();
    let mut complete = None;
    for page in pages {
        match page {
            Page::Items(page) => routes.extend(page.routes),
            Page::Complete(end) => complete = Some(end.total),
        }
    }
    assert_eq!(complete, Some(routes.len() as u64));
    routes
}

/// A route somebody else made.
fn foreign(rig: &Rig, destination: &str, nexthop: &str, description: &str) {
    rig.cloud.edit(|state, now| {
        state.route_tables.change(now, state::ROUTE_TABLE).unwrap().routes.push(Route {
            kind: "ecs".to_owned(),
            destination: destination.to_owned(),
            nexthop: nexthop.to_owned(),
            description: description.to_owned(),
        });
    });
}

/// The routes people and programs made: not those to the VPC's own subnets.
fn table(rig: &Rig) -> Vec<(String, String)> {
    rig.cloud.look(|state| {
        let table = state.route_tables.get(state::ROUTE_TABLE).unwrap();
        let made = table.routes.iter().filter(|route| route.kind != "local");
        made.map(|route| (route.destination.clone(), route.description.clone())).collect()
    })
}

fn pairs(rig: &Rig, server: &str) -> Vec<String> {
    rig.cloud.look(|state| {
        let port = &state.servers.get(server).unwrap().ports[0];
        let pairs = &state.ports.get(port).unwrap().allowed_address_pairs;
        pairs.iter().map(|pair| pair.ip_address.clone()).collect()
    })
}

fn updates(rig: &Rig) -> usize {
    rig.calls().iter().filter(|call| call.mutating && call.path.contains("routetables")).count()
}

#[tokio::test]
async fn routes_are_made_listed_and_removed_in_few_requests() {
    let rig = rig().await;
    let servers = rig.fleet(12);
    assert_eq!(create(&rig, items(&servers)).await, vec![""; 12]);
    assert_eq!(updates(&rig), 3, "five a request");
    assert_eq!(pairs(&rig, &servers[3]), [cidr(3)], "the card carries the pod network");
    let listed = list(&rig).await;
    assert_eq!(listed.len(), 12);
    assert!(listed.iter().all(|route| !route.blackhole && route.name.contains(&route.destination_cidr)));
    rig.calls();
    assert_eq!(create(&rig, items(&servers)).await, vec![""; 12], "identical ones are success");
    assert!(rig.calls().iter().all(|call| !call.mutating));
    assert_eq!(delete(&rig, items(&servers)).await, vec![""; 12]);
    assert_eq!(updates(&rig), 3);
    assert!(table(&rig).is_empty() && pairs(&rig, &servers[3]).is_empty());
    assert_eq!(delete(&rig, items(&servers)).await, vec![""; 12], "what is gone is success");
    assert!(!rig.audit.lines("UpdateRouteTable").is_empty());
}

#[tokio::test]
async fn routes_of_others_are_neither_listed_nor_touched() {
    let rig = rig().await;
    let servers = rig.fleet(3);
    foreign(&rig, &cidr(0), &servers[1], "to the office");
    foreign(&rig, &cidr(1), &servers[1], "");
    foreign(&rig, &cidr(2), &servers[0], "k8s:c2:node-9");
    let before = table(&rig);
    assert!(list(&rig).await.is_empty());
    assert_eq!(create(&rig, items(&servers)).await, ["NOT_OURS", "", "NOT_OURS"], "the very route by hand is accepted");
    assert_eq!(delete(&rig, items(&servers)).await, vec!["NOT_OURS"; 3]);
    assert_eq!(table(&rig), before);
    assert!(rig.calls().iter().all(|call| !call.mutating));
}

#[tokio::test]
async fn a_full_table_is_told_and_what_fits_is_made() {
    let rig = rig().await;
    let servers = rig.fleet(8);
    let quotas = [("routes_per_table".to_owned(), 6)].into();
    rig.cloud.turn(Change { quotas, ..Change::default() }).unwrap();
    let told = create(&rig, items(&servers)).await;
    assert_eq!(told.iter().filter(|reason| reason.is_empty()).count(), 6, "{told:?}");
    assert_eq!(told.iter().filter(|reason| *reason == "QUOTA_EXHAUSTED").count(), 2, "{told:?}");
    assert_eq!(table(&rig).len(), 6);
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let rig = rig().await;
    let servers = rig.fleet(5);
    rig.cloud.break_with(Rule::new(Effect::Drop { executed: true }).action("UpdateRouteTable").times(1));
    assert_eq!(create(&rig, items(&servers)).await, vec![""; 5]);
    assert_eq!(table(&rig).len(), 5);
}

/// What is done to the routes.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Create,
    Delete,
}

async fn act(rig: &Rig, deed: Deed, items: Vec<v1::RouteItem>) -> Vec<String> {
    match deed {
        Deed::Create => create(rig, items).await,
        Deed::Delete => delete(rig, items).await,
    }
}

/// The end, each server's pairs among it, and how many calls changed something.
async fn run(deed: Deed, kill: Option<(u64, LastAnswer)>) -> (Vec<(String, String)>, Vec<Vec<String>>, u64) {
    let mut rig = rig().await;
    let servers = rig.fleet(7);
    foreign(&rig, "10.99.0.0/16", &servers[0], "to the office");
    if matches!(deed, Deed::Delete) {
        create(&rig, items(&servers)).await;
    }
    rig.calls();
    if let Some((after, answer)) = kill {
        rig.cloud.halt_after(after, answer);
        let channel = rig.cloud.clone();
        tokio::select! {
            told = act(&rig, deed, items(&servers)) => panic!("the cloud did not halt: {told:?}"),
            () = channel.halted() => {}
        }
        let cloud = rig.kill();
        cloud.go_on();
        rig = rig_of(cloud).await;
    }
    assert_eq!(act(&rig, deed, items(&servers)).await, vec![""; 7], "{deed:?} {kill:?}");
    let changes = rig.calls().iter().filter(|call| call.mutating && call.executed).count() as u64;
    let mut routes = table(&rig);
    routes.sort();
    (routes, servers.iter().map(|server| pairs(&rig, server)).collect(), changes)
}

#[tokio::test]
async fn routes_survive_a_kill_after_any_call() {
    for deed in [Deed::Create, Deed::Delete] {
        let (routes, pairs, changes) = run(deed, None).await;
        assert!(changes > 2, "{deed:?}: {changes}");
        each_kill(changes, async |after, answer| {
            let end = run(deed, Some((after, answer))).await;
            assert_eq!(
                (&end.0, &end.1),
                (&routes, &pairs),
                "{deed:?}, killed after call {after}, its answer {answer:?}"
            );
        });
    }
}

#[tokio::test]
async fn a_route_to_a_server_that_is_gone_leads_nowhere_and_can_go() {
    let rig = rig().await;
    let id = rig.server(NewServer::named("node-0"));
    assert_eq!(create(&rig, vec![item(1, "node-0", &cidr(0), &id)]).await, [""]);
    rig.cloud.operate("delete-server", serde_json::json!({"id": id})).unwrap();
    // What was listed a moment ago may still be remembered.
    let _ = rig.fresh("node-0", &id).await;
    let gone = rig.server(NewServer::named("other"));
    let _ = rig.fresh("other", &gone).await;
    let listed = list(&rig).await;
    assert!(listed[0].blackhole, "{listed:?}");
    assert_eq!(delete(&rig, vec![item(1, "node-0", &cidr(0), &id)]).await, [""]);
    assert!(table(&rig).is_empty());
}

#[tokio::test]
async fn one_entry_that_cannot_be_does_not_spoil_the_others() {
    let rig = rig().await;
    let servers = rig.fleet(3);
    let mut wanted = items(&servers);
    // Within the VPC's own network: the cloud refuses it.
    wanted[1].route.as_mut().unwrap().destination_cidr = "192.168.5.0/24".to_owned();
    wanted.push(item(9, "x", "nonsense", &servers[0]));
    wanted.push(item(10, "x", "10.9.0.0/24", "static://x"));
    let told = create(&rig, wanted).await;
    assert_eq!((told[0].as_str(), told[2].as_str()), ("", ""), "{told:?}");
    assert!(!told[1].is_empty(), "{told:?}");
    assert_eq!(told[3..], ["FIELD_INVALID", "FIELD_INVALID"]);
    assert_eq!(table(&rig).len(), 2);
}

#[tokio::test]
async fn without_a_vpc_there_are_no_routes() {
    let rig = Rig::start().await;
    let request = v1::ListRoutesRequest { cluster: Some(cluster()) };
    let status = rig.routes().list_routes(timed(request)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unimplemented);
    assert!(rig.calls().is_empty());
}
