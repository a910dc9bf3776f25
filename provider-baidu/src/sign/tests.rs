use std::collections::BTreeMap;

use cloud_rest::Secret;
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
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    timestamp: String,
    expire_seconds: u32,
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    headers_to_sign: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Expected {
    authorization: String,
    signed_headers: String,
    canonical_request: String,
    signing_key: String,
    added_headers: BTreeMap<String, String>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str::<Vectors>(include_str!("../../tests/vectors/signing.json")).unwrap().vectors
}

/// As a client puts it on the wire: encoded, a key without value as it is.
fn request(input: &Input) -> http::Request<Bytes> {
    let mut url: cloud_rest::Url = format!("https://{}/", input.headers["Host"]).parse().unwrap();
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    url.set_path(&input.path.split('/').map(encode).collect::<Vec<_>>().join("/"));
    let pairs = input.query.iter().map(|(key, value)| match value.as_str() {
        "" => encode(key),
        value => format!("{}={}", encode(key), encode(value)),
    });
    url.set_query(Some(pairs.collect::<Vec<_>>().join("&").as_str()).filter(|query| !query.is_empty()));
    let mut request = http::Request::builder().method(input.method.as_str()).uri(url.as_str());
    for (name, value) in input.headers.iter().filter(|(name, _)| *name != "Host") {
        request = request.header(name.as_str(), value.as_str());
    }
    request.body(Bytes::new()).unwrap()
}

fn signer(input: &Input) -> AccessKey {
    let headers: &'static [&'static str] = match input.headers_to_sign.as_deref() {
        None => DEFAULT_HEADERS,
        Some([only]) if only == "host" => &["host"],
        Some(other) => panic!("the tests know no set {other:?}"),
    };
    AccessKey { headers, valid_for: input.expire_seconds }
}

fn check(vector: &Vector) {
    let Vector { name, input, expected } = vector;
    let mut request = request(input);
    let mut credentials = Credentials::lasting(&input.access_key_id, &input.secret_access_key);
    credentials.token = input.session_token.as_deref().map(Secret::new);
    let signer = signer(input);
    signer.sign(&mut request, &credentials, input.timestamp.parse().unwrap()).unwrap();
    let (canonical, names) = canonical_request(&request, signer.headers);
    assert_eq!(canonical, expected.canonical_request, "canonical request of {name}");
    assert_eq!(names, expected.signed_headers, "signed headers of {name}");
    let prefix = format!("bce-auth-v1/{}/{}/{}", input.access_key_id, input.timestamp, input.expire_seconds);
    assert_eq!(signing_key(&input.secret_access_key, &prefix), expected.signing_key, "signing key of {name}");
    assert_eq!(request.headers()["authorization"], expected.authorization, "authorization of {name}");
    assert!(request.headers()["authorization"].is_sensitive());
    for (header, value) in &expected.added_headers {
        assert_eq!(request.headers()[header.as_str()], value.as_str(), "{header} of {name}");
    }
}

#[test]
fn every_vector_is_signed_alike() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 10);
    vectors.iter().for_each(check);
}

fn small(uri: &str) -> http::Request<Bytes> {
    http::Request::builder().uri(uri).body(Bytes::new()).unwrap()
}

#[test]
fn a_new_attempt_has_a_new_date_and_no_trace_of_the_old_signature() {
    let (mut first, mut second) =
        (small("https://bcc.bj.baidubce.com/v2/instance"), small("https://bcc.bj.baidubce.com/v2/instance"));
    let (signer, credentials) = (AccessKey::default(), Credentials::lasting("AK", "SK"));
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let later = now + std::time::Duration::from_secs(1);
    signer.sign(&mut first, &credentials, now).unwrap();
    signer.sign(&mut second, &credentials, later).unwrap();
    assert_ne!(first.headers()["authorization"], second.headers()["authorization"]);
    signer.sign(&mut first, &credentials, later).unwrap();
    assert_eq!(first.headers()["authorization"], second.headers()["authorization"]);
    assert_ne!(first.headers()[REQUEST_ID], second.headers()[REQUEST_ID], "each attempt has an id of its own");
}

#[test]
fn a_token_in_the_query_is_not_sent_twice() {
    let credentials = Credentials { token: Some(Secret::new("marker")), ..Credentials::lasting("AK", "SK") };
    for (uri, expected) in
        [("https://a.test/v1?x-bce-security-token=t", false), ("https://a.test/v1?other=x-bce-security-token", true)]
    {
        let mut request = small(uri);
        AccessKey::default().sign(&mut request, &credentials, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(request.headers().contains_key(TOKEN), expected, "{uri}");
    }
}

#[test]
fn host_is_always_signed_with_its_port() {
    let mut request = small("https://a.test:8443/prefix/v1");
    AccessKey::default().sign(&mut request, &Credentials::lasting("AK", "SK"), Timestamp::UNIX_EPOCH).unwrap();
    let (canonical, names) = canonical_request(&request, STABLE_HEADERS);
    assert!(canonical.contains("\nhost:a.test%3A8443\n"), "{canonical}");
    assert!(names.starts_with("host;"), "{names}");
}

#[test]
fn a_key_unfit_for_a_header_is_told_without_showing_it() {
    let mut credentials = Credentials::lasting("AK\n", "SK");
    let error =
        AccessKey::default().sign(&mut small("https://a.test/"), &credentials, Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(error.to_string().contains("access key"), "{error}");
    credentials.token = Some(Secret::new("marker\n"));
    let error =
        AccessKey::default().sign(&mut small("https://a.test/"), &credentials, Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(error.to_string().contains("session token") && !error.to_string().contains("marker"), "{error}");
}
