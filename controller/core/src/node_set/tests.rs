use super::*;
use crate::{
    fixtures,
    view::{AddressType, Condition, ConditionStatus, NodeAddress, Taint},
};

const ALL: Takes<'_> = Takes { schemes: &[], selector: None, draining: false };

pub(crate) fn node(name: &str) -> Node {
    fixtures::Node::new().named(name).without_ready().build()
}

/// A change to a node, so that rows read like upstream's.
type Edit = fn(&mut Node);

fn edited(edits: &[Edit]) -> Node {
    let mut node = node("node1");
    for edit in edits {
        edit(&mut node);
    }
    node
}

fn taint(node: &mut Node, key: &str) {
    node.taints.push(Taint { key: key.into(), value: None, effect: "NoSchedule".into(), time_added: None });
}

fn condition(status: ConditionStatus) -> Condition {
    Condition { status, reason: String::new(), last_transition: None }
}

const PROVIDER_ID: Edit = |n| n.provider_id = "fake://1".into();
const OTHER_PROVIDER_ID: Edit = |n| n.provider_id = "fake://2".into();
const READY: Edit = |n| n.ready = Some(condition(ConditionStatus::True));
const NOT_READY: Edit = |n| n.ready = Some(condition(ConditionStatus::False));
const EXCLUDED: Edit = |n| _ = n.labels.insert(LABEL_EXCLUDE_FROM_LB.into(), String::new());
const EXCLUDED_TRUE: Edit = |n| _ = n.labels.insert(LABEL_EXCLUDE_FROM_LB.into(), "true".into());
const EXCLUDED_FALSE: Edit = |n| _ = n.labels.insert(LABEL_EXCLUDE_FROM_LB.into(), "false".into());
const EXCLUDED_FOO: Edit = |n| _ = n.labels.insert(LABEL_EXCLUDE_FROM_LB.into(), "foo".into());
const OTHER_LABEL: Edit = |n| _ = n.labels.insert("other".into(), "value".into());
const TAINTED: Edit = |n| taint(n, TAINT_TO_BE_DELETED);
const OTHER_TAINT: Edit = |n| taint(n, "other");
const DELETING: Edit = |n| n.deleting = true;
const OTHER_CONDITION: Edit = |n| n.network_unavailable = Some(condition(ConditionStatus::True));

#[test]
fn a_node_is_a_member_whatever_its_readiness() {
    // Test_respectsPredicates. Upstream's rows are about a set that asks for readiness, which survives in its tests only:
    // "empty node" and "Ready=False" are members here, as in upstream's own stable set.
    for (case, edits, expected) in [
        ("empty node", &[] as &[Edit], true),
        ("providerID+Ready", &[PROVIDER_ID, READY], true),
        ("Ready without providerID", &[READY], true),
        ("Ready=False", &[NOT_READY], true),
        ("Ready with empty labels", &[READY], true),
        ("exclusion label empty", &[READY, EXCLUDED], false),
        ("exclusion label false", &[READY, EXCLUDED_FALSE], true),
        ("exclusion label true", &[READY, EXCLUDED_TRUE], false),
        ("exclusion label foo", &[READY, EXCLUDED_FOO], false),
        ("autoscaler taint", &[READY, TAINTED], false),
        ("deletion timestamp", &[READY, DELETING], false),
        ("not introduced by the cloud controller yet", &[|n| taint(n, TAINT_UNINITIALIZED)], false),
    ] {
        let fake = Takes { schemes: &["fake".into()], ..ALL };
        assert_eq!(member(&edited(edits), fake).is_some(), expected, "{case}");
    }
}

#[test]
fn the_exclusion_label_is_read_as_go_reads_booleans() {
    for (value, excluded) in [
        ("1", true),
        ("t", true),
        ("T", true),
        ("TRUE", true),
        ("True", true),
        ("0", false),
        ("f", false),
        ("F", false),
        ("FALSE", false),
        ("False", false),
        ("no", true),
    ] {
        let mut node = node("node1");
        node.labels.insert(LABEL_EXCLUDE_FROM_LB.into(), value.into());
        assert_eq!(is_excluded(&node), excluded, "{value:?}");
    }
}

#[test]
fn a_node_about_to_go_drains_where_the_provider_can_do_that() {
    let draining = Takes { draining: true, ..ALL };
    let member = member(&edited(&[TAINTED]), draining).expect("still a member");
    assert!(member.draining);
}

#[test]
fn a_member_carries_what_a_cloud_needs() {
    let mut node = edited(&[PROVIDER_ID]);
    node.addresses = vec![NodeAddress::new(AddressType::InternalIp, "10.0.0.1")];
    node.labels.insert(LABEL_ZONE_BETA.into(), "old".into());
    node.labels.insert(LABEL_ZONE.into(), "z1".into());
    let fake = ["fake".to_owned()];
    let member = member(&node, Takes { schemes: &fake, selector: None, draining: false }).expect("a member");
    assert_eq!((member.provider_id.as_str(), member.zone.as_str()), ("fake://1", "z1"));
    assert_eq!(member.addresses, node.addresses);
}

