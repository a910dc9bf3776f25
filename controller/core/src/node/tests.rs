use super::*;
use crate::{
    fault::{Code, Origin, reason},
    fixtures::{self, addresses, at, fault, found, instance, labels, not_found, unknown},
    names::{ANNOTATION_PROVIDED_NODE_IP, TAINT_UNINITIALIZED},
    provider::InstanceState,
};

const SETTINGS: NodeSettings = NodeSettings { adopt_untainted: false };
const X: &str = "ImproveCoverageTaint";

/// The Node after both writes of the plan, as the apiserver would show it.
fn applied(node: &Node, decision: &Decision) -> Node {
    let mut node = node.clone();
    let Decision::Apply { plan, .. } = decision else { return node };
    if let Some(addresses) = &plan.addresses {
        node.addresses.clone_from(addresses);
    }
    if let Some(patch) = &plan.patch {
        if let Some(id) = &patch.provider_id {
            node.provider_id.clone_from(id);
        }
        node.labels.extend(patch.labels.set.clone());
        node.labels.retain(|key, _| !patch.labels.remove.contains(key));
        if let Some(taints) = &patch.taints {
            node.taints.clone_from(taints);
        }
    }
    node
}

fn topology(zone: &str, region: &str) -> Instance {
    Instance { zone: Some(zone.to_owned()), region: Some(region.to_owned()), ..plain() }
}

/// A machine of which only addresses and id are known, as most of upstream's cases have it.
fn plain() -> Instance {
    Instance { region: None, ..instance() }
}

fn without_hostname(instance: Instance) -> Instance {
    Instance { addresses: addresses("I10.0.0.1 E132.143.154.163"), ..instance }
}

const TOPOLOGY: &str = "failure-domain.beta.kubernetes.io/zone=us-west-1a topology.kubernetes.io/zone=us-west-1a \
                        failure-domain.beta.kubernetes.io/region=us-west topology.kubernetes.io/region=us-west";
const ALL: &str = "Hnode0.cloud.internal I10.0.0.1 E132.143.154.163";

/// What upstream's `Test_syncNode` expects of a Node: the whole of what a cloud controller may change.
#[derive(Clone, Copy, Default)]
struct Expected<'a> {
    provider_id: &'a str,
    taints: &'a [&'a str],
    addresses: &'a str,
    labels: &'a str,
}

fn check(case: &str, node: fixtures::Node, instance: Instance, expected: Expected<'_>) {
    let node = node.build();
    let decision = decide(&node, &found(instance, 1), SETTINGS);
    let after = applied(&node, &decision);
    assert_eq!(after.provider_id, expected.provider_id, "{case}: {decision:?}");
    assert_eq!(after.taints.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(), expected.taints, "{case}: taints");
    assert_eq!(after.addresses, addresses(expected.addresses), "{case}: addresses");
    assert_eq!(after.labels, labels(expected.labels), "{case}: labels");
    let Decision::Apply { plan, initialises } = decision else { return };
    assert!(plan.writes() <= 2, "{case}: more than two writes");
    assert_eq!(initialises, is_uninitialized(&node), "{case}");
}

/// The Node is left as it is, for this reason.
fn check_held(case: &str, node: fixtures::Node, observed: &Observed, reason: &str) {
    match decide(&node.build(), observed, SETTINGS) {
        Decision::Hold(problem) => assert_eq!(problem.reason(), reason, "{case}"),
        other => panic!("{case}: {other:?}"),
    }
}

