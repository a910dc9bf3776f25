//! Shapes that keep the API safe to misread: enum zero says nothing, a number that is absent is not a number, and a long
//! list says when it is complete.

use std::fs;

use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind};

use crate::schema::{enums, messages, package, services, stored, today};

/// Numbers without presence: zero is no value of theirs, or means the same as nothing.
const ZERO_IS_NO_VALUE: [(&str, &str); 8] = [
    ("EndpointMember.port", "ports start at 1"),
    ("HandshakeResponse.api_minor", "minors start at 1"),
    ("ItemStatus.code", "zero is OK, as in google.rpc.Status"),
    ("ListComplete.total", "an empty list has no items"),
    ("PortStatus.port", "ports start at 1"),
    ("RouteItem.id", "ids start at 1"),
    ("RouteResult.id", "ids start at 1"),
    ("ServicePort.port", "ports start at 1"),
];

fn is_bare_number(field: &FieldDescriptor) -> bool {
    let number = !matches!(field.kind(), Kind::Bool | Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Message(_));
    number && !field.supports_presence() && field.cardinality() != Cardinality::Repeated
}

/// What breaks a convention, a sentence each.
fn faults(pool: &DescriptorPool) -> Vec<String> {
    let mut faults = Vec::new();
    for found in enums(pool) {
        let prefix = format!("{}_", screaming(found.name()));
        let zero = found.get_value(0).map(|value| value.name().to_owned());
        if zero.as_deref() != Some(&format!("{prefix}UNSPECIFIED")) {
            faults.push(format!("{}: value zero is not {prefix}UNSPECIFIED", found.name()));
        }
        for value in found.values().filter(|value| !value.name().starts_with(&prefix)) {
            faults.push(format!("{}: {} does not start with {prefix}", found.name(), value.name()));
        }
    }
    for message in messages(pool) {
        for field in message.fields().filter(is_bare_number) {
            let path = format!("{}.{}", message.name(), field.name());
            if !ZERO_IS_NO_VALUE.iter().any(|(allowed, _)| *allowed == path) {
                faults.push(format!("{path}: zero could be taken for a value, make it optional"));
            }
        }
    }
    for service in services(pool) {
        for method in service.methods() {
            let name = method.name();
            if method.input().name() != format!("{name}Request") || method.output().name() != format!("{name}Response")
            {
                faults.push(format!("{name}: its messages are not {name}Request and {name}Response"));
            }
            let complete = method.output().get_field_by_name("complete");
            if name.starts_with("List") && method.is_server_streaming() && complete.is_none() {
                faults.push(format!("{name}: a streamed list has no `complete`, so an early end looks like its end"));
            }
        }
    }
    faults
}

/// `InstanceState` → `INSTANCE_STATE`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

#[test]
fn the_api_keeps_its_conventions() {
    let faults = faults(&today());
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_proto_file_is_compiled() {
    let folder = fs::read_dir(stored("cloudprovider/v1")).expect("the folder is there");
    for entry in folder {
        let name = entry.expect("it can be read").file_name().into_string().expect("names are UTF-8");
        assert!(today().get_file_by_name(&format!("cloudprovider/v1/{name}")).is_some(), "build.rs leaves out {name}");
    }
}

#[test]
fn every_exception_is_still_needed() {
    let pool = today();
    let bare: Vec<String> = messages(&pool)
        .iter()
        .flat_map(|message| message.fields().filter(is_bare_number).collect::<Vec<_>>())
        .map(|field| format!("{}.{}", field.parent_message().name(), field.name()))
        .collect();
    for (path, why) in ZERO_IS_NO_VALUE {
        assert!(bare.iter().any(|found| found == path), "{path} ({why}) need not be listed");
    }
}

#[test]
fn a_broken_convention_is_found() {
    #[track_caller]
    fn check(declarations: &str, broken: &[&str]) {
        assert_eq!(faults(&package(declarations)), broken, "{declarations}");
    }

    check("enum MyState { MY_STATE_UP = 0; }", &["MyState: value zero is not MY_STATE_UNSPECIFIED"]);
    check("enum E { E_UNSPECIFIED = 0; UP = 1; }", &["E: UP does not start with E_"]);
    check("message M { uint32 n = 1; }", &["M.n: zero could be taken for a value, make it optional"]);
    check("message M { double n = 1; }", &["M.n: zero could be taken for a value, make it optional"]);
    check("message M { optional uint32 n = 1; repeated int64 m = 2; bool b = 3; oneof o { int32 x = 4; } }", &[]);
    check(
        "message Q {} message GetResponse {} service S { rpc Get(Q) returns (GetResponse); }",
        &["Get: its messages are not GetRequest and GetResponse"],
    );
    check(
        "message ListRequest {} message ListResponse {} service S { rpc List(ListRequest) returns (stream ListResponse); }",
        &["List: a streamed list has no `complete`, so an early end looks like its end"],
    );
}
