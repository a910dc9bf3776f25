//! The flags of the daemon.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Parser;
use provider_kit::DaemonArgs;

use crate::scenario::parse_duration;

// The comments are help texts, shown as they are.
#[allow(clippy::doc_markdown)]
/// A provider without a cloud, for tests of controllers: machines, load balancers that carry TCP on loopback, and routes.
/// A scenario makes it fail, delay and lie.
#[derive(Clone, Debug, Parser)]
#[command(name = "provider-mock", version)]
pub struct Args {
    /// Flags of every daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// YAML file of the world and of what goes wrong in it. Read again when it changes. Default: an empty cloud that makes
    /// machines on demand.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// File that keeps the cloud when the daemon ends or is killed. Default: the cloud ends with the daemon.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Loopback IP:PORT of the control endpoint, plain HTTP. Port 0: a free one, written to the log. Default: not served.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    pub control: Option<SocketAddr>,
    /// Least time every call takes, for instance 30ms. Default: the scenario's `latency`.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub latency: Option<Duration>,
    /// Do not listen on the addresses of load balancers.
    #[arg(long)]
    pub no_traffic: bool,
}

/// Whoever reaches the control endpoint may do everything.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| format!("{text:?} is no IP:PORT such as 127.0.0.1:0"))?;
    if address.ip().is_loopback() { Ok(address) } else { Err(format!("{text:?} is not on loopback")) }
}
