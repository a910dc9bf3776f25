//! Kubernetes: what is read from it and written to it.

pub mod cache;
pub mod client;
pub mod events;
pub mod lease;
pub mod node_writes;
pub mod objects;
pub mod route_writes;
#[cfg(test)]
pub(crate) mod scripted;
pub mod service_writes;
pub mod write_error;
