//! What we keep in the cloud's own record, the description.
//!
//! Of a load balancer of ours, and of a group on the user's: whose it is, the address that was made for it, and the hash of what was
//! last achieved, with a digest of the servers it was achieved with. Servers that came or went since are not written down, for that would
//! be a second call for each: the digest of those that are there tells that they are others. On the user's BLB, which has no other place for it: a word for
//! each Service that uses it, behind what the user wrote.

use std::collections::BTreeSet;

use provider_kit::load_balancers::{same_spec, with_unknown_members};
use sha2::{Digest as _, Sha256};

use super::{
    PortKey,
    owner::{EIP_MARK, GO_MARK, Owner, field_of},
};
use crate::api::balancers::Kind;

/// Longest description, in bytes.
pub(crate) const LONGEST: usize = 450;

/// What a description of ours says beside the owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The address that was last made for the Service.
    pub(crate) eip: Option<String>,
    /// The address of the user's that was bound.
    pub(crate) using: Option<String>,
    /// The scheduler is what it is for the sake of `sessionAffinity`.
    pub(crate) sticky: bool,
    /// On the user's load balancer: the ports that are the Service's.
    pub(crate) ports: BTreeSet<PortKey>,
    /// On an AppBLB of ours: the id of the Service's group, so that its servers are found without a list of groups.
    pub(crate) group: Option<String>,
    /// What was achieved. `None`: something is left to do.
    pub(crate) done: Option<Done>,
}

/// What was achieved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// The caller's hash.
    pub(crate) hash: String,
    /// [`digest`] of the servers.
    pub(crate) members: String,
}

impl Record {
    /// Of a description.
    pub(crate) fn read(description: &str) -> Self {
        let text = |field: &str| field_of(description, field).map(ToOwned::to_owned);
        Self {
            eip: text("eip="),
            using: text("use="),
            sticky: field_of(description, "sticky").is_some(),
            ports: field_of(description, "ports=").map(parse_ports).unwrap_or_default(),
            group: text("group="),
            done: field_of(description, "done=").and_then(|done| {
                let (members, hash) = done.split_once(':')?;
                Some(Done { hash: hash.to_owned(), members: members.to_owned() })
            }),
        }
    }

    /// As a description, which the Go provider recognises, too. The Service's name comes last: it alone may be cut.
    pub(crate) fn write(&self, owner: &Owner) -> String {
        let mut text = if self.eip.is_some() { EIP_MARK.to_owned() } else { String::new() };
        text.push_str(GO_MARK);
        text.push_str(&owner.cce);
        let mut words = vec![text, owner.mark()];
        words.extend(owner.tenant_word());
        words.extend(self.eip.as_ref().map(|eip| format!("eip={eip}")));
        words.extend(self.using.as_ref().map(|eip| format!("use={eip}")));
        words.extend(self.sticky.then(|| "sticky".to_owned()));
        words.extend((!self.ports.is_empty()).then(|| format!("ports={}", write_ports(&self.ports))));
        words.extend(self.group.as_ref().map(|group| format!("group={group}")));
        words.extend(self.done.as_ref().map(|done| format!("done={}:{}", done.members, done.hash)));
        words.push(format!("svc={}/{}", owner.namespace, owner.service));
        let mut text = words.join(" ");
        text.truncate(text.floor_char_boundary(LONGEST));
        text
    }

    /// The hash that holds for these servers; of its spec alone, if they are others than those it was recorded with. `None`: something
    /// is left to do. `lately`: what was achieved since, which a change of servers alone does not write down.
    pub(crate) fn achieved(&self, members: &str, lately: Option<&Done>) -> Option<String> {
        let recorded = self.done.as_ref()?;
        let lately = lately.filter(|lately| same_spec(&lately.hash, &recorded.hash));
        let holds = lately.into_iter().chain([recorded]).find(|done| done.members == members);
        Some(holds.map_or_else(|| with_unknown_members(&recorded.hash), |done| done.hash.clone()))
    }

