//! The same over a real Unix socket, and real time.

use std::{collections::BTreeSet, path::Path};

use controller_core::fault::Code;
use provider_hop::{
    Endpoint,
    connect::ConnectOptions,
    listen::{ListenOptions, Listener},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::provider::{
    Remote, Status as State,
    testing::{Daemon, Facade, node, settings},
};

/// Listens until the guard is gone.
async fn listen(daemon: &Daemon, endpoint: &Endpoint) -> DropGuard {
    let mut listener = Listener::bind(endpoint, &ListenOptions::default()).await.expect("a free socket");
    let stop = CancellationToken::new();
    let daemon = daemon.clone();
    let accept = async move {
        loop {
            daemon.serve(listener.accept().await);
        }
    };
    let stopped = stop.clone();
    tokio::spawn(async move { stopped.run_until_cancelled(accept).await });
    stop.drop_guard()
}

fn endpoint(folder: &Path) -> Endpoint {
    Endpoint::Unix(folder.join("provider.sock"))
}

fn start(endpoint: &Endpoint, options: &ConnectOptions) -> Facade {
    Facade::start(vec![Remote::new(endpoint, options).expect("good options")], &settings())
}

#[tokio::test]
async fn a_daemon_whose_socket_is_replaced_is_found_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let endpoint = endpoint(folder.path());
    let daemon = Daemon::new();
    let listening = listen(&daemon, &endpoint).await;
    let facade = start(&endpoint, &ConnectOptions::default());
    let provider = facade.provider();
    provider.until_ready().await;
    provider.instance(node("a"), None).await.expect("found");

    drop(listening);
    daemon.cut();
    provider.until_away().await;
    daemon.change_epoch("e2");
    let _listening = listen(&daemon, &endpoint).await;
    let mut status = provider.status();
    let renewed = |status: &State| matches!(status, State::Ready(info) if info.epoch == "e2");
    status.wait_for(renewed).await.expect("the provider lives");
    provider.instance(node("a"), None).await.expect("found");
}

#[tokio::test]
async fn a_daemon_of_another_uid_gets_no_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let endpoint = endpoint(folder.path());
    let daemon = Daemon::new();
    let _listening = listen(&daemon, &endpoint).await;
    // No process has this uid.
    let options = ConnectOptions { allowed_server_uids: BTreeSet::from([u32::MAX - 1]), ..ConnectOptions::default() };
    let facade = start(&endpoint, &options);
    let fault = facade.provider().until_away().await;
    assert_eq!(fault.code, Code::Unavailable);
    assert!(fault.message.contains("uid"), "the cause is named: {fault}");
    assert!(daemon.calls("Handshake").is_empty());
}
