//! Progress of long work on standard error: one live line on a terminal, else a line every few seconds.
//!
//! It is written to the stream itself, not through the macros, because the test harness hides what goes through those: the
//! first `cargo test` would seem to hang for minutes.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

const EVERY: Duration = Duration::from_secs(5);

/// Shows what is being done, and for how long. On a terminal its line goes away in the end.
pub struct Progress {
    subject: &'static str,
    bar: Option<ProgressBar>,
    started: Instant,
    printed: Instant,
}

impl Progress {
    /// Progress of this subject, which every line begins with.
    pub fn new(subject: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {wide_msg} [{elapsed}]") {
                bar.set_style(style);
            }
            bar.set_prefix(subject);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let now = Instant::now();
        Self { subject, bar, started: now, printed: now }
    }

    /// The present state of affairs. Without a terminal most of it is not shown, and nothing of what is over in seconds.
    pub fn update(&mut self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
        } else if self.printed.elapsed() >= EVERY {
            self.say(message);
        }
    }

    /// A line that is shown in any case, and stays.
    pub fn say(&mut self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.println(format!("{}: {message}", self.subject));
            return;
        }
        self.printed = Instant::now();
        let elapsed = HumanDuration(self.started.elapsed());
        // Progress that nobody can see is no reason to fail.
        let _ = writeln!(std::io::stderr().lock(), "{}: {message} [{elapsed:#}]", self.subject);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
