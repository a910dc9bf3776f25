//! Every element has a comment, and one whose absence means something says what.

use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, FileDescriptor, Kind};

use crate::schema::{Comments, enums, messages, package, services, today};

/// Words of which a comment has one when it says what it means that nothing was sent. A range that starts at 1 says so too.
const ABSENCE: [&str; 8] = ["absent", "empty", "required", "at least one", "not set", "unspecified", "1 to ", "1-"];

/// Elements without a comment.
fn uncommented(pool: &DescriptorPool) -> Vec<String> {
    let comments = Comments::of(pool);
    let mut bare = Vec::new();
    let mut need = |name: &str, file: &FileDescriptor, path: &[i32]| {
        if comments.above(file, path).is_empty() {
            bare.push(format!("{name} has no comment"));
        }
    };
    for service in services(pool) {
        let file = service.parent_file();
        need(service.full_name(), &file, service.path());
        service.methods().for_each(|method| need(method.full_name(), &file, method.path()));
    }
    for message in messages(pool) {
        let file = message.parent_file();
        need(message.full_name(), &file, message.path());
        let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
        oneofs.for_each(|oneof| need(oneof.full_name(), &file, oneof.path()));
        message.fields().for_each(|field| need(field.full_name(), &file, field.path()));
    }
    for found in enums(pool) {
        let file = found.parent_file();
        need(found.full_name(), &file, found.path());
        // Value zero needs no comment of its own: the enum's says what it means.
        let values = found.values().filter(|value| value.number() != 0);
        values.for_each(|value| need(value.full_name(), &file, value.path()));
    }
    bare
}

/// Elements with a comment that leaves open what it means that nothing, or something unknown, was sent.
fn unclear(pool: &DescriptorPool) -> Vec<String> {
    let comments = Comments::of(pool);
    let mut unclear = Vec::new();
    for found in enums(pool) {
        let comment = comments.above(&found.parent_file(), found.path());
        // A list that anybody may extend says so instead.
        let clear = comment.to_lowercase().contains("unspecified or unknown") || comment.contains("The list is open");
        if !comment.is_empty() && !clear {
            unclear.push(format!("{} does not say what unspecified and unknown values mean", found.full_name()));
        }
    }
    for message in messages(pool) {
        let file = message.parent_file();
        for field in message.fields().filter(absence_means_something) {
            let comment = comments.above(&file, field.path()).to_lowercase();
            if !comment.is_empty() && !ABSENCE.iter().any(|word| comment.contains(word)) {
                unclear.push(format!("{} does not say what its absence means", field.full_name()));
            }
        }
    }
    unclear
}

/// Strings, single messages outside a oneof, and scalars with presence.
fn absence_means_something(field: &FieldDescriptor) -> bool {
    if field.cardinality() == Cardinality::Repeated {
        return false;
    }
    let alternative = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
    match field.kind() {
        Kind::String | Kind::Message(_) => !alternative,
        _ => field.supports_presence() && !alternative,
    }
}

#[test]
fn everything_has_a_comment_that_says_what_absence_means() {
    let (uncommented, unclear) = (uncommented(&today()), unclear(&today()));
    assert!(uncommented.is_empty(), "{uncommented:#?}");
    assert!(unclear.is_empty(), "{unclear:#?}");
}

#[test]
fn a_missing_or_unclear_comment_is_found() {
    #[track_caller]
    fn check(declarations: &str, missing: &[&str]) {
        let pool = package(declarations);
        assert_eq!([uncommented(&pool), unclear(&pool)].concat(), missing, "{declarations}");
    }

    check("message M {}", &["t.M has no comment"]);
    check("\n// M.\nmessage M {\n bool a = 1; }", &["t.M.a has no comment"]);
    check("\n// M.\nmessage M { oneof o {\n// A.\nbool a = 1; } }", &["t.M.o has no comment"]);
    check("\n// M.\nmessage M {\n// A.\nstring a = 1; }", &["t.M.a does not say what its absence means"]);
    check("\n// M.\nmessage M {\n// A.\noptional uint32 a = 1; }", &["t.M.a does not say what its absence means"]);
    check(
        "\n// M.\nmessage M {\n// A.\ngoogle.protobuf.Duration a = 1; }",
        &["t.M.a does not say what its absence means"],
    );
    check("\n// M.\nmessage M {\n// A. Empty: none.\nstring a = 1; }", &[]);
    check("\n// E.\nenum E { E_UNSPECIFIED = 0; }", &["t.E does not say what unspecified and unknown values mean"]);
    check("\n// E. Unspecified or unknown: none.\nenum E { E_UNSPECIFIED = 0;\nE_A = 1; }", &["t.E_A has no comment"]);
    check("service S {}", &["t.S has no comment"]);
    check("\n// M.\nmessage M {}\n// S.\nservice S {\nrpc C(M) returns (M); }", &["t.S.C has no comment"]);
}
