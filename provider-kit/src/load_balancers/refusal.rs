//! What a plan says beside its steps: why not, and what people should know.

use cloud_provider_api::{error::Reason, v1};

use crate::error::Error;

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

    /// In the API's words. `provider`: the provider's name.
    pub fn into_error(self, provider: &'static str) -> Error {
        let mut error = Error::cloud(provider, self.reason, self.message);
        if self.precondition {
            error = error.with_code(tonic::Code::FailedPrecondition);
        }
        self.violations.into_iter().fold(error, |error, (field, problem)| error.violation(field, problem))
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
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_every_field() {
        let wrong = vec![("spec.ports".to_owned(), "is empty".to_owned()), ("a".to_owned(), "b".to_owned())];
        let error = Refusal::fields(Reason::Unsupported, wrong).into_error("mock");
        assert_eq!((error.code(), error.message()), (tonic::Code::InvalidArgument, "spec.ports: is empty; a: b"));
        let outside = Refusal { precondition: true, ..Refusal::new(Reason::Unsupported, "no IPv6") };
        assert_eq!(outside.into_error("mock").code(), tonic::Code::FailedPrecondition);
    }
}
