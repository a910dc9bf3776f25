use super::*;
use crate::{fixtures, fixtures::addresses};

const V4: &str = "10.120.0.0/16";
const V6: &str = "ace:cab:deca::/8";

fn node(name: &str, address: &str, cidrs: &[&str]) -> Node {
    let node = fixtures::Node::new().named(name).addresses(address).build();
    Node { pod_cidrs: cidrs.iter().map(|cidr| (*cidr).to_owned()).collect(), ..node }
}

fn node1() -> Node {
    node("node1", "I10.0.1.1", &["10.120.0.0/24"])
}

fn node2() -> Node {
    node("node2", "I10.0.2.1", &["10.120.1.0/24"])
}

fn node3() -> Node {
    node("node3", "I10.0.3.1", &["10.120.0.0/24", "ace:cab:deca::/48"])
}

fn node4() -> Node {
    node("node4", "I10.0.4.1", &["10.120.1.0/24", "ace:cab:dedb::/48"])
}

fn route(target: &str, cidr: &str) -> Route {
    Route {
        name: format!("cluster-{target}-{cidr}"),
        target_node: target.into(),
        target_addresses: vec![],
        compare_addresses: false,
        destination_cidr: cidr.into(),
        blackhole: false,
        target_provider_id: String::new(),
        annotations: BTreeMap::new(),
    }
}

/// A route of a cloud that wants it replaced when the node's addresses change.
fn addressed(target: &str, cidr: &str, address: &str) -> Route {
    Route { compare_addresses: true, target_addresses: addresses(address), ..route(target, cidr) }
}

fn nets(cidrs: &[&str]) -> Vec<IpNet> {
    cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect()
}

type Pair = (String, String);

fn pairs<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Vec<Pair> {
    let mut pairs: Vec<Pair> =
        routes.into_iter().map(|route| (route.target_node.clone(), canonical(&route.destination_cidr))).collect();
    pairs.sort();
    pairs
}

/// The table after the plan was carried out in a cloud that refuses a second route to one destination.
fn carried_out(plan: &Plan, routes: &[Route]) -> Vec<Route> {
    let mut table: Vec<Route> = routes.iter().filter(|route| !plan.deletions.contains(route)).cloned().collect();
    for creation in &plan.creations {
        let taken = table.iter().any(|route| canonical(&route.destination_cidr) == creation.wish.cidr);
        assert!(!taken, "{:?} collides with what stays", creation.wish);
        table.push(creation.route.clone());
    }
    table
}

/// Nodes whose machines are this provider's.
fn ours(nodes: &[Node]) -> impl Iterator<Item = RouteNode<'_>> {
    nodes.iter().map(|node| RouteNode { node, ours: true })
}

struct Row {
    case: &'static str,
    nodes: Vec<Node>,
    before: Vec<Route>,
    /// Target and destination of the routes afterwards.
    after: Vec<(&'static str, &'static str)>,
    /// How many routes are removed and made on the way.
    changes: (usize, usize),
}

fn check(dual: bool, rows: Vec<Row>) {
    for Row { case, nodes, before, after, changes } in rows {
        let cidrs = nets(if dual { &[V4, V6] } else { &[V4] });
        let plan = plan(ours(&nodes), &before, &cidrs);
        let table = carried_out(&plan, &before);
        let mut expected: Vec<Pair> = after.iter().map(|(node, cidr)| ((*node).into(), canonical(cidr))).collect();
        expected.sort();
        assert_eq!(pairs(&table), expected, "{case}");
        assert_eq!((plan.deletions.len(), plan.creations.len()), changes, "{case}");
        for creation in &plan.creations {
            let node = nodes.iter().find(|node| node.name == creation.wish.node).unwrap();
            assert_eq!((&creation.route.target_addresses, &creation.hint), (&node.addresses, &node.uid), "{case}");
        }
        let again = super::plan(ours(&nodes), &table, &cidrs);
        assert!(again.is_empty(), "{case}: a second pass finds nothing to do");
        assert!(again.nodes.iter().all(|node| node.missing.is_empty()), "{case}: every node is ok");
    }
}

const MULTI: [(&str, &str); 4] = [
    ("node3", "10.120.0.0/24"),
    ("node3", "ace:cab:deca::/48"),
    ("node4", "10.120.1.0/24"),
    ("node4", "ace:cab:dedb::/48"),
];
const SINGLE: [(&str, &str); 2] = [("node1", "10.120.0.0/24"), ("node2", "10.120.1.0/24")];

fn routes(pairs: &[(&str, &str)]) -> Vec<Route> {
    pairs.iter().map(|(node, cidr)| route(node, cidr)).collect()
}

