//! Simulated Huawei Cloud, and `provider-huawei`.

mod go;
mod user;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use control_plane::process::Launch;
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::go::{GoService, Made, MadeFor};
pub use self::user::User;
use super::Place;
use crate::http;
use crate::mock::RouteView;
use crate::network::Network;
use crate::program::Program;
use crate::simulator::{CallView, Simulator};
use crate::{Binaries, eventually};

const START: Duration = Duration::from_secs(30);
const DAEMON: &str = "provider-huawei";
const CONFIG: &str = "cloud-config";
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
// The small world the simulator starts with.
/// Key of the account that is there from the start; nobody's.
pub const ACCESS_KEY: &str = "HWSIMULATEDACCESSKEY";
/// Its secret.
pub const SECRET_KEY: &str = "simulated-secret-key-of-no-cloud-0000001";
/// The account's project.
pub const PROJECT: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
const VPC: &str = "0b876fcb-0000-4000-8000-0000000000aa";
const SUBNET: &str = "d2aa75cc-0000-4000-8000-0000000000cc";

/// A running one.
#[derive(Debug)]
pub struct Huawei {
    daemon: Program,
    simulator: Simulator,
    endpoint: String,
    metrics: Option<SocketAddr>,
    folder: PathBuf,
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

/// Where the daemon gets its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// They are in the configuration.
    Given {
        /// AK.
        access: String,
        /// SK.
        secret: String,
        /// What goes with temporary keys; empty: they are permanent.
        token: String,
    },
    /// The machine's metadata service has them.
    Metadata,
}

impl Default for Keys {
    fn default() -> Self {
        Self::Given { access: ACCESS_KEY.to_owned(), secret: SECRET_KEY.to_owned(), token: String::new() }
    }
}

/// What the daemon is started with.
#[derive(Clone, Debug)]
pub struct HuaweiSettings {
    /// `region`.
    pub region: String,
    /// `project-id`.
    pub project: String,
    /// Its keys.
    pub keys: Keys,
    /// Further flags.
    pub args: Vec<String>,
}

impl Default for HuaweiSettings {
    fn default() -> Self {
        Self {
            region: "ap-southeast-1".to_owned(),
            project: PROJECT.to_owned(),
            keys: Keys::default(),
            args: Vec::new(),
        }
    }
}

impl Huawei {
    /// Starts cloud and daemon, and waits until both serve. Without a network no traffic is carried.
    pub async fn start(binaries: &Binaries, folder: &Path, network: Option<&Network>) -> Result<Self> {
        Self::start_with(binaries, folder, network, HuaweiSettings::default()).await
    }

    /// The same with other settings. On a network the daemon's metrics are served.
    pub async fn start_with(
        binaries: &Binaries,
        folder: &Path,
        network: Option<&Network>,
        settings: HuaweiSettings,
    ) -> Result<Self> {
        let simulator = Simulator::start("huawei", binaries, folder, network).await?;
        let config = folder.join(CONFIG);
        let endpoint = format!("unix://{}", folder.join(DAEMON).join("provider.sock").display());
        let metrics = network.map(|network| SocketAddr::from(network.control()));
        let launch = Launch::new(binaries.huawei(), folder.join(format!("{DAEMON}.log")))
            .arg(format!("--listen={endpoint}"))
            .arg(format!("--cloud-config={}", config.display()))
            .args(metrics.map(|address| format!("--metrics-bind-address={address}")))
            .args(&settings.args);
        control_plane::pki::write(folder, CONFIG, &config_of(&simulator, &settings))?;
        let daemon = Program::start(launch)?;
        let cloud = Self { daemon, simulator, endpoint, metrics, folder: folder.to_owned(), servers: BTreeMap::new() };
        cloud.wait_until_ready().await?;
        Ok(cloud)
    }

    /// Writes another configuration; flags stay as they are.
    pub fn configure(&self, settings: &HuaweiSettings) -> Result<()> {
        control_plane::pki::write(&self.folder, CONFIG, &config_of(&self.simulator, settings)).map(drop)
    }

    /// The daemon's metrics.
    pub async fn metrics(&self) -> Result<String> {
        http::get(self.metrics.context("the daemon serves no metrics")?, "/metrics").await
    }

