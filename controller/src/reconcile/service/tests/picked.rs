//! Services that pick their nodes by label.

use super::*;

/// A rig with three nodes, two of which have a disk that is an SSD, and Services `every` and `fast`.
async fn picked() -> (Cloud, Daemon, Rig) {
    let cloud = Cloud::default();
    let daemon = cloud.daemon("test");
    let mut rig = Rig::over(&daemon);
    for (name, disk) in [("n1", "ssd"), ("n2", "ssd"), ("n3", "hdd")] {
        rig.api.create_node(name, &format!("test://{name}"), &json!({"metadata": {"labels": {"disk": disk}}}));
    }
    rig.start(run);
    for name in ["every", "fast"] {
        rig.api.create_service(name, &balanced());
    }
    pick(&rig, &json!("disk=ssd"));
    rig.until("the addresses", |api| has_address(api, "every") && has_address(api, "fast")).await;
    settle().await;
    (cloud, daemon, rig)
}

fn pick(rig: &Rig, nodes: &serde_json::Value) {
    rig.api.edit_service("fast", &json!({"metadata": {"annotations": {"test.example/nodes": nodes}}}));
}

fn label(rig: &Rig, node: &str, labels: &serde_json::Value) {
    rig.api.edit_node(node, &json!({"metadata": {"labels": labels}}));
}

async fn settle() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// Updates of members since the last time, by Service.
fn updates(cloud: &Cloud) -> Vec<(String, usize)> {
    cloud.with(|state| std::mem::take(&mut state.updates)).into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn a_service_follows_the_nodes_it_picks_and_no_other_does() {
    let (cloud, _daemon, rig) = picked().await;
    assert_eq!(cloud.members(), [2, 3]);
    updates(&cloud);

    label(&rig, "n3", &json!({"disk": "ssd"}));
    settle().await;
    assert_eq!(updates(&cloud), [("fast".to_owned(), 1)]);
    assert_eq!(cloud.members(), [3]);

    label(&rig, "n3", &json!({"disk": "hdd", "somebody": "else's"}));
    label(&rig, "n2", &json!({"disk": null}));
    settle().await;
    assert_eq!(updates(&cloud), [("fast".to_owned(), 1)], "both at once");
    assert_eq!(cloud.members(), [1, 3]);

    label(&rig, "n1", &json!({"weather": "fine"}));
    settle().await;
    assert_eq!(updates(&cloud), [], "nobody picks by that");

    rig.api.create_node("n4", "test://n4", &json!({}));
    settle().await;
    assert_eq!(updates(&cloud), [("every".to_owned(), 1)], "it is not among those picked");

    label(&rig, "n1", &json!({"disk": null}));
    settle().await;
    assert_eq!(cloud.members(), [0, 4]);
    assert!(rig.api.events().iter().any(|(reason, _)| reason == "UnAvailableLoadBalancer"), "nobody is picked");

    pick(&rig, &serde_json::Value::Null);
    settle().await;
    assert_eq!(cloud.members(), [4], "without the annotation every node is right");
}

#[tokio::test(start_paused = true)]
async fn another_process_finds_those_picked_as_they_are() {
    let (_cloud, daemon, mut rig) = picked().await;
    rig.stop().await;
    let calls = || ["EnsureLoadBalancer", "UpdateLoadBalancerMembers"].map(|call| daemon.calls(call).len());
    let before = calls();
    rig.start(run);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(calls(), before);
}

#[tokio::test(start_paused = true)]
async fn a_pick_that_makes_no_sense_changes_nothing_and_hinders_no_removal() {
    let (cloud, daemon, rig) = picked().await;
    let asked = daemon.calls("EnsureLoadBalancer").len();
    pick(&rig, &json!("disk=ssd or hdd"));
    settle().await;
    let told = rig.api.events().into_iter().find(|(reason, _)| reason == "SyncLoadBalancerFailed").expect("told");
    assert!(told.1.contains("metadata.annotations[test.example/nodes]: \"disk=ssd or hdd\""), "{told:?}");
    assert_eq!((daemon.calls("EnsureLoadBalancer").len(), cloud.members()), (asked, vec![2, 3]));

    rig.api.delete_service("fast");
    rig.until("the Service is gone", |api| api.service("fast").is_null()).await;
    assert_eq!(cloud.count(), 1);
}
