//! What came in, decoded.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header::HOST, request::Parts, uri::Authority};
use percent_encoding::percent_decode_str;

/// A request, read to its end.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// The host it was sent to, with the port if one was given, in lower case.
    pub host: String,
    /// The path as it came, not decoded.
    pub path: String,
    /// Keys and values of the query, decoded, in the order they came. A key without value has the empty one.
    pub query: Vec<(String, String)>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Whether it came over TLS.
    pub tls: bool,
}

impl Request {
    pub(crate) fn new(parts: Parts, body: Bytes, tls: bool) -> Self {
        let Parts { method, uri, headers, .. } = parts;
        Self {
            host: host_of(&uri, &headers),
            path: uri.path().to_owned(),
            query: decode_query(uri.query().unwrap_or_default()),
            method,
            headers,
            body,
            tls,
        }
    }

    /// The host without its port.
    pub fn host_name(&self) -> &str {
        match self.host.rsplit_once(':') {
            // An IPv6 address without port ends in a bracket.
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &self.host,
        }
    }

    /// The value of a header, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        // The host of HTTP/2 is not among the headers.
        if name.eq_ignore_ascii_case("host") {
            return Some(&self.host).filter(|host| !host.is_empty()).map(String::as_str);
        }
        self.headers.get(name)?.to_str().ok()
    }

    /// The decoded segments of a path; a slash at the end makes none.
    pub(crate) fn segments(path: &str) -> Vec<String> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() { Vec::new() } else { path.split('/').map(decode).collect() }
    }
}

fn host_of(uri: &Uri, headers: &HeaderMap) -> String {
    let authority = uri.authority().map(Authority::as_str);
    let host = authority.or_else(|| headers.get(HOST)?.to_str().ok());
    host.unwrap_or_default().to_ascii_lowercase()
}

fn decode_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_form(key), decode_form(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// In a query a plus may stand for a blank.
fn decode_form(text: &str) -> String {
    decode(&text.replace('+', " "))
}
