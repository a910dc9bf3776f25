//! A daemon on another host: mutual TLS, and who may have secrets by the name in its certificate.

use std::fs;

use cpctl::Answers;
use provider_hop::{
    Endpoint,
    listen::ListenOptions,
    testing::{Authority, Wanted, write},
    tls::{San, Tls},
};
use provider_kit::{Access, Class, Identity, Settings};

use crate::rig::{Ran, Rig, SCENARIO};

const DAEMON: &str = "spiffe://example/daemon";
const ADMIN: &str = "spiffe://example/admin";
const READER: &str = "spiffe://example/reader";

struct Remote {
    rig: Rig,
    authority: Authority,
}

impl Remote {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("test CA");
        let own = folder.path().join("daemon");
        fs::create_dir(&own).unwrap();
        let files = write(&own, &authority.issue(&Wanted::named(&[DAEMON])), &[&authority]).unwrap();
        let san = |name: &str| Identity::San(San::Uri(name.to_owned()));
        let settings = Settings {
            listen: vec!["https://127.0.0.1:0".parse::<Endpoint>().unwrap()],
            listen_options: ListenOptions { tls: Some(Tls::load(files).unwrap()), ..ListenOptions::default() },
            access: Access::nobody().allow(san(ADMIN), [Class::Read, Class::Secret], None).allow(
                san(READER),
                [Class::Read],
                None,
            ),
            ..Settings::default()
        };
        Self { rig: Rig::serve(folder, SCENARIO, settings).await, authority }
    }

    /// Runs a command as the holder of a certificate that `by` issued for `name`, looking for a daemon named `daemon`.
    async fn run(&self, by: &Authority, name: &str, daemon: &str, words: &[&str]) -> Ran {
        let own = self.rig.path("client");
        fs::create_dir_all(&own).unwrap();
        let files = write(&own, &by.issue(&Wanted::named(&[name])), &[&self.authority]).unwrap();
        let flags = [
            format!("--provider-ca-file={}", files.ca.display()),
            format!("--provider-cert-file={}", files.certificate.display()),
            format!("--provider-key-file={}", files.private_key.display()),
            format!("--provider-server-name={daemon}"),
            "--timeout=10s".to_owned(),
        ];
        let words: Vec<&str> = words.iter().copied().chain(flags.iter().map(String::as_str)).collect();
        self.rig.run_at(&words, Answers::Always(true), false).await
    }
}

#[tokio::test]
async fn secrets_are_for_those_whose_name_may_have_them() {
    let remote = Remote::start().await;
    let kubeconfig = ["kubeconfig", "--cluster=c-1", "--stdout"];
    let ran = remote.run(&remote.authority, ADMIN, DAEMON, &kubeconfig).await.well();
    assert!(ran.out.contains("https://192.0.2.1:6443"), "{}", ran.out);
    remote.run(&remote.authority, READER, DAEMON, &["provider", "info"]).await.well();
    remote.run(&remote.authority, READER, DAEMON, &kubeconfig).await.ended(3, "--secret-peer-san");
}

#[tokio::test]
async fn neither_end_talks_to_somebody_else() {
    let remote = Remote::start().await;
    let info = ["provider", "info"];
    remote.run(&remote.authority, "spiffe://example/nobody", DAEMON, &info).await.ended(3, "nobody");
    remote.run(&remote.authority, ADMIN, "spiffe://example/other", &info).await.ended(4, "spiffe://example/other");
    let other = Authority::new("another CA");
    remote.run(&other, ADMIN, DAEMON, &info).await.ended(4, "UnknownCA");
}
