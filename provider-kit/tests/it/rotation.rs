//! Certificates change under load, connections are renewed all the time, and no call fails.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cloud_provider_api::v1::{GetStatusRequest, identity_client::IdentityClient};
use provider_kit::{
    Access, Class, Identity, Settings,
    hop::{
        ReloadTask,
        connect::{Channel, ConnectOptions},
        listen::ListenOptions,
        testing::{Authority, Wanted, write},
        tls::Tls,
    },
};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::timeout};

use crate::rig::{Work, count, daemon, timed, until};

const SERVER: &str = "provider.example";
const CLIENT: &str = "ccm.example";

/// One side's certificates on disk.
struct Side {
    folder: PathBuf,
    name: &'static str,
    tls: Arc<Tls>,
}

impl Side {
    fn new(root: &Path, name: &'static str, authority: &Authority) -> Self {
        let folder = root.join(name);
        std::fs::create_dir(&folder).unwrap();
        let tls = Tls::load(authority.write(&folder, &[name]).unwrap()).unwrap();
        Self { folder, name, tls }
    }

    /// Writes new files and waits until they are in use.
    async fn change(&self, by: &Authority, trusted: &[&Authority]) {
        let mut status = self.tls.status();
        write(&self.folder, &by.issue(&Wanted::named(&[self.name])), trusted).unwrap();
        let seen = timeout(Duration::from_secs(20), status.changed()).await;
        seen.expect("the change is noticed").unwrap();
        // The three files are replaced one by one; a state in between may have been refused.
        let settled = status.wait_for(|status| status.fault.is_none()).await.unwrap().clone();
        assert!(settled.reloads > 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_call_fails_while_certificates_and_authorities_change() {
    let root = TempDir::new().unwrap();
    let (old, new) = (Authority::new("old CA"), Authority::new("new CA"));
    let (server, client) = (Side::new(root.path(), SERVER, &old), Side::new(root.path(), CLIENT, &old));
    let settings = Settings {
        listen: vec!["https://127.0.0.1:0".parse().unwrap()],
        listen_options: ListenOptions { tls: Some(server.tls.clone()), ..ListenOptions::default() },
        access: Access::nobody().allow(Identity::San(CLIENT.parse().unwrap()), [Class::Read], None),
        max_connection_age: Duration::from_millis(50),
        ..Settings::default()
    };
    let running = daemon(settings, &Work::default()).start().await.unwrap();
    let _reload: ReloadTask = client.tls.watch();
    let options = ConnectOptions {
        tls: Some(client.tls.clone()),
        server_san: Some(SERVER.parse().unwrap()),
        ..ConnectOptions::default()
    };

    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut load = JoinSet::new();
    for _ in 0..4 {
        let channel = Channel::new(&running.endpoints()[0], &options).unwrap();
        for _ in 0..4 {
            let (mut client, stop, calls) = (IdentityClient::new(channel.clone()), stop.clone(), calls.clone());
            load.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    client.get_status(timed(GetStatusRequest {})).await?;
                    calls.fetch_add(1, Ordering::SeqCst);
                }
                Ok::<_, tonic::Status>(())
            });
        }
    }
    // A change of the certificate, then of the CA: trust both, issue by the new one, trust only that.
    for (by, trusted) in [(&old, &[&old][..]), (&old, &[&old, &new]), (&new, &[&old, &new]), (&new, &[&new])] {
        server.change(by, trusted).await;
        client.change(by, trusted).await;
        let before = count(&calls);
        until("calls go on", || count(&calls) > before + 200).await;
    }
    stop.store(true, Ordering::SeqCst);
    while let Some(outcome) = load.join_next().await {
        outcome.unwrap().expect("no call fails");
    }
    assert!(running.stop().await);
}
