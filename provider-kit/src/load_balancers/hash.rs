//! The caller's hash of a load balancer, `SPEC-MEMBERS`: which half of it a daemon knows to be achieved.

/// Whether two are of the same spec, whatever the members. One without a hyphen stands for both.
#[must_use]
pub fn same_spec(one: &str, other: &str) -> bool {
    one == other || spec(one).is_some_and(|one| spec(other) == Some(one))
}

/// Says that its spec is achieved, and that nobody knows of which members. Empty, that nothing is known, if it does not tell its spec
/// from its members.
#[must_use]
pub fn with_unknown_members(hash: &str) -> String {
    spec(hash).map(|spec| format!("{spec}-")).unwrap_or_default()
}

fn spec(hash: &str) -> Option<&str> {
    hash.split_once('-').map(|(spec, _)| spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hyphen_tells_spec_from_members() {
        for (one, other, same) in [
            ("s1-m1", "s1-m1", true),
            ("s1-m1", "s1-m2", true),
            ("s1-m1", "s2-m1", false),
            ("s1-", "s1-m1", true),
            ("s1", "s1-m1", false),
            ("s1", "s1", true),
            ("s1", "s2", false),
        ] {
            assert_eq!(same_spec(one, other), same, "{one} {other}");
        }
        assert_eq!(with_unknown_members("s1-m1"), "s1-");
        assert_eq!(with_unknown_members("c0ffee"), "");
    }
}
