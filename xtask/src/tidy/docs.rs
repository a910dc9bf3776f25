//! Documents: links lead somewhere, and the commands people are told are the ones the checks run.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;

use super::tree::{Tree, has_extension, is_inside};

/// Lists every document.
const INDEX: &str = "docs/README.md";

/// The test command, in the README and in the checks.
const TEST_COMMAND: &str = "cargo test --workspace";

/// Looks through the documents.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let folders: BTreeSet<&str> = tree.files.iter().filter_map(|file| Some(file.split_once('/')?.0)).collect();
    for file in tree.files.iter().filter(|file| has_extension(file, "md")) {
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let text = tree.read(file)?;
        for path in named_paths(&text, &folders) {
            if !tree.files.iter().any(|file| is_named(file, &path)) {
                wrong.push(format!("{file}: there is no `{path}`"));
            }
        }
        for target in local_links(&text) {
            if !tree.root.join(folder).join(target.split('#').next().unwrap_or_default()).exists() {
                wrong.push(format!("{file}: the link to {target} leads nowhere"));
            }
        }
    }
    let index = tree.read(INDEX)?;
    for file in tree.files.iter().filter(|file| has_extension(file, "md") && *file != INDEX) {
        if let Some(name) = file.strip_prefix("docs/").filter(|name| !local_links(&index).contains(name)) {
            wrong.push(format!("{INDEX}: does not list {name}"));
        }
    }
    for file in ["README.md", ".ci/run"] {
        if !tree.read(file)?.lines().any(|line| line.trim().ends_with(TEST_COMMAND)) {
            wrong.push(format!("{file}: does not have the test command `{TEST_COMMAND}`"));
        }
    }
    Ok(wrong)
}

/// Targets of `[text](target)` that are files of the tree.
fn local_links(text: &str) -> Vec<&str> {
    let targets = text.match_indices("](").filter_map(|(at, open)| text[at + open.len()..].split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with('#') && !target.contains(' ')).collect()
}

/// What is written as code and begins like a path from the root: `controller/src/run.rs`. Braces stand for several.
fn named_paths(text: &str, folders: &BTreeSet<&str>) -> Vec<String> {
    let code = text.split('`').skip(1).step_by(2).filter(|code| !code.contains(char::is_whitespace));
    let paths = code.filter(|code| code.split_once('/').is_some_and(|(first, _)| folders.contains(first)));
    paths.flat_map(expand).collect()
}

/// `a/{b,c}.rs` → `a/b.rs`, `a/c.rs`.
fn expand(path: &str) -> Vec<String> {
    let Some((before, (inside, after))) = path.split_once('{').and_then(|(a, rest)| Some((a, rest.split_once('}')?)))
    else {
        return vec![path.to_owned()];
    };
    inside.split(',').map(|one| format!("{before}{one}{after}")).collect()
}

/// Whether a file is what a document calls by this path: itself, a folder it is in, a module without `.rs`, or one of those
/// a `*` stands for.
fn is_named(file: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    match path.split_once('*') {
        Some((before, after)) => file.starts_with(before) && file.ends_with(after),
        None => is_inside(file, path) || file.strip_prefix(path) == Some(".rs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_written_as_code_are_found() {
        let text = "`a/b.rs` and `a/{c,d}.rs`, not `e/f.rs`, `x a/b`, a/g.rs or\n```sh\ncat a/h.rs\n```\n`a/i`";
        assert_eq!(named_paths(text, &["a"].into()), ["a/b.rs", "a/c.rs", "a/d.rs", "a/i"]);
    }

    #[test]
    fn a_path_names_a_file_a_folder_or_a_module() {
        for path in ["a/b/c.rs", "a/b/c", "a/b", "a/b/", "a/b/*.rs"] {
            assert!(is_named("a/b/c.rs", path), "{path}");
        }
        for path in ["a/b/c.r", "a/c", "a/b/d", "a/b/*.md"] {
            assert!(!is_named("a/b/c.rs", path), "{path}");
        }
    }

    #[test]
    fn links_within_the_tree_are_told_from_others() {
        let text = "[a](docs/a.md) [b](https://example.com/b) [c](#c) [d](../d.md#part) [e] (f) `x[0](y z)`";
        assert_eq!(local_links(text), ["docs/a.md", "../d.md#part"]);
    }
}
