//! The failures known of the Go provider, by their ids, as far as they concern nodes, configuration and credentials. What is
//! known of load balancers is tested with them.

use std::time::Duration;

use cloud_provider_api::v1::{self, instance_result::Answer};
use serde_json::json;
use simulators::{
    engine::{Effect, Rule},
    huawei::{NewServer, state},
};

use crate::rig::{Rig, Setup, addresses, cloud, keyed_config, node, node_at, timed, word};

/// #268, PR #269, DH 004: new providerIDs were written without their scheme.
#[tokio::test]
async fn issue_268_new_nodes_get_the_scheme_and_old_ones_keep_what_they_have() {
    let rig = Rig::start().await;
    let id = rig.server(NewServer::named("node-1"));
    assert_eq!(rig.found("node-1", "").await.provider_id, format!("huaweicloud://{id}"));
    assert_eq!(rig.found("node-1", &id).await.provider_id, id);
}

/// #268: `127.0.1.1` out of `/etc/hosts` was taken for the node's address.
#[tokio::test]
async fn issue_268_a_loopback_address_is_nobodys() {
    let rig = Rig::start().await;
    rig.server(NewServer::named("node-1"));
    let answers = rig.look_up(vec![node_at("node-1", "127.0.1.1")], None).await.unwrap();
    assert_eq!(word(&answers[0]), "INSTANCE_UNIDENTIFIED");
}

/// #248, PR #249, #253: a deleted server's node stayed; then "not found by name" became final.
#[tokio::test]
async fn issue_248_a_deleted_server_is_absent_and_an_unknown_name_is_not() {
    let rig = Rig::start().await;
    let id = rig.server(NewServer::named("node-1"));
    rig.cloud.operate("delete-server", json!({"id": id})).unwrap();
    assert_eq!(word(&rig.fresh("node-1", &id).await), "absent");
    assert_eq!(word(&rig.fresh("node-1", "").await), "INSTANCE_UNIDENTIFIED");
}

/// #247: a kubelet without `--node-ip` reports no address before the node is initialised.
#[tokio::test]
async fn issue_247_a_node_without_any_address_is_found_by_its_exact_name() {
    let rig = Rig::start().await;
    rig.server(NewServer::named("node-10"));
    let id = rig.server(NewServer::named("node-1"));
    let instance = rig.found("node-1", "").await;
    assert_eq!(instance.provider_id, format!("huaweicloud://{id}"));
    assert_eq!(addresses(&instance), [format!("in {}", rig.address(&id))]);
}

/// PR #265: the project was looked up by another name than the region's. 11.2.5: a failed look-up ended the process.
#[tokio::test]
async fn pr_265_and_seen_5_a_failed_project_look_up_is_survived() {
    let cloud = cloud().await;
    let away = Effect::Refuse { status: 503, code: "IAM.0011".to_owned(), message: String::new(), retry_after: None };
    let rule = cloud.break_with(Rule::new(away).service("iam"));
    let rig = Rig::of(cloud, Setup { global: "; no project", ..Setup::default() }).await;
    rig.server(NewServer::named("node-1"));
    let status = rig.look_up(vec![node("node-1", "")], None).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(status.message().contains("project"), "{}", status.message());
    assert!(rig.cloud.mend(rule));
    let recovered = async || rig.look_up(vec![node("node-1", "")], None).await.is_ok();
    rig.until("the project is known", recovered).await;
    assert_eq!(rig.found("node-1", "").await.account, state::PROJECT);
}

