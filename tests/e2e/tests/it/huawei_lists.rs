//! The cloud's lists are empty for half a minute while controller and daemon start: nothing is made twice, nothing deleted.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::huawei::{Balancer, Settings, World};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use testkit::wait::throughout;

const SERVICES: usize = 20;
/// How long the lists lie.
const LIE: Duration = Duration::from_secs(30);

fn name(number: usize) -> String {
    format!("web-{number}")
}

/// What may not happen on the word of a list.
fn is_grave(action: &str) -> bool {
    ["Create", "Delete", "BatchCreate", "BatchDelete"].iter().any(|begin| action.starts_with(begin))
}

fn ids(balancers: &[Balancer]) -> Vec<&str> {
    balancers.iter().map(|balancer| balancer.id.as_str()).collect()
}

#[tokio::test]
async fn empty_lists_at_the_start_cost_nothing_and_make_nothing() -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    world.join(2).await?;
    for number in 0..SERVICES {
        let class = if number % 2 == 0 { "shared" } else { "dedicated" };
        world.create(&World::service(&name(number), 8080, class)).await?;
    }
    for number in 0..SERVICES {
        world.address(&name(number)).await?;
    }
    let (before, addresses) = (world.balancers().await?, world.addresses().await?);
    ensure!((before.len(), addresses.len()) == (SERVICES, SERVICES), "{before:?} {addresses:?}");

    world.controller_mut()?.kill().await;
    world.cloud.daemon_mut().kill().await;
    let lie = json!({"effect": {"kind": "shortList", "keep": 0}, "forMs": LIE.as_millis()});
    world.cloud.simulator().break_with(&lie).await?;
    let (began, last) = (Instant::now(), world.last_call().await?);
    world.cloud.daemon_mut().restart()?;
    world.cloud.wait_until_ready().await?;
    world.controller_mut()?.restart()?;
    // One wants something else meanwhile, and one nothing any more, of which the controller has lost the handle.
    let algorithm = json!({"metadata": {"annotations": {"kubernetes.io/elb.lb-algorithm": "LEAST_CONNECTIONS"}}});
    world.services().patch(&name(0), &PatchParams::default(), &Patch::Merge(algorithm)).await?;
    let forget = json!({"metadata": {"annotations": {controller_core::names::ANNOTATION_HANDLE: null}}});
    world.services().patch(&name(1), &PatchParams::default(), &Patch::Merge(forget)).await?;
    world.services().delete(&name(1), &DeleteParams::default()).await?;

    let lying = LIE.saturating_sub(began.elapsed() + Duration::from_secs(1));
    throughout("nothing is made and nothing deleted", lying, async || {
        let changes = world.changes_after(last).await?;
        ensure!(!changes.iter().any(|action| is_grave(action)), "{changes:?}");
        ensure!(world.services().get_opt(&name(1)).await?.is_some(), "a Service was let go on the word of a list");
        for number in 1..=2 {
            ensure!(world.nodes().get_opt(&e2e::name(number)).await?.is_some(), "node {number} was removed");
        }
        Ok(())
    })
    .await
    .map_err(|error| world.explain(&error))?;

    world.gone(&name(1)).await?;
    world
        .see("the change is carried out", async || {
            let pools: Vec<serde_json::Value> = world.cloud.simulator().objects("/elb/pools").await?;
            let changed = pools.iter().filter(|pool| pool["fields"]["lb_algorithm"] == "LEAST_CONNECTIONS").count();
            ensure!(changed == 1, "{changed} pools have the new algorithm");
            Ok(())
        })
        .await?;
    let mut expected = ids(&before);
    let after = world.balancers().await?;
    let gone: Vec<_> = before.iter().filter(|lb| !after.iter().any(|other| other.id == lb.id)).collect();
    ensure!(matches!(&gone[..], [one] if one.fields.name.contains(&format!("_{}_", name(1)))), "gone are {gone:?}");
    expected.retain(|id| *id != gone[0].id);
    ensure!(ids(&after) == expected, "load balancers were made: {after:?}");
    ensure!(world.addresses().await?.len() == SERVICES - 1, "{:?}", world.addresses().await?);
    world.delete(&name(2)).await?;
    ensure!(world.balancers().await?.len() == SERVICES - 2);
    world.ends_well().await
}
