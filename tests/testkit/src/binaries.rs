//! The workspace's own programs, built as a person builds them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As `cargo test --workspace` does for the integration tests, so that a test finds them built.
    Test,
    /// As `cargo build --workspace` does. What only tests need is left out of the dependencies, which therefore are others.
    Dev,
    /// What is shipped; for figures.
    Release,
}

impl Profile {
    /// The cargo command. All have the features of the whole workspace, so that nothing is compiled a second time for the
    /// sake of a feature that only a neighbour asks for.
    fn cargo_args(self, programs: &[&str]) -> Vec<String> {
        let fixed: &[&str] = match self {
            // Integration tests have the programs of their package built.
            Self::Test => &["test", "--workspace", "--no-run", "--test=it"],
            Self::Dev => &["build", "--workspace"],
            Self::Release => &["build", "--workspace", "--release"],
        };
        let mut args: Vec<_> = fixed.iter().map(|&arg| arg.to_owned()).collect();
        args.push("--message-format=json-render-diagnostics".to_owned());
        if self != Self::Test {
            args.extend(programs.iter().map(|program| format!("--bin={program}")));
        }
        args
    }
}

/// The paths of the built programs.
#[derive(Clone, Debug)]
pub struct Binaries {
    paths: BTreeMap<String, PathBuf>,
}

/// All that are started as processes; a row more makes a program known.
const PROGRAMS: [&str; 6] =
    ["cloud-controller-manager", "provider-mock", "provider-huawei", "cloud-simulator", "provider-baidu", "cpctl"];

impl Binaries {
    /// Builds the programs into the workspace's target folder; once a process and profile, further calls get the same answer.
    pub async fn build(profile: Profile) -> Result<&'static Self> {
        static TEST: OnceCell<Binaries> = OnceCell::const_new();
        static DEV: OnceCell<Binaries> = OnceCell::const_new();
        static RELEASE: OnceCell<Binaries> = OnceCell::const_new();
        let cell = match profile {
            Profile::Test => &TEST,
            Profile::Dev => &DEV,
            Profile::Release => &RELEASE,
        };
        cell.get_or_try_init(|| build(profile, &PROGRAMS)).await
    }

    /// The generic controller.
    pub fn controller(&self) -> &Path {
        &self.paths[PROGRAMS[0]]
    }

    /// The mock provider's daemon.
    pub fn mock(&self) -> &Path {
        &self.paths[PROGRAMS[1]]
    }

    /// The daemon for Huawei Cloud.
    pub fn huawei(&self) -> &Path {
        &self.paths[PROGRAMS[2]]
    }

    /// The daemon for Baidu AI Cloud.
    pub fn baidu(&self) -> &Path {
        &self.paths[PROGRAMS[4]]
    }

    /// The simulated clouds.
    pub fn simulator(&self) -> &Path {
        &self.paths[PROGRAMS[3]]
    }

    /// What a person runs.
    pub fn cpctl(&self) -> &Path {
        &self.paths[PROGRAMS[5]]
    }
}

/// The root of the workspace.
pub fn workspace_root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// One line of `--message-format=json`, of which only this matters.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

async fn build(profile: Profile, programs: &[&str]) -> Result<Binaries> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace_root()).args(profile.cargo_args(programs));
    for name in std::env::vars_os().map(|(name, _)| name).filter(|name| is_about_a_package(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await.context("run cargo")?;
    ensure!(output.status.success(), "building {} failed with {}", programs.join(" and "), output.status);
    let mut paths = executables(&String::from_utf8_lossy(&output.stdout))?;
    paths.retain(|name, _| programs.contains(&name.as_str()));
    for program in programs {
        ensure!(paths.contains_key(*program), "cargo named no executable {program}; does its package have tests/it?");
    }
    Ok(Binaries { paths })
}

/// Whether cargo sets this variable to tell a program which package it belongs to. A build script may watch it, as that of
/// `ring` does: handed on to another cargo, it has `ring` and all that is built upon it compiled anew.
fn is_about_a_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| variable.starts_with(prefix))
}

fn executables(messages: &str) -> Result<BTreeMap<String, PathBuf>> {
    let mut paths = BTreeMap::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line).context("a message of cargo")?;
        if let Some(path) = message.executable {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            paths.insert(name, path);
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_read_from_cargos_messages() {
        let messages = "\
{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"lib\"},\"executable\":null}
{\"reason\":\"compiler-artifact\",\"executable\":\"/t/debug/provider-mock\"}
{\"reason\":\"build-finished\",\"success\":true}
";
        let expected = BTreeMap::from([("provider-mock".to_owned(), PathBuf::from("/t/debug/provider-mock"))]);
        assert_eq!(executables(messages).expect("read"), expected);
    }

    #[test]
    fn only_variables_about_the_package_are_withheld_from_cargo() {
        let kept = ["CARGO", "CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_JOBS", "PATH"];
        assert!(!kept.into_iter().any(is_about_a_package));
        assert!(["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"].into_iter().all(is_about_a_package));
    }

    #[tokio::test]
    async fn a_program_that_does_not_exist_is_an_error() {
        let error = build(Profile::Dev, &["no-such-program"]).await.unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
