//! Checks SDK-HMAC-SHA256 and V11-HMAC-SHA256 signatures, from what is written about the schemes and with no code of a
//! signer's.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use crate::engine::Request;

const PLAIN: &str = "SDK-HMAC-SHA256";
/// Signs with a key derived for a day, a region and a service.
const DERIVED: &str = "V11-HMAC-SHA256";
/// How far the date of a signature may be from the cloud's, either way.
const SKEW: Duration = Duration::from_secs(15 * 60);
/// Everything but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An `Authorization` header, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authorization {
    pub(super) access_key: String,
    /// Day, region and service that the key is derived for, with slashes between; absent: the key is not derived.
    scope: Option<String>,
    signed: Vec<String>,
    signature: String,
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The date is missing, unreadable, or too far from the cloud's.
    Date,
    /// The signature is another than it should be.
    Mismatch,
}

impl Authorization {
    /// `None`: the header is not of this scheme or not whole.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (algorithm, fields) = text.split_once(' ')?;
        let (mut access_key, mut scope, mut signed, mut signature) = (None, None, None, None);
        for field in fields.split(',') {
            let (name, value) = field.trim().split_once('=')?;
            match name {
                "Access" if algorithm == PLAIN => access_key = Some(value.to_owned()),
                "Credential" if algorithm == DERIVED => {
                    let (access, rest) = value.split_once('/')?;
                    (access_key, scope) = (Some(access.to_owned()), Some(rest.to_owned()));
                }
                "SignedHeaders" => signed = Some(value.split(';').map(str::to_owned).collect()),
                "Signature" => signature = Some(value.to_owned()),
                _ => return None,
            }
        }
        Some(Self { access_key: access_key?, scope, signed: signed?, signature: signature? })
    }

    /// Whether a header is among those signed.
    pub(super) fn covers(&self, header: &str) -> bool {
        self.signed.iter().any(|name| name == header)
    }

    /// Checks the signature of a request.
    pub(super) fn verify(&self, request: &Request, secret: &str, now: Timestamp) -> Result<(), Flaw> {
        let date = request.header("x-sdk-date").ok_or(Flaw::Date)?;
        let at = parse_date(date).ok_or(Flaw::Date)?;
        if now.duration_since(at).unsigned_abs() > SKEW {
            return Err(Flaw::Date);
        }
        let of_today = self.scope.as_ref().is_none_or(|scope| scope.split('/').next() == date.split('T').next());
        if !self.covers("x-sdk-date") || !of_today {
            return Err(Flaw::Mismatch);
        }
        let canonical = canonical_request(request, &self.signed).ok_or(Flaw::Mismatch)?;
        let expected = hex::decode(&self.signature).map_err(|_| Flaw::Mismatch)?;
        let mut mac = hmac(self.key(secret).as_bytes());
        mac.update(self.string_to_sign(date, &canonical).as_bytes());
        mac.verify_slice(&expected).map_err(|_| Flaw::Mismatch)
    }

    fn string_to_sign(&self, date: &str, canonical_request: &str) -> String {
        let hash = hex::encode(Sha256::digest(canonical_request));
        match &self.scope {
            None => format!("{PLAIN}\n{date}\n{hash}"),
            Some(scope) => format!("{DERIVED}\n{date}\n{scope}\n{hash}"),
        }
    }

    /// What is signed with: the secret, or the hexadecimal text of what HKDF makes of it.
    fn key(&self, secret: &str) -> String {
        let Some(scope) = &self.scope else { return secret.to_owned() };
        let mut extract = hmac(self.access_key.as_bytes());
        extract.update(secret.as_bytes());
        let mut expand = hmac(&extract.finalize().into_bytes());
        expand.update(scope.as_bytes());
        expand.update(&[1]);
        hex::encode(expand.finalize().into_bytes())
    }
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let local = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    TimeZone::UTC.to_timestamp(local).ok()
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("any key will do")
}

/// `None`: a header that is said to be signed is not there.
fn canonical_request(request: &Request, signed: &[String]) -> Option<String> {
    let lines = signed.iter().map(|name| Some(format!("{name}:{}\n", request.header(name)?.trim())));
    let headers = lines.collect::<Option<String>>()?;
    let hash = match request.header("x-sdk-content-sha256") {
        Some(given) => given.to_owned(),
        None => hex::encode(Sha256::digest(&request.body)),
    };
    Some(format!(
        "{}\n{}\n{}\n{headers}\n{}\n{hash}",
        request.method,
        canonical_path(&request.path),
        canonical_query(&request.query),
        signed.join(";")
    ))
}

/// Each segment encoded anew, and a slash at the end.
fn canonical_path(path: &str) -> String {
    let segments = path.split('/').map(|segment| encode(&percent_decode_str(segment).decode_utf8_lossy()));
    let path = segments.collect::<Vec<_>>().join("/");
    if path.ends_with('/') { path } else { path + "/" }
}

