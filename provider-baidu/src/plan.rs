//! From what is wanted and what the cloud has to the calls that make one of the other. Pure: no I/O, no clock.

pub(crate) mod balancer;
pub(crate) mod eip;
mod grouped;
pub(crate) mod owner;
pub(crate) mod place;
mod plain;
pub(crate) mod record;
pub(crate) mod removal;
pub(crate) mod seen;
pub(crate) mod step;
pub(crate) mod wanted;

pub(crate) use provider_kit::load_balancers::{Note, PortKey, Refusal};

#[cfg(test)]
mod tests;
