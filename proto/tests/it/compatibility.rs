//! Within v1 the API only grows. Today's descriptors are flattened into facts, one for each thing that somebody else's build
//! relies on, and compared with those of the stored baseline: a fact that is gone or says something else is a break.

use std::{collections::BTreeMap, env, fs};

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MethodDescriptor};

use crate::schema::{enums, messages, package, services, stored, today};

const BASELINE: &str = "baseline/cloudprovider.v1.binpb";
const LISTING: &str = "baseline/cloudprovider.v1.txt";
/// Unset: compare. `accept`: store what was added, refuse what breaks. `replace`: store whatever there is, which is right
/// only as long as nobody outside has built against the baseline.
const SWITCH: &str = "API_BASELINE";

/// What others rely on, by what identifies it on the wire or in source.
type Facts = BTreeMap<String, String>;

fn facts(pool: &DescriptorPool) -> Facts {
    let mut facts = Facts::new();
    for message in messages(pool) {
        let name = message.full_name();
        facts.insert(format!("message {name}"), String::new());
        for field in message.fields() {
            facts.insert(format!("field {name} {}", field.number()), field_shape(&field));
        }
        for range in message.reserved_ranges() {
            for number in range {
                facts.insert(format!("reserved {name} {number}"), String::new());
            }
        }
    }
    for found in enums(pool) {
        let name = found.full_name();
        facts.insert(format!("enum {name}"), String::new());
        for value in found.values() {
            facts.insert(format!("value {name} {}", value.number()), value.name().to_owned());
        }
        for range in found.reserved_ranges() {
            for number in range {
                facts.insert(format!("reserved {name} {number}"), String::new());
            }
        }
    }
    for service in services(pool) {
        facts.insert(format!("service {}", service.full_name()), String::new());
        for method in service.methods() {
            facts.insert(format!("rpc {}", method.full_name()), method_shape(&method));
        }
    }
    facts
}