/// PR #243, #245, 11.2.15: the nodes' security group was set anew for all nodes at each start, and its errors were swallowed.
#[tokio::test]
async fn pr_243_nodes_are_put_into_their_group_once_and_a_failure_shows() {
    let group = "99990000-0000-4000-8000-0000000000aa";
    let cloud = cloud().await;
    cloud.edit(|state, now| {
        let mut made = state.security_groups.get(state::SECURITY_GROUP).unwrap().clone();
        (made.id, made.name) = (group.to_owned(), "nodes".to_owned());
        state.security_groups.insert(now, group, made);
    });
    let vpc = format!("security-group-id={group}");
    let setup = Setup { vpc: &vpc, ..Setup::default() };
    let rig = Rig::of(cloud, setup).await;
    let ids = rig.fleet(3);
    let nodes: Vec<_> = ids.iter().enumerate().map(|(n, id)| node(&format!("node-{n}"), id)).collect();
    rig.look_up(nodes.clone(), None).await.unwrap();
    let in_group = async || {
        rig.cloud.look(|state| {
            let ports = ids.iter().map(|id| &state.servers.get(id).unwrap().ports[0]);
            ports
                .map(|port| &state.ports.get(port).unwrap().security_groups)
                .all(|groups| groups.iter().any(|id| id == group))
        })
    };
    rig.until("all are in the group", in_group).await;
    rig.until("the condition says so", async || rig.condition("NodesInSecurityGroup").await.is_some()).await;
    assert_eq!(rig.calls().iter().filter(|call| call.mutating).count(), 3);
    let audited = rig.audit.lines("NovaAssociateSecurityGroup");
    assert_eq!(audited.len(), 3);
    assert!(
        audited.iter().all(|line| line["result"] == "OK" && !line["cloud_request_id"].as_str().unwrap().is_empty())
    );
    assert!(rig.metrics().contains("NovaAssociateSecurityGroup"));

    let rig = Rig::of(rig.stop().await, setup).await;
    rig.look_up(nodes, None).await.unwrap();
    let denied =
        Effect::Refuse { status: 403, code: "Ecs.0003".to_owned(), message: "no".to_owned(), retry_after: None };
    rig.cloud.break_with(Rule::new(denied).mutating());
    let id = rig.server(NewServer::named("late"));
    rig.found("late", &id).await;
    let failed = async || matches!(rig.condition("NodesInSecurityGroup").await, Some((Some(false), _)));
    rig.until("the failure shows", failed).await;
    let mutating = rig.calls().into_iter().filter(|call| call.mutating).count();
    assert_eq!(mutating, 1, "those that are in cost nothing at a start");
}

/// #101, terraform#302, 11.2.3: a 404 of the gateway was read as "the server is gone".
#[tokio::test]
async fn issue_101_and_seen_3_a_gateways_404_says_nothing_about_a_server() {
    let rig = Rig::start().await;
    let id = rig.server(NewServer::named("node-1"));
    let unpublished = Effect::Refuse {
        status: 404,
        code: "APIGW.0101".to_owned(),
        message: "The API does not exist or has not been published in the environment".to_owned(),
        retry_after: None,
    };
    rig.cloud.break_with(Rule::new(unpublished));
    let Answer::Unknown(status) = rig.fresh("node-1", &id).await else { panic!("something is claimed to be known") };
    assert!(status.message.contains("APIGW.0101"), "{}", status.message);
}

