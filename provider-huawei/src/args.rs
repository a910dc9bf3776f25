//! The flags of the daemon.

use std::path::PathBuf;

use clap::Parser;
use provider_kit::DaemonArgs;

// The comments are help texts, shown as they are.
#[allow(clippy::doc_markdown)]
/// Nodes, load balancers, routes, managed clusters and registries on Huawei Cloud, for a controller that speaks
/// cloudprovider.v1. Credentials come from the cloud configuration and are read again when they change.
#[derive(Clone, Debug, Parser)]
#[command(name = "provider-huawei", version)]
pub struct Args {
    /// Flags of every daemon.
    #[command(flatten)]
    pub daemon: DaemonArgs,
    /// The cloud configuration: the file the Go provider reads, see docs/huawei-configuration.md.
    #[arg(long, value_name = "FILE")]
    pub cloud_config: PathBuf,
    /// Defaults of load balancers: the content of the ConfigMap `loadbalancer-config`, as a file or as the folder it is mounted
    /// to. Default: none.
    #[arg(long, value_name = "FILE")]
    pub loadbalancer_config: Option<PathBuf>,
    /// A further account profile, with a cloud configuration of its own, for the callers and tenants that --access-file gives
    /// that name. Repeat for several.
    #[arg(long, value_name = "NAME=FILE")]
    pub account: Vec<String>,
    /// Key of a server's tag that becomes the Node's label tags.huaweicloud.com/KEY. Repeat for several.
    #[arg(long, value_name = "KEY")]
    pub node_tag_label: Vec<String>,
    /// Most routes changed in one request. The cloud documents 5 for the creation of a table.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub routes_per_request: u16,
}
