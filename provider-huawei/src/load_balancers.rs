//! Load balancers of Services: gather what the cloud has, plan, apply.

mod apply;
mod dnat;
mod engine;
mod gather;
mod handle;
mod listing;
mod members;
mod state;
mod surroundings;
mod tenancy;

pub(crate) use self::{engine::Engine, listing::owned_by, surroundings::Memory};

#[cfg(test)]
mod tests;