#[test]
fn dual_stack_tables_become_what_the_nodes_say() {
    // TestReconcile.
    let nodes = || vec![node3(), node4()];
    check(
        true,
        vec![
            Row {
                case: "routes have no TargetNodeAddresses at the beginning",
                nodes: nodes(),
                before: MULTI.iter().map(|(node, cidr)| addressed(node, cidr, "")).collect(),
                after: MULTI.into(),
                changes: (4, 4),
            },
            Row {
                case: "routes' TargetNodeAddresses changed",
                nodes: nodes(),
                before: MULTI.iter().map(|(node, cidr)| addressed(node, cidr, "I10.0.9.9")).collect(),
                after: MULTI.into(),
                changes: (4, 4),
            },
            Row {
                case: "multicidr 2 nodes and no routes",
                nodes: nodes(),
                before: vec![],
                after: MULTI.into(),
                changes: (0, 4),
            },
            Row {
                case: "multicidr 2 nodes and all routes created",
                nodes: nodes(),
                before: routes(&MULTI),
                after: MULTI.into(),
                changes: (0, 0),
            },
            Row {
                case: "multicidr 2 nodes and few wrong routes",
                nodes: nodes(),
                before: routes(&[
                    ("node3", "10.120.1.0/24"),
                    ("node3", "ace:cab:dedb::/48"),
                    ("node4", "10.120.0.0/24"),
                    ("node4", "ace:cab:deca::/48"),
                ]),
                after: MULTI.into(),
                changes: (4, 4),
            },
            Row {
                case: "multicidr 2 nodes and some routes created",
                nodes: nodes(),
                before: routes(&[MULTI[0], MULTI[3]]),
                after: MULTI.into(),
                changes: (0, 2),
            },
            Row {
                case: "multicidr 2 nodes and too many routes",
                nodes: nodes(),
                before: routes(&[
                    MULTI[0],
                    MULTI[1],
                    MULTI[2],
                    MULTI[3],
                    ("node-x", "10.120.2.0/24"),
                    ("node-y", "ace:cab:dedc::/48"),
                ]),
                after: MULTI.into(),
                changes: (2, 0),
            },
        ],
    );
}

#[test]
fn single_stack_tables_become_what_the_nodes_say() {
    // TestReconcile.
    let nodes = || vec![node1(), node2()];
    check(
        false,
        vec![
            Row {
                case: "single cidr 2 nodes and routes created",
                nodes: nodes(),
                before: routes(&SINGLE),
                after: SINGLE.into(),
                changes: (0, 0),
            },
            Row {
                case: "single cidr node ips changed so routes should be updated",
                nodes: nodes(),
                before: SINGLE.iter().map(|(node, cidr)| addressed(node, cidr, "I10.0.9.9")).collect(),
                after: SINGLE.into(),
                changes: (2, 2),
            },
            Row {
                case: "single cidr 2 nodes and one route created",
                nodes: nodes(),
                before: routes(&SINGLE[..1]),
                after: SINGLE.into(),
                changes: (0, 1),
            },
            Row {
                case: "single cidr 2 nodes and no routes",
                nodes: nodes(),
                before: vec![],
                after: SINGLE.into(),
                changes: (0, 2),
            },
            Row {
                case: "single cidr 2 nodes and too many routes",
                nodes: nodes(),
                before: routes(&[SINGLE[0], SINGLE[1], ("node-x", "10.120.2.0/24"), ("", "10.120.3.0/24")]),
                after: SINGLE.into(),
                changes: (2, 0),
            },
            Row {
                case: "single cidr 2 nodes and 2 routes with 1 incorrect",
                nodes: nodes(),
                before: routes(&[SINGLE[0], ("node2", "10.120.2.0/24")]),
                after: SINGLE.into(),
                changes: (1, 1),
            },
            Row {
                case: "single cidr 2 nodes and one node without cidr assigned",
                nodes: vec![node1(), node("node2", "I10.0.2.1", &[])],
                before: vec![],
                after: SINGLE[..1].into(),
                changes: (0, 1),
            },
            Row {
                case: "single cidr 2 nodes and an extra blackhole route in our range",
                nodes: nodes(),
                before: vec![
                    route("node1", "10.120.0.0/24"),
                    route("node2", "10.120.1.0/24"),
                    Route { blackhole: true, ..route("", "10.120.2.0/24") },
                ],
                after: SINGLE.into(),
                changes: (1, 0),
            },
            Row {
                case: "single cidr 2 nodes and an extra blackhole route not in our range",
                nodes: nodes(),
                before: vec![
                    route("node1", "10.120.0.0/24"),
                    route("node2", "10.120.1.0/24"),
                    Route { blackhole: true, ..route("", "10.1.2.0/24") },
                ],
                after: vec![SINGLE[0], SINGLE[1], ("", "10.1.2.0/24")],
                changes: (0, 0),
            },
            Row {
                case: "duplicate pod cidr",
                nodes: vec![node("node1", "I10.0.1.1", &["10.120.0.0/24", "10.120.0.0/24"]), node2()],
                before: vec![],
                after: SINGLE.into(),
                changes: (0, 2),
            },
            Row {
                case: "a blackhole in the place of a node's own route",
                nodes: nodes(),
                before: vec![
                    Route { blackhole: true, ..route("node1", "10.120.0.0/24") },
                    route("node2", "10.120.1.0/24"),
                ],
                after: SINGLE.into(),
                changes: (1, 1),
            },
            Row {
                case: "the same destination in another spelling",
                nodes: nodes(),
                before: routes(&[("node1", "10.120.0.7/24"), SINGLE[1]]),
                after: SINGLE.into(),
                changes: (0, 0),
            },
        ],
    );
}

