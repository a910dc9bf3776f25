//! `cargo xtask demo`: the whole product at work on a real Kubernetes API, live, every step verified.
//!
//! etcd and kube-apiserver are real, the controller and the provider's daemon are the programs as they are shipped, joined
//! by a Unix socket. The cloud, its machines and the kubelets on them are played: machines are loopback addresses.

mod screen;
mod story;
mod world;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use screen::Screen;
use testkit::Profile;
use world::World;

/// Shows the controller and a provider at work on a real Kubernetes API, and verifies every step.
#[derive(Parser)]
#[command(name = "cargo xtask demo", bin_name = "cargo xtask demo")]
struct Args {
    /// Stays up after the last step, for a look around with kubectl, until interrupted.
    #[arg(long)]
    keep: bool,
    /// Uses the programs that `cargo test --workspace` has built, which spares a test the build.
    #[arg(long, hide = true)]
    built_for_tests: bool,
}

/// The status of a shell command ended by an interrupt.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let screen = Screen::new();
    let outcome = tokio::select! {
        told = tell(&screen, &args) => told,
        () = interrupt() => {
            screen.end("Interrupted; everything is cleaned up.");
            return ExitCode::from(INTERRUPTED);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.failed(&error);
            ExitCode::FAILURE
        }
    }
}

/// Dropping what this returns, or not letting it end, takes every process and file away again.
async fn tell(screen: &Screen, args: &Args) -> Result<()> {
    let profile = if args.built_for_tests { Profile::Test } else { Profile::Dev };
    let mut world = World::create(screen, profile).await?;
    let told = story::tell(screen, &mut world).await;
    if let Err(error) = told {
        return Err(world.explain(&error));
    }
    if args.keep {
        screen.end("Every step happened. It all stays up until you press Ctrl-C.");
        screen::line(&format!("export KUBECONFIG={}", world.kubeconfig().display()));
        screen::line(&format!("curl http://{}/", world.load_balancer()?));
        interrupt().await;
    }
    story::clean_up(screen, &mut world).await.map_err(|error| world.explain(&error))?;
    drop(world);
    screen.end("Every step happened, and everything is cleaned up.");
    Ok(())
}

/// Resolves when the person or the system wants us to end.
async fn interrupt() {
    let (Ok(mut interrupted), Ok(mut terminated)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the default action ends us, and the supervisors of the children notice.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
}
