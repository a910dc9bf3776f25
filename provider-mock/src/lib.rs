//! A provider without a cloud.
pub mod annotations;
mod calls;
pub mod cloud;
mod cut;
mod provider;
mod rules;
pub mod scenario;
mod service;
pub mod traffic;
mod turns;

pub use calls::CallCounts;
pub use provider::MockProvider;
