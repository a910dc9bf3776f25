//! How many calls load balancers cost.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use testkit::eventually;

use super::{DEDICATED, EIP, SHARED, Tally, World, ZONES, about_services, service};
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
/// Load balancers that get one more node, half of them shared, half dedicated.
const BALANCERS: u32 = 200;
/// Members of a full pool.
const FULL: u32 = 500;
/// Most members in one call.
const BATCH: u32 = 200;
const GATEWAY: &str = "11111111-0000-4000-8000-0000000000a1";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Shared,
    Dedicated,
    Dnat,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared with a public address",
            Self::Dedicated => "dedicated with a public address",
            Self::Dnat => "dnat",
        }
    }

    /// The least possible, on a daemon that has just started, for one port and any number of nodes up to the batch.
    ///
    /// An ELB: a look whether it is there already, the subnets that members are in, and a call for each object: load balancer, pool,
    /// members, health monitor, listener. A shared one gets its public address by a call of its own.
    ///
    /// DNAT: a look at the gateway's rules, the ids of the public address and of the node's port, the subnets to tell that
    /// port from another VPC's, and one call that makes the rules.
    fn least(self) -> u64 {
        match self {
            Self::Shared => 8,
            Self::Dedicated => 7,
            Self::Dnat => 5,
        }
    }

    fn service(self, n: u32) -> Service {
        let name = format!("service-{n}");
        match self {
            Self::Shared => service(&name, &[SHARED, EIP]),
            Self::Dedicated => service(&name, &[DEDICATED, ZONES, EIP]),
            Self::Dnat => {
                let class = ("kubernetes.io/elb.class", "dnat");
                let mut service = service(&name, &[class, ("kubernetes.io/natgateway.id", GATEWAY)]);
                if let Some(spec) = &mut service.spec {
                    spec.load_balancer_ip = Some(public_address(n));
                }
                service
            }
        }
    }
}

/// The public address of the nth Service of class dnat.
fn public_address(n: u32) -> String {
    format!("203.0.113.{}", n + 10)
}

/// Calls for each class, one more node, and a full pool.
pub async fn calls() -> Result<Report> {
    let mut report = Report::new("huawei-calls");
    for class in [Class::Shared, Class::Dedicated, Class::Dnat] {
        class_costs(class, &mut report).await.context(class.name())?;
    }
    one_more_node(&mut report).await.context("one more node")?;
    full_pool(&mut report).await.context("a full pool")?;
    Ok(report)
}

async fn class_costs(class: Class, report: &mut Report) -> Result<()> {
    let mut world = World::start().await?;
    world.machines(0..NODES, NODES).await?;
    if class == Class::Dnat {
        let addresses: Vec<_> = (0..SERVICES).map(|n| json!({ "address": public_address(n) })).collect();
        world.cloud.simulator().seed(&json!({ "natGateways": [{ "id": GATEWAY }], "publicIps": addresses })).await?;
    }
    let mut controller = world.controller()?;
    all_initialised(&world.lab.client, NODES as usize, PATIENCE).await?;
    let before = world.at_rest(0, REST, &controller).await?.last().map_or(0, |call| call.number);

    create_all(&world.lab.client, [class.service(0)]).await?;
    all_ready(&world.lab.client, 1, PATIENCE).await.with_context(|| world.explained(&controller))?;
    let calls = world.at_rest(before, REST, &controller).await?;
    let tally = Tally::of(about_services(&calls));
    let (name, least) = (class.name(), class.least());
    report.figure(format!("{name}: calls from nothing to ready"), as_f64(tally.all()), "", Target::None);
    report.figure(
        format!("{name}: above the least possible, {least}"),
        as_f64(tally.all()) - as_f64(least),
        "",
        Target::AtMost(2.0),
    );
    let order: Vec<&str> = about_services(&calls).map(|call| call.action.as_str()).collect();
    report.remark(format!("{name}: {}.", order.join(", ")));

    create_all(&world.lab.client, (1..SERVICES).map(|n| class.service(n))).await?;
    all_ready(&world.lab.client, SERVICES as usize, PATIENCE).await.with_context(|| world.explained(&controller))?;
    let before = world.at_rest(before, REST, &controller).await?.last().map_or(0, |call| call.number);
    controller.stop().await?;
    world.cloud.daemon_mut().stop().await?;
    world.cloud.daemon_mut().restart()?;
    world.cloud.wait_until_ready().await?;
    controller.restart()?;
    let calls = world.at_rest(before, REST_AFTER_RESTART, &controller).await?;
    let tally = Tally::of(about_services(&calls));
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

async fn one_more_node(report: &mut Report) -> Result<()> {
    let world = World::start().await?;
    world.machines(0..NODES, NODES).await?;
    let controller = world.controller()?;
    all_initialised(&world.lab.client, NODES as usize, PATIENCE).await?;
    let made = (0..BALANCERS).map(|n| {
        let name = format!("service-{n}");
        if n % 2 == 0 { service(&name, &[SHARED]) } else { service(&name, &[DEDICATED, ZONES]) }
    });
    create_all(&world.lab.client, made).await?;
    all_ready(&world.lab.client, BALANCERS as usize, PATIENCE).await.with_context(|| world.explained(&controller))?;
    let before = world.at_rest(0, REST, &controller).await?.last().map_or(0, |call| call.number);
    world.machines(NODES..NODES + 1, NODES + 1).await?;
    all_initialised(&world.lab.client, NODES as usize + 1, PATIENCE).await?;
    members(&world, BALANCERS * (NODES + 1)).await.with_context(|| world.explained(&controller))?;
    let calls = world.at_rest(before, REST, &controller).await?;
    let tally = Tally::of(about_services(&calls));
    report.figure(
        format!("one more node in {BALANCERS} load balancers: writes"),
        as_f64(tally.writes),
        "",
        Target::Exactly(f64::from(BALANCERS)),
    );
    report.figure("the same: reads a load balancer", as_f64(tally.reads) / f64::from(BALANCERS), "", Target::None);
    report.remark(format!("One more node: {:?}.", tally.by_action));
    Ok(())
}

async fn full_pool(report: &mut Report) -> Result<()> {
    let world = World::start().await?;
    world.machines(0..FULL, FULL).await?;
    let controller = world.controller()?;
    all_initialised(&world.lab.client, FULL as usize, PATIENCE).await?;
    let before = world.at_rest(0, REST, &controller).await?.last().map_or(0, |call| call.number);
    create_all(&world.lab.client, [service("full", &[SHARED])]).await?;
    members(&world, FULL).await.with_context(|| world.explained(&controller))?;
    let tally = Tally::of(&world.at_rest(before, REST, &controller).await?);
    report.figure(
        format!("calls that fill a pool of {FULL} members"),
        as_f64(tally.action("BatchCreateMembers")),
        "",
        Target::AtMost(f64::from(FULL.div_ceil(BATCH))),
    );
    Ok(())
}

/// Waits until all load balancers together have so many members.
async fn members(world: &World, count: u32) -> Result<()> {
    eventually(format!("{count} members"), PATIENCE, async || {
        let there = world.cloud.simulator().objects::<Value>("/elb/members").await?.len();
        anyhow::ensure!(there == count as usize, "there are {there}");
        Ok(())
    })
    .await
}
