//! Simulated Baidu AI Cloud, and `provider-baidu`.

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

pub use self::go::{GoService, Made};
pub use self::user::User;
use super::Place;
use crate::http;
use crate::mock::RouteView;
use crate::network::Network;
use crate::program::Program;
use crate::simulator::{CallView, Simulator};
use crate::{Binaries, eventually};

const START: Duration = Duration::from_secs(30);
const DAEMON: &str = "provider-baidu";
const CONFIG: &str = "baidu-cloud-config";
/// The services the daemon calls, which the simulator has below its one address.
const SERVICES: [&str; 10] = ["bcc", "bbc", "vpc", "blb", "eip", "cce", "ccr", "bec", "sts", "iam"];
// The small world the simulator starts with.
/// Key of the account that is there from the start; nobody's.
pub const ACCESS_KEY: &str = "ALTAKsimulatedaccesskey1";
/// Its secret.
pub const SECRET_KEY: &str = "simulated-secret-key-of-no-cloud-0000002";
/// `ClusterId`.
pub const CLUSTER: &str = "cce-demo0001";
/// What the daemon says its account is, and the region.
pub const ACCOUNT: &str = "cce-demo0001/bj";
/// The profile of a cluster at the edge.
pub const EDGE: &str = "edge";
/// That of the private cloud, which has one address for all.
pub const PRIVATE: &str = "private";
/// That of a cluster that CCE runs.
pub const GATEWAY: &str = "gateway";
/// What CCE mounts: the token, and when it ends, long from now.
const TOKEN: &str = "token";
const EXPIRED_AT: (&str, &str) = ("expiredAt", "4000000000");
const VPC: &str = "vpc-simulated001";
const SUBNET: &str = "sbn-simulated001";

/// A running one.
#[derive(Debug)]
pub struct Baidu {
    daemon: Program,
    simulator: Simulator,
    endpoint: String,
    metrics: Option<SocketAddr>,
    folder: PathBuf,
    at_the_edge: bool,
    /// Ids of machines by name.
    machines: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RouteRule {
    destination_address: String,
    nexthop_id: String,
    nexthop_type: String,
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
    /// There are none: CCE's gateway signs for whoever shows the cluster's token.
    Gateway,
}

impl Default for Keys {
    fn default() -> Self {
        Self::Given { access: ACCESS_KEY.to_owned(), secret: SECRET_KEY.to_owned(), token: String::new() }
    }
}

/// What the daemon is started with.
#[derive(Clone, Debug)]
pub struct BaiduSettings {
    /// `Region`.
    pub region: String,
    /// `ClusterId`, which is the account's id, too.
    pub cluster: String,
    /// `Profile`: `public`, `gateway`, `private` or `edge`, whose machines are at the edge.
    pub profile: &'static str,
    /// Its keys.
    pub keys: Keys,
    /// Further flags.
    pub args: Vec<String>,
}

impl Default for BaiduSettings {
    fn default() -> Self {
        let (region, cluster) = ("bj".to_owned(), CLUSTER.to_owned());
        Self { region, cluster, profile: "public", keys: Keys::default(), args: Vec::new() }
    }
}

impl Baidu {
    /// Starts cloud and daemon, and waits until both serve. Without a network no traffic is carried.
    pub async fn start(binaries: &Binaries, folder: &Path, network: Option<&Network>) -> Result<Self> {
        Self::start_with(binaries, folder, network, BaiduSettings::default()).await
    }

    /// The same with other settings. On a network the daemon's metrics are served.
    pub async fn start_with(
        binaries: &Binaries,
        folder: &Path,
        network: Option<&Network>,
        settings: BaiduSettings,
    ) -> Result<Self> {
        let simulator = Simulator::start("baidu", binaries, folder, network).await?;
        let endpoint = format!("unix://{}", folder.join(DAEMON).join("provider.sock").display());
        let metrics = network.map(|network| SocketAddr::from(network.control()));
        let launch = Launch::new(binaries.baidu(), folder.join(format!("{DAEMON}.log")))
            .arg(format!("--listen={endpoint}"))
            .arg(format!("--cloud-config={}", folder.join(CONFIG).display()))
            .args(metrics.map(|address| format!("--metrics-bind-address={address}")))
            .args(&settings.args);
        if settings.keys == Keys::Gateway {
            let seeded = simulator.seed(&json!({ "gatewayTokens": [{ "cluster": settings.cluster }] })).await?;
            let token = seeded["gatewayTokens"][0].as_str().context("the simulator made no token")?;
            for (name, content) in [(TOKEN, token), EXPIRED_AT] {
                control_plane::pki::write(folder, name, content)?;
            }
        }
        control_plane::pki::write(folder, CONFIG, &config_of(&simulator, folder, &settings).to_string())?;
        let daemon = Program::start(launch)?;
        let (at_the_edge, machines) = (settings.profile == EDGE, BTreeMap::new());
        let cloud = Self { daemon, simulator, endpoint, metrics, folder: folder.to_owned(), at_the_edge, machines };
        cloud.wait_until_ready().await?;
        Ok(cloud)
    }