#[test]
fn nodes_of_other_providers_are_left_out() {
    let fake = ["fake".to_owned()];
    let takes = Takes { schemes: &fake, selector: None, draining: false };
    let mut other = node("other");
    other.provider_id = "elsewhere://1".into();
    let mut mine = node("mine");
    mine.provider_id = "fake://1".into();
    let unknown = node("unknown");
    let names = |set: NodeSet| set.members.into_iter().map(|member| member.node_name).collect::<Vec<_>>();
    assert_eq!(names(NodeSet::new([&other, &unknown, &mine], takes)), ["mine", "unknown"]);
}

#[test]
fn sets_are_equal_whatever_the_order_of_nodes() {
    let (a, b) = (node("a"), node("b"));
    assert_eq!(NodeSet::new([&a, &b], ALL), NodeSet::new([&b, &a], ALL));
    assert_ne!(NodeSet::new([&a, &b], ALL).digest, NodeSet::new([&a], ALL).digest);
    assert_ne!(NodeSet::new([], ALL).digest, "", "the empty set has a digest too");
}

#[test]
fn one_change_matters_or_not() {
    // Test_shouldSyncUpdatedNode_individualPredicates. Three rows differ: a node that gets or loses the autoscaler's taint
    // or is being deleted changes its load balancers at once, and not whenever something else happens to come along.
    for (case, old, new, expected) in [
        ("nothing changed", &[] as &[Edit], &[] as &[Edit], false),
        ("excluded F->T", &[], &[EXCLUDED], true),
        ("excluded changed T->F", &[EXCLUDED], &[], true),
        ("excluded changed T->T", &[EXCLUDED], &[EXCLUDED_TRUE], false),
        ("excluded changed F->F", &[EXCLUDED_FALSE], &[], false),
        ("providerID set F -> T", &[], &[PROVIDER_ID], true),
        ("providerID set T-> F", &[PROVIDER_ID], &[], true),
        ("providerID change", &[PROVIDER_ID], &[OTHER_PROVIDER_ID], true),
        ("other taint F->T", &[], &[OTHER_TAINT], false),
        ("other taint T->F", &[OTHER_TAINT], &[], false),
        ("other label changed F->T", &[], &[OTHER_LABEL], false),
        ("other label changed T->F", &[OTHER_LABEL], &[], false),
        ("readiness changed F->F", &[NOT_READY], &[NOT_READY], false),
        ("readiness changed F->unset", &[NOT_READY], &[], false),
        ("readiness changed unset->F", &[], &[NOT_READY], false),
        ("readiness changed unset->unset", &[], &[], false),
        ("readiness changed F->T", &[NOT_READY], &[READY], false),
        ("readiness changed T->F", &[READY], &[NOT_READY], false),
        ("ready F, other condition changed F->T", &[NOT_READY], &[NOT_READY, OTHER_CONDITION], false),
        ("ready F, other condition changed T->F", &[NOT_READY, OTHER_CONDITION], &[NOT_READY], false),
        ("ready T, other condition changed F->T", &[READY], &[READY, OTHER_CONDITION], false),
        ("ready T, other condition changed T->F", &[READY, OTHER_CONDITION], &[READY], false),
        ("deletionTimestamp F -> T, at once", &[], &[DELETING], true),
        ("tainted F->T, at once", &[], &[TAINTED], true),
        ("tainted T->F, at once", &[TAINTED], &[], true),
    ] {
        assert_eq!(affects(Some(&edited(old)), Some(&edited(new))), expected, "{case}");
    }
}

