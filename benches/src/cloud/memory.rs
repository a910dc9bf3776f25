//! What the daemon holds in memory and in connections, in a large cluster.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Extent, Site, Tally, World};
use crate::{
    lab::resident_mib,
    report::{Report, Target, as_f64},
    services::{all_ready, create_all},
    watch::all_initialised,
};

const SERVERS: u32 = 5000;
/// Nodes that are members, unless a load balancer holds fewer.
const MEMBERS: u32 = 100;
const SERVICES: u32 = 1000;
const MIB: f64 = 1024.0 * 1024.0;

/// 5,000 servers that are nodes, 1,000 load balancers.
pub async fn memory(site: &'static Site, extent: Extent) -> Result<Report> {
    let mut report = Report::new(format!("{}-memory", site.name));
    let world = World::start(site, extent).await?;
    let (servers, services) = (extent.of(SERVERS), extent.of(SERVICES));
    let members = extent.of(MEMBERS.min(site.full.members));
    world.machines(0..servers, members).await?;
    let controller = world.controller()?;
    all_initialised(&world.lab.client, servers as usize, Duration::from_secs(600)).await?;
    create_all(&world.lab.client, (0..services).map(site.cheap)).await?;
    let ready = all_ready(&world.lab.client, services as usize, Duration::from_secs(1200)).await;
    ready.with_context(|| world.explained(&controller))?;
    let open = world.simulator()?.connections().await?;
    tokio::time::sleep(Duration::from_secs(30)).await;

    let (now, most) = resident_mib(world.cloud.daemon())?;
    let calls = Tally::of(&world.calls(0).await?);
    report.figure(format!("{}, resident", site.daemon), now, "MiB", Target::AtMost(64.0));
    report.figure(format!("{}, the most it had", site.daemon), most, "MiB", Target::None);
    report.figure("calls to the cloud", as_f64(calls.all()), "", Target::None);
    report.figure("connections made for them", as_f64(open.made), "", Target::None);
    report.figure("connections open when the last was ready", as_f64(open.open), "", Target::AtMost(32.0));
    let size = std::fs::metadata((site.binary)(world.lab.binaries()))?.len();
    report.figure(format!("size of {}", site.daemon), as_f64(size) / MIB, "MiB", Target::None);
    report.remark(format!(
        "{servers} nodes, {members} of them members of {services} load balancers; memory read 30 s after the last was ready."
    ));
    Ok(report)
}