/// deckhouse#16781: which networks are inside and outside could not be said.
#[tokio::test]
async fn deckhouse_16781_the_configuration_says_which_networks_are_outside() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("networkingOption");
    std::fs::write(file, format!(r#"{{"public-network-name": ["{}"]}}"#, state::VPC)).unwrap();
    let flag = format!("--loadbalancer-config={}", folder.path().display());
    let rig = Rig::with(Setup { flags: &[&flag], ..Setup::default() }).await;
    let id = rig.server(NewServer::named("node-1"));
    assert_eq!(addresses(&rig.found("node-1", &id).await), [format!("out {}", rig.address(&id))]);
}

/// DH 006: nodes outside the cloud kept their taint, or worse.
#[tokio::test]
async fn dh_006_nodes_of_others_are_left_alone_without_a_call() {
    let rig = Rig::start().await;
    let answers = rig.look_up(vec![node("a", "static://a"), node("b", "mock://b")], None).await.unwrap();
    assert_eq!(answers.iter().map(word).collect::<Vec<_>>(), ["not ours", "not ours"]);
    assert!(rig.calls().is_empty());
}

/// 11.2.6: no call was repeated, and 429 was a failure.
#[tokio::test]
async fn seen_6_a_throttled_or_failed_read_is_repeated() {
    let rig = Rig::start().await;
    let id = rig.server(NewServer::named("node-1"));
    for (status, code) in [(429, "APIGW.0308"), (503, "APIGW.0201")] {
        let effect = Effect::Refuse { status, code: code.to_owned(), message: String::new(), retry_after: None };
        rig.cloud.break_with(Rule::new(effect).times(1));
        assert!(matches!(rig.fresh("node-1", &id).await, Answer::Found(_)), "{status}");
    }
}

/// 11.2.13: every call had a connection of its own.
#[tokio::test]
async fn seen_13_connections_are_shared_by_all_calls() {
    let rig = Rig::start().await;
    let id = rig.server(NewServer::named("node-1"));
    for _ in 0..30 {
        rig.found("node-1", &id).await;
    }
    assert!(rig.calls().len() >= 30);
    assert!(rig.cloud.connections().made <= 4, "{:?}", rig.cloud.connections());
}

/// 11.2.17: keys were read once, so that a new one needed a restart.
#[tokio::test]
async fn seen_17_a_new_key_is_taken_over_and_a_bad_one_is_not() {
    let rig = Rig::start().await;
    let id = rig.server(NewServer::named("node-1"));
    rig.found("node-1", &id).await;
    let project = format!("project-id={}", state::PROJECT);
    let setup = Setup { global: &project, ..Setup::default() };
    let write = |id: &str, secret: &str| {
        std::fs::write(rig.file("cloud-config"), keyed_config(&rig.cloud, setup, id, secret)).unwrap();
    };
    write("WRONG", "wrong-secret-marker");
    let refused = async || matches!(rig.condition("CredentialsValid").await, Some((_, message)) if !message.is_empty());
    rig.until("the bad key is told", refused).await;
    rig.found("node-1", &id).await;

    let second = ("SECONDKEY", "second-secret-key");
    rig.cloud.edit(|state, now| {
        let mut key = state.keys.get(state::ACCESS_KEY).unwrap().clone();
        (key.access, key.secret) = (second.0.to_owned(), second.1.to_owned());
        state.keys.insert(now, second.0, key);
    });
    write(second.0, second.1);
    rig.cloud.forget_calls();
    let taken = async || {
        rig.found("node-1", &id).await;
        rig.cloud.calls().last().is_some_and(|call| call.key == second.0)
    };
    rig.until("the new key is in use", taken).await;
}

/// 11.2.7: secrets were in the log at its highest level. They are in no answer either.
#[tokio::test]
async fn seen_7_a_refusal_shows_no_secret() {
    let cloud = cloud().await;
    let project = format!("project-id={}", state::PROJECT);
    let setup = Setup { global: &project, ..Setup::default() };
    let text = keyed_config(&cloud, setup, state::ACCESS_KEY, "marker-of-a-wrong-secret");
    let rig = Rig::of_file(cloud, &text, &[]).await;
    let answers = rig.look_up(vec![node("node-1", "")], Some(Duration::ZERO)).await.unwrap();
    assert_eq!(word(&answers[0]), "CREDENTIALS_REJECTED");
    let status = rig.identity().get_status(timed(v1::GetStatusRequest {})).await.unwrap().into_inner();
    let all = format!("{answers:?} {status:?} {}", rig.metrics());
    assert!(!all.contains("marker-of-a-wrong-secret"), "{all}");
}

/// #224: nodes had no external address.
#[tokio::test]
async fn issue_224_an_elastic_ip_is_the_nodes_external_address() {
    let rig = Rig::start().await;
    let id = rig.server(NewServer::named("node-1"));
    let public = rig.cloud.edit(|state, now| {
        state.seed(serde_json::from_value(json!({"publicIps": [{}]})).unwrap()).unwrap();
        let eip = state.publicips.iter().next().unwrap().id.clone();
        let port = state.servers.get(&id).unwrap().ports[0].clone();
        state.ports.change(now, &port).unwrap().publicip_id = Some(eip.clone());
        let eip = state.publicips.change(now, &eip).unwrap();
        eip.port_id = Some(port);
        eip.public_ip_address.to_string()
    });
    let inside = format!("in {}", rig.address(&id));
    assert_eq!(addresses(&rig.found("node-1", &id).await), [inside, format!("out {public}")]);
}

/// 11.3: two to three calls a node in each period.
#[tokio::test]
async fn cost_of_nodes_is_one_listing_a_thousand_for_all_questions() {
    let rig = Rig::start().await;
    let ids = rig.fleet(1500);
    let nodes: Vec<_> = ids.iter().enumerate().map(|(n, id)| node(&format!("node-{n}"), id)).collect();
    for chunk in nodes.chunks(500) {
        let answers = rig.look_up(chunk.to_vec(), Some(Duration::from_secs(60))).await.unwrap();
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Found(_))));
    }
    assert_eq!(rig.calls().len(), 2);
}
