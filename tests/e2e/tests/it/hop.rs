//! The hop with the real programs: certificates that change under load, and peers that are not the right ones.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{CONTROLLER_SAN, DAEMON_SAN, Settings, Transport, World};
use serde_json::json;
use testkit::eventually;

/// Somebody else's name, signed by the same CA.
const STRANGER: &str = "spiffe://test.example/stranger";

/// How often each code was answered, over all methods.
async fn codes(world: &World) -> Result<Vec<(String, u64)>> {
    let calls = world.mock.control().calls().await?;
    let methods = calls["methods"].as_object().context("no methods")?;
    let codes = methods.values().filter_map(|method| method["codes"].as_object()).flatten();
    Ok(codes.map(|(code, count)| (code.clone(), count.as_u64().unwrap_or(0))).collect())
}

async fn answered(world: &World) -> Result<u64> {
    Ok(codes(world).await?.iter().map(|(_, count)| count).sum())
}

#[tokio::test]
async fn certificates_are_rotated_under_load_without_a_failed_call() -> Result<()> {
    let controller_args = vec!["--node-status-update-frequency=100ms".to_owned()];
    let settings = Settings { transport: Transport::MutualTls, controller_args, ..Settings::default() };
    let mut world = World::start(settings).await?;
    world.join(5).await?;
    for _ in 0..5 {
        world.certificates.as_ref().context("there are certificates")?.rotate()?;
        let before = answered(&world).await?;
        world
            .see("calls go on", async || {
                ensure!(answered(&world).await? > before + 10, "no further calls");
                Ok(())
            })
            .await?;
    }
    let failed: Vec<_> = codes(&world).await?.into_iter().filter(|(code, count)| code != "OK" && *count > 0).collect();
    ensure!(failed.is_empty(), "failed calls: {failed:?}");
    let complaints: Vec<_> = world
        .controller
        .log()
        .lines()
        .filter(|line| line.contains("UNAVAILABLE") || line.contains("Unavailable"))
        .map(str::to_owned)
        .collect();
    ensure!(complaints.is_empty(), "the controller met faults: {complaints:?}");
    Ok(())
}

/// Starts a world whose ends do not know each other, and waits until `who` says `why`.
async fn refused(settings: Settings, who: Who, why: &[&str]) -> Result<()> {
    let mut world = World::start(settings).await?;
    world.register(1).await?;
    let log = || match who {
        Who::Controller => world.controller.log(),
        Who::Daemon => world.mock.program().log(),
    };
    eventually(format!("the log says {why:?}"), Duration::from_secs(30), async || {
        let log = log();
        let missing: Vec<_> = why.iter().filter(|word| !log.contains(**word)).collect();
        ensure!(missing.is_empty(), "it does not say {missing:?}");
        Ok(())
    })
    .await
    .map_err(|error| world.explain(&error))?;
    world.controller.ensure_running()?;
    let node = world.nodes().get("node-1").await?;
    ensure!(testkit::look::has_taint(&node, testkit::look::UNINITIALIZED), "a stranger was believed");
    Ok(())
}

#[derive(Clone, Copy)]
enum Who {
    Controller,
    Daemon,
}

/// A user nobody is.
const OTHER_USER: u32 = 64_000;

/// Only root can start a program as another user; where the tests have not that right, the kit's own tests stand for this.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[tokio::test]
async fn a_controller_of_another_user_is_refused() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    // The group lets it reach the socket, so that it is the daemon who refuses.
    let mock_args = vec![format!("--socket-group={OTHER_USER}")];
    let controller_args = vec!["--provider-socket-uid=0".to_owned()];
    let settings = Settings { mock_args, controller_args, controller_user: Some(OTHER_USER), ..Settings::default() };
    refused(settings, Who::Daemon, &["uid", "64000"]).await
}

#[tokio::test]
async fn a_controller_of_another_user_is_served_when_it_is_allowed() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let mock_args = vec![format!("--socket-group={OTHER_USER}"), format!("--allowed-peer-uid={OTHER_USER}")];
    let controller_args = vec!["--provider-socket-uid=0".to_owned()];
    let settings = Settings { mock_args, controller_args, controller_user: Some(OTHER_USER), ..Settings::default() };
    World::start(settings).await?.join(1).await
}

#[tokio::test]
async fn a_daemon_of_another_user_is_refused() -> Result<()> {
    let controller_args = vec!["--provider-socket-uid=64000".to_owned()];
    refused(Settings { controller_args, ..Settings::default() }, Who::Controller, &["uid", "64000"]).await
}

#[tokio::test]
async fn a_controller_of_another_name_is_refused() -> Result<()> {
    let settings = Settings { transport: Transport::MutualTls, admitted: STRANGER, ..Settings::default() };
    refused_name(settings, Who::Daemon).await
}

#[tokio::test]
async fn a_daemon_of_another_name_is_refused() -> Result<()> {
    let controller_args = vec![format!("--provider-server-name={STRANGER}")];
    let settings = Settings { transport: Transport::MutualTls, controller_args, ..Settings::default() };
    refused_name(settings, Who::Controller).await
}

/// The later flag takes the place of the world's own.
async fn refused_name(settings: Settings, who: Who) -> Result<()> {
    let name = match who {
        Who::Controller => DAEMON_SAN,
        Who::Daemon => CONTROLLER_SAN,
    };
    refused(settings, who, &[name]).await
}

#[tokio::test]
async fn a_daemon_that_shares_no_api_minor_is_not_used_and_said_so() -> Result<()> {
    let scenario = json!({"provider": {"apiMinors": [7]}});
    refused(Settings { scenario, ..Settings::default() }, Who::Controller, &["minor"]).await
}

#[tokio::test]
async fn a_daemon_of_a_later_minor_is_used_at_the_common_one() -> Result<()> {
    let scenario = json!({"provider": {"apiMinors": [0, 1, 7]}});
    let mut world = World::start(Settings { scenario, ..Settings::default() }).await?;
    world.join(1).await
}
