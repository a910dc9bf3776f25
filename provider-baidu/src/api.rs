//! The cloud's calls, one short method each, and the forms of what is said. Nothing is decided here.

pub(crate) mod bbc;
pub(crate) mod bcc;
pub(crate) mod bec;
mod page;
mod text;
pub(crate) mod vpc;

pub(crate) use self::page::Listed;
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
