//! A simulated cloud as a process, and the console of it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use control_plane::process::Launch;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::console::Console;
use crate::network::Network;
use crate::program::Program;
use crate::{Binaries, eventually};

const START: Duration = Duration::from_secs(30);

/// A running `cloud-simulator`.
#[derive(Debug)]
pub struct Simulator {
    program: Program,
    console: Console,
    address: SocketAddr,
    https: String,
    ca_file: PathBuf,
}

/// The line in which it says where it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Announced {
    address: SocketAddr,
    https: String,
    control: String,
}

/// A call the cloud was sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct CallView {
    /// Counted from 1.
    pub number: u64,
    /// `elb`.
    pub service: String,
    /// The cloud's own name of the call.
    pub action: String,
    /// Its path.
    pub path: String,
    /// Its query, decoded.
    pub query: Vec<(String, String)>,
    /// Whether the call is one that changes something.
    pub mutating: bool,
    /// What it was answered with, or would have been.
    pub status: Option<u16>,
    /// When it came in, by the cloud's clock.
    pub at: Timestamp,
}

/// Connections to the cloud.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Connections {
    /// That were ever made.
    pub made: u64,
    /// That are open.
    pub open: u64,
}

#[derive(Deserialize)]
struct Reached {
    address: SocketAddr,
}

#[derive(Deserialize)]
struct Player {
    address: IpAddr,
}

impl Simulator {
    /// Starts the cloud of this name and waits until it serves. Its files are in this folder, and it
    /// plays its addresses on this network; without one it carries no traffic.
    pub async fn start(cloud: &str, binaries: &Binaries, folder: &Path, network: Option<&Network>) -> Result<Self> {
        let ca_file = folder.join(format!("{cloud}.ca"));
        let launch = Launch::new(binaries.simulator(), folder.join(format!("{cloud}-cloud.log")))
            .arg(cloud)
            .arg(format!("--ca-file={}", ca_file.display()))
            .args(network.map(|network| format!("--traffic={}", network.octet())));
        let program = Program::start(launch)?;
        let announced = eventually("cloud-simulator says where it is", START, async || {
            program.ensure_running()?;
            let log = program.log();
            let line = log.lines().find(|line| line.starts_with('{')).context("it has said nothing yet")?;
            Ok(serde_json::from_str::<Announced>(line)?)
        });
        let Announced { address, https, control } = announced.await?;
        let control = control.trim_start_matches("http://").parse().context("the control endpoint's address")?;
        Ok(Self { program, console: Console::new(control), address, https, ca_file })
    }

    /// Where all services are; `/{service}` below it is one.
    pub fn https(&self) -> &str {
        &self.https
    }

    /// Where it listens, for TLS and plain HTTP alike.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate to trust.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The program, to stop it.
    pub fn program_mut(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Calls with numbers above this.
    pub async fn calls(&self, after: u64) -> Result<Vec<CallView>> {
        self.console.read(&format!("/v1/calls?after={after}")).await
    }

    /// How many connections there were and are.
    pub async fn connections(&self) -> Result<Connections> {
        self.console.read("/v1/connections").await
    }

    /// The objects of one kind; the kind is a JSON pointer.
    pub async fn objects<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>> {
        let mut all: Value = self.console.read("/v1/objects").await?;
        let objects = all.pointer_mut(kind).with_context(|| format!("there is no kind {kind} of objects"))?;
        serde_json::from_value(objects.take()).with_context(|| format!("the objects of the kind {kind}"))
    }

    /// Adds objects; answers what they are called.
    pub async fn seed(&self, objects: &Value) -> Result<Value> {
        self.console.send("POST", "/v1/objects", objects).await
    }

    /// Does what a user does by other ways than the API.
    pub async fn operate(&self, what: &str, with: &Value) -> Result<()> {
        self.console.change("POST", &format!("/v1/operations/{what}"), with).await
    }

    /// Sets latency, lag of listings, quotas and limits.
    pub async fn turn(&self, knobs: &Value) -> Result<()> {
        self.console.change("PATCH", "/v1/knobs", knobs).await
    }

    /// Makes calls go wrong; [`mend`](Self::mend) ends that.
    pub async fn break_with(&self, rule: &Value) -> Result<()> {
        self.console.change("POST", "/v1/faults", rule).await
    }

    /// No call goes wrong any more.
    pub async fn mend(&self) -> Result<()> {
        self.console.change("DELETE", "/v1/faults", &json!({})).await
    }

    /// Halts after so many more changes: it takes no call then until [`go_on`](Self::go_on). `lost`: the last of them is not answered.
    pub async fn halt_after(&self, changes: u64, lost: bool) -> Result<()> {
        let answer = if lost { "lost" } else { "given" };
        self.console.change("POST", "/v1/halt", &json!({ "changes": changes, "answer": answer })).await
    }

    /// Waits until it has halted.
    pub async fn halted(&self) -> Result<()> {
        eventually("the cloud has halted", START, async || {
            let halt: Value = self.console.read("/v1/halt?waitMs=1000").await?;
            ensure!(halt["state"] == "halted", "it is {}", halt["state"]);
            Ok(())
        })
        .await
    }

    /// Takes calls again.
    pub async fn go_on(&self) -> Result<()> {
        self.console.change("DELETE", "/v1/halt", &json!({})).await
    }

    /// Where connections to a load balancer's address and port really go.
    pub async fn reach(&self, address: IpAddr, port: u16) -> Result<SocketAddr> {
        Ok(self.console.read::<Reached>(&format!("/v1/reach/{address}/{port}")).await?.address)
    }

    /// The address on loopback that plays one of the cloud's.
    pub async fn played_by(&self, address: IpAddr) -> Result<IpAddr> {
        Ok(self.console.read::<Player>(&format!("/v1/players/{address}")).await?.address)
    }
}
