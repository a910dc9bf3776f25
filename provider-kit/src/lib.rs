//! What every provider daemon needs, whatever its cloud.
//!
//! A daemon is its services on a [`Daemon`]; the kit around them knows who calls and what they may ([`Access`],
//! [`Caller`]), refuses calls without a deadline, runs writes so that they outlive their callers ([`Writes`]), turns
//! [`Error`]s into statuses with details, streams long lists ([`listing`]), keeps health truthful, counts, traces, writes
//! the audit record and shuts down in order.
//!
//! ```no_run
//! # use provider_kit::{Daemon, DaemonArgs, IdentityService, ProviderInfo, run};
//! # async fn main_(args: DaemonArgs) -> std::process::ExitCode {
//! run("provider-example", env!("CARGO_PKG_VERSION"), &args, async |daemon: Daemon| {
//!     let info = ProviderInfo { name: "example".to_owned(), ..ProviderInfo::default() };
//!     let kit = daemon.kit();
//!     Ok::<_, anyhow::Error>(daemon.identity(IdentityService::new(kit, info)))
//! })
//! .await
//! # }
//! ```

mod access;
mod admin;
mod args;
mod audit;
mod caller;
mod check;
mod class;
pub mod clusters;
mod daemon;
mod epoch;
mod error;
mod gate;
mod identity;
pub mod inventory;
mod kit;
mod linger;
pub mod load_balancers;
mod metrics;
mod pages;
mod probe;
mod profiles;
mod rate;
#[cfg(feature = "rest")]
pub mod rest;
pub mod routes;
mod run;
mod serve;
mod status;
pub mod tenancy;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod writes;

pub use access::{Access, AccessSource};
pub use args::{DaemonArgs, Faults};
pub use audit::{Audit, Entry as AuditEntry};
pub use caller::{Call, Caller, Deadline, Identity};
pub use check::{Checker, check_routes};
pub use class::Class;
pub use daemon::{Daemon, MAX_MESSAGE_BYTES, Running, Settings, StartError};
pub use error::{Error, Result};
pub use gate::code_name;
pub use identity::{Describe, IdentityService, ProviderInfo, negotiate};
pub use kit::Kit;
pub use metrics::Metrics;
pub use pages::{Batch, Listing, Paged, listing, whole};
pub use probe::HealthArgs;
pub use profiles::Profiles;
pub use rate::Rate;
pub use run::{run, run_checked};
pub use serve::Connection;
pub use status::StatusBoard;
pub use tenancy::Tenant;
pub use writes::Writes;

pub use provider_hop as hop;
