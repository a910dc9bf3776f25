//! `spec.providerID` in every form found on nodes.
//!
//! The documented form is `huaweicloud://` and the server's id. What the provider written in Go really wrote is the id alone,
//! and some distributions fix that, so clusters hold both, often side by side. Both are read; what is on a node is never
//! rewritten, as Kubernetes forbids it; new nodes get the documented form. Other schemes (`static://…`) are somebody else's.

/// The scheme, without `://`.
pub(crate) const SCHEME: &str = "huaweicloud";

/// What a node's providerID says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProviderId {
    /// None is set.
    Unset,
    /// A server of this cloud, by its id in lower case.
    Server(String),
    /// Ours by its scheme, but it names no server.
    Malformed,
    /// Another provider's, or a machine outside any cloud.
    Foreign,
}

/// Reads a providerID.
pub(crate) fn parse(text: &str) -> ProviderId {
    match text.split_once("://") {
        None if text.is_empty() => ProviderId::Unset,
        // Without a scheme only a server's id is ours: whatever else somebody wrote there is left alone.
        None => server(text).unwrap_or(ProviderId::Foreign),
        Some((SCHEME, id)) => server(id.trim_start_matches('/')).unwrap_or(ProviderId::Malformed),
        Some(_) => ProviderId::Foreign,
    }
}

/// For a node that has none yet.
pub(crate) fn of_server(id: &str) -> String {
    format!("{SCHEME}://{id}")
}

fn server(id: &str) -> Option<ProviderId> {
    is_uuid(id).then(|| ProviderId::Server(id.to_ascii_lowercase()))
}

/// 32 hex digits in groups of 8, 4, 4, 4 and 12.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a11";

    #[test]
    fn every_form_in_the_wild_is_read() {
        let ours = || ProviderId::Server(ID.to_owned());
        for (text, expected) in [
            ("huaweicloud://5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a11", ours()),
            ("5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a11", ours()),
            ("5F1E1F0E-3A75-4D3F-9A53-2F0A6F8F1A11", ours()),
            ("huaweicloud:///5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a11", ours()),
            ("", ProviderId::Unset),
            ("static://node-1", ProviderId::Foreign),
            ("static://5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a11", ProviderId::Foreign),
            ("HUAWEICLOUD://5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a11", ProviderId::Foreign),
            ("node-1", ProviderId::Foreign),
            ("5f1e1f0e3a754d3f9a532f0a6f8f1a11", ProviderId::Foreign),
            ("huaweicloud://", ProviderId::Malformed),
            ("huaweicloud://node-1", ProviderId::Malformed),
            ("huaweicloud://5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a11/x", ProviderId::Malformed),
            ("huaweicloud://5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a1g", ProviderId::Malformed),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(parse(&of_server(ID)), ProviderId::Server(ID.to_owned()));
    }
}
