//! What nodes cost: calls until all are initialised, and calls with nothing to do.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Extent, Site, Tally, World};
use crate::{
    lab::since,
    report::{Report, Target, as_f64},
    watch::all_initialised,
};

/// 1,000 and 5,000 machines and nodes; then nothing for `idle`.
pub async fn nodes(site: &'static Site, extent: Extent, idle: Duration) -> Result<Vec<Report>> {
    Ok(vec![some(site, extent, 1000, idle).await?, some(site, extent, 5000, idle).await?])
}

async fn some(site: &'static Site, extent: Extent, count: u32, idle: Duration) -> Result<Report> {
    let count = extent.of(count);
    let mut report = Report::new(format!("{}-nodes {count}", site.name));
    let world = World::start(site, extent).await?;
    world.machines(0..count, 0).await?;
    let thousands = f64::from(count) / 1000.0;

    let started = Instant::now();
    let controller = world.controller()?;
    let seen = all_initialised(&world.lab.client, count as usize, Duration::from_secs(600))
        .await
        .with_context(|| world.explained(&controller))?;
    let calls = world.at_rest(0, Duration::from_secs(5), &controller).await?;
    let tally = Tally::of(&calls);
    let took = seen.finished.duration_since(started).as_secs_f64();
    report.figure("time from start to all initialised", took, "s", Target::None);
    report.figure("cloud calls until then", as_f64(tally.all()), "", Target::AtMost(20.0 * thousands));
    report.figure("of these writes", as_f64(tally.writes), "", Target::Exactly(0.0));
    report.figure("nodes seen usable before complete", as_f64(seen.too_early), "", Target::Exactly(0.0));
    report.remark(format!("Calls until all were initialised: {:?}.", tally.by_action));

    // The last Events are sent by then.
    let (writes, last) = (world.lab.writes().await?, world.last_call().await?);
    let resting = Instant::now();
    tokio::time::sleep(idle).await;
    let calls = world.calls(last).await?;
    let minutes = resting.elapsed().as_secs_f64() / 60.0;
    let writes = since(&writes, &world.lab.writes().await?);
    controller.ensure_running()?;
    let tally = Tally::of(&calls);
    let a_minute = as_f64(tally.reads) / minutes / thousands;
    report.figure("idle: reads of the cloud a minute, for 1,000 nodes", a_minute, "", Target::AtMost(2.0));
    report.figure("idle: writes to the cloud", as_f64(tally.writes), "", Target::Exactly(0.0));
    report.figure(
        "idle: Kubernetes writes but the Lease",
        as_f64(writes.values().sum::<u64>()),
        "",
        Target::Exactly(0.0),
    );
    report.remark(format!("Idle for {minutes:.1} min: {:?}. Kubernetes writes: {writes:?}.", tally.by_action));
    Ok(report)
}
