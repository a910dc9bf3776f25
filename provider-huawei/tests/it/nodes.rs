//! Nodes: what is found, what is absent, what is not known, and what it costs.

use std::time::Duration;

use cloud_provider_api::v1::{self, InstanceState, instance_result::Answer};
use simulators::{
    engine::{Effect, Rule},
    huawei::{NewServer, state},
};

use crate::rig::{Rig, Setup, addresses, node, node_at, timed, word};

const NOBODY: &str = "dead0000-0000-4000-8000-000000000000";

#[tokio::test]
async fn a_handshake_tells_project_region_and_schemes_and_calls_nobody() {
    let vpc = format!("id={}", state::VPC);
    let rig = Rig::with(Setup { vpc: &vpc, ..Setup::default() }).await;
    let request = v1::HandshakeRequest {
        controller_name: "test".to_owned(),
        api_minors: vec![1],
        ..v1::HandshakeRequest::default()
    };
    let told = rig.identity().handshake(timed(request)).await.unwrap().into_inner();
    assert_eq!(told.provider_name, "huaweicloud");
    assert_eq!(told.provider_id_schemes, ["huaweicloud", ""]);
    let account = v1::Account { id: state::PROJECT.to_owned(), region: "ap-southeast-1".to_owned() };
    assert_eq!(told.accounts, [account]);
    assert!(told.annotation_prefixes.iter().any(|prefix| prefix == "kubernetes.io/elb."));
    assert!(told.capabilities.contains(&v1::Capability::Routes.into()));
    assert!(rig.calls().is_empty());
}

#[tokio::test]
async fn a_server_is_described_with_all_the_api_asks_for() {
    let rig = Rig::with(Setup { flags: &["--node-tag-label=role"], ..Setup::default() }).await;
    let server = NewServer { tags: vec!["role=worker".to_owned(), "x=y".to_owned()], ..NewServer::named("node-1") };
    let id = rig.server(server);
    let instance = rig.found("node-1", &id).await;
    assert_eq!(instance.provider_id, id, "the form on the node stays");
    assert_eq!((instance.instance_type.as_str(), instance.zone.as_str()), ("c6.large.2", "ap-southeast-1a"));
    assert_eq!((instance.region.as_str(), instance.account.as_str()), ("ap-southeast-1", state::PROJECT));
    assert_eq!(instance.state(), InstanceState::Running);
    assert_eq!(addresses(&instance), [format!("in {}", rig.address(&id))]);
    assert_eq!(instance.labels, [("tags.huaweicloud.com/role".to_owned(), "worker".to_owned())].into());
    let set = |status: &str| {
        rig.cloud.operate("set-server-status", serde_json::json!({"id": id, "status": status})).unwrap();
    };
    for (status, expected) in [
        ("SHUTOFF", InstanceState::Stopped),
        ("SOFT_DELETED", InstanceState::Terminating),
        ("REBOOT", InstanceState::Changing),
        ("ERROR", InstanceState::Failed),
    ] {
        set(status);
        assert_eq!(rig.found("node-1", &id).await.state(), expected, "{status}");
    }
}

#[tokio::test]
async fn ipv6_is_shown_to_nodes_that_ask_for_it() {
    let rig = Rig::start().await;
    let subnet = rig.cloud.edit(|state, now| {
        let subnet = state.subnets.change(now, state::SUBNET).unwrap();
        subnet.ipv6.is_some()
    });
    let id = rig.server(NewServer { ipv6: subnet, ..NewServer::named("node-1") });
    let mut asking = node("node-1", &id);
    asking.annotations.insert("alpha.kubernetes.io/provided-node-ip".to_owned(), "192.168.0.9,fd00::9".to_owned());
    let plain = rig.found("node-1", &id).await;
    assert_eq!(plain.addresses.len(), 1);
    let answers = rig.look_up(vec![asking], None).await.unwrap();
    let Answer::Found(instance) = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(instance.addresses.len(), 1 + usize::from(subnet));
}

