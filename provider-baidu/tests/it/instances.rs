use cloud_provider_api::v1::{Capability, instance_result::Answer};
use serde_json::json;
use simulators::engine::{Effect, Rule};

use crate::rig::{Rig, node, word};

#[tokio::test]
async fn the_daemon_says_who_it_is_and_what_it_can_do() {
    let rig = Rig::start().await;
    let told = rig.handshake().await;
    assert_eq!(
        (told.provider_name.as_str(), told.provider_id_schemes.as_slice()),
        ("baiducloud", &["cce".to_owned(), String::new()][..])
    );
    assert_eq!((told.accounts[0].id.as_str(), told.accounts[0].region.as_str()), ("cce-demo0001", "bj"));
    let always = [
        Capability::Instances,
        Capability::LoadBalancers,
        Capability::LoadBalancerPlan,
        Capability::LoadBalancerList,
        Capability::MemberDrain,
    ]
    .map(i32::from);
    let of_accounts = [Capability::Clusters, Capability::Registries].map(i32::from);
    assert_eq!(told.capabilities, [&always[..], &[i32::from(Capability::Routes)], &of_accounts].concat());
    assert_eq!(rig.cloud.calls().len(), 0, "a handshake costs no call");
    let edge = Rig::with(|config, _| config["Profile"] = json!("edge")).await;
    let edge = edge.handshake().await.capabilities;
    assert_eq!(edge[..always.len()], always);
    assert!(!edge.contains(&i32::from(Capability::Routes)), "{edge:?}");
}

