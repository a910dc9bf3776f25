//! Routes that carry pod traffic between nodes.

use std::collections::HashSet;

use cloud_provider_api::v1::{self, routes_server::Routes};
use tonic::{Request, Response, Status};

use super::{
    Call, Refusal,
    bend::RouteResults,
    check::Checker,
    pages::{Answers, Listing},
};
use crate::{
    MockProvider,
    cloud::{Address, Operation, Route},
};

#[tonic::async_trait]
impl Routes for MockProvider {
    type ListRoutesStream = Answers<v1::ListRoutesResponse>;

    async fn list_routes(
        &self,
        request: Request<v1::ListRoutesRequest>,
    ) -> Result<Response<Self::ListRoutesStream>, Status> {
        let (call, request) = Call::of("ListRoutes", request);
        let who = call.who();
        let work = async {
            let mut checker = Checker::default();
            checker.cluster("cluster", request.cluster.as_ref());
            checker.finish()?;
            who.cluster(request.cluster.as_ref())?;
            let routes = self.cloud_call(Operation::DescribeRoutes, "", crate::cloud::Cloud::routes).await?;
            let scenario = self.cloud().scenario();
            let compare = scenario.routes.compare_addresses;
            let routes = routes.into_iter().map(|route| on_wire(route, compare)).collect();
            Ok(Listing::of(routes, scenario.page_size, self.cloud().now()))
        };
        Ok(Response::new(self.answer(call, work).await?.into_stream()))
    }

    async fn create_routes(
        &self,
        request: Request<v1::CreateRoutesRequest>,
    ) -> Result<Response<v1::CreateRoutesResponse>, Status> {
        let (call, request) = Call::of("CreateRoutes", request);
        let call = call.about_nodes(targets(&request.routes));
        let who = call.who();
        let work = async {
            let cluster = self.check_routes(request.cluster.as_ref(), &request.routes)?;
            who.cluster(request.cluster.as_ref())?;
            let mut results = Vec::with_capacity(request.routes.len());
            for item in request.routes {
                let node = item.route.as_ref().map(|route| route.target_node.clone()).unwrap_or_default();
                let id = item.id;
                let outcome = match wanted(item, &cluster) {
                    Ok(route) => {
                        let create = |cloud: &crate::cloud::Cloud| cloud.create_route(route);
                        let created = self.cloud_call(Operation::CreateRoute, "", create).await;
                        created.and_then(|created| created.map_err(Refusal::from))
                    }
                    Err(refusal) => Err(refusal),
                };
                results.push((node, result(id, outcome, &self.cloud().scenario().provider.name)));
            }
            Ok(RouteResults(results))
        };
        let results = self.answer(call, work).await?.into_results();
        Ok(Response::new(v1::CreateRoutesResponse { results }))
    }

    async fn delete_routes(
        &self,
        request: Request<v1::DeleteRoutesRequest>,
    ) -> Result<Response<v1::DeleteRoutesResponse>, Status> {
        let (call, request) = Call::of("DeleteRoutes", request);
        let call = call.about_nodes(targets(&request.routes));
        let who = call.who();
        let work = async {
            self.check_routes(request.cluster.as_ref(), &request.routes)?;
            who.cluster(request.cluster.as_ref())?;
            let mut results = Vec::with_capacity(request.routes.len());
            for item in request.routes {
                let route = item.route.unwrap_or_default();
                let delete = |cloud: &crate::cloud::Cloud| cloud.delete_route(&route.name);
                let outcome = self.cloud_call(Operation::DeleteRoute, "", delete).await.map(drop);
                results.push((route.target_node, result(item.id, outcome, &self.cloud().scenario().provider.name)));
            }
            Ok(RouteResults(results))
        };
        let results = self.answer(call, work).await?.into_results();
        Ok(Response::new(v1::DeleteRoutesResponse { results }))
    }
}

impl MockProvider {
    /// The id of the cluster, if the request is well-formed.
    fn check_routes(&self, cluster: Option<&v1::Cluster>, items: &[v1::RouteItem]) -> Result<String, Refusal> {
        let mut checker = Checker::default();
        checker.cluster("cluster", cluster);
        checker.count("routes", items.len(), self.cloud().scenario().provider.max_routes);
        let mut ids = HashSet::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if item.route.is_none() {
                checker.fault(format!("routes[{index}].route"), "is missing");
            }
            if item.id == 0 {
                checker.fault(format!("routes[{index}].id"), "is missing: ids start at 1");
            } else if !ids.insert(item.id) {
                checker.fault(format!("routes[{index}].id"), format!("{} is not unique", item.id));
            }
        }
        checker.finish()?;
        Ok(cluster.map(|cluster| cluster.id.clone()).unwrap_or_default())
    }
}

fn targets(items: &[v1::RouteItem]) -> impl Iterator<Item = String> {
    items.iter().filter_map(|item| item.route.as_ref()).map(|route| route.target_node.clone())
}

/// The route to be made. Its name follows from the hint and the destination, so that it is found again after a crash and
/// both families of a node have one of their own.
fn wanted(item: v1::RouteItem, cluster: &str) -> Result<Route, Refusal> {
    let route = item.route.unwrap_or_default();
    let mut checker = Checker::default();
    if route.destination_cidr.parse::<ipnet::IpNet>().is_err() {
        checker.fault("route.destination_cidr", format!("{:?} is no CIDR", route.destination_cidr));
    }
    checker.text("route.target_node", &route.target_node, 1..=253);
    checker.text("name_hint", &item.name_hint, 1..=253);
    checker.finish()?;
    Ok(Route {
        name: format!("{cluster}-{}-{}", item.name_hint, route.destination_cidr.replace(['/', ':', '.'], "-")),
        addresses: route.target_addresses.iter().filter_map(Address::from_wire).collect(),
        target: route.target_node,
        destination: route.destination_cidr,
        cluster: cluster.to_owned(),
        blackhole: false,
    })
}

fn on_wire(route: Route, compare: bool) -> v1::Route {
    v1::Route {
        compare_addresses: compare && !route.addresses.is_empty(),
        target_addresses: route.addresses.iter().map(v1::NodeAddress::from).collect(),
        name: route.name,
        target_node: route.target,
        destination_cidr: route.destination,
        blackhole: route.blackhole,
        target_provider_id: String::new(),
        annotations: std::collections::HashMap::new(),
    }
}

fn result(id: u32, outcome: Result<(), Refusal>, provider: &str) -> v1::RouteResult {
    let status = match outcome {
        Ok(()) => v1::ItemStatus::default(),
        Err(refusal) => refusal.into_item(provider),
    };
    v1::RouteResult { id, status: Some(status) }
}
