//! A program under test that is stopped, killed and started again with the same command line.

use std::time::Duration;

use anyhow::{Context, Result};
use control_plane::process::{Exit, Launch, Process};

/// Longer than the drain time of either program.
const GRACE: Duration = Duration::from_secs(40);

/// Lines of a log that go with an error.
const EXPLAINED: usize = 40;

/// A command line and, while it runs, its process. Dropping it kills the process.
#[derive(Debug)]
pub struct Program {
    launch: Launch,
    process: Option<Process>,
}

impl Program {
    /// Starts it.
    pub fn start(launch: Launch) -> Result<Self> {
        let process = Some(launch.clone().spawn()?);
        Ok(Self { launch, process })
    }

    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill); kills it first if it runs.
    pub fn restart(&mut self) -> Result<()> {
        self.process = None;
        self.process = Some(self.launch.clone().spawn()?);
        Ok(())
    }

    /// The process.
    ///
    /// # Errors
    /// If it was stopped or killed.
    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().context("the program was stopped")
    }

    /// SIGTERM, and an error if it does not end within its drain time.
    pub async fn stop(&mut self) -> Result<Exit> {
        self.process.take().context("the program was stopped before")?.stop(GRACE).await
    }

    /// SIGKILL.
    pub async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    /// Fails, with the end of its log, if it does not run.
    pub fn ensure_running(&self) -> Result<()> {
        Ok(self.process()?.ensure_running()?)
    }

    /// Everything it has printed, in all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.launch.log()).unwrap_or_default()
    }
}

/// Adds to an error what the programs, each with a name for people, have said: their logs may be gone by the time it is read.
pub fn explain(error: &anyhow::Error, programs: &[(&str, &Program)]) -> anyhow::Error {
    let tails = programs.iter().map(|(name, program)| {
        let log = program.log();
        let lines: Vec<_> = log.lines().collect();
        format!("\n--- the end of what {name} said\n{}", lines[lines.len().saturating_sub(EXPLAINED)..].join("\n"))
    });
    anyhow::anyhow!("{error:#}{}", tails.collect::<String>())
}
