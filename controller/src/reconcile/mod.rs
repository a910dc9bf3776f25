//! The control loops: observe, let [`controller_core`] decide, apply.

mod claim;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod lifecycle;
pub mod node;
pub mod route;
pub mod service;

#[cfg(test)]
pub(crate) mod testing;
