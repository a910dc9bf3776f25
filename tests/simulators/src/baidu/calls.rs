//! What the handlers of all services have in common: bodies, pages, tags, client tokens.

use std::{collections::BTreeMap, time::Duration};

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::State;
use crate::engine::{Answer, Call, Caller, Problem, Reply, Request, earlier, paging};

pub(super) type C<'a> = Call<'a, State>;

/// Most rows of a page, and how many there are when nothing is asked for.
const PAGE: usize = 1000;
/// Longest client token.
const TOKEN: usize = 64;
/// How long a client token is known after it was last seen.
const KNOWN: Duration = Duration::from_secs(24 * 3600);

/// The body. What is no JSON at all is told from what is no such body.
pub(super) fn body<T: DeserializeOwned>(call: &C<'_>) -> Result<T, Problem> {
    serde_json::from_slice(&call.request.body).map_err(|error| {
        if error.is_syntax() || error.is_eof() {
            return Problem::refused(400, "MalformedJSON", error.to_string());
        }
        Problem::BadBody(error.to_string())
    })
}

/// 200 without a body: the answer to most changes.
#[allow(clippy::unnecessary_wraps, reason = "it is what handlers end with")]
pub(super) fn done() -> Reply {
    Ok(Answer::empty(StatusCode::OK))
}

/// A page of rows under a name, the way most services page.
pub(super) fn page<T>(
    call: &C<'_>,
    name: &str,
    rows: Vec<T>,
    id_of: impl Fn(&T) -> &str,
    view: impl Fn(&T) -> Value,
) -> Reply {
    paged(call, name, rows, id_of, view).map(|page| Answer::ok(&page))
}

/// The same, to be added to.
pub(super) fn paged<T>(
    call: &C<'_>,
    name: &str,
    rows: Vec<T>,
    id_of: impl Fn(&T) -> &str,
    view: impl Fn(&T) -> Value,
) -> Result<Value, Problem> {
    let asked = call.parsed("maxKeys")?.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&asked) {
        return Err(Problem::bad_parameter("maxKeys", format!("{asked} is not from 1 to {PAGE}")));
    }
    let size = call.page_size("maxKeys", PAGE, PAGE)?;
    let page = paging::by_opaque_marker(rows, id_of, call.query("marker"), size)?;
    let rows: Vec<_> = page.rows.iter().map(view).collect();
    let mut body = json!({
        "marker": call.query("marker").unwrap_or_default(), "isTruncated": page.next.is_some(), "maxKeys": asked, name: rows,
    });
    if let Some(next) = page.next {
        body["nextMarker"] = json!(next);
    }
    Ok(body)
}

/// A numbered page.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) number: usize,
    pub(super) size: usize,
    pub(super) total: usize,
    pub(super) rows: Vec<Value>,
}

/// A page of rows, the way CCE v2, CCR and BEC v1 page.
pub(super) fn numbered<T>(call: &C<'_>, rows: Vec<T>, view: impl Fn(&T) -> Value) -> Result<Numbered, Problem> {
    let number: usize = call.parsed("pageNo")?.unwrap_or(1);
    if number == 0 {
        return Err(Problem::bad_parameter("pageNo", "pages are counted from 1"));
    }
    let asked: usize = call.parsed("pageSize")?.unwrap_or(10);
    if !(1..=100).contains(&asked) {
        return Err(Problem::bad_parameter("pageSize", format!("{asked} is not from 1 to 100")));
    }
    let size = call.page_size("pageSize", 10, 100)?;
    let page = paging::by_number(rows, |_| "", number, size);
    Ok(Numbered { number, size, total: page.total, rows: page.rows.iter().map(view).collect() })
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tag {
    /// Its key.
    pub tag_key: String,
    /// Its value.
    #[serde(default)]
    pub tag_value: String,
}

/// Most tags of an object.
const TAGS: usize = 20;

/// The tags, if they may be an object's.
pub(super) fn checked_tags(tags: Vec<Tag>) -> Result<Vec<Tag>, Problem> {
    if tags.len() > TAGS {
        return Err(Problem::bad_parameter("tags", format!("{} are more than {TAGS}", tags.len())));
    }
    for (at, tag) in tags.iter().enumerate() {
        let (key, value) = (tag.tag_key.chars().count(), tag.tag_value.chars().count());
        if !(1..=65).contains(&key) || value > 65 {
            return Err(Problem::bad_parameter(
                "tags",
                format!("{}: keys have 1 to 65 letters, values up to 65", tag.tag_key),
            ));
        }
        if tags[..at].iter().any(|other| other.tag_key == tag.tag_key) {
            return Err(Problem::bad_parameter("tags", format!("{} is there twice", tag.tag_key)));
        }
    }
    Ok(tags)
}

/// A time as the services write it, to the second.
pub(super) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Calls that were made with a client token, by account, service and token.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<(String, String, String), Made>);

