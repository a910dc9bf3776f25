//! No field that reaches the daemon can carry a credential, and only the services that are a class of their own answer one.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use crate::schema::{package, services, today};

/// Words that name a credential, as whole words of a snake-case or camel-case name.
const WORDS: [&str; 14] = [
    "secret",
    "secrets",
    "token",
    "tokens",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "credentials",
    "key",
    "keys",
    "auth",
    "bearer",
    "kubeconfig",
];

/// Well-known types a field may have. All others hide what they carry: `Any`, `Struct`, wrappers.
const WELL_KNOWN: [&str; 2] = ["google.protobuf.Duration", "google.protobuf.Timestamp"];

/// Types whose name has one of the words in another sense.
const ALLOWED_TYPES: [(&str, &str); 1] = [("LoadBalancerKey", "identifies a Service")];

/// Fields, in answers, whose name has one of the words in another sense.
const ALLOWED_ANSWERS: [(&str, &str); 1] = [("GetStatusResponse.credentials_valid_until", "a time")];

/// Services whose answers are secret; refused to callers that are not allowed them.
const SECRET_SERVICES: [&str; 2] = ["Clusters", "Registries"];

/// The words of `service_uid` or `LoadBalancerKey`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' {
            words.push(String::new());
        } else {
            if c.is_ascii_uppercase() {
                words.push(String::new());
            }
            words.last_mut().expect("never empty").push(c.to_ascii_lowercase());
        }
    }
    words
}

fn names_a_credential(name: &str) -> bool {
    words(name).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Every message reachable from these, themselves included.
fn reachable(roots: impl Iterator<Item = MessageDescriptor>) -> BTreeMap<String, MessageDescriptor> {
    let mut found = BTreeMap::new();
    let mut left: Vec<MessageDescriptor> = roots.collect();
    while let Some(message) = left.pop() {
        if found.insert(message.full_name().to_owned(), message.clone()).is_some() {
            continue;
        }
        left.extend(message.fields().filter_map(|field| match field.kind() {
            Kind::Message(inner) => Some(inner),
            _ => None,
        }));
    }
    found
}

/// Why a field could carry a credential, or `None`.
fn suspicion(field: &FieldDescriptor) -> Option<&'static str> {
    let kind = field.kind();
    if let Kind::Message(message) = &kind {
        if ALLOWED_TYPES.iter().any(|(allowed, _)| message.name() == *allowed) {
            return None;
        }
        if message.full_name().starts_with("google.protobuf.") && !WELL_KNOWN.contains(&message.full_name()) {
            return Some("has a type that can hold anything");
        }
        if names_a_credential(message.name()) {
            return Some("has a type named like a credential");
        }
    }
    // `key` of a map's entry is the syntax's word, not ours.
    if names_a_credential(field.name()) && !field.parent_message().is_map_entry() {
        return Some("is named like a credential");
    }
    matches!(kind, Kind::Bytes).then_some("is bytes, which can hold anything")
}

fn suspects(messages: &BTreeMap<String, MessageDescriptor>) -> BTreeSet<(String, &'static str)> {
    let ours = messages.values().filter(|message| !message.full_name().starts_with("google.protobuf."));
    let fields = ours.flat_map(|message| message.fields().collect::<Vec<_>>());
    fields
        .filter_map(|field| {
            let path = format!("{}.{}", field.parent_message().name(), field.name());
            suspicion(&field).map(|why| (path, why))
        })
        .collect()
}

fn suspects_in_requests(pool: &DescriptorPool) -> BTreeSet<(String, &'static str)> {
    let methods = services(pool).into_iter().flat_map(|service| service.methods().collect::<Vec<_>>());
    suspects(&reachable(methods.map(|method| method.input())))
}

#[test]
fn no_request_can_carry_a_credential_to_the_daemon() {
    let found = suspects_in_requests(&today());
    assert!(found.is_empty(), "reachable from a request: {found:#?}");
}

#[test]
fn only_the_secret_services_answer_secrets() {
    let pool = today();
    let open = services(&pool).into_iter().filter(|service| !SECRET_SERVICES.contains(&service.name()));
    let methods = open.flat_map(|service| service.methods().collect::<Vec<_>>());
    let mut found = suspects(&reachable(methods.map(|method| method.output())));
    for (path, why) in ALLOWED_ANSWERS {
        let before = found.len();
        found.retain(|(suspect, _)| suspect != path);
        assert!(found.len() < before, "{path} ({why}) need not be allowed any more");
    }
    assert!(found.is_empty(), "reachable from an answer of a service that is open to all: {found:#?}");
}

#[test]
fn a_field_that_could_carry_a_credential_is_found() {
    #[track_caller]
    fn check(declarations: &str, found: &[&str]) {
        let pool = package(&format!("{declarations} message R {{}} service S {{ rpc C(Q) returns (R); }}"));
        let paths: Vec<String> = suspects_in_requests(&pool).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, found, "{declarations}");
    }

    check("message Q { string access_key = 1; }", &["Q.access_key"]);
    check("message Q { string secret_ref = 1; }", &["Q.secret_ref"]);
    check("message Q { string sessionToken = 1; }", &["Q.sessionToken"]);
    check("message Q { string db_password = 1; }", &["Q.db_password"]);
    check("message Q { bytes blob = 1; }", &["Q.blob"]);
    check("message Q { google.protobuf.Any extra = 1; }", &["Q.extra"]);
    check("message Q { CloudCredential who = 1; } message CloudCredential {}", &["Q.who"]);
    check("message Q { map<string, bytes> m = 1; }", &["MEntry.value"]);
    // However deep, and through lists and oneofs.
    check(
        "message Q { repeated A a = 1; } message A { oneof o { B b = 1; } } message B { string token = 1; }",
        &["B.token"],
    );

    // Not credentials.
    check("message Q { LoadBalancerKey key = 1; } message LoadBalancerKey {}", &[]);
    check("message Q { map<string, string> annotations = 1; google.protobuf.Duration d = 2; }", &[]);
    check("message Q { string keyring_monkey = 1; string tokenizer = 2; }", &[]);
    // In an answer it is the other test's business.
    check("message Q {} message Answer { string token = 1; }", &[]);
}
