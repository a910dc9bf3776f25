use super::*;
use crate::fixtures::{self, instance, labels};

/// A machine of which the cloud knows no zone, region and type, with these further labels.
fn bare(extra: &str) -> Instance {
    Instance { region: None, labels: labels(extra), ..instance() }
}

fn set(changes: &LabelChanges) -> String {
    changes.set.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn reserved_keys_are_kubernetes_own() {
    // The pattern is `(^|\.)(kubernetes|k8s)\.io/`.
    for (key, reserved) in [
        ("kubernetes.io/x", true),
        ("k8s.io/x", true),
        ("foo.kubernetes.io/x", true),
        ("foo.k8s.io/x", true),
        ("a.b.k8s.io/x", true),
        ("app.k8snio/bar", false),
        ("k8snio/bar", false),
        ("notk8s.io/x", false),
        ("xk8s.io/y.k8s.io/z", true),
        ("k8s.io.example.com/x", false),
        ("topology.k8s.cp/zone-id", false),
        ("plain", false),
        ("", false),
    ] {
        assert_eq!(is_reserved(key), reserved, "{key}");
    }
}

#[test]
fn deprecated_and_present_spelling_are_kept_equal() {
    // Upstream's Test_reconcileNodeLabels. There the deprecated spelling is the source of truth (10.1.7), here the present.
    let beta = "failure-domain.beta.kubernetes.io/zone=foo failure-domain.beta.kubernetes.io/region=bar \
                beta.kubernetes.io/instance-type=the-best-type";
    let stable = "topology.kubernetes.io/zone=foo topology.kubernetes.io/region=bar \
                  node.kubernetes.io/instance-type=the-best-type";
    let wrong = "topology.kubernetes.io/zone=wrongfoo topology.kubernetes.io/region=wrongbar \
                 node.kubernetes.io/instance-type=the-wrong-type";
    let beta_from_wrong = "failure-domain.beta.kubernetes.io/zone=wrongfoo \
                           failure-domain.beta.kubernetes.io/region=wrongbar \
                           beta.kubernetes.io/instance-type=the-wrong-type";
    let check = |case: &str, present: &[&str], expected: &str| {
        let node = present.iter().fold(fixtures::Node::new(), |node, text| node.labels(text)).build();
        assert_eq!(changes(&node, &bare(""), false).set, labels(expected), "{case}");
        assert_eq!(needs_repair(&node), !expected.is_empty(), "{case}");
    };
    check("requires reconcile", &[beta], stable);
    check("doesn't require reconcile", &[beta, stable], "");
    check("require reconcile -- secondary labels are different from primary", &[beta, wrong], beta_from_wrong);
    check("no labels", &[], "");
    check("only the present spelling, the cloud knows nothing", &[stable], "");
}

#[test]
fn both_spellings_are_written_when_the_cloud_knows() {
    let node = fixtures::Node::new().build();
    let known = Instance { zone: Some("z".to_owned()), ..instance() };
    assert_eq!(
        changes(&node, &known, true).set,
        labels(
            "topology.kubernetes.io/zone=z failure-domain.beta.kubernetes.io/zone=z \
             topology.kubernetes.io/region=r1 failure-domain.beta.kubernetes.io/region=r1"
        )
    );
}

#[test]
fn initialisation_overwrites_a_zone_but_not_a_further_label() {
    let node = fixtures::Node::new().labels("topology.kubernetes.io/zone=guess my.custom/foo=fizz").build();
    let known = Instance { zone: Some("z".to_owned()), ..bare("my.custom/foo=bar") };
    let changes = changes(&node, &known, true);
    assert_eq!(set(&changes), "failure-domain.beta.kubernetes.io/zone=z topology.kubernetes.io/zone=z");
    assert_eq!(changes.kept.into_iter().collect::<Vec<_>>(), ["my.custom/foo"]);
}

/// 10.1.2
#[test]
fn labels_of_ours_follow_the_cloud_after_initialisation() {
    let node = fixtures::Node::new()
        .our_labels("node.kubernetes.io/instance-type=small beta.kubernetes.io/instance-type=small my.custom/foo=old")
        .build();
    let resized = Instance { instance_type: Some("large".to_owned()), ..bare("my.custom/foo=new my.custom/more=x") };
    assert_eq!(
        changes(&node, &resized, false).set,
        labels(
            "node.kubernetes.io/instance-type=large beta.kubernetes.io/instance-type=large \
             my.custom/foo=new my.custom/more=x"
        )
    );
}

#[test]
fn labels_of_an_earlier_cloud_controller_are_taken_over() {
    let node = fixtures::Node::new()
        .labels("node.kubernetes.io/instance-type=small beta.kubernetes.io/instance-type=small")
        .build();
    let resized = Instance { instance_type: Some("large".to_owned()), ..bare("") };
    assert_eq!(
        changes(&node, &resized, false).set,
        labels("node.kubernetes.io/instance-type=large beta.kubernetes.io/instance-type=large")
    );
}

#[test]
fn labels_of_others_stay_and_the_deprecated_spelling_follows_them() {
    let node = fixtures::Node::new()
        .labels("topology.kubernetes.io/zone=mine my.custom/foo=mine")
        .our_labels("failure-domain.beta.kubernetes.io/zone=z")
        .build();
    let known = Instance { zone: Some("z".to_owned()), ..bare("my.custom/foo=cloud") };
    let changes = changes(&node, &known, false);
    assert_eq!(set(&changes), "failure-domain.beta.kubernetes.io/zone=mine");
    assert_eq!(changes.kept.len(), 2);
}

#[test]
fn what_the_cloud_no_longer_gives_is_taken_away_only_if_it_is_ours() {
    let node = fixtures::Node::new()
        .labels("my.custom/theirs=1")
        .our_labels("my.custom/gone=1 my.custom/still=1 topology.kubernetes.io/zone=z")
        .build();
    let changes = changes(&node, &bare("my.custom/still=1"), false);
    assert_eq!(changes.remove.iter().map(String::as_str).collect::<Vec<_>>(), ["my.custom/gone"]);
    assert!(changes.set.is_empty(), "an unknown zone is no reason to touch the label: {changes:?}");
}

#[test]
fn nothing_to_do_is_empty() {
    let node = fixtures::Node::new()
        .labels("topology.kubernetes.io/region=r1 failure-domain.beta.kubernetes.io/region=r1")
        .build();
    assert!(changes(&node, &instance(), false).is_empty());
}
