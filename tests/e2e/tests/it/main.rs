//! Real programs on a real control plane.

mod main_job;
mod manifests;
mod service_writes;
