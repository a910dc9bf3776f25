use std::time::Duration;

use cloud_provider_api::v1::{
    self, Capability, ClusterEndpoint, clusters_client::ClustersClient, list_clusters_response::Page as Clusters,
    list_registries_response::Page as Registries, registries_client::RegistriesClient,
};
use provider_kit::hop::connect::Channel;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::rig::{Rig, timed};

fn cluster(id: &str, eip: &str, disabled: bool) -> Value {
    json!({"spec": {"clusterID": id, "clusterName": format!("name-of-{id}"), "k8sVersion": "1.30.1", "k8sCustomConfig": {"disableCCM": disabled}},
        "status": {"clusterPhase": "running", "clusterBLB": {"id": "lb-1", "vpcIP": "192.168.0.9", "eip": eip}}})
}

async fn rig() -> Rig {
    let rig = Rig::start().await;
    let mut cloud = rig.cloud.lock();
    cloud.clusters = vec![cluster("cce-open", "203.0.113.1", true), cluster("cce-inside", "", false)];
    cloud.old_clusters = vec![json!({"clusterUuid": "c-old", "clusterName": "old", "status": "RUNNING"})];
    cloud.robots = vec![
        json!({"id": 12, "name": "robot$old", "level": "instance", "disable": false, "description": "by hand",
        "duration": -1, "expiresAt": -1, "editable": true, "secret": "marker-secret-0",
        "permissions": [{"kind": "project", "namespace": "team", "access": [{"action": "pull", "resource": "repository"}]}]}),
    ];
    drop(cloud);
    rig
}

async fn issue(rig: &Rig, id: &str, endpoint: ClusterEndpoint, lifetime: Option<Duration>) -> Result<Value, Status> {
    let request = v1::IssueKubeconfigRequest {
        cluster_id: id.to_owned(),
        endpoint: endpoint.into(),
        lifetime: lifetime.map(|lifetime| lifetime.try_into().unwrap()),
        tenant: String::new(),
    };
    let issued = ClustersClient::new(rig.channel()).issue_kubeconfig(timed(request)).await?.into_inner();
    Ok(serde_json::from_slice(&issued.kubeconfig).unwrap())
}

fn client(rig: &Rig) -> RegistriesClient<Channel> {
    RegistriesClient::new(rig.channel())
}

async fn replace(
    rig: &Rig,
    username: &str,
    replaces: &str,
    plan_only: bool,
) -> Result<v1::ReplaceRegistryUserResponse, Status> {
    let request = v1::ReplaceRegistryUserRequest {
        registry_id: "ccr-1".to_owned(),
        username: username.to_owned(),
        replaces_user_id: replaces.to_owned(),
        tenant: String::new(),
        plan_only,
    };
    Ok(client(rig).replace_registry_user(timed(request)).await?.into_inner())
}

async fn revoke(rig: &Rig, registry: &str, user: &str) -> Result<(), Status> {
    let (registry_id, user_id) = (registry.to_owned(), user.to_owned());
    let request = v1::RevokeRegistryUserRequest { registry_id, user_id, tenant: String::new() };
    client(rig).revoke_registry_user(timed(request)).await.map(drop)
}

async fn users(rig: &Rig, registry: &str) -> Vec<(String, String, bool)> {
    let request = v1::ListRegistryUsersRequest { registry_id: registry.to_owned(), tenant: String::new() };
    let users = client(rig).list_registry_users(timed(request)).await.unwrap().into_inner().users;
    users.into_iter().map(|user| (user.id, user.username, user.ours)).collect()
}

