//! The control loops: observe, let [`controller_core`] decide, apply.

pub mod service;
