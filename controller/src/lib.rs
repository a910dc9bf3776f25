//! The generic cloud-controller-manager: watches the cluster, asks a provider daemon what to do with the cloud, and writes
//! the outcome back. It holds Kubernetes rights and no cloud secret.
//!
//! Deciding is [`controller_core`]'s; this crate observes and applies.

pub mod admin;
pub mod args;
pub mod clock;
pub mod config;
pub mod context;
pub mod kube;
pub mod metrics;
pub mod progress;
pub mod provider;
pub mod queue;
pub mod reconcile;
pub mod run;
pub mod tenants;
pub mod version;
