//! A change of the name pull secrets log in with, from its plan to the end of the old user.
//!
//! The order is what keeps every pull secret good at every moment: the new user works before a secret has it, a secret changes in one
//! write, and the old user ends only when no secret has it any more. What was begun is on record in the cluster, so that the command
//! goes on where it stood, wherever that was.

mod change;
mod order;
mod record;
mod report;
mod survey;

pub(crate) use self::{
    change::moment,
    report::{as_json, show},
};
pub use self::{
    change::{Outcome, finish},
    order::{Order, Stage, Watcher},
    survey::{Survey, survey},
};
