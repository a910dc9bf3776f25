//! The commands against a provider in this process, and the program as a person meets it.

mod clusters;
mod login;
mod program;
mod registries;
mod rig;
