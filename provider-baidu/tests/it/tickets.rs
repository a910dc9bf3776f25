use std::time::Duration;

use cloud_provider_api::v1::{
    self, Capability, ClusterEndpoint, clusters_client::ClustersClient, list_clusters_response::Page as Clusters,
    list_registries_response::Page as Registries, registries_client::RegistriesClient,
};
use provider_kit::hop::connect::Channel;
use serde_json::{Value, json};
use simulators::baidu::{
    State,
    ccr::{PersonalUser, Robot},
    state,
};
use tonic::{Code, Status};

use crate::rig::{Rig, timed};

const REGISTRY: &str = "ccr-1";
const PUBLIC_HOST: &str = "ccr-1-pub.cnc.bj.baidubce.com";
const PRIVATE_HOST: &str = "ccr-1-vpc.cnc.bj.baidubce.com";
/// The account's name at a registry.
const LOGIN: &str = "user-a0a0a0a0";

/// Clusters of both versions, a registry with a robot made by hand, and the personal registry's only user.
async fn rig() -> Rig {
    let rig = Rig::start().await;
    let public = "https://203.0.113.1:6443";
    let seed = json!({
        "clusters": [
            {"id": "cce-open", "name": "open", "disableCcm": true, "publicEndpoint": public, "vpcEndpoint": "https://192.168.0.9:6443"},
            {"id": "cce-inside", "name": "inside", "vpcEndpoint": "https://192.168.0.10:6443"},
            {"id": "c-old", "name": "old", "publicEndpoint": "https://203.0.113.2:6443", "vpcEndpoint": "https://192.168.0.11:6443"},
        ],
        "registries": [{"id": REGISTRY, "name": "images", "privateDomain": PRIVATE_HOST}],
    });
    rig.cloud.seed(seed).unwrap();
    rig.cloud.edit(|cloud, now| {
        let pull =
            json!({"kind": "project", "namespace": "team", "access": [{"action": "pull", "resource": "repository"}]});
        let by_hand = Robot {
            id: 12,
            name: "old".to_owned(),
            description: "by hand".to_owned(),
            duration: -1,
            expires_at: None,
            disable: false,
            permissions: serde_json::from_value(json!([pull])).unwrap(),
            secret: "marker-secret-0".to_owned(),
            created: now,
            updated: now,
        };
        cloud.registries.change(now, REGISTRY).unwrap().robots.push(by_hand);
        let person = PersonalUser {
            username: "person".to_owned(),
            password: "marker-personal".to_owned(),
            create_time: now,
            update_time: now,
        };
        cloud.personal_users.insert(state::ACCOUNT.to_owned(), person);
    });
    rig
}

/// The robot of this name.
fn robot(rig: &Rig, name: &str) -> Robot {
    let find = |cloud: &State| cloud.registries.get(REGISTRY)?.robots.iter().find(|robot| robot.name == name).cloned();
    rig.cloud.look(find).unwrap_or_else(|| panic!("there is no robot {name}"))
}

/// Whether the registry lets this login in.
fn admits(rig: &Rig, username: &str, password: &str) -> bool {
    let now = rig.cloud.now();
    rig.cloud.look(|cloud| cloud.admits_login(REGISTRY, username, password, now))
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
        registry_id: REGISTRY.to_owned(),
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
        ("cce-open", public, "https://203.0.113.1:6443"),
        ("cce-open", vpc, "https://192.168.0.9:6443"),
        ("cce-open", any, "https://203.0.113.1:6443"),
        ("cce-inside", any, "https://192.168.0.10:6443"),
        ("c-old", public, "https://203.0.113.2:6443"),
        ("c-old", vpc, "https://192.168.0.11:6443"),
        ("c-old", any, "https://203.0.113.2:6443"),
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
    rig.refuse("GetKubeConfig", 1, 403, "AccessDenied");
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
        [(REGISTRY, format!("{PUBLIC_HOST} {PRIVATE_HOST}")), ("personal", "hub.baidubce.com".to_owned())]
    );
    let user = |id: &str, name: &str| (id.to_owned(), name.to_owned(), false);
    assert_eq!(users(&rig, REGISTRY).await, [user("account", LOGIN), user("12", "old")]);
    assert_eq!(users(&rig, "personal").await, [user("account", "person")]);
}

