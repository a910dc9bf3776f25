//! Streamed lists: pages, then an explicit end.

use std::pin::Pin;

use cloud_provider_api::v1;
use futures::{Stream, stream};
use tonic::Status;

use crate::cloud::Time;

/// A stream of answers.
pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A message of a streamed list.
pub(crate) trait Page: Sized + Send + 'static {
    /// What is listed.
    type Item;

    /// A page.
    fn page(items: Vec<Self::Item>) -> Self;

    /// The end.
    fn complete(complete: v1::ListComplete) -> Self;
}

/// A list in pages. `complete` is the total it tells at its end, if it has one.
pub(crate) struct Listing<P: Page> {
    pub(crate) items: Vec<P>,
    pub(crate) complete: Option<u64>,
    pub(crate) observed_at: Time,
}

impl<P: Page> Listing<P> {
    /// The list of all `items`.
    pub(crate) fn of(items: Vec<P::Item>, page_size: usize, observed_at: Time) -> Self {
        let total = items.len() as u64;
        let mut pages = Vec::with_capacity(items.len().div_ceil(page_size));
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            pages.push(P::page(items.by_ref().take(page_size).collect()));
        }
        Self { items: pages, complete: Some(total), observed_at }
    }

    /// The messages of the stream.
    pub(crate) fn into_stream(self) -> Answers<P> {
        let observed_at = self.observed_at;
        let end =
            self.complete.map(|total| P::complete(v1::ListComplete { total, observed_at: Some(observed_at.into()) }));
        Box::pin(stream::iter(self.items.into_iter().chain(end).map(Ok)))
    }
}

macro_rules! pages {
    ($($response:ident, $module:ident, $page:ident { $field:ident: $item:ident };)+) => {
        $(impl Page for v1::$response {
            type Item = v1::$item;

            fn page(items: Vec<Self::Item>) -> Self {
                let page = v1::$page { $field: items };
                Self { page: Some(v1::$module::Page::Items(page)) }
            }

            fn complete(complete: v1::ListComplete) -> Self {
                Self { page: Some(v1::$module::Page::Complete(complete)) }
            }
        })+
    };
}
pages! {
    ListLoadBalancersResponse, list_load_balancers_response, LoadBalancerPage { load_balancers: OwnedLoadBalancer };
    ListRoutesResponse, list_routes_response, RoutePage { routes: Route };
    ListClustersResponse, list_clusters_response, ClusterPage { clusters: ManagedCluster };
    ListRegistriesResponse, list_registries_response, RegistryPage { registries: Registry };
}
