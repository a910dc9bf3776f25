//! The machine of a node that has no providerID yet.
//!
//! A wrong answer here would give a node another machine's addresses and, later, that machine's fate, so everything that is
//! not beyond doubt is an error a person reads. Nothing found is never absence: no machine has been asked for by its id.

use std::net::IpAddr;

use super::Machine;

/// What is known of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clues<'a> {
    /// Its name.
    pub name: &'a str,
    /// The internal addresses its kubelet was given or reports.
    pub ips: Vec<IpAddr>,
    /// The VPC the cluster is configured for. Empty: any.
    pub vpc: &'a str,
}

/// Why there is no machine to be named. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unidentified {
    /// None fits.
    #[error(
        "no machine is named {name:?}{}; name the machine after the node, start the kubelet with --node-ip, or set \
         spec.providerID to {scheme}://<machine id>", addresses(.ips)
    )]
    NoMatch {
        /// The node's.
        name: String,
        /// The node's.
        ips: Vec<IpAddr>,
        /// Of the provider's ids.
        scheme: &'static str,
    },
    /// More than one fits.
    #[error("several machines could be node {name:?}: {}; set spec.providerID to {scheme}://<machine id>", .ids.join(", "))]
    Several {
        /// The node's.
        name: String,
        /// The machines'.
        ids: Vec<String>,
        /// Of the provider's ids.
        scheme: &'static str,
    },
    /// The name fits and the address does not.
    #[error(
        "the machine named {name:?}, {id}, does not have the node's address{}; set spec.providerID to {scheme}://<machine id> \
         if it is the node's all the same", addresses(.ips)
    )]
    OtherAddress {
        /// The node's.
        name: String,
        /// The machine's.
        id: String,
        /// The node's.
        ips: Vec<IpAddr>,
        /// Of the provider's ids.
        scheme: &'static str,
    },
}

fn addresses(ips: &[IpAddr]) -> String {
    let words: Vec<String> = ips.iter().map(ToString::to_string).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

/// The machines an answer may come from.
pub trait Candidates<M> {
    /// Those with an address.
    fn with_ip(&self, ip: IpAddr) -> Vec<&M>;

    /// Those with exactly this name.
    fn named(&self, name: &str) -> Vec<&M>;
}

/// The one machine that is the node's: by its internal address within the VPC, then by its exact name.
pub fn identify<'a, M: Machine>(
    clues: &Clues<'_>,
    scheme: &'static str,
    all: &'a impl Candidates<M>,
) -> Result<&'a M, Unidentified> {
    let named = || clues.name.to_owned();
    let ips: Vec<IpAddr> = clues.ips.iter().copied().chain(clues.name.parse()).collect();
    let mut by_ip: Vec<&M> = Vec::new();
    for machine in ips.iter().flat_map(|ip| all.with_ip(*ip)).filter(|machine| !machine.is_leaving()) {
        let in_reach = clues.vpc.is_empty() || machine.is_in(clues.vpc);
        if in_reach && !by_ip.iter().any(|known| known.id() == machine.id()) {
            by_ip.push(machine);
        }
    }
    if !by_ip.is_empty() {
        let has_name = |machine: &&M| machine.names().contains(&clues.name);
        // Private addresses repeat from VPC to VPC; the name may still tell.
        return only(&by_ip)
            .or_else(|| only(&by_ip.iter().copied().filter(has_name).collect::<Vec<_>>()))
            .ok_or_else(|| Unidentified::Several { name: named(), ids: ids(&by_ip), scheme });
    }
    let mut by_name: Vec<&M> = all.named(clues.name).into_iter().filter(|one| !one.is_leaving()).collect();
    if !clues.vpc.is_empty() && by_name.iter().any(|machine| machine.is_in(clues.vpc)) {
        by_name.retain(|machine| machine.is_in(clues.vpc));
    }
    match by_name[..] {
        [] => Err(Unidentified::NoMatch { name: named(), ips, scheme }),
        [machine] if contradicts(machine, &ips) => {
            Err(Unidentified::OtherAddress { name: named(), id: machine.id().to_owned(), ips, scheme })
        }
        [machine] => Ok(machine),
        _ => Err(Unidentified::Several { name: named(), ids: ids(&by_name), scheme }),
    }
}

fn only<'a, M>(machines: &[&'a M]) -> Option<&'a M> {
    if let [machine] = machines { Some(machine) } else { None }
}

fn ids<M: Machine>(machines: &[&M]) -> Vec<String> {
    machines.iter().map(|machine| machine.id().to_owned()).collect()
}

/// The node has an address of a family the machine has addresses of, and it is none of these.
fn contradicts<M: Machine>(machine: &M, ips: &[IpAddr]) -> bool {
    let has = machine.addresses();
    ips.iter().any(|ip| has.iter().any(|(address, _)| address.is_ipv4() == ip.is_ipv4()))
        && !ips.iter().any(|ip| has.iter().any(|(address, _)| address == ip))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{Server, machine},
        *,
    };

    struct Cloud(Vec<Server>);

    impl Candidates<Server> for Cloud {
        fn with_ip(&self, ip: IpAddr) -> Vec<&Server> {
            self.0.iter().filter(|machine| machine.ip == ip).collect()
        }

        fn named(&self, name: &str) -> Vec<&Server> {
            self.0.iter().filter(|machine| machine.name == name).collect()
        }
    }

    fn elsewhere(id: &str, name: &str, ip: &str) -> Server {
        Server { vpc: "vpc-2", ..machine(id, name, ip) }
    }

    fn gone(id: &str, name: &str, ip: &str) -> Server {
        Server { leaving: true, ..machine(id, name, ip) }
    }

    /// Who is node `name` with addresses `ips` (blank-separated) in `vpc`: an id, or a word of the refusal.
    fn check(all: &[Server], (name, ips, vpc): (&str, &str, &str), expected: &str) {
        let ips = ips.split_whitespace().map(|ip| ip.parse().unwrap()).collect();
        let cloud = Cloud(all.to_vec());
        let outcome = identify(&Clues { name, ips, vpc }, "mock", &cloud);
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
        let text =
            Unidentified::NoMatch { name: "a".to_owned(), ips: vec!["10.0.0.7".parse().unwrap()], scheme: "mock" };
        let text = text.to_string();
        assert!(text.contains("(10.0.0.7)") && text.contains("spec.providerID to mock://"), "{text}");
    }
}