    /// Writes another configuration; flags stay as they are.
    pub fn configure(&self, settings: &BaiduSettings) -> Result<()> {
        control_plane::pki::write(&self.folder, CONFIG, &config_of(&self.simulator, &self.folder, settings).to_string())
            .map(drop)
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
        eventually("provider-baidu listens", START, async || {
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
        let (kind, address) = if self.at_the_edge {
            ("BEC", Ipv4Addr::new(172, 16, 1, number))
        } else {
            ("BCC", Ipv4Addr::new(192, 168, 1, number))
        };
        let machine = json!({ "name": name, "hostname": name, "address": address, "kind": kind });
        let seeded = self.simulator.seed(&json!({ "machines": [machine] })).await?;
        let id = seeded["machines"][0].as_str().context("the simulator named no machine")?;
        self.machines.insert(name.to_owned(), id.to_owned());
        Ok(Place { address: address.into(), played_by: self.simulator.played_by(address.into()).await? })
    }

    /// Switches a machine on or off.
    pub async fn power(&self, name: &str, on: bool) -> Result<()> {
        let status = if on { "Running" } else { "Stopped" };
        self.simulator.operate("set-machine-status", &json!({ "id": self.id(name)?, "status": status })).await
    }

    /// Ends a machine for good.
    pub async fn terminate(&self, name: &str) -> Result<()> {
        self.simulator.operate("delete-machine", &json!({ "id": self.id(name)? })).await
    }

    /// The routes in the cloud's tables, and the machines they lead to.
    pub async fn routes(&self) -> Result<Vec<RouteView>> {
        let rules: Vec<RouteRule> = self.simulator.objects("/routeRules").await?;
        let name = |id: &str| self.machines.iter().find(|(_, known)| *known == id).map(|(name, _)| name.clone());
        let custom = rules.into_iter().filter(|rule| rule.nexthop_type == "custom");
        let view = |rule: RouteRule| RouteView {
            target: name(&rule.nexthop_id).unwrap_or(rule.nexthop_id),
            destination: rule.destination_address,
        };
        Ok(custom.map(view).collect())
    }

    /// How many load balancers and public addresses there are.
    pub async fn leftovers(&self) -> Result<usize> {
        let mut count = 0;
        for kind in ["/blbs", "/eips"] {
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
        self.machines.get(name).map(String::as_str).with_context(|| format!("there is no machine {name}"))
    }
}

fn config_of(simulator: &Simulator, folder: &Path, settings: &BaiduSettings) -> Value {
    let plain = format!("http://{}", simulator.address());
    let mut config = json!({
        "ClusterId": settings.cluster, "Region": settings.region, "Profile": settings.profile, "VpcId": VPC, "SubnetId": SUBNET,
    });
    match (settings.profile, &settings.keys) {
        (PRIVATE, _) => config["Endpoint"] = json!(plain),
        (_, Keys::Gateway) => {}
        _ => {
            let endpoint = |name: &str| (name.to_owned(), json!(format!("{}/{name}", simulator.https())));
            config["CAFile"] = json!(simulator.ca_file());
            config["Endpoints"] = Value::Object(SERVICES.map(endpoint).into_iter().collect());
        }
    }
    match &settings.keys {
        Keys::Given { access, secret, token } => {
            config["AccessKeyID"] = json!(access);
            config["SecretAccessKey"] = json!(secret);
            if !token.is_empty() {
                config["SessionToken"] = json!(token);
            }
        }
        Keys::Metadata => {
            config["CredentialSource"] = json!("imds");
            config["MetadataEndpoint"] = json!(plain);
        }
        Keys::Gateway => {
            config["GatewayEndpoint"] = json!(plain);
            config["GatewayTokenFolder"] = json!(folder);
        }
    }
    config
}
