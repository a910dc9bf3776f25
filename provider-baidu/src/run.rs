//! The life of the daemon.

use std::process::ExitCode;

use provider_kit::{Daemon, Faults, rest::Traces};

use crate::{
    Args,
    accounts::Accounts,
    config::Environment,
    service::{Provider, warn_of_managed_controller},
};

/// Runs the daemon until SIGTERM.
pub async fn run(args: Args) -> ExitCode {
    let traces = Traces::default();
    let read = || Accounts::read(&args, &|name| std::env::var(name).ok(), &traces).map_err(Faults);
    provider_kit::run_checked(
        "provider-baidu",
        env!("CARGO_PKG_VERSION"),
        &args.daemon,
        read,
        async |daemon, accounts: Accounts| {
            for account in accounts.profiles.all() {
                let account = account.clone();
                tokio::spawn(async move {
                    // A daemon that has nothing to change fights over nothing, and asks nothing.
                    account.load_balancers.change().await;
                    warn_of_managed_controller(&account).await;
                });
            }
            Ok::<_, anyhow::Error>(attach(daemon, accounts, &traces))
        },
    )
    .await
}

/// Adds the services to a daemon, as flags want them: for tests and for those who embed it. The error is all that is wrong.
pub fn serve(daemon: Daemon, args: &Args, environment: Environment<'_>) -> Result<Daemon, Vec<String>> {
    let traces = Traces::default();
    let accounts = Accounts::read(args, environment, &traces)?;
    Ok(attach(daemon, accounts, &traces))
}

fn attach(daemon: Daemon, accounts: Accounts, traces: &Traces) -> Daemon {
    traces.lead_to(&daemon.kit());
    for warning in &accounts.warnings {
        tracing::warn!("{warning}");
    }
    let kit = daemon.kit();
    for account in accounts.profiles.all() {
        account.conditions(&kit).follow_credentials(&kit);
    }
    let provider = Provider::new(kit, accounts.profiles);
    provider.serve(daemon)
}
