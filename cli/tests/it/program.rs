use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::rig::Rig;

fn program(folder: &Path, words: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cpctl"))
        .args(words)
        .env_clear()
        .env("HOME", folder)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn exit_codes_tell_what_to_do_next() {
    let folder = tempfile::tempdir().unwrap();
    let code = |words: &[&str], part: &str| {
        let output = program(folder.path(), words, &[]);
        assert!(said(&output).contains(part), "{words:?}: {}", said(&output));
        output.status.code().unwrap()
    };
    assert_eq!(code(&["frobnicate"], "unrecognized"), 2);
    assert_eq!(code(&["clusters", "list"], "CPCTL_PROVIDER"), 2);
    assert_eq!(code(&["clusters", "list", "--provider=nonsense"], "unix:PATH"), 2);
    assert_eq!(code(&["clusters", "list", "--provider=https://d:7443"], "--provider-ca-file"), 2);
    let nobody = format!("--provider=unix:{}/nobody.sock", folder.path().display());
    assert_eq!(code(&["clusters", "list", &nobody], "does --provider name the place"), 4);
    let help = program(folder.path(), &["--help"], &[]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Exit codes:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exec_plugin_answers_clients_and_asks_the_daemon_once() {
    let rig = Rig::start().await;
    let info = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": {"interactive": false}}).to_string();
    let words = ["credential", "--cluster=c-1", "--provider", &rig.endpoint];
    let ask = || {
        let output = program(rig.folder.path(), &words, &[("KUBERNETES_EXEC_INFO", &info)]);
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let first = ask();
    assert_eq!(
        (&first["kind"], &first["apiVersion"]),
        (&"ExecCredential".into(), &"client.authentication.k8s.io/v1".into())
    );
    let ends: jiff::Timestamp = first["status"]["expirationTimestamp"].as_str().unwrap().parse().unwrap();
    let left = ends.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((3_500..=3_600).contains(&left), "{left}");
    assert_eq!(ask(), first, "it was kept");
    let fresh = program(rig.folder.path(), &[&words[..], &["--no-cache"]].concat(), &[("KUBERNETES_EXEC_INFO", &info)]);
    let fresh: Value = serde_json::from_slice(&fresh.stdout).unwrap();
    assert_ne!(fresh["status"]["token"], first["status"]["token"]);
    let odd = program(rig.folder.path(), &words, &[("KUBERNETES_EXEC_INFO", "{}")]);
    assert_eq!(odd.status.code(), Some(3), "{}", said(&odd));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_entry_holds_no_key_and_calls_this_program_with_the_same_flags() {
    let rig = Rig::start().await;
    let home = rig.folder.path();
    let words =
        ["kubeconfig", "--cluster=c-1", "--endpoint=public", "--lifetime=1h", "--exec", "--provider", &rig.endpoint];
    let output = program(home, &words, &[]);
    assert!(output.status.success(), "{}", said(&output));
    let written = std::fs::read_to_string(home.join(".kube/config")).unwrap();
    let written: Value = serde_saphyr::from_str(&written).unwrap();
    let user = &written["users"][0]["user"];
    let mut keys: Vec<&String> = user.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["exec", "extensions"], "{user}");
    let exec = &user["exec"];
    assert_eq!((&exec["command"], &exec["interactiveMode"]), (&env!("CARGO_BIN_EXE_cpctl").into(), &"Never".into()));
    let args: Vec<&str> = exec["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let provider = format!("--provider={}", rig.endpoint);
    assert_eq!(args, ["credential", "--cluster=c-1", "--endpoint=public", "--lifetime=3600s", &provider]);

    // As a client runs it: the first question is answered from what was issued already.
    let info =
        json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": {}}).to_string();
    let kept = program(home, &args, &[("KUBERNETES_EXEC_INFO", &info)]);
    assert!(kept.status.success(), "{}", said(&kept));
    let again = program(home, &args, &[("KUBERNETES_EXEC_INFO", &info)]);
    assert_eq!(kept.stdout, again.stdout);

    let named = program(home, &[&words[..], &["--context=dev", "--exec-command=/opt/cpctl"]].concat(), &[]);
    assert!(named.status.success(), "{}", said(&named));
    let written = std::fs::read_to_string(home.join(".kube/config")).unwrap();
    assert!(written.contains("/opt/cpctl") && written.contains("current-context: cpctl-c-1"), "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_is_not_there_confirms_nothing() {
    let rig = Rig::start().await;
    let words = ["registry", "revoke", "--registry=r-1", "--user=user-person", "--provider", &rig.endpoint];
    let output = program(rig.folder.path(), &words, &[]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert!(said(&output).contains("--yes"), "{}", said(&output));
}
