//! `cargo xtask demo`: the whole product at work on a real Kubernetes API, live, every step verified.
//!
//! etcd and kube-apiserver are real, the controller and the provider's daemon are the programs as they are shipped, joined
//! by a Unix socket. The cloud is a simulator, and its machines and the kubelets on them are played: machines are loopback
//! addresses. A cluster can be in two clouds at once: each has its daemon, and both have one controller.

mod screen;
mod site;
mod story;
mod world;

use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use screen::Screen;
use testkit::{Profile, cloud::Kind};
use world::World;

/// Shows the controller and a provider at work on a real Kubernetes API, and verifies every step.
#[derive(Parser)]
#[command(name = "cargo xtask demo", bin_name = "cargo xtask demo")]
struct Args {
    /// Whose cloud is played. Several, with commas between, are one cluster in several clouds.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "huawei")]
    provider: Vec<Provider>,
    /// Stays up after the last step, for a look around with kubectl, until interrupted.
    #[arg(long)]
    keep: bool,
    /// Uses the programs that `cargo test --workspace` has built, which spares a test the build.
    #[arg(long, hide = true)]
    built_for_tests: bool,
}

/// A cloud the demo can run on.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Provider {
    /// Huawei Cloud, simulated, with provider-huawei.
    Huawei,
    /// Baidu AI Cloud, simulated, with provider-baidu.
    Baidu,
    /// The mock provider.
    Mock,
}

impl From<Provider> for Kind {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::Huawei => Self::Huawei,
            Provider::Baidu => Self::Baidu,
            Provider::Mock => Self::Mock,
        }
    }
}

impl Args {
    /// The clouds.
    ///
    /// # Errors
    /// When the same is named twice, or the mock with another.
    fn kinds(&self) -> Result<Vec<Kind>, clap::Error> {
        let refused = |why: &str| Args::command().error(ErrorKind::ArgumentConflict, format!("--provider: {why}"));
        let (first, others) = self.provider.split_first().ok_or_else(|| refused("name a cloud"))?;
        if others.contains(first) {
            return Err(refused("a cloud is named twice; a cluster can be in it once"));
        }
        if !others.is_empty() && self.provider.contains(&Provider::Mock) {
            return Err(refused(
                "the mock has a machine for every node there is, so leave it out where there are others",
            ));
        }
        Ok(self.provider.iter().map(|provider| Kind::from(*provider)).collect())
    }
}

/// The status of a shell command ended by an interrupt.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let kinds = args.kinds().unwrap_or_else(|error| error.exit());
    let screen = Screen::new();
    match Box::pin(run(&screen, &args, &kinds)).await {
        Ok(Outcome::Complete) => {
            screen.end("Every step happened, and everything is cleaned up.");
            ExitCode::SUCCESS
        }
        Ok(Outcome::Interrupted) => {
            screen.end("Interrupted; everything is cleaned up.");
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            screen.failed(&error);
            ExitCode::FAILURE
        }
    }
}

/// How a demo can end in which nothing failed.
enum Outcome {
    Complete,
    Interrupted,
}

/// However this ends, dropping the world takes every process and file away again.
async fn run(screen: &Screen, args: &Args, kinds: &[Kind]) -> Result<Outcome> {
    let profile = if args.built_for_tests { Profile::Test } else { Profile::Dev };
    let Some(world) = unless_interrupted(Box::pin(World::create(screen, profile, kinds))).await else {
        return Ok(Outcome::Interrupted);
    };
    let mut world = world?;
    let Some(told) = unless_interrupted(story::tell(screen, &mut world)).await else {
        return Ok(Outcome::Interrupted);
    };
    told.map_err(|error| world.explain(&error))?;
    if args.keep {
        screen.end("Every step happened. It all stays up until you press Ctrl-C.");
        screen::line(&format!("export KUBECONFIG={}", world.kubeconfig().display()));
        for site in &world.sites {
            screen::line(&format!("curl http://{}/", site.load_balancer()?));
        }
        interrupt().await;
    }
    let Some(cleaned) = unless_interrupted(story::clean_up(screen, &mut world)).await else {
        return Ok(Outcome::Interrupted);
    };
    cleaned.map_err(|error| world.explain(&error))?;
    Ok(Outcome::Complete)
}

/// `None` if the person wanted to end before the work did.
async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = interrupt() => None,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(provider: &[&str]) -> Result<Vec<Kind>, String> {
        let args = Args::try_parse_from([&["demo"], provider].concat()).map_err(|error| error.to_string())?;
        args.kinds().map_err(|error| error.to_string())
    }

    #[test]
    fn clouds_are_named_one_or_several_and_none_twice() {
        assert_eq!(kinds(&[]).unwrap(), [Kind::Huawei]);
        assert_eq!(kinds(&["--provider", "mock"]).unwrap(), [Kind::Mock]);
        assert_eq!(kinds(&["--provider", "baidu,huawei"]).unwrap(), [Kind::Baidu, Kind::Huawei]);
        for (wrong, why) in
            [("huawei,huawei", "twice"), ("baidu,mock", "leave it out"), ("elsewhere", "possible values")]
        {
            let error = kinds(&["--provider", wrong]).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
