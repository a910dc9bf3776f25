//! The tree this is built from is tidy.

use std::path::Path;

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the workspace");
    let wrong = xtask::tidy::check(root).expect("the tree can be read");
    assert!(wrong.is_empty(), "`cargo xtask tidy` finds:\n  {}", wrong.join("\n  "));
}
