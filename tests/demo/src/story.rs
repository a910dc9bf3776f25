//! The story: what happens to a cluster in a cloud, in the order in which it happens to one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, DeleteParams, PostParams};
use testkit::backend::{Backend, served_by};
use testkit::kubelet::{NodeSettings, Readiness};
use testkit::{FakeKubelet, http, services};

use crate::screen::Screen;
use crate::world::{Machine, World};
use testkit::look;

/// For one step; all but the removal of a node take a second or two.
const PATIENCE: Duration = Duration::from_mins(1);
const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];
const SERVICE: &str = "web";
/// Above 1024, since listening below takes a privilege.
const PORT: u16 = 8080;

/// From the first node to the last machine that goes.
pub(crate) async fn tell(screen: &Screen, world: &mut World) -> Result<()> {
    machines_join(screen, world).await?;
    world.show_calls(screen).await?;
    routes_appear(screen, world).await?;
    world.show_calls(screen).await?;
    a_load_balancer_is_made(screen, world).await?;
    world.show_calls(screen).await?;
    a_machine_is_stopped_and_started(screen, world).await?;
    world.show_calls(screen).await?;
    a_machine_is_terminated(screen, world).await?;
    world.show_calls(screen).await
}

async fn machines_join(screen: &Screen, world: &mut World) -> Result<()> {
    screen.chapter("Machines join, with kubelets that leave the cloud's part to an external provider");
    for (number, name) in (1_u8..).zip(NODES) {
        let place = world.cloud.add_machine(number, name).await?;
        let settings = NodeSettings {
            node_ip: Some(place.address.to_string()),
            pod_cidr: Some(pod_cidr(number)),
            ..NodeSettings::named(name)
        };
        let kubelet = FakeKubelet::start(&world.client, &settings).await?;
        world.machines.insert(name.to_owned(), Machine { place, kubelet, backend: None });
    }
    let nodes = world.nodes();
    screen.fact("registered with a host name for their only address, and the taint node.cloudprovider.kubernetes.io/uninitialized");
    for name in NODES {
        let what = format!("{name} has its providerID, addresses and labels, and lost its taint");
        let seen = screen.see(&what, PATIENCE, async || {
            world.ensure_running()?;
            look::initialized(&nodes.get(name).await?)
        });
        let look::Initialized { provider_id, internal_ip, labels: [region, zone, instance_type] } = seen.await?;
        screen.fact(format!("{provider_id}  {internal_ip}  {region} / {zone}  {instance_type}"));
    }
    Ok(())
}

/// The pods of machine `number`.
fn pod_cidr(number: u8) -> String {
    format!("10.244.{number}.0/24")
}

async fn routes_appear(screen: &Screen, world: &mut World) -> Result<()> {
    screen.chapter("Routes to the pods of each node");
    see_routes(screen, world, "the cloud's table leads to the pods of each node", &[1, 2, 3]).await?;
    let nodes = world.nodes();
    screen
        .see("no node says that its network is unavailable", PATIENCE, async || {
            for name in NODES {
                look::network_available(&nodes.get(name).await?).context(name)?;
            }
            Ok(())
        })
        .await
}

/// Waits until the cloud's table has a route to the pods of these machines and to no others.
async fn see_routes(screen: &Screen, world: &World, what: &str, machines: &[u8]) -> Result<()> {
    let expected: BTreeSet<_> = machines.iter().map(|number| pod_cidr(*number)).collect();
    let routes = screen.see(what, PATIENCE, async || {
        let mut routes = world.cloud.routes().await?;
        routes.sort_by(|one, other| one.destination.cmp(&other.destination));
        let present: BTreeSet<_> = routes.iter().map(|route| route.destination.clone()).collect();
        ensure!(present == expected, "there are {present:?}");
        Ok(routes)
    });
    for route in routes.await? {
        screen.fact(format!("{} → {}", route.destination, route.target));
    }
    Ok(())
}

async fn a_load_balancer_is_made(screen: &Screen, world: &mut World) -> Result<()> {
    screen.chapter("A Service of type LoadBalancer");
    let mut service = services::load_balancer(SERVICE, PORT);
    service.metadata.annotations = Some(world.cloud.annotations());
    let made = world.services().create(&PostParams::default(), &service).await?;
    let node_port = services::node_port(&made).context("the apiserver gave the Service no node port")?;
    for name in NODES {
        let machine = world.machine(name)?;
        machine.backend = Some(Backend::start(name, machine.place.played_by, node_port).await?);
    }
    let api = world.services();
    let address = screen
        .see("the Service has the address of its load balancer", PATIENCE, async || {
            world.ensure_running()?;
            look::address(&api.get(SERVICE).await?)
        })
        .await?;
    screen.fact(SocketAddr::new(address, PORT));
    let entrance = world.cloud.entrance(address, PORT).await?;
    world.load_balancer = Some(entrance);
    see_answers(screen, entrance, "requests to it are answered by the backends of all nodes", &NODES).await
}

