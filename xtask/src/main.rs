//! `cargo xtask …`: the chores of this repository.

// A tool for people: it speaks on standard output.
#![allow(clippy::print_stdout)]

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use clap::{Parser, Subcommand};

/// Chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check the rules that no compiler checks: rooms, modules, manifests, documents.
    Tidy,
    /// Everything that has to pass before a change goes in.
    Ci,
    /// Compare the API with its stored baseline.
    Api {
        /// Store what was added.
        #[arg(long)]
        accept: bool,
        /// Store it even if it breaks what was there: only before anybody else has built against it.
        #[arg(long, conflicts_with = "accept")]
        replace: bool,
    },
    /// Bring up a real control plane, the controller and a provider with its cloud, and show them at work.
    #[command(disable_help_flag = true)]
    Demo {
        /// Arguments of the demo; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Measure.
    #[command(disable_help_flag = true)]
    Bench {
        /// Arguments of the benches; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn main() -> Result<ExitCode> {
    let root = root()?;
    match Args::parse().chore {
        Chore::Tidy => tidy(&root),
        Chore::Ci => run(Command::new(root.join(".ci/run")).current_dir(&root)),
        Chore::Api { accept, replace } => api(&root, accept, replace),
        Chore::Demo { args } => run_program(&root, "demo", &[], &args),
        Chore::Bench { args } => run_program(&root, "bench", &["--release"], &args),
    }
}

fn tidy(root: &Path) -> Result<ExitCode> {
    let wrong = xtask::tidy::check(root)?;
    for line in &wrong {
        println!("{line}");
    }
    if wrong.is_empty() {
        println!("tidy");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} to tidy up", wrong.len());
    Ok(ExitCode::FAILURE)
}

fn api(root: &Path, accept: bool, replace: bool) -> Result<ExitCode> {
    let mut command = cargo(root);
    command.args(["test", "--quiet", "--package", "cloud-provider-api", "--test", "it"]);
    if accept || replace {
        command.env("API_BASELINE", if replace { "replace" } else { "accept" });
    }
    run(&mut command)
}

/// Builds and runs one of the workspace's programs. It starts the others itself and builds what it starts; they are built
/// here too so that cargo can do all of it side by side. With the features of the whole workspace, as `cargo test
/// --workspace` has them, so that nothing is compiled once more for the sake of a feature.
fn run_program(root: &Path, program: &str, profile: &[&str], args: &[OsString]) -> Result<ExitCode> {
    let daemons = ["provider-mock", "provider-huawei", "provider-baidu"];
    let bins = daemons.into_iter().chain(["cloud-controller-manager", "cloud-simulator", "cpctl", program]);
    let bins: Vec<_> = bins.map(|name| format!("--bin={name}")).collect();
    let mut build = cargo(root);
    build.args(["build", "--workspace"]).args(profile).args(&bins);
    if !build.status().context("cargo build")?.success() {
        bail!("the build failed: {build:?}");
    }
    let target = MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec()?.target_directory;
    let folder = if profile.is_empty() { "debug" } else { "release" };
    // In place of this process, so that a person who interrupts it gets the prompt back when it has cleaned up.
    Err(Command::new(target.join(folder).join(program)).current_dir(root).args(args).exec()).context(program.to_owned())
}

fn run(command: &mut Command) -> Result<ExitCode> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    // What cargo says of this package. Build scripts that watch these variables, as that of ring does, would run again, and
    // everything upon them be compiled anew, whenever cargo is called now directly, now from here.
    let of_package = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    for name in env::vars_os().map(|(name, _)| name).filter(of_package) {
        command.env_remove(name);
    }
    command
}

/// The workspace: where cargo runs this from, or where it was built.
fn root() -> Result<PathBuf> {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().map(Path::to_owned).context("xtask is in the workspace")
}
