//! From what is wanted and what the cloud has to the calls that make one of the other. Pure: no I/O, no clock.

pub mod adopt;
pub mod balancer;
pub mod dnat;
mod eip;
pub mod old_site;
pub mod owner;
pub(crate) mod ports;
pub mod record;
pub mod removal;
pub mod seen;
pub mod step;
pub mod wanted;

pub use provider_kit::load_balancers::{Note, PortKey, Refusal};

#[cfg(test)]
mod tests;