#[tokio::test]
async fn a_thousand_nodes_are_initialised_with_a_handful_of_calls() {
    let rig = Rig::start().await;
    let ids = rig.fleet(1000);
    let named: Vec<_> = ids.iter().enumerate().map(|(n, id)| node_at(&format!("node-{n}"), &rig.address(id))).collect();
    for chunk in named.chunks(100) {
        let answers = rig.look_up(chunk.to_vec(), None).await.unwrap();
        assert!(answers.iter().all(|answer| word(answer).starts_with("huaweicloud://")), "{answers:?}");
    }
    let calls = rig.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls.iter().all(|call| !call.mutating));
}

#[tokio::test]
async fn listings_of_several_pages_are_read_to_their_end() {
    let rig = Rig::start().await;
    let ids = rig.fleet(2345);
    let nodes: Vec<_> = [0, 999, 1000, 2344]
        .iter()
        .map(|n| node(&format!("node-{n}"), &format!("huaweicloud://{}", ids[*n])))
        .collect();
    let answers = rig.look_up(nodes, Some(Duration::from_secs(60))).await.unwrap();
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Found(_))), "{answers:?}");
    assert_eq!(rig.calls().len(), 3, "a page holds a thousand");
    let one = rig.fresh("node-2344", &ids[2344]).await;
    assert!(matches!(one, Answer::Found(_)));
    assert_eq!(rig.calls().len(), 1, "one of many is asked for by id");
}

#[tokio::test]
async fn absence_is_ecs_own_word_about_the_very_server() {
    let rig = Rig::start().await;
    let id = rig.server(NewServer::named("node-1"));
    let Answer::NotFound(absent) = rig.fresh("gone", NOBODY).await else { panic!("not absent") };
    assert!(absent.evidence.contains("Ecs.0114"), "{}", absent.evidence);
    assert_eq!((absent.account.as_str(), absent.region.as_str()), (state::PROJECT, "ap-southeast-1"));
    let actions: Vec<String> = rig.calls().into_iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    assert!(actions.last().unwrap().ends_with(NOBODY), "{actions:?}");
    // Lists that lie take no server away.
    let lie = rig.cloud.break_with(Rule::new(Effect::ShortList { keep: 0 }));
    assert!(matches!(rig.fresh("node-1", &id).await, Answer::Found(_)));
    assert!(rig.cloud.mend(lie));
}

#[tokio::test]
async fn whatever_goes_wrong_in_between_is_unknown_and_passes() {
    let rig = Rig::start().await;
    let id = rig.server(NewServer::named("node-1"));
    let refuse = |status, code: &str| Effect::Refuse {
        status,
        code: code.to_owned(),
        message: "no".to_owned(),
        retry_after: None,
    };
    for (effect, expected) in [
        (refuse(404, "APIGW.0101"), "CLOUD_UNAVAILABLE"),
        (refuse(403, "APIGW.0302"), "ACTION_DENIED"),
        (refuse(404, "Ecs.0999"), "REFERENCE_MISSING"),
        (
            Effect::Answer { status: 404, body: "<html>".to_owned(), content_type: "text/html".to_owned() },
            "CLOUD_UNAVAILABLE",
        ),
        (
            Effect::Answer { status: 200, body: "{}".to_owned(), content_type: "application/json".to_owned() },
            "ANSWER_UNREADABLE",
        ),
    ] {
        let rule = rig.cloud.break_with(Rule::new(effect.clone()).service("ecs"));
        for provider_id in [id.as_str(), NOBODY] {
            let answer = rig.fresh("node-1", provider_id).await;
            assert_eq!(word(&answer), expected, "{effect:?} {answer:?}");
        }
        assert!(rig.cloud.mend(rule));
        assert!(matches!(rig.fresh("node-1", &id).await, Answer::Found(_)), "after {effect:?}");
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_is_refused_with_every_fault() {
    let rig = Rig::start().await;
    let status = rig.look_up(vec![node("a", ""), node("a", &"x".repeat(600)), node("", "")], None).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let details = tonic_types::StatusExt::get_error_details(&status);
    let fields: Vec<_> =
        details.bad_request().unwrap().field_violations.iter().map(|found| found.field.clone()).collect();
    assert_eq!(fields, ["nodes[1].provider_id", "nodes[1].node_name", "nodes[2].node_name"]);
    assert!(rig.calls().is_empty());
}
