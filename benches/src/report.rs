//! What a bench prints: figures beside their targets, for people or as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At most this.
    AtMost(f64),
    /// Exactly this.
    Exactly(f64),
    /// No target: said for orientation.
    None,
}

impl Target {
    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(limit) => Some(value <= limit),
            Self::Exactly(wanted) => Some((value - wanted).abs() < f64::EPSILON),
            Self::None => None,
        }
    }
}

/// One measured number.
#[derive(Clone, Debug)]
struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    target: Target,
}

/// The figures of one bench.
#[derive(Clone, Debug)]
pub struct Report {
    bench: String,
    figures: Vec<Figure>,
    remarks: Vec<String>,
}

impl Report {
    /// An empty report of the bench of this name.
    pub fn new(bench: impl Into<String>) -> Self {
        Self { bench: bench.into(), figures: Vec::new(), remarks: Vec::new() }
    }

    /// Adds a figure.
    pub fn figure(&mut self, what: impl Into<String>, value: f64, unit: &'static str, target: Target) {
        self.figures.push(Figure { what: what.into(), value, unit, target });
    }

    /// Adds a sentence about how the figures came about.
    pub fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// Whether every figure with a target meets it.
    pub fn all_met(&self) -> bool {
        self.figures.iter().all(|figure| figure.target.met(figure.value) != Some(false))
    }

    /// As a table for people.
    pub fn text(&self) -> String {
        let mut out = format!("## {}\n\n| figure | value | target | met |\n| --- | --- | --- | --- |\n", self.bench);
        for figure in &self.figures {
            let target = match figure.target {
                Target::AtMost(limit) => format!("≤ {} {}", number(limit), figure.unit),
                Target::Exactly(wanted) => format!("{} {}", number(wanted), figure.unit),
                Target::None => "–".to_owned(),
            };
            let met = figure.target.met(figure.value).map_or("–", |met| if met { "yes" } else { "NO" });
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "| {} | {} {} | {} | {met} |",
                figure.what,
                number(figure.value),
                figure.unit,
                target.trim()
            );
        }
        for remark in &self.remarks {
            let _ = write!(out, "\n{remark}\n");
        }
        out
    }

    /// As JSON for programs.
    pub fn json(&self) -> Value {
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|figure| {
                let target = match figure.target {
                    Target::AtMost(limit) => json!({"atMost": limit}),
                    Target::Exactly(wanted) => json!({"exactly": wanted}),
                    Target::None => Value::Null,
                };
                json!({"figure": figure.what, "value": figure.value, "unit": figure.unit, "target": target,
                    "met": figure.target.met(figure.value)})
            })
            .collect();
        json!({"bench": self.bench, "figures": figures, "remarks": self.remarks})
    }
}

/// A count as a figure.
pub fn as_f64(count: impl TryInto<u64>) -> f64 {
    #[allow(clippy::cast_precision_loss)] // Counts of a bench are far below 2^52.
    count.try_into().map_or(f64::NAN, |count| count as f64)
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// The value below which `share` (0 to 1) of the samples lie. Zero for no samples.
pub fn percentile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // Sample counts are small.
    let index = ((samples.len() as f64 * share).ceil() as usize).saturating_sub(1);
    samples.get(index).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_target_is_shown_as_it_is() {
        let mut report = Report::new("nodes");
        report.figure("ratio to the floor", 1.2, "", Target::AtMost(1.25));
        assert!(report.all_met());
        report.figure("node deletions", 1.0, "", Target::Exactly(0.0));
        assert!(!report.all_met());
        assert!(report.text().contains("| node deletions | 1  | 0 | NO |"), "{}", report.text());
        assert_eq!(report.json()["figures"][1]["met"], false);
    }

    #[test]
    fn percentiles_are_samples() {
        let mut samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let found = [0.5, 0.99, 1.0].map(|share| percentile(&mut samples, share).to_string());
        assert_eq!(found, ["50", "99", "100"]);
        assert!(percentile(&mut [], 0.5).abs() < f64::EPSILON);
    }
}
