//! A real control plane, a mock cloud and the controller, all as separate processes of the release build, and the counters
//! read from them.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use kube::Client;
use serde_json::{Value, json};
use testkit::{
    Binaries, ControlPlane, Profile,
    controller::ControllerSettings,
    mock::{Mock, MockSettings},
    network::Network,
    program::Program,
};

/// The control plane of one measurement.
pub struct Lab {
    /// The control plane.
    pub plane: ControlPlane,
    /// A client of it with all rights and no rate limit.
    pub client: Client,
    binaries: &'static Binaries,
}

/// A mock cloud with the loopback addresses it may use.
pub struct Cloud {
    /// The daemon and its console.
    pub mock: Mock,
    _network: Network,
}

impl Lab {
    /// Builds the release binaries and starts a control plane.
    pub async fn start() -> Result<Self> {
        Self::start_with(Profile::Release).await
    }

    /// The same with programs that are built in another way.
    pub async fn start_with(profile: Profile) -> Result<Self> {
        let binaries = Binaries::build(profile).await?;
        let plane = ControlPlane::builder().start().await?;
        let client = plane.client().await?;
        Ok(Self { plane, client, binaries })
    }

    /// Starts a mock cloud.
    pub async fn cloud(&self, settings: &MockSettings) -> Result<Cloud> {
        Cloud::start(self.binaries, self.plane.folder(), settings).await
    }

    /// Starts a controller for this provider with default flags, without leader election and serving port, then `args`.
    pub fn controller(&self, name: &str, provider: &str, args: &[&str]) -> Result<Program> {
        let mut settings = ControllerSettings::new(self.plane.kubeconfig(), provider);
        settings.args = args.iter().map(|&arg| arg.to_owned()).collect();
        Program::start(settings.launch(self.binaries, self.plane.folder(), name))
    }

    /// Starts a controller that serves on `port`, its metrics open to everybody.
    pub fn serving_controller(&self, name: &str, provider: &str, port: u16) -> Result<Program> {
        let mut settings = ControllerSettings::new(self.plane.kubeconfig(), provider);
        settings.secure_port = port;
        settings.args =
            ["--bind-address=127.0.0.1", "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics"]
                .map(str::to_owned)
                .to_vec();
        Program::start(settings.launch(self.binaries, self.plane.folder(), name))
    }

    /// The programs.
    pub fn binaries(&self) -> &'static Binaries {
        self.binaries
    }

    /// The sizes of the release binaries: controller and mock, in bytes.
    pub fn binary_sizes(&self) -> Result<(u64, u64)> {
        let size = |path: &Path| Ok::<_, anyhow::Error>(std::fs::metadata(path)?.len());
        Ok((size(self.binaries.controller())?, size(self.binaries.mock())?))
    }

    /// Mutating requests the apiserver has answered so far, by `VERB resource[/subresource]`. Leases are left out: they are
    /// the heartbeat of leader election.
    pub async fn writes(&self) -> Result<BTreeMap<String, u64>> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = self.client.request_text(request).await.context("read the apiserver's metrics")?;
        Ok(parse_writes(&text))
    }
}

impl Cloud {
    /// Starts a mock cloud with its files in `folder`.
    pub async fn start(binaries: &Binaries, folder: &Path, settings: &MockSettings) -> Result<Self> {
        let network = Network::reserve()?;
        let mock = Mock::start(binaries, folder, &network, settings).await?;
        Ok(Self { mock, _network: network })
    }

    /// For `--provider`.
    pub fn endpoint(&self) -> &str {
        self.mock.endpoint()
    }

    /// Calls answered so far, by method name.
    pub async fn calls(&self) -> Result<BTreeMap<String, u64>> {
        let value = self.mock.control().calls().await?;
        let methods = value["methods"].as_object().context("no methods in /v1/calls")?;
        Ok(methods.iter().map(|(name, method)| (name.clone(), method["total"].as_u64().unwrap_or(0))).collect())
    }
}

/// A mock that carries no traffic: for thousands of load balancers.
pub fn without_traffic(scenario: Value) -> MockSettings {
    MockSettings { scenario, keeps_state: false, args: vec!["--no-traffic".to_owned()], ..MockSettings::default() }
}

/// A mock that takes this long for every call.
pub fn with_latency(latency: &str) -> MockSettings {
    MockSettings {
        scenario: json!({}),
        keeps_state: false,
        args: vec![format!("--latency={latency}")],
        ..MockSettings::default()
    }
}

/// The folder-independent way to say where a file of a program is.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A loopback address nobody listens on just now.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Resident memory of a program, in MiB: now, and the most it ever had.
pub fn resident_mib(program: &Program) -> Result<(f64, f64)> {
    let path = PathBuf::from(format!("/proc/{}/status", program.process()?.pid()));
    let status = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let mib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name}"))?;
        let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok::<_, anyhow::Error>(kib / 1024.0)
    };
    Ok((mib("VmRSS:")?, mib("VmHWM:")?))
}

/// The last lines a program has printed, for error messages.
pub fn tail(program: &Program) -> String {
    let log = program.log();
    // Some lines, as that with all flags, are too long to be of use here.
    let lines: Vec<&str> = log.lines().map(|line| &line[..line.floor_char_boundary(300)]).collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The difference of two counter readings, zero entries left out.
pub fn since(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    after
        .iter()
        .map(|(key, value)| (key.clone(), value - before.get(key).copied().unwrap_or(0).min(*value)))
        .filter(|(_, value)| *value > 0)
        .collect()
}

fn parse_writes(text: &str) -> BTreeMap<String, u64> {
    let mut writes = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
        let Some((labels, value)) = line.rsplit_once("} ") else { continue };
        let label = |name: &str| {
            let start = labels.find(&format!("{name}=\""))? + name.len() + 2;
            labels[start..].split('"').next()
        };
        let (Some(verb), Some(resource)) = (label("verb"), label("resource")) else { continue };
        if !["POST", "PUT", "PATCH", "APPLY", "DELETE"].contains(&verb) || resource == "leases" {
            continue;
        }
        let subresource = label("subresource").filter(|name| !name.is_empty()).map(|name| format!("/{name}"));
        let key = format!("{verb} {resource}{}", subresource.unwrap_or_default());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Counters are whole and positive.
        let value = value.trim().parse::<f64>().unwrap_or(0.0) as u64;
        *writes.entry(key).or_default() += value;
    }
    writes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_counted_by_verb_and_resource() {
        let text = concat!(
            "apiserver_request_total{code=\"200\",resource=\"nodes\",subresource=\"status\",verb=\"PATCH\"} 3\n",
            "apiserver_request_total{code=\"409\",resource=\"nodes\",subresource=\"status\",verb=\"PATCH\"} 1\n",
            "apiserver_request_total{code=\"200\",resource=\"nodes\",subresource=\"\",verb=\"LIST\"} 9\n",
            "apiserver_request_total{code=\"200\",resource=\"leases\",subresource=\"\",verb=\"PUT\"} 9\n",
        );
        assert_eq!(parse_writes(text), BTreeMap::from([("PATCH nodes/status".to_owned(), 4)]));
    }

    #[test]
    fn differences_leave_out_what_did_not_move() {
        let before = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        let after = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 5), ("c".to_owned(), 1)]);
        assert_eq!(since(&before, &after), BTreeMap::from([("b".to_owned(), 3), ("c".to_owned(), 1)]));
    }
}
