//! Who answers.

use std::net::IpAddr;

use cloud_provider_api::v1;
use sha2::{Digest as _, Sha256};

use crate::{
    annotations::Settings,
    api::balancers::Kind,
    nodes::provider_id::{self, ProviderId},
    plan::{Note, owner::Owner},
};

/// Most servers behind a load balancer or in a group.
pub(crate) const MOST: u16 = 50;
/// The weight of a server that gets its share.
const FULL: u16 = 100;

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WantedMember {
    /// The machine's id; at the edge its address.
    pub(crate) target: String,
    /// 0 for one that is to get no new connections.
    pub(crate) weight: u16,
}

/// The members that the load balancer gets: all, or as many as it takes.
///
/// Which they are is decided by a hash of Service and machine, so that nodes may come and go without moving others, and Services spread
/// over the cluster.
pub(crate) fn wanted_members(
    owner: &Owner,
    members: Option<&v1::Members>,
    kind: Kind,
    settings: &Settings,
    notes: &mut Vec<Note>,
) -> Vec<WantedMember> {
    let given = members.map_or(&[][..], |members| &members.nodes);
    let (mut found, mut left_out) = (Vec::with_capacity(given.len()), Vec::new());
    for node in given {
        match target(node, kind) {
            Some(target) => found.push(WantedMember { target, weight: if node.draining { 0 } else { FULL } }),
            None => left_out.push(node.node_name.as_str()),
        }
    }
    if !left_out.is_empty() {
        let (what, shown) =
            (if kind == Kind::Edge { "an internal IPv4 address" } else { "a machine in the region" }, 5);
        let more = left_out.len().saturating_sub(shown);
        let mut names = left_out[..left_out.len().min(shown)].join(", ");
        if more > 0 {
            names = format!("{names} and {more} more");
        }
        let message = format!("left out, as they are not known to be {what}: {names}");
        notes.push(Note { reason: "MembersLeftOut", warning: true, message });
    }
    let most = usize::from(settings.most_servers.unwrap_or(MOST));
    found.sort();
    found.dedup_by(|later, first| later.target == first.target);
    if found.len() > most {
        found.sort_by_cached_key(|member| Sha256::digest(format!("{}/{}", owner.uid, member.target)));
        found.truncate(most);
        found.sort();
    }
    found
}

fn target(node: &v1::NodeMember, kind: Kind) -> Option<String> {
    if kind == Kind::Edge {
        let internal = node.addresses.iter().filter(|address| address.r#type() == v1::AddressType::InternalIp);
        return internal
            .filter_map(|address| address.address.parse::<IpAddr>().ok())
            .find(IpAddr::is_ipv4)
            .map(|ip| ip.to_string());
    }
    match provider_id::parse(&node.provider_id) {
        ProviderId::Machine(id) if !provider_id::is_at_the_edge(&id) => Some(id),
        _ => None,
    }
}
