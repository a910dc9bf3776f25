//! The form of a request that both ends can agree on.

use std::{borrow::Cow, fmt::Write as _};

use bytes::Bytes;
use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::CONTENT_HASH;

/// Everything but `A-Z a-z 0-9 - _ . ~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The canonical request, and the names of the headers in it, joined with `;`.
pub fn canonical_request(request: &http::Request<Bytes>) -> (String, String) {
    let names = signed_names(request.headers());
    let signed = names.join(";");
    let canonical = format!(
        "{}\n{}\n{}\n{}\n{signed}\n{}",
        request.method(),
        path(request.uri().path()),
        query(request.uri().query().unwrap_or_default()),
        headers(request.headers(), &names),
        payload_hash(request),
    );
    (canonical, signed)
}

/// Each segment decoded and encoded again; always ends in a slash, which the wire's path need not have.
fn path(wire: &str) -> String {
    let segments: Vec<String> = decode(wire).split('/').map(encode).collect();
    let path = segments.join("/");
    if path.ends_with('/') { path } else { path + "/" }
}

/// Pairs decoded, sorted and encoded again. An empty value keeps its equals sign, although the wire need not have it.
fn query(wire: &str) -> String {
    let mut pairs: Vec<(String, String)> = wire
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key).into_owned(), decode(value).into_owned())
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect::<Vec<_>>().join("&")
}

/// All that are there, but for those a gateway may change or drop on the way.
fn signed_names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| !name.starts_with("content-type") && !name.contains('_') && *name != "authorization")
        .collect();
    names.sort_unstable();
    names
}

fn headers(headers: &HeaderMap, names: &[&str]) -> String {
    names.iter().fold(String::new(), |mut text, name| {
        let value = headers.get(*name).map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
        let _ = writeln!(text, "{name}:{}", value.trim());
        text
    })
}

fn payload_hash(request: &http::Request<Bytes>) -> String {
    match request.headers().get(CONTENT_HASH).and_then(|value| value.to_str().ok()) {
        Some(given) => given.to_owned(),
        None => hex::encode(Sha256::digest(request.body())),
    }
}

fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
