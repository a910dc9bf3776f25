//! The whole job, from the first node to the last machine, over either transport.

use anyhow::{Context, Result, ensure};
use e2e::{Settings, Transport, World, pod_cidr};
use kube::api::DeleteParams;
use testkit::{kubelet::Readiness, look};

#[tokio::test]
async fn over_the_socket() -> Result<()> {
    whole_job(Transport::Socket).await
}

#[tokio::test]
async fn over_mutual_tls() -> Result<()> {
    whole_job(Transport::MutualTls).await
}

async fn whole_job(transport: Transport) -> Result<()> {
    let mut world = World::start(Settings { transport, ..Settings::default() }).await?;
    world.join(3).await?;
    routes(&world, &[1, 2, 3]).await?;
    let entrance = world.expose("web", 8080).await?;
    world.answered_by(entrance, &["node-1", "node-2", "node-3"]).await?;
    a_stopped_machine_is_tainted(&world).await?;
    a_terminated_machine_loses_its_node(&mut world).await?;
    world.answered_by(entrance, &["node-1", "node-2"]).await?;
    routes(&world, &[1, 2]).await?;
    world.unexpose("web").await?;
    ensure!(testkit::http::get(entrance, "/").await.is_err(), "the load balancer still answers");
    a_node_that_leaves_takes_its_route_along(&world).await?;
    ends_well(&mut world).await
}

async fn routes(world: &World, numbers: &[u8]) -> Result<()> {
    world
        .see(&format!("routes to the pods of {numbers:?}"), async || {
            let mut found: Vec<_> =
                world.mock.control().routes().await?.into_iter().map(|route| route.destination).collect();
            found.sort();
            let expected: Vec<_> = numbers.iter().map(|number| pod_cidr(*number)).collect();
            ensure!(found == expected, "there are {found:?}");
            Ok(())
        })
        .await?;
    for number in numbers {
        let node = e2e::name(*number);
        world
            .see(&format!("the network of {node} is available"), async || {
                look::network_available(&world.nodes().get(&node).await?)
            })
            .await?;
    }
    Ok(())
}

async fn a_stopped_machine_is_tainted(world: &World) -> Result<()> {
    let kubelet = &world.kubelets["node-2"];
    for (state, readiness, tainted) in [("stopped", Readiness::Unknown, true), ("running", Readiness::Ready, false)] {
        world.mock.control().set_machine_state("node-2", state).await?;
        kubelet.set(readiness).await?;
        world
            .see(&format!("shutdown taint: {tainted}"), async || {
                look::shut_down(&world.nodes().get("node-2").await?, tainted)
            })
            .await?;
    }
    Ok(())
}

async fn a_terminated_machine_loses_its_node(world: &mut World) -> Result<()> {
    world.mock.control().set_machine_state("node-3", "terminated").await?;
    let kubelet = world.kubelets.remove("node-3").context("node-3 has a kubelet")?;
    kubelet.set(Readiness::Unknown).await?;
    drop(kubelet);
    world.removed("node-3").await?;
    let left = world.nodes().list_metadata(&kube::api::ListParams::default()).await?.items.len();
    ensure!(left == 2, "{left} nodes are left");
    Ok(())
}

async fn a_node_that_leaves_takes_its_route_along(world: &World) -> Result<()> {
    world.nodes().delete("node-2", &DeleteParams::default()).await?;
    routes(world, &[1]).await
}

/// Both programs end by themselves, and well, when asked to.
async fn ends_well(world: &mut World) -> Result<()> {
    for (name, exit) in
        [("controller", world.controller.stop().await?), ("daemon", world.mock.program_mut().stop().await?)]
    {
        ensure!(exit.success(), "the {name} ended with {exit}");
    }
    Ok(())
}
