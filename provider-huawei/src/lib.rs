//! The provider daemon for Huawei Cloud, its private installations and its partners' clouds.

mod accounts;
pub mod annotations;
pub mod api;
mod args;
pub mod cloud;
pub mod config;
pub mod credentials;
pub mod dialect;
pub mod endpoints;
mod fault;
mod kubeconfig;
mod load_balancers;
mod nodes;
pub mod options;
pub mod plan;
mod routes;
mod run;
mod service;
mod setup;
pub mod sign;

pub use args::Args;
pub use run::{run, services};

/// The provider's name, and the domain of errors that are the cloud's.
pub const PROVIDER: &str = "huaweicloud";

/// What the cloud is told who calls.
const USER_AGENT: &str = concat!("provider-huawei/", env!("CARGO_PKG_VERSION"));
