//! Load balancers of Services: gather what the cloud has, plan, apply.

mod apply;
mod engine;
mod gather;
mod handle;
mod members;
mod state;
mod surroundings;

pub use self::{
    engine::{Engine, Outcome},
    surroundings::Memory,
};

/// The provider's name: the domain of errors that are the cloud's.
pub(crate) const PROVIDER: &str = "huaweicloud";
