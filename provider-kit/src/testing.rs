//! What tests of daemons have in common.

use std::path::Path;

/// Checks that a page of `docs/` is what it is made from, or writes it anew when `UPDATE_DOCS` is set. `manifest`: folder of the crate
/// that has the test.
///
/// # Panics
/// When it is not, with what to do.
#[track_caller]
pub fn is_page(manifest: &str, page: &str, want: &str) {
    let path = Path::new(manifest).join("../docs").join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, want).unwrap_or_else(|error| panic!("docs/{page} is not writable: {error}"));
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        have == want,
        "docs/{page} is out of date: UPDATE_DOCS=1 cargo test, and the first lines of the page say which test"
    );
}
