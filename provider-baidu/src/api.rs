//! The cloud's calls, one short method each, and the forms of what is said. Nothing is decided here.

pub(crate) mod balancers;
pub(crate) mod bbc;
pub(crate) mod bcc;
pub(crate) mod bec;
pub(crate) mod cce;
pub(crate) mod ccr;
pub(crate) mod eip;
pub(crate) mod image;
mod page;
pub(crate) mod subnets;
mod text;
pub(crate) mod vpc;

pub(crate) use self::{page::Listed, text::Tag};
use crate::nodes::machine::Machine;

/// A machine as one of the services words it.
pub(crate) trait Wire: Listed {
    /// The service's word for its state.
    fn status(&self) -> &str;

    /// Whether it is gone although the cloud still shows it.
    fn is_gone(&self) -> bool;

    /// The same in our words.
    fn into_machine(self) -> Machine;
}

/// What something is made from, in one text: for tokens.
fn parameters(body: &impl serde::Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

/// The outcome of a removal: what is not there is removed.
fn gone<T>(outcome: Result<T, cloud_rest::Error>) -> Result<(), cloud_rest::Error> {
    match outcome {
        Err(error) if error.is_not_found() => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// The outcome of the removal of several things at once: where one is not there, the others may be left, which has to be looked at.
fn all_gone<T>(many: usize, outcome: Result<T, cloud_rest::Error>) -> Result<(), cloud_rest::Error> {
    match outcome {
        Err(error) if error.is_not_found() && many > 1 => {
            Err(cloud_rest::Error { kind: cloud_rest::Kind::Conflict, ..error })
        }
        outcome => gone(outcome),
    }
}
