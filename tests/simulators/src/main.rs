//! `cloud-simulator`: a simulated cloud as a process, driven over its control endpoint.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use serde_json::json;
use simulators::{
    baidu::Baidu,
    engine::{Cloud, Running, Settings},
    huawei::Huawei,
};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(
    version,
    about = "A simulated cloud on loopback; prints where as one line of JSON and runs until it is ended"
)]
struct Args {
    #[command(subcommand)]
    cloud: Which,
}

#[derive(Subcommand)]
enum Which {
    /// Huawei Cloud.
    Huawei {
        /// Region.
        #[arg(long, default_value = "ap-southeast-1")]
        region: String,
        /// Domain of the hosts, `{service}.{region}.{domain}`.
        #[arg(long, default_value = "myhuaweicloud.com")]
        domain: String,
        #[command(flatten)]
        serve: Serve,
    },
    /// Baidu AI Cloud.
    Baidu {
        /// Region.
        #[arg(long, default_value = "bj")]
        region: String,
        /// Domain of the hosts, `{service}.{region}.{domain}`.
        #[arg(long, default_value = "baidubce.com")]
        domain: String,
        #[command(flatten)]
        serve: Serve,
    },
}

#[derive(clap::Args)]
struct Serve {
    /// Where to listen, for TLS and plain HTTP alike; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where the control endpoint listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// Where to write the certificate of the authority that TLS clients have to trust.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Carry the TCP traffic of load balancers, with 127.N.0.0/16 playing the cloud's addresses.
    #[arg(long, value_name = "N")]
    traffic: Option<u8>,
    /// Objects to start with, as JSON.
    #[arg(long)]
    seed: Option<PathBuf>,
    /// Knobs to start with, as JSON.
    #[arg(long)]
    knobs: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match Args::parse().cloud {
        Which::Huawei { region, domain, serve } => {
            run(Huawei { region, domain }.start(serve.settings()).await?, &serve).await
        }
        Which::Baidu { region, domain, serve } => {
            run(Baidu { region, domain }.start(serve.settings()).await?, &serve).await
        }
    }
}

impl Serve {
    fn settings(&self) -> Settings {
        Settings {
            listen: self.listen,
            control: Some(self.control),
            ca_file: self.ca_file.clone(),
            traffic: self.traffic,
        }
    }
}

/// Puts in what it starts with, says where it is, and waits until it is to end.
async fn run<C: Cloud>(cloud: Running<C>, serve: &Serve) -> anyhow::Result<()> {
    if let Some(path) = &serve.seed {
        cloud.seed(read(path)?).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &serve.knobs {
        cloud.turn(read(path)?).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    }
    let control = cloud.control_address().map(|address| format!("http://{address}"));
    let at = json!({ "address": cloud.address(), "http": cloud.http(), "https": cloud.https(), "caFile": serve.ca_file, "control": control });
    #[allow(clippy::print_stdout, reason = "this line is what the caller waits for")]
    {
        println!("{at}");
    }
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    Ok(())
}

fn read<T: for<'de> serde::Deserialize<'de>>(path: &std::path::Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}
