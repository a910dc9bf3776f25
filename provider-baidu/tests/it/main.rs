//! The daemon in this process, asked over its socket, with the simulated cloud behind it.

mod failure_list;
mod instances;
mod keys;
mod rig;
mod routes;
mod tickets;
