//! The story: what happens to a cluster in a cloud, in the order in which it happens to one. Where a cluster is in several clouds it
//! happens in each, and each has its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kube::api::{DeleteParams, PostParams};
use testkit::backend::{Backend, served_by};
use testkit::kubelet::{NodeSettings, Readiness};
use testkit::{FakeKubelet, http, services};

use crate::screen::Screen;
use crate::site::{Machine, NODES, PORT, Site};
use crate::world::World;
use testkit::look;

/// For one step; all but the removal of a node take a second or two.
const PATIENCE: Duration = Duration::from_mins(1);
/// The node whose machine is stopped.
const STOPPED: u8 = 2;
/// The nodes before the one whose machine is terminated, the last.
const LEFT: u8 = NODES - 1;

/// From the first node to the last machine that goes.
pub(crate) async fn tell(screen: &Screen, world: &mut World) -> Result<()> {
    machines_join(screen, world).await?;
    world.show_calls(screen).await?;
    routes_appear(screen, world).await?;
    world.show_calls(screen).await?;
    load_balancers_are_made(screen, world).await?;
    world.show_calls(screen).await?;
    for at in 0..world.sites.len() {
        a_machine_is_stopped_and_started(screen, world, at).await?;
        world.show_calls(screen).await?;
        a_machine_is_terminated(screen, world, at).await?;
        world.show_calls(screen).await?;
    }
    Ok(())
}