    /// Whether a change of servers alone leaves it true: whoever reads it compares the servers that are there, which takes no list.
    pub(crate) fn outlasts_members(&self, kind: Kind) -> bool {
        kind == Kind::Plain || (kind == Kind::App && self.group.is_some())
    }
}

fn write_ports(ports: &BTreeSet<PortKey>) -> String {
    let word = |key: &PortKey| format!("{}{}", if key.udp { 'U' } else { 'T' }, key.port);
    ports.iter().map(word).collect::<Vec<_>>().join(".")
}

fn parse_ports(text: &str) -> BTreeSet<PortKey> {
    let port = |word: &str| {
        let udp = word.starts_with('U');
        word.get(1..)?.parse().ok().map(|port| PortKey { udp, port })
    };
    text.split('.').filter_map(port).collect()
}

/// Short digest of a set of servers, whatever their order.
pub(crate) fn digest<'a>(members: impl IntoIterator<Item = (&'a str, u16)>) -> String {
    let mut lines: Vec<String> = members.into_iter().map(|(target, weight)| format!("{target} {weight}\n")).collect();
    lines.sort_unstable();
    let mut hasher = Sha256::new();
    for line in lines {
        hasher.update(line);
    }
    hex::encode(&hasher.finalize()[..6])
}

/// What one Service says of itself on the user's BLB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Its ports.
    pub(crate) ports: BTreeSet<PortKey>,
    /// There were no servers but those of Services when it came.
    pub(crate) managed: bool,
    /// As in [`Record`].
    pub(crate) sticky: bool,
    /// As in [`Record`].
    pub(crate) using: Option<String>,
}

/// The description of the user's BLB: the user's words, and a share of each Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    words: Vec<String>,
    /// By the first half of the Service's digest.
    pub(crate) of: Vec<(String, Share)>,
}

const SHARE: &str = "k8s+";

impl Shares {
    pub(crate) fn read(description: &str) -> Self {
        let mut shares = Self::default();
        for word in description.split(' ').filter(|word| !word.is_empty()) {
            match word.strip_prefix(SHARE).and_then(parse_share) {
                Some(share) => shares.of.push(share),
                None => shares.words.push(word.to_owned()),
            }
        }
        shares
    }

    /// `None`: it does not fit.
    pub(crate) fn write(&self) -> Option<String> {
        let mut words = self.words.clone();
        words.extend(self.of.iter().map(|(key, share)| {
            let flags: String = [(share.managed, 'm'), (share.sticky, 's')]
                .iter()
                .filter_map(|(set, flag)| set.then_some(*flag))
                .collect();
            let using = share.using.as_deref().map(|ip| format!("/{ip}")).unwrap_or_default();
            format!("{SHARE}{key}={}/{flags}{using}", write_ports(&share.ports))
        }));
        Some(words.join(" ")).filter(|text| text.len() <= LONGEST)
    }

    fn key(owner: &Owner) -> String {
        owner.digest()[..16].to_owned()
    }

    pub(crate) fn get(&self, owner: &Owner) -> Option<&Share> {
        let key = Self::key(owner);
        self.of.iter().find(|(other, _)| *other == key).map(|(_, share)| share)
    }

    /// Those of others.
    pub(crate) fn others(&self, owner: &Owner) -> impl Iterator<Item = &Share> {
        let key = Self::key(owner);
        self.of.iter().filter(move |(other, _)| *other != key).map(|(_, share)| share)
    }

    /// `None` takes it away.
    #[must_use]
    pub(crate) fn with(&self, owner: &Owner, share: Option<Share>) -> Self {
        let key = Self::key(owner);
        let mut shares = self.clone();
        match (shares.of.iter().position(|(other, _)| *other == key), share) {
            (Some(at), Some(share)) => shares.of[at].1 = share,
            (None, Some(share)) => shares.of.push((key, share)),
            (Some(at), None) => drop(shares.of.remove(at)),
            (None, None) => {}
        }
        shares
    }
}

