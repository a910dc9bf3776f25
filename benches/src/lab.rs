//! A real control plane, a mock cloud and the controller, all as separate processes, and the counters read from them.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use control_plane::{
    ControlPlane,
    process::{Launch, Process},
};
use kube::Client;
use serde_json::Value;
use testkit::{
    binaries::{Binaries, Profile},
    wait::eventually,
};

/// The processes of one measurement. Dropping it stops them all.
pub struct Lab {
    /// The control plane.
    pub plane: ControlPlane,
    /// A client of it with all rights and no rate limit.
    pub client: Client,
    daemons: Daemons,
    folder: PathBuf,
}

/// Starts daemons, with their logs and sockets in one folder.
#[derive(Clone, Debug)]
pub struct Daemons {
    binaries: &'static Binaries,
    folder: PathBuf,
}

/// A mock provider and where to reach it.
pub struct Mock {
    /// The daemon.
    pub process: Process,
    /// Its gRPC endpoint.
    pub endpoint: String,
    control: SocketAddr,
}

impl Lab {
    /// Builds the release binaries and starts a control plane.
    pub async fn start() -> Result<Self> {
        let plane = ControlPlane::builder().start().await?;
        let client = plane.client().await?;
        let folder = plane.folder().to_owned();
        let daemons = Daemons::build(&folder).await?;
        Ok(Self { plane, client, daemons, folder })
    }

    /// Starts a mock provider named `name` on a Unix socket and waits until it serves.
    pub async fn mock(&self, name: &str, args: &[&str]) -> Result<Mock> {
        let endpoint = format!("unix://{}/{name}/provider.sock", self.folder.display());
        self.daemons.mock(name, &endpoint, args).await
    }

    /// Writes a file into the lab's folder.
    pub fn file(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// Starts a controller for this provider. `args` come after the defaults every bench uses: no leader election, no
    /// serving port unless asked for.
    pub fn controller(&self, name: &str, endpoint: &str, args: &[&str]) -> Result<Process> {
        let kubeconfig = self.plane.kubeconfig();
        let serving = args.iter().any(|arg| arg.starts_with("--secure-port"));
        Launch::new(self.daemons.binaries.controller(), self.folder.join(format!("{name}.log")))
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["--provider", endpoint, "--cluster-name", "bench", "--leader-elect=false"])
            .args(if serving { None } else { Some("--secure-port=0") })
            .args(args)
            .spawn()
    }

    /// The sizes of the release binaries: controller and mock, in bytes.
    pub fn binary_sizes(&self) -> Result<(u64, u64)> {
        let size = |path: &Path| Ok::<_, anyhow::Error>(std::fs::metadata(path)?.len());
        Ok((size(self.daemons.binaries.controller())?, size(self.daemons.binaries.mock())?))
    }

    /// Mutating requests the apiserver has answered so far, by `VERB resource[/subresource]`. Leases are left out: they are
    /// the heartbeat of leader election.
    pub async fn writes(&self) -> Result<BTreeMap<String, u64>> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = self.client.request_text(request).await.context("read the apiserver's metrics")?;
        Ok(parse_writes(&text))
    }
}

impl Daemons {
    /// Builds the release binaries.
    pub async fn build(folder: &Path) -> Result<Self> {
        Ok(Self { binaries: Binaries::build(Profile::Release).await?, folder: folder.to_owned() })
    }

    /// Starts a mock provider on this endpoint and waits until it serves.
    pub async fn mock(&self, name: &str, endpoint: &str, args: &[&str]) -> Result<Mock> {
        let control = free_address()?;
        let process = Launch::new(self.binaries.mock(), self.folder.join(format!("{name}.log")))
            .args(["--listen", endpoint, "--control", &control.to_string()])
            .args(args)
            .spawn()?;
        let mock = Mock { process, endpoint: endpoint.to_owned(), control };
        eventually("the mock's control endpoint answers", Duration::from_secs(10), async || {
            mock.process.ensure_running()?;
            mock.get("/v1/calls").await
        })
        .await?;
        Ok(mock)
    }
}

impl Mock {
    /// Calls answered so far, by method name.
    pub async fn calls(&self) -> Result<BTreeMap<String, u64>> {
        let value = self.get("/v1/calls").await?;
        let methods = value["methods"].as_object().context("no methods in /v1/calls")?;
        Ok(methods.iter().map(|(name, method)| (name.clone(), method["total"].as_u64().unwrap_or(0))).collect())
    }

    /// Sends one request to the control endpoint and reads the JSON answer.
    pub async fn control(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(ToString::to_string);
        let (status, text) = testkit::http::request(self.control, method, path, body.as_deref()).await?;
        ensure!((200..300).contains(&status), "{method} {path} answered {status}: {text}");
        if text.trim().is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
    }

    /// Reads from the control endpoint.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.control("GET", path, None).await
    }
}

/// A loopback address nobody listens on just now.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Resident memory of a process, in MiB.
pub fn resident_mib(process: &Process) -> Result<f64> {
    let path = format!("/proc/{}/status", process.pid());
    let status = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib / 1024.0)
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
