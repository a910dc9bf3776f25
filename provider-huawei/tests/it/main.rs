//! The daemon's dealings with the cloud, over real sockets.

mod keys;
mod metadata;
mod project;
mod server;
mod simulated;
