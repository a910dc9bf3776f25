//! Managed clusters and the registry, whose answers are secret; and where secrets never are.

use std::{os::unix::fs::MetadataExt as _, process::Stdio, time::Duration};

use cloud_provider_api::v1::{
    self, ClusterEndpoint, clusters_client::ClustersClient, instances_client::InstancesClient,
    list_clusters_response::Page as Clusters, list_registries_response::Page as Registries,
    registries_client::RegistriesClient,
};
use futures::StreamExt as _;
use provider_kit::hop::{
    Endpoint,
    connect::{Channel, ConnectOptions},
};
use serde_json::{Value, json};
use simulators::{
    engine::Running,
    huawei::{Huawei, state},
};
use tokio::{io::AsyncReadExt as _, process::Command};
use tonic::Code;

use crate::rig::{PATIENCE, Rig, Setup, cloud, cluster, config, node, timed};

const BOTH: &str = "cce00000-0000-4000-8000-000000000001";
const INSIDE: &str = "cce00000-0000-4000-8000-000000000002";

fn seed(cloud: &Running<Huawei>) {
    let clusters = json!([
        {"id": BOTH, "name": "both", "internal": "https://192.168.0.100:5443", "external": "https://203.0.113.30:5443",
         "clientKey": "marker-of-a-client-key"},
        {"id": INSIDE, "name": "inside", "internal": "https://192.168.0.101:5443"},
    ]);
    cloud.seed(json!({ "clusters": clusters })).unwrap();
}

async fn clusters(client: &mut ClustersClient<Channel>) -> Vec<v1::ManagedCluster> {
    let pages = client.list_clusters(timed(v1::ListClustersRequest::default())).await.unwrap().into_inner();
    let pages: Vec<_> = pages.map(|page| page.unwrap().page.unwrap()).collect().await;
    let items = pages.into_iter().filter_map(|page| match page {
        Clusters::Items(page) => Some(page.clusters),
        Clusters::Complete(_) => None,
    });
    items.flatten().collect()
}

fn kubeconfig(id: &str, endpoint: ClusterEndpoint, seconds: u64) -> v1::IssueKubeconfigRequest {
    v1::IssueKubeconfigRequest {
        cluster_id: id.to_owned(),
        endpoint: endpoint.into(),
        lifetime: Some(Duration::from_secs(seconds).try_into().unwrap()),
        tenant: String::new(),
    }
}

#[tokio::test]
async fn kubeconfigs_lead_to_the_endpoint_that_was_asked_for_and_end() {
    let rig = Rig::start().await;
    seed(&rig.cloud);
    let mut client = ClustersClient::new(rig.channel());
    let listed = clusters(&mut client).await;
    let endpoints: Vec<_> =
        listed.iter().map(|cluster| (cluster.name.as_str(), cluster.endpoints().collect())).collect();
    let (public, vpc) = (ClusterEndpoint::Public, ClusterEndpoint::Vpc);
    assert_eq!(endpoints, [("both", vec![public, vpc]), ("inside", vec![vpc])]);

    for (endpoint, server) in [(public, "https://203.0.113.30:5443"), (vpc, "https://192.168.0.100:5443")] {
        let issued = client.issue_kubeconfig(timed(kubeconfig(BOTH, endpoint, 3600))).await.unwrap().into_inner();
        let file: Value = serde_saphyr::from_slice(&issued.kubeconfig).unwrap();
        assert_eq!(file["clusters"][0]["cluster"]["server"], server);
        assert_eq!(file["clusters"].as_array().unwrap().len(), 1);
    }
    let lifetime = rig.cloud.look(|state| {
        let issued = &state.clusters.get(BOTH).unwrap().issued[0];
        issued.until.duration_since(issued.at).as_secs()
    });
    assert!((3500..=3600).contains(&lifetime), "{lifetime}");

    let mut refused = async |request| client.issue_kubeconfig(timed(request)).await.unwrap_err().code();
    assert_eq!(refused(kubeconfig(INSIDE, public, 3600)).await, Code::FailedPrecondition);
    assert_eq!(refused(kubeconfig("nowhere", vpc, 3600)).await, Code::NotFound);
    assert_eq!(refused(kubeconfig(BOTH, vpc, 60)).await, Code::OutOfRange);
    assert_eq!(rig.audit.lines("CreateKubernetesClusterCert").len(), 4, "each issue is on record");
}

