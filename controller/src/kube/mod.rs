//! Kubernetes: what is read from it and written to it.

pub mod cache;
pub mod objects;