#[test]
fn changes_together_matter_or_not() {
    // Test_shouldSyncUpdatedNode_compoundedPredicates, but for the rows about the autoscaler's taint named above.
    for (case, old, new, expected) in [
        ("tainted T, excluded F->T", &[TAINTED] as &[Edit], &[TAINTED, EXCLUDED] as &[Edit], true),
        ("tainted T, excluded T->F", &[TAINTED, EXCLUDED], &[TAINTED], true),
        ("tainted T, providerID set F->T", &[TAINTED], &[TAINTED, PROVIDER_ID], true),
        ("tainted T, providerID set T->F", &[TAINTED, PROVIDER_ID], &[TAINTED], true),
        ("tainted T, providerID change", &[TAINTED, PROVIDER_ID], &[TAINTED, OTHER_PROVIDER_ID], true),
        ("tainted T, ready F->T", &[TAINTED, NOT_READY], &[TAINTED, READY], false),
        ("tainted T, ready T->F", &[TAINTED, READY], &[TAINTED, NOT_READY], false),
        ("excluded T, tainted F->T", &[EXCLUDED], &[EXCLUDED, TAINTED], false),
        ("excluded T, tainted T->F", &[EXCLUDED, TAINTED], &[EXCLUDED], false),
        ("excluded T, any providerID", &[EXCLUDED, PROVIDER_ID], &[EXCLUDED, OTHER_PROVIDER_ID], false),
        ("excluded T, ready F->T", &[EXCLUDED, NOT_READY], &[EXCLUDED, READY], false),
        ("excluded T, ready T->F", &[EXCLUDED, READY], &[EXCLUDED, NOT_READY], false),
        ("ready F, excluded F->T", &[NOT_READY], &[NOT_READY, EXCLUDED], true),
        ("ready F, excluded T->F", &[NOT_READY, EXCLUDED], &[NOT_READY], true),
        ("ready F, providerID set F->T", &[NOT_READY], &[NOT_READY, PROVIDER_ID], true),
        ("ready F, providerID set T->F", &[NOT_READY, PROVIDER_ID], &[NOT_READY], true),
        ("ready F, providerID change", &[NOT_READY, PROVIDER_ID], &[NOT_READY, OTHER_PROVIDER_ID], true),
        ("ready F, tainted F->T, at once", &[NOT_READY], &[NOT_READY, TAINTED], true),
        ("providerID unset, excluded F->T", &[], &[EXCLUDED], true),
        ("providerID unset, excluded T->F", &[EXCLUDED], &[], true),
        ("providerID unset, ready T->F", &[READY], &[NOT_READY], false),
        ("providerID unset, ready F->T", &[NOT_READY], &[READY], false),
    ] {
        assert_eq!(affects(Some(&edited(old)), Some(&edited(new))), expected, "{case}");
    }
}

#[test]
fn nodes_that_come_and_go_matter_when_they_are_members() {
    let (plain, excluded) = (node("a"), edited(&[EXCLUDED]));
    assert!(affects(None, Some(&plain)));
    assert!(affects(Some(&plain), None));
    assert!(!affects(None, Some(&excluded)));
}

/// The names in the set after `edit`, and whether the change is noticed.
fn after(edit: impl FnOnce(&mut Vec<Node>)) -> (Vec<String>, bool) {
    let before: Vec<Node> = ["node1", "node2", "node3"].map(node).into();
    let mut nodes = before.clone();
    edit(&mut nodes);
    let set = NodeSet::new(&nodes, ALL);
    let changed = set.digest != NodeSet::new(&before, ALL).digest;
    (set.members.into_iter().map(|member| member.node_name).collect(), changed)
}

#[test]
fn the_set_follows_nodes_that_join_and_leave_only() {
    // TestNodeChangesForStableNodeSetEnabled: the members each Service is updated with, or that it is not.
    type Change = fn(&mut Vec<Node>);
    for (case, change, expected) in [
        ("No node changes", (|_| ()) as Change, None),
        ("1 new node gets added", |n| n.push(node("node4")), Some(vec!["node1", "node2", "node3", "node4"])),
        ("1 node goes NotReady", |n| NOT_READY(&mut n[1]), None),
        ("1 node gets Tainted", |n| TAINTED(&mut n[1]), Some(vec!["node1", "node3"])),
        ("1 node goes Ready", |n| READY(&mut n[1]), None),
        ("1 node get excluded", |n| EXCLUDED(&mut n[1]), Some(vec!["node1", "node3"])),
        ("1 old node gets deleted", |n| _ = n.pop(), Some(vec!["node1", "node2"])),
        ("1 node marked for deletion", |n| DELETING(&mut n[1]), Some(vec!["node1", "node3"])),
        ("1 spurious node update", |n| OTHER_TAINT(&mut n[1]), None),
    ] {
        let (members, changed) = after(change);
        assert_eq!(
            changed.then_some(members),
            expected.map(|names| names.into_iter().map(Into::into).collect()),
            "{case}"
        );
    }
}

#[test]
fn a_provider_id_that_appears_or_changes_is_a_change() {
    // TestNodesNotEqual.
    let fake = ["fake".to_owned()];
    let digest = |edits: &[Edit]| {
        NodeSet::new([&edited(edits)], Takes { schemes: &fake, selector: None, draining: false }).digest
    };
    for (case, old, new, equal) in [
        ("Nodes with updated providerID", &[PROVIDER_ID] as &[Edit], &[OTHER_PROVIDER_ID] as &[Edit], false),
        ("Nodes unchanged", &[PROVIDER_ID], &[PROVIDER_ID], true),
        ("Change node with empty providerID", &[], &[PROVIDER_ID], false),
    ] {
        assert_eq!(digest(old) == digest(new), equal, "{case}");
    }
}
