//! Chores of this repository. [`tidy`] holds the rules that no compiler checks; the tests run it, so a rule that is broken
//! fails the build.

pub mod tidy;
