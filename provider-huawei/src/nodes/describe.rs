//! A server in the API's words.

use std::collections::HashMap;

use cloud_provider_api::v1::{Instance, InstanceState, NodeReference};
use provider_kit::inventory::{internal_ips, tag_labels};

use super::{addresses, machine::Machine, provider_id};
use crate::options::NetworkingOptions;

/// Prefix of labels made from tags.
const TAG_LABELS: &str = "tags.huaweicloud.com/";

/// What decides how servers are described, besides themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The account's id: the project.
    pub(crate) account: String,
    /// The configured region.
    pub(crate) region: String,
    /// What is inside and outside.
    pub(crate) networks: NetworkingOptions,
    /// Keys of the tags that become labels.
    pub(crate) tag_labels: Vec<String>,
}

/// What the API is told of a node's server.
pub(crate) fn instance(node: &NodeReference, machine: &Machine, view: &View) -> Instance {
    let provider_id =
        if node.provider_id.is_empty() { provider_id::of_server(&machine.id) } else { node.provider_id.clone() };
    Instance {
        provider_id,
        instance_type: machine.flavor.clone(),
        zone: machine.zone.clone(),
        region: view.region.clone(),
        addresses: addresses::of(machine, &view.networks, addresses::wants_ipv6(&internal_ips(node))),
        state: state(machine).into(),
        labels: labels(&machine.tags, &view.tag_labels),
        account: view.account.clone(),
    }
}

/// The power state. A server in the recycle bin can be brought back, so it is on its way out and not gone.
pub(crate) fn state(machine: &Machine) -> InstanceState {
    match machine.status.as_str() {
        "ACTIVE" if machine.frozen => InstanceState::Stopped,
        "ACTIVE" => InstanceState::Running,
        "BUILD" => InstanceState::Pending,
        "REBOOT" | "HARD_REBOOT" | "MIGRATING" | "REBUILD" | "RESIZE" | "REVERT_RESIZE" | "VERIFY_RESIZE" => {
            InstanceState::Changing
        }
        "SHUTOFF" | "PAUSED" | "SUSPENDED" | "SHELVED" | "SHELVED_OFFLOADED" => InstanceState::Stopped,
        "DELETED" | "SOFT_DELETED" => InstanceState::Terminating,
        "ERROR" => InstanceState::Failed,
        _ => InstanceState::Unspecified,
    }
}

fn labels(tags: &[String], wanted: &[String]) -> HashMap<String, String> {
    tag_labels(TAG_LABELS, tags.iter().map(|tag| tag.split_once('=').unwrap_or((tag, ""))), wanted)
}

#[cfg(test)]
mod tests {
    use super::{super::machine::testing::machine, *};

    const ID: &str = "5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a11";

    fn node(provider_id: &str) -> NodeReference {
        NodeReference { node_name: "a".to_owned(), provider_id: provider_id.to_owned(), ..NodeReference::default() }
    }

    #[test]
    fn the_form_on_the_node_is_kept_and_a_new_one_has_the_scheme() {
        let machine = machine(ID, "a", "10.0.0.1");
        let told = |on_node: &str| instance(&node(on_node), &machine, &View::default()).provider_id;
        assert_eq!(told(""), format!("huaweicloud://{ID}"));
        assert_eq!(told(ID), ID);
        assert_eq!(told(&format!("huaweicloud://{ID}")), format!("huaweicloud://{ID}"));
    }

    #[test]
    fn every_status_has_its_meaning() {
        use InstanceState::{Changing, Failed, Pending, Running, Stopped, Terminating, Unspecified};
        for (status, frozen, expected) in [
            ("ACTIVE", false, Running),
            ("ACTIVE", true, Stopped),
            ("BUILD", false, Pending),
            ("DELETED", false, Terminating),
            ("SOFT_DELETED", false, Terminating),
            ("ERROR", false, Failed),
            ("HARD_REBOOT", false, Changing),
            ("MIGRATING", false, Changing),
            ("PAUSED", false, Stopped),
            ("REBOOT", false, Changing),
            ("REBUILD", false, Changing),
            ("RESIZE", false, Changing),
            ("REVERT_RESIZE", false, Changing),
            ("SHELVED", false, Stopped),
            ("SHELVED_OFFLOADED", false, Stopped),
            ("SHUTOFF", false, Stopped),
            ("SHUTOFF", true, Stopped),
            ("SUSPENDED", false, Stopped),
            ("UNKNOWN", false, Unspecified),
            ("VERIFY_RESIZE", false, Changing),
            ("", false, Unspecified),
            ("SOMETHING_NEW", false, Unspecified),
        ] {
            let machine = Machine { status: status.to_owned(), frozen, ..machine(ID, "a", "10.0.0.1") };
            assert_eq!(state(&machine), expected, "{status} frozen: {frozen}");
        }
    }

    #[test]
    fn only_tags_that_are_asked_for_and_fit_become_labels() {
        let tags = ["role=worker", "other=x", "note=has blanks", "flag", "edge=-x"].map(str::to_owned);
        let wanted = ["role", "note", "flag", "edge"].map(str::to_owned);
        let expected = [("tags.huaweicloud.com/role", "worker"), ("tags.huaweicloud.com/flag", "")];
        let expected: HashMap<String, String> =
            expected.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        assert_eq!(labels(&tags, &wanted), expected);
        assert!(labels(&tags, &[]).is_empty());
    }
}
