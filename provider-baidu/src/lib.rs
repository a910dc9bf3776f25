//! The provider daemon for Baidu AI Cloud: CCE in the public regions and behind their gateway, the private cloud, and the edge.

mod accounts;
pub mod annotations;
mod api;
mod args;
pub mod client_token;
pub mod cloud;
pub mod config;
pub mod credentials;
pub mod dialect;
pub mod endpoints;
mod fault;
mod hints;
mod load_balancers;
mod machines;
mod nodes;
mod plan;
mod robots;
mod routes;
mod run;
mod service;
pub mod sign;

pub use args::Args;
pub use run::{run, serve};

/// The provider's name, and the domain of errors that are the cloud's.
pub const PROVIDER: &str = "baiducloud";
