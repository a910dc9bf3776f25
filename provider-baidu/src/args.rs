//! The flags of the daemon.

use std::path::PathBuf;

use clap::Parser;
use provider_kit::DaemonArgs;

// The comments are help texts, shown as they are.
#[allow(clippy::doc_markdown)]
/// Nodes and routes on Baidu AI Cloud (CCE, private cloud and edge), for a controller that speaks cloudprovider.v1. Credentials
/// come from the cloud configuration and are read again when they change.
#[derive(Clone, Debug, Parser)]
#[command(name = "provider-baidu", version)]
pub struct Args {
    /// Flags of every daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The cloud configuration: the JSON file the Go provider reads, see docs/baidu-configuration.md.
    #[arg(long, value_name = "FILE")]
    pub cloud_config: PathBuf,
    /// A further account profile, with a cloud configuration of its own, for the callers and tenants that --access-file gives
    /// that name. Repeat for several.
    #[arg(long, value_name = "NAME=FILE")]
    pub account: Vec<String>,
}
