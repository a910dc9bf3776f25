//! The control loops: observe, let [`controller_core`] decide, apply.

pub mod route;
pub mod service;