#[tokio::test]
async fn clusters_of_both_versions_are_shown_and_one_with_the_clouds_own_controller_is_marked() {
    let rig = rig().await;
    let capabilities: Vec<_> = rig.handshake().await.capabilities().collect();
    assert!(capabilities.contains(&Capability::Clusters) && capabilities.contains(&Capability::Registries));
    let request = timed(v1::ListClustersRequest::default());
    let mut stream = ClustersClient::new(rig.channel()).list_clusters(request).await.unwrap().into_inner();
    let Some(Clusters::Items(page)) = stream.message().await.unwrap().unwrap().page else { panic!("no page") };
    let (public, vpc) = (ClusterEndpoint::Public, ClusterEndpoint::Vpc);
    let seen: Vec<_> =
        page.clusters.iter().map(|one| (one.id.as_str(), one.endpoints().collect(), one.notices.len())).collect();
    let expected = [("cce-open", vec![public, vpc], 0), ("cce-inside", vec![vpc], 1), ("c-old", vec![public, vpc], 0)];
    assert_eq!(seen, expected);
    assert!(page.clusters[1].notices[0].message.contains("disableCCM"));
}

#[tokio::test]
async fn kubeconfigs_lead_to_the_endpoint_that_was_asked_for() {
    let rig = rig().await;
    let (public, vpc, any) = (ClusterEndpoint::Public, ClusterEndpoint::Vpc, ClusterEndpoint::Unspecified);
    for (id, endpoint, server) in [
        ("cce-open", public, "https://public:6443"),
        ("cce-open", vpc, "https://vpc:6443"),
        ("cce-open", any, "https://public:6443"),
        ("cce-inside", any, "https://vpc:6443"),
        ("c-old", public, "https://default:6443"),
        ("c-old", vpc, "https://intraVpc:6443"),
        ("c-old", any, "https://default:6443"),
    ] {
        let issued = issue(&rig, id, endpoint, None).await.unwrap();
        assert_eq!(issued["clusters"][0]["cluster"]["server"], server, "{id} {endpoint:?}");
    }
    for (id, endpoint, code) in [
        ("cce-inside", public, Code::FailedPrecondition),
        ("cce-gone", vpc, Code::NotFound),
        ("cce-gone", any, Code::NotFound),
        ("cce-gone", public, Code::NotFound),
    ] {
        assert_eq!(issue(&rig, id, endpoint, None).await.unwrap_err().code(), code, "{id} {endpoint:?}");
    }
    let refused = issue(&rig, "cce-open", vpc, Some(Duration::from_secs(3_600))).await.unwrap_err();
    assert!(refused.code() == Code::InvalidArgument && refused.message().contains("--exec"), "{refused:?}");
    rig.cloud.fail("GET /cce/v2/kubeconfig", 1, 403, r#"{"code":"AccessDenied","message":"no"}"#, false);
    let refused = issue(&rig, "cce-open", vpc, None).await.unwrap_err();
    assert!(refused.code() == Code::PermissionDenied && refused.message().contains("/v2/rbac"), "{refused:?}");
}

#[tokio::test]
async fn registries_and_their_users_are_shown_with_the_personal_one() {
    let rig = rig().await;
    let request = timed(v1::ListRegistriesRequest::default());
    let mut stream = client(&rig).list_registries(request).await.unwrap().into_inner();
    let Some(Registries::Items(page)) = stream.message().await.unwrap().unwrap().page else { panic!("no page") };
    let seen: Vec<_> = page.registries.iter().map(|one| (one.id.as_str(), one.hosts.join(" "))).collect();
    assert_eq!(
        seen,
        [("ccr-1", "ccr-1-pub.example ccr-1-vpc.example".to_owned()), ("personal", "hub.baidubce.com".to_owned())]
    );
    let user = |id: &str, name: &str| (id.to_owned(), name.to_owned(), false);
    assert_eq!(users(&rig, "ccr-1").await, [user("account", "owner"), user("12", "robot$old")]);
    assert_eq!(users(&rig, "personal").await, [user("account", "person")]);
}

#[tokio::test]
async fn a_user_is_replaced_with_its_rights_again_and_again_and_revoked_by_its_id_alone() {
    let rig = rig().await;
    let plan = replace(&rig, "new", "12", true).await.unwrap();
    assert!(plan.user.is_none() && plan.credential.is_none() && plan.steps.len() == 2, "{plan:?}");
    assert_eq!(rig.cloud.writes(), 0, "a plan changes nothing");

    let first = replace(&rig, "new", "12", false).await.unwrap();
    let (user, credential) = (first.user.unwrap(), first.credential.unwrap());
    assert_eq!((user.username.as_str(), user.ours, credential.username.as_str()), ("robot$new", true, "robot$new"));
    assert_eq!(credential.hosts, ["ccr-1-pub.example", "ccr-1-vpc.example"]);
    let rights = |at: usize| rig.cloud.lock().robots[at]["permissions"].clone();
    assert_eq!(rights(1), rights(0), "the rights of the one it replaces");

    let second = replace(&rig, "new", "12", false).await.unwrap();
    assert_eq!(second.user.unwrap().id, user.id, "the same user");
    let (old, new) = (credential.password, second.credential.unwrap().password);
    assert_ne!(old, new);
    assert_eq!(rig.cloud.lock().robots[1]["secret"], new.as_str());
    assert_eq!(rig.cloud.count("POST /ccr/v1/instances/ccr-1/robots"), 1);

    // The answer is lost, the robot is there: the next attempt finds it.
    rig.cloud.fail("POST /ccr/v1/instances/ccr-1/robots", 1, 500, "", true);
    assert_eq!(replace(&rig, "third", "12", false).await.unwrap_err().code(), Code::Unavailable);
    replace(&rig, "third", "12", false).await.unwrap();
    assert_eq!(users(&rig, "ccr-1").await.iter().filter(|user| user.1 == "robot$third").count(), 1);

    assert_eq!(replace(&rig, "old", "", false).await.unwrap_err().code(), Code::FailedPrecondition, "not ours");
    assert_eq!(revoke(&rig, "ccr-1", "robot$old").await.unwrap_err().code(), Code::InvalidArgument, "a name is no id");
    assert_eq!(revoke(&rig, "ccr-1", "account").await.unwrap_err().code(), Code::InvalidArgument);
    revoke(&rig, "ccr-1", "12").await.unwrap();
    revoke(&rig, "ccr-1", "12").await.unwrap();
    assert!(users(&rig, "ccr-1").await.iter().all(|user| user.0 != "12"));
    replace(&rig, "new", "12", false).await.unwrap();
}

#[tokio::test]
async fn the_personal_registrys_user_keeps_its_name_and_people_are_told_what_can_be_done() {
    let rig = rig().await;
    let request = v1::ReplaceRegistryUserRequest {
        registry_id: "personal".to_owned(),
        username: "new".to_owned(),
        ..v1::ReplaceRegistryUserRequest::default()
    };
    for status in [
        client(&rig).replace_registry_user(timed(request)).await.unwrap_err(),
        revoke(&rig, "personal", "account").await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().contains("\"person\"") && status.message().contains("CCR"), "{}", status.message());
    }
    assert_eq!(revoke(&rig, "ccr-9", "12").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_login_is_issued_for_whole_hours() {
    let rig = rig().await;
    let request = v1::IssueRegistryCredentialRequest {
        registry_id: "ccr-1".to_owned(),
        lifetime: Some(Duration::from_secs(5_400).try_into().unwrap()),
        tenant: String::new(),
    };
    let issued =
        client(&rig).issue_registry_credential(timed(request.clone())).await.unwrap().into_inner().credential.unwrap();
    assert_eq!((issued.username.as_str(), issued.password.as_str()), ("owner", "marker-temporary-2"));
    let ends = std::time::SystemTime::try_from(issued.expires_at.unwrap()).unwrap();
    let left = ends.duration_since(std::time::SystemTime::now()).unwrap().as_secs();
    assert!((7_100..=7_200).contains(&left), "{left}");
    let personal = v1::IssueRegistryCredentialRequest { registry_id: "personal".to_owned(), ..request };
    let refused = client(&rig).issue_registry_credential(timed(personal)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}
