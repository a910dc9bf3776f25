//! The client against servers on real sockets.

mod calls;
mod connections;
mod keys;
mod listings;
mod server;
