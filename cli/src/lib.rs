//! What a person asks of a provider daemon: kubeconfigs, registry users, and what it is and has.
//!
//! The daemon holds the cloud's keys and does what has to be done in the cloud; this program holds none of them. It asks the daemon over
//! the same API and the same secured connection as the controller does, and does the rest where the person is: in their kubeconfig file,
//! and in the cluster their kubeconfig leads to.

pub mod args;
mod commands;
pub mod credential;
mod docs;
mod failure;
pub mod kubeconfig;
mod login;
mod names;
mod provider;
pub mod pull_secrets;
pub mod registry_user;
mod terminal;

use std::process::ExitCode;

pub use self::{
    args::Args,
    docs::markdown,
    failure::{Failure, Kind},
    login::{Login, Registry, Verdict},
    provider::Provider,
    terminal::{Answers, Terminal},
};

/// Does what the command line asks for.
pub async fn run(args: Args, terminal: &mut Terminal) -> ExitCode {
    // Another part of the process may have installed it before; there is only one kind in the tree.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match commands::run(args, terminal).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.note(&format!("cpctl: {failure}"));
            ExitCode::from(failure.kind().exit_code())
        }
    }
}
