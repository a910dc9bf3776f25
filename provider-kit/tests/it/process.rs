//! The life of a daemon's process: signals and exit codes.

use std::{
    io::Read as _,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use provider_kit::{Daemon, DaemonArgs, HealthArgs, IdentityService, ProviderInfo, run};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    daemon: DaemonArgs,
}

const FLAGS: &str = "PROVIDER_KIT_TEST_FLAGS";

/// Not a test of its own: what the tests below start as another process.
#[test]
#[ignore = "is the daemon that other tests start"]
fn child() {
    let flags = std::env::var(FLAGS).expect("is started by another test");
    let args = Cli::parse_from(["daemon"].into_iter().chain(flags.split(' '))).daemon;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let code = runtime.block_on(run("test-daemon", "1", &args, async |daemon: Daemon| {
        let kit = daemon.kit();
        Ok::<_, anyhow::Error>(daemon.identity(IdentityService::new(kit, ProviderInfo::default())))
    }));
    // What `main` would return; the test harness has an exit code of its own.
    std::process::exit(if code == ExitCode::SUCCESS { 0 } else { 17 });
}

fn start(flags: &[String]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::child", "--ignored", "--nocapture"])
        .env(FLAGS, flags.join(" "))
        .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn ended(mut child: Child) -> (Option<i32>, String) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    (status.code(), log)
}

#[tokio::test]
async fn sigterm_ends_a_daemon_with_zero_and_its_log_is_on_standard_error() {
    let folder = TempDir::new().unwrap();
    let endpoint = format!("unix:{}/p.sock", folder.path().display());
    let child = start(&[format!("--listen={endpoint}"), "--log-format=json".to_owned()]);
    let health = HealthArgs { endpoint, timeout: 1, allow_insecure_loopback: false };
    let serving = async {
        while health.check().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), serving).await.expect("it serves");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let (code, log) = ended(child);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
    assert!(log.contains("shutting down"), "{log}");
    assert!(!folder.path().join("p.sock").exists());
}

#[test]
fn wrong_flags_end_it_before_anything_starts_and_all_are_named() {
    let (code, log) = ended(start(&["--listen=nonsense".to_owned(), "--drain-timeout=soon".to_owned()]));
    assert_eq!(code, Some(17), "{log}");
    assert!(log.contains("--listen") && log.contains("--drain-timeout"), "{log}");
    assert!(!log.contains("listening"), "{log}");
}
