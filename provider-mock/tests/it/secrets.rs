use cloud_provider_api::v1::{
    self, clusters_server::Clusters as _, identity_server::Identity as _, registries_server::Registries as _,
};
use tonic::{Code, Request};

use crate::requests::*;

const SCENARIO: &str = "
clusters: [{id: c-1, version: v1.37, publicEndpoint: 'https://192.0.2.1:6443'}]
registries: [{id: r-1, hosts: [registry.example], users: [person]}]
";

fn issue(cluster: &str, endpoint: v1::ClusterEndpoint) -> Request<v1::IssueKubeconfigRequest> {
    Request::new(v1::IssueKubeconfigRequest {
        cluster_id: cluster.to_owned(),
        endpoint: endpoint.into(),
        ..v1::IssueKubeconfigRequest::default()
    })
}

#[tokio::test]
async fn clusters_and_registries_are_announced_only_when_there_are_any() {
    let announces = async |scenario: &str| {
        let request = v1::HandshakeRequest {
            controller_name: "test".to_owned(),
            api_minors: vec![1],
            ..v1::HandshakeRequest::default()
        };
        let response = provider(scenario).handshake(Request::new(request)).await.unwrap().into_inner();
        response.capabilities().any(|c| c == v1::Capability::Clusters)
    };
    assert!(announces(SCENARIO).await);
    assert!(!announces("").await);
    let status = provider("").issue_kubeconfig(issue("c-1", v1::ClusterEndpoint::Public)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_kubeconfig_is_issued_for_an_endpoint_there_is() {
    let provider = provider(SCENARIO);
    let issued = provider.issue_kubeconfig(issue("c-1", v1::ClusterEndpoint::Public)).await.unwrap().into_inner();
    let text = String::from_utf8(issued.kubeconfig).unwrap();
    assert!(text.contains("server: 'https://192.0.2.1:6443'"));
    assert!(issued.expires_at.is_some());
    let status = provider.issue_kubeconfig(issue("c-1", v1::ClusterEndpoint::Vpc)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ENDPOINT_ABSENT"));
    let status = provider.issue_kubeconfig(issue("c-2", v1::ClusterEndpoint::Public)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_registry_user_is_replaced_once_however_often_it_is_asked_for() {
    let provider = provider(SCENARIO);
    let replace = async |username: &str, plan_only: bool| {
        let request = v1::ReplaceRegistryUserRequest {
            registry_id: "r-1".to_owned(),
            username: username.to_owned(),
            plan_only,
            ..v1::ReplaceRegistryUserRequest::default()
        };
        provider.replace_registry_user(Request::new(request)).await.map(tonic::Response::into_inner)
    };
    let users = async || {
        let request =
            v1::ListRegistryUsersRequest { registry_id: "r-1".to_owned(), ..v1::ListRegistryUsersRequest::default() };
        let users = provider.list_registry_users(Request::new(request)).await.unwrap().into_inner().users;
        users.into_iter().map(|user| (user.username, user.ours)).collect::<Vec<_>>()
    };
    let planned = replace("robot", true).await.unwrap();
    assert!(planned.credential.is_none() && planned.steps[0].starts_with("create"));
    assert_eq!(users().await, [("person".to_owned(), false)]);
    let first = replace("robot", false).await.unwrap();
    let second = replace("robot", false).await.unwrap();
    assert_eq!(first.user, second.user);
    assert_ne!(first.credential.unwrap().password, second.credential.unwrap().password);
    assert_eq!(users().await, [("person".to_owned(), false), ("robot".to_owned(), true)]);
    assert_eq!(reason(&replace("person", false).await.err().unwrap()), "NOT_OURS");
    let revoke = v1::RevokeRegistryUserRequest {
        registry_id: "r-1".to_owned(),
        user_id: first.user.unwrap().id,
        ..v1::RevokeRegistryUserRequest::default()
    };
    provider.revoke_registry_user(Request::new(revoke)).await.unwrap();
    assert_eq!(users().await, [("person".to_owned(), false)]);
}
