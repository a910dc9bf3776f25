use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
    derived_vectors: Vec<Derived>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    ak: String,
    sk: String,
    date: String,
    method: String,
    url: String,
    headers: serde_json::Map<String, serde_json::Value>,
    body: String,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(default)]
    added_headers: serde_json::Map<String, serde_json::Value>,
    canonical_request: String,
    string_to_sign: String,
    authorization: String,
}

#[derive(Deserialize)]
struct Derived {
    base: String,
    region: String,
    service: String,
    expected: DerivedExpected,
}

#[derive(Deserialize)]
struct DerivedExpected {
    scope: String,
    string_to_sign: String,
    authorization: String,
}

fn vectors() -> Vectors {
    let text = include_str!("../../tests/vectors/signing.json");
    serde_json::from_str(text).unwrap()
}

fn request(vector: &Vector) -> http::Request<Bytes> {
    let mut request = http::Request::builder().method(vector.method.as_str()).uri(vector.url.as_str());
    for (name, value) in &vector.headers {
        request = request.header(name.as_str(), value.as_str().unwrap());
    }
    request.body(Bytes::from(vector.body.clone())).unwrap()
}

fn moment(vector: &Vector) -> Timestamp {
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &vector.date).unwrap();
    date.to_zoned(TimeZone::UTC).unwrap().timestamp()
}

/// Vectors with a security token carry it as one of the caller's headers.
fn credentials(vector: &Vector) -> Credentials {
    let mut credentials = Credentials::lasting(&vector.ak, &vector.sk);
    let mut token = vector.headers.iter().chain(&vector.expected.added_headers);
    let token = token.rfind(|(name, _)| name.eq_ignore_ascii_case(TOKEN));
    credentials.token = token.map(|(_, value)| cloud_rest::Secret::new(value.as_str().unwrap()));
    credentials
}

fn check(vector: &Vector, algorithm: Algorithm, scope: Option<&str>, string: &str, authorization: &str) {
    let id = &vector.id;
    let mut request = request(vector);
    let family = Family("elb");
    request.extensions_mut().insert(family);
    let signer = AkSk { algorithm, host: false };
    assert_eq!(signer.scope(Some(&family), &vector.date).as_deref(), scope, "scope of {id}");
    signer.sign(&mut request, &credentials(vector), moment(vector)).unwrap();
    let (canonical, _) = canonical_request(&request);
    assert_eq!(canonical, vector.expected.canonical_request, "canonical request of {id}");
    assert_eq!(string_to_sign(scope, &vector.date, &canonical), string, "string to sign of {id}");
    assert_eq!(request.headers()["authorization"], authorization, "authorization of {id}");
    assert!(request.headers()["authorization"].is_sensitive());
    for (name, value) in &vector.expected.added_headers {
        assert_eq!(request.headers()[name.as_str()], value.as_str().unwrap(), "{name} of {id}");
    }
}

#[test]
fn every_vector_is_signed_alike() {
    let vectors = vectors().vectors;
    assert_eq!(vectors.len(), 10);
    for vector in &vectors {
        check(vector, Algorithm::Sdk, None, &vector.expected.string_to_sign, &vector.expected.authorization);
    }
}

#[test]
fn every_derived_vector_is_signed_alike() {
    let Vectors { vectors, derived_vectors } = vectors();
    assert_eq!(derived_vectors.len(), 2);
    for derived in derived_vectors {
        let base = vectors.iter().find(|vector| vector.id == derived.base).unwrap();
        assert_eq!(derived.service, "elb");
        let (algorithm, expected) = (Algorithm::Derived { region: derived.region }, derived.expected);
        check(base, algorithm, Some(&expected.scope), &expected.string_to_sign, &expected.authorization);
    }
}

#[test]
fn a_derived_key_of_the_account_is_good_everywhere() {
    let signer = AkSk { algorithm: Algorithm::Derived { region: "r".to_owned() }, host: false };
    let scope = signer.scope(Some(&Family("iam")), "20261120T010203Z");
    assert_eq!(scope.as_deref(), Some("20261120/globe/iam"));
}

