//! The life of a daemon's process.

use std::{future::Future, io, process::ExitCode};

use provider_hop::{harden_process, telemetry};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    args::{DaemonArgs, Faults},
    daemon::Daemon,
};

/// Runs a daemon until SIGTERM or SIGINT: `build` adds its services. Faults go to the log and end the process with 1; a
/// shutdown in order ends it with 0. A second signal ends it at once.
pub async fn run<F, Fut, E>(name: &'static str, version: &'static str, args: &DaemonArgs, build: F) -> ExitCode
where
    F: FnOnce(Daemon) -> Fut,
    Fut: Future<Output = Result<Daemon, E>>,
    E: Into<anyhow::Error>,
{
    run_checked(name, version, args, || Ok(()), |daemon, ()| build(daemon)).await
}

/// As [`run`], for a daemon with flags and files of its own: `read` reads and checks them before anything starts, and its
/// faults are reported together with those of the flags every daemon has.
pub async fn run_checked<R, T, F, Fut, E>(
    name: &'static str,
    version: &'static str,
    args: &DaemonArgs,
    read: R,
    build: F,
) -> ExitCode
where
    R: FnOnce() -> Result<T, Faults>,
    F: FnOnce(Daemon, T) -> Fut,
    Fut: Future<Output = Result<Daemon, E>>,
    E: Into<anyhow::Error>,
{
    let telemetry = match telemetry::init(&args.telemetry(name, version)) {
        Ok(guard) => guard,
        Err(error) => return fail_unlogged(name, &error),
    };
    let code = match live(name, version, args, read, build).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in format!("{error:#}").lines() {
                tracing::error!("{line}");
            }
            ExitCode::FAILURE
        }
    };
    drop(telemetry);
    code
}

/// There is no log to say it in yet.
#[allow(clippy::print_stderr)]
fn fail_unlogged(name: &str, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{name}: {error}");
    ExitCode::FAILURE
}

async fn live<R, T, F, Fut, E>(
    name: &'static str,
    version: &'static str,
    args: &DaemonArgs,
    read: R,
    build: F,
) -> anyhow::Result<()>
where
    R: FnOnce() -> Result<T, Faults>,
    F: FnOnce(Daemon, T) -> Fut,
    Fut: Future<Output = Result<Daemon, E>>,
    E: Into<anyhow::Error>,
{
    // Libraries that ask for the process's crypto provider find the only one there is.
    let _ = rustls::crypto::ring::default_provider().install_default();
    harden_process()?;
    let mut signals = Signals::new()?;
    tracing::info!(name, version, "starting");
    let (settings, own) = match (args.settings(), read()) {
        (Ok(settings), Ok(own)) => (settings, own),
        (settings, own) => {
            let faults = [settings.err(), own.err()].into_iter().flatten().flat_map(|Faults(faults)| faults);
            return Err(Faults(faults.collect()).into());
        }
    };
    let daemon = build(Daemon::new(settings), own).await.map_err(Into::into)?;
    let running = daemon.start().await?;
    signals.received().await;
    tokio::select! {
        _ = running.stop() => {}
        () = signals.received() => tracing::warn!("told twice to end, leaving at once"),
    }
    Ok(())
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
