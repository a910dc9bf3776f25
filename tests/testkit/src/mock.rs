//! The mock provider's daemon, and the cloud behind it, as a person at the cloud's console sees and changes it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use control_plane::process::Launch;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::console::Console;
use crate::network::Network;
use crate::program::Program;
use crate::{Binaries, eventually};

const START: Duration = Duration::from_secs(30);

/// What a mock is started with.
#[derive(Clone, Debug)]
pub struct MockSettings {
    /// Name of its log, socket folder, scenario and state file.
    pub name: String,
    /// `--listen`. `None`: a Unix socket in a folder of its own.
    pub listen: Option<String>,
    /// `--scenario`. The network is added to it.
    pub scenario: Value,
    /// Whether the cloud is still the same after the daemon was killed.
    pub keeps_state: bool,
    /// Further flags.
    pub args: Vec<String>,
}

impl Default for MockSettings {
    fn default() -> Self {
        Self { name: "mock".to_owned(), listen: None, scenario: json!({}), keeps_state: true, args: Vec::new() }
    }
}

impl MockSettings {
    fn endpoint(&self, folder: &Path) -> String {
        let socket = || format!("unix://{}", folder.join(&self.name).join("provider.sock").display());
        self.listen.clone().unwrap_or_else(socket)
    }

    fn launch(&self, binaries: &Binaries, folder: &Path, network: &Network) -> Result<Launch> {
        let mut scenario = self.scenario.clone();
        scenario["network"] = json!({ "machines": network.machines(), "loadBalancers": network.load_balancers() });
        let scenario = control_plane::pki::write(folder, &format!("{}.scenario", self.name), &scenario.to_string())?;
        let mut launch = Launch::new(binaries.mock(), folder.join(format!("{}.log", self.name)))
            .arg(format!("--listen={}", self.endpoint(folder)))
            .arg(format!("--scenario={}", scenario.display()))
            .arg(format!("--control={}", network.control()));
        if self.keeps_state {
            launch = launch.arg(format!("--state={}", folder.join(format!("{}.state", self.name)).display()));
        }
        Ok(launch.args(&self.args))
    }
}

/// A running mock.
#[derive(Debug)]
pub struct Mock {
    program: Program,
    endpoint: String,
    control: MockControl,
}

impl Mock {
    /// Starts it and waits until it serves. Its files are in this folder, which it shares with nobody of the same name.
    pub async fn start(binaries: &Binaries, folder: &Path, network: &Network, settings: &MockSettings) -> Result<Self> {
        let mock = Self {
            program: Program::start(settings.launch(binaries, folder, network)?)?,
            endpoint: settings.endpoint(folder),
            control: MockControl { console: Console::new(network.control().into()) },
        };
        mock.wait_until_ready().await?;
        Ok(mock)
    }

    /// Waits until it serves, after its program was restarted.
    pub async fn wait_until_ready(&self) -> Result<()> {
        eventually("provider-mock answers at its control endpoint", START, async || {
            self.program.ensure_running()?;
            self.control.state().await.map(drop)
        })
        .await
    }

    /// For `--provider`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The cloud's console.
    pub fn control(&self) -> &MockControl {
        &self.control
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The program, to stop, kill or restart it.
    pub fn program_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

/// A client of the control endpoint.
#[derive(Clone, Debug)]
pub struct MockControl {
    console: Console,
}

/// A machine of the cloud.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct MachineView {
    /// The part of the providerID after `://`.
    pub id: String,
    /// Name of its node.
    pub name: String,
    /// `running`, `stopped`, `terminated`, …
    pub state: String,
}

/// A load balancer of the cloud.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerView {
    /// The cloud's id.
    pub id: String,
    /// `namespace/name`.
    pub service: String,
    /// UID of the Service.
    pub service_uid: String,
    /// The ports it listens on.
    pub ports: Vec<u16>,
    /// Its members.
    pub members: Vec<Value>,
    /// Pods it sends to directly.
    pub pods: Vec<Value>,
    /// How often it was changed after it was made.
    pub updates: u64,
}

/// A route of the cloud's table.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct RouteView {
    /// A CIDR.
    pub destination: String,
    /// Name of the machine it leads to.
    pub target: String,
}

/// What there is in the cloud.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CloudView {
    /// Machines, those that are gone too.
    pub instances: Vec<MachineView>,
    /// Load balancers.
    pub load_balancers: Vec<LoadBalancerView>,
    /// Routes.
    pub routes: Vec<RouteView>,
}

impl MockControl {
    /// Everything there is.
    pub async fn state(&self) -> Result<CloudView> {
        self.console.read("/v1/state").await
    }

    /// The load balancers.
    pub async fn load_balancers(&self) -> Result<Vec<LoadBalancerView>> {
        Ok(self.state().await?.load_balancers)
    }

    /// The routes.
    pub async fn routes(&self) -> Result<Vec<RouteView>> {
        Ok(self.state().await?.routes)
    }

    /// Calls answered so far, by method, then by code.
    pub async fn calls(&self) -> Result<Value> {
        self.console.read("/v1/calls").await
    }

    /// Starts (`running`), stops (`stopped`) or ends (`terminated`) a machine, by name.
    pub async fn set_machine_state(&self, name: &str, state: &str) -> Result<()> {
        self.change("PATCH", &format!("/v1/instances/{name}"), &json!({ "state": state })).await
    }

    /// Replaces the rules by which calls fail, are slow, or are answered with lies.
    pub async fn set_rules(&self, rules: &Value) -> Result<()> {
        self.change("PUT", "/v1/rules", rules).await
    }

    /// How often each rule was looked at (`seen`) and struck (`hit`).
    pub async fn rules(&self) -> Result<Value> {
        self.console.read("/v1/rules").await
    }

    /// Any change.
    pub async fn change(&self, method: &str, path: &str, body: &Value) -> Result<()> {
        self.console.change(method, path, body).await
    }
}
