//! How many calls load balancers cost.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use testkit::eventually;

use super::{Class, Extent, Site, Tally, World};
use crate::{
    report::{Report, Target, as_f64},
    services::{all_ready, create_all},
    watch::all_initialised,
};

const PATIENCE: Duration = Duration::from_secs(600);
/// When nothing was called for so long, all is done.
const REST: Duration = Duration::from_secs(5);
/// The same after a restart, which may begin with a wait.
const REST_AFTER_RESTART: Duration = Duration::from_secs(20);
const NODES: u32 = 3;
/// Services that are there at a restart.
const SERVICES: u32 = 10;
/// Load balancers that get one more node.
const BALANCERS: u32 = 200;

/// Calls for each class, one more node, and a full load balancer.
pub async fn calls(site: &'static Site, extent: Extent) -> Result<Report> {
    let mut report = Report::new(format!("{}-calls", site.name));
    for class in site.classes {
        class_costs(site, extent, class, &mut report).await.context(class.name)?;
    }
    one_more_node(site, extent, &mut report).await.context("one more node")?;
    full(site, extent, &mut report).await.context("a full load balancer")?;
    Ok(report)
}

async fn class_costs(site: &'static Site, extent: Extent, class: &Class, report: &mut Report) -> Result<()> {
    let mut world = World::start(site, extent).await?;
    world.machines(0..NODES, NODES).await?;
    world.simulator()?.seed(&(class.needs)(SERVICES)).await?;
    let mut controller = world.controller()?;
    all_initialised(&world.lab.client, NODES as usize, PATIENCE).await?;
    let before = world.at_rest(0, REST, &controller).await?.last().map_or(0, |call| call.number);

    create_all(&world.lab.client, [(class.service)(0)]).await?;
    all_ready(&world.lab.client, 1, PATIENCE).await.with_context(|| world.explained(&controller))?;
    let calls = world.at_rest(before, REST, &controller).await?;
    let tally = Tally::of(world.about_services(&calls));
    let (name, least) = (class.name, class.least);
    report.figure(format!("{name}: calls from nothing to ready"), as_f64(tally.all()), "", Target::None);
    report.figure(
        format!("{name}: above the least possible, {least}"),
        as_f64(tally.all()) - as_f64(least),
        "",
        Target::AtMost(2.0),
    );
    report.figure(
        format!("{name}: and calls answered that a change before is not finished"),
        as_f64(tally.unfinished),
        "",
        Target::None,
    );
    if !site.of_cluster.is_empty() {
        let about = calls.iter().filter(|call| site.of_cluster.contains(&call.service.as_str())).count();
        report.figure(format!("{name}: and calls about the cluster"), as_f64(about), "", Target::AtMost(1.0));
    }
    let order: Vec<&str> = world.about_services(&calls).map(|call| call.action.as_str()).collect();
    report.remark(format!("{name}: {}.", order.join(", ")));

    create_all(&world.lab.client, (1..SERVICES).map(|n| (class.service)(n))).await?;
    all_ready(&world.lab.client, SERVICES as usize, PATIENCE).await.with_context(|| world.explained(&controller))?;
    let before = world.at_rest(before, REST, &controller).await?.last().map_or(0, |call| call.number);
    controller.stop().await?;
    world.cloud.daemon_mut().stop().await?;
    world.cloud.restart_daemon().await?;
    controller.restart()?;
    let calls = world.at_rest(before, REST_AFTER_RESTART, &controller).await?;
    let tally = Tally::of(world.about_services(&calls));
    let writes = Tally::of(&calls).writes;
    report.figure(format!("{name}: writes after a restart of both"), as_f64(writes), "", Target::Exactly(0.0));
    report.figure(
        format!("{name}: reads a Service after it"),
        as_f64(tally.reads) / f64::from(SERVICES),
        "",
        Target::AtMost(2.0),
    );
    report.remark(format!("{name}, restart with {SERVICES} of them: {:?}.", tally.by_action));
    controller.stop().await.map(drop)
}

async fn one_more_node(site: &'static Site, extent: Extent, report: &mut Report) -> Result<()> {
    let world = World::start(site, extent).await?;
    let balancers = extent.of(BALANCERS);
    world.machines(0..NODES, NODES).await?;
    let controller = world.controller()?;
    all_initialised(&world.lab.client, NODES as usize, PATIENCE).await?;
    create_all(&world.lab.client, (0..balancers).map(site.cheap)).await?;
    all_ready(&world.lab.client, balancers as usize, PATIENCE).await.with_context(|| world.explained(&controller))?;
    let before = world.at_rest(0, REST, &controller).await?.last().map_or(0, |call| call.number);
    world.machines(NODES..NODES + 1, NODES + 1).await?;
    all_initialised(&world.lab.client, NODES as usize + 1, PATIENCE).await?;
    members(&world, balancers * (NODES + 1)).await.with_context(|| world.explained(&controller))?;
    let calls = world.at_rest(before, REST, &controller).await?;
    let tally = Tally::of(world.about_services(&calls));
    report.figure(
        format!("one more node in {balancers} load balancers: writes"),
        as_f64(tally.writes),
        "",
        Target::Exactly(f64::from(balancers)),
    );
    report.figure("the same: reads a load balancer", as_f64(tally.reads) / f64::from(balancers), "", Target::None);
    report.remark(format!("One more node: {:?}.", tally.by_action));
    Ok(())
}

async fn full(site: &'static Site, extent: Extent, report: &mut Report) -> Result<()> {
    let world = World::start(site, extent).await?;
    let count = extent.of(site.full.members);
    world.machines(0..count, count).await?;
    let controller = world.controller()?;
    all_initialised(&world.lab.client, count as usize, PATIENCE).await?;
    let before = world.at_rest(0, REST, &controller).await?.last().map_or(0, |call| call.number);
    create_all(&world.lab.client, [(site.cheap)(0)]).await?;
    members(&world, count).await.with_context(|| world.explained(&controller))?;
    let tally = Tally::of(&world.at_rest(before, REST, &controller).await?);
    report.figure(
        format!("calls that give a load balancer {count} members"),
        as_f64(tally.action(site.full.action)),
        "",
        Target::AtMost(f64::from(count.div_ceil(site.full.batch))),
    );
    Ok(())
}

/// Waits until all load balancers together have so many members.
async fn members(world: &World, count: u32) -> Result<()> {
    eventually(format!("{count} members"), PATIENCE, async || {
        let objects = world.simulator()?.objects::<Value>(world.site.members_in).await?;
        let there = (world.site.members)(&objects);
        anyhow::ensure!(there == count as usize, "there are {there}");
        Ok(())
    })
    .await
}
