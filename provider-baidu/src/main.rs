//! `provider-baidu`: the daemon.

use std::process::ExitCode;

use clap::Parser;
use provider_baidu::{Args, run};

#[tokio::main]
async fn main() -> ExitCode {
    run(Args::parse()).await
}
