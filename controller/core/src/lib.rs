//! What the controller decides, and nothing else: `(observed, now) -> plan`.
//!
//! No clock, no randomness, no network and no Kubernetes client: the words for them are not in the manifest. Time comes in
//! as an argument, so that every branch is a row in a table of tests.

pub mod addresses;
pub mod api_limit;
pub mod backoff;
pub mod canary;
pub mod controllers_flag;
pub mod digest;
pub mod endpoint_set;
pub mod event_limits;
pub mod fault;
pub mod go_duration;
pub mod labels;
pub mod leader_migration;
pub mod lease;
pub mod lifecycle;
pub mod names;
pub mod node;
pub mod node_set;
pub mod provider;
pub mod removal;
pub mod route;
pub mod selector;
pub mod service;
pub mod source_ranges;
pub mod taints;
pub mod tenancy;
pub mod time;
pub mod view;

#[cfg(test)]
mod fixtures;
