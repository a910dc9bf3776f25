//! Long lists: pages that fit a message, closed by the word that makes them whole.

use std::time::SystemTime;

use cloud_provider_api::v1::{
    ClusterPage, ListClustersResponse, ListComplete, ListLoadBalancersResponse, ListRegistriesResponse,
    ListRoutesResponse, LoadBalancerPage, ManagedCluster, OwnedLoadBalancer, Registry, RegistryPage, Route, RoutePage,
    list_clusters_response, list_load_balancers_response, list_registries_response, list_routes_response,
};
use futures::{Stream, StreamExt as _, future, stream, stream::BoxStream};
use prost::Message;
use tonic::{Response, Status};

use crate::error::Result;

/// Most items of a page.
const PAGE_ITEMS: usize = 500;
/// Most bytes of a page: well below the 4 MiB a receiver takes.
const PAGE_BYTES: usize = 1 << 20;

/// A response of which a listing has several.
pub trait Paged: Sized + Send + 'static {
    /// What is listed.
    type Item: Message + Send + 'static;

    /// A page.
    fn items(items: Vec<Self::Item>) -> Self;

    /// The end.
    fn complete(complete: ListComplete) -> Self;
}

macro_rules! paged {
    ($response:ident, $module:ident, $page:ident { $field:ident }, $item:ident) => {
        impl Paged for $response {
            type Item = $item;

            fn items($field: Vec<$item>) -> Self {
                Self { page: Some($module::Page::Items($page { $field })) }
            }

            fn complete(complete: ListComplete) -> Self {
                Self { page: Some($module::Page::Complete(complete)) }
            }
        }
    };
}

paged!(ListLoadBalancersResponse, list_load_balancers_response, LoadBalancerPage { load_balancers }, OwnedLoadBalancer);
paged!(ListRoutesResponse, list_routes_response, RoutePage { routes }, Route);
paged!(ListClustersResponse, list_clusters_response, ClusterPage { clusters }, ManagedCluster);
paged!(ListRegistriesResponse, list_registries_response, RegistryPage { registries }, Registry);

/// Some items, and when the cloud said so.
#[derive(Clone, Debug)]
pub struct Batch<T> {
    /// The items.
    pub items: Vec<T>,
    /// When the cloud said so.
    pub observed_at: SystemTime,
}

/// A streamed listing, as a handler answers it.
pub type Listing<R> = BoxStream<'static, std::result::Result<R, Status>>;

/// Streams what `batches` yields, and after its clean end, and only then, `ListComplete`: their number and the oldest of
/// their times. An empty listing still needs a batch, for its time; without one its time is unknown and the list
/// unfinished.
pub fn listing<R: Paged>(batches: impl Stream<Item = Result<Batch<R::Item>>> + Send + 'static) -> Listing<R> {
    let pages = batches
        .map(Some)
        .chain(stream::iter([None]))
        .scan(Progress::default(), |progress, batch| {
            let out: Vec<std::result::Result<R, Status>> = match batch {
                _ if progress.failed => return future::ready(None),
                Some(Ok(batch)) => {
                    progress.count(&batch);
                    pages(batch.items).map(Ok).collect()
                }
                Some(Err(error)) => {
                    progress.failed = true;
                    vec![Err(error.into())]
                }
                None => vec![progress.complete().map(R::complete)],
            };
            future::ready(Some(stream::iter(out)))
        })
        .flatten();
    pages.boxed()
}

#[derive(Default)]
struct Progress {
    total: u64,
    oldest: Option<SystemTime>,
    failed: bool,
}

impl Progress {
    fn count<T>(&mut self, batch: &Batch<T>) {
        self.total += batch.items.len() as u64;
        self.oldest = Some(self.oldest.map_or(batch.observed_at, |oldest| oldest.min(batch.observed_at)));
    }

    fn complete(&self) -> std::result::Result<ListComplete, Status> {
        let observed_at =
            self.oldest.ok_or_else(|| Status::internal("a listing ended without saying when it was seen"))?;
        Ok(ListComplete { total: self.total, observed_at: Some(observed_at.into()) })
    }
}

fn pages<R: Paged>(items: Vec<R::Item>) -> impl Iterator<Item = R> {
    let mut items = items.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut page = vec![items.next()?];
        let mut bytes = page[0].encoded_len();
        while let Some(next) = items.next_if(|next| page.len() < PAGE_ITEMS && bytes + next.encoded_len() <= PAGE_BYTES)
        {
            bytes += next.encoded_len();
            page.push(next);
        }
        Some(R::items(page))
    })
}

/// The answer of a listing that is there in one piece.
pub fn whole<R: Paged>(items: Vec<R::Item>, observed_at: SystemTime) -> Response<Listing<R>> {
    Response::new(listing(stream::iter([Ok(Batch { items, observed_at })])))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cloud_provider_api::error::Reason;

    use super::*;
    use crate::error::Error;

    fn route(size: usize) -> Route {
        Route { name: "x".repeat(size), ..Route::default() }
    }

    fn batch(items: Vec<Route>, age: u64) -> Batch<Route> {
        Batch { items, observed_at: SystemTime::UNIX_EPOCH + Duration::from_secs(age) }
    }

    async fn list(batches: Vec<Result<Batch<Route>>>) -> Vec<std::result::Result<ListRoutesResponse, Status>> {
        listing(stream::iter(batches)).collect().await
    }

    fn sizes(listed: &[std::result::Result<ListRoutesResponse, Status>]) -> Vec<usize> {
        listed
            .iter()
            .filter_map(|page| match page.as_ref().ok()?.page.as_ref()? {
                list_routes_response::Page::Items(page) => Some(page.routes.len()),
                list_routes_response::Page::Complete(_) => None,
            })
            .collect()
    }

    fn completed(listed: &[std::result::Result<ListRoutesResponse, Status>]) -> Option<(u64, i64)> {
        match listed.last()?.as_ref().ok()?.page.as_ref()? {
            list_routes_response::Page::Complete(complete) => Some((complete.total, complete.observed_at?.seconds)),
            list_routes_response::Page::Items(_) => None,
        }
    }

    #[tokio::test]
    async fn pages_are_bounded_by_count_and_by_bytes_and_counted_at_the_end() {
        let listed =
            list(vec![Ok(batch(vec![route(1); 1001], 20)), Ok(batch(vec![route(PAGE_BYTES / 2); 3], 10))]).await;
        assert_eq!(sizes(&listed), [500, 500, 1, 1, 1, 1]);
        assert_eq!(completed(&listed), Some((1004, 10)), "the oldest time counts");
    }

    #[tokio::test]
    async fn an_empty_list_is_a_list() {
        let listed = list(vec![Ok(batch(Vec::new(), 5))]).await;
        assert_eq!((sizes(&listed).len(), completed(&listed)), (0, Some((0, 5))));
    }

    #[tokio::test]
    async fn a_list_that_failed_or_was_never_seen_is_never_complete() {
        let error = Error::cloud("mock", Reason::ListingUnfinished, "page 2 failed");
        let listed = list(vec![Ok(batch(vec![route(1)], 5)), Err(error), Ok(batch(vec![route(1)], 5))]).await;
        assert_eq!((sizes(&listed), completed(&listed)), (vec![1], None));
        assert_eq!(listed.len(), 2, "nothing follows the failure");
        assert_eq!(completed(&list(Vec::new()).await), None);
    }
}