#[test]
fn nodes_are_initialised_as_upstream_does() {
    // Upstream's Test_syncNode.
    let new = || fixtures::Node::new().uninitialized();
    let id = "fake://12345";
    check(
        "node initialized with hostname",
        new().addresses("Hnodeoverriden"),
        plain(),
        Expected { provider_id: id, addresses: ALL, ..Default::default() },
    );
    check(
        "node initialized with hostname and cloud provider missing hostname",
        new().addresses("Hnodeoverriden"),
        without_hostname(plain()),
        Expected { provider_id: id, addresses: "I10.0.0.1 E132.143.154.163 Hnodeoverriden", ..Default::default() },
    );
    check(
        "node initialized with provider ID",
        new(),
        plain(),
        Expected { provider_id: id, addresses: ALL, ..Default::default() },
    );
    check("node ignored", fixtures::Node::new(), plain(), Expected::default());
    check(
        "zone/region topology labels added",
        new(),
        Instance { provider_id: "aws://12345".to_owned(), ..topology("us-west-1a", "us-west") },
        Expected { provider_id: "aws://12345", addresses: ALL, labels: TOPOLOGY, ..Default::default() },
    );
    check(
        "node addresses",
        new().taint(X),
        plain(),
        Expected { provider_id: id, taints: &[X], addresses: ALL, ..Default::default() },
    );
    check(
        "provided node IP address",
        new().node_ip("10.0.0.1").addresses("Hnode0.cloud.internal").provider_id(id),
        without_hostname(plain()),
        Expected {
            provider_id: id,
            addresses: "I10.0.0.1 E132.143.154.163 Hnode0.cloud.internal",
            ..Default::default()
        },
    );
    check(
        "provider ID already set",
        new().taint(X).provider_id("test-provider-id"),
        Instance { provider_id: "test-provider-id".to_owned(), ..plain() },
        Expected { provider_id: "test-provider-id", taints: &[X], addresses: ALL, ..Default::default() },
    );
}

#[test]
fn nodes_are_initialised_as_upstream_does_with_instances_v2() {
    // The second half of upstream's Test_syncNode.
    let new = || fixtures::Node::new().uninitialized();
    let id = "fake://12345";
    let nameless = || Instance { provider_id: String::new(), ..plain() };
    check(
        "[instanceV2] node initialized with provider ID",
        new().provider_id(id),
        nameless(),
        Expected { provider_id: id, addresses: ALL, ..Default::default() },
    );
    check("[instanceV2] node ignored", fixtures::Node::new(), plain(), Expected::default());
    check(
        "[instanceV2] zone/region topology labels added",
        new(),
        topology("us-west-1a", "us-west"),
        Expected { provider_id: id, addresses: ALL, labels: TOPOLOGY, ..Default::default() },
    );
    check(
        "[instanceV2] node addresses",
        new().taint(X),
        plain(),
        Expected { provider_id: id, taints: &[X], addresses: ALL, ..Default::default() },
    );
    check(
        "[instanceV2] provided node IP address",
        new().node_ip("10.0.0.1").addresses("Hnode0.cloud.internal"),
        without_hostname(plain()),
        Expected {
            provider_id: id,
            addresses: "I10.0.0.1 E132.143.154.163 Hnode0.cloud.internal",
            ..Default::default()
        },
    );
    check(
        "[instanceV2] provided additional labels",
        new(),
        Instance {
            labels: labels("topology.k8s.cp/zone-id=az1 my.custom.label/foo=bar"),
            ..topology("us-west-1a", "us-west")
        },
        Expected {
            provider_id: id,
            addresses: ALL,
            labels: &format!("{TOPOLOGY} topology.k8s.cp/zone-id=az1 my.custom.label/foo=bar"),
            ..Default::default()
        },
    );
    check(
        "[instanceV2] provided additional labels with labels to discard",
        new().labels("my.custom.label/foo=fizz my.custom.label/bar=foo"),
        Instance {
            labels: labels(
                "topology.kubernetes.io/region=us-other-west topology.k8s.io/region=us-other-west \
                 kubernetes.io/region=us-other-west k8s.io/region=us-other-west my.custom.label/foo=bar \
                 my.custom.label/bar=foo app.k8snio/bar=foo k8snio/bar=foo",
            ),
            ..topology("us-west-1a", "us-west")
        },
        Expected {
            provider_id: id,
            addresses: ALL,
            labels: &format!(
                "{TOPOLOGY} my.custom.label/foo=fizz my.custom.label/bar=foo app.k8snio/bar=foo k8snio/bar=foo"
            ),
            ..Default::default()
        },
    );
    check(
        "[instanceV2] provider ID already set",
        new().taint(X).provider_id("test-provider-id"),
        Instance { provider_id: "test-provider-id".to_owned(), ..plain() },
        Expected { provider_id: "test-provider-id", taints: &[X], addresses: ALL, ..Default::default() },
    );
    check_held("[instanceV2] provider ID not implemented", new(), &found(nameless(), 1), "MissingProviderID");
}

