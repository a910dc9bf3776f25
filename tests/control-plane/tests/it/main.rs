//! The control plane, with its real binaries.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use control_plane::{ControlPlane, KUBERNETES_VERSION, client_from_kubeconfig};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{Api, ListParams, ObjectMeta, PostParams};

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([("key".to_owned(), name.to_owned())])),
        ..ConfigMap::default()
    }
}

fn alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Processes whose command line names this folder.
fn processes_using(folder: &Path) -> Vec<u32> {
    let needle = folder.to_str().expect("text");
    let entries = std::fs::read_dir("/proc").expect("procfs");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(needle)
        })
        .collect()
}

async fn start() -> ControlPlane {
    ControlPlane::builder().start().await.expect("started")
}

#[tokio::test]
async fn serves_the_version_that_is_built() {
    let plane = start().await;
    let version = plane.client().await.expect("client").apiserver_version().await.expect("version");
    if std::env::var_os("KUBEBUILDER_ASSETS").is_none() {
        assert_eq!(version.git_version, KUBERNETES_VERSION);
    }
    assert_eq!(version.major, "1");
}

#[tokio::test]
async fn two_run_side_by_side_and_share_nothing() {
    let (one, two) = tokio::join!(start(), start());
    assert_ne!(one.url(), two.url());
    let first = Api::<ConfigMap>::default_namespaced(one.client().await.expect("client"));
    let second = Api::<ConfigMap>::default_namespaced(two.client().await.expect("client"));
    first.create(&PostParams::default(), &config_map("only-in-one")).await.expect("created");
    assert!(second.get_opt("only-in-one").await.expect("answered").is_none());
    let stranger = client_from_kubeconfig(&swapped_server(&one, &two)).await.expect("client");
    stranger.apiserver_version().await.expect_err("neither trusts the certificates of the other");
}

/// The administrator's kubeconfig of `one` with the address of `two`.
fn swapped_server(one: &ControlPlane, two: &ControlPlane) -> PathBuf {
    let text = std::fs::read_to_string(one.kubeconfig()).expect("read").replace(&one.url(), &two.url());
    let path = one.folder().join("swapped.kubeconfig");
    std::fs::write(&path, text).expect("written");
    path
}

#[tokio::test]
async fn a_restart_keeps_objects_and_address() {
    let plane = start().await;
    let maps = Api::<ConfigMap>::default_namespaced(plane.client().await.expect("client"));
    maps.create(&PostParams::default(), &config_map("kept")).await.expect("created");
    let url = plane.url();
    plane.stop_apiserver().await;
    maps.get("kept").await.expect_err("nobody answers while it is stopped");
    plane.start_apiserver().await.expect("started again");
    assert_eq!(plane.url(), url);
    maps.get("kept").await.expect("still there after a stop");
    plane.kill_apiserver().await;
    plane.start_apiserver().await.expect("started again");
    maps.get("kept").await.expect("still there after a kill");
}

#[tokio::test]
async fn a_paused_apiserver_answers_again_after_resuming() {
    let plane = start().await;
    let client = plane.client().await.expect("client");
    plane.pause_apiserver().await;
    let answer = tokio::time::timeout(Duration::from_millis(300), client.apiserver_version()).await;
    assert!(answer.is_err(), "a frozen server answered");
    plane.resume_apiserver().await;
    client.apiserver_version().await.expect("answers again");
}

#[tokio::test]
async fn identities_have_just_the_rights_they_are_given() {
    let plane = start().await;
    let admin = Api::<ConfigMap>::default_namespaced(plane.client().await.expect("client"));
    admin.list(&ListParams::default()).await.expect("an administrator may list");

    let user = plane.user_kubeconfig("jane", &["developers"]).expect("kubeconfig");
    let user = client_from_kubeconfig(&user).await.expect("client");
    let review = Api::<SelfSubjectReview>::all(user.clone())
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .expect("reviewed");
    let info = review.status.and_then(|status| status.user_info).expect("user info");
    assert_eq!(info.username.as_deref(), Some("jane"));
    assert!(info.groups.expect("groups").contains(&"developers".to_owned()));
    let refused = Api::<ConfigMap>::default_namespaced(user).list(&ListParams::default()).await.expect_err("no rights");
    assert!(matches!(refused, kube::Error::Api(status) if status.is_forbidden()));

    let account = plane.service_account_kubeconfig("system", "controller").await.expect("kubeconfig");
    let review = Api::<SelfSubjectReview>::all(client_from_kubeconfig(&account).await.expect("client"))
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .expect("reviewed");
    let name = review.status.and_then(|status| status.user_info).and_then(|info| info.username);
    assert_eq!(name.as_deref(), Some("system:serviceaccount:system:controller"));
    plane.service_account_kubeconfig("system", "controller").await.expect("a second time is fine");
}

#[tokio::test]
async fn publishes_what_delegated_authentication_needs() {
    let plane = start().await;
    let maps = Api::<ConfigMap>::namespaced(plane.client().await.expect("client"), "kube-system");
    let deadline = Instant::now() + Duration::from_secs(30);
    let data = loop {
        // Written by a hook of the apiserver a moment after it is ready.
        if let Some(map) = maps.get_opt("extension-apiserver-authentication").await.expect("answered") {
            break map.data.expect("data");
        }
        assert!(Instant::now() < deadline, "the ConfigMap is not there after 30 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(data["client-ca-file"].trim(), plane.ca_pem().trim());
    assert_eq!(data["requestheader-allowed-names"], r#"["front-proxy-client"]"#);
    assert_ne!(data["requestheader-client-ca-file"], data["client-ca-file"]);
}

#[tokio::test]
async fn the_controller_manager_runs_where_asked_for() {
    let plane = ControlPlane::builder().with_controller_manager(true).start().await.expect("started");
    let accounts = Api::<ServiceAccount>::default_namespaced(plane.client().await.expect("client"));
    let deadline = Instant::now() + Duration::from_mins(1);
    while accounts.get_opt("default").await.expect("answered").is_none() {
        assert!(Instant::now() < deadline, "no controller made the default service account within 60 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_wrong_flag_is_reported_with_the_servers_words() {
    let error = ControlPlane::builder().apiserver_arg("--no-such-flag").start().await.expect_err("refused");
    assert!(format!("{error:#}").contains("unknown flag: --no-such-flag"), "{error:#}");
}

#[tokio::test]
async fn nothing_is_left_after_a_drop() {
    let plane = start().await;
    let (folder, pids) = (plane.folder().to_owned(), plane.pids().await);
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| alive(*pid)));
    drop(plane);
    assert!(!pids.iter().any(|pid| alive(*pid)));
    assert_eq!(processes_using(&folder), Vec::<u32>::new());
    assert!(!folder.exists());
}

#[test]
fn nothing_is_left_after_the_owner_is_killed() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .arg("run")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let mut line = String::new();
    BufReader::new(owner.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let kubeconfig = line.trim().strip_prefix("export KUBECONFIG=").expect("a kubeconfig");
    let folder = Path::new(kubeconfig).parent().expect("a folder").to_owned();
    assert!(processes_using(&folder).len() >= 2, "etcd and kube-apiserver run");
    owner.kill().expect("killed");
    owner.wait().expect("reaped");
    let deadline = Instant::now() + Duration::from_secs(30);
    while folder.exists() || !processes_using(&folder).is_empty() {
        assert!(Instant::now() < deadline, "left behind: {:?} in {}", processes_using(&folder), folder.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}
