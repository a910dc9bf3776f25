//! A daemon over real sockets, called by real clients.

mod access;
mod calls;
mod drain;
mod process;
mod rig;
mod rotation;
mod writes;
