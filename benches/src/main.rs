//! `bench NAME [--json]`: prints the figures of one bench, or of all.

use std::time::Duration;

use anyhow::Result;
use benches::{
    cloud::{self, BAIDU, Extent, HUAWEI},
    crash, faults, hop, idle, nodes,
    report::Report,
    services,
};
use clap::{Parser, ValueEnum};

#[derive(Parser)]
#[command(about = "Prints the figures of docs/benchmarks.md and docs/reliability.md")]
struct Args {
    /// What to measure.
    bench: Bench,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// `crash`: how many runs.
    #[arg(long, default_value_t = 1000)]
    runs: u32,
    /// `crash`: makes the random choices repeatable.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// `huawei-nodes`, `baidu-nodes`: minutes without anything to do.
    #[arg(long, default_value_t = 5)]
    idle_minutes: u64,
    /// `huawei-…`, `baidu-…`, `tenants`: a twentieth of the size, with the programs `cargo test --workspace` has built. Shows that a bench works;
    /// what it prints are no figures.
    #[arg(long)]
    trial: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    /// Initialising 1,000 and 5,000 nodes.
    Nodes,
    /// Writes and reads of an idle cluster.
    Quiet,
    /// 200 Services at once; node changes.
    Services,
    /// Resident memory, start to ready, binary sizes.
    Memory,
    /// One call over the socket and over mutual TLS.
    Hop,
    /// Broken clouds, daemons and answers.
    Faults,
    /// A machine that is really gone.
    Gone,
    /// Kills and cuts at random steps.
    Crash,
    /// Huawei Cloud: calls for 1,000 and 5,000 nodes, and of a cluster at rest.
    HuaweiNodes,
    /// Huawei Cloud: 200 Services at once, 20 calls a second.
    HuaweiLimited,
    /// Huawei Cloud: resident memory and connections of the daemon.
    HuaweiMemory,
    /// Huawei Cloud: calls for load balancers of each class.
    HuaweiCalls,
    /// Baidu AI Cloud: calls for 1,000 and 5,000 nodes, and of a cluster at rest.
    BaiduNodes,
    /// Baidu AI Cloud: 200 Services at once, 20 calls a second.
    BaiduLimited,
    /// Baidu AI Cloud: resident memory and connections of the daemon.
    BaiduMemory,
    /// Baidu AI Cloud: calls for load balancers of each class.
    BaiduCalls,
    /// A tenant's first Service, alone and beside 300 of another tenant's.
    Tenants,
}

#[tokio::main]
async fn main() -> Result<()> {
    // Cannot fail: nothing was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    let extent = if args.trial { Extent::Trial } else { Extent::Full };
    let idle = Duration::from_secs(60 * args.idle_minutes);
    let reports = match args.bench {
        Bench::Nodes => vec![nodes::nodes(1000).await?, nodes::nodes(5000).await?],
        Bench::Quiet => vec![idle::quiet().await?],
        Bench::Services => vec![services::services().await?],
        Bench::Memory => vec![idle::memory().await?],
        Bench::Hop => vec![hop::hop().await?],
        Bench::Faults => vec![faults::faults().await?],
        Bench::Gone => vec![faults::gone().await?],
        Bench::Crash => vec![crash::crash(args.runs, args.seed).await?],
        Bench::HuaweiNodes => cloud::nodes::nodes(&HUAWEI, extent, idle).await?,
        Bench::HuaweiLimited => vec![cloud::limited::limited(&HUAWEI, extent).await?],
        Bench::HuaweiMemory => vec![cloud::memory::memory(&HUAWEI, extent).await?],
        Bench::HuaweiCalls => vec![cloud::calls::calls(&HUAWEI, extent).await?],
        Bench::BaiduNodes => cloud::nodes::nodes(&BAIDU, extent, idle).await?,
        Bench::BaiduLimited => vec![cloud::limited::limited(&BAIDU, extent).await?],
        Bench::BaiduMemory => vec![cloud::memory::memory(&BAIDU, extent).await?],
        Bench::BaiduCalls => vec![cloud::calls::calls(&BAIDU, extent).await?],
        Bench::Tenants => vec![cloud::tenants::tenants(&HUAWEI, extent).await?],
    };
    print(&reports, args.json);
    Ok(())
}

#[allow(clippy::print_stdout)] // The report is what the program is for.
fn print(reports: &[Report], json: bool) {
    if json {
        println!("{:#}", serde_json::Value::Array(reports.iter().map(Report::json).collect()));
    } else {
        for report in reports {
            println!("{}", report.text());
        }
    }
}
