//! A call in progress, as its handler sees it.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::{Knobs, Listing, Problem, Request, Table};

/// Who calls, once the signature is found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Id of the key (or name of the user, with a token): what throttling goes by and the journal shows.
    pub key: String,
    /// The account the key belongs to.
    pub account: String,
    /// The project the call works in, when it works in one.
    pub project: Option<String>,
}

/// What a handler works with.
#[derive(Debug)]
pub struct Call<'a, S> {
    /// The cloud.
    pub state: &'a mut S,
    /// The cloud's time.
    pub now: Timestamp,
    /// Who calls; `None` on open routes.
    pub caller: Option<Caller>,
    /// The request.
    pub request: &'a Request,
    /// Id of the request.
    pub request_id: &'a str,
    pub(crate) parameters: BTreeMap<&'static str, String>,
    pub(crate) knobs: &'a Knobs,
    pub(crate) listing: Listing,
}

impl<S> Call<'_, S> {
    /// A parameter of the path.
    ///
    /// # Panics
    /// When the route has none of that name.
    pub fn parameter(&self, name: &str) -> &str {
        &self.parameters[name]
    }

    /// The project the call works in; empty on routes that have none.
    pub fn project(&self) -> &str {
        self.caller.as_ref().and_then(|caller| caller.project.as_deref()).unwrap_or_default()
    }

    /// The account of the caller; empty on open routes.
    pub fn account(&self) -> &str {
        self.caller.as_ref().map(|caller| caller.account.as_str()).unwrap_or_default()
    }

    /// The first value of a query key; an empty one counts as absent.
    pub fn query(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// The values of a query key that may repeat.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        let pairs = self.request.query.iter().filter(move |(name, value)| name == key && !value.is_empty());
        pairs.map(|(_, value)| value.as_str())
    }

    /// Whether a value passes the filter of a key that may repeat: nothing asked for, or this among it.
    pub fn admits(&self, key: &str, value: &str) -> bool {
        let mut wanted = self.all(key).peekable();
        wanted.peek().is_none() || wanted.any(|wanted| wanted == value)
    }

    /// A query key that is a number, a truth value or the like.
    pub fn parsed<T: FromStr>(&self, key: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.query(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Problem::bad_parameter(key, format!("{text} is no valid value")))
    }

    /// How many rows a page has, by the query key that asks for it.
    pub fn page_size(&self, key: &str, default: usize, max: usize) -> Result<usize, Problem> {
        let asked = self.parsed(key)?.unwrap_or(default);
        if asked > max {
            return Err(Problem::bad_parameter(key, format!("{asked} is more than {max}")));
        }
        Ok(self.knobs.page_rows.map_or(asked, |rows| rows.min(asked)))
    }

    /// The body. Types refuse what they do not know with `#[serde(deny_unknown_fields)]`.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.request.body).map_err(|error| Problem::BadBody(error.to_string()))
    }

    /// How long something takes the cloud at present.
    pub fn delay(&self, what: &str) -> Duration {
        self.knobs.delay(what)
    }

    /// How many of something are allowed at present.
    pub fn quota(&self, of: &str) -> usize {
        self.knobs.quota(of)
    }

    /// The objects of a table as a listing shows them: late by the cloud's lag, cut when a fault says so. Every list call
    /// goes through here; calls that name one object read the table itself, which is always right.
    pub fn list<'t, T: Clone>(&self, table: &'t Table<T>, wanted: impl Fn(&T) -> bool) -> Vec<&'t T> {
        self.shown(table.seen_at(self.listing.as_of).filter(|object| wanted(object)).collect())
    }

    /// An object whose parts are listed, as late as [`list`](Self::list) is: what parts it shows goes through [`shown`](Self::shown).
    pub fn seen<'t, T: Clone>(&self, table: &'t Table<T>, id: &str) -> Option<&'t T> {
        table.seen(id, self.listing.as_of)
    }

    /// The rows of a listing that are shown: fewer when a fault says so.
    pub fn shown<T>(&self, mut rows: Vec<T>) -> Vec<T> {
        if let Some(keep) = self.listing.keep {
            rows.truncate(keep);
        }
        rows
    }
}
