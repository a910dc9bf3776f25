use std::os::unix::fs::PermissionsExt as _;

use cpctl::Answers;
use provider_kit::Class;
use serde_json::Value;

use crate::rig::{Rig, SCENARIO};

fn yaml(path: &std::path::Path) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test]
async fn the_daemon_and_its_clusters_are_shown_for_people_and_for_programs() {
    let rig = Rig::start().await;
    let info = rig.run(&["provider", "info"]).await.well().out;
    for part in ["mock-account/mock-region", "CLUSTERS, REGISTRIES", "mock://"] {
        assert!(info.contains(part), "{part} is not in\n{info}");
    }
    let info: Value = serde_json::from_str(&rig.run(&["provider", "info", "--output=json"]).await.well().out).unwrap();
    assert_eq!(info["limits"]["maxInstances"], 100);

    let table = rig.run(&["clusters", "list"]).await.well().out;
    assert!(table.lines().any(|line| line.starts_with("c-1") && line.ends_with("public, vpc")), "{table}");
    let list: Value = serde_json::from_str(&rig.run(&["clusters", "list", "--output=json"]).await.well().out).unwrap();
    assert_eq!(list[1]["endpoints"], serde_json::json!(["public"]));
}

#[tokio::test]
async fn a_kubeconfig_is_merged_replaced_and_never_in_the_way_of_others() {
    let rig = Rig::start().await;
    let path = rig.path("config");
    std::fs::write(&path, "current-context: work\nusers: [{name: work, user: {token: theirs}}]\n").unwrap();
    let file = format!("--kubeconfig={}", path.display());
    let ran = rig.run(&["kubeconfig", "--cluster=c-1", "--endpoint=vpc", &file]).await.well();
    assert!(ran.out.is_empty() && ran.err.contains("added context \"cpctl-c-1\""), "{}", ran.err);
    let written = yaml(&path);
    assert_eq!(
        (&written["current-context"], &written["users"][0]["user"]["token"]),
        (&"work".into(), &"theirs".into())
    );
    assert_eq!(written["clusters"][0]["cluster"]["server"], "https://10.0.0.1:6443");
    let token = written["users"][1]["user"]["token"].as_str().unwrap().to_owned();
    assert!(!ran.err.contains(&token), "no secret is told");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let ran = rig.run(&["kubeconfig", "--cluster=c-1", &file, "--set-current", "--lifetime=1h"]).await.well();
    assert!(ran.err.contains("replaced context \"cpctl-c-1\", the current one"), "{}", ran.err);
    let written = yaml(&path);
    assert_eq!(written["users"].as_array().unwrap().len(), 2);
    assert_ne!(written["users"][1]["user"]["token"], token.as_str(), "a new key each time");
    assert_eq!(written["clusters"][0]["cluster"]["server"], "https://192.0.2.1:6443");

    let before = std::fs::read_to_string(&path).unwrap();
    rig.run(&["kubeconfig", "--cluster=c-2", "--context=work", &file]).await.ended(3, "--force");
    rig.run(&["kubeconfig", "--cluster=c-2", "--context=cpctl-c-1", &file]).await.ended(3, "leads to cluster c-1");
    rig.run(&["kubeconfig", "--cluster=c-2", "--endpoint=vpc", &file]).await.ended(3, "ENDPOINT_ABSENT");
    rig.run(&["kubeconfig", "--cluster=gone", &file]).await.ended(3, "OBJECT_ABSENT");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
}

#[tokio::test]
async fn a_kubeconfig_goes_to_a_screen_only_when_that_is_asked_for() {
    let rig = Rig::start().await;
    let printed = rig.run_at(&["kubeconfig", "--cluster=c-1", "--stdout"], Answers::Person, true).await.well().out;
    let printed: Value = serde_saphyr::from_str(&printed).unwrap();
    assert_eq!(printed["current-context"], "cpctl-c-1");
    let ran = rig.run_at(&["credential", "--cluster=c-1", "--no-cache"], Answers::Person, true).await;
    ran.ended(3, "--stdout");
    assert!(ran.out.is_empty());
}

#[tokio::test]
async fn who_may_not_have_secrets_is_told_what_to_change() {
    let rig = Rig::with(SCENARIO, &[Class::Read, Class::Write]).await;
    rig.run(&["clusters", "list"]).await.ended(3, "--secret-peer-uid");
    rig.run(&["provider", "info"]).await.well();
}

#[tokio::test]
async fn what_a_provider_cannot_do_is_said_by_its_capability() {
    let rig = Rig::with("provider: {capabilities: [INSTANCES]}\n", &[Class::Read, Class::Secret]).await;
    rig.run(&["clusters", "list"]).await.ended(3, "CAPABILITY_CLUSTERS");
    rig.run(&["registry", "list"]).await.ended(3, "CAPABILITY_REGISTRIES");
}