#[test]
fn a_node_with_routes_and_no_pod_cidr_is_not_ok() {
    let nodes = [node1(), node("node2", "I10.0.2.1", &[])];
    let plan = plan(ours(&nodes), &routes(&SINGLE), &nets(&[V4]));
    let wishes: Vec<_> = plan.nodes.iter().map(|routes| (routes.node.as_str(), routes.wishes)).collect();
    assert_eq!(wishes, [("node1", 1), ("node2", 0)]);
    let untouched = super::plan(ours(&nodes), &routes(&SINGLE[..1]), &nets(&[V4]));
    assert_eq!(untouched.nodes.len(), 1, "without routes nothing is said of it");
}

#[test]
fn a_creation_waits_for_exactly_what_stands_in_its_way() {
    let before = routes(&[("node-x", "10.120.9.0/24"), ("node2", "10.120.0.0/24")]);
    let plan = plan(ours(&[node1()]), &before, &nets(&[V4]));
    assert_eq!(plan.deletions.len(), 2);
    assert_eq!(plan.creations[0].after, [1]);
}

#[test]
fn a_node_not_introduced_yet_gets_no_route_and_loses_none() {
    let awaited = |node: Node| {
        let mut node = node;
        node.taints.push(fixtures::taint(TAINT_UNINITIALIZED, "NoSchedule"));
        node
    };
    let plan = plan(ours(&[awaited(node1()), awaited(node2())]), &routes(&SINGLE[..1]), &nets(&[V4]));
    assert_eq!(plan, Plan::default());
}

#[test]
fn a_node_of_somebody_elses_gets_no_route_and_loses_none() {
    let (node1, node2) = (node1(), node2());
    let theirs = [&node1, &node2].map(|node| RouteNode { node, ours: false });
    assert_eq!(plan(theirs, &routes(&SINGLE[..1]), &nets(&[V4])), Plan::default());
}

#[test]
fn only_routes_in_the_clusters_networks_are_ours() {
    // TestIsResponsibleForRoute.
    for (case, expected) in [
        ("10.244.0.0/16 10.244.0.0/24", true),
        ("10.244.0.0/16 10.244.10.0/24", true),
        ("10.244.0.0/16 10.244.255.0/24", true),
        ("10.244.0.0/14 10.244.0.0/24", true),
        ("10.244.0.0/14 10.247.255.0/24", true),
        ("a00:100::/10 a00:100::/24", true),
        ("10.244.0.0/16 10.224.0.0/24", false),
        ("10.244.0.0/16 10.0.10.0/24", false),
        ("10.244.0.0/16 10.255.255.0/24", false),
        ("10.244.0.0/14 10.248.0.0/24", false),
        ("10.244.0.0/14 10.243.255.0/24", false),
        ("a00:100::/10 b00:100::/24", false),
        ("10.244.0.0/16 nonsense", false),
    ] {
        let (cluster, destination) = case.split_once(' ').expect("a network and a destination");
        assert_eq!(is_responsible(&nets(&[cluster]), destination), expected, "{case}");
    }
}

#[test]
fn only_some_changes_of_a_node_matter() {
    // TestHandleNodeUpdate.
    for (case, new, expected) in [
        ("internal IP updated", Node { addresses: addresses("I10.0.1.2"), ..node1() }, true),
        ("pod CIDR updated", Node { pod_cidrs: vec!["10.120.7.0/24".into()], ..node1() }, true),
        ("node object not updated", node1(), false),
        ("unrelated node update", Node { resource_version: "2".into(), ready: None, ..node1() }, false),
    ] {
        assert_eq!(affects(Some(&node1()), Some(&new)), expected, "{case}");
    }
    assert!(affects(None, Some(&node1())) && affects(Some(&node1()), None));
}
