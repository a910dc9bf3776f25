//! What the program says to its command line, before it talks to anybody.

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloud-controller-manager")).args(args).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_and_version_go_to_standard_output_and_succeed() {
    for (args, word) in [(["--help"], "--provider"), (["--version"], "cloud-controller-manager v")] {
        let output = run(&args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains(word), "{args:?}: {}", text(&output.stdout));
        assert!(output.stderr.is_empty(), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn all_faults_are_named_at_once_with_flag_and_value() {
    let output = run(&[
        "--node-monitor-period=soon",
        "--concurrent-service-syncs=-3",
        "--cloud-config=/etc/cloud.conf",
        "--no-such-flag=1",
        "stray",
    ]);
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    let words =
        ["node-monitor-period", "soon", "concurrent-service-syncs", "-3", "cloud-config", "no-such-flag", "stray"];
    for word in words {
        assert!(said.contains(word), "{word} is not named in: {said}");
    }
}

#[test]
fn a_missing_provider_is_a_fault_of_the_command_line() {
    let output = run(&["--kubeconfig=/nonexistent"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("--provider"), "{}", text(&output.stderr));
}
