//! `provider-huawei`: the daemon.

use std::process::ExitCode;

use clap::Parser;
use provider_huawei::{Args, run};

#[tokio::main]
async fn main() -> ExitCode {
    run(Args::parse()).await
}
