#![doc = include_str!("../README.md")]

pub mod annotations;
mod args;
mod calls;
pub mod cloud;
pub mod control;
mod provider;
mod rules;
mod run;
pub mod scenario;
mod serve;
mod service;
pub mod testing;
pub mod traffic;

pub use args::Args;
pub use calls::CallCounts;
pub use provider::MockProvider;
pub use run::run;
pub use serve::serve;
