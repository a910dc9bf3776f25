//! Who may depend on whom. The table is ARCHITECTURE.md's; the walls that no edit of a table may take down are here.

use anyhow::{Context, Result};
use quote::ToTokens;

use super::{
    lock::Lock,
    map::{Room, Uses},
    tree::{Package, Tree},
};

/// The pure crate.
const CORE: &str = "controller-core";

/// What `controller-core` must not even reach: runtimes, wires, clusters, clocks, chance.
const NOT_IN_CORE: [&str; 15] = [
    "async-std",
    "chrono",
    "fastrand",
    "futures",
    "getrandom",
    "http",
    "hyper",
    "k8s-openapi",
    "kube",
    "prost",
    "rand",
    "reqwest",
    "tokio",
    "tonic",
    "uuid",
];

/// Paths that `controller-core` must not name, as tokens.
const NOT_NAMED_IN_CORE: [&str; 9] = [
    "SystemTime :: now",
    "Instant :: now",
    "Timestamp :: now",
    "Zoned :: now",
    "std :: env",
    "std :: fs",
    "std :: net",
    "std :: process",
    "std :: thread",
];

/// Which side of the API a package of ours is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Controller,
    Provider,
    Neither,
}

fn side(name: &str) -> Side {
    match name {
        "cloud-controller-manager" | CORE => Side::Controller,
        // What both ends of the connection share.
        "provider-hop" => Side::Neither,
        name if name.starts_with("provider-") || name == "cloud-rest" => Side::Provider,
        _ => Side::Neither,
    }
}

/// Compares the manifests with the table and with the wall between controller and providers.
pub(super) fn check(rooms: &[Room], packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in packages {
        // A package that depends on itself has its tests see a feature of its own.
        let others = || packages.iter().filter(|other| other.name != package.name);
        let ours = package.dependencies.iter().filter(|found| others().any(|other| other.name == found.name));
        for dependency in ours {
            let (from, to) = (package.name.as_str(), dependency.name.as_str());
            let kind = if dependency.dev { "dev-depends" } else { "depends" };
            let allowed = match rooms.iter().find(|room| room.dir == package.dir).map(|room| &room.may_use) {
                Some(Uses::Only(names)) => names.contains(to),
                Some(Uses::Anything) => true,
                // Not on the map: that is the map's fault to report.
                None => continue,
            };
            if matches!((side(from), side(to)), (Side::Controller, Side::Provider) | (Side::Provider, Side::Controller))
            {
                wrong.push(format!("{from} {kind} on {to}: the controller and the providers share the API only"));
            } else if !allowed {
                wrong.push(format!("{from} {kind} on {to}: ARCHITECTURE.md does not allow it"));
            }
        }
    }
    wrong
}

/// Holds `controller-core` to being pure: what it depends on, and what it names.
pub(super) fn check_core(tree: &Tree, lock: &Lock) -> Result<Vec<String>> {
    let Some(core) = tree.packages.iter().find(|package| package.name == CORE) else {
        return Ok(vec![format!("there is no crate {CORE}")]);
    };
    let mut wrong = impure_dependencies(core, lock);
    for file in tree.rust_files(core) {
        wrong.extend(impure_names(file, &tree.read(file)?)?);
    }
    Ok(wrong)
}

fn impure_dependencies(core: &Package, lock: &Lock) -> Vec<String> {
    let direct = core.dependencies.iter().filter(|found| !found.dev).map(|found| found.name.as_str());
    let reached = lock.closure(direct);
    let banned = NOT_IN_CORE.iter().filter(|name| reached.contains(*name));
    banned.map(|name| format!("{CORE} reaches {name}: it decides, and does nothing else")).collect()
}

fn impure_names(path: &str, source: &str) -> Result<Vec<String>> {
    let tokens = syn::parse_file(source).with_context(|| path.to_owned())?.to_token_stream().to_string();
    let named = NOT_NAMED_IN_CORE.iter().filter(|name| tokens.contains(*name));
    Ok(named.map(|name| format!("{path}: names {}: pass it in", name.replace(' ', ""))).collect())
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Dependency, *};

    fn package(name: &str, uses: &[(&str, bool)]) -> Package {
        let dependencies = uses.iter().map(|&(name, dev)| Dependency { name: name.to_owned(), dev }).collect();
        Package { name: name.to_owned(), dir: name.to_owned(), dependencies, targets: Vec::new() }
    }

    fn room(name: &str, may_use: Uses) -> Room {
        Room { dir: name.to_owned(), krate: Some(name.to_owned()), may_use }
    }

    #[test]
    fn manifests_are_held_to_the_table_and_the_wall() {
        #[track_caller]
        fn check(from: &str, to: &str, dev: bool, may_use: Uses, expected: Option<&str>) {
            let rooms = [room(from, may_use)];
            let found = super::check(&rooms, &[package(from, &[(to, dev), ("serde", false)]), package(to, &[])]);
            match expected {
                None => assert_eq!(found, Vec::<String>::new()),
                Some(words) => assert!(found.len() == 1 && found[0].contains(words), "{found:?}"),
            }
        }
        let only = |name: &str| Uses::Only([name.to_owned()].into());

        check("a", "b", false, only("b"), None);
        check("a", "b", false, Uses::Anything, None);
        check("a", "b", false, only("c"), Some("a depends on b"));
        check("a", "b", true, only("c"), Some("a dev-depends on b"));
        // The wall stands whatever the table says, for tests too.
        let wall = Some("share the API only");
        check("cloud-controller-manager", "provider-kit", false, Uses::Anything, wall);
        check("cloud-controller-manager", "provider-mock", true, only("provider-mock"), wall);
        check("controller-core", "provider-huawei", false, Uses::Anything, wall);
        check("provider-mock", "controller-core", true, Uses::Anything, wall);
        check("cloud-rest", "cloud-controller-manager", false, Uses::Anything, wall);
        check("cloud-controller-manager", "provider-hop", false, only("provider-hop"), None);
        check("e2e", "provider-mock", false, Uses::Anything, None);
        check("provider-hop", "provider-hop", true, only("a"), None);
    }

    #[test]
    fn core_reaches_no_runtime_even_through_others() {
        let lock = "[[package]]\nname = \"innocent\"\nversion = \"1.0.0\"\ndependencies = [\"tokio\"]\n";
        let lock = Lock::parse(lock).unwrap();
        assert_eq!(impure_dependencies(&package(CORE, &[("ipnet", false)]), &lock), Vec::<String>::new());
        assert!(impure_dependencies(&package(CORE, &[("innocent", false)]), &lock)[0].contains("reaches tokio"));
        assert!(impure_dependencies(&package(CORE, &[("rand", false)]), &lock)[0].contains("reaches rand"));
        // Tests may use what they like: property tests need chance.
        assert_eq!(impure_dependencies(&package(CORE, &[("rand", true)]), &lock), Vec::<String>::new());
    }

    #[test]
    fn core_names_no_clock_and_no_surroundings() {
        let names = |source: &str| impure_names("x.rs", source).unwrap();
        assert!(names("fn f() { let _ = std::time::SystemTime::now(); }")[0].contains("SystemTime::now"));
        assert!(names("use std::env;")[0].contains("std::env"));
        assert!(names("fn f() { std::fs::read(\"x\"); }")[0].contains("std::fs"));
        assert_eq!(
            names("//! Never calls SystemTime::now().\nuse std::time::Duration; fn f() {}"),
            Vec::<String>::new()
        );
    }
}
