//! The demo, run as a person runs it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};
use testkit::process::{Exit, Launch, Process, Signal};
use testkit::{client_from_kubeconfig, eventually, http};

/// With a machine shared by other tests.
const STORY: Duration = Duration::from_mins(10);
const CLEAN_UP: Duration = Duration::from_mins(2);

/// A demo that was told to stay up, and has got there.
struct Kept {
    demo: Process,
    kubeconfig: PathBuf,
    _output: tempfile::TempDir,
}

impl Kept {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(args: &[&str]) -> Self {
        let output = tempfile::tempdir().expect("a folder");
        let demo = Launch::new(env!("CARGO_BIN_EXE_demo"), output.path().join("output"))
            .args(["--keep", "--built-for-tests"])
            .args(args)
            .spawn()
            .expect("started");
        let kubeconfig = eventually("the demo prints its KUBECONFIG", STORY, async || {
            demo.ensure_running()?;
            said(&demo, "export KUBECONFIG=").map(PathBuf::from)
        });
        let kubeconfig = kubeconfig.await.expect("printed");
        Self { demo, kubeconfig, _output: output }
    }

    /// Where the demo keeps everything.
    fn folder(&self) -> &Path {
        self.kubeconfig.parent().expect("a folder")
    }

    /// Interrupts it, as a person or the system does, and answers how it ended.
    async fn end(&self) -> Exit {
        self.demo.signal(Signal::Term);
        tokio::time::timeout(CLEAN_UP, self.demo.wait()).await.expect("it ends when told to")
    }
}

/// What the demo has written after these words.
fn said(demo: &Process, words: &str) -> Result<String> {
    let log = demo.log();
    let line = log.lines().find_map(|line| line.strip_prefix(words));
    Ok(line.with_context(|| format!("it has not said {words:?} but\n{log}"))?.to_owned())
}

/// Processes other than supervisors whose command line names this folder, as id and command line.
fn processes_in(folder: &Path) -> Vec<(u32, String)> {
    let needle = folder.to_str().expect("text");
    let entries = std::fs::read_dir("/proc").expect("procfs");
    entries
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            (line.contains(needle) && !line.starts_with("sh ")).then_some((pid, line))
        })
        .collect()
}

#[tokio::test]
async fn every_step_happens_and_in_the_end_nothing_is_left() {
    let kept = Kept::start().await;
    let nodes = Api::<Node>::all(client_from_kubeconfig(&kept.kubeconfig).await.expect("client"));
    let names: Vec<_> = nodes.list(&ListParams::default()).await.expect("listed").items;
    assert_eq!(names.len(), 2, "one of the three was terminated");
    let url = said(&kept.demo, "curl http://").expect("printed");
    let answer = http::get(url.trim_end_matches('/').parse().expect("an address"), "/").await.expect("answered");
    assert!(answer.starts_with("served by node-"), "{answer}");
    assert!(!processes_in(kept.folder()).is_empty());

    assert_eq!(kept.end().await, Exit::Code(0), "{}", kept.demo.log());
    assert!(said(&kept.demo, "Every step happened, and everything is cleaned up.").is_ok());
    assert_eq!(processes_in(kept.folder()), []);
    assert!(!kept.folder().exists());
}

#[tokio::test]
async fn a_step_that_does_not_happen_fails_the_demo() {
    let kept = Kept::start().await;
    let controller =
        processes_in(kept.folder()).into_iter().find(|(_, line)| line.contains("cloud-controller-manager "));
    let (pid, _) = controller.expect("the controller runs");
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("kill runs").success());
    eventually("the controller is gone", CLEAN_UP, async || {
        ensure!(processes_in(kept.folder()).iter().all(|(other, _)| *other != pid), "it is still there");
        Ok(())
    })
    .await
    .expect("gone");

    assert_eq!(kept.end().await, Exit::Code(1), "{}", kept.demo.log());
    let log = kept.demo.log();
    assert!(log.contains("cloud-controller-manager ended with signal 9"), "{log}");
    assert_eq!(processes_in(kept.folder()), []);
    assert!(!kept.folder().exists());
}

#[tokio::test]
async fn one_cluster_can_be_in_two_clouds() {
    let kept = Kept::start_with(&["--provider", "huawei,baidu"]).await;
    let nodes = Api::<Node>::all(client_from_kubeconfig(&kept.kubeconfig).await.expect("client"));
    let nodes = nodes.list(&ListParams::default()).await.expect("listed").items;
    let mut schemes: Vec<_> = nodes
        .iter()
        .filter_map(|node| Some(node.spec.as_ref()?.provider_id.as_ref()?.split_once("://")?.0.to_owned()))
        .collect();
    schemes.sort();
    assert_eq!(schemes, ["cce", "cce", "huaweicloud", "huaweicloud"], "of each cloud's three one was terminated");
    let daemons = ["provider-huawei ", "provider-baidu ", "cloud-controller-manager "];
    for daemon in daemons {
        let lines = processes_in(kept.folder());
        assert_eq!(lines.iter().filter(|(_, line)| line.contains(daemon)).count(), 1, "{daemon}: {lines:?}");
    }

    assert_eq!(kept.end().await, Exit::Code(0), "{}", kept.demo.log());
    assert!(said(&kept.demo, "Every step happened, and everything is cleaned up.").is_ok());
    assert_eq!(processes_in(kept.folder()), []);
}
