//! What has to change in a route table.
//!
//! A table may have several rules for a destination, told apart by their sources; a rule of ours has the source "anywhere". A rule that
//! leads elsewhere is replaced, as the Go provider did it: the old one goes, for the table refuses two, and the new one comes.

use std::collections::HashMap;

use ipnet::IpNet;

use super::mark::{self, Whose};

/// A rule as the table has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) destination: String,
    /// Id of the next hop.
    pub(crate) nexthop: String,
    /// What the next hop is: `custom` is a machine.
    pub(crate) kind: String,
    pub(crate) description: String,
}

/// The kind of a rule to a machine.
pub(crate) const TO_MACHINE: &str = "custom";

impl Rule {
    /// Whether it could be one of ours: from anywhere, to a machine.
    fn has_our_form(&self) -> bool {
        self.kind == TO_MACHINE && self.is_from_anywhere()
    }

    fn is_from_anywhere(&self) -> bool {
        matches!(self.source.as_str(), "" | "0.0.0.0/0" | "::/0")
    }
}

/// A route a node is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) node: String,
    pub(crate) destination: IpNet,
    /// Id of the node's machine.
    pub(crate) machine: String,
}

/// A route that is to go, as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unwanted {
    /// The rule's id. Empty: not said.
    pub(crate) id: String,
    /// The node it led to. Empty: not said.
    pub(crate) node: String,
    pub(crate) destination: IpNet,
}

/// What one item takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: it is as it should be.
    Done,
    /// These go, then that comes.
    Change {
        /// Ids of rules.
        delete: Vec<String>,
        /// The rule to make; its id is not known yet.
        create: Option<Rule>,
    },
    /// It cannot be, and why.
    Refused(Refusal),
}

/// Why an item is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another's rule is in the way.
    Taken(Rule),
    /// The rule is not this cluster's.
    NotOurs(Rule),
    /// Two items ask for different routes to one network.
    Twice(IpNet),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let about = |rule: &Rule| {
            let said = if rule.description.is_empty() {
                "no description".to_owned()
            } else {
                format!("description {:?}", rule.description)
            };
            format!("rule {} for {} by {} to {} ({said})", rule.id, rule.destination, rule.kind, rule.nexthop)
        };
        match self {
            Self::Taken(rule) => {
                write!(f, "the route table has {}; remove it, or give the cluster other pod networks", about(rule))
            }
            Self::NotOurs(rule) => write!(f, "{} was not made for this cluster and stays", about(rule)),
            Self::Twice(destination) => write!(f, "two routes of one request are for {destination}"),
        }
    }
}

/// A table, by destination.
pub(crate) struct Table<'a> {
    rules: HashMap<IpNet, Vec<&'a Rule>>,
    cluster: &'a str,
}

impl<'a> Table<'a> {
    /// `cluster` is CCE's id of it.
    pub(crate) fn new(rules: &'a [Rule], cluster: &'a str) -> Self {
        let mut by_destination: HashMap<IpNet, Vec<&Rule>> = HashMap::new();
        for rule in rules {
            if let Some(destination) = network(&rule.destination) {
                by_destination.entry(destination).or_default().push(rule);
            }
        }
        Self { rules: by_destination, cluster }
    }

    /// What it takes to have these routes, one step for each.
    pub(crate) fn create(&self, wants: &[Want]) -> Vec<Step> {
        let mut begun = HashMap::new();
        let mut steps = Vec::with_capacity(wants.len());
        for want in wants {
            steps.push(match begun.insert(want.destination.trunc(), want) {
                Some(earlier) if earlier != want => Step::Refused(Refusal::Twice(want.destination)),
                Some(_) => Step::Done,
                None => self.create_one(want),
            });
        }
        steps
    }

