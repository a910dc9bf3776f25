//! The canary: a Ready node of the same account and region, asked about in the same call. While it is seen, the daemon looks
//! in the right place with credentials that work, so what it calls absent may be. When it is called absent too, the answers
//! are worth nothing: wrong account, empty inventory, cut-off list.

use std::collections::BTreeMap;

use crate::{
    names::LABEL_REGION,
    node::is_uninitialized,
    provider::{Absence, Account, InstanceAnswer, Observed},
    view::Node,
};

/// What the canaries of one call say about one absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// At least one of the same account and region was found, and none was called absent.
    Seen,
    /// There was none, or nothing was said about it.
    Missing,
    /// A Ready node was called absent.
    Absent,
}

/// How many canaries are asked about for each account and region: with several, a list that was cut off is noticed.
const EACH: usize = 3;

/// Picks canaries among a provider's nodes: a few for each account and region (`homes`, by node name; before a node's home
/// is known its region label stands in). Another `turn`, others are picked, so that one odd node blocks nothing for long.
/// At most `limit`.
pub fn pick<'a>(nodes: &[&'a Node], homes: &BTreeMap<String, Account>, turn: usize, limit: usize) -> Vec<&'a Node> {
    let mut groups: BTreeMap<(Option<&str>, &str), Vec<&'a Node>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| can_be_one(node)) {
        let home = homes.get(&node.name);
        let region = home.map(|home| home.region.as_str()).or_else(|| region_label(node)).unwrap_or_default();
        groups.entry((home.map(|home| home.id.as_str()), region)).or_default().push(node);
    }
    let mut picked = Vec::new();
    for mut group in groups.into_values() {
        group.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let start = turn.wrapping_mul(EACH) % group.len();
        picked.extend(group.iter().cycle().skip(start).take(EACH.min(group.len())).copied());
    }
    picked.truncate(limit);
    picked
}

fn can_be_one(node: &Node) -> bool {
    node.is_ready() && !node.deleting && !node.provider_id.is_empty() && !is_uninitialized(node)
}

fn region_label(node: &Node) -> Option<&str> {
    node.labels.get(LABEL_REGION).map(String::as_str)
}

/// Where the machine of a node was found, by an answer. A region that the answer leaves out is the one of the Node's label.
/// What is none of the account's regions is a place within one, as at the edge: then it is the only one in which the provider
/// serves the account.
pub fn home(node: &Node, observed: &Observed, served: &[Account]) -> Option<Account> {
    let InstanceAnswer::Found(instance) = &observed.answer else { return None };
    let regions: Vec<&str> =
        served.iter().filter(|served| served.id == instance.account).map(|served| served.region.as_str()).collect();
    let said = instance.region.as_deref().or_else(|| region_label(node));
    let region = match (said, &*regions) {
        (Some(said), regions) if regions.is_empty() || regions.contains(&said) => said,
        (_, [only]) => only,
        _ => return None,
    };
    Some(Account { id: instance.account.clone(), region: region.to_owned() })
}

