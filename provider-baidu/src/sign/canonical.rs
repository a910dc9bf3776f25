//! The form of a request that both ends can agree on.

use bytes::Bytes;
use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::REQUEST_ID;

/// Everything but `A-Z a-z 0-9 - . _ ~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The canonical request, and the names of the headers in it, joined with `;`.
///
/// `chosen` are names in lower case. Headers that begin with `x-bce-` are always in it, but for the request's id, which only
/// is if it is chosen.
pub fn canonical_request(request: &http::Request<Bytes>, chosen: &[&str]) -> (String, String) {
    let mut headers = signed_headers(request, chosen);
    let mut names: Vec<String> = headers.iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    // Sorted as lines, in which the colon counts: `x-bce-a-b:` comes before `x-bce-a:`.
    let mut lines: Vec<String> =
        headers.drain(..).map(|(name, value)| format!("{}:{}", encode(&name), encode(&value))).collect();
    lines.sort();
    let canonical = format!(
        "{}\n{}\n{}\n{}",
        request.method(),
        path(request.uri().path()),
        query(request.uri().query().unwrap_or_default()),
        lines.join("\n"),
    );
    (canonical, names.join(";"))
}

/// The text behind the wire's path, encoded once, slashes kept.
fn path(wire: &str) -> String {
    let segments: Vec<String> = wire.split('/').map(|segment| encode(&decode(segment))).collect();
    let path = segments.join("/");
    if path.is_empty() { "/".to_owned() } else { path }
}

/// Pairs as texts, sorted. An empty value keeps its equals sign, which the wire's has not.
fn query(wire: &str) -> String {
    let mut pairs: Vec<String> = wire
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .filter(|(key, _)| !key.eq_ignore_ascii_case("authorization"))
        .map(|(key, value)| format!("{}={}", encode(&key), encode(&value)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

/// Names and values that are signed; those without a value are not.
fn signed_headers(request: &http::Request<Bytes>, chosen: &[&str]) -> Vec<(String, String)> {
    let headers = request.headers();
    let wanted = |name: &str| chosen.contains(&name) || (name.starts_with("x-bce-") && name != REQUEST_ID);
    let mut signed: Vec<(String, String)> = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| *name != "authorization" && wanted(name))
        .map(|name| (name.to_owned(), value(headers, name)))
        .collect();
    // The connection makes it from the URI if it is not set.
    if chosen.contains(&"host") && !headers.contains_key(http::header::HOST) {
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        signed.push(("host".to_owned(), authority));
    }
    signed.retain(|(_, value)| !value.is_empty());
    signed
}

fn value(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    value.unwrap_or_default()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
