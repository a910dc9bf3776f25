//! Manifests lean on the workspace's tables, and depend on nothing that they do not use.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::tree::Tree;

/// Dependencies that no source names, with the reason.
const NEVER_NAMED: [(&str, &str, &str); 2] = [
    ("cloud-provider-api", "prost-types", "generated code names it"),
    ("cloud-provider-api", "tonic-prost", "generated code names it"),
];

/// Compares every manifest with the workspace's tables and with the sources.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let workspace: Table = tree.read("Cargo.toml")?.parse().context("Cargo.toml")?;
    let versions = workspace.get("workspace").and_then(|table| table.get("dependencies")).and_then(Value::as_table);
    let versions = versions.context("Cargo.toml has no [workspace.dependencies]")?;

    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for package in &tree.packages {
        let path = format!("{}/Cargo.toml", package.dir);
        let manifest: Table = tree.read(&path)?.parse().with_context(|| path.clone())?;
        wrong.extend(private_settings(&path, &manifest));
        let names = dependencies(&manifest);
        let sources = tree.rust_files(package).map(|file| tree.read(file)).collect::<Result<Vec<_>>>()?;
        let allowed = |name: &str| NEVER_NAMED.iter().any(|(user, used, _)| (*user, *used) == (&package.name, name));
        for name in names.iter().filter(|name| !allowed(name)) {
            if !sources.iter().any(|source| names_crate(source, name)) {
                wrong.push(format!("{path}: nothing in {} names {name}", package.dir));
            }
        }
        used.extend(names);
    }
    // Rooms of the workspace are in the table whether or not another one depends on them.
    let idle = versions.iter().filter(|(name, value)| value.get("path").is_none() && !used.contains(*name));
    wrong.extend(idle.map(|(name, _)| format!("Cargo.toml: no package depends on {name}")));
    Ok(wrong)
}

/// The tables of a manifest that hold dependencies.
fn dependency_tables(manifest: &Table) -> impl Iterator<Item = (&'static str, &Table)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    kinds.into_iter().filter_map(|kind| Some((kind, manifest.get(kind)?.as_table()?)))
}

fn dependencies(manifest: &Table) -> BTreeSet<String> {
    dependency_tables(manifest).flat_map(|(_, table)| table.keys().cloned()).collect()
}

/// What a manifest settles for itself although the workspace has a table for it.
fn private_settings(path: &str, manifest: &Table) -> Vec<String> {
    let from_workspace = |value: Option<&Value>| {
        value.and_then(|value| value.get("workspace")).and_then(Value::as_bool).unwrap_or_default()
    };
    let mut wrong = Vec::new();
    for (kind, table) in dependency_tables(manifest) {
        for name in table.iter().filter(|(_, value)| !from_workspace(Some(value))).map(|(name, _)| name) {
            wrong.push(format!("{path}: [{kind}] {name} has a version of its own; write `{name}.workspace = true`"));
        }
    }
    if !from_workspace(manifest.get("lints")) {
        wrong.push(format!("{path}: has lints of its own; write `[lints]` `workspace = true`"));
    }
    for key in ["version", "edition", "rust-version", "license", "publish"] {
        if !from_workspace(manifest.get("package").and_then(|package| package.get(key))) {
            wrong.push(format!("{path}: has its own `{key}`; write `{key}.workspace = true`"));
        }
    }
    wrong
}

/// Whether a source mentions a crate as a whole word.
fn names_crate(source: &str, package: &str) -> bool {
    let name = package.replace('-', "_");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    source.match_indices(&name).any(|(at, _)| {
        !source[..at].chars().next_back().is_some_and(is_word)
            && !source[at + name.len()..].chars().next().is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"x\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n[lints]\nworkspace = true\n";

    #[test]
    fn settings_come_from_the_workspace() {
        #[track_caller]
        fn check(manifest: &str, expected: &[&str]) {
            let found = private_settings("x/Cargo.toml", &manifest.parse().unwrap());
            assert_eq!(found.len(), expected.len(), "{found:?}");
            assert!(found.iter().zip(expected).all(|(found, words)| found.contains(words)), "{found:?}");
        }
        check(GOOD, &[]);
        check(&format!("{GOOD}[dependencies]\na.workspace = true\nb = {{ workspace = true, features = [] }}\n"), &[]);
        check(&format!("{GOOD}[dependencies]\na = \"1\"\n"), &["[dependencies] a has a version of its own"]);
        check(
            &format!("{GOOD}[dev-dependencies]\na = {{ path = \"../a\" }}\n"),
            &["[dev-dependencies] a has a version"],
        );
        check(&GOOD.replace("edition.workspace = true", "edition = \"2024\""), &["its own `edition`"]);
        check(&GOOD.replace("[lints]\nworkspace = true\n", ""), &["lints of its own"]);
    }

    #[test]
    fn a_crate_is_named_by_a_whole_word() {
        assert!(names_crate("use tokio_util::sync;", "tokio-util"));
        assert!(names_crate("tokio::spawn(x)", "tokio"));
        assert!(!names_crate("use tokio_util::sync;", "tokio"));
        assert!(!names_crate("use my_tokio;", "tokio"));
        assert!(!names_crate("", "tokio"));
    }
}