    /// Somebody with the account's keys.
    pub fn user(&self) -> User {
        User::new(self.simulator.address())
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

    /// Makes machine `number`.
    pub async fn add_machine(&mut self, number: u8, name: &str) -> Result<Place> {
        let address = Ipv4Addr::new(192, 168, 1, number);
        let seeded = self.simulator.seed(&json!({ "servers": [{ "name": name, "address": address }] })).await?;
        let id = seeded["servers"][0].as_str().context("the simulator named no server")?;
        self.servers.insert(name.to_owned(), id.to_owned());
        Ok(Place { address: address.into(), played_by: self.simulator.played_by(address.into()).await? })
    }

    /// Switches a machine on or off.
    pub async fn power(&self, name: &str, on: bool) -> Result<()> {
        let status = if on { "ACTIVE" } else { "SHUTOFF" };
        self.simulator.operate("set-server-status", &json!({ "id": self.id(name)?, "status": status })).await
    }

    /// Ends a machine for good.
    pub async fn terminate(&self, name: &str) -> Result<()> {
        self.simulator.operate("delete-server", &json!({ "id": self.id(name)? })).await
    }

    /// The routes in the cloud's tables, and the machines they lead to.
    pub async fn routes(&self) -> Result<Vec<RouteView>> {
        let tables: Vec<RouteTable> = self.simulator.objects("/route_tables").await?;
        let name = |id: &str| self.servers.iter().find(|(_, known)| *known == id).map(|(name, _)| name.clone());
        let view = |route: Route| RouteView {
            target: name(&route.nexthop).unwrap_or(route.nexthop),
            destination: route.destination,
        };
        Ok(tables.into_iter().flat_map(|table| table.routes).filter(|route| route.nexthop != "-").map(view).collect())
    }

    /// How many load balancers and public addresses there are.
    pub async fn leftovers(&self) -> Result<usize> {
        let mut count = 0;
        for kind in ["/elb/load_balancers", "/publicips"] {
            count += self.simulator.objects::<Value>(kind).await?.len();
        }
        Ok(count)
    }

    /// Where connections to a load balancer's address really go.
    pub async fn reach(&self, address: IpAddr, port: u16) -> Result<SocketAddr> {
        self.simulator.reach(address, port).await
    }

    /// Calls with numbers above this.
    pub async fn calls(&self, after: u64) -> Result<Vec<CallView>> {
        self.simulator.calls(after).await
    }

    /// The programs by name, the user before the used.
    pub fn programs(&self) -> Vec<(&'static str, &Program)> {
        vec![(DAEMON, &self.daemon), ("cloud-simulator", self.simulator.program())]
    }

    /// The same, to stop them.
    pub fn programs_mut(&mut self) -> Vec<(&'static str, &mut Program)> {
        vec![(DAEMON, &mut self.daemon), ("cloud-simulator", self.simulator.program_mut())]
    }

    /// Id of a machine.
    pub fn id(&self, name: &str) -> Result<&str> {
        self.servers.get(name).map(String::as_str).with_context(|| format!("there is no server {name}"))
    }
}

/// What a Service has to say to get a shared load balancer with a public address.
pub fn annotations() -> BTreeMap<String, String> {
    let eip = json!({ "ip_type": "5_bgp", "bandwidth_size": 5, "share_type": "PER", "charge_mode": "traffic" });
    BTreeMap::from([
        ("kubernetes.io/elb.class".to_owned(), "shared".to_owned()),
        ("kubernetes.io/elb.eip-auto-create-option".to_owned(), eip.to_string()),
    ])
}

fn config_of(simulator: &Simulator, settings: &HuaweiSettings) -> String {
    let endpoints = SERVICES.map(|(key, path)| format!("{key} = {}/{path}", simulator.https())).join("\n");
    let keys = match &settings.keys {
        Keys::Given { access, secret, token } if token.is_empty() => {
            format!("access-key = {access}\nsecret-key = {secret}")
        }
        Keys::Given { access, secret, token } => {
            format!("access-key = {access}\nsecret-key = {secret}\nsecurity-token = {token}")
        }
        Keys::Metadata => format!("metadata-endpoint = http://{}", simulator.address()),
    };
    format!(
        "[Global]\nregion = {}\n{keys}\nproject-id = {}\nca-file = {}\n\n[Vpc]\nid = {VPC}\nsubnet-id = {SUBNET}\n\n\
         [Endpoints]\n{endpoints}\n",
        settings.region,
        settings.project,
        simulator.ca_file().display()
    )
}