fn field_shape(field: &FieldDescriptor) -> String {
    let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
    let label = if field.is_map() {
        let Kind::Message(entry) = field.kind() else { unreachable!("a map field has an entry message") };
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        return format!("{}: map<{}, {}>", field.name(), kind_name(&key.kind()), kind_name(&value.kind()));
    } else if field.is_list() {
        "repeated ".to_owned()
    } else if let Some(oneof) = oneof {
        format!("oneof {} ", oneof.name())
    } else if field.field_descriptor_proto().proto3_optional() {
        "optional ".to_owned()
    } else {
        String::new()
    };
    format!("{}: {label}{}", field.name(), kind_name(&field.kind()))
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(found) => found.full_name().to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

fn method_shape(method: &MethodDescriptor) -> String {
    let stream = |streams: bool| if streams { "stream " } else { "" };
    format!(
        "{}{} -> {}{}",
        stream(method.is_client_streaming()),
        method.input().full_name(),
        stream(method.is_server_streaming()),
        method.output().full_name()
    )
}

/// What of `old` no longer holds in `new`, a sentence each.
fn breaks(old: &Facts, new: &Facts) -> Vec<String> {
    let gone = old.iter().filter_map(|(key, was)| match new.get(key) {
        Some(is) if is == was => None,
        Some(is) => Some(format!("{key}: was `{was}`, is `{is}`")),
        None if was.is_empty() => Some(format!("{key}: is gone")),
        None => Some(format!("{key}: `{was}` is gone")),
    });
    gone.collect()
}

fn listing(facts: &Facts) -> String {
    let line = |(key, shape): (&String, &String)| {
        if shape.is_empty() { format!("{key}\n") } else { format!("{key} {shape}\n") }
    };
    facts.iter().map(line).collect()
}

/// The descriptors without comments and positions, which are nobody's contract.
fn without_source_info(pool: &DescriptorPool) -> Vec<u8> {
    let mut set = prost_types::FileDescriptorSet { file: pool.file_descriptor_protos().cloned().collect() };
    for file in &mut set.file {
        file.source_code_info = None;
    }
    prost::Message::encode_to_vec(&set)
}

fn baseline() -> DescriptorPool {
    let bytes = fs::read(stored(BASELINE)).unwrap_or_else(|error| panic!("{BASELINE}: {error}"));
    DescriptorPool::decode(bytes.as_slice()).unwrap_or_else(|error| panic!("{BASELINE}: {error}"))
}

#[test]
fn todays_api_keeps_everything_in_the_baseline() {
    let today = today();
    let mode = env::var(SWITCH).unwrap_or_default();
    if mode != "replace" {
        let broken = breaks(&facts(&baseline()), &facts(&today));
        assert!(
            broken.is_empty(),
            "cloudprovider.v1 only grows, and this breaks those who built against it:\n  {}\n\
             Keep what was there and add beside it. (Before anybody has: `cargo xtask api --replace`.)",
            broken.join("\n  ")
        );
    }
    if !mode.is_empty() {
        fs::write(stored(BASELINE), without_source_info(&today)).expect("the baseline can be written");
        fs::write(stored(LISTING), listing(&facts(&today))).expect("the listing can be written");
    }
    let listed = fs::read_to_string(stored(LISTING)).unwrap_or_else(|error| panic!("{LISTING}: {error}"));
    assert!(
        listed == listing(&facts(&baseline())),
        "{LISTING} is not the listing of {BASELINE}: run `cargo xtask api --accept`"
    );
}

#[test]
fn a_change_that_breaks_others_is_found() {
    #[track_caller]
    fn check(old: &str, new: &str, broken: &[&str]) {
        let found = breaks(&facts(&package(old)), &facts(&package(new)));
        assert_eq!(found, broken, "from `{old}` to `{new}`");
    }

    let old = "message M { string a = 1; uint32 b = 2; }";
    check(old, "message M { string a = 1; }", &["field t.M 2: `b: uint32` is gone"]);
    check(old, "message M { string a = 1; reserved 2; }", &["field t.M 2: `b: uint32` is gone"]);
    check(old, "message M { string a = 1; uint32 b = 3; }", &["field t.M 2: `b: uint32` is gone"]);
    check(old, "message M { string a = 1; uint32 c = 2; }", &["field t.M 2: was `b: uint32`, is `c: uint32`"]);
    check(old, "message M { string a = 1; uint64 b = 2; }", &["field t.M 2: was `b: uint32`, is `b: uint64`"]);
    check(old, "message M { bytes a = 1; uint32 b = 2; }", &["field t.M 1: was `a: string`, is `a: bytes`"]);
    check(
        old,
        "message M { string a = 1; optional uint32 b = 2; }",
        &["field t.M 2: was `b: uint32`, is `b: optional uint32`"],
    );
    check(
        old,
        "message M { repeated string a = 1; uint32 b = 2; }",
        &["field t.M 1: was `a: string`, is `a: repeated string`"],
    );
    check(
        old,
        "message M { oneof o { string a = 1; } uint32 b = 2; }",
        &["field t.M 1: was `a: string`, is `a: oneof o string`"],
    );
    check(
        old,
        "message N { string a = 1; uint32 b = 2; }",
        &["field t.M 1: `a: string` is gone", "field t.M 2: `b: uint32` is gone", "message t.M: is gone"],
    );
    check(
        "message M { oneof o { string a = 1; } }",
        "message M { oneof p { string a = 1; } }",
        &["field t.M 1: was `a: oneof o string`, is `a: oneof p string`"],
    );
    check(
        "message M { map<string, string> a = 1; }",
        "message M { map<string, bytes> a = 1; }",
        &["field t.M 1: was `a: map<string, string>`, is `a: map<string, bytes>`"],
    );
    check(
        "message M { A a = 1; } message A {} message B {}",
        "message M { B a = 1; } message A {} message B {}",
        &["field t.M 1: was `a: t.A`, is `a: t.B`"],
    );
    check("message M { reserved 1; }", "message M { string a = 1; }", &["reserved t.M 1: is gone"]);

    let old = "enum E { E_UNSPECIFIED = 0; E_A = 1; }";
    check(old, "enum E { E_UNSPECIFIED = 0; }", &["value t.E 1: `E_A` is gone"]);
    check(old, "enum E { E_UNSPECIFIED = 0; E_A = 2; }", &["value t.E 1: `E_A` is gone"]);
    check(old, "enum E { E_UNSPECIFIED = 0; E_B = 1; }", &["value t.E 1: was `E_A`, is `E_B`"]);

    let old = "message Q {} message R {} message X {} service S { rpc C(Q) returns (R); }";
    let with = |service: &str| format!("message Q {{}} message R {{}} message X {{}} {service}");
    check(old, &with("service S {}"), &["rpc t.S.C: `t.Q -> t.R` is gone"]);
    check(old, &with(""), &["rpc t.S.C: `t.Q -> t.R` is gone", "service t.S: is gone"]);
    check(
        old,
        &with("service S { rpc C(Q) returns (stream R); }"),
        &["rpc t.S.C: was `t.Q -> t.R`, is `t.Q -> stream t.R`"],
    );
    check(
        old,
        &with("service S { rpc C(stream Q) returns (R); }"),
        &["rpc t.S.C: was `t.Q -> t.R`, is `stream t.Q -> t.R`"],
    );
    check(old, &with("service S { rpc C(X) returns (R); }"), &["rpc t.S.C: was `t.Q -> t.R`, is `t.X -> t.R`"]);
    check(old, &with("service S { rpc C(Q) returns (X); }"), &["rpc t.S.C: was `t.Q -> t.R`, is `t.Q -> t.X`"]);
}

#[test]
fn growth_is_no_break() {
    let old = "message M { string a = 1; oneof o { string b = 2; } }
               enum E { E_UNSPECIFIED = 0; }
               service S { rpc C(M) returns (M); }";
    let new = "// A comment.
               message M { string a = 1; optional uint32 n = 4; oneof o { string b = 2; M c = 3; } reserved 9; }
               message New { repeated string x = 1; }
               enum E { E_UNSPECIFIED = 0; E_NEW = 1; }
               enum F { F_UNSPECIFIED = 0; }
               service S { rpc C(M) returns (M); rpc D(New) returns (stream New); }
               service T {}";
    assert_eq!(breaks(&facts(&package(old)), &facts(&package(new))), Vec::<String>::new());
}
