//! The `cpctl` command.

use std::process::ExitCode;

use clap::Parser as _;
use cpctl::{Args, Terminal, run};

#[tokio::main]
async fn main() -> ExitCode {
    run(Args::parse(), &mut Terminal::real()).await
}