#[test]
fn what_cannot_be_initialised_stays_as_it_is_and_says_why() {
    // The failing cases of upstream's Test_syncNode; and 10.1.5: upstream only logs them.
    let new = || fixtures::Node::new().uninitialized().taint(X);
    check_held(
        "provided node IP address is not valid",
        new().node_ip("invalid-ip"),
        &found(plain(), 1),
        "InvalidNodeIP",
    );
    check_held(
        "provided node IP address is not present",
        new().node_ip("10.0.0.2"),
        &found(plain(), 1),
        "InvalidNodeIP",
    );
    check_held("[instanceV2] error getting InstanceMetadata", new(), &unknown(Code::Unavailable, 1), "InstanceUnknown");
    check_held("the machine is not there", new(), &not_found(1), "InstanceNotFound");
    check_held("another machine", new().provider_id("fake://other"), &found(plain(), 1), "ProviderIDMismatch");
    check_held(
        "no address yet",
        new().addresses("Hnode0"),
        &found(Instance { addresses: Vec::new(), state: InstanceState::Pending, ..plain() }, 1),
        "NoAddressYet",
    );
}

/// 10.1.6: upstream skips it without ever asking again, and crashes over it in the address loop.
#[test]
fn not_ours_and_not_yet_are_asked_again() {
    // Upstream's case "nil instanceMetadata provided by InstanceV2": no error, the Node stays as it is.
    let not_ours = Observed { answer: InstanceAnswer::NotOurs { reason: "bare metal".to_owned() }, at: at(1) };
    let tainted = fixtures::Node::new().uninitialized().taint(X).node_ip("10.0.0.1").build();
    let initialised = fixtures::Node::new().provider_id("fake://12345").build();
    for node in [tainted, initialised] {
        let Decision::Hold(problem) = decide(&node, &not_ours, SETTINGS) else { panic!("held") };
        assert_eq!(problem.retry(), Retry::Slow);
    }
    let not_yet = Problem::NoAddressYet(InstanceState::Pending);
    assert_eq!((not_yet.retry(), not_yet.loudness()), (Retry::Backoff, Loudness::WarningIfItStays));
}

/// 10.1.4: upstream takes the taint away first and the addresses may never come.
#[test]
fn addresses_come_before_the_taint_goes() {
    let node = fixtures::Node::new().uninitialized().build();
    let Decision::Apply { plan, .. } = decide(&node, &found(topology("z", "r"), 1), SETTINGS) else {
        panic!("applied")
    };
    assert!(plan.addresses.is_some(), "the first write");
    let patch = plan.patch.expect("the second write");
    assert_eq!(patch.taints, Some(Vec::new()));
    assert!(patch.provider_id.is_some() && !patch.labels.is_empty(), "with the taint, not after it: {patch:?}");
}

#[test]
fn addresses_of_a_tainted_node_are_written_only_with_its_initialisation() {
    // Upstream's TestNodeAddressesNotUpdateV2 and TestNodeAddressesNotUpdate: a Node that cannot be initialised gets none.
    let node = fixtures::Node::new().uninitialized().node_ip("10.9.9.9").build();
    let decision = decide(&node, &found(plain(), 1), SETTINGS);
    assert!(matches!(decision, Decision::Hold(_)), "{decision:?}");
}

