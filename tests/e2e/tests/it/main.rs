//! Real programs on a real control plane.

mod bad_daemons;
mod deployed;
mod hop;
mod kills;
mod leader;
mod main_job;
mod manifests;
mod service_writes;
