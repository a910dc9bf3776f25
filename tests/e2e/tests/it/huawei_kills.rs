//! Daemon, controller or both are killed in the middle of work on Services, and Services go while others come: one load balancer for each that is
//! there, and none for those that are not.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{
    Victim,
    huawei::{Settings, World},
};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use testkit::{services, wait::throughout};

const PORT: u16 = 8080;
/// Long enough for work that is under way to show.
const AFTERMATH: Duration = Duration::from_secs(5);
const RACING: u16 = 12;

/// SIGKILL after so many changes to the cloud, the last of them answered or not, and a new process.
async fn killed_after(
    world: &mut World,
    victim: Victim,
    (changes, lost): (u64, bool),
    act: impl AsyncFnOnce(&World) -> Result<()>,
) -> Result<()> {
    world.cloud.simulator().halt_after(changes, lost).await?;
    act(world).await?;
    world.cloud.simulator().halted().await?;
    world.kill(victim, async |world| world.cloud.simulator().go_on().await).await
}

#[tokio::test]
async fn killed_in_the_middle_of_service_work_they_leave_nothing_and_double_nothing() -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    world.join(2).await?;
    for (victim, class, changes, lost) in [
        (Victim::Daemon, "shared", 1, true),
        (Victim::Both, "shared", 4, false),
        (Victim::Controller, "dedicated", 1, false),
        (Victim::Daemon, "dedicated", 1, false),
        (Victim::Both, "dedicated", 3, true),
    ] {
        let name = format!("{class}-{changes}-{victim:?}").to_lowercase();
        let service = World::service(&name, PORT, class);
        let create = async |world: &World| world.create(&service).await.map(drop);
        killed_after(&mut world, victim, (changes, lost), create).await?;
        let made = world.services().get(&name).await?;
        world.serve(&made).await?;
        let address = world.address(&name).await?;
        world.answered_by(address, PORT, &["node-1", "node-2"]).await?;
        let (balancers, addresses) = (world.balancers().await?, world.addresses().await?);
        ensure!(balancers.len() == 1 && addresses.len() == 1, "{name}: {balancers:?} {addresses:?}");

        let delete = async |world: &World| -> Result<()> {
            world.services().delete(&name, &DeleteParams::default()).await?;
            Ok(())
        };
        killed_after(&mut world, victim, (changes.min(2), lost), delete).await?;
        world.gone(&name).await?;
        world.backends.clear();
        ensure!(world.cloud.leftovers().await? == 0, "{name}: left are {:?}", world.balancers().await?);
    }
    world.ends_well().await
}

#[tokio::test]
async fn services_deleted_while_others_come_stay_gone() -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    world.join(2).await?;
    services_that_go_while_others_come(&mut world).await?;
    world.ends_well().await
}

/// Services are deleted at every stage of their making, while nodes and other Services change.
async fn services_that_go_while_others_come(world: &mut World) -> Result<()> {
    world.machine(3).await?;
    for number in 0..RACING {
        let class = if number % 2 == 0 { "shared" } else { "dedicated" };
        world.create(&World::service(&racing(number), PORT, class)).await?;
        if number % 3 == 0 {
            // Each node that comes has all Services looked at.
            let labels = json!({"metadata": {"labels": {"example.com/round": number.to_string()}}});
            world.nodes().patch("node-1", &PatchParams::default(), &Patch::Merge(labels)).await?;
        }
        if number == RACING / 2 {
            world.register(3).await?;
        }
        if let Some(earlier) = number.checked_sub(2) {
            let change = json!({"metadata": {"annotations": {"kubernetes.io/elb.lb-algorithm": "LEAST_CONNECTIONS"}}});
            world.services().patch(&racing(earlier), &PatchParams::default(), &Patch::Merge(change)).await?;
            if earlier % 4 != 0 {
                world.services().delete(&racing(earlier), &DeleteParams::default()).await?;
            }
        }
    }
    let stay: Vec<_> = (0..RACING).filter(|number| number % 4 == 0 || *number >= RACING - 2).map(racing).collect();
    for name in &stay {
        world.address(name).await?;
    }
    world
        .see("what is deleted is gone, and what stays has one load balancer", async || only_these(world, &stay).await)
        .await?;
    throughout("nothing comes back", AFTERMATH, async || only_these(world, &stay).await)
        .await
        .map_err(|error| world.explain(&error))?;
    for name in &stay {
        world.delete(name).await?;
    }
    let groups: Vec<Value> = world.cloud.simulator().objects("/elb/pools").await?;
    ensure!(
        world.cloud.leftovers().await? == 0 && groups.is_empty(),
        "left are {:?} {groups:?}",
        world.balancers().await?
    );
    Ok(())
}

/// The Services that stay are there with a load balancer each, and nothing else.
async fn only_these(world: &World, stay: &[String]) -> Result<()> {
    let there = world.services().list(&kube::api::ListParams::default()).await?.items;
    let mut there: Vec<_> = there.iter().map(services::key).filter(|key| key.contains("racing")).collect();
    there.sort();
    let mut expected: Vec<_> = stay.iter().map(|name| format!("default/{name}")).collect();
    expected.sort();
    ensure!(there == expected, "there are {there:?}");
    let balancers = world.balancers().await?;
    for name in stay {
        let of_it = balancers.iter().filter(|lb| lb.fields.name.contains(&format!("_{name}_"))).count();
        ensure!(of_it == 1, "{name} has {of_it} load balancers: {balancers:?}");
    }
    ensure!(balancers.len() == stay.len(), "there are {balancers:?}");
    let addresses = world.addresses().await?.len();
    ensure!(addresses == stay.len(), "there are {addresses} addresses");
    Ok(())
}

fn racing(number: u16) -> String {
    format!("racing-{number}")
}
