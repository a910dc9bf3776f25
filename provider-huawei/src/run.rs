//! The life of the daemon.

use std::{process::ExitCode, sync::Arc};

use provider_kit::{Daemon, Faults, rest::Traces};

use crate::{Args, accounts::Accounts, cloud::Surroundings, service::Provider, setup::Setup};

/// Runs the daemon until SIGTERM.
pub async fn run(args: Args) -> ExitCode {
    let read = || read(&args).map_err(Faults);
    provider_kit::run_checked(
        "provider-huawei",
        env!("CARGO_PKG_VERSION"),
        &args.daemon,
        read,
        async |daemon, parts| Ok::<_, anyhow::Error>(serve(daemon, parts)),
    )
    .await
}

/// Adds the services to a daemon, for who runs one in a process of their own.
///
/// # Errors
/// Every fault of the flags and files.
pub fn services(daemon: Daemon, args: &Args) -> Result<Daemon, Faults> {
    Ok(serve(daemon, read(args).map_err(Faults)?))
}

/// Everything the daemon is made of.
struct Parts {
    setup: Setup,
    accounts: Accounts,
    traces: Traces,
    warnings: Vec<String>,
}

/// Reads and checks all files; nothing is called yet.
fn read(args: &Args) -> Result<Parts, Vec<String>> {
    let traces = Traces::default();
    let (setup, warnings) = Setup::read(args, &|name| std::env::var(name).ok())?;
    let (metrics, audit) = (traces.metrics(), Some(traces.audit()));
    let accounts = Accounts::new(&setup, &Surroundings { metrics, audit, ..Surroundings::default() })?;
    Ok(Parts { setup, accounts, traces, warnings })
}

/// The services on a daemon.
fn serve(daemon: Daemon, parts: Parts) -> Daemon {
    let Parts { setup, accounts, traces, warnings } = parts;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let kit = daemon.kit();
    traces.lead_to(&kit);
    let accounts = Arc::new(accounts);
    let learn = {
        let (kit, accounts) = (kit.clone(), accounts.clone());
        async move { accounts.learn_projects(&kit).await }
    };
    // Not ready before the first look: who asks meanwhile is told to come again.
    if accounts.all().any(|account| account.project().is_err()) {
        kit.set_starting(Some("looking up the project".to_owned()));
        tokio::spawn(kit.draining().clone().run_until_cancelled_owned(learn));
    }
    tokio::spawn({
        let (kit, accounts) = (kit.clone(), accounts.clone());
        async move { accounts.follow_keys(&kit).await }
    });
    for account in accounts.all() {
        account.conditions(&kit).follow_credentials(&kit);
    }
    let provider = Provider::new(kit, accounts, &setup);
    provider.serve(daemon)
}
