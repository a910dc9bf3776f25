//! Listings over several pages, which are whole or an error.

use std::{collections::HashSet, ops::Deref};

use serde::de::DeserializeOwned;

use crate::{
    call::Call,
    client::Client,
    error::{Error, Executed, Kind},
};

/// More pages than any account fills; a listing that goes on for longer goes in circles.
const MOST_PAGES: u32 = 10_000;
/// How often a listing that changed under the reader's eyes is begun again.
const RESTARTS: u32 = 3;

/// All there is, as of about now: the cloud said that nothing follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete<T>(T);

impl<T> Complete<T> {
    /// The listing itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Complete<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> IntoIterator for Complete<Vec<T>> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// How a listing is cut into pages, with the names of its query parameters.
#[derive(Clone, Copy, Debug)]
pub enum Style {
    /// Each answer names the next marker; the one that names none is the last.
    Marker {
        /// Parameter for the marker.
        marker: &'static str,
        /// Parameter for the size of a page.
        size: &'static str,
        /// Items a page.
        limit: u32,
    },
    /// The marker is the last item's id; a page that is not full is the last.
    LastId {
        /// Parameter for the marker.
        marker: &'static str,
        /// Parameter for the size of a page.
        size: &'static str,
        /// Items a page.
        limit: u32,
    },
    /// Pages have numbers, and each answer says how many items there are in all.
    Number {
        /// Parameter for the number.
        number: &'static str,
        /// Parameter for the size of a page.
        size: &'static str,
        /// Items a page.
        limit: u32,
        /// The first page's number.
        first: u32,
    },
}

/// One page as the cloud words it.
pub trait Page: DeserializeOwned {
    /// What is listed.
    type Item;

    /// Takes the page apart.
    fn split(self) -> Parts<Self::Item>;

    /// What tells two items apart.
    fn id(item: &Self::Item) -> &str;
}

/// What a page holds.
#[derive(Clone, Debug)]
pub struct Parts<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// The marker of the next page, for [`Style::Marker`].
    pub next: Option<String>,
    /// How many items there are in all, for [`Style::Number`].
    pub total: Option<u64>,
}

impl Client {
    /// Lists everything. `call` is the listing without its paging parameters.
    pub async fn list<P: Page>(&self, call: Call, style: Style) -> Result<Complete<Vec<P::Item>>, Error> {
        let name = call.name;
        for _ in 0..RESTARTS {
            if let Some(items) = self.list_once::<P>(&call, style).await? {
                return Ok(Complete(items));
            }
            tracing::debug!(call = name, "the listing changed while it was read; reading it again");
        }
        Err(garbled(name, "the listing keeps changing while it is read"))
    }

    /// `None`: it changed meanwhile.
    async fn list_once<P: Page>(&self, call: &Call, style: Style) -> Result<Option<Vec<P::Item>>, Error> {
        let mut reader = Reader::<P> { items: Vec::new(), seen: HashSet::new(), total: None, style };
        let mut at = None;
        for page in 0..MOST_PAGES {
            let mut call = call.clone();
            call.query.extend(style.parameters(page, at.as_deref()));
            let name = call.name;
            let parts = self.send::<P>(call).await?.value.split();
            match reader.take(parts, at.as_deref()).map_err(|fault| garbled(name, fault))? {
                Step::More(next) => at = next,
                Step::Done => return Ok(Some(reader.items)),
                Step::Changed => return Ok(None),
            }
        }
        Err(garbled(call.name, "the listing does not end"))
    }
}

fn garbled(call: &'static str, message: &str) -> Error {
    Error { executed: Executed::Yes, attempts: 1, ..Error::unsent(call, Kind::Garbled, message) }
}

impl Style {
    fn parameters(self, page: u32, at: Option<&str>) -> Vec<(String, String)> {
        let pair = |key: &str, value: String| (key.to_owned(), value);
        match self {
            Self::Marker { marker, size, limit } | Self::LastId { marker, size, limit } => {
                let mut pairs = vec![pair(size, limit.to_string())];
                pairs.extend(at.map(|at| pair(marker, at.to_owned())));
                pairs
            }
            Self::Number { number, size, limit, first } => {
                vec![pair(number, (first + page).to_string()), pair(size, limit.to_string())]
            }
        }
    }
}

enum Step {
    More(Option<String>),
    Done,
    Changed,
}

struct Reader<P: Page> {
    items: Vec<P::Item>,
    seen: HashSet<String>,
    total: Option<u64>,
    style: Style,
}

impl<P: Page> Reader<P> {
    /// Takes a page in, which was asked for with the marker `at`, and says what comes next.
    fn take(&mut self, parts: Parts<P::Item>, at: Option<&str>) -> Result<Step, &'static str> {
        let on_page = parts.items.len();
        let last = parts.items.last().map(|item| P::id(item).to_owned());
        let mut repeated = false;
        for item in parts.items {
            if self.seen.insert(P::id(&item).to_owned()) {
                self.items.push(item);
            } else {
                repeated = true;
            }
        }
        match self.style {
            Style::Marker { .. } => match parts.next.filter(|next| !next.is_empty()) {
                None => Ok(Step::Done),
                Some(next) if at == Some(next.as_str()) => Err("the listing names the same page again and again"),
                next => Ok(Step::More(next)),
            },
            Style::LastId { limit, .. } if on_page < limit as usize => Ok(Step::Done),
            Style::LastId { .. } if last.as_deref() == at => Err("the listing answers the same page again and again"),
            Style::LastId { .. } => Ok(Step::More(last)),
            Style::Number { .. } => {
                let total = parts.total.ok_or("the listing does not say how many items there are")?;
                let changed = repeated || self.total.is_some_and(|earlier| earlier != total);
                self.total = Some(total);
                match self.items.len() as u64 {
                    _ if changed => Ok(Step::Changed),
                    have if have == total => Ok(Step::Done),
                    have if have > total || on_page == 0 => Ok(Step::Changed),
                    _ => Ok(Step::More(None)),
                }
            }
        }
    }
}
