//! Checks bce-auth-v1 signatures, from what is written about the scheme and with no code of a signer's.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

use crate::engine::{Request, later};

const SCHEME: &str = "bce-auth-v1";
/// How far the time of a signature may be ahead of the cloud's.
const AHEAD: Duration = Duration::from_secs(15 * 60);
/// Everything but the unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An `Authorization` header, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authorization {
    pub(super) access_key: String,
    /// As it stands there: the text is signed, too.
    time: String,
    expires: String,
    signed: Vec<String>,
    signature: String,
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The header is no such thing, or leaves the host out.
    Malformed,
    /// Its time is over, or not near yet.
    Expired,
    /// The signature is another than it should be.
    Mismatch,
}

impl Authorization {
    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        let parts: Vec<_> = text.split('/').collect();
        let [SCHEME, access_key, time, expires, signed, signature] = parts[..] else { return Err(Flaw::Malformed) };
        let signed: Vec<_> = signed.split(';').map(str::to_owned).collect();
        let whole = !access_key.is_empty() && !signature.is_empty() && signed.iter().any(|name| name == "host");
        if !whole || signed.iter().any(|name| *name != name.to_ascii_lowercase()) {
            return Err(Flaw::Malformed);
        }
        Ok(Self {
            access_key: access_key.to_owned(),
            time: time.to_owned(),
            expires: expires.to_owned(),
            signed,
            signature: signature.to_owned(),
        })
    }

    /// Whether a header is signed.
    pub(super) fn covers(&self, header: &str) -> bool {
        self.signed.iter().any(|name| name == header)
    }

    /// Whether the signature is the one that the key's owner puts on this request, now.
    pub(super) fn verify(&self, request: &Request, secret: &str, now: Timestamp) -> Result<(), Flaw> {
        let time: Timestamp = self.time.parse().map_err(|_| Flaw::Malformed)?;
        let expires: u64 = self.expires.parse().map_err(|_| Flaw::Malformed)?;
        if now > later(time, Duration::from_secs(expires)) || time > later(now, AHEAD) {
            return Err(Flaw::Expired);
        }
        // What is the cloud's own belongs to what is signed, whoever chose the rest.
        let own = |name: &str| name.starts_with("x-bce-") && name != "x-bce-request-id";
        let left_out = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            own(name.as_str()) && !value.as_bytes().trim_ascii().is_empty() && !self.covers(name.as_str())
        };
        if request.headers.iter().any(left_out) {
            return Err(Flaw::Mismatch);
        }
        let mut expected = hmac(self.signing_key(secret).as_bytes());
        expected.update(self.canonical_request(request).as_bytes());
        let given = hex::decode(&self.signature).map_err(|_| Flaw::Mismatch)?;
        expected.verify_slice(&given).map_err(|_| Flaw::Mismatch)
    }

    /// In hexadecimal digits, which are the key as they stand there.
    fn signing_key(&self, secret: &str) -> String {
        let mut mac = hmac(secret.as_bytes());
        mac.update(format!("{SCHEME}/{}/{}/{}", self.access_key, self.time, self.expires).as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    fn canonical_request(&self, request: &Request) -> String {
        let headers = self.signed.iter().filter_map(|name| {
            let value = request.header(name).map(str::trim).filter(|value| !value.is_empty())?;
            Some(format!("{}:{}", encode(name), encode(value)))
        });
        // Sorted as lines, in which the colon counts.
        let mut headers: Vec<_> = headers.collect();
        headers.sort();
        let path = canonical_path(&request.path);
        format!("{}\n{path}\n{}\n{}", request.method, canonical_query(&request.query), headers.join("\n"))
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("any key will do")
}

fn canonical_path(path: &str) -> String {
    let segments = path.split('/').map(|segment| encode(&percent_decode_str(segment).decode_utf8_lossy()));
    let path = segments.collect::<Vec<_>>().join("/");
    if path.is_empty() { "/".to_owned() } else { path }
}

/// A key without value is signed with its equals sign, however it came.
fn canonical_query(query: &[(String, String)]) -> String {
    let pairs = query.iter().filter(|(key, _)| !key.eq_ignore_ascii_case("authorization"));
    let mut pairs: Vec<_> = pairs.map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    pairs.sort();
    pairs.join("&")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        input: Input,
        expected: Expected,
    }

    #[derive(Deserialize)]
    struct Input {
        secret_access_key: String,
        timestamp: Timestamp,
        method: String,
        path: String,
        query: BTreeMap<String, String>,
        headers: BTreeMap<String, String>,
    }

    #[derive(Deserialize)]
    struct Expected {
        authorization: String,
        canonical_request: String,
        signing_key: String,
        added_headers: BTreeMap<String, String>,
    }

    fn vectors() -> Vec<Vector> {
        let all: Vectors = serde_json::from_str(include_str!("signing-vectors.json")).unwrap();
        all.vectors
    }

    fn vector(name: &str) -> Vector {
        vectors().into_iter().find(|vector| vector.name == name).unwrap()
    }

    impl Vector {
        /// As it comes over the wire, where the path is encoded once.
        fn request(&self) -> Request {
            let wire: Vec<_> = self.input.path.split('/').map(encode).collect();
            let headers = self.input.headers.iter().chain(&self.expected.added_headers);
            let host = self.input.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
            Request {
                tls: false,
                method: self.input.method.parse().unwrap(),
                host: host.map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default(),
                path: wire.join("/"),
                query: self.input.query.clone().into_iter().collect(),
                headers: headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
                body: Bytes::new(),
            }
        }

        fn authorization(&self) -> Authorization {
            Authorization::parse(&self.expected.authorization).unwrap()
        }

        fn verify(&self, request: &Request) -> Result<(), Flaw> {
            self.authorization().verify(request, &self.input.secret_access_key, self.input.timestamp)
        }
    }

    #[test]
    fn all_vectors_are_met() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 10);
        for vector in &vectors {
            let (request, authorization) = (vector.request(), vector.authorization());
            let name = &vector.name;
            assert_eq!(authorization.canonical_request(&request), vector.expected.canonical_request, "{name}");
            assert_eq!(
                authorization.signing_key(&vector.input.secret_access_key),
                vector.expected.signing_key,
                "{name}"
            );
            assert_eq!(vector.verify(&request), Ok(()), "{name}");
        }
    }

    #[test]
    fn whatever_is_altered_shows() {
        #[track_caller]
        fn check(alter: impl FnOnce(&mut Request)) {
            let vector = vector("eip-bind-empty-query-value");
            let mut request = vector.request();
            alter(&mut request);
            assert_eq!(vector.verify(&request), Err(Flaw::Mismatch));
        }
        check(|request| request.method = http::Method::POST);
        check(|request| request.path.push('0'));
        check(|request| request.query[1].1.push('0'));
        check(|request| drop(request.query.remove(0)));
        check(|request| request.host.push('0'));
        check(|request| drop(request.headers.insert("content-length", "53".parse().unwrap())));
        check(|request| drop(request.headers.remove("x-bce-date")));
        check(|request| drop(request.headers.insert("x-bce-security-token", "added".parse().unwrap())));
        let vector = vector("eip-bind-empty-query-value");
        let mut request = vector.request();
        request.headers.insert("x-bce-request-id", "an-id".parse().unwrap());
        request.headers.insert("user-agent", "another".parse().unwrap());
        assert_eq!(vector.verify(&request), Ok(()), "what is not signed may differ");
        assert_eq!(
            vector.authorization().verify(&request, "another", vector.input.timestamp),
            Err(Flaw::Mismatch),
            "another secret"
        );
    }

    #[test]
    fn a_signature_holds_as_long_as_it_says_and_not_from_the_far_future() {
        let vector = vector("cce-v1-list-nodes");
        let (authorization, request) = (vector.authorization(), vector.request());
        for (seconds, expected) in
            [(0, Ok(())), (1800, Ok(())), (1801, Err(Flaw::Expired)), (-900, Ok(())), (-901, Err(Flaw::Expired))]
        {
            let now = Timestamp::from_second(vector.input.timestamp.as_second() + seconds).unwrap();
            assert_eq!(authorization.verify(&request, &vector.input.secret_access_key, now), expected, "{seconds} s");
        }
    }

    #[test]
    fn what_is_not_whole_is_not_taken() {
        for text in [
            "",
            "Bearer x",
            "bce-auth-v1/ak/2023-11-14T22:13:20Z/1800/host",
            "bce-auth-v2/ak/2023-11-14T22:13:20Z/1800/host/00",
            "bce-auth-v1//2023-11-14T22:13:20Z/1800/host/00",
            "bce-auth-v1/ak/2023-11-14T22:13:20Z/1800//00",
            "bce-auth-v1/ak/2023-11-14T22:13:20Z/1800/x-bce-date/00",
            "bce-auth-v1/ak/2023-11-14T22:13:20Z/1800/Host/00",
            "bce-auth-v1/ak/2023-11-14T22:13:20Z/1800/host/",
        ] {
            assert_eq!(Authorization::parse(text), Err(Flaw::Malformed), "{text}");
        }
    }
}
