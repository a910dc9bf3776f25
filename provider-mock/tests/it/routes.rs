use cloud_provider_api::v1::{self, list_routes_response::Page, routes_server::Routes as _};
use futures::TryStreamExt as _;
use provider_mock::MockProvider;
use tonic::{Code, Request};

use crate::requests::*;

fn item(id: u32, node: &str, destination: &str) -> v1::RouteItem {
    v1::RouteItem {
        id,
        route: Some(v1::Route {
            target_node: node.to_owned(),
            destination_cidr: destination.to_owned(),
            ..v1::Route::default()
        }),
        name_hint: format!("uid-of-{node}"),
    }
}

async fn create(provider: &MockProvider, routes: Vec<v1::RouteItem>) -> Vec<(u32, u32, String)> {
    let request = v1::CreateRoutesRequest { cluster: Some(cluster()), routes };
    let results = provider.create_routes(Request::new(request)).await.unwrap().into_inner().results;
    let outcome = |result: v1::RouteResult| {
        let status = result.status.unwrap();
        (result.id, status.code, status.reason)
    };
    results.into_iter().map(outcome).collect()
}

async fn list(provider: &MockProvider) -> Vec<v1::Route> {
    let request = v1::ListRoutesRequest { cluster: Some(cluster()) };
    let stream = provider.list_routes(Request::new(request)).await.unwrap().into_inner();
    let mut pages: Vec<_> = stream.map_ok(|message| message.page.unwrap()).try_collect().await.unwrap();
    let Some(Page::Complete(complete)) = pages.pop() else { panic!("no end") };
    let routes: Vec<_> = pages
        .into_iter()
        .flat_map(|page| match page {
            Page::Items(page) => page.routes,
            Page::Complete(_) => panic!("an end in the middle"),
        })
        .collect();
    assert_eq!(complete.total, routes.len() as u64);
    routes
}

#[tokio::test]
async fn every_route_of_a_batch_has_its_own_outcome() {
    let provider = provider("routes: {list: [{name: theirs, destination: 10.0.9.0/24}]}");
    let made = create(
        &provider,
        vec![
            item(1, "a", "10.0.1.0/24"),
            item(2, "b", "nonsense"),
            item(3, "c", "10.0.9.0/24"),
            item(4, "a", "fd00::/64"),
        ],
    )
    .await;
    let want = [(1, 0, ""), (2, 3, "FIELD_INVALID"), (3, 9, "NOT_OURS"), (4, 0, "")];
    assert_eq!(made, want.map(|(id, code, reason)| (id, code, reason.to_owned())));
    let told: Vec<_> = list(&provider).await.into_iter().map(|r| (r.destination_cidr, r.target_node)).collect();
    let want = [("10.0.1.0/24", "a"), ("fd00::/64", "a"), ("10.0.9.0/24", "")];
    assert_eq!(told, want.map(|(destination, node)| (destination.to_owned(), node.to_owned())));
}

#[tokio::test]
async fn an_identical_route_is_success_and_so_is_the_end_of_none() {
    let provider = provider("");
    for _ in 0..3 {
        assert_eq!(create(&provider, vec![item(7, "a", "10.0.1.0/24")]).await, [(7, 0, String::new())]);
    }
    let routes = list(&provider).await;
    assert_eq!(routes.len(), 1);
    for _ in 0..3 {
        let items = vec![v1::RouteItem { id: 1, route: Some(routes[0].clone()), name_hint: String::new() }];
        let request = v1::DeleteRoutesRequest { cluster: Some(cluster()), routes: items };
        let results = provider.delete_routes(Request::new(request)).await.unwrap().into_inner().results;
        assert_eq!(results[0].status.as_ref().unwrap().code, 0);
    }
    assert_eq!(list(&provider).await, []);
}

#[tokio::test]
async fn a_batch_has_a_limit_and_distinct_ids() {
    let provider = provider("provider: {maxRoutes: 2}");
    let check = async |routes: Vec<v1::RouteItem>, field: &str| {
        let request = v1::CreateRoutesRequest { cluster: Some(cluster()), routes };
        let status = provider.create_routes(Request::new(request)).await.unwrap_err();
        assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec![field.to_owned()]));
    };
    check(Vec::new(), "routes").await;
    check((1..4).map(|id| item(id, "a", "10.0.1.0/24")).collect(), "routes").await;
    check(vec![item(1, "a", "10.0.1.0/24"), item(1, "b", "10.0.2.0/24")], "routes[1].id").await;
    check(vec![item(0, "a", "10.0.1.0/24")], "routes[0].id").await;
}
