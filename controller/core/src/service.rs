//! Load balancers of Services: whose a Service is, what is wanted for it, and the next step towards that.
//!
//! The loop around it is `observe -> decide -> apply`, one step at a time: [`decide::decide`] names one step from what is
//! seen and from the [`record::Record`] of what happened before, the shell takes that step, and the record takes in how it
//! went. All operations of one Service pass through its one record, so none can race another.

pub mod announce;
pub mod decide;
pub mod orphans;
pub mod ownership;
pub mod picked;
pub mod record;
pub mod wanted;

#[cfg(test)]
pub(crate) mod tests;
