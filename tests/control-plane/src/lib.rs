//! A real Kubernetes control plane on demand: etcd and kube-apiserver, and kube-controller-manager where it is asked for,
//! as private processes on free loopback ports with their own certificates, data and kubeconfigs.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let plane = control_plane::ControlPlane::builder().start().await?;
//! let client = plane.client().await?;
//! # drop(client); Ok(()) }
//! ```
//!
//! # Where the binaries come from
//! 1. the folder named by `KUBEBUILDER_ASSETS`, if that is set (the layout of upstream's envtest archives);
//! 2. else the cache, `$XDG_CACHE_HOME/cloud-controller-manager/control-plane/<version>` (`~/.cache` if unset);
//! 3. else they are built into that cache, once, from the published Go modules: this takes minutes and shows progress on
//!    standard error. Processes that want the same binaries meanwhile wait for the first one.
//!
//! # What is guaranteed
//! * Any number of control planes run side by side: the ports stay reserved for as long as the [`ControlPlane`] lives.
//! * Nothing outlives its owner: the processes end when the [`ControlPlane`] is dropped, and also when the process that
//!   started it is killed; the data folder goes with them.

mod assets;
mod compile;
mod kubeconfig;
mod modules;
pub mod pki;
mod plane;
mod ports;
pub mod process;
mod progress;
mod scratch;

pub use assets::{Assets, Binary, KUBERNETES_VERSION, cache_folder};
pub use kubeconfig::client_from_kubeconfig;
pub use plane::{Builder, ControlPlane};
pub use progress::Progress;
pub use scratch::scratch_folder;
