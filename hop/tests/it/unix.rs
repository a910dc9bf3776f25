use std::{
    collections::BTreeSet,
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
};

use provider_hop::{
    PeerIdentity,
    connect::ConnectOptions,
    listen::{ListenError, ListenOptions, Listener, SocketError},
};
use tempfile::TempDir;

use crate::rig::{Rig, assert_unavailable, call};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

async fn bind(path: &Path) -> Result<Listener, ListenError> {
    let endpoint = format!("unix:{}", path.display()).parse().unwrap();
    Listener::bind(&endpoint, &ListenOptions::default()).await
}

#[tokio::test]
async fn a_call_arrives_with_the_callers_uid() {
    let folder = TempDir::new().unwrap();
    let rig = Rig::start(&format!("unix://{}/p.sock", folder.path().display()), ListenOptions::default()).await;
    call(&rig.client(&ConnectOptions::default())).await.unwrap();
    let own = rustix::process::geteuid().as_raw();
    assert!(matches!(rig.peer(), PeerIdentity::Uid { uid, pid: Some(_), .. } if uid == own), "{:?}", rig.peer());
}

#[tokio::test]
async fn a_server_of_a_wrong_uid_is_not_talked_to() {
    let folder = TempDir::new().unwrap();
    let rig = Rig::start(&format!("unix:{}/p.sock", folder.path().display()), ListenOptions::default()).await;
    let options = ConnectOptions { allowed_server_uids: BTreeSet::from([4242]), ..ConnectOptions::default() };
    assert_unavailable(&rig.client(&options), "allowed are the uids {4242}").await;
    rig.assert_never_called();
}

#[tokio::test]
async fn a_client_may_be_there_before_the_server() {
    let folder = TempDir::new().unwrap();
    let at = format!("unix:{}/p.sock", folder.path().display());
    let client = provider_hop::connect::Channel::new(&at.parse().unwrap(), &ConnectOptions::default()).unwrap();
    assert_unavailable(&client, "No such file").await;
    let _rig = Rig::start(&at, ListenOptions::default()).await;
    call(&client).await.unwrap();
}

#[tokio::test]
async fn the_file_is_closed_to_others_and_goes_with_the_listener() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("made/p.sock");
    let listener = bind(&path).await.unwrap();
    assert_eq!(mode(&path), 0o660);
    assert_eq!(mode(path.parent().unwrap()), 0o750);
    drop(listener);
    assert!(!path.exists());
    bind(&path).await.expect("a lock file left behind is no obstacle");
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the file behind, as a killed process does");
    bind(&path).await.unwrap();
}

#[tokio::test]
async fn a_live_socket_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.sock");
    let check = |outcome: Result<Listener, ListenError>| match outcome.err().expect("must not take over") {
        ListenError::Socket(SocketError::InUse { path: named }) => assert_eq!(named, path),
        other => panic!("{other}"),
    };
    let ours = bind(&path).await.unwrap();
    check(bind(&path).await);
    assert!(path.exists());
    drop(ours);
    let _of_a_process_that_takes_no_lock = UnixListener::bind(&path).unwrap();
    check(bind(&path).await);
    assert!(path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("p.sock");
    fs::write(&path, "precious").unwrap();
    let error = bind(&path).await.err().unwrap();
    assert!(error.to_string().contains("no socket"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}
