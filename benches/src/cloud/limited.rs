//! Many Services at once in a cloud that takes few calls.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::{Extent, Site, Tally, World};
use crate::{
    report::{Report, Target, as_f64},
    services::{all_ready, create_all},
    watch::all_initialised,
};

const NODES: u32 = 3;
const SERVICES: u32 = 200;
/// Calls the cloud takes in a second, over all.
const LIMIT: f64 = 20.0;
/// 200 Services with public addresses at once, while the cloud takes 20 calls a second.
pub async fn limited(site: &'static Site, extent: Extent) -> Result<Report> {
    let mut report = Report::new(format!("{}-limited", site.name));
    let world = World::start(site, extent).await?;
    let services = extent.of(SERVICES);
    world.machines(0..NODES, NODES).await?;
    let controller = world.controller()?;
    all_initialised(&world.lab.client, NODES as usize, Duration::from_secs(60)).await?;
    let before = world.at_rest(0, Duration::from_secs(2), &controller).await?.last().map_or(0, |call| call.number);
    world.simulator()?.turn(&json!({ "limits": { "callsPerSecond": LIMIT } })).await?;

    let started = Instant::now();
    create_all(&world.lab.client, (0..services).map(site.public)).await?;
    let ready = all_ready(&world.lab.client, services as usize, Duration::from_secs(600)).await;
    let took = ready.with_context(|| world.explained(&controller))?.duration_since(started).as_secs_f64();
    let calls = world.calls(before).await?;
    let tally = Tally::of(&calls);
    // A refused call counts in the cloud's limit as any other does.
    let ideal = as_f64(tally.all() + tally.unfinished) / LIMIT;
    report.figure("time until all are ready", took, "s", Target::None);
    report.figure("calls the cloud took", as_f64(tally.all()), "", Target::None);
    report.figure("time to calls ÷ limit", took / ideal, "", Target::AtMost(1.5));

    let first = calls.first().context("no call was made")?.at;
    let (early, late): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.at.duration_since(first).as_secs() < 60);
    let share = |tally: &Tally| 100.0 * as_f64(tally.throttled) / as_f64((tally.all() + tally.throttled).max(1));
    report.figure("answered 429 in the first minute", share(&Tally::of(early)), "%", Target::None);
    report.figure("answered 429 after the first minute", share(&Tally::of(late)), "%", Target::AtMost(1.0));

    // Whatever was made before a 429 is gone on with: nothing is made twice, nothing taken away.
    let again: u64 = site.made.iter().map(|action| tally.action(action).saturating_sub(services.into())).sum();
    let deletions: u64 =
        tally.by_action.iter().filter(|(action, _)| action.contains("Delete")).map(|(_, count)| count).sum();
    report.figure("objects made a second time", as_f64(again), "", Target::Exactly(0.0));
    report.figure("objects taken away", as_f64(deletions), "", Target::Exactly(0.0));
    report.figure(
        "connections made to the cloud",
        as_f64(world.simulator()?.connections().await?.made),
        "",
        Target::None,
    );
    report.remark(format!(
        "{NODES} nodes; {services} Services with public addresses: {:?}; {} calls answered that a change before was not finished.",
        tally.by_action, tally.unfinished
    ));
    Ok(report)
}
