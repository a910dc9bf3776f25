//! The server of a node that has no providerID yet.
//!
//! A wrong answer here would give a node another machine's addresses and, later, that machine's fate, so everything that is
//! not beyond doubt is an error a person reads. Nothing found is never absence: no server has been asked for by its id.

use std::net::IpAddr;

use super::machine::Machine;

/// What is known of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clues<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The internal addresses its kubelet was given or reports.
    pub(crate) ips: Vec<IpAddr>,
    /// The VPC the cluster is configured for. Empty: any.
    pub(crate) vpc: &'a str,
}

/// Why there is no server to be named. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unidentified {
    #[error(
        "no server is named {name:?}{}; name the server after the node, start the kubelet with --node-ip, or set \
         spec.providerID to huaweicloud://<server id>", addresses(.ips)
    )]
    NoMatch { name: String, ips: Vec<IpAddr> },
    #[error("several servers could be node {name:?}: {}; set spec.providerID to huaweicloud://<server id>", .ids.join(", "))]
    Several { name: String, ids: Vec<String> },
    #[error(
        "the server named {name:?}, {id}, does not have the node's address{}; set spec.providerID to huaweicloud://<server id> \
         if it is the node's all the same", addresses(.ips)
    )]
    OtherAddress { name: String, id: String, ips: Vec<IpAddr> },
}

fn addresses(ips: &[IpAddr]) -> String {
    let words: Vec<String> = ips.iter().map(ToString::to_string).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

/// The servers an answer may come from.
pub(crate) trait Candidates {
    /// Those with an address.
    fn with_ip(&self, ip: IpAddr) -> Vec<&Machine>;

    /// Those with exactly this name.
    fn named(&self, name: &str) -> Vec<&Machine>;
}

/// The one server that is the node's: by its internal address within the VPC, then by its exact name.
pub(crate) fn identify<'a>(clues: &Clues<'_>, all: &'a impl Candidates) -> Result<&'a Machine, Unidentified> {
    let named = || clues.name.to_owned();
    let ips: Vec<IpAddr> = clues.ips.iter().copied().chain(clues.name.parse()).collect();
    let mut by_ip: Vec<&Machine> = Vec::new();
    for machine in ips.iter().flat_map(|ip| all.with_ip(*ip)).filter(|machine| !machine.is_leaving()) {
        let in_reach = clues.vpc.is_empty() || machine.is_in(clues.vpc);
        if in_reach && !by_ip.iter().any(|known| known.id == machine.id) {
            by_ip.push(machine);
        }
    }
    if !by_ip.is_empty() {
        // Private addresses repeat from VPC to VPC; the name may still tell.
        return only(&by_ip)
            .or_else(|| only(&by_ip.iter().copied().filter(|one| one.name == clues.name).collect::<Vec<_>>()))
            .ok_or_else(|| Unidentified::Several { name: named(), ids: ids(&by_ip) });
    }
    let mut by_name: Vec<&Machine> = all.named(clues.name).into_iter().filter(|one| !one.is_leaving()).collect();
    if !clues.vpc.is_empty() && by_name.iter().any(|machine| machine.is_in(clues.vpc)) {
        by_name.retain(|machine| machine.is_in(clues.vpc));
    }
    match by_name[..] {
        [] => Err(Unidentified::NoMatch { name: named(), ips }),
        [machine] if contradicts(machine, &ips) => {
            Err(Unidentified::OtherAddress { name: named(), id: machine.id.clone(), ips })
        }
        [machine] => Ok(machine),
        _ => Err(Unidentified::Several { name: named(), ids: ids(&by_name) }),
    }
}

fn only<'a>(machines: &[&'a Machine]) -> Option<&'a Machine> {
    if let [machine] = machines { Some(machine) } else { None }
}

fn ids(machines: &[&Machine]) -> Vec<String> {
    machines.iter().map(|machine| machine.id.clone()).collect()
}

/// The node has an address of a family the server has addresses of, and it is none of these.
fn contradicts(machine: &Machine, ips: &[IpAddr]) -> bool {
    ips.iter().any(|ip| machine.addresses.iter().any(|address| address.ip.is_ipv4() == ip.is_ipv4()))
        && !ips.iter().any(|ip| machine.has_ip(*ip))
}

#[cfg(test)]
mod tests {
    use super::{
        super::machine::testing::{address, machine},
        *,
    };

    struct Cloud(Vec<Machine>);

