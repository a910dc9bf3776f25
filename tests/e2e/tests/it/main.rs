//! Real programs on a real control plane.

mod manifests;