#[tokio::test]
async fn a_user_is_replaced_with_its_rights_again_and_again_and_revoked_by_its_id_alone() {
    let rig = rig().await;
    let plan = replace(&rig, "new", "12", true).await.unwrap();
    assert!(plan.user.is_none() && plan.credential.is_none() && plan.steps.len() == 2, "{plan:?}");
    assert_eq!(rig.writes(), 0, "a plan changes nothing");

    let first = replace(&rig, "new", "12", false).await.unwrap();
    let (user, credential) = (first.user.unwrap(), first.credential.unwrap());
    assert_eq!((user.username.as_str(), user.ours, credential.username.as_str()), ("new", true, "new"));
    assert_eq!(credential.hosts, [PUBLIC_HOST, PRIVATE_HOST]);
    assert!(
        admits(&rig, "new", &credential.password) && admits(&rig, "old", "marker-secret-0"),
        "both log in meanwhile"
    );
    assert_eq!(robot(&rig, "new").permissions, robot(&rig, "old").permissions, "the rights of the one it replaces");

    let second = replace(&rig, "new", "12", false).await.unwrap();
    assert_eq!(second.user.unwrap().id, user.id, "the same user");
    let (old, new) = (credential.password, second.credential.unwrap().password);
    assert!(!admits(&rig, "new", &old) && admits(&rig, "new", &new), "with another password");
    assert_eq!(rig.count("CreateRobot"), 1);

    // The answer is lost, the robot is there: the next attempt finds it.
    rig.refuse_after("CreateRobot", 1, 500, "InternalError");
    assert_eq!(replace(&rig, "third", "12", false).await.unwrap_err().code(), Code::Unavailable);
    let third = replace(&rig, "third", "12", false).await.unwrap().credential.unwrap();
    assert!(admits(&rig, "third", &third.password));
    assert_eq!(users(&rig, REGISTRY).await.iter().filter(|user| user.1 == "third").count(), 1);

    assert_eq!(replace(&rig, "old", "", false).await.unwrap_err().code(), Code::FailedPrecondition, "not ours");
    assert_eq!(revoke(&rig, REGISTRY, "old").await.unwrap_err().code(), Code::InvalidArgument, "a name is no id");
    assert_eq!(revoke(&rig, REGISTRY, "account").await.unwrap_err().code(), Code::InvalidArgument);
    revoke(&rig, REGISTRY, "12").await.unwrap();
    revoke(&rig, REGISTRY, "12").await.unwrap();
    assert!(users(&rig, REGISTRY).await.iter().all(|user| user.0 != "12") && !admits(&rig, "old", "marker-secret-0"));
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
        registry_id: REGISTRY.to_owned(),
        lifetime: Some(Duration::from_secs(5_400).try_into().unwrap()),
        tenant: String::new(),
    };
    let issued =
        client(&rig).issue_registry_credential(timed(request.clone())).await.unwrap().into_inner().credential.unwrap();
    assert_eq!(issued.username, LOGIN);
    assert!(admits(&rig, LOGIN, &issued.password));
    let ends = std::time::SystemTime::try_from(issued.expires_at.unwrap()).unwrap();
    let left = ends.duration_since(std::time::SystemTime::now()).unwrap().as_secs();
    assert!((7_100..=7_200).contains(&left), "{left}");
    let personal = v1::IssueRegistryCredentialRequest { registry_id: "personal".to_owned(), ..request };
    let refused = client(&rig).issue_registry_credential(timed(personal)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    rig.cloud.advance(Duration::from_secs(7_201));
    assert!(!admits(&rig, LOGIN, &issued.password), "the cloud lets nobody in with it any longer");
}
