//! What the daemon holds in memory and in connections, in a large cluster.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{SHARED, Tally, World, service};
use crate::{
    lab::resident_mib,
    report::{Report, Target, as_f64},
    services::{all_ready, create_all},
    watch::all_initialised,
};

const SERVERS: u32 = 5000;
/// Nodes that are members: a pool holds 500 at most.
const MEMBERS: u32 = 100;
const SERVICES: u32 = 1000;
const MIB: f64 = 1024.0 * 1024.0;

/// 5,000 servers that are nodes, 1,000 load balancers.
pub async fn memory() -> Result<Report> {
    let mut report = Report::new("huawei-memory");
    let world = World::start().await?;
    world.machines(0..SERVERS, MEMBERS).await?;
    let controller = world.controller()?;
    all_initialised(&world.lab.client, SERVERS as usize, Duration::from_secs(600)).await?;
    create_all(&world.lab.client, (0..SERVICES).map(|n| service(&format!("service-{n}"), &[SHARED]))).await?;
    let ready = all_ready(&world.lab.client, SERVICES as usize, Duration::from_secs(1200)).await;
    ready.with_context(|| world.explained(&controller))?;
    let open = world.cloud.simulator().connections().await?;
    tokio::time::sleep(Duration::from_secs(30)).await;

    let (now, most) = resident_mib(world.cloud.daemon())?;
    let calls = Tally::of(&world.calls(0).await?);
    report.figure("provider-huawei, resident", now, "MiB", Target::AtMost(64.0));
    report.figure("provider-huawei, the most it had", most, "MiB", Target::None);
    report.figure("calls to the cloud", as_f64(calls.all()), "", Target::None);
    report.figure("connections made for them", as_f64(open.made), "", Target::None);
    report.figure("connections open when the last was ready", as_f64(open.open), "", Target::AtMost(32.0));
    let size = std::fs::metadata(world.lab.binaries().huawei())?.len();
    report.figure("size of provider-huawei", as_f64(size) / MIB, "MiB", Target::None);
    report.remark(format!(
        "{SERVERS} nodes, {MEMBERS} of them members of {SERVICES} load balancers; memory read 30 s after the last was ready."
    ));
    Ok(report)
}
