//! `bench NAME [--json]`: prints the figures of one bench, or of all.

use anyhow::Result;
use benches::{nodes, report::Report};
use clap::{Parser, ValueEnum};

#[derive(Parser)]
#[command(about = "Prints the figures of docs/benchmarks.md and docs/reliability.md")]
struct Args {
    /// What to measure.
    bench: Bench,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    /// Initialising 1,000 and 5,000 nodes.
    Nodes,
}

#[tokio::main]
async fn main() -> Result<()> {
    // Cannot fail: nothing was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    let reports = match args.bench {
        Bench::Nodes => vec![nodes::nodes(1000, 32).await?, nodes::nodes(5000, 32).await?],
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
