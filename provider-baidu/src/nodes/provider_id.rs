//! `spec.providerID` in every form found on nodes.
//!
//! The form is `cce://` and the machine's short id, of whichever service. Bare ids are read, too, where they look like the cloud's.
//! Other schemes are somebody else's, and so is a bare text that is no id: users' own machines at the edge carry such.

/// The scheme, without `://`.
pub(crate) const SCHEME: &str = "cce";

/// What a node's providerID says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProviderId {
    /// None is set.
    Unset,
    /// A machine of this cloud.
    Machine(String),
    /// Ours by its scheme, but it names no machine.
    Malformed,
    /// Another provider's, or a machine outside any cloud.
    Foreign,
}

/// Reads a providerID.
pub(crate) fn parse(text: &str) -> ProviderId {
    match text.split_once("://") {
        None if text.is_empty() => ProviderId::Unset,
        None if is_id(text) && has_known_form(text) => ProviderId::Machine(text.to_owned()),
        // `cce:///<zone>/<id>` as well.
        Some((SCHEME, rest)) => match rest.strip_prefix('/') {
            None if is_id(rest) => ProviderId::Machine(rest.to_owned()),
            Some(path) => path
                .rsplit('/')
                .next()
                .filter(|id| is_id(id))
                .map_or(ProviderId::Malformed, |id| ProviderId::Machine(id.to_owned())),
            None => ProviderId::Malformed,
        },
        None | Some(_) => ProviderId::Foreign,
    }
}

/// For a node that has none yet.
pub(crate) fn of_machine(id: &str) -> String {
    format!("{SCHEME}://{id}")
}

/// Whether an id is of a machine at the edge.
pub(crate) fn is_at_the_edge(id: &str) -> bool {
    id.starts_with("vm-")
}

fn has_known_form(id: &str) -> bool {
    id.starts_with("i-") || is_at_the_edge(id)
}

fn is_id(text: &str) -> bool {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=128).contains(&text.len()) && text.bytes().all(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_in_the_wild_is_read() {
        let ours = |id: &str| ProviderId::Machine(id.to_owned());
        for (text, expected) in [
            ("cce://i-AbCd1234", ours("i-AbCd1234")),
            ("cce://vm-x1y2", ours("vm-x1y2")),
            ("cce:///zoneA/i-AbCd1234", ours("i-AbCd1234")),
            ("cce:///i-AbCd1234", ours("i-AbCd1234")),
            ("i-AbCd1234", ours("i-AbCd1234")),
            ("vm-x1y2", ours("vm-x1y2")),
            ("", ProviderId::Unset),
            ("my-own-machine", ProviderId::Foreign),
            ("huaweicloud://i-AbCd1234", ProviderId::Foreign),
            ("CCE://i-AbCd1234", ProviderId::Foreign),
            ("edge://host-1", ProviderId::Foreign),
            ("cce://", ProviderId::Malformed),
            ("cce://a/b", ProviderId::Malformed),
            ("cce:///zoneA/", ProviderId::Malformed),
            ("cce://i-1?x", ProviderId::Malformed),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back_with_its_case() {
        assert_eq!(parse(&of_machine("i-AbCd1234")), ProviderId::Machine("i-AbCd1234".to_owned()));
    }
}
