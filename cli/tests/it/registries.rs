use cpctl::Answers;
use serde_json::Value;

use crate::rig::Rig;

#[tokio::test]
async fn registries_and_their_users_are_shown() {
    let rig = Rig::start().await;
    let table = rig.run(&["registry", "list"]).await.well().out;
    assert!(table.contains("registry.example, registry-vpc.example"), "{table}");
    let users: Value =
        serde_json::from_str(&rig.run(&["registry", "users", "--registry=r-1", "--output=json"]).await.well().out)
            .unwrap();
    assert_eq!((&users[0]["id"], &users[0]["ours"]), (&"user-person".into(), &false.into()));
}

#[tokio::test]
async fn a_login_is_issued_in_the_form_its_reader_takes_and_to_no_screen() {
    let rig = Rig::start().await;
    let command = ["registry", "credential", "--registry=r-1", "--lifetime=1h"];
    let with = |format: &'static str| [&command[..], &[format]].concat();
    let helper: Value = serde_json::from_str(&rig.run(&with("--format=helper")).await.well().out).unwrap();
    assert_eq!((&helper["ServerURL"], &helper["Username"]), (&"registry.example".into(), &"temporary".into()));
    let config: Value = serde_json::from_str(&rig.run(&with("--format=docker-config")).await.well().out).unwrap();
    assert_eq!(config["auths"].as_object().unwrap().len(), 2);
    let ran = rig.run(&with("--format=password")).await.well();
    assert!(ran.out.trim().len() == 32 && ran.err.contains("\"temporary\"") && !ran.err.contains(ran.out.trim()));
    rig.run_at(&command, Answers::Person, true).await.ended(3, "--stdout");
}

#[tokio::test]
async fn a_user_is_revoked_only_when_confirmed() {
    let rig = Rig::start().await;
    let command = ["registry", "revoke", "--registry=r-1", "--user=user-person"];
    rig.run_at(&command, Answers::Always(false), false).await.ended(5, "nothing was changed");
    let users = rig.run(&["registry", "users", "--registry=r-1"]).await.well().out;
    assert!(users.contains("user-person"), "{users}");
    rig.run(&[&command[..], &["--yes"]].concat()).await.well();
    let again = rig.run(&[&command[..], &["--yes"]].concat()).await.well();
    assert!(again.err.contains("has no user"), "{}", again.err);
}
