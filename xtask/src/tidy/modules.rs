//! Every Rust file is reached by a `mod` from the root of a target: one that is not is never compiled and its tests never
//! run. And every one that is reached says at its top what it is for.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result};
use syn::{Attribute, Expr, Item, ItemMod, Lit, Meta};

use super::tree::{Package, Tree};

/// Compares the files of each package with those its targets reach.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for package in &tree.packages {
        let mut reached = BTreeSet::new();
        for root in &package.targets {
            reach(tree, Path::new(root), true, &mut reached)?;
        }
        for file in tree.rust_files(package) {
            if !reached.contains(file) {
                wrong.push(format!("{file}: no `mod` reaches it, so it is never compiled"));
            } else if !is_test(package, file) && !is_documented(file, &tree.read(file)?)? {
                wrong.push(format!("{file}: does not say what it is for: begin it with `//!`"));
            }
        }
    }
    Ok(wrong)
}

/// Tests describe themselves by their names; only the root of a package's integration tests needs a word on them as a whole.
fn is_test(package: &Package, file: &str) -> bool {
    let integration = file.strip_prefix(&package.dir).is_some_and(|rest| rest.starts_with("/tests/"));
    file.ends_with("/tests.rs") || (integration && !package.targets.iter().any(|root| root == file))
}

fn is_documented(path: &str, source: &str) -> Result<bool> {
    let file = syn::parse_file(source).with_context(|| path.to_owned())?;
    Ok(file.attrs.iter().any(|attribute| attribute.path().is_ident("doc")))
}

/// Adds a file and those its `mod` items name. `owns_folder`: it is a root or a `mod.rs`, whose modules lie beside it.
fn reach(tree: &Tree, file: &Path, owns_folder: bool, reached: &mut BTreeSet<String>) -> Result<()> {
    let name = file.to_str().context("paths are UTF-8")?.to_owned();
    if !tree.files.contains(&name) || !reached.insert(name.clone()) {
        return Ok(());
    }
    let parsed = syn::parse_file(&tree.read(&name)?).with_context(|| name.clone())?;
    let beside = file.parent().unwrap_or(Path::new("")).to_owned();
    let below = if owns_folder { beside.clone() } else { beside.join(file.file_stem().unwrap_or_default()) };
    let mut found = Vec::new();
    modules(&parsed.items, &beside, &below, &mut found);
    for path in found {
        let owns_folder = path.file_name().is_some_and(|name| name == "mod.rs");
        reach(tree, &path, owns_folder, reached)?;
    }
    Ok(())
}

/// Files that the items of a module may stand for. `#[path]` counts from `beside`, the folder of the file they are in.
fn modules(items: &[Item], beside: &Path, below: &Path, found: &mut Vec<PathBuf>) {
    for item in items {
        if let Item::Mod(ItemMod { attrs, ident, content, .. }) = item {
            let name = ident.to_string();
            let name = name.trim_start_matches("r#");
            match (content, path_attribute(attrs)) {
                (Some((_, inner)), _) => modules(inner, &below.join(name), &below.join(name), found),
                (None, Some(path)) => found.push(normal(&beside.join(path))),
                (None, None) => {
                    found.push(below.join(format!("{name}.rs")));
                    found.push(below.join(name).join("mod.rs"));
                }
            }
        }
    }
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], targets: &[&str], expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        for (path, source) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, source).unwrap();
        }
        let tree = Tree {
            root: dir.path().to_owned(),
            files: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
            packages: vec![Package {
                name: "p".to_owned(),
                dir: "p".to_owned(),
                dependencies: Vec::new(),
                targets: targets.iter().map(|&target| target.to_owned()).collect(),
            }],
        };
        let found = super::check(&tree).unwrap();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        assert!(found.iter().zip(expected).all(|(found, start)| found.starts_with(start)), "{found:#?}");
    }

    #[test]
    fn files_are_reached_through_mod_items() {
        check(
            &[
                ("p/src/lib.rs", "//! P.\nmod a; mod inline { mod b; } #[path = \"odd/name.rs\"] mod c;"),
                ("p/src/a.rs", "//! A.\nmod deep; #[cfg(test)] mod tests;"),
                ("p/src/a/deep/mod.rs", "//! D.\nmod er;"),
                ("p/src/a/deep/er.rs", "//! E."),
                ("p/src/a/tests.rs", ""),
                ("p/src/inline/b.rs", "//! B."),
                ("p/src/odd/name.rs", "//! C."),
                ("p/tests/it/main.rs", "//! T.\nmod one;"),
                ("p/tests/it/one.rs", ""),
            ],
            &["p/src/lib.rs", "p/tests/it/main.rs"],
            &[],
        );
    }

    #[test]
    fn a_file_nothing_includes_is_found() {
        check(
            &[("p/src/lib.rs", "//! P."), ("p/src/orphan.rs", "//! O.")],
            &["p/src/lib.rs"],
            &["p/src/orphan.rs: no `mod` reaches it"],
        );
        // A module of a file beside the root lies in that file's folder, not beside it.
        check(
            &[("p/src/lib.rs", "//! P.\nmod a;"), ("p/src/a.rs", "//! A.\nmod b;"), ("p/src/b.rs", "//! B.")],
            &["p/src/lib.rs"],
            &["p/src/b.rs: no `mod` reaches it"],
        );
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_for_is_found() {
        check(
            &[
                ("p/src/lib.rs", "//! P.\nmod a;"),
                ("p/src/a.rs", "// A.\n/// F.\nfn f() {}"),
                ("p/tests/it/main.rs", "mod one;"),
                ("p/tests/it/one.rs", ""),
            ],
            &["p/src/lib.rs", "p/tests/it/main.rs"],
            &["p/src/a.rs: does not say", "p/tests/it/main.rs: does not say"],
        );
    }
}