    fn create_one(&self, want: &Want) -> Step {
        let rules = self.at(want.destination);
        let leads_there = |rule: &&&Rule| rule.has_our_form() && rule.nexthop == want.machine;
        let (ours, others): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| self.is_ours(rule));
        if let Some(good) = ours.iter().find(leads_there) {
            // Two rules of ours for one network: the one that leads elsewhere is in the way of the traffic.
            let delete: Vec<String> =
                ours.iter().filter(|rule| rule.id != good.id).map(|rule| rule.id.clone()).collect();
            return if delete.is_empty() { Step::Done } else { Step::Change { delete, create: None } };
        }
        // Somebody made the very rule by hand: it does what it should, and stays theirs.
        if others.iter().any(|rule| rule.has_our_form() && rule.nexthop == want.machine) {
            return Step::Done;
        }
        // Rules for certain sources only are no matter of ours: they count where they apply.
        if let Some(taken) = others.iter().find(|rule| rule.is_from_anywhere()) {
            return Step::Refused(Refusal::Taken((**taken).clone()));
        }
        Step::Change { delete: ours.iter().map(|rule| rule.id.clone()).collect(), create: Some(self.rule(want)) }
    }

    fn rule(&self, want: &Want) -> Rule {
        let destination = want.destination.trunc();
        let source = if destination.addr().is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        Rule {
            id: String::new(),
            source: source.to_owned(),
            destination: destination.to_string(),
            nexthop: want.machine.clone(),
            kind: TO_MACHINE.to_owned(),
            description: mark::write(self.cluster, &want.node),
        }
    }

    /// What it takes to be rid of these routes, one step for each. `node_of` names the node on a machine, where that is known.
    pub(crate) fn delete(&self, unwanted: &[Unwanted], node_of: impl Fn(&str) -> Option<String>) -> Vec<Step> {
        unwanted.iter().map(|route| self.delete_one(route, &node_of)).collect()
    }

    fn delete_one(&self, unwanted: &Unwanted, node_of: impl Fn(&str) -> Option<String>) -> Step {
        let rules = self.at(unwanted.destination);
        // By its id if it is still there: what was made anew since is another route.
        let meant: Vec<&&Rule> = rules.iter().filter(|rule| unwanted.id.is_empty() || rule.id == unwanted.id).collect();
        let mut delete = Vec::new();
        for rule in meant {
            match mark::read(&rule.description, self.cluster) {
                Whose::Ours { node } if rule.has_our_form() => {
                    let known = if node.is_empty() { node_of(&rule.nexthop) } else { Some(node.to_owned()) };
                    let is_anothers = !unwanted.node.is_empty() && known.is_some_and(|node| node != unwanted.node);
                    if !is_anothers || !unwanted.id.is_empty() {
                        delete.push(rule.id.clone());
                    }
                }
                _ if unwanted.id.is_empty() && !rule.has_our_form() => {}
                _ => return Step::Refused(Refusal::NotOurs((**rule).clone())),
            }
        }
        if delete.is_empty() { Step::Done } else { Step::Change { delete, create: None } }
    }

    fn is_ours(&self, rule: &Rule) -> bool {
        rule.has_our_form() && matches!(mark::read(&rule.description, self.cluster), Whose::Ours { .. })
    }

    fn at(&self, destination: IpNet) -> &[&'a Rule] {
        self.rules.get(&destination.trunc()).map_or(&[], Vec::as_slice)
    }
}

/// The rules this cluster may change, with the node each names.
pub(crate) fn own<'a>(rules: &'a [Rule], cluster: &str) -> Vec<(&'a Rule, &'a str)> {
    let ours = rules.iter().filter(|rule| rule.has_our_form()).filter_map(|rule| {
        match mark::read(&rule.description, cluster) {
            Whose::Ours { node } => Some((rule, node)),
            Whose::OtherCluster | Whose::Unmarked => None,
        }
    });
    ours.collect()
}

