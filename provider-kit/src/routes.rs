//! The service of the API around a cloud's routes: requests are checked, and writes outlive their callers.

use std::time::SystemTime;

use cloud_provider_api::v1::{self, routes_server::Routes};
use futures::future::BoxFuture;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    caller::Call,
    check::check_routes,
    error::Result,
    kit::Kit,
    pages::{Listing, whole},
};

/// What is to become of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// They are to be there.
    Create,
    /// They are to go.
    Delete,
}

impl Wish {
    /// In lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
        }
    }
}

/// Work on routes, which goes on when its caller goes away. A result for each item.
pub type Work = BoxFuture<'static, Result<Vec<v1::RouteResult>>>;

/// Where routes are kept.
#[async_trait]
pub trait Tables: Send + Sync + 'static {
    /// Most routes in one request.
    const MOST: u32;

    /// Those that are the cluster's by the cloud's record, as it shows them now.
    async fn owned(&self, call: &Call, cluster: &v1::Cluster) -> Result<Vec<v1::Route>>;

    /// Makes or removes routes of the cluster, acting for the caller. The items are checked, as far as no cloud is needed for it. `key`
    /// tells the request from others.
    fn change(
        &self,
        call: &Call,
        cluster: &v1::Cluster,
        key: &str,
        wish: Wish,
        items: Vec<v1::RouteItem>,
    ) -> Result<Work>;
}

/// Serves [`Tables`]. Add it with [`Daemon::routes`](crate::Daemon::routes).
#[derive(Debug)]
pub struct RouteService<T> {
    kit: Kit,
    tables: T,
}

impl<T: Tables> RouteService<T> {
    /// For the daemon of this kit.
    pub fn new(kit: Kit, tables: T) -> Self {
        Self { kit, tables }
    }

    async fn change(
        &self,
        call: &Call,
        cluster: Option<&v1::Cluster>,
        wish: Wish,
        items: Vec<v1::RouteItem>,
    ) -> Result<Vec<v1::RouteResult>> {
        check_routes(&items, T::MOST)?;
        let cluster = call.caller.cluster(cluster)?;
        // The same request again joins the one under way; others wait for the table themselves.
        let first = items.first().and_then(|item| item.route.as_ref()).map_or("", |route| &route.destination_cidr);
        let key = format!("routes/{}/{}/{first}+{}", wish.as_str(), cluster.id, items.len());
        let work = self.tables.change(call, cluster, &key, wish, items.clone())?;
        self.kit.writes().run(&key, items, work).await
    }
}

#[async_trait]
impl<T: Tables> Routes for RouteService<T> {
    type ListRoutesStream = Listing<v1::ListRoutesResponse>;

    async fn list_routes(
        &self,
        request: Request<v1::ListRoutesRequest>,
    ) -> Result<Response<Self::ListRoutesStream>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        let cluster = call.caller.cluster(request.cluster.as_ref())?;
        let observed_at = SystemTime::now();
        Ok(whole(self.tables.owned(&call, cluster).await?, observed_at))
    }

    async fn create_routes(
        &self,
        request: Request<v1::CreateRoutesRequest>,
    ) -> Result<Response<v1::CreateRoutesResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let v1::CreateRoutesRequest { cluster, routes, .. } = request.into_inner();
        let results = self.change(&call, cluster.as_ref(), Wish::Create, routes).await?;
        Ok(Response::new(v1::CreateRoutesResponse { results }))
    }

    async fn delete_routes(
        &self,
        request: Request<v1::DeleteRoutesRequest>,
    ) -> Result<Response<v1::DeleteRoutesResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let v1::DeleteRoutesRequest { cluster, routes, .. } = request.into_inner();
        let results = self.change(&call, cluster.as_ref(), Wish::Delete, routes).await?;
        Ok(Response::new(v1::DeleteRoutesResponse { results }))
    }
}
