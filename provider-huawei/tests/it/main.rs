//! The daemon's dealings with the cloud, over real sockets.

mod checked_list;
mod failure_list;
mod keys;
mod metadata;
mod nodes;
mod project;
mod rig;
mod routes;
mod secrets;
mod server;
mod simulated;
