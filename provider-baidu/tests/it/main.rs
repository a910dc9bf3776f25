//! The daemon in this process, asked over its socket, with a small cloud behind it that verifies what it is sent.

mod cloud;
mod failure_list;
mod instances;
mod keys;
mod rig;
mod routes;
mod tickets;
