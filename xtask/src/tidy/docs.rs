//! Documents: links lead somewhere, and the commands people are told are the ones the checks run.

use std::path::Path;

use anyhow::Result;

use super::tree::{Tree, has_extension};

/// Lists every document.
const INDEX: &str = "docs/README.md";

/// The test command, in the README and in the checks.
const TEST_COMMAND: &str = "cargo test --workspace";

/// Looks through the documents.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for file in tree.files.iter().filter(|file| has_extension(file, "md")) {
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        for target in local_links(&tree.read(file)?) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_within_the_tree_are_told_from_others() {
        let text = "[a](docs/a.md) [b](https://example.com/b) [c](#c) [d](../d.md#part) [e] (f) `x[0](y z)`";
        assert_eq!(local_links(text), ["docs/a.md", "../d.md#part"]);
    }
}
