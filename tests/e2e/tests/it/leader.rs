//! Two controllers, of which one works.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{Settings, World};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use testkit::program::Program;

/// Upstream's proportions, made shorter.
const ELECT: [&str; 4] = [
    "--leader-elect=true",
    "--leader-elect-lease-duration=4s",
    "--leader-elect-renew-deadline=3s",
    "--leader-elect-retry-period=1s",
];

async fn holder(world: &World) -> Result<String> {
    holder_of(world, "cloud-controller-manager").await
}

async fn holder_of(world: &World, lease: &str) -> Result<String> {
    let leases = Api::<Lease>::namespaced(world.client.clone(), "kube-system");
    let lease = leases.get(lease).await?;
    let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
    ensure!(!holder.is_empty(), "nobody holds the lease");
    Ok(holder)
}

async fn two() -> Result<(World, Program, String)> {
    let controller_args = ELECT.map(str::to_owned).to_vec();
    let world = World::start(Settings { controller_args, ..Settings::default() }).await?;
    let first = world.see("the first controller leads", async || holder(&world).await).await?;
    let second = world.another_controller("second", &ELECT).await?;
    Ok((world, second, first))
}

/// Waits until somebody else than `former` leads, and a node that joins then is initialised.
async fn taken_over(world: &mut World, former: &str) -> Result<Duration> {
    let started = Instant::now();
    world
        .see("another controller leads", async || {
            ensure!(holder(world).await? != former, "{former} still holds the lease");
            Ok(())
        })
        .await?;
    let took = started.elapsed();
    world.register(9).await?;
    world.initialised("node-9").await?;
    Ok(took)
}

#[tokio::test]
async fn the_second_takes_over_at_once_when_the_first_is_asked_to_end() -> Result<()> {
    let (mut world, second, former) = two().await?;
    world.join(1).await?;
    let exit = world.controller.stop().await?;
    ensure!(exit.success(), "the first ended with {exit}");
    let took = taken_over(&mut world, &former).await?;
    ensure!(took < Duration::from_secs(4), "released, the lease was taken over only after {took:?}");
    second.ensure_running()
}

#[tokio::test]
async fn the_second_takes_over_when_the_first_is_killed() -> Result<()> {
    let (mut world, second, former) = two().await?;
    world.join(1).await?;
    world.controller.kill().await;
    let took = taken_over(&mut world, &former).await?;
    ensure!(took > Duration::from_secs(1), "taken over after {took:?}, before the lease can have run out");
    second.ensure_running()
}

#[tokio::test]
async fn a_leader_that_cannot_renew_ends_before_another_can_lead() -> Result<()> {
    let (world, second, _) = two().await?;
    world.plane.stop_apiserver().await;
    let exit = tokio::time::timeout(Duration::from_secs(20), world.controller.process()?.wait())
        .await
        .context("a leader without an apiserver went on")?;
    ensure!(!exit.success(), "losing the lease is no success");
    world.plane.start_apiserver().await?;
    world.see("the second controller leads", async || holder(&world).await).await?;
    second.ensure_running()
}

#[tokio::test]
async fn loops_that_move_run_under_a_second_lease_and_are_handed_over_with_it() -> Result<()> {
    const SECOND: &str = "cloud-provider-extraction-migration";
    let args: Vec<&str> = ELECT.into_iter().chain(["--enable-leader-migration"]).collect();
    let controller_args = args.iter().map(|&arg| arg.to_owned()).collect();
    let mut world = World::start(Settings { controller_args, ..Settings::default() }).await?;
    world.join(1).await?;
    world.expose("web", 8080).await?;
    let former = holder(&world).await?;
    ensure!(holder_of(&world, SECOND).await? == former, "another process holds the second lease");

    let second = world.another_controller("second", &args).await?;
    let exit = world.controller.stop().await?;
    ensure!(exit.success(), "the first ended with {exit}");
    taken_over(&mut world, &former).await?;
    // Services are among what moves by default.
    world.expose("more", 8081).await?;
    ensure!(holder_of(&world, SECOND).await? == holder(&world).await?, "the leases are apart");
    second.ensure_running()
}