#[test]
fn the_provider_id_comes_from_the_node_or_the_answer() {
    // Upstream's TestGetInstanceMetadata. The expected value is the providerID afterwards, `None` an error.
    let check = |case: &str, node: &str, answer: &str, expected: Option<&str>| {
        let node = fixtures::Node::new().uninitialized().provider_id(node).build();
        let answer = Instance { provider_id: answer.to_owned(), ..plain() };
        let decision = decide(&node, &found(answer, 1), SETTINGS);
        let after = applied(&node, &decision);
        let got = matches!(decision, Decision::Apply { .. }).then_some(after.provider_id);
        assert_eq!(got.as_deref(), expected, "{case}");
    };
    check("cloud implemented with Instances and provider ID", "", "fake://12345", Some("fake://12345"));
    check(
        "cloud implemented with Instances (providerID not implemented) and node with providerID",
        "fake://asdasd",
        "",
        Some("fake://asdasd"),
    );
    check("cloud implemented with InstancesV2 (with providerID)", "", "fake://12345", Some("fake://12345"));
    check("cloud implemented with InstancesV2 (without providerID)", "", "", None);
    check(
        "cloud implemented with InstancesV2 (without providerID) and node with providerID",
        "fake://12345",
        "",
        Some("fake://12345"),
    );
}

#[test]
fn an_initialised_node_that_is_as_it_should_be_gets_no_write() {
    let node = fixtures::Node::new().uninitialized().taint(X).node_ip("10.0.0.1").addresses("Hh").build();
    let answer = found(without_hostname(topology("z", "r")), 1);
    let first = decide(&node, &answer, SETTINGS);
    let Decision::Apply { plan, .. } = &first else { panic!("{first:?}") };
    assert_eq!(plan.writes(), 2);
    let again = decide(&applied(&node, &first), &answer, SETTINGS);
    assert_eq!(again, Decision::Apply { plan: NodePlan::default(), initialises: false });
}

/// 10.1.2 and 10.1.1: one answer refreshes labels and addresses alike, where upstream refreshes addresses only.
#[test]
fn a_later_answer_brings_labels_and_addresses_up_to_date() {
    let node = fixtures::Node::new()
        .provider_id("fake://12345")
        .addresses("I10.0.0.1")
        .our_labels("node.kubernetes.io/instance-type=small beta.kubernetes.io/instance-type=small")
        .build();
    let answer =
        Instance { instance_type: Some("large".to_owned()), addresses: addresses("I10.0.0.1 E1.1.1.1"), ..plain() };
    let after = applied(&node, &decide(&node, &found(answer, 1), SETTINGS));
    assert_eq!(after.addresses, addresses("I10.0.0.1 E1.1.1.1"));
    assert_eq!(after.labels["node.kubernetes.io/instance-type"], "large");
}

#[test]
fn unknown_addresses_of_an_initialised_node_stay() {
    let node = fixtures::Node::new().provider_id("fake://12345").addresses("I10.0.0.1").build();
    let answer = Instance { addresses: Vec::new(), ..plain() };
    let decision = decide(&node, &found(answer, 1), SETTINGS);
    assert_eq!(decision, Decision::Apply { plan: NodePlan::default(), initialises: false });
}

/// 10.1.8
#[test]
fn a_node_registered_without_the_taint_is_adopted_if_wanted() {
    let node = fixtures::Node::new().build();
    assert_eq!(decide(&node, &found(plain(), 1), SETTINGS), Decision::Ignore);
    let adopting = NodeSettings { adopt_untainted: true };
    let after = applied(&node, &decide(&node, &found(plain(), 1), adopting));
    assert_eq!((after.provider_id.as_str(), after.addresses.len()), ("fake://12345", 3));
}

