//! What has to change in a route table.

use std::collections::HashMap;

use ipnet::IpNet;

use super::mark::{self, Whose};

/// A route as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableRoute {
    /// What the next hop is: `ecs`, `vip`, `peering`…
    pub(crate) kind: String,
    pub(crate) destination: String,
    /// Id of the next hop.
    pub(crate) nexthop: String,
    pub(crate) description: String,
}

/// The kind of a route to a server.
pub(crate) const TO_SERVER: &str = "ecs";

/// A route a node is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) node: String,
    pub(crate) destination: IpNet,
    /// Id of the node's server.
    pub(crate) server: String,
}

/// A route that is to go, as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unwanted {
    /// The node it led to. Empty: not said.
    pub(crate) node: String,
    pub(crate) destination: IpNet,
}

/// What one item takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: it is as it should be.
    Done,
    Change(Change),
    /// It cannot be, and why.
    Refused(Refusal),
}

/// One entry of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Add(TableRoute),
    Modify(TableRoute),
    /// The route that is there.
    Delete(TableRoute),
}

/// Why an item is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "the route table has a route for {destination} already, by {kind} to {nexthop}{}; remove it, or give the cluster other \
         pod networks", of(.description)
    )]
    Taken { destination: String, kind: String, nexthop: String, description: String },
    #[error("the route for {destination}{} was not made for this cluster and stays", of(.description))]
    NotOurs { destination: String, description: String },
    #[error("the name of node {node:?} is too long for the description of a route, which says whose it is")]
    NameTooLong { node: String },
    #[error("two routes of one request are for {destination}")]
    Twice { destination: String },
}

fn of(description: &str) -> String {
    if description.is_empty() { String::new() } else { format!(" (description {description:?})") }
}

/// A table, by destination.
pub(crate) struct Table<'a> {
    routes: HashMap<IpNet, &'a TableRoute>,
    cluster: &'a str,
}

impl<'a> Table<'a> {
    pub(crate) fn new(routes: &'a [TableRoute], cluster: &'a str) -> Self {
        let routes = routes.iter().filter_map(|route| Some((network(&route.destination)?, route))).collect();
        Self { routes, cluster }
    }

    /// What it takes to have these routes, one step for each.
    pub(crate) fn create(&self, wants: &[Want]) -> Vec<Step> {
        let mut begun = HashMap::new();
        let mut steps = Vec::with_capacity(wants.len());
        for want in wants {
            steps.push(match begun.insert(want.destination.trunc(), want) {
                Some(earlier) if earlier != want => {
                    Step::Refused(Refusal::Twice { destination: want.destination.to_string() })
                }
                Some(_) => Step::Done,
                None => self.create_one(want),
            });
        }
        steps
    }

    fn create_one(&self, want: &Want) -> Step {
        let Some(description) = mark::write(self.cluster, &want.node) else {
            return Step::Refused(Refusal::NameTooLong { node: want.node.clone() });
        };
        let wanted = |destination: String| TableRoute {
            kind: TO_SERVER.to_owned(),
            destination,
            nexthop: want.server.clone(),
            description: description.clone(),
        };
        let Some(route) = self.routes.get(&want.destination.trunc()) else {
            return Step::Change(Change::Add(wanted(want.destination.trunc().to_string())));
        };
        let leads_there = route.kind == TO_SERVER && route.nexthop.eq_ignore_ascii_case(&want.server);
        match mark::read(&route.description, self.cluster) {
            Whose::Ours { node } if leads_there && node == want.node => Step::Done,
            Whose::Ours { .. } => Step::Change(Change::Modify(wanted(route.destination.clone()))),
            // Somebody made the very route by hand: it does what it should, and stays theirs.
            Whose::Unmarked if leads_there => Step::Done,
            Whose::Unmarked | Whose::OtherCluster => Step::Refused(Refusal::Taken {
                destination: route.destination.clone(),
                kind: route.kind.clone(),
                nexthop: route.nexthop.clone(),
                description: route.description.clone(),
            }),
        }
    }

    /// What it takes to be rid of these routes, one step for each.
    pub(crate) fn delete(&self, unwanted: &[Unwanted]) -> Vec<Step> {
        unwanted.iter().map(|route| self.delete_one(route)).collect()
    }

    fn delete_one(&self, unwanted: &Unwanted) -> Step {
        let Some(route) = self.routes.get(&unwanted.destination.trunc()) else { return Step::Done };
        match mark::read(&route.description, self.cluster) {
            // What was listed is gone, and another node has the network now.
            Whose::Ours { node } if !unwanted.node.is_empty() && unwanted.node != node => Step::Done,
            Whose::Ours { .. } => Step::Change(Change::Delete((*route).clone())),
            Whose::Unmarked | Whose::OtherCluster => Step::Refused(Refusal::NotOurs {
                destination: route.destination.clone(),
                description: route.description.clone(),
            }),
        }
    }
}

