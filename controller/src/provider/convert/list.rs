//! Streamed listings: a list is whole or it is nothing.

use cloud_provider_api::v1;
use controller_core::{fault::reason, time::Timestamp};

use super::{
    Refusal,
    common::{InvalidField, observed_at},
};

/// Most items one listing may have: past that the daemon is broken, and our memory is not its to fill.
const MOST: usize = 200_000;

/// A listing that is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::provider) enum InvalidList {
    #[error(transparent)]
    Field(#[from] InvalidField),
    #[error("the list ended after {0} items without saying that it was complete")]
    Truncated(usize),
    #[error("complete.total is {said}, but {counted} items came")]
    Total { said: u64, counted: usize },
    #[error("the list went on after it was complete")]
    AfterEnd,
    #[error("the list has more than {MOST} items")]
    TooMany,
    #[error("a page this build does not know")]
    UnknownPage,
}

impl Refusal for InvalidList {
    fn reason(&self) -> &'static str {
        match self {
            Self::Truncated(_) | Self::Total { .. } => reason::TRUNCATED_LIST,
            _ => reason::BAD_ANSWER,
        }
    }
}

/// A page of a listing.
pub(in crate::provider) enum Page<T> {
    /// Items.
    Items(Vec<T>),
    /// The end.
    Complete(v1::ListComplete),
    /// Something this build does not know.
    Unknown,
}

/// Gathers the pages of a listing.
#[derive(Debug)]
pub(in crate::provider) struct Listing<T> {
    items: Vec<T>,
    complete: bool,
}

impl<T> Listing<T> {
    /// Nothing yet.
    pub(in crate::provider) const fn new() -> Self {
        Self { items: Vec::new(), complete: false }
    }

    /// Adds a page.
    pub(in crate::provider) fn add(&mut self, page: Page<T>, now: Timestamp) -> Result<(), InvalidList> {
        if self.complete {
            return Err(InvalidList::AfterEnd);
        }
        match page {
            Page::Unknown => return Err(InvalidList::UnknownPage),
            Page::Items(items) if self.items.len() + items.len() > MOST => return Err(InvalidList::TooMany),
            Page::Items(items) => self.items.extend(items),
            Page::Complete(complete) => {
                let counted = self.items.len();
                if usize::try_from(complete.total) != Ok(counted) {
                    return Err(InvalidList::Total { said: complete.total, counted });
                }
                observed_at("complete.observed_at", complete.observed_at, now)?;
                self.complete = true;
            }
        }
        Ok(())
    }

    /// The items, when the listing said that it was complete.
    pub(in crate::provider) fn finish(self) -> Result<Vec<T>, InvalidList> {
        if self.complete { Ok(self.items) } else { Err(InvalidList::Truncated(self.items.len())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn complete(total: u64) -> Page<u8> {
        let observed_at = Some(prost_types::Timestamp { seconds: 1_000_000, nanos: 0 });
        Page::Complete(v1::ListComplete { total, observed_at })
    }

    fn gather(pages: impl IntoIterator<Item = Page<u8>>) -> Result<Vec<u8>, InvalidList> {
        let mut listing = Listing::new();
        for page in pages {
            listing.add(page, NOW)?;
        }
        listing.finish()
    }

    #[test]
    fn a_list_that_says_it_is_complete_is_taken() {
        assert_eq!(gather([Page::Items(vec![1, 2]), Page::Items(vec![3]), complete(3)]), Ok(vec![1, 2, 3]));
        assert_eq!(gather([complete(0)]), Ok(vec![]));
    }

    #[test]
    fn anything_else_is_nothing() {
        let undated = Page::Complete(v1::ListComplete { total: 0, observed_at: None });
        let missing = InvalidField::Missing { field: "complete.observed_at" };
        let cases: [(Vec<Page<u8>>, InvalidList); 7] = [
            (vec![], InvalidList::Truncated(0)),
            (vec![Page::Items(vec![1, 2])], InvalidList::Truncated(2)),
            (vec![Page::Items(vec![1]), complete(2)], InvalidList::Total { said: 2, counted: 1 }),
            (vec![complete(0), Page::Items(vec![1])], InvalidList::AfterEnd),
            (vec![Page::Items(vec![0; MOST + 1])], InvalidList::TooMany),
            (vec![Page::Unknown], InvalidList::UnknownPage),
            (vec![undated], InvalidList::Field(missing)),
        ];
        for (pages, refusal) in cases {
            assert_eq!(gather(pages), Err(refusal));
        }
    }
}