#[test]
fn a_node_that_is_being_deleted_is_left_alone() {
    let node = fixtures::Node::new().uninitialized().deleting().build();
    assert_eq!(decide(&node, &found(plain(), 1), SETTINGS), Decision::Ignore);
}

#[test]
fn problems_say_how_loud_and_when_again() {
    let cloud = |code| Problem::Unknown(Box::new(fault(code, Origin::Cloud)));
    let away = Problem::Unknown(Box::new(fault(Code::Unavailable, Origin::Provider).with_reason(reason::AWAY)));
    for (problem, loudness, retry) in [
        (Problem::MissingProviderId, Loudness::Warning, Retry::Backoff),
        (Problem::NotFound("gone".to_owned()), Loudness::WarningIfItStays, Retry::Backoff),
        (cloud(Code::Unavailable), Loudness::WarningIfItStays, Retry::Backoff),
        (cloud(Code::PermissionDenied), Loudness::Warning, Retry::Slow),
        // A node that registered before its cloud shows the machine.
        (cloud(Code::FailedPrecondition), Loudness::WarningIfItStays, Retry::Backoff),
        (cloud(Code::ResourceExhausted), Loudness::Quiet, Retry::Backoff),
        (cloud(Code::InvalidArgument), Loudness::Warning, Retry::Halt),
        (away, Loudness::Quiet, Retry::Backoff),
    ] {
        assert_eq!((problem.loudness(), problem.retry()), (loudness, retry), "{problem:?}");
    }
}

#[test]
fn only_what_matters_wakes_the_controller() {
    let prefixes = ["cloud.example/".to_owned()];
    let check = |case: &str, old: Option<fixtures::Node>, new: fixtures::Node, expected: bool| {
        let old = old.map(fixtures::Node::build);
        assert_eq!(wakes(old.as_ref(), &new.build(), &prefixes, SETTINGS), expected, "{case}");
    };
    let tainted = || fixtures::Node::new().uninitialized();
    let done = || fixtures::Node::new().provider_id("fake://12345").our_labels("a.example/b=c");
    let beta_only = || done().labels("failure-domain.beta.kubernetes.io/zone=z");
    check("a new Node with the taint", None, tainted(), true);
    check("a Node of nobody's", None, fixtures::Node::new(), false);
    check("an initialised Node seen at the start is for the periodic look", None, done(), false);
    check("deprecated labels only", None, beta_only(), true);
    check("a heartbeat", Some(done()), done().annotation("other/x", "y"), false);
    check("our own address write", Some(tainted()), tainted().addresses("I10.0.0.1"), false);
    check("our own initialisation", Some(tainted()), done(), false);
    check("the taint came back", Some(done()), done().uninitialized(), true);
    check("the kubelet was given an address", Some(tainted()), tainted().node_ip("10.0.0.1"), true);
    check("the same later", Some(done()), done().node_ip("10.0.0.1"), true);
    check("an annotation the provider reads", Some(tainted()), tainted().annotation("cloud.example/id", "i"), true);
    check("somebody set the providerID", Some(tainted()), tainted().provider_id("fake://1"), true);
    check("a label of ours was taken away", Some(done()), fixtures::Node::new().provider_id("fake://12345"), true);
    check("deprecated labels appeared", Some(done()), beta_only(), true);
    check("they are still there", Some(beta_only()), beta_only(), false);
    check("another Node of the same name", Some(done().named("node1")), tainted(), true);
    check("it is being deleted", Some(done()), tainted().deleting(), false);
}

#[test]
fn a_problem_names_what_is_wrong() {
    let node = fixtures::Node::new().uninitialized().node_ip("nonsense").build();
    let Decision::Hold(problem) = decide(&node, &found(plain(), 1), SETTINGS) else { panic!("held") };
    let text = problem.to_string();
    assert!(text.contains(ANNOTATION_PROVIDED_NODE_IP) && text.contains("nonsense"), "{text}");
    assert!(node.has_taint_key(TAINT_UNINITIALIZED));
}
