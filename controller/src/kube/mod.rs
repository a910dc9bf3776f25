//! Kubernetes: what is read from it and written to it.

pub mod cache;
pub mod client;
pub mod events;
pub mod lease;
pub mod objects;
#[cfg(test)]
pub(crate) mod scripted;