    impl Candidates for Cloud {
        fn with_ip(&self, ip: IpAddr) -> Vec<&Machine> {
            self.0.iter().filter(|machine| machine.has_ip(ip)).collect()
        }

        fn named(&self, name: &str) -> Vec<&Machine> {
            self.0.iter().filter(|machine| machine.name == name).collect()
        }
    }

    fn elsewhere(id: &str, name: &str, ip: &str) -> Machine {
        Machine { vpc: "vpc-2".to_owned(), addresses: vec![address(ip, "vpc-2")], ..machine(id, name, ip) }
    }

    fn gone(id: &str, name: &str, ip: &str) -> Machine {
        Machine { status: "SOFT_DELETED".to_owned(), ..machine(id, name, ip) }
    }

    /// Who is node `name` with addresses `ips` (blank-separated) in `vpc`: an id, or a word of the refusal.
    fn check(all: &[Machine], (name, ips, vpc): (&str, &str, &str), expected: &str) {
        let ips = ips.split_whitespace().map(|ip| ip.parse().unwrap()).collect();
        let cloud = Cloud(all.to_vec());
        let outcome = identify(&Clues { name, ips, vpc }, &cloud);
        let told = match &outcome {
            Ok(machine) => machine.id.clone(),
            Err(Unidentified::NoMatch { .. }) => "nobody".to_owned(),
            Err(Unidentified::Several { .. }) => "several".to_owned(),
            Err(Unidentified::OtherAddress { .. }) => "contradiction".to_owned(),
        };
        assert_eq!(told, expected, "{name} {vpc}: {outcome:?}");
    }

    #[test]
    fn the_address_within_the_vpc_decides_before_the_name() {
        let all = [machine("s-1", "a", "10.0.0.1"), machine("s-2", "b", "10.0.0.2"), elsewhere("s-3", "c", "10.0.0.1")];
        check(&all, ("b", "10.0.0.1", "vpc-1"), "s-1");
        check(&all, ("b", "10.0.0.1", "vpc-2"), "s-3");
        check(&all, ("10.0.0.2", "", ""), "s-2");
        check(&all, ("b", "", "vpc-1"), "s-2");
    }

    #[test]
    fn a_name_is_matched_whole() {
        let all = [machine("s-1", "node-10", "10.0.0.1"), machine("s-2", "anode-1", "10.0.0.2")];
        check(&all, ("node-1", "", ""), "nobody");
        check(&all, ("node-10", "", ""), "s-1");
    }

    #[test]
    fn what_is_ambiguous_is_an_error_never_the_first() {
        let all =
            [machine("s-1", "a", "10.0.0.1"), elsewhere("s-2", "a", "10.0.0.1"), elsewhere("s-3", "b", "10.0.0.1")];
        check(&all, ("a", "", ""), "several");
        check(&all, ("a", "10.0.0.1", ""), "several");
        check(&all, ("b", "10.0.0.1", ""), "s-3");
        check(&all, ("a", "", "vpc-1"), "s-1");
        check(&all, ("a", "", "vpc-2"), "s-2");
    }

    #[test]
    fn a_namesake_with_another_address_is_not_the_node() {
        let all = [machine("s-1", "a", "10.0.0.1")];
        check(&all, ("a", "10.0.0.7", "vpc-1"), "contradiction");
        check(&all, ("a", "fd00::7", "vpc-1"), "s-1");
        check(&all, ("a", "10.0.0.7 10.0.0.1", "vpc-1"), "s-1");
    }

    #[test]
    fn a_loopback_address_finds_nobody_and_leaves_the_name_to_decide_nothing_wrong() {
        let all = [machine("s-1", "a", "10.0.0.1")];
        check(&all, ("a", "", "vpc-1"), "s-1");
        check(&all, ("x", "127.0.1.1", "vpc-1"), "nobody");
    }

    #[test]
    fn a_server_in_the_recycle_bin_is_nobodys() {
        let all = [gone("s-1", "a", "10.0.0.1"), machine("s-2", "a", "10.0.0.1")];
        check(&all, ("a", "10.0.0.1", "vpc-1"), "s-2");
        check(&all, ("a", "", ""), "s-2");
        check(&all[..1], ("a", "10.0.0.1", ""), "nobody");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let text = Unidentified::NoMatch { name: "a".to_owned(), ips: vec!["10.0.0.7".parse().unwrap()] }.to_string();
        assert!(text.contains("(10.0.0.7)") && text.contains("spec.providerID"), "{text}");
    }
}
