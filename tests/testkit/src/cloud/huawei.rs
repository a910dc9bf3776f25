//! Simulated Huawei Cloud, and `provider-huawei`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use control_plane::process::Launch;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Place;
use crate::mock::RouteView;
use crate::network::Network;
use crate::program::Program;
use crate::simulator::{CallView, Simulator};
use crate::{Binaries, eventually};

const START: Duration = Duration::from_secs(30);
const DAEMON: &str = "provider-huawei";
/// The services the daemon calls, which the simulator has below its one address.
const SERVICES: [(&str, &str); 8] = [
    ("ecs", "ecs"),
    ("elb", "elb"),
    ("vpc", "vpc"),
    ("eip", "eip"),
    ("nat", "nat"),
    ("iam", "iam"),
    ("cce", "cce"),
    ("swr", "swr-api"),
];
// The small world the simulator starts with; its key is nobody's.
const ACCESS_KEY: &str = "HWSIMULATEDACCESSKEY";
const SECRET_KEY: &str = "simulated-secret-key-of-no-cloud-0000001";
const PROJECT: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
const VPC: &str = "0b876fcb-0000-4000-8000-0000000000aa";
const SUBNET: &str = "d2aa75cc-0000-4000-8000-0000000000cc";

/// A running one.
#[derive(Debug)]
pub struct Huawei {
    daemon: Program,
    simulator: Simulator,
    endpoint: String,
    /// Ids of servers by name.
    servers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RouteTable {
    routes: Vec<Route>,
}

#[derive(Deserialize)]
struct Route {
    destination: String,
    nexthop: String,
}

impl Huawei {
    /// Starts cloud and daemon, and waits until both serve. Without a network no traffic is carried.
    pub async fn start(binaries: &Binaries, folder: &Path, network: Option<&Network>) -> Result<Self> {
        Self::start_with(binaries, folder, network, &[]).await
    }

    /// The same, with further flags of the daemon.
    pub async fn start_with(
        binaries: &Binaries,
        folder: &Path,
        network: Option<&Network>,
        flags: &[String],
    ) -> Result<Self> {
        let simulator = Simulator::start("huawei", binaries, folder, network).await?;
        let config = control_plane::pki::write(folder, "cloud-config", &config(&simulator))?;
        let endpoint = format!("unix://{}", folder.join(DAEMON).join("provider.sock").display());
        let launch = Launch::new(binaries.huawei(), folder.join(format!("{DAEMON}.log")))
            .arg(format!("--listen={endpoint}"))
            .arg(format!("--cloud-config={}", config.display()))
            .args(flags);
        let daemon = Program::start(launch)?;
        let cloud = Self { daemon, simulator, endpoint, servers: BTreeMap::new() };
        cloud.wait_until_ready().await?;
        Ok(cloud)
    }

    /// Waits until the daemon listens.
    pub async fn wait_until_ready(&self) -> Result<()> {
        let socket = self.endpoint.trim_start_matches("unix://");
        eventually("provider-huawei listens", START, async || {
            self.daemon.ensure_running()?;
            tokio::net::UnixStream::connect(socket).await.map(drop).context("nobody listens yet")
        })
        .await
    }

    /// The daemon.
    pub fn daemon(&self) -> &Program {
        &self.daemon
    }

    /// The daemon, to stop and start it.
    pub fn daemon_mut(&mut self) -> &mut Program {
        &mut self.daemon
    }

    /// The cloud.
    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// For `--provider`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) async fn add_machine(&mut self, number: u8, name: &str) -> Result<Place> {
        let address = Ipv4Addr::new(192, 168, 1, number);
        let seeded = self.simulator.seed(&json!({ "servers": [{ "name": name, "address": address }] })).await?;
        let id = seeded["servers"][0].as_str().context("the simulator named no server")?;
        self.servers.insert(name.to_owned(), id.to_owned());
        Ok(Place { address: address.into(), played_by: self.simulator.played_by(address.into()).await? })
    }

    pub(super) async fn power(&self, name: &str, on: bool) -> Result<()> {
        let status = if on { "ACTIVE" } else { "SHUTOFF" };
        self.simulator.operate("set-server-status", &json!({ "id": self.id(name)?, "status": status })).await
    }

    pub(super) async fn terminate(&self, name: &str) -> Result<()> {
        self.simulator.operate("delete-server", &json!({ "id": self.id(name)? })).await
    }

    pub(super) async fn routes(&self) -> Result<Vec<RouteView>> {
        let tables: Vec<RouteTable> = self.simulator.objects("/route_tables").await?;
        let name = |id: &str| self.servers.iter().find(|(_, known)| *known == id).map(|(name, _)| name.clone());
        let view = |route: Route| RouteView {
            target: name(&route.nexthop).unwrap_or(route.nexthop),
            destination: route.destination,
        };
        Ok(tables.into_iter().flat_map(|table| table.routes).filter(|route| route.nexthop != "-").map(view).collect())
    }

    pub(super) async fn leftovers(&self) -> Result<usize> {
        let mut count = 0;
        for kind in ["/elb/load_balancers", "/publicips"] {
            count += self.simulator.objects::<Value>(kind).await?.len();
        }
        Ok(count)
    }

    pub(super) async fn reach(&self, address: IpAddr, port: u16) -> Result<SocketAddr> {
        self.simulator.reach(address, port).await
    }

    pub(super) async fn calls(&self, after: u64) -> Result<Vec<CallView>> {
        self.simulator.calls(after).await
    }

    pub(super) fn programs(&self) -> Vec<(&'static str, &Program)> {
        vec![(DAEMON, &self.daemon), ("cloud-simulator", self.simulator.program())]
    }

    pub(super) fn programs_mut(&mut self) -> Vec<(&'static str, &mut Program)> {
        vec![(DAEMON, &mut self.daemon), ("cloud-simulator", self.simulator.program_mut())]
    }

    fn id(&self, name: &str) -> Result<&str> {
        self.servers.get(name).map(String::as_str).with_context(|| format!("there is no server {name}"))
    }
}

pub(super) fn annotations() -> BTreeMap<String, String> {
    let eip = json!({ "ip_type": "5_bgp", "bandwidth_size": 5, "share_type": "PER", "charge_mode": "traffic" });
    BTreeMap::from([
        ("kubernetes.io/elb.class".to_owned(), "shared".to_owned()),
        ("kubernetes.io/elb.eip-auto-create-option".to_owned(), eip.to_string()),
    ])
}

fn config(simulator: &Simulator) -> String {
    let endpoints = SERVICES.map(|(key, path)| format!("{key} = {}/{path}", simulator.https())).join("\n");
    format!(
        "[Global]\nregion = ap-southeast-1\naccess-key = {ACCESS_KEY}\nsecret-key = {SECRET_KEY}\nproject-id = {PROJECT}\n\
         ca-file = {}\n\n[Vpc]\nid = {VPC}\nsubnet-id = {SUBNET}\n\n[Endpoints]\n{endpoints}\n",
        simulator.ca_file().display()
    )
}
