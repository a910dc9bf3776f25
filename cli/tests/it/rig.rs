//! A provider on a socket of its own, and ways to run commands against it.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex},
};

use clap::Parser as _;
use cpctl::{Answers, Args, Terminal};
use provider_kit::{Access, Class, Daemon, Identity, Running, Settings, hop::Endpoint};
use provider_mock::{MockProvider, scenario::Scenario, serve};
use tempfile::TempDir;

/// Keeps what is written.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a command left behind.
pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) code: String,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// It has to have gone well.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert!(self.ok, "{}\n{}", self.out, self.err);
        self
    }

    /// It has to have ended with this code and said this.
    #[track_caller]
    pub(crate) fn ended(&self, code: u8, said: &str) {
        assert_eq!(self.code, format!("{:?}", ExitCode::from(code)), "{}", self.err);
        assert!(self.err.contains(said), "{said:?} is not in {}", self.err);
    }
}

/// A provider and a folder.
pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) endpoint: String,
    pub(crate) provider: MockProvider,
    _running: Running,
}

pub(crate) const SCENARIO: &str = r#"
clusters:
- {id: c-1, name: prod, version: v1.37.1, publicEndpoint: "https://192.0.2.1:6443", vpcEndpoint: "https://10.0.0.1:6443"}
- {id: c-2, publicEndpoint: "https://192.0.2.2:6443"}
registries:
- {id: r-1, name: images, hosts: [registry.example, registry-vpc.example], users: [person]}
"#;

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::with(SCENARIO, &[Class::Read, Class::Write, Class::Secret]).await
    }

    /// With what this process's own user may call.
    pub(crate) async fn with(scenario: &str, classes: &[Class]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let uid = std::fs::metadata(folder.path()).unwrap().uid();
        let settings = Settings {
            listen: vec![Endpoint::Unix(folder.path().join("p.sock"))],
            access: Access::nobody().allow(Identity::Uid(uid), classes.iter().copied(), None),
            ..Settings::default()
        };
        Self::serve(folder, scenario, settings).await
    }

    pub(crate) async fn serve(folder: TempDir, scenario: &str, settings: Settings) -> Self {
        let provider = MockProvider::new(Scenario::parse(scenario).unwrap());
        let running = serve(Daemon::new(settings), &provider).start().await.unwrap();
        let endpoint = running.endpoints()[0].to_string();
        Self { folder, endpoint, provider, _running: running }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command; standard output is no screen.
    pub(crate) async fn run(&self, words: &[&str]) -> Ran {
        self.run_at(words, Answers::Always(true), false).await
    }

    pub(crate) async fn run_at(&self, words: &[&str], answers: Answers, screen: bool) -> Ran {
        let provider = format!("--provider={}", self.endpoint);
        let args = ["cpctl"].into_iter().chain(words.iter().copied()).chain([provider.as_str()]);
        let args = Args::try_parse_from(args).unwrap_or_else(|error| panic!("{error}"));
        let (out, err) = (Sink::default(), Sink::default());
        let code = cpctl::run(args, &mut Terminal::of(out.clone(), err.clone(), answers, screen)).await;
        let code = format!("{code:?}");
        Ran { ok: code == format!("{:?}", ExitCode::SUCCESS), code, out: out.text(), err: err.text() }
    }
}
