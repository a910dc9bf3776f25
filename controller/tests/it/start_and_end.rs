//! How the program starts and ends, without a cluster.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloud-controller-manager"));
    command.env_remove("KUBERNETES_SERVICE_HOST").stdin(Stdio::null());
    command
}

#[test]
fn outside_a_pod_without_a_kubeconfig_the_error_says_what_to_give() {
    let output = command().args(["--provider=unix:nowhere.sock", "--secure-port=0"]).output().expect("started");
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("give --kubeconfig"), "{log}");
}

/// A program that waits for an apiserver nobody runs, with its log as JSON; ended by `signals`.
fn waiting(signals: &[Signal]) -> (Option<i32>, Duration, String) {
    let mut child = command()
        .args([
            "--provider=unix:nowhere.sock",
            "--secure-port=0",
            "--master=http://127.0.0.1:9",
            "--logging-format=json",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    let mut lines = String::new();
    while !lines.contains("attempting to acquire the leader lease") {
        assert_ne!(log.read_line(&mut lines).expect("a log"), 0, "{lines}");
    }
    let began = Instant::now();
    let pid = Pid::from_child(&child);
    for signal in signals {
        kill_process(pid, *signal).expect("signalled");
    }
    let status = child.wait().expect("ended");
    let took = began.elapsed();
    log.read_to_string(&mut lines).expect("the rest of the log");
    (status.code(), took, lines)
}

#[test]
fn a_standby_ends_in_order_when_asked_to() {
    for signal in [Signal::TERM, Signal::INT] {
        let (code, took, log) = waiting(&[signal]);
        assert_eq!(code, Some(0), "{log}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
        assert!(log.contains("--leader-elect=true"), "all flags are echoed: {log}");
    }
}