#[tokio::test]
async fn thousands_of_nodes_cost_a_listing_of_a_call_for_each_thousand() {
    let rig = Rig::start().await;
    let seeded = rig.cloud.seed(json!({"fleets": [{"prefix": "n", "count": 2500}]})).unwrap();
    let ids: Vec<_> = seeded["machines"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    for batch in ids.chunks(1000) {
        let nodes = batch.iter().map(|id| node(&format!("node-of-{id}"), &format!("cce://{id}"))).collect();
        let results = rig.look_up(nodes, false).await;
        assert!(results.iter().all(|result| word(result).starts_with("found cce://")));
    }
    assert_eq!(rig.count("ListInstances"), 3);
    assert_eq!(rig.count("ListBareMetalInstances"), 1, "bare metal is asked for once to learn that there is none");
    assert_eq!(rig.cloud.calls().len(), 4);
}

#[tokio::test]
async fn absence_is_the_clouds_word_about_that_one_machine() {
    let rig = Rig::start().await;
    rig.add_machines(&[("i-1", "192.168.0.4"), ("i-2", "192.168.0.5"), ("i-3", "192.168.0.6")]);
    rig.cloud.operate("set-machine-status", json!({"id": "i-3", "status": "Recycled"})).unwrap();
    rig.cloud.break_with(Rule::new(Effect::ShortList { keep: 1 }).action("ListInstances*"));
    assert_eq!(rig.word("cce://i-1").await, "found cce://i-1");
    assert_eq!(rig.word("i-1").await, "found i-1", "the form on the node is kept");
    assert_eq!(rig.word("cce://i-2").await, "found cce://i-2", "a list that lacks it proves nothing");
    assert_eq!(rig.word("cce://i-3").await, "absent: BCC: status Recycled; BBC: NoSuchObject");
    assert_eq!(rig.word("cce://i-9").await, "absent: BCC: NoSuchObject; BBC: NoSuchObject");
    for (status, body, expected) in [
        (404, "\"<html>404</html>\"", "unknown: CLOUD_UNAVAILABLE"),
        (404, r#"{"code":"InvalidVersion"}"#, "unknown: CLOUD_UNAVAILABLE"),
        (404, r#"{"message":"no route"}"#, "unknown: CLOUD_UNAVAILABLE"),
        (403, r#"{"code":"AccessDenied"}"#, "unknown: ACTION_DENIED"),
        (403, r#"{"code":"ServiceBlocked"}"#, "unknown: ACCOUNT_SUSPENDED"),
        (200, r#"{"instance":{"id":"i-other"}}"#, "unknown: ANSWER_UNREADABLE"),
    ] {
        rig.answer("/bcc/v2/instance/i-9", 4, status, body);
        assert_eq!(rig.word("cce://i-9").await, expected, "{body}");
        rig.cloud.mend_all();
    }
    rig.cloud.break_with(Rule::new(Effect::ShortList { keep: 0 }).action("ListInstances*"));
    assert_eq!(rig.word("cce://i-1").await, "found cce://i-1", "an empty list makes nobody absent");
}

#[tokio::test]
async fn a_page_without_its_marker_is_no_short_list() {
    let rig = Rig::start().await;
    rig.add_machines(&[("i-1", "192.168.0.4")]);
    rig.answer("/bcc/v2/instance", 10, 200, r#"{"instances":[],"isTruncated":true}"#);
    let results = rig.look_up(vec![node("192.168.0.4", "")], true).await;
    assert_eq!(word(&results[0]), "unknown: ANSWER_UNREADABLE");
}

#[tokio::test]
async fn bare_metal_is_found_and_then_listed() {
    let rig = Rig::start().await;
    rig.add_machines(&[("i-1", "192.168.0.4")]);
    assert_eq!(rig.word("cce://i-1").await, "found cce://i-1");
    let bare = json!({"id": "i-B1", "kind": "BBC", "address": "192.168.1.4", "zoneName": "cn-bj-b"});
    rig.cloud.seed(json!({"machines": [bare]})).unwrap();
    assert_eq!(rig.word("cce://i-B1").await, "found cce://i-B1");
    let results = rig.look_up(vec![node("192.168.1.4", "")], true).await;
    assert_eq!(word(&results[0]), "found cce://i-B1");
    let Some(Answer::Found(instance)) = &results[0].answer else { panic!() };
    assert_eq!(instance.zone, "zoneB");
}

#[tokio::test]
async fn an_account_without_bare_metal_is_not_hindered() {
    let rig = Rig::start().await;
    rig.add_machines(&[("i-1", "192.168.0.4")]);
    rig.answer("/bbc/*", 100, 403, r#"{"code":"OptInRequired"}"#);
    assert_eq!(rig.word("").await, "found cce://i-1");
    assert!(rig.word("cce://i-9").await.starts_with("absent"));
    let spared = Rig::with(|config, _| config["BareMetal"] = json!(false)).await;
    assert!(spared.word("cce://i-9").await.starts_with("absent: NoSuchObject"));
    assert_eq!(spared.cloud.calls().iter().filter(|call| call.service == "bbc").count(), 0);
}

#[tokio::test]
async fn machines_at_the_edge_are_ours_and_users_own_are_left_alone() {
    let rig = Rig::with(|config, _| config["Profile"] = json!("cloud-edge")).await;
    rig.add_machines(&[("i-1", "192.168.0.4")]);
    let edge = json!({"id": "vm-1", "name": "e1", "kind": "BEC", "address": "172.16.0.4"});
    rig.cloud.seed(json!({"machines": [edge]})).unwrap();
    let nodes = vec![node("192.168.0.4", ""), node("172.16.0.4", ""), node("my-own", ""), node("other", "host://x")];
    let words: Vec<String> = rig.look_up(nodes, false).await.iter().map(word).collect();
    assert_eq!(words, ["found cce://i-1", "found cce://vm-1", "not ours", "not ours"]);
    assert!(rig.word("cce://vm-9").await.starts_with("absent: VmNotFound"));
    assert_eq!(rig.word("cce://host 1").await, "unknown: INSTANCE_UNIDENTIFIED");
    let public = Rig::start().await;
    assert_eq!(public.word("cce://vm-1").await, "unknown: CLOUD_UNAVAILABLE", "nobody was asked");
    assert_eq!(public.word("").await, "unknown: INSTANCE_UNIDENTIFIED");
}
