//! A provider without a cloud.
pub mod annotations;
mod calls;
pub mod cloud;
mod provider;
mod rules;
pub mod scenario;
mod serve;
mod service;
pub mod traffic;

pub use calls::CallCounts;
pub use provider::MockProvider;
pub use serve::serve;
