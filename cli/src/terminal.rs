//! Where results, notes and questions go. Results go to standard output, everything else to standard error.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use serde_json::Value;

use crate::{Failure, Kind, args::Output};

/// Who answers questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// The person at the terminal, if there is one.
    Person,
    /// Always this.
    Always(bool),
}

/// The two ends of a conversation.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    answers: Answers,
    /// What is written as a result can be read over somebody's shoulder.
    shown: bool,
}

impl Terminal {
    /// This process's own.
    pub fn real() -> Self {
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            answers: Answers::Person,
            shown: io::stdout().is_terminal(),
        }
    }

    /// One that keeps what is written elsewhere, for those who embed it. `shown`: as if it were a screen.
    pub fn of(
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
        answers: Answers,
        shown: bool,
    ) -> Self {
        Self { out: Box::new(out), err: Box::new(err), answers, shown }
    }

    /// Writes a result.
    pub(crate) fn result(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| Failure::failed(format!("standard output: {error}")))
    }

    /// Writes a result that is secret: never to a screen, unless that was asked for.
    pub(crate) fn secret(&mut self, text: &str, asked: bool) -> Result<(), Failure> {
        if self.shown && !asked {
            let message =
                "not printed, for it is a secret and this is a screen: redirect it, or give --stdout to have it here";
            return Err(Failure::refused(message));
        }
        self.result(text)
    }

    /// Says something that is no result. Where that cannot be said nothing is lost.
    pub(crate) fn note(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }

    /// Shows rows of a table, or the same as JSON.
    pub(crate) fn show(&mut self, output: Output, table: &Table, json: &Value) -> Result<(), Failure> {
        match output {
            Output::Table => self.result(&table.render()),
            Output::Json => self.result(&format!("{json:#}\n")),
        }
    }

    /// Asks whether to go on. Without anybody to ask, nothing is changed.
    pub(crate) fn confirm(&mut self, question: &str) -> Result<(), Failure> {
        let yes = match self.answers {
            Answers::Always(answer) => answer,
            Answers::Person if !io::stdin().is_terminal() => {
                let message = "nothing was changed: there is nobody to ask. Give --yes once the plan (--dry-run) is as it should be";
                return Err(Failure::new(Kind::NotConfirmed, message));
            }
            Answers::Person => {
                let _ = write!(self.err, "{question} [y/N] ");
                let _ = self.err.flush();
                let mut line = String::new();
                let read = io::stdin().lock().read_line(&mut line);
                read.is_ok() && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
            }
        };
        if yes { Ok(()) } else { Err(Failure::new(Kind::NotConfirmed, "nothing was changed")) }
    }
}

/// Rows under headings, in columns as wide as they have to be.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Adds a row; what is empty is shown as `-`.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    fn render(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| {
                let gap = " ".repeat(width.saturating_sub(cell.chars().count()) + 2);
                format!("{cell}{gap}")
            });
            text.push_str(cells.collect::<String>().trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.row(["ä-long-name".to_owned(), "ok".to_owned()]);
        table.row(["b".to_owned(), String::new()]);
        assert_eq!(table.render(), "NAME         STATE\nä-long-name  ok\nb            -\n");
    }

    #[test]
    fn secrets_go_to_no_screen_unless_asked_for() {
        for (shown, asked, allowed) in [(true, false, false), (true, true, true), (false, false, true)] {
            let mut terminal = Terminal::of(io::sink(), io::sink(), Answers::Always(true), shown);
            assert_eq!(terminal.secret("marker", asked).is_ok(), allowed, "{shown} {asked}");
        }
    }

    #[test]
    fn a_no_changes_nothing_and_says_so_by_its_exit_code() {
        let mut terminal = Terminal::of(io::sink(), io::sink(), Answers::Always(false), false);
        assert_eq!(terminal.confirm("go on?").unwrap_err().kind(), Kind::NotConfirmed);
    }
}
