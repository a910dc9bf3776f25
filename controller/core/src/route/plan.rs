//! The difference between the Nodes' pod CIDRs and the cloud's route table.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::{
    names::TAINT_UNINITIALIZED,
    provider::Route,
    view::{Node, NodeAddress},
};

/// A route of one node: node name and destination in its normal spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wish {
    /// Name of the Node.
    pub node: String,
    /// The pod CIDR.
    pub cidr: String,
}

/// A route to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation {
    /// What it is for.
    pub wish: Wish,
    /// The route.
    pub route: Route,
    /// UID of the Node, from which the cloud's name is made.
    pub hint: String,
    /// Indices into [`Plan::deletions`] of what stands in its way: a table has one route for a destination, so these go
    /// first, and while one of them stays the creation would only fail.
    pub after: Vec<usize>,
}

/// How the routes of one node stand before anything is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRoutes {
    /// Name of the Node.
    pub node: String,
    /// The wishes that are not fulfilled. Empty while [`Self::wishes`] is not: all is well.
    pub missing: BTreeSet<Wish>,
    /// How many routes it should have.
    pub wishes: usize,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Routes to be removed.
    pub deletions: Vec<Route>,
    /// Routes to be made.
    pub creations: Vec<Creation>,
    /// The nodes whose condition is ours to write.
    pub nodes: Vec<NodeRoutes>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.deletions.is_empty() && self.creations.is_empty()
    }
}

/// A Node, as far as routes are concerned.
#[derive(Clone, Copy, Debug)]
pub struct RouteNode<'a> {
    /// The Node.
    pub node: &'a Node,
    /// Its machine is this provider's. Others get no route and no condition from us, but what leads to them stays.
    pub ours: bool,
}

impl RouteNode<'_> {
    /// Whether routes to it are ours to make. A Node whose machine is not known yet gets none, and loses none.
    fn is_served(&self) -> bool {
        self.ours && !is_awaited(self.node)
    }
}

fn is_awaited(node: &Node) -> bool {
    node.provider_id.is_empty() && node.has_taint_key(TAINT_UNINITIALIZED)
}

/// Compares `routes`, the cloud's whole table, with `nodes`, all Nodes of the cluster.
pub fn plan<'a>(nodes: impl IntoIterator<Item = RouteNode<'a>>, routes: &[Route], cluster_cidrs: &[IpNet]) -> Plan {
    let table = Table::new(routes);
    let mut plan = Plan::default();
    // Target and destination of every route that stays.
    let mut kept = BTreeSet::new();
    let mut wanted = Vec::new();
    for place in nodes {
        let (node, served) = (place.node, place.is_served());
        let has_routes = table.by_node.contains_key(node.name.as_str());
        if node.pod_cidrs.is_empty() && !has_routes {
            continue;
        }
        let wishes: BTreeSet<Wish> =
            node.pod_cidrs.iter().map(|cidr| Wish { node: node.name.clone(), cidr: canonical(cidr) }).collect();
        let mut missing = BTreeSet::new();
        for wish in &wishes {
            match table.find(wish) {
                Some(_) if !served => _ = kept.insert(wish.clone()),
                Some(route) if !route.compare_addresses || same(&route.target_addresses, &node.addresses) => {
                    kept.insert(wish.clone());
                }
                _ => {
                    missing.insert(wish.clone());
                    if served {
                        wanted.push((wish.clone(), node));
                    }
                }
            }
        }
        if served {
            plan.nodes.push(NodeRoutes { node: node.name.clone(), missing, wishes: wishes.len() });
        }
    }
    plan.deletions = routes
        .iter()
        .filter(|route| is_responsible(cluster_cidrs, &route.destination_cidr))
        .filter(|route| route.blackhole || !kept.contains(&wish_of(route)))
        .cloned()
        .collect();
    plan.creations = wanted.into_iter().map(|(wish, node)| creation(wish, node, &plan.deletions)).collect();
    plan
}

struct Table<'a> {
    by_node: BTreeMap<&'a str, Vec<&'a Route>>,
}

impl<'a> Table<'a> {
    fn new(routes: &'a [Route]) -> Self {
        let mut by_node: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for route in routes.iter().filter(|route| !route.target_node.is_empty()) {
            by_node.entry(route.target_node.as_str()).or_default().push(route);
        }
        Self { by_node }
    }

    /// The route that fulfils the wish, if one leads anywhere.
    fn find(&self, wish: &Wish) -> Option<&'a Route> {
        let routes = self.by_node.get(wish.node.as_str())?;
        routes.iter().copied().find(|route| !route.blackhole && canonical(&route.destination_cidr) == wish.cidr)
    }
}

fn wish_of(route: &Route) -> Wish {
    Wish { node: route.target_node.clone(), cidr: canonical(&route.destination_cidr) }
}

fn creation(wish: Wish, node: &Node, deletions: &[Route]) -> Creation {
    let in_the_way = |route: &Route| canonical(&route.destination_cidr) == wish.cidr;
    let after = deletions.iter().enumerate().filter(|(_, route)| in_the_way(route)).map(|(index, _)| index).collect();
    let route = Route {
        name: String::new(),
        target_node: node.name.clone(),
        target_addresses: node.addresses.clone(),
        compare_addresses: false,
        destination_cidr: wish.cidr.clone(),
        blackhole: false,
        target_provider_id: node.provider_id.clone(),
        annotations: node.annotations.clone(),
    };
    Creation { wish, route, hint: node.uid.clone(), after }
}

/// The same network always in the same spelling; what is no CIDR stays as it is, and meets only itself.
pub fn canonical(cidr: &str) -> String {
    cidr.parse::<IpNet>().map_or_else(|_| cidr.to_owned(), |net| net.trunc().to_string())
}

/// Whether both hold the same addresses, in any order.
fn same(a: &[NodeAddress], b: &[NodeAddress]) -> bool {
    a.len() == b.len() && a.iter().all(|address| b.contains(address))
}

/// Whether a route to this destination is ours to remove: its first or last address lies in one of the cluster's networks.
pub fn is_responsible(cluster_cidrs: &[IpNet], destination: &str) -> bool {
    let Ok(net) = destination.parse::<IpNet>() else { return false };
    cluster_cidrs.iter().any(|ours| ours.contains(&net.network()) || ours.contains(&net.broadcast()))
}

/// Whether a change of a Node can change its routes.
pub fn affects(old: Option<&Node>, new: Option<&Node>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return true };
    (&old.pod_cidrs, &old.addresses, &old.provider_id, &old.uid)
        != (&new.pod_cidrs, &new.addresses, &new.provider_id, &new.uid)
        || is_awaited(old) != is_awaited(new)
}

#[cfg(test)]
mod tests;