#[tokio::test]
async fn the_registry_issues_logins_that_end_and_has_no_users() {
    let rig = Rig::start().await;
    let mut client = RegistriesClient::new(rig.channel());
    let pages = client.list_registries(timed(v1::ListRegistriesRequest::default())).await.unwrap().into_inner();
    let pages: Vec<_> = pages.map(|page| page.unwrap().page.unwrap()).collect().await;
    let Registries::Items(page) = &pages[0] else { panic!("{pages:?}") };
    let registry_id = page.registries[0].id.clone();

    let request = v1::IssueRegistryCredentialRequest { registry_id: registry_id.clone(), ..Default::default() };
    let credential = client.issue_registry_credential(timed(request)).await.unwrap().into_inner().credential.unwrap();
    assert_eq!(credential.hosts, ["swr.ap-southeast-1.myhuaweicloud.com"]);
    assert_eq!(credential.username, format!("ap-southeast-1@{}", state::ACCESS_KEY));
    assert!(!credential.password.is_empty() && credential.expires_at.is_some());

    let users = v1::ListRegistryUsersRequest { registry_id: registry_id.clone(), ..Default::default() };
    assert!(client.list_registry_users(timed(users)).await.unwrap().into_inner().users.is_empty());
    let replace = v1::ReplaceRegistryUserRequest { registry_id, username: "ci".to_owned(), ..Default::default() };
    let status = client.replace_registry_user(timed(replace)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("access key"), "{}", status.message());
    let other = v1::IssueRegistryCredentialRequest { registry_id: "other".to_owned(), ..Default::default() };
    assert_eq!(client.issue_registry_credential(timed(other)).await.unwrap_err().code(), Code::NotFound);
}

/// The binary at its highest log level, through a whole life: keys, kubeconfigs and logins pass through it and stay in nobody's
/// log, and it ends in order.
#[tokio::test]
async fn no_secret_is_in_the_log_at_its_highest_level() {
    let cloud = cloud().await;
    seed(&cloud);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let global = format!("project-id={}", state::PROJECT);
    std::fs::write(path("cloud-config"), config(&cloud, Setup { global: &global, ..Setup::default() })).unwrap();
    let uid = std::fs::metadata(folder.path()).unwrap().uid();
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_provider-huawei"))
        .arg(format!("--listen=unix:{}", path("p.sock").display()))
        .arg(format!("--cloud-config={}", path("cloud-config").display()))
        .arg(format!("--audit-log={}", path("audit.log").display()))
        .arg(format!("--secret-peer-uid={uid}"))
        .arg("--v=10")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stderr = daemon.stderr.take().unwrap();
    let log = tokio::spawn(async move {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).await.unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    let channel = Channel::new(&Endpoint::Unix(path("p.sock")), &ConnectOptions::default()).unwrap();
    let mut instances = InstancesClient::new(channel.clone());
    let question =
        || v1::BatchGetInstancesRequest { cluster: Some(cluster()), nodes: vec![node("node-1", "")], max_age: None };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while instances.batch_get_instances(timed(question())).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the daemon does not answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut managed = ClustersClient::new(channel.clone());
    let issued = managed.issue_kubeconfig(timed(kubeconfig(BOTH, ClusterEndpoint::Vpc, 3600))).await.unwrap();
    let issued: Value = serde_saphyr::from_slice(&issued.into_inner().kubeconfig).unwrap();
    let client_key = issued["users"][0]["user"]["client-key-data"].as_str().unwrap().to_owned();
    let request = v1::IssueRegistryCredentialRequest { registry_id: "127.0.0.1".to_owned(), ..Default::default() };
    let login = RegistriesClient::new(channel).issue_registry_credential(timed(request)).await.unwrap();
    let password = login.into_inner().credential.unwrap().password;

    let pid = daemon.id().unwrap().to_string();
    assert!(Command::new("kill").arg(pid).status().await.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, daemon.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
    let log = log.await.unwrap();
    let audit = std::fs::read_to_string(path("audit.log")).unwrap();
    assert!(log.contains("DEBUG") && audit.contains("CreateKubernetesClusterCert"), "{audit}");
    for secret in [state::SECRET_KEY, "marker-of-a-client-key", &client_key, &password] {
        assert!(!log.contains(secret) && !audit.contains(secret), "a secret is in the log");
    }
}
