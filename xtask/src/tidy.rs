//! The rules of the tree, executable. Each check is a function from what it looks at to what is wrong, a sentence each.

mod contents;
mod crypto;
mod docs;
mod lock;
mod manifests;
mod map;
mod modules;
mod rooms;
mod tree;

use std::path::Path;

use anyhow::Result;

use tree::Tree;

/// Everything that is wrong with the tree at `root`, in a stable order. Empty: it is tidy.
///
/// # Errors
/// When the tree cannot be read at all: no workspace there, or a file that does not parse.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let tree = Tree::load(root)?;
    let rooms = map::rooms(&tree.read("ARCHITECTURE.md")?)?;
    let lock = lock::Lock::parse(&tree.read("Cargo.lock")?)?;

    let mut wrong = Vec::new();
    wrong.extend(map::check(&rooms, &tree));
    wrong.extend(rooms::check(&rooms, &tree.packages));
    wrong.extend(rooms::check_core(&tree, &lock)?);
    wrong.extend(manifests::check(&tree)?);
    wrong.extend(modules::check(&tree)?);
    wrong.extend(crypto::check(&lock));
    wrong.extend(contents::check(&tree)?);
    wrong.extend(docs::check(&tree)?);
    wrong.sort();
    wrong.dedup();
    Ok(wrong)
}
