//! Everything that runs: the control plane, the daemon, the controller, and the kubelets and backends of the machines.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Node, Service};
use kube::Client;
use kube::api::Api;
use testkit::cloud::Kind;
use testkit::controller::{ControllerSettings, rights};
use testkit::process::Exit;
use testkit::program::{self, Program};
use testkit::{Binaries, ControlPlane, Profile};

use crate::screen::Screen;
use crate::site::{self, Site};

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

/// Dropped in the order of the fields: first what uses something, then what is used.
pub(crate) struct World {
    controller: Program,
    /// In the order of the controller's `--provider`s: without a class, a Service belongs to the first.
    pub(crate) sites: Vec<Site>,
    pub(crate) client: Client,
    plane: ControlPlane,
}

impl World {
    /// Brings everything up but the machines.
    pub(crate) async fn create(screen: &Screen, profile: Profile, kinds: &[Kind]) -> Result<Self> {
        screen.chapter("A control plane");
        let binaries = screen.task("the programs are built", Binaries::build(profile)).await?;
        // May build for minutes, with progress of its own.
        let started = Instant::now();
        let plane = ControlPlane::builder().start().await?;
        let client = plane.client().await?;
        let version = client.apiserver_version().await?.git_version;
        screen.done(format!("kube-apiserver {version} and etcd are ready"), started.elapsed());
        screen.fact(plane.url());

        screen.chapter(match kinds {
            [_] => "A provider's daemon and the controller, two processes joined by a Unix socket",
            _ => "A daemon for each cloud and one controller, processes joined by Unix sockets",
        });
        let mut sites = Vec::new();
        for (nth, kind) in (0..).zip(kinds) {
            let site = Site::start(*kind, nth, kinds.len() == 1, binaries, plane.folder());
            let name = site::name(*kind, kinds.len() == 1);
            let site = screen.task(&format!("{name} is played, and its provider's daemon serves"), site).await?;
            screen.fact(site.cloud.endpoint());
            sites.push(site);
        }
        let kubeconfig = screen.task("the controller has an identity with just its rights", rights(&plane)).await?;
        let mut controller = ControllerSettings { providers: Vec::new(), ..ControllerSettings::new(kubeconfig, "") };
        controller.providers = sites.iter().map(|site| site.cloud.endpoint().to_owned()).collect();
        "demo".clone_into(&mut controller.cluster_name);
        controller.args = ["--allocate-node-cidrs=true", "--configure-cloud-routes=true"]
            .into_iter()
            .chain(IMPATIENT)
            .map(str::to_owned)
            .chain([format!("--cluster-cidr={CLUSTER_CIDR}")])
            .collect();
        let controller = Program::start(controller.launch(binaries, plane.folder(), "cloud-controller-manager"))?;
        Ok(Self { controller, sites, client, plane })
    }

    pub(crate) fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    pub(crate) fn services(&self) -> Api<Service> {
        Api::default_namespaced(self.client.clone())
    }

    /// The administrator's.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.plane.kubeconfig()
    }

    /// Fails if one of our programs has ended by itself.
    pub(crate) fn ensure_running(&self) -> Result<()> {
        self.controller.ensure_running()?;
        self.sites.iter().try_for_each(|site| site.cloud.ensure_running())
    }

    /// Shows the REST calls made of each cloud since this was last asked.
    pub(crate) async fn show_calls(&mut self, screen: &Screen) -> Result<()> {
        for site in &mut self.sites {
            site.show_calls(screen).await?;
        }
        Ok(())
    }

    /// Asks all programs to end, the user before the used, and fails if one does not end well.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let exit = self.controller.stop().await?;
        ensure!(exit == Exit::Code(0), "cloud-controller-manager ended with {exit}");
        for site in &mut self.sites {
            site.cloud.stop().await?;
        }
        Ok(())
    }

    /// Adds to an error what the programs have said, which else is gone with the folder it is in.
    pub(crate) fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let mut programs = vec![("cloud-controller-manager", &self.controller)];
        programs.extend(self.sites.iter().flat_map(|site| site.cloud.programs()));
        program::explain(error, &programs)
    }
}