fn parse_share(text: &str) -> Option<(String, Share)> {
    let (key, rest) = text.split_once('=')?;
    let mut pieces = rest.splitn(3, '/');
    let ports = parse_ports(pieces.next()?);
    let flags = pieces.next().unwrap_or_default();
    let using = pieces.next().filter(|ip| !ip.is_empty()).map(ToOwned::to_owned);
    Some((key.to_owned(), Share { ports, managed: flags.contains('m'), sticky: flags.contains('s'), using }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        let text = |text: &str| text.to_owned();
        Owner {
            cluster: text("c1"),
            cce: text("c-1"),
            namespace: text("ns"),
            service: text("web"),
            uid: text("u1"),
            ..Owner::default()
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_the_go_provider_finds_its_mark() {
        let done = Some(Done { hash: "s-m".to_owned(), members: digest([("i-1", 100)]) });
        let ports = BTreeSet::from([PortKey { udp: false, port: 80 }, PortKey { udp: true, port: 53 }]);
        let record = Record {
            eip: Some("106.12.0.9".to_owned()),
            using: Some("1.2.3.4".to_owned()),
            sticky: true,
            ports,
            group: Some("sg-1".to_owned()),
            done,
        };
        let text = record.write(&owner());
        assert!(text.starts_with("cce_auto_create_eipauto generated by cce:c-1 k8s:c1/u1 "), "{text}");
        assert_eq!(Record::read(&text), record);
        assert_eq!(Record::read("by hand done=x:y"), Record::default());
        let long = Owner { namespace: "n".repeat(63), service: "s".repeat(400), ..owner() };
        assert!(record.write(&long).len() <= LONGEST);
        assert_eq!(Record::read(&record.write(&long)), record);
    }

    #[test]
    fn a_hash_holds_for_the_servers_it_was_recorded_or_achieved_with() {
        let done = |hash: &str, members: &str| Done { hash: hash.to_owned(), members: members.to_owned() };
        let record = |recorded: Option<Done>| Record { done: recorded, ..Record::default() };
        let recorded = || Some(done("s1-m1", "a"));
        for (recorded, there, lately, expected) in [
            (None, "a", None, None),
            (None, "a", Some(done("s1-m1", "a")), None),
            (recorded(), "a", None, Some("s1-m1")),
            (recorded(), "b", None, Some("s1-")),
            (recorded(), "b", Some(done("s1-m2", "b")), Some("s1-m2")),
            (recorded(), "c", Some(done("s1-m2", "b")), Some("s1-")),
            (recorded(), "a", Some(done("s1-m2", "b")), Some("s1-m1")),
            // The same servers for another set of nodes.
            (recorded(), "a", Some(done("s1-m2", "a")), Some("s1-m2")),
            // Another spec was recorded since, by somebody else.
            (recorded(), "b", Some(done("s0-m2", "b")), Some("s1-")),
            // A hash that does not tell its halves says nothing of either.
            (Some(done("c0ffee", "a")), "b", None, Some("")),
        ] {
            let told = record(recorded.clone()).achieved(there, lately.as_ref());
            assert_eq!(told.as_deref(), expected, "{recorded:?} {there} {lately:?}");
        }
    }

    #[test]
    fn shares_stand_behind_the_users_own_words() {
        let (first, second) = (owner(), Owner { uid: "u2".to_owned(), ..owner() });
        let port = |port| BTreeSet::from([PortKey { udp: false, port }]);
        let share = |number, managed| Share { ports: port(number), managed, ..Share::default() };
        let shares = Shares::read("the team's BLB").with(&first, Some(share(80, true)));
        let text = shares.with(&second, Some(Share { using: Some("1.2.3.4".to_owned()), ..share(81, false) })).write();
        let read = Shares::read(&text.unwrap());
        assert_eq!(read.get(&first), Some(&share(80, true)));
        assert_eq!(read.get(&second).unwrap().using.as_deref(), Some("1.2.3.4"));
        assert_eq!(read.others(&first).count(), 1);
        let left = read.with(&first, None).with(&second, None);
        assert_eq!(left.write().as_deref(), Some("the team's BLB"));
        assert_eq!(Shares::read(&"x".repeat(LONGEST)).with(&first, Some(share(1, true))).write(), None);
    }
}
