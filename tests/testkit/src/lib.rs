//! What the end-to-end tests, the demo and the benches share: the real binaries as child processes, nodes as a kubelet
//! registers them, backends for load balancers, and waiting with good reasons in the error.

pub mod backend;
pub mod binaries;
pub mod cloud;
pub mod console;
pub mod controller;
pub mod events;
pub mod http;
pub mod kubelet;
pub mod look;
pub mod manifests;
pub mod mock;
pub mod network;
pub mod program;
pub mod services;
pub mod simulator;
pub mod wait;

pub use binaries::{Binaries, Profile};
pub use control_plane::{ControlPlane, Progress, client_from_kubeconfig, pki, process, scratch_folder};
pub use kubelet::FakeKubelet;
pub use wait::eventually;