fn canonical_query(query: &[(String, String)]) -> String {
    let mut pairs: Vec<_> = query.iter().collect();
    pairs.sort();
    let pairs = pairs.into_iter().map(|(key, value)| format!("{}={}", encode(key), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
        derived_vectors: Vec<DerivedVector>,
    }

    #[derive(Deserialize)]
    struct DerivedVector {
        base: String,
        expected: DerivedExpected,
    }

    #[derive(Deserialize)]
    struct DerivedExpected {
        string_to_sign: String,
        authorization: String,
    }

    #[derive(Deserialize)]
    struct Vector {
        id: String,
        sk: String,
        date: String,
        method: String,
        url: String,
        headers: std::collections::BTreeMap<String, String>,
        body: String,
        expected: Expected,
    }

    #[derive(Deserialize)]
    struct Expected {
        added_headers: std::collections::BTreeMap<String, String>,
        canonical_request: String,
        string_to_sign: String,
        authorization: String,
    }

    impl Vector {
        fn request(&self) -> Request {
            let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.url);
            for (name, value) in self.headers.iter().chain(&self.expected.added_headers) {
                request = request.header(name, value);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            Request::new(parts, Bytes::from(self.body.clone()), true)
        }
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str::<Vectors>(include_str!("signing-vectors.json")).unwrap().vectors
    }

    #[test]
    fn every_stage_of_every_vector_is_met() {
        for vector in vectors() {
            let authorization = Authorization::parse(&vector.expected.authorization).unwrap();
            let request = vector.request();
            let canonical = canonical_request(&request, &authorization.signed).unwrap();
            assert_eq!(canonical, vector.expected.canonical_request, "{}", vector.id);
            assert_eq!(
                authorization.string_to_sign(&vector.date, &canonical),
                vector.expected.string_to_sign,
                "{}",
                vector.id
            );
            let now = parse_date(&vector.date).unwrap();
            assert_eq!(authorization.verify(&request, &vector.sk, now), Ok(()), "{}", vector.id);
        }
    }

    #[test]
    fn vectors_of_the_derived_scheme_are_met_and_hold_for_one_day() {
        let all: Vectors = serde_json::from_str(include_str!("signing-vectors.json")).unwrap();
        for derived in &all.derived_vectors {
            let vector = all.vectors.iter().find(|vector| vector.id == derived.base).unwrap();
            let authorization = Authorization::parse(&derived.expected.authorization).unwrap();
            let request = vector.request();
            let canonical = canonical_request(&request, &authorization.signed).unwrap();
            assert_eq!(authorization.string_to_sign(&vector.date, &canonical), derived.expected.string_to_sign);
            let now = parse_date(&vector.date).unwrap();
            assert_eq!(authorization.verify(&request, &vector.sk, now), Ok(()));
            assert_eq!(authorization.verify(&request, "another", now), Err(Flaw::Mismatch));
            let yesterday = derived.expected.authorization.replace("/20261120/", "/20261119/");
            let yesterday = Authorization::parse(&yesterday).unwrap();
            assert_eq!(yesterday.verify(&request, &vector.sk, now), Err(Flaw::Mismatch));
        }
    }

    #[test]
    fn whatever_is_altered_shows() {
        #[track_caller]
        fn check(id: &str, alter: impl FnOnce(&mut Request), flaw: Flaw) {
            let vector = vectors().into_iter().find(|vector| vector.id == id).unwrap();
            let authorization = Authorization::parse(&vector.expected.authorization).unwrap();
            let mut request = vector.request();
            let now = parse_date(&vector.date).unwrap();
            alter(&mut request);
            assert_eq!(authorization.verify(&request, &vector.sk, now), Err(flaw));
        }
        check("post-json-newline", |request| request.path.push('x'), Flaw::Mismatch);
        check("post-json-newline", |request| request.method = http::Method::PUT, Flaw::Mismatch);
        check("post-json-newline", |request| request.body = Bytes::from_static(b"{}"), Flaw::Mismatch);
        check("get-query-sorted", |request| request.query[0].1.push('0'), Flaw::Mismatch);
        check("get-query-sorted", |request| request.query.clear(), Flaw::Mismatch);
        let other = |request: &mut Request| {
            request.headers.insert("x-project-id", http::HeaderValue::from_static("another"));
        };
        check("get-query-sorted", other, Flaw::Mismatch);
        let gone = |request: &mut Request| {
            request.headers.remove("x-project-id");
        };
        check("get-query-sorted", gone, Flaw::Mismatch);
        let later = |request: &mut Request| {
            request.headers.insert("x-sdk-date", http::HeaderValue::from_static("20261120T010204Z"));
        };
        check("get-query-sorted", later, Flaw::Mismatch);
        let undated = |request: &mut Request| {
            request.headers.remove("x-sdk-date");
        };
        check("get-query-sorted", undated, Flaw::Date);
    }

    #[test]
    fn a_quarter_of_an_hour_is_the_most_a_clock_may_be_off() {
        let vector = vectors().remove(0);
        let authorization = Authorization::parse(&vector.expected.authorization).unwrap();
        let request = vector.request();
        let at = parse_date(&vector.date).unwrap();
        for (seconds, expected) in
            [(0, Ok(())), (900, Ok(())), (-900, Ok(())), (901, Err(Flaw::Date)), (-901, Err(Flaw::Date))]
        {
            let now = Timestamp::from_second(at.as_second() + seconds).unwrap();
            assert_eq!(authorization.verify(&request, &vector.sk, now), expected, "{seconds} s");
        }
    }

    #[test]
    fn a_header_of_another_scheme_is_not_taken() {
        for text in ["", "Bearer x", "V11-HMAC-SHA256 Credential=a", "SDK-HMAC-SHA256 Access=a, SignedHeaders=b"] {
            assert_eq!(Authorization::parse(text), None, "{text}");
        }
    }
}
