//! What a large cluster costs when nothing happens: writes, provider reads, memory; and how soon a fresh process is ready.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testkit::{eventually, mock::MockSettings, program::Program};

use crate::{
    lab::{Lab, free_address, resident_mib, since, tail, without_traffic},
    nodes::register,
    report::{Report, Target, as_f64},
    services::{PATIENCE, all_ready, create},
    watch::all_initialised,
};

const NODES: u32 = 5000;
const SERVICES: u32 = 1000;
const MIB: f64 = 1024.0 * 1024.0;

/// 60 s with nothing to do at 5,000 nodes.
pub async fn quiet() -> Result<Report> {
    let mut report = Report::new("quiet");
    let lab = Lab::start().await?;
    register(&lab.client, NODES).await?;
    let cloud = lab.cloud(&MockSettings { keeps_state: false, ..MockSettings::default() }).await?;
    let args = ["--leader-elect=true", "--node-status-update-frequency=1m0s"];
    let controller = lab.controller("controller", cloud.endpoint(), &args)?;
    all_initialised(&lab.client, NODES as usize, Duration::from_secs(600)).await?;
    // The last Events are sent, the first refresh is over.
    tokio::time::sleep(Duration::from_secs(70)).await;

    let (writes, calls) = (lab.writes().await?, cloud.calls().await?);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let writes = since(&writes, &lab.writes().await?);
    let calls = since(&calls, &cloud.calls().await?);
    controller.ensure_running()?;

    let look_ups = calls.get("BatchGetInstances").copied().unwrap_or(0);
    report.figure(
        "Kubernetes writes in 60 s but the Lease",
        as_f64(writes.values().sum::<u64>()),
        "",
        Target::Exactly(0.0),
    );
    report.figure(
        "look-ups of machines in one refresh period of 60 s",
        as_f64(look_ups),
        "",
        Target::AtMost(f64::from(NODES.div_ceil(100))),
    );
    report.figure("all calls to the daemon in it", as_f64(calls.values().sum::<u64>()), "", Target::None);
    report.remark(format!("{NODES} nodes, all Ready. All provider calls in the 60 s: {calls:?}. Writes: {writes:?}."));
    Ok(report)
}

/// Resident memory at 5,000 nodes and 1,000 Services, time to ready, size of the binaries.
pub async fn memory() -> Result<Report> {
    let mut report = Report::new("memory");
    let lab = Lab::start().await?;
    let cloud = lab.cloud(&without_traffic(serde_json::json!({}))).await?;
    report.figure(
        "start to ready, empty cluster",
        start_to_ready(&lab, cloud.endpoint()).await?,
        "s",
        Target::AtMost(2.0),
    );

    register(&lab.client, NODES).await?;
    let mut controller = lab.controller("controller", cloud.endpoint(), &["--leader-elect=true"])?;
    all_initialised(&lab.client, NODES as usize, Duration::from_secs(600)).await?;
    create(&lab.client, SERVICES).await?;
    all_ready(&lab.client, SERVICES as usize, PATIENCE).await.with_context(|| tail(&controller))?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (now, most) = resident_mib(&controller)?;
    report.figure("controller, resident", now, "MiB", Target::AtMost(96.0));
    report.figure("controller, the most it had", most, "MiB", Target::None);
    let (now, most) = resident_mib(cloud.mock.program())?;
    report.figure("provider-mock, resident", now, "MiB", Target::AtMost(64.0));
    report.figure("provider-mock, the most it had", most, "MiB", Target::None);
    controller.stop().await?;
    report.figure(
        "start to ready, full cluster",
        start_to_ready(&lab, cloud.endpoint()).await?,
        "s",
        Target::AtMost(2.0),
    );

    let (ccm, daemon) = lab.binary_sizes()?;
    report.figure("size of cloud-controller-manager", as_f64(ccm) / MIB, "MiB", Target::None);
    report.figure("size of provider-mock", as_f64(daemon) / MIB, "MiB", Target::None);
    report.remark(format!(
        "{NODES} nodes and {SERVICES} Services with a member for each node; read 30 s after the last was ready."
    ));
    Ok(report)
}

async fn start_to_ready(lab: &Lab, endpoint: &str) -> Result<f64> {
    let port = free_address()?.port();
    let started = Instant::now();
    let mut controller = lab.serving_controller("starting", endpoint, port)?;
    ready(&controller, port).await?;
    let took = started.elapsed().as_secs_f64();
    controller.stop().await?;
    Ok(took)
}

/// Waits until `/readyz` answers well. The serving certificate is self-signed.
async fn ready(controller: &Program, port: u16) -> Result<()> {
    let mut config = kube::Config::new(format!("https://127.0.0.1:{port}").parse()?);
    config.accept_invalid_certs = true;
    let client = kube::Client::try_from(config)?;
    eventually("/readyz answers", Duration::from_secs(30), async || {
        controller.ensure_running()?;
        let request = http::Request::get("/readyz").body(Vec::new())?;
        Ok(client.request_text(request).await?)
    })
    .await?;
    Ok(())
}
