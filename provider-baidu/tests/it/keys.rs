use serde_json::json;

use simulators::baidu::state;

use crate::rig::{Rig, until};

#[tokio::test]
async fn a_key_that_is_replaced_in_the_file_is_used_within_seconds() {
    let rig = Rig::start().await;
    rig.add_machines(&[("i-1", "192.168.0.4")]);
    assert_eq!(rig.word("cce://i-1").await, "found cce://i-1");
    rig.cloud.operate("disable-key", json!({"id": state::ACCESS_KEY})).unwrap();
    rig.cloud.seed(json!({"keys": [{"accessKey": "AK2", "secretKey": "marker-secret-2"}]})).unwrap();
    rig.rewrite(|config| {
        config["AccessKeyID"] = json!("AK2");
        config["SecretAccessKey"] = json!("marker-secret-2");
    });
    until("the new key is in use", || async { rig.word("cce://i-1").await == "found cce://i-1" }).await;
}

#[tokio::test]
async fn a_wrong_key_in_the_file_does_not_take_the_place_of_the_one_in_use() {
    let rig = Rig::start().await;
    rig.add_machines(&[("i-1", "192.168.0.4")]);
    assert_eq!(rig.word("cce://i-1").await, "found cce://i-1");
    rig.rewrite(|config| config["SecretAccessKey"] = json!("marker-wrong"));
    until("the new key is tried", || async {
        rig.cloud.calls().iter().any(|call| call.status.is_some_and(|status| status >= 400))
    })
    .await;
    until("people can read of it", || async {
        matches!(rig.condition("CredentialsValid").await, Some((Some(true), reason, _)) if reason == "NotReplaced")
    })
    .await;
    for number in 2..5 {
        let id = format!("i-{number}");
        rig.add_machines(&[(&id, &format!("192.168.0.{}", number + 3))]);
        assert_eq!(rig.word(&format!("cce://{id}")).await, format!("found cce://{id}"));
    }
}

#[tokio::test]
async fn a_wrong_key_is_an_answer_about_nobody() {
    let rig = Rig::with(|config, _| config["SecretAccessKey"] = json!("marker-wrong")).await;
    rig.add_machines(&[("i-1", "192.168.0.4")]);
    assert_eq!(rig.word("cce://i-1").await, "unknown: CREDENTIALS_REJECTED");
    let (holds, reason, message) = rig.condition("CredentialsValid").await.unwrap();
    assert_eq!((holds, reason.as_str()), (Some(false), "Rejected"));
    assert!(!message.contains("marker"), "{message}");
}

#[tokio::test]
async fn the_daemon_says_how_its_cloud_is() {
    let rig = Rig::start().await;
    rig.add_machines(&[("i-1", "192.168.0.4"), ("i-2", "192.168.0.5")]);
    assert_eq!(rig.condition("CloudReachable").await, None, "nothing was asked yet");
    assert_eq!(rig.word("cce://i-1").await, "found cce://i-1");
    for (condition, reason) in
        [("CloudReachable", "Answered"), ("CredentialsValid", "InUse"), ("ListingsComplete", "Complete")]
    {
        let (holds, why, _) = rig.condition(condition).await.unwrap();
        assert_eq!((holds, why.as_str()), (Some(true), reason), "{condition}");
    }
    rig.answer("/bcc/*", 1000, 503, "");
    rig.word("cce://i-1").await;
    assert_eq!(rig.condition("CloudReachable").await.unwrap().0, Some(false));
}

#[tokio::test]
async fn behind_the_gateway_a_token_that_rotates_takes_the_place_of_a_key() {
    let rig = Rig::with(|config, folder| {
        let url = config["Endpoints"]["bcc"].as_str().unwrap().trim_end_matches("/bcc").to_owned();
        std::fs::write(folder.path().join("token"), "marker-token-1\n").unwrap();
        std::fs::write(folder.path().join("expiredAt"), "4000000000\n").unwrap();
        let object = config.as_object_mut().unwrap();
        object.remove("AccessKeyID");
        object.remove("SecretAccessKey");
        object.insert("Profile".to_owned(), json!("gateway"));
        object.insert("GatewayEndpoint".to_owned(), json!(url));
        object.insert("GatewayTokenFolder".to_owned(), json!(folder.path()));
        // Nobody listens there: all is to go through the gateway.
        let services = ["bcc", "bbc"].map(|name| (name.to_owned(), json!(format!("https://127.0.0.1:1/{name}"))));
        object.insert("Endpoints".to_owned(), json!(serde_json::Map::from_iter(services)));
    })
    .await;
    rig.add_machines(&[("i-1", "192.168.0.4")]);
    assert_eq!(rig.word("cce://i-1").await, "unknown: CREDENTIALS_REJECTED", "the gateway does not know that token");
    let rotate = || {
        let told = rig.cloud.operate("new-gateway-token", json!({"cluster": "cce-demo0001"})).unwrap();
        rig.replace("token", told["token"].as_str().unwrap());
    };
    rotate();
    until("the first token is in use", || async { rig.word("cce://i-1").await == "found cce://i-1" }).await;
    rig.cloud.operate("revoke-gateway-tokens", json!({"id": "cce-demo0001"})).unwrap();
    rotate();
    until("the new token is in use", || async { rig.word("cce://i-1").await == "found cce://i-1" }).await;
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let rig = Rig::with(|config, _| config["DryRun"] = json!(true)).await;
    assert_eq!(rig.create(vec![crate::rig::route("a", "10.244.3.0/24", "i-1")]).await, ["ACTION_DENIED"]);
    assert_eq!(rig.writes(), 0);
}