/// A destination in its normal spelling.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().map(|net: IpNet| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "auto generated by cce:c-1 node:a";
    const LEGACY: &str = "auto generated by cce:c-1";
    const THEIRS: &str = "auto generated by cce:c-2";

    fn rule(id: &str, nexthop: &str, description: &str) -> Rule {
        Rule {
            id: id.to_owned(),
            source: "0.0.0.0/0".to_owned(),
            destination: "10.244.3.0/24".to_owned(),
            nexthop: nexthop.to_owned(),
            kind: TO_MACHINE.to_owned(),
            description: description.to_owned(),
        }
    }

    fn want(node: &str, destination: &str, machine: &str) -> Want {
        Want { node: node.to_owned(), destination: destination.parse().unwrap(), machine: machine.to_owned() }
    }

    /// One step, in a word or two.
    fn words(step: &Step) -> String {
        match step {
            Step::Done => "done".to_owned(),
            Step::Change { delete, create } => {
                let create = if create.is_some() { " create" } else { "" };
                format!("-{}{create}", delete.join(","))
            }
            Step::Refused(Refusal::Taken(rule)) => format!("taken by {}", rule.id),
            Step::Refused(Refusal::NotOurs(rule)) => format!("{} is not ours", rule.id),
            Step::Refused(Refusal::Twice(_)) => "twice".to_owned(),
        }
    }

    #[test]
    fn only_what_is_missing_or_ours_and_different_changes() {
        let by = |kind: &str| Rule { kind: kind.to_owned(), ..rule("r", "i-1", "") };
        let from = |source: &str| Rule { source: source.to_owned(), ..rule("r", "i-9", "by hand") };
        let wider = Rule { destination: "10.244.0.0/16".to_owned(), ..rule("r", "i-9", "by hand") };
        for (existing, expected) in [
            (vec![], "- create"),
            (vec![rule("r", "i-1", OURS)], "done"),
            (vec![rule("r", "i-1", LEGACY)], "done"),
            (vec![rule("r", "i-9", OURS)], "-r create"),
            (vec![rule("r", "i-9", LEGACY)], "-r create"),
            (vec![rule("r", "i-1", OURS), rule("s", "i-9", LEGACY)], "-s"),
            (vec![rule("r", "i-1", "by hand")], "done"),
            (vec![rule("r", "i-9", "by hand")], "taken by r"),
            (vec![rule("r", "i-9", THEIRS)], "taken by r"),
            (vec![rule("r", "i-9", OURS), rule("s", "i-8", "by hand")], "taken by s"),
            (vec![by("nat")], "taken by r"),
            (vec![from("192.168.0.0/24")], "- create"),
            (vec![wider], "- create"),
        ] {
            let steps = Table::new(&existing, "c-1").create(&[want("a", "10.244.3.0/24", "i-1")]);
            assert_eq!(words(&steps[0]), expected, "{existing:?}");
        }
    }

    #[test]
    fn a_new_rule_says_whose_it_is_and_is_from_anywhere() {
        let steps =
            Table::new(&[], "c-1").create(&[want("a", "10.244.3.7/24", "i-1"), want("b", "fd00:1::/64", "i-2")]);
        let [Step::Change { create: Some(four), .. }, Step::Change { create: Some(six), .. }] = &steps[..] else {
            panic!("{steps:?}")
        };
        assert_eq!(*four, Rule { id: String::new(), ..rule("", "i-1", OURS) });
        assert_eq!((six.source.as_str(), six.destination.as_str()), ("::/0", "fd00:1::/64"));
    }

    #[test]
    fn one_request_makes_one_rule_for_a_network() {
        let wants = [want("a", "10.0.0.0/24", "i-1"), want("b", "10.0.0.0/24", "i-2"), want("b", "10.0.0.0/24", "i-2")];
        let steps = Table::new(&[], "c-1").create(&wants);
        assert_eq!(steps.iter().map(words).collect::<Vec<_>>(), ["- create", "twice", "done"]);
    }

    #[test]
    fn only_the_clusters_own_rules_go() {
        let node_of = |machine: &str| (machine == "i-9").then(|| "other".to_owned());
        let by_nat = Rule { kind: "nat".to_owned(), ..rule("r", "nat-1", "") };
        for (existing, id, node, expected) in [
            (vec![], "r", "a", "done"),
            (vec![rule("r", "i-1", OURS)], "r", "a", "-r"),
            (vec![rule("r", "i-1", OURS)], "", "", "-r"),
            (vec![rule("s", "i-1", OURS)], "r", "a", "done"),
            (vec![rule("r", "i-1", OURS)], "", "b", "done"),
            (vec![rule("r", "i-1", LEGACY)], "", "a", "-r"),
            (vec![rule("r", "i-9", LEGACY)], "", "a", "done"),
            (vec![rule("r", "i-1", THEIRS)], "r", "a", "r is not ours"),
            (vec![rule("r", "i-1", "by hand")], "", "", "r is not ours"),
            (vec![by_nat.clone()], "", "", "done"),
            (vec![by_nat], "r", "", "r is not ours"),
            (vec![rule("r", "i-1", OURS), rule("s", "i-8", OURS)], "s", "a", "-s"),
        ] {
            let unwanted =
                Unwanted { id: id.to_owned(), node: node.to_owned(), destination: "10.244.3.0/24".parse().unwrap() };
            let steps = Table::new(&existing, "c-1").delete(&[unwanted], node_of);
            assert_eq!(words(&steps[0]), expected, "{existing:?} {id} {node}");
        }
    }

    #[test]
    fn refusals_name_the_rule_in_the_way() {
        let existing = [rule("rr-1", "i-9", "to the office")];
        let steps = Table::new(&existing, "c-1").create(&[want("a", "10.244.3.0/24", "i-1")]);
        let Step::Refused(refusal) = &steps[0] else { panic!("{steps:?}") };
        let text = refusal.to_string();
        assert!(["rr-1", "10.244.3.0/24", "i-9", "to the office"].iter().all(|part| text.contains(part)), "{text}");
    }

    #[test]
    fn own_rules_are_told_from_all_others() {
        let system = Rule { kind: "sys".to_owned(), ..rule("s", "", OURS) };
        let rules =
            [rule("r", "i-1", OURS), rule("t", "i-1", THEIRS), system, rule("u", "i-1", ""), rule("v", "i-2", LEGACY)];
        let own: Vec<_> = own(&rules, "c-1").into_iter().map(|(rule, node)| (rule.id.as_str(), node)).collect();
        assert_eq!(own, [("r", "a"), ("v", "")]);
    }
}
