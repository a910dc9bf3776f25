//! The life of the daemon.

use std::{process::ExitCode, sync::Arc};

use provider_kit::{Daemon, Faults};

use crate::{Args, accounts::Accounts, service::Provider, setup::Setup, traces::Traces};

/// Runs the daemon until SIGTERM.
pub async fn run(args: Args) -> ExitCode {
    let traces = Traces::default();
    let read = || {
        let (setup, warnings) = Setup::read(&args, &|name| std::env::var(name).ok()).map_err(Faults)?;
        let accounts = Accounts::new(&setup, &traces.surroundings()).map_err(Faults)?;
        Ok((setup, accounts, warnings))
    };
    provider_kit::run_checked("provider-huawei", env!("CARGO_PKG_VERSION"), &args.daemon, read, async |daemon, read| {
        let (setup, accounts, warnings) = read;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        traces.lead_to(&daemon.kit());
        Ok::<_, anyhow::Error>(serve(daemon, &setup, accounts))
    })
    .await
}

/// The services on a daemon.
fn serve(daemon: Daemon, setup: &Setup, accounts: Accounts) -> Daemon {
    let kit = daemon.kit();
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
    let provider = Provider::new(kit, accounts, setup);
    provider.serve(daemon)
}
