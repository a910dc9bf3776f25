//! From what is wanted and what the cloud has to the calls that make one of the other. Pure: no I/O, no clock.

pub mod adopt;
pub mod balancer;
pub mod dnat;
mod eip;
pub mod owner;
pub(crate) mod ports;
pub mod record;
pub mod removal;
pub mod seen;
pub mod step;
pub mod wanted;

use cloud_provider_api::{error::Reason, v1};

/// Why something cannot be done: the words of the API's errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable word.
    pub reason: Reason,
    /// It has to change outside, though the reason usually means a wrong field.
    pub precondition: bool,
    /// For people.
    pub message: String,
    /// Fields and what is wrong with them.
    pub violations: Vec<(String, String)>,
}

impl Refusal {
    /// A refusal without a field.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, precondition: false, message: message.into(), violations: Vec::new() }
    }

    /// Wrong fields.
    pub fn fields(reason: Reason, violations: Vec<(String, String)>) -> Self {
        let told: Vec<String> = violations.iter().map(|(field, problem)| format!("{field}: {problem}")).collect();
        Self { reason, precondition: false, message: told.join("; "), violations }
    }
}

/// Something for people that is no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Reason of the Event.
    pub reason: &'static str,
    /// Somebody should act.
    pub warning: bool,
    /// What and why.
    pub message: String,
}

impl From<Note> for v1::Notice {
    fn from(note: Note) -> Self {
        let severity = if note.warning { v1::Severity::Warning } else { v1::Severity::Normal };
        Self { severity: severity.into(), reason: note.reason.to_owned(), message: note.message }
    }
}

#[cfg(test)]
mod tests;
