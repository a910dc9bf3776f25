//! What we keep in the cloud's own record, the description: whose it is, which public address we allocated for it, and the hash of
//! what was last achieved, with a digest of the members it was achieved with.
//!
//! A member added later costs one call, so the hash of the larger set travels in that call, in the new member's name.

use sha2::{Digest as _, Sha256};

use super::owner::{Owner, cut, field_of};
use crate::api::elb::Member;

/// Written for a public address made in the same call, whose id is not known yet.
pub const EIP_NEW: &str = "new";

/// What a description of ours says beside the owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Id of the public address we allocated, or [`EIP_NEW`].
    pub eip: Option<String>,
    /// Id of the user's IP group an annotation put on the listener.
    pub acl: Option<String>,
    /// Connections reach members with the member's address as destination, and have to: a port speaks HTTP or TLS.
    pub proxy: bool,
    /// What was achieved. `None`: something is left to do.
    pub done: Option<Done>,
}

/// What was achieved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The caller's hash.
    pub hash: String,
    /// [`digest`] of the members.
    pub members: String,
}

impl Done {
    fn word(&self) -> String {
        format!("done={}:{}", self.members, self.hash)
    }

    fn parse(text: &str) -> Option<Self> {
        let (members, hash) = text.split_once(':')?;
        Some(Self { hash: hash.to_owned(), members: members.to_owned() })
    }
}

impl Record {
    /// Of a description.
    pub fn read(description: &str) -> Self {
        Self {
            eip: field_of(description, "eip=").map(ToOwned::to_owned),
            acl: field_of(description, "acl=").map(ToOwned::to_owned),
            proxy: field_of(description, "mode=") == Some("proxy"),
            done: field_of(description, "done=").and_then(Done::parse),
        }
    }

    /// As a description. The Service's name comes last: it alone may be cut.
    pub fn write(&self, owner: &Owner, key: Option<super::PortKey>) -> String {
        let mut words = vec![owner.mark()];
        words.extend(owner.tenant_word());
        words.extend(key.map(|key| format!("port={key}")));
        words.extend(self.eip.as_ref().map(|eip| format!("eip={eip}")));
        words.extend(self.acl.as_ref().map(|acl| format!("acl={acl}")));
        words.extend(self.proxy.then(|| "mode=proxy".to_owned()));
        words.extend(self.done.as_ref().map(Done::word));
        words.push(format!("svc={}/{}", owner.namespace, owner.service));
        cut(words.join(" "))
    }
}

/// The name of a member: its node's, and in the call that changes the set, what is achieved by it.
pub fn member_name(node: &str, done: Option<&Done>) -> String {
    match done {
        None => cut(node.to_owned()),
        Some(done) => {
            let word = done.word();
            let mut node = node.to_owned();
            node.truncate(node.floor_char_boundary(254 - word.len().min(254)));
            format!("{node} {word}")
        }
    }
}

/// What a member's name says was achieved.
fn of_member(name: &str) -> Option<Done> {
    name.split(' ').find_map(|word| word.strip_prefix("done=")).and_then(Done::parse)
}

/// Short digest of a set of members, whatever their order: address, port and weight of each.
pub fn digest<'a>(members: impl IntoIterator<Item = (&'a str, u16, u32)>) -> String {
    let mut lines: Vec<String> =
        members.into_iter().map(|(address, port, weight)| format!("{address} {port} {weight}\n")).collect();
    lines.sort_unstable();
    let mut hasher = Sha256::new();
    for line in lines {
        hasher.update(line);
    }
    hex::encode(&hasher.finalize()[..6])
}

/// The hash that holds for the members that are there: the record's, or that of the member that made the set what it is.
pub fn achieved(record: &Record, members: &[Member]) -> Option<String> {
    // Nothing is achieved before it was recorded once.
    let recorded = record.done.as_ref()?;
    let seen = digest(members.iter().map(|m| (m.address.as_str(), m.protocol_port, m.weight.unwrap_or(1))));
    if recorded.members == seen {
        return Some(recorded.hash.clone());
    }
    members.iter().find_map(|member| of_member(&member.name).filter(|done| done.members == seen)).map(|done| done.hash)
}
