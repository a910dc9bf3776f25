//! What the person who runs the demo sees: steps, each live while it happens and ticked off once it was verified.

use std::fmt::Display;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use anyhow::Result;
use testkit::{Progress, eventually};

/// Standard output, with colours on a terminal.
pub(crate) struct Screen {
    colours: bool,
    started: Instant,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colours, started: Instant::now() }
    }

    /// A heading.
    pub(crate) fn chapter(&self, title: &str) {
        line(&format!("\n{}", self.paint("1", title)));
    }

    /// A fact, below the step it belongs to.
    pub(crate) fn fact(&self, text: impl Display) {
        line(&self.paint("2", &format!("    {text}")));
    }

    /// Something that has been seen to happen.
    pub(crate) fn done(&self, what: impl Display, took: Duration) {
        let tick = self.paint("32", "✔");
        line(&format!("  {tick} {what} {}", self.paint("2", &format!("({:.1} s)", took.as_secs_f64()))));
    }

    /// The end of the story.
    pub(crate) fn end(&self, verdict: &str) {
        let took = self.started.elapsed().as_secs_f64();
        line(&format!("\n{} {}", self.paint("1", verdict), self.paint("2", &format!("({took:.0} s in all)"))));
    }

    /// What did not happen.
    pub(crate) fn failed(&self, error: &anyhow::Error) {
        line(&format!("  {} {error:#}", self.paint("31", "✘")));
        self.end("The demo failed; everything is cleaned up.");
    }

    /// Runs a step that takes a while but has nothing to show meanwhile.
    pub(crate) async fn task<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let started = Instant::now();
        let mut progress = Progress::new("demo");
        progress.update(&format!("waiting until {what}"));
        let value = work.await?;
        drop(progress);
        self.done(what, started.elapsed());
        Ok(value)
    }

    /// Waits until `what` is seen to be the case. What the probe says instead is shown while it is not.
    pub(crate) async fn see<T>(
        &self,
        what: &str,
        within: Duration,
        mut probe: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        let started = Instant::now();
        let mut progress = Progress::new("demo");
        progress.update(&format!("waiting until {what}"));
        let value = eventually(what, within, async || {
            let seen = probe().await;
            if let Err(error) = &seen {
                // What is news comes first: the line may be cut off at the edge of the terminal.
                progress.update(&format!("{error:#} · waiting until {what}"));
            }
            seen
        })
        .await?;
        drop(progress);
        self.done(what, started.elapsed());
        Ok(value)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A line as it is.
pub(crate) fn line(text: &str) {
    // Whoever closed our output does not want to be told.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
