//! Simulated Baidu AI Cloud, and `provider-baidu`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use control_plane::process::Launch;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Place;
use crate::mock::RouteView;
use crate::network::Network;
use crate::program::Program;
use crate::simulator::{CallView, Simulator};
use crate::{Binaries, eventually};

const START: Duration = Duration::from_secs(30);
const DAEMON: &str = "provider-baidu";
/// The services the daemon calls, which the simulator has below its one address.
const SERVICES: [&str; 10] = ["bcc", "bbc", "vpc", "blb", "eip", "cce", "ccr", "bec", "sts", "iam"];
// The small world the simulator starts with; its key is nobody's.
const ACCESS_KEY: &str = "ALTAKsimulatedaccesskey1";
const SECRET_KEY: &str = "simulated-secret-key-of-no-cloud-0000002";
const VPC: &str = "vpc-simulated001";
const SUBNET: &str = "sbn-simulated001";

/// A running one.
#[derive(Debug)]
pub struct Baidu {
    daemon: Program,
    simulator: Simulator,
    endpoint: String,
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

impl Baidu {
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
        let simulator = Simulator::start("baidu", binaries, folder, network).await?;
        let config = control_plane::pki::write(folder, "baidu-cloud-config", &config(&simulator).to_string())?;
        let endpoint = format!("unix://{}", folder.join(DAEMON).join("provider.sock").display());
        let launch = Launch::new(binaries.baidu(), folder.join(format!("{DAEMON}.log")))
            .arg(format!("--listen={endpoint}"))
            .arg(format!("--cloud-config={}", config.display()))
            .args(flags);
        let daemon = Program::start(launch)?;
        let cloud = Self { daemon, simulator, endpoint, machines: BTreeMap::new() };
        cloud.wait_until_ready().await?;
        Ok(cloud)
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

    pub(super) async fn add_machine(&mut self, number: u8, name: &str) -> Result<Place> {
        let address = Ipv4Addr::new(192, 168, 1, number);
        let machine = json!({ "name": name, "hostname": name, "address": address });
        let seeded = self.simulator.seed(&json!({ "machines": [machine] })).await?;
        let id = seeded["machines"][0].as_str().context("the simulator named no machine")?;
        self.machines.insert(name.to_owned(), id.to_owned());
        Ok(Place { address: address.into(), played_by: self.simulator.played_by(address.into()).await? })
    }

    pub(super) async fn power(&self, name: &str, on: bool) -> Result<()> {
        let status = if on { "Running" } else { "Stopped" };
        self.simulator.operate("set-machine-status", &json!({ "id": self.id(name)?, "status": status })).await
    }

    pub(super) async fn terminate(&self, name: &str) -> Result<()> {
        self.simulator.operate("delete-machine", &json!({ "id": self.id(name)? })).await
    }

    pub(super) async fn routes(&self) -> Result<Vec<RouteView>> {
        let rules: Vec<RouteRule> = self.simulator.objects("/routeRules").await?;
        let name = |id: &str| self.machines.iter().find(|(_, known)| *known == id).map(|(name, _)| name.clone());
        let custom = rules.into_iter().filter(|rule| rule.nexthop_type == "custom");
        let view = |rule: RouteRule| RouteView {
            target: name(&rule.nexthop_id).unwrap_or(rule.nexthop_id),
            destination: rule.destination_address,
        };
        Ok(custom.map(view).collect())
    }

    pub(super) async fn leftovers(&self) -> Result<usize> {
        let mut count = 0;
        for kind in ["/blbs", "/eips"] {
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
        self.machines.get(name).map(String::as_str).with_context(|| format!("there is no machine {name}"))
    }
}

fn config(simulator: &Simulator) -> Value {
    let endpoint = |name: &str| (name.to_owned(), json!(format!("{}/{name}", simulator.https())));
    json!({
        "ClusterId": "cce-demo0001", "Region": "bj", "AccessKeyID": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "VpcId": VPC,
        "SubnetId": SUBNET, "CAFile": simulator.ca_file(), "Endpoints": SERVICES.map(endpoint).into_iter().collect::<Map<_, _>>(),
    })
}
