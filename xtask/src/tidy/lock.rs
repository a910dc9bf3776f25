//! Cargo.lock as a graph.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

/// Where every package from outside has to come from.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The packages of Cargo.lock.
pub(super) struct Lock {
    /// Name → versions and what they depend on. Features and platforms are united: a package that is here may be built.
    packages: BTreeMap<String, BTreeSet<String>>,
    /// Name → number of versions.
    versions: BTreeMap<String, usize>,
    /// Packages from elsewhere than crates.io: name and source.
    pub(super) foreign: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct File {
    package: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    source: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Lock {
    /// Reads the file's text.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).context("Cargo.lock")?;
        let mut lock = Self { packages: BTreeMap::new(), versions: BTreeMap::new(), foreign: Vec::new() };
        for entry in file.package {
            // "name" or, where there are several, "name version".
            let names = entry.dependencies.iter().filter_map(|line| line.split(' ').next()).map(str::to_owned);
            lock.packages.entry(entry.name.clone()).or_default().extend(names);
            *lock.versions.entry(entry.name.clone()).or_default() += 1;
            if let Some(source) = entry.source.filter(|source| source != CRATES_IO) {
                lock.foreign.push((entry.name, source));
            }
        }
        Ok(lock)
    }

    /// How many versions of a package there are.
    pub(super) fn versions(&self, name: &str) -> usize {
        self.versions.get(name).copied().unwrap_or_default()
    }

    /// Everything reachable from these, themselves included.
    pub(super) fn closure<'a>(&'a self, from: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut left: Vec<&str> = from.collect();
        while let Some(name) = left.pop() {
            if found.insert(name) {
                left.extend(self.packages.get(name).into_iter().flatten().map(String::as_str));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closure_follows_every_version() {
        let lock = Lock::parse(
            r#"
            [[package]]
            name = "a"
            version = "1.0.0"
            dependencies = ["b 1.0.0"]
            [[package]]
            name = "b"
            version = "1.0.0"
            source = "registry+https://github.com/rust-lang/crates.io-index"
            [[package]]
            name = "b"
            version = "2.0.0"
            source = "git+https://example.com/b"
            dependencies = ["c"]
            "#,
        )
        .unwrap();
        assert_eq!(lock.closure(["a"].into_iter()), ["a", "b", "c"].into());
        assert_eq!(lock.versions("b"), 2);
        assert_eq!(lock.foreign, [("b".to_owned(), "git+https://example.com/b".to_owned())]);
    }
}
