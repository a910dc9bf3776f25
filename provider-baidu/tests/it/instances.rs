use cloud_provider_api::v1::{Capability, instance_result::Answer};
use serde_json::json;

use crate::{
    cloud::machine,
    rig::{Rig, node, word},
};

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
    assert_eq!(rig.cloud.lock().calls.len(), 0, "a handshake costs no call");
    let edge = Rig::with(|config, _| config["Profile"] = json!("edge")).await;
    let edge = edge.handshake().await.capabilities;
    assert_eq!(edge[..always.len()], always);
    assert!(!edge.contains(&i32::from(Capability::Routes)), "{edge:?}");
}

#[tokio::test]
async fn thousands_of_nodes_cost_a_listing_of_a_call_for_each_thousand() {
    let rig = Rig::start().await;
    let id = |n: usize| format!("i-N{n:06}");
    rig.cloud.lock().bcc =
        (0..2500).map(|n| machine(&id(n), &format!("10.{}.{}.{}", n / 62500, n / 250, n % 250))).collect();
    for from in [0, 1000, 2000] {
        let nodes =
            (from..(from + 1000).min(2500)).map(|n| node(&format!("n{n}"), &format!("cce://{}", id(n)))).collect();
        let results = rig.look_up(nodes, false).await;
        assert!(results.iter().all(|result| word(result).starts_with("found cce://")));
    }
    assert_eq!(rig.cloud.count("GET /bcc/v2/instance"), 3);
    assert_eq!(rig.cloud.count("GET /bbc"), 1, "bare metal is asked for once to learn that there is none");
    assert_eq!(rig.cloud.lock().calls.len(), 4);
}

#[tokio::test]
async fn absence_is_the_clouds_word_about_that_one_machine() {
    let rig = Rig::start().await;
    {
        let mut cloud = rig.cloud.lock();
        cloud.bcc = vec![machine("i-1", "192.168.0.4"), machine("i-2", "192.168.0.5"), machine("i-3", "192.168.0.6")];
        cloud.bcc[2]["status"] = json!("Recycled");
        cloud.hidden.push("i-2".to_owned());
    }
    assert_eq!(rig.word("cce://i-1").await, "found cce://i-1");
    assert_eq!(rig.word("i-1").await, "found i-1", "the form on the node is kept");
    assert_eq!(rig.word("cce://i-2").await, "found cce://i-2", "a list that lacks it proves nothing");
    assert_eq!(
        rig.word("cce://i-3").await,
        "absent: BCC: status Recycled, request req-1; BBC: NoSuchObject, request req-1"
    );
    assert_eq!(
        rig.word("cce://i-9").await,
        "absent: BCC: NoSuchObject, request req-1; BBC: NoSuchObject, request req-1"
    );
    for (status, body, expected) in [
        (404, "\"<html>404</html>\"", "unknown: CLOUD_UNAVAILABLE"),
        (404, r#"{"code":"InvalidVersion"}"#, "unknown: CLOUD_UNAVAILABLE"),
        (404, r#"{"message":"no route"}"#, "unknown: CLOUD_UNAVAILABLE"),
        (403, r#"{"code":"AccessDenied"}"#, "unknown: ACTION_DENIED"),
        (403, r#"{"code":"ServiceBlocked"}"#, "unknown: ACCOUNT_SUSPENDED"),
        (200, r#"{"instance":{"id":"i-other"}}"#, "unknown: ANSWER_UNREADABLE"),
    ] {
        rig.cloud.fail("GET /bcc/v2/instance/i-9", 4, status, body, false);
        assert_eq!(rig.word("cce://i-9").await, expected, "{body}");
        rig.cloud.lock().faults.clear();
    }
    rig.cloud.lock().hidden = ["i-1", "i-2", "i-3"].map(str::to_owned).to_vec();
    assert_eq!(rig.word("cce://i-1").await, "found cce://i-1", "an empty list makes nobody absent");
}

#[tokio::test]
async fn a_page_without_its_marker_is_no_short_list() {
    let rig = Rig::start().await;
    rig.cloud.lock().bcc = vec![machine("i-1", "192.168.0.4")];
    rig.cloud.fail("GET /bcc/v2/instance?", 10, 200, r#"{"instances":[],"isTruncated":true}"#, false);
    let results = rig.look_up(vec![node("192.168.0.4", "")], true).await;
    assert_eq!(word(&results[0]), "unknown: ANSWER_UNREADABLE");
}

#[tokio::test]
async fn bare_metal_is_found_and_then_listed() {
    let rig = Rig::start().await;
    rig.cloud.lock().bcc = vec![machine("i-1", "192.168.0.4")];
    assert_eq!(rig.word("cce://i-1").await, "found cce://i-1");
    rig.cloud.lock().bbc =
        vec![json!({"id": "i-B1", "status": "Running", "internalIp": "192.168.1.4", "zone": "cn-bj-b"})];
    assert_eq!(rig.word("cce://i-B1").await, "found cce://i-B1");
    let results = rig.look_up(vec![node("192.168.1.4", "")], true).await;
    assert_eq!(word(&results[0]), "found cce://i-B1");
    let Some(Answer::Found(instance)) = &results[0].answer else { panic!() };
    assert_eq!(instance.zone, "zoneB");
}

#[tokio::test]
async fn an_account_without_bare_metal_is_not_hindered() {
    let rig = Rig::start().await;
    rig.cloud.lock().bcc = vec![machine("i-1", "192.168.0.4")];
    rig.cloud.fail("GET /bbc", 100, 403, r#"{"code":"OptInRequired"}"#, false);
    assert_eq!(rig.word("").await, "found cce://i-1");
    assert!(rig.word("cce://i-9").await.starts_with("absent"));
    let spared = Rig::with(|config, _| config["BareMetal"] = json!(false)).await;
    assert!(spared.word("cce://i-9").await.starts_with("absent: NoSuchObject"));
    assert_eq!(spared.cloud.count("GET /bbc"), 0);
}

#[tokio::test]
async fn machines_at_the_edge_are_ours_and_users_own_are_left_alone() {
    let rig = Rig::with(|config, _| config["Profile"] = json!("cloud-edge")).await;
    {
        let mut cloud = rig.cloud.lock();
        cloud.bcc = vec![machine("i-1", "192.168.0.4")];
        cloud.bec = vec![
            json!({"id": "vm-1", "name": "e1", "status": "running", "internalIp": "172.16.0.4", "regionId": "cn-hangzhou-cm"}),
        ];
    }
    let nodes = vec![node("192.168.0.4", ""), node("172.16.0.4", ""), node("my-own", ""), node("other", "host://x")];
    let words: Vec<String> = rig.look_up(nodes, false).await.iter().map(word).collect();
    assert_eq!(words, ["found cce://i-1", "found cce://vm-1", "not ours", "not ours"]);
    assert!(rig.word("cce://vm-9").await.starts_with("absent: VmNotFound"));
    assert_eq!(rig.word("cce://host 1").await, "unknown: INSTANCE_UNIDENTIFIED");
    let public = Rig::start().await;
    assert_eq!(public.word("cce://vm-1").await, "unknown: CLOUD_UNAVAILABLE", "nobody was asked");
    assert_eq!(public.word("").await, "unknown: INSTANCE_UNIDENTIFIED");
}
