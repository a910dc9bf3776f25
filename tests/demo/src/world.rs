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
use testkit::controller::{ControllerSettings, rights};
use testkit::mock::{Mock, MockSettings};
use testkit::network::Network;
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
    pub(crate) mock: Mock,
    plane: ControlPlane,
    pub(crate) network: Network,
}

impl World {
    /// Brings everything up but the machines.
    pub(crate) async fn create(screen: &Screen, profile: Profile) -> Result<Self> {
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
        let network = Network::reserve()?;
        let settings = MockSettings::default();
        let mock = Mock::start(binaries, plane.folder(), &network, &settings);
        let mock = screen.task("provider-mock serves", mock).await?;
        screen.fact(mock.endpoint());
        let kubeconfig = screen.task("the controller has an identity with just its rights", rights(&plane)).await?;
        let mut controller = ControllerSettings::new(kubeconfig, mock.endpoint());
        "demo".clone_into(&mut controller.cluster_name);
        controller.args = ["--allocate-node-cidrs=true", "--configure-cloud-routes=true"]
            .into_iter()
            .chain(IMPATIENT)
            .map(str::to_owned)
            .chain([format!("--cluster-cidr={CLUSTER_CIDR}")])
            .collect();
        let controller = Program::start(controller.launch(binaries, plane.folder(), "cloud-controller-manager"))?;
        Ok(Self { machines: BTreeMap::new(), load_balancer: None, client, controller, mock, plane, network })
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
        self.mock.program().ensure_running()
    }

    /// Asks both programs to end, the user before the used, and fails if either does not end well.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let ends = [
            ("cloud-controller-manager", self.controller.stop().await?),
            ("provider-mock", self.mock.program_mut().stop().await?),
        ];
        for (name, exit) in ends {
            ensure!(exit == Exit::Code(0), "{name} ended with {exit}");
        }
        Ok(())
    }

    /// Adds to an error what the programs have said, which else is gone with the folder it is in.
    pub(crate) fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let programs = [("cloud-controller-manager", &self.controller), ("provider-mock", self.mock.program())];
        program::explain(error, &programs)
    }
}
