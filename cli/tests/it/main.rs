//! The commands against a provider in this process, and the program as a person meets it.

mod clusters;
mod load_balancers;
mod login;
mod program;
mod registries;
mod remote;
mod rig;