/// What the canaries of a call say about an absence in its answer.
pub fn judge<'a>(
    absence: &Absence,
    answers: impl IntoIterator<Item = (&'a Node, &'a Observed)>,
    served: &[Account],
) -> Canary {
    let mut said = Canary::Missing;
    for (node, observed) in answers {
        let same = |account: &str, region: &str| account == absence.account && region == absence.region;
        match &observed.answer {
            InstanceAnswer::NotFound(own) if same(&own.account, &own.region) => return Canary::Absent,
            InstanceAnswer::Found(_)
                if home(node, observed, served).is_some_and(|home| same(&home.id, &home.region)) =>
            {
                said = Canary::Seen;
            }
            _ => {}
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::Code,
        fixtures::{self, found, instance, not_found, unknown},
        provider::Instance,
        view::ConditionStatus,
    };

    fn node(name: &str) -> fixtures::Node {
        fixtures::Node::new().named(name).provider_id("fake://12345")
    }

    fn absence() -> Absence {
        match not_found(1).answer {
            InstanceAnswer::NotFound(absence) => absence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_found_node_of_the_same_account_and_region_vouches() {
        let node = node("c").labels("topology.kubernetes.io/region=r1").build();
        let in_region = |region: Option<&str>| Instance { region: region.map(str::to_owned), ..instance() };
        let check = |case: &str, answers: Vec<Observed>, expected: Canary| {
            let answers = answers.iter().map(|answer| (&node, answer));
            assert_eq!(judge(&absence(), answers, &[]), expected, "{case}");
        };
        check("none was asked", vec![], Canary::Missing);
        check("found", vec![found(in_region(Some("r1")), 1)], Canary::Seen);
        check("found, the region is known by the label only", vec![found(in_region(None), 1)], Canary::Seen);
        check("found in another region", vec![found(in_region(Some("r2")), 1)], Canary::Missing);
        let elsewhere = Instance { account: "other".to_owned(), ..instance() };
        check("found in another account", vec![found(elsewhere, 1)], Canary::Missing);
        check("not known", vec![unknown(Code::Unavailable, 1)], Canary::Missing);
        check("absent itself", vec![not_found(1)], Canary::Absent);
        check("one found, one absent", vec![found(instance(), 1), not_found(1)], Canary::Absent);
        check("one absent, one found", vec![not_found(1), found(instance(), 1)], Canary::Absent);
        check("one found, one not known", vec![found(instance(), 1), unknown(Code::Internal, 1)], Canary::Seen);
    }

    #[test]
    fn a_region_that_nobody_names_is_the_only_one_served() {
        let node = node("c").build();
        let answer = found(Instance { region: None, ..instance() }, 1);
        let served = |regions: &[&str]| -> Vec<Account> {
            regions.iter().map(|region| Account { id: "acc".to_owned(), region: (*region).to_owned() }).collect()
        };
        let said = |served: &[Account]| judge(&absence(), [(&node, &answer)], served);
        assert_eq!(said(&served(&["r1"])), Canary::Seen);
        assert_eq!(said(&served(&["r1", "r2"])), Canary::Missing);
        assert_eq!(said(&[]), Canary::Missing);
    }

    #[test]
    fn a_place_at_the_edge_is_in_the_only_region_served() {
        let node = node("c").labels("topology.kubernetes.io/region=cn-hangzhou").build();
        let answer = found(Instance { region: Some("cn-hangzhou".to_owned()), ..instance() }, 1);
        let served = |regions: &[&str]| -> Vec<Account> {
            regions.iter().map(|region| Account { id: "acc".to_owned(), region: (*region).to_owned() }).collect()
        };
        let said = |served: &[Account]| judge(&absence(), [(&node, &answer)], served);
        assert_eq!(said(&served(&["r1"])), Canary::Seen);
        assert_eq!(said(&served(&["r1", "r2"])), Canary::Missing, "nobody knows in which");
        assert_eq!(said(&served(&["r1", "cn-hangzhou"])), Canary::Missing, "it is a region of its own");
    }

    #[test]
    fn canaries_are_ready_initialised_nodes_of_each_home() {
        let nodes = [
            node("a1").labels("topology.kubernetes.io/region=r1").build(),
            node("a2").labels("topology.kubernetes.io/region=r2").build(),
            node("down").ready(ConditionStatus::Unknown, 1).build(),
            node("new").uninitialized().build(),
            node("leaving").deleting().build(),
            fixtures::Node::new().named("nameless").build(),
        ];
        let nodes: Vec<&Node> = nodes.iter().collect();
        let names = |homes: &BTreeMap<String, Account>, limit| {
            pick(&nodes, homes, 0, limit).into_iter().map(|node| node.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&BTreeMap::new(), 20), ["a1", "a2"]);
        assert_eq!(names(&BTreeMap::new(), 1), ["a1"]);
        let home = Account { id: "acc".to_owned(), region: "r2".to_owned() };
        assert_eq!(names(&BTreeMap::from([("a1".to_owned(), home)]), 20), ["a2", "a1"], "each is a home of its own");
    }

    #[test]
    fn canaries_take_turns() {
        let nodes: Vec<Node> = (0..7).map(|n| node(&format!("n{n}")).build()).collect();
        let nodes: Vec<&Node> = nodes.iter().collect();
        let turn = |turn| {
            pick(&nodes, &BTreeMap::new(), turn, 20).into_iter().map(|node| node.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(turn(0), ["n0", "n1", "n2"]);
        assert_eq!(turn(1), ["n3", "n4", "n5"]);
        assert_eq!(turn(2), ["n6", "n0", "n1"]);
    }
}
