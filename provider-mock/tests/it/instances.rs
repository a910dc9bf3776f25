use cloud_provider_api::v1::{self, AddressType, identity_server::Identity as _, instance_result::Answer};
use provider_mock::cloud::MachineState;
use tonic::{Code, Request};

use crate::requests::*;

#[tokio::test]
async fn every_reference_gets_a_result_of_its_name() {
    let provider = provider("instances: {names: ['node-*']}");
    let nodes = vec![node("node-1", ""), node("other", ""), node("node-2", "aws://i-1"), node("node-3", "mock://i-3")];
    let results = batch(&provider, nodes).await.unwrap();
    let kind = |result: &v1::InstanceResult| match result.answer.as_ref().unwrap() {
        Answer::Found(instance) => format!("found {}", instance.provider_id.split_once("://").unwrap().0),
        Answer::NotOurs(_) => "not ours".to_owned(),
        other => format!("{other:?}"),
    };
    let told: Vec<_> = results.iter().map(|result| (result.node_name.as_str(), kind(result))).collect();
    let want = [("node-1", "found mock"), ("other", "not ours"), ("node-2", "not ours"), ("node-3", "found mock")];
    assert_eq!(told, want.map(|(name, kind)| (name, kind.to_owned())));
    assert!(results.iter().all(|result| result.observed_at.is_some()));
}

#[tokio::test]
async fn a_machine_says_all_a_node_needs() {
    let provider = provider("");
    let instance = found(&provider, "node-1", "").await;
    assert!(instance.provider_id.starts_with("mock://i-"), "{instance:?}");
    assert_eq!((instance.instance_type.as_str(), instance.region.as_str()), ("mock.small", "mock-region"));
    assert!(instance.zone.starts_with("mock-region-"));
    assert_eq!((instance.account.as_str(), instance.state()), ("mock-account", v1::InstanceState::Running));
    let kinds: Vec<_> = instance.addresses.iter().map(v1::NodeAddress::r#type).collect();
    assert_eq!(kinds, [AddressType::InternalIp, AddressType::Hostname, AddressType::InternalDns]);
    assert_eq!(instance.addresses[1].address, "node-1");
    assert_eq!(found(&provider, "node-1", &instance.provider_id).await, instance, "by id as by name");
}

#[tokio::test]
async fn what_the_kubelet_was_told_is_the_machines_address() {
    let provider = provider("");
    let mut reference = node("node-1", "");
    reference.addresses =
        vec![v1::NodeAddress { r#type: v1::AddressType::InternalIp.into(), address: "10.9.9.9".to_owned() }];
    reference.annotations.insert("alpha.kubernetes.io/provided-node-ip".to_owned(), "10.1.1.1,fd00::1".to_owned());
    let results = batch(&provider, vec![reference]).await.unwrap();
    let Some(Answer::Found(instance)) = &results[0].answer else { panic!("{results:?}") };
    assert_eq!(instance.addresses[0].address, "10.1.1.1");
}

#[tokio::test]
async fn an_ended_machine_is_absent_with_evidence() {
    let provider = provider("");
    let instance = found(&provider, "node-1", "").await;
    provider.cloud().set_machine_state("node-1", MachineState::Stopped).unwrap();
    assert_eq!(found(&provider, "node-1", &instance.provider_id).await.state(), v1::InstanceState::Stopped);
    provider.cloud().set_machine_state("node-1", MachineState::Terminated).unwrap();
    let Answer::NotFound(absent) = look_up(&provider, "node-1", &instance.provider_id).await else { panic!() };
    assert_eq!((absent.account.as_str(), absent.region.as_str()), ("mock-account", "mock-region"));
    assert!(absent.evidence.contains("InstanceNotFound"), "{absent:?}");
}

#[tokio::test]
async fn a_name_alone_never_proves_absence() {
    let provider = provider("instances: listed");
    let Answer::Unknown(status) = look_up(&provider, "node-1", "").await else { panic!() };
    assert_eq!((status.code, status.reason.as_str()), (9, "INSTANCE_UNIDENTIFIED"));
    assert!(matches!(look_up(&provider, "node-1", "mock://i-1").await, Answer::NotFound(_)));
}

#[tokio::test]
async fn a_request_that_cannot_be_names_every_wrong_field() {
    let provider = provider("provider: {maxInstances: 2}");
    let check = async |nodes: Vec<v1::NodeReference>, want: &[&str]| {
        let status = batch(&provider, nodes).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
        assert_eq!(fields(&status), want);
    };
    check(Vec::new(), &["nodes"]).await;
    check(vec![node("a", ""), node("b", ""), node("c", "")], &["nodes"]).await;
    check(vec![node("a", ""), node("a", "")], &["nodes[1].node_name"]).await;
    let nameless = v1::NodeReference { node_uid: String::new(), ..node("", "") };
    check(vec![nameless], &["nodes[0].node_name", "nodes[0].node_uid"]).await;
}

#[tokio::test]
async fn the_handshake_settles_the_highest_minor_in_common() {
    let provider = provider("provider: {apiMinors: [1, 2, 3]}");
    let shake = async |minors: &[u32]| {
        let request = v1::HandshakeRequest {
            controller_name: "test".to_owned(),
            api_minors: minors.to_vec(),
            ..v1::HandshakeRequest::default()
        };
        provider.handshake(Request::new(request)).await.map(tonic::Response::into_inner)
    };
    let response = shake(&[1, 2, 9]).await.unwrap();
    assert_eq!((response.api_minor, response.provider_name.as_str()), (2, "mock"));
    assert_eq!(response.provider_id_schemes, ["mock"]);
    assert_eq!(response.epoch, provider.epoch());
    assert!(!response.capabilities().any(|capability| capability == v1::Capability::Clusters));
    let status = shake(&[9]).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "API_VERSION"));
}

#[tokio::test]
async fn what_is_not_announced_is_unimplemented() {
    let provider = provider("provider: {capabilities: [INSTANCES]}");
    let status = ensure(&provider, "web").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unimplemented, "CAPABILITY_ABSENT"));
    assert!(batch(&provider, vec![node("a", "")]).await.is_ok());
}