/// A destination in its normal spelling.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().map(|net: IpNet| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a11";

    fn route(destination: &str, nexthop: &str, description: &str) -> TableRoute {
        TableRoute {
            kind: TO_SERVER.to_owned(),
            destination: destination.to_owned(),
            nexthop: nexthop.to_owned(),
            description: description.to_owned(),
        }
    }

    fn want(node: &str, destination: &str, server: &str) -> Want {
        Want { node: node.to_owned(), destination: destination.parse().unwrap(), server: server.to_owned() }
    }

    /// One step, in a word.
    fn word(step: &Step) -> &'static str {
        match step {
            Step::Done => "done",
            Step::Change(Change::Add(_)) => "add",
            Step::Change(Change::Modify(_)) => "modify",
            Step::Change(Change::Delete(_)) => "delete",
            Step::Refused(Refusal::Taken { .. }) => "taken",
            Step::Refused(Refusal::NotOurs { .. }) => "not ours",
            Step::Refused(Refusal::NameTooLong { .. }) => "too long",
            Step::Refused(Refusal::Twice { .. }) => "twice",
        }
    }

    #[test]
    fn only_what_is_missing_or_ours_and_different_changes() {
        let wanted = want("a", "10.244.3.0/24", SERVER);
        let vip = TableRoute { kind: "vip".to_owned(), ..route("10.244.3.0/24", SERVER, "") };
        for (existing, expected) in [
            (None, "add"),
            (Some(route("10.244.3.0/24", SERVER, "k8s:c1:a")), "done"),
            (Some(route("10.244.3.0/24", &SERVER.to_uppercase(), "k8s:c1:a")), "done"),
            (Some(route("10.244.3.0/24", "other", "k8s:c1:a")), "modify"),
            (Some(route("10.244.3.0/24", SERVER, "k8s:c1:b")), "modify"),
            (Some(route("10.244.3.0/24", SERVER, "by hand")), "done"),
            (Some(route("10.244.3.0/24", "other", "by hand")), "taken"),
            (Some(vip), "taken"),
            (Some(route("10.244.3.0/24", SERVER, "k8s:c2:a")), "taken"),
            (Some(route("10.244.0.0/16", "other", "by hand")), "add"),
        ] {
            let existing: Vec<_> = existing.into_iter().collect();
            let steps = Table::new(&existing, "c1").create(std::slice::from_ref(&wanted));
            assert_eq!(word(&steps[0]), expected, "{existing:?}");
        }
    }

    #[test]
    fn a_new_route_says_whose_it_is_and_spells_its_network_normally() {
        let steps = Table::new(&[], "c1").create(&[want("a", "10.244.3.7/24", SERVER)]);
        assert_eq!(steps, [Step::Change(Change::Add(route("10.244.3.0/24", SERVER, "k8s:c1:a")))]);
    }

    #[test]
    fn one_request_makes_one_route_for_a_network() {
        let wants = [want("a", "10.0.0.0/24", "s"), want("b", "10.0.0.0/24", "t"), want("a", "10.0.0.0/24", "s")];
        let steps = Table::new(&[], "c1").create(&wants[..2]);
        assert_eq!(steps.iter().map(word).collect::<Vec<_>>(), ["add", "twice"]);
        let steps = Table::new(&[], "c1").create(&[wants[0].clone(), wants[2].clone()]);
        assert_eq!(steps.iter().map(word).collect::<Vec<_>>(), ["add", "done"]);
        let steps = Table::new(&[], "c1").create(&[want(&"n".repeat(253), "10.0.0.0/24", "s")]);
        assert_eq!(word(&steps[0]), "too long");
    }

    #[test]
    fn only_the_clusters_own_routes_go() {
        let unwanted = |node: &str| Unwanted { node: node.to_owned(), destination: "10.244.3.0/24".parse().unwrap() };
        for (existing, node, expected) in [
            (None, "a", "done"),
            (Some("k8s:c1:a"), "a", "delete"),
            (Some("k8s:c1:a"), "", "delete"),
            (Some("k8s:c1:b"), "a", "done"),
            (Some("k8s:c2:a"), "a", "not ours"),
            (Some(""), "a", "not ours"),
            (Some("by hand"), "", "not ours"),
        ] {
            let routes: Vec<_> = existing.into_iter().map(|mark| route("10.244.3.0/24", SERVER, mark)).collect();
            let steps = Table::new(&routes, "c1").delete(&[unwanted(node)]);
            assert_eq!(word(&steps[0]), expected, "{existing:?} {node}");
        }
    }

    #[test]
    fn refusals_name_the_route_in_the_way() {
        let existing = [route("10.244.3.0/24", "peer-1", "to the office")];
        let steps = Table::new(&existing, "c1").create(&[want("a", "10.244.3.0/24", SERVER)]);
        let Step::Refused(refusal) = &steps[0] else { panic!("{steps:?}") };
        let text = refusal.to_string();
        assert!(["10.244.3.0/24", "peer-1", "to the office"].iter().all(|part| text.contains(part)), "{text}");
    }
}
