//! `control-plane`: builds the binaries ahead of time, says where they are, or keeps a control plane up for a person.

use std::io::Write as _;

use anyhow::Result;
use clap::{Parser, Subcommand};
use control_plane::{Assets, Binary, ControlPlane};
use tokio::signal::unix::{SignalKind, signal};

/// A real Kubernetes control plane on demand.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds every binary that is not found; the tests and the demo then start at once.
    Build,
    /// Prints the folder the binaries are in, and builds them if they are not found.
    Path,
    /// Runs a control plane until interrupted and prints the KUBECONFIG of its administrator.
    Run {
        /// Also runs kube-controller-manager.
        #[arg(long)]
        controller_manager: bool,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut out = std::io::stdout();
    match Args::parse().command {
        Command::Build | Command::Path => {
            let assets = Assets::find_or_build(&Binary::ALL).await?;
            writeln!(out, "{}", assets.folder().display())?;
        }
        Command::Run { controller_manager } => {
            let mut interrupted = signal(SignalKind::interrupt())?;
            let mut terminated = signal(SignalKind::terminate())?;
            let plane = ControlPlane::builder().with_controller_manager(controller_manager).start().await?;
            writeln!(out, "export KUBECONFIG={}", plane.kubeconfig().display())?;
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
        }
    }
    Ok(())
}