async fn machines_join(screen: &Screen, world: &mut World) -> Result<()> {
    screen.chapter("Machines join, with kubelets that leave the cloud's part to an external provider");
    let client = world.client.clone();
    for site in &mut world.sites {
        for (number, name) in site.nodes() {
            let place = site.cloud.add_machine(number, &name).await?;
            let settings = NodeSettings {
                node_ip: Some(place.address.to_string()),
                pod_cidr: Some(pod_cidr(number)),
                ..NodeSettings::named(&name)
            };
            let kubelet = FakeKubelet::start(&client, &settings).await?;
            site.machines.insert(name, Machine { place, kubelet, backends: BTreeMap::new() });
        }
    }
    let nodes = world.nodes();
    screen.fact("registered with a host name for their only address, and the taint node.cloudprovider.kubernetes.io/uninitialized");
    for name in world.sites.iter().flat_map(|site| site.names(NODES)) {
        let what = format!("{name} has its providerID, addresses and labels, and lost its taint");
        let seen = screen.see(&what, PATIENCE, async || {
            world.ensure_running()?;
            look::initialized(&nodes.get(&name).await?)
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

async fn routes_appear(screen: &Screen, world: &World) -> Result<()> {
    screen.chapter("Routes to the pods of each node");
    for site in &world.sites {
        let what = format!("{}the table leads to the pods of each node", site.prefix());
        see_routes(screen, site, &what, &site.numbers(NODES)).await?;
    }
    let nodes = world.nodes();
    screen
        .see("no node says that its network is unavailable", PATIENCE, async || {
            for name in world.sites.iter().flat_map(|site| site.names(NODES)) {
                look::network_available(&nodes.get(&name).await?).context(name)?;
            }
            Ok(())
        })
        .await
}

/// Waits until the cloud's table has a route to the pods of these machines and to no others.
async fn see_routes(screen: &Screen, site: &Site, what: &str, machines: &[u8]) -> Result<()> {
    let expected: BTreeSet<_> = machines.iter().map(|number| pod_cidr(*number)).collect();
    let routes = screen.see(what, PATIENCE, async || {
        let mut routes = site.cloud.routes().await?;
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

async fn load_balancers_are_made(screen: &Screen, world: &mut World) -> Result<()> {
    screen.chapter(match world.sites.as_slice() {
        [_] => "A Service of type LoadBalancer",
        _ => "A Service of type LoadBalancer for each cloud, which its loadBalancerClass names",
    });
    for at in 0..world.sites.len() {
        let site = &world.sites[at];
        let (service, name) = (site.service(), site.service_name());
        let made = world.services().create(&PostParams::default(), &service).await?;
        let node_port = services::node_port(&made).context("the apiserver gave the Service no node port")?;
        // A node port is open on every node of the cluster, whatever cloud it is in.
        let places = world.sites.iter().flat_map(|site| &site.machines);
        let places: Vec<_> = places.map(|(node, machine)| (node.clone(), machine.place.played_by)).collect();
        let mut backends = Vec::new();
        for (node, address) in places {
            backends.push((node.clone(), Backend::start(&node, address, node_port).await?));
        }
        for (node, backend) in backends {
            let machine = world.sites.iter_mut().find_map(|site| site.machines.get_mut(&node));
            machine.context("it has just been there")?.backends.insert(node_port, backend);
        }
        let api = world.services();
        let address = screen
            .see(&format!("Service {name} has the address of its load balancer"), PATIENCE, async || {
                world.ensure_running()?;
                look::address(&api.get(&name).await?)
            })
            .await?;
        screen.fact(SocketAddr::new(address, PORT));
        let site = &mut world.sites[at];
        let entrance = site.cloud.entrance(address, PORT).await?;
        site.set_load_balancer(entrance);
        let what = format!("requests to it are answered by the backends of all nodes{}", site.of());
        see_answers(screen, entrance, &what, &site.names(NODES)).await?;
    }
    Ok(())
}

/// Sends requests until each of these nodes, and no other, has answered some.
async fn see_answers(screen: &Screen, entrance: SocketAddr, what: &str, expected: &[String]) -> Result<()> {
    let expected: BTreeSet<_> = expected.iter().cloned().collect();
    let answer = screen.see(what, PATIENCE, async || {
        let mut answered = BTreeSet::new();
        let mut last = String::new();
        for _ in 0..4 * NODES {
            last = http::get(entrance, "/").await?;
            answered.insert(served_by(&last).with_context(|| format!("an unknown answer: {last}"))?.to_owned());
        }
        ensure!(answered == expected, "answered by {answered:?}");
        Ok(last)
    });
    screen.fact(format!("GET http://{entrance}/ → {}", answer.await?.trim()));
    Ok(())
}

async fn a_machine_is_stopped_and_started(screen: &Screen, world: &mut World, at: usize) -> Result<()> {
    let site = &mut world.sites[at];
    let name = site.node(STOPPED);
    screen.chapter(&format!("The machine of {name} is stopped"));
    let entrance = site.load_balancer()?;
    site.cloud.power(&name, false).await?;
    let machine = site.machine(&name)?;
    let ports: Vec<_> = machine.backends.keys().copied().collect();
    machine.backends.clear();
    machine.kubelet.set(Readiness::Unknown).await?;
    let others: Vec<_> = site.names(NODES).into_iter().filter(|node| *node != name).collect();
    see_shutdown_taint(screen, world, &name, true).await?;
    see_answers(screen, entrance, "requests are answered by the others", &others).await?;

    let site = &mut world.sites[at];
    site.cloud.power(&name, true).await?;
    let machine = site.machine(&name)?;
    for port in ports {
        machine.backends.insert(port, Backend::start(&name, machine.place.played_by, port).await?);
    }
    machine.kubelet.set(Readiness::Ready).await?;
    let all = site.names(NODES);
    see_shutdown_taint(screen, world, &name, false).await?;
    see_answers(screen, entrance, "it answers requests again", &all).await
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

async fn a_machine_is_terminated(screen: &Screen, world: &mut World, at: usize) -> Result<()> {
    let site = &mut world.sites[at];
    let name = site.node(NODES);
    screen.chapter(&format!("The machine of {name} is terminated"));
    site.cloud.terminate(&name).await?;
    let machine = site.machine(&name)?;
    machine.backends.clear();
    machine.kubelet.set(Readiness::Unknown).await?;
    see_node_gone(screen, world, &name).await?;
    let site = &mut world.sites[at];
    site.machines.remove(&name);
    see_routes(screen, site, "its route is gone", &site.numbers(LEFT)).await?;
    see_answers(screen, site.load_balancer()?, "requests are answered by the rest", &site.names(LEFT)).await
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

/// Takes away what the story made, through Kubernetes, and sees the clouds emptied; then ends the programs.
pub(crate) async fn clean_up(screen: &Screen, world: &mut World) -> Result<()> {
    screen.chapter("All is taken away again");
    for site in &world.sites {
        delete_service(screen, world, site).await?;
    }
    let nodes = world.nodes();
    for site in &mut world.sites {
        site.machines.clear();
        for name in site.names(LEFT) {
            nodes.delete(&name, &DeleteParams::default()).await.with_context(|| format!("delete {name}"))?;
        }
    }
    for site in &world.sites {
        let what = format!("the nodes are deleted, and {} has no route of theirs", site.name());
        see_routes(screen, site, &what, &[]).await?;
    }
    world.show_calls(screen).await?;
    let what =
        if world.sites.len() == 1 { "the controller and the daemon end" } else { "the controller and the daemons end" };
    screen.task(&format!("{what} on SIGTERM"), world.stop()).await
}

async fn delete_service(screen: &Screen, world: &World, site: &Site) -> Result<()> {
    let (api, name) = (world.services(), site.service_name());
    api.delete(&name, &DeleteParams::default()).await?;
    screen
        .see(&format!("Service {name} is deleted, after its load balancer was"), PATIENCE, async || {
            world.ensure_running()?;
            if let Some(service) = api.get_opt(&name).await? {
                bail!("it still has the finalizers {:?}", service.metadata.finalizers.unwrap_or_default());
            }
            let left = site.cloud.leftovers().await?;
            ensure!(left == 0, "{} still has {left} load balancers and addresses", site.name());
            Ok(())
        })
        .await
}