#[test]
fn a_new_attempt_has_a_new_date_and_no_trace_of_the_old_signature() {
    let vector = &vectors().vectors[0];
    let (mut first, mut second) = (request(vector), request(vector));
    let signer = AkSk { algorithm: Algorithm::Sdk, host: false };
    let now = moment(vector);
    signer.sign(&mut first, &credentials(vector), now).unwrap();
    let later = now + std::time::Duration::from_secs(1);
    signer.sign(&mut second, &credentials(vector), later).unwrap();
    assert_ne!(first.headers()["authorization"], second.headers()["authorization"]);
    signer.sign(&mut first, &credentials(vector), later).unwrap();
    assert_eq!(first.headers(), second.headers());
}

#[test]
fn what_is_no_json_goes_unhashed_and_says_so() {
    let mut request = http::Request::builder()
        .uri("https://a.test/x")
        .header("content-type", "text/plain")
        .body(Bytes::from_static(b"text"))
        .unwrap();
    let signer = AkSk { algorithm: Algorithm::Sdk, host: true };
    signer.sign(&mut request, &Credentials::lasting("AK", "secret"), Timestamp::UNIX_EPOCH).unwrap();
    let (canonical, names) = canonical_request(&request);
    assert!(canonical.ends_with("\nUNSIGNED-PAYLOAD"), "{canonical}");
    assert_eq!(names, "host;x-sdk-content-sha256;x-sdk-date");
    assert!(canonical.contains("\nhost:a.test\n"), "{canonical}");
}

#[test]
fn a_key_unfit_for_a_header_is_told_without_showing_it() {
    let mut request = http::Request::builder().uri("https://a.test/").body(Bytes::new()).unwrap();
    let signer = AkSk { algorithm: Algorithm::Sdk, host: false };
    let mut credentials = Credentials::lasting("AK\n", "secret");
    let error = signer.sign(&mut request, &credentials, Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(error.to_string().contains("access key"), "{error}");
    credentials.token = Some(cloud_rest::Secret::new("marker\n"));
    let error = signer.sign(&mut request, &credentials, Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(error.to_string().contains("security token") && !error.to_string().contains("marker"), "{error}");
}

/// The signature of a request as it is, and as it arrives after something on the way changed it.
fn signatures(change: impl FnOnce(&mut http::Request<Bytes>)) -> (String, String) {
    let mut request = http::Request::builder()
        .method("POST")
        .uri("https://elb.test/v3/p/elb/listeners?limit=10&marker=m")
        .header("x-project-id", "p")
        .body(Bytes::from_static(b"{}"))
        .unwrap();
    let credentials = Credentials::lasting("AK", "secret");
    AkSk { algorithm: Algorithm::Sdk, host: false }.sign(&mut request, &credentials, Timestamp::UNIX_EPOCH).unwrap();
    let sent = request.headers()["authorization"].to_str().unwrap().to_owned();
    change(&mut request);
    let date = request.headers()[DATE].to_str().unwrap().to_owned();
    let (canonical, signed) = canonical_request(&request);
    (sent, authorization(None, &credentials, &date, &canonical, &signed))
}

type Change = Box<dyn FnOnce(&mut http::Request<Bytes>)>;

#[test]
fn whatever_is_altered_on_the_way_no_longer_fits_the_signature() {
    let (sent, arrived) = signatures(|_| {});
    assert_eq!(sent, arrived);
    let uri = |text: &'static str| move |request: &mut http::Request<Bytes>| *request.uri_mut() = text.parse().unwrap();
    let header = |name: &'static str, value: &'static str| {
        move |request: &mut http::Request<Bytes>| {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    };
    let changes: [(&str, Change); 7] = [
        ("path", Box::new(uri("https://elb.test/v3/q/elb/listeners?limit=10&marker=m"))),
        ("query", Box::new(uri("https://elb.test/v3/p/elb/listeners?limit=11&marker=m"))),
        ("missing query", Box::new(uri("https://elb.test/v3/p/elb/listeners"))),
        ("header", Box::new(header("x-project-id", "q"))),
        ("date", Box::new(header(DATE, "20261120T010203Z"))),
        ("method", Box::new(|request| *request.method_mut() = http::Method::PUT)),
        ("body", Box::new(|request| *request.body_mut() = Bytes::from_static(b"{ }"))),
    ];
    for (what, change) in changes {
        let (sent, arrived) = signatures(change);
        assert_ne!(sent, arrived, "{what}");
    }
    let order = signatures(uri("https://elb.test/v3/p/elb/listeners?marker=m&limit=10"));
    assert_eq!(order.0, order.1, "the order of a query says nothing");
}
