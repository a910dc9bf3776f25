//! Manifests lean on the workspace's tables.

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::tree::Tree;

/// Compares every manifest with the workspace's tables.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for package in &tree.packages {
        let path = format!("{}/Cargo.toml", package.dir);
        let manifest: Table = tree.read(&path)?.parse().with_context(|| path.clone())?;
        wrong.extend(private_settings(&path, &manifest));
    }
    Ok(wrong)
}

/// The tables of a manifest that hold dependencies.
fn dependency_tables(manifest: &Table) -> impl Iterator<Item = (&'static str, &Table)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    kinds.into_iter().filter_map(|kind| Some((kind, manifest.get(kind)?.as_table()?)))
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
}
