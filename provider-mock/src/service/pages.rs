//! Streamed lists: pages, then an explicit end. The kit's own streams do not lie; these can.

use std::pin::Pin;

use cloud_provider_api::v1;
use futures::{Stream, stream};
use provider_kit::Paged;
use tonic::Status;

use crate::cloud::Time;

/// A stream of answers.
pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A list in pages. `complete` is the total it tells at its end, if it has one.
pub(crate) struct Listing<P: Paged> {
    pub(crate) pages: Vec<P>,
    pub(crate) complete: Option<u64>,
    pub(crate) observed_at: Time,
}

impl<P: Paged> Listing<P> {
    /// The list of all `items`.
    pub(crate) fn of(items: Vec<P::Item>, page_size: usize, observed_at: Time) -> Self {
        let total = items.len() as u64;
        let mut pages = Vec::with_capacity(items.len().div_ceil(page_size));
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            pages.push(P::items(items.by_ref().take(page_size).collect()));
        }
        Self { pages, complete: Some(total), observed_at }
    }

    /// The messages of the stream.
    pub(crate) fn into_stream(self) -> Answers<P> {
        let observed_at = self.observed_at;
        let end =
            self.complete.map(|total| P::complete(v1::ListComplete { total, observed_at: Some(observed_at.into()) }));
        Box::pin(stream::iter(self.pages.into_iter().chain(end).map(Ok)))
    }
}
