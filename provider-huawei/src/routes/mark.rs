//! Whose a route is. A route has no tags and no id, so its description says it.

/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 255;
const PREFIX: &str = "k8s";

/// What a description says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose<'a> {
    /// This cluster's, made for a node.
    Ours {
        /// Name of the Node.
        node: &'a str,
    },
    /// Another cluster's.
    OtherCluster,
    /// Somebody's who does not write marks.
    Unmarked,
}

/// The description of a cluster's route to a node. `None`: it would be too long.
pub(crate) fn write(cluster: &str, node: &str) -> Option<String> {
    let text = format!("{PREFIX}:{cluster}:{node}");
    (text.len() <= MAX_DESCRIPTION).then_some(text)
}

/// Reads a description. Neither ids of clusters nor names of nodes hold a colon.
pub(crate) fn read<'a>(description: &'a str, cluster: &str) -> Whose<'a> {
    let mut parts = description.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(PREFIX), Some(theirs), Some(node), None) if theirs == cluster && !node.is_empty() => Whose::Ours { node },
        (Some(PREFIX), Some(theirs), Some(node), None) if !theirs.is_empty() && !node.is_empty() => Whose::OtherCluster,
        _ => Whose::Unmarked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_by_its_cluster_only() {
        let mark = write("prod-1", "node-1.example").unwrap();
        assert_eq!(mark, "k8s:prod-1:node-1.example");
        assert_eq!(read(&mark, "prod-1"), Whose::Ours { node: "node-1.example" });
        assert_eq!(read(&mark, "prod"), Whose::OtherCluster);
        assert_eq!(read(&mark, "prod-2"), Whose::OtherCluster);
        assert_eq!(write("prod-1", &"n".repeat(253)), None, "the API allows 255 bytes");
    }

    #[test]
    fn what_people_write_is_no_mark() {
        for text in [
            "",
            "to the office",
            "k8s",
            "k8s:",
            "k8s:prod-1",
            "k8s:prod-1:",
            "k8s::node",
            "K8S:prod-1:node",
            "k8s:prod-1:a:b",
        ] {
            assert_eq!(read(text, "prod-1"), Whose::Unmarked, "{text:?}");
        }
    }
}
