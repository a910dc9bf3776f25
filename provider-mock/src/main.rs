//! `provider-mock`: the provider as a daemon.

use std::process::ExitCode;

use clap::Parser;
use provider_mock::{Args, run};

#[tokio::main]
async fn main() -> ExitCode {
    run(Args::parse()).await
}