/// Sends requests until each of these nodes, and no other, has answered some.
async fn see_answers(screen: &Screen, entrance: SocketAddr, what: &str, expected: &[&str]) -> Result<()> {
    let answer = screen.see(what, PATIENCE, async || {
        let mut answered = BTreeSet::new();
        let mut last = String::new();
        for _ in 0..4 * NODES.len() {
            last = http::get(entrance, "/").await?;
            answered.insert(served_by(&last).with_context(|| format!("an unknown answer: {last}"))?.to_owned());
        }
        let expected: BTreeSet<_> = expected.iter().map(|&name| name.to_owned()).collect();
        ensure!(answered == expected, "answered by {answered:?}");
        Ok(last)
    });
    screen.fact(format!("GET http://{entrance}/ → {}", answer.await?.trim()));
    Ok(())
}

async fn a_machine_is_stopped_and_started(screen: &Screen, world: &mut World) -> Result<()> {
    let [_, name, _] = NODES;
    screen.chapter(&format!("The machine of {name} is stopped"));
    let entrance = world.load_balancer()?;
    world.cloud.power(name, false).await?;
    let machine = world.machine(name)?;
    let port = machine.backend.take().context("it had a backend")?.address();
    machine.kubelet.set(Readiness::Unknown).await?;
    see_shutdown_taint(screen, world, name, true).await?;
    let others = NODES.map(|node| if node == name { NODES[0] } else { node });
    see_answers(screen, entrance, "requests are answered by the others", &others).await?;

    world.cloud.power(name, true).await?;
    let machine = world.machine(name)?;
    machine.backend = Some(Backend::start(name, port.ip(), port.port()).await?);
    machine.kubelet.set(Readiness::Ready).await?;
    see_shutdown_taint(screen, world, name, false).await?;
    see_answers(screen, entrance, "it answers requests again", &NODES).await
}

async fn see_shutdown_taint(screen: &Screen, world: &World, name: &str, expected: bool) -> Result<()> {
    let nodes = world.nodes();
    let what = if expected { "is tainted as shut down" } else { "was started, and the taint is gone" };
    screen
        .see(&format!("{name} {what}"), PATIENCE, async || {
            world.ensure_running()?;
            look::shut_down(&nodes.get(name).await?, expected)
        })
        .await
}

async fn a_machine_is_terminated(screen: &Screen, world: &mut World) -> Result<()> {
    let [.., name] = NODES;
    screen.chapter(&format!("The machine of {name} is terminated"));
    world.cloud.terminate(name).await?;
    let machine = world.machine(name)?;
    machine.backend = None;
    machine.kubelet.set(Readiness::Unknown).await?;
    see_node_gone(screen, world, name).await?;
    world.machines.remove(name);
    see_routes(screen, world, "its route is gone", &[1, 2]).await?;
    see_answers(screen, world.load_balancer()?, "requests are answered by the rest", &NODES[..2]).await
}

async fn see_node_gone(screen: &Screen, world: &World, name: &str) -> Result<()> {
    let nodes = world.nodes();
    screen
        .see(
            &format!("{name} is removed, once the cloud has said twice that the machine is gone"),
            PATIENCE,
            async || {
                world.ensure_running()?;
                let node = nodes.get_opt(name).await?;
                ensure!(node.is_none(), "it is still there");
                Ok(())
            },
        )
        .await
}

/// Takes away what the story made, through Kubernetes, and sees the cloud emptied; then ends the programs.
pub(crate) async fn clean_up(screen: &Screen, world: &mut World) -> Result<()> {
    screen.chapter("All is taken away again");
    delete_service(screen, world, &world.services()).await?;
    world.machines.clear();
    for name in &NODES[..2] {
        world.nodes().delete(name, &DeleteParams::default()).await.with_context(|| format!("delete {name}"))?;
    }
    see_routes(screen, world, "the nodes are deleted, and the cloud has no route of theirs", &[]).await?;
    world.show_calls(screen).await?;
    screen.task("the controller and the daemon end on SIGTERM", world.stop()).await
}

async fn delete_service(screen: &Screen, world: &World, api: &Api<Service>) -> Result<()> {
    api.delete(SERVICE, &DeleteParams::default()).await?;
    screen
        .see("the Service is deleted, after its load balancer was", PATIENCE, async || {
            world.ensure_running()?;
            if let Some(service) = api.get_opt(SERVICE).await? {
                bail!("it still has the finalizers {:?}", service.metadata.finalizers.unwrap_or_default());
            }
            let left = world.cloud.leftovers().await?;
            ensure!(left == 0, "the cloud still has {left} load balancers and addresses");
            Ok(())
        })
        .await
}