#[derive(Debug)]
struct Made {
    /// Of everything the call says.
    fingerprint: [u8; 32],
    answer: Answer,
    last_seen: Timestamp,
}

impl Tokens {
    /// The answer to a call that was made before.
    pub(super) fn recall(
        &mut self,
        caller: &Caller,
        service: &str,
        request: &Request,
        now: Timestamp,
    ) -> Result<Option<Answer>, Problem> {
        let Some(token) = token(request) else { return Ok(None) };
        if token.len() > TOKEN || !token.is_ascii() {
            return Err(Problem::bad_parameter("clientToken", format!("it has up to {TOKEN} ASCII characters")));
        }
        let key = (caller.account.clone(), service.to_owned(), token.to_owned());
        let oldest = earlier(now, KNOWN);
        let Some(made) = self.0.get_mut(&key).filter(|made| made.last_seen >= oldest) else { return Ok(None) };
        if made.fingerprint != fingerprint(request) {
            let message = "The request uses the same client token as a previous, but non-identical request.";
            return Err(Problem::refused(403, "IdempotentParameterMismatch", message));
        }
        made.last_seen = now;
        Ok(Some(made.answer.clone()))
    }

    /// Keeps the answer to a call that was made.
    pub(super) fn remember(
        &mut self,
        caller: &Caller,
        service: &str,
        request: &Request,
        answer: &Answer,
        now: Timestamp,
    ) {
        let Some(token) = token(request) else { return };
        let made = Made { fingerprint: fingerprint(request), answer: answer.clone(), last_seen: now };
        self.0.insert((caller.account.clone(), service.to_owned(), token.to_owned()), made);
    }
}

fn token(request: &Request) -> Option<&str> {
    let pair = request.query.iter().find(|(key, value)| key == "clientToken" && !value.is_empty());
    pair.filter(|_| request.method != Method::GET).map(|(_, token)| token.as_str())
}

/// The same for calls that say the same, however their query and JSON are ordered.
fn fingerprint(request: &Request) -> [u8; 32] {
    let mut query: Vec<_> = request.query.iter().filter(|(key, _)| key != "clientToken").collect();
    query.sort();
    let body = serde_json::from_slice::<Value>(&request.body).map(|body| body.to_string());
    let body = body.unwrap_or_else(|_| String::from_utf8_lossy(&request.body).into_owned());
    Sha256::digest(json!([request.method.as_str(), request.path, query, body]).to_string()).into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn request(path: &str, token: &str, body: &str) -> Request {
        Request {
            tls: false,
            method: Method::POST,
            host: "blb.bj.baidubce.com".to_owned(),
            path: path.to_owned(),
            query: vec![("clientToken".to_owned(), token.to_owned())],
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn caller(account: &str) -> Caller {
        Caller { key: "key".to_owned(), account: account.to_owned(), project: None }
    }

    #[test]
    fn a_token_stands_for_one_call_of_one_account_for_a_day() {
        let mut tokens = Tokens::default();
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let made = request("/v1/blb", "t", r#"{"name": "a", "desc": "b"}"#);
        let answer = Answer::ok(&json!({ "blbId": "lb-1" }));
        assert!(tokens.recall(&caller("a"), "blb", &made, at(0)).unwrap().is_none());
        tokens.remember(&caller("a"), "blb", &made, &answer, at(0));
        let again = |tokens: &mut Tokens, account, service, request: &Request, seconds| {
            let answer = tokens.recall(&caller(account), service, request, at(seconds));
            answer.map(|answer| answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned()))
        };
        let same = request("/v1/blb", "t", r#"{"desc":"b","name":"a"}"#);
        assert_eq!(again(&mut tokens, "a", "blb", &same, 80_000).unwrap().as_deref(), Some(r#"{"blbId":"lb-1"}"#));
        assert_eq!(again(&mut tokens, "b", "blb", &same, 80_000), Ok(None), "another account's");
        assert_eq!(again(&mut tokens, "a", "eip", &same, 80_000), Ok(None), "another service's");
        for other in [request("/v1/blb", "t", "{}"), request("/v1/appblb", "t", r#"{"name":"a","desc":"b"}"#)] {
            assert!(again(&mut tokens, "a", "blb", &other, 80_000).is_err(), "{other:?}");
        }
        assert!(
            again(&mut tokens, "a", "blb", &same, 160_000).unwrap().is_some(),
            "counted from when it was last seen"
        );
        assert_eq!(again(&mut tokens, "a", "blb", &same, 250_000), Ok(None));
        assert!(again(&mut tokens, "a", "blb", &request("/", &"t".repeat(65), ""), 0).is_err());
        assert!(again(&mut tokens, "a", "blb", &request("/", "ü", ""), 0).is_err());
    }
}
