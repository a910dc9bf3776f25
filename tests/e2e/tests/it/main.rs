//! Real programs on a real control plane.

mod bad_daemons;
mod commands;
mod deployed;
mod hop;
mod kills;
mod leader;
mod main_job;
mod manifests;
mod mixed_cluster;
mod pods;
mod service_writes;
mod serving;
mod tenants;
mod traces;
mod two_clouds;
