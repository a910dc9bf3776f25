//! Everything that runs: the control plane, the daemon, the controller, and the kubelets and backends of the machines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, Service};
use kube::Client;
use kube::api::Api;
use testkit::backend::Backend;
use testkit::cloud::{Cloud, Kind, Place};
use testkit::controller::{ControllerSettings, rights};
use testkit::process::Exit;
use testkit::program::{self, Program};
use testkit::{Binaries, ControlPlane, FakeKubelet, Profile};

use crate::screen::Screen;

const CLUSTER_CIDR: &str = "10.244.0.0/16";

/// Shorter than anybody would run with, so that nobody has to sit through the waits that protect against a lying cloud.
const IMPATIENT: [&str; 6] = [
    "--node-monitor-period=1s",
    "--node-status-update-frequency=10s",
    "--node-removal-min-node-age=5s",
    "--node-removal-not-ready-grace=3s",
    "--node-removal-confirm-interval=5s",
    "--load-balancer-audit-period=30s",
];

/// A machine of the played cloud: what runs on it.
pub(crate) struct Machine {
    pub(crate) place: Place,
    pub(crate) kubelet: FakeKubelet,
    /// What answers on its node port.
    pub(crate) backend: Option<Backend>,
}

/// Dropped in the order of the fields: first what uses something, then what is used.
pub(crate) struct World {
    pub(crate) machines: BTreeMap<String, Machine>,
    pub(crate) load_balancer: Option<SocketAddr>,
    pub(crate) client: Client,
    controller: Program,
    pub(crate) cloud: Cloud,
    plane: ControlPlane,
    /// The last of the cloud's calls that were shown.
    shown: u64,
}

impl World {
    /// Brings everything up but the machines.
    pub(crate) async fn create(screen: &Screen, profile: Profile, kind: Kind) -> Result<Self> {
        screen.chapter("A control plane");
        let binaries = screen.task("the programs are built", Binaries::build(profile)).await?;
        // May build for minutes, with progress of its own.
        let started = Instant::now();
        let plane = ControlPlane::builder().start().await?;
        let client = plane.client().await?;
        let version = client.apiserver_version().await?.git_version;
        screen.done(format!("kube-apiserver {version} and etcd are ready"), started.elapsed());
        screen.fact(plane.url());

        screen.chapter("A provider's daemon and the controller, two processes joined by a Unix socket");
        let cloud = Cloud::start(kind, binaries, plane.folder());
        let cloud = screen.task("the cloud is played, and the provider's daemon serves", cloud).await?;
        screen.fact(cloud.endpoint());
        let kubeconfig = screen.task("the controller has an identity with just its rights", rights(&plane)).await?;
        let mut controller = ControllerSettings::new(kubeconfig, cloud.endpoint());
        "demo".clone_into(&mut controller.cluster_name);
        controller.args = ["--allocate-node-cidrs=true", "--configure-cloud-routes=true"]
            .into_iter()
            .chain(IMPATIENT)
            .map(str::to_owned)
            .chain([format!("--cluster-cidr={CLUSTER_CIDR}")])
            .collect();
        let controller = Program::start(controller.launch(binaries, plane.folder(), "cloud-controller-manager"))?;
        Ok(Self { machines: BTreeMap::new(), load_balancer: None, client, controller, cloud, plane, shown: 0 })
    }

    pub(crate) fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    pub(crate) fn services(&self) -> Api<Service> {
        Api::default_namespaced(self.client.clone())
    }

    /// The address people send requests to.
    pub(crate) fn load_balancer(&self) -> Result<SocketAddr> {
        self.load_balancer.context("there is no load balancer")
    }

    /// The administrator's.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.plane.kubeconfig()
    }

    pub(crate) fn machine(&mut self, name: &str) -> Result<&mut Machine> {
        self.machines.get_mut(name).with_context(|| format!("there is no machine {name}"))
    }

    /// Fails if one of our programs has ended by itself.
    pub(crate) fn ensure_running(&self) -> Result<()> {
        self.controller.ensure_running()?;
        self.cloud.ensure_running()
    }

    /// Shows the REST calls made of the cloud since this was last asked, those that changed something one by one.
    pub(crate) async fn show_calls(&mut self, screen: &Screen) -> Result<()> {
        let calls = self.cloud.calls(self.shown).await?;
        let Some(last) = calls.last() else { return Ok(()) };
        self.shown = last.number;
        let (writes, reads): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.mutating);
        let named: Vec<_> = writes.iter().map(|call| format!("{} {}", call.service, call.action)).collect();
        let named = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
        screen.fact(format!("cloud calls: {} to read, {} to change{named}", reads.len(), writes.len()));
        Ok(())
    }

    /// Asks all programs to end, the user before the used, and fails if one does not end well.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let exit = self.controller.stop().await?;
        ensure!(exit == Exit::Code(0), "cloud-controller-manager ended with {exit}");
        self.cloud.stop().await
    }

    /// Adds to an error what the programs have said, which else is gone with the folder it is in.
    pub(crate) fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let programs: Vec<_> =
            std::iter::once(("cloud-controller-manager", &self.controller)).chain(self.cloud.programs()).collect();
        program::explain(error, &programs)
    }
}
