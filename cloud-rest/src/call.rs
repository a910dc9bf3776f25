//! One thing asked of a cloud.

use bytes::Bytes;
use http::{HeaderMap, Method};
use reqwest::Url;

use crate::sign::encode;

/// What a call does, which decides when it may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Changes nothing: repeated after any fault in between.
    Read,
    /// Changes something: repeated only when it was surely not carried out.
    Write,
    /// Changes something, and doing it twice is the same as once: sets a value, deletes by id, carries a client token.
    RepeatableWrite,
}

impl Effect {
    /// Whether something may be different afterwards.
    pub fn mutates(self) -> bool {
        self != Self::Read
    }
}

/// One call, not yet signed: built anew from this for each attempt.
#[derive(Clone, Debug)]
pub struct Call {
    /// The cloud's own name of it: `CreateListener`.
    pub name: &'static str,
    /// The group of calls the cloud limits together: `elb`.
    pub family: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// Scheme, host and port, and a prefix of the path if the installation has one.
    pub base: Url,
    /// The path's segments, as text: they are encoded on the way.
    pub path: Vec<String>,
    /// Decoded pairs, in order; a key may repeat. An empty value is sent as the bare key.
    pub query: Vec<(String, String)>,
    /// Headers beside those the client and the signature add.
    pub headers: HeaderMap,
    /// The body, byte for byte. JSON, unless a `Content-Type` header says otherwise.
    pub body: Option<Bytes>,
    /// What it does.
    pub effect: Effect,
}

impl Call {
    /// A call with nothing but a path. Its effect is what HTTP means by its method: GET reads; PUT and DELETE may be repeated.
    pub fn new(name: &'static str, family: &'static str, method: Method, base: Url, path: &[&str]) -> Self {
        let effect = match method {
            Method::GET | Method::HEAD => Effect::Read,
            Method::PUT | Method::DELETE => Effect::RepeatableWrite,
            _ => Effect::Write,
        };
        let path = path.iter().map(ToString::to_string).collect();
        Self { name, family, method, base, path, query: Vec::new(), headers: HeaderMap::new(), body: None, effect }
    }

    /// The URL it goes to. The error says why there is none: an id that would lead to another object or a whole collection.
    pub fn url(&self) -> Result<Url, &'static str> {
        let mut url = self.base.clone();
        let mut path = url.path().trim_end_matches('/').to_owned();
        for segment in &self.path {
            if matches!(segment.as_str(), "" | "." | "..") || segment.contains(['/', '\\']) {
                return Err("an id or name in the path is empty, dots, or holds a slash");
            }
            path.push('/');
            path.push_str(&encode(segment));
        }
        url.set_path(&path);
        let pairs = self.query.iter().map(|(key, value)| match value.as_str() {
            "" => encode(key),
            value => format!("{}={}", encode(key), encode(value)),
        });
        let query = pairs.collect::<Vec<_>>().join("&");
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        Ok(url)
    }
}

/// What the cloud answered to a call that succeeded.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The body.
    pub value: T,
    /// The headers.
    pub headers: HeaderMap,
    /// The cloud's own id of the call.
    pub request_id: Option<String>,
}

impl<T> Answer<T> {
    /// The same answer with its value changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: change(self.value), headers: self.headers, request_id: self.request_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(base: &str, path: &[&str], query: &[(&str, &str)]) -> Result<Url, &'static str> {
        let query = query.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let call = Call { query, ..Call::new("Test", "test", Method::GET, base.parse().unwrap(), path) };
        call.url()
    }

    #[test]
    fn urls_are_encoded_once_and_kept_under_their_base() {
        let check = |base, path: &[&str], query: &[(&str, &str)], want| {
            assert_eq!(url(base, path, query).unwrap().as_str(), want);
        };
        check("https://elb.example.test", &["v3", "p", "elb"], &[], "https://elb.example.test/v3/p/elb");
        check("https://a.test:8443/gate/elb/", &["v3"], &[], "https://a.test:8443/gate/elb/v3");
        check("https://a.test", &["x y", "100%", "..."], &[], "https://a.test/x%20y/100%25/...");
        check("https://a.test", &["ä"], &[("q", "a+b&c=d é")], "https://a.test/%C3%A4?q=a%2Bb%26c%3Dd%20%C3%A9");
        check("https://a.test", &["v"], &[("id", "1"), ("id", "2"), ("bind", "")], "https://a.test/v?id=1&id=2&bind");
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        for id in ["", ".", "..", "a/b", "a\\b", "/"] {
            url("https://a.test", &["v3", id], &[]).unwrap_err();
        }
    }
}
