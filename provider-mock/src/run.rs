//! The daemon.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use provider_kit::Daemon;
use tokio::net::TcpListener;

use crate::{Args, MockProvider, cloud::Cloud, control, scenario::Scenario, serve, traffic::Traffic};

/// How often a scenario file is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// For how many looks in a row a changed file must stay as it is to be taken for finished.
const SETTLED: u32 = 1;
/// The same for an empty one: whoever writes a file in place empties it first, and may be held up before writing on.
const SETTLED_EMPTY: u32 = 20;

/// Runs the daemon until SIGTERM.
pub async fn run(args: Args) -> ExitCode {
    let daemon_args = args.daemon.clone();
    provider_kit::run("provider-mock", env!("CARGO_PKG_VERSION"), &daemon_args, |daemon| build(daemon, args)).await
}

async fn build(daemon: Daemon, args: Args) -> anyhow::Result<Daemon> {
    let source = Source { path: args.scenario, latency: args.latency };
    let (scenario, text) = source.read()?;
    let traffic = (!args.no_traffic).then(Traffic::on_this_runtime);
    let cloud = Cloud::open(scenario, args.state.as_deref(), traffic)?;
    let provider = MockProvider::with_cloud(cloud);
    let kit = daemon.kit();
    if source.path.is_some() {
        let follow = source.follow(provider.clone(), text);
        tokio::spawn(kit.draining().clone().run_until_cancelled_owned(follow));
    }
    if let Some(address) = args.control {
        let failed = || format!("--control: cannot listen on {address}");
        let listener = TcpListener::bind(address).await.with_context(failed)?;
        let address = listener.local_addr().with_context(failed)?;
        let provider = provider.clone();
        tokio::spawn(async move {
            // Who waits for the control endpoint waits for the daemon.
            kit.serving().cancelled().await;
            tracing::info!(%address, "control endpoint");
            control::serve(listener, provider).await;
        });
    }
    Ok(serve(daemon, &provider))
}

/// Where the scenario comes from.
struct Source {
    path: Option<PathBuf>,
    latency: Option<Duration>,
}

impl Source {
    /// The scenario, and the text it was read from.
    fn read(&self) -> anyhow::Result<(Scenario, String)> {
        let text = match &self.path {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("--scenario: {}", path.display()))?,
            None => String::new(),
        };
        Ok((self.parse(&text)?, text))
    }

    fn parse(&self, text: &str) -> anyhow::Result<Scenario> {
        let place = || format!("--scenario: {}", self.path.as_deref().unwrap_or("(none)".as_ref()).display());
        let scenario = Scenario::parse(text).with_context(place)?;
        let latency = self.latency.unwrap_or(scenario.latency);
        Ok(Scenario { latency, ..scenario })
    }

    /// Takes over the file whenever it changes. One that cannot be used is reported, and the last good one stays.
    async fn follow(self, provider: MockProvider, mut known: String) {
        let (mut seen, mut settled) = (known.clone(), 0);
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(path) = &self.path else { return };
            let Ok(text) = tokio::fs::read_to_string(path).await else { continue };
            settled = if text == seen { settled + 1 } else { 0 };
            seen.clone_from(&text);
            let enough = if text.trim().is_empty() { SETTLED_EMPTY } else { SETTLED };
            if text == known || settled < enough {
                continue;
            }
            match self.parse(&text) {
                Ok(scenario) => {
                    tracing::info!(path = %path.display(), "scenario changed");
                    provider.set_scenario(scenario);
                }
                Err(error) => tracing::error!("the scenario stays as it was: {error:#}"),
            }
            known = text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_empty_for_a_moment_is_one_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.yaml");
        std::fs::write(&path, "pageSize: 3").unwrap();
        let source = Source { path: Some(path.clone()), latency: None };
        let (scenario, text) = source.read().unwrap();
        let provider = MockProvider::new(scenario);
        let following = tokio::spawn(source.follow(provider.clone(), text));
        let page_size = async |after: Duration| {
            tokio::time::sleep(after).await;
            provider.cloud().scenario().page_size
        };
        std::fs::write(&path, "").unwrap();
        assert_eq!(page_size(4 * LOOK).await, 3, "somebody is writing it");
        std::fs::write(&path, "pageSize: 4").unwrap();
        assert_eq!(page_size(4 * LOOK).await, 4);
        std::fs::write(&path, "").unwrap();
        assert_eq!(page_size(2 * SETTLED_EMPTY * LOOK).await, Scenario::default().page_size, "it is meant to be empty");
        following.abort();
    }
}
