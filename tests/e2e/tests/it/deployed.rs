//! The command lines in `deploy/` do the job as they stand there, but for places that a test cannot have.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use e2e::PATIENCE;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use testkit::{
    Binaries, ControlPlane, FakeKubelet, Profile, binaries::workspace_root, controller::rights, eventually,
    kubelet::NodeSettings, look, network::Network, pki::Ca, process::Launch, program::Program,
};

use crate::manifests::{REMOTE, SIDECAR, container, pod};

const UNIT: &str = "deploy/remote/provider-mock.service";

#[tokio::test]
async fn side_by_side_in_a_pod() -> Result<()> {
    let plane = ControlPlane::builder().start().await?;
    let network = Network::reserve()?;
    let pod = pod(SIDECAR);
    // Both run as whoever runs the test.
    let uid = fs::metadata(plane.folder())?.uid();
    let here = Here::new([
        ("/run/cloud-provider", plane.folder().join("run").display().to_string()),
        ("uid=65532", format!("uid={uid}")),
        ("uid=65533", format!("uid={uid}")),
        ("127.0.0.1:10268", format!("{}", network.provider())),
    ]);
    let args = |name: &str| here.all(container(&pod, name).args.as_deref().unwrap_or_default());
    a_node_is_initialised(&plane, args("provider"), args("controller")).await
}

#[tokio::test]
async fn the_daemon_on_a_management_host() -> Result<()> {
    let plane = ControlPlane::builder().start().await?;
    let network = Network::reserve()?;
    let ca = Ca::new("private")?;
    let (daemons, controllers) = (plane.folder().join("daemon"), plane.folder().join("controller"));
    for (folder, identity) in [
        (&daemons, ca.server(&["provider.example.com"])?),
        (&controllers, ca.client("controller", &[], &["cloud-controller-manager.example.com"])?),
    ] {
        fs::create_dir_all(folder)?;
        testkit::pki::write(folder, "ca.crt", &ca.pem())?;
        identity.write(folder, "tls")?;
    }
    let here = |tls: &Path| {
        Here::new([
            ("https://0.0.0.0:9443", format!("https://{}", network.provider())),
            // The name stays in --provider-server-name.
            ("https://provider.example.com:9443", format!("https://{}", network.provider())),
            ("/etc/cloud-provider/tls", tls.display().to_string()),
        ])
    };
    let pod = pod(REMOTE);
    let controller = here(&controllers).all(container(&pod, "controller").args.as_deref().unwrap_or_default());
    a_node_is_initialised(&plane, here(&daemons).all(&exec_start()?), controller).await
}

/// What stands in a manifest, and what it is replaced by.
struct Here(Vec<(&'static str, String)>);

impl Here {
    fn new(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// A replacement that finds nothing means that the manifest says something else than the test thinks: the program then
    /// does not start.
    fn all(&self, args: &[String]) -> Vec<String> {
        let one = |arg: &String| self.0.iter().fold(arg.clone(), |arg, (there, here)| arg.replace(there, here));
        args.iter().map(one).collect()
    }
}

/// The arguments of the unit's program.
fn exec_start() -> Result<Vec<String>> {
    let unit = fs::read_to_string(workspace_root().join(UNIT))?.replace("\\\n", " ");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).context("the unit starts something")?;
    Ok(line.split_whitespace().skip(1).map(str::to_owned).collect())
}

async fn a_node_is_initialised(plane: &ControlPlane, daemon: Vec<String>, controller: Vec<String>) -> Result<()> {
    let binaries = Binaries::build(Profile::Test).await?;
    let folder: PathBuf = plane.folder().to_owned();
    let kubeconfig = rights(plane).await?;
    let daemon = Launch::new(binaries.mock(), folder.join("daemon.log")).args(&daemon);
    let controller = Launch::new(binaries.controller(), folder.join("controller.log"))
        .args(&controller)
        // Not in a pod, and not alone on this machine.
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg("--secure-port=0");
    let (mut daemon, mut controller) = (Program::start(daemon)?, Program::start(controller)?);

    let client = plane.client().await?;
    let _kubelet = FakeKubelet::start(&client, &NodeSettings::named("node-1")).await?;
    let nodes = Api::<Node>::all(client);
    eventually("the node is initialised", PATIENCE, async || {
        daemon.ensure_running()?;
        controller.ensure_running()?;
        look::initialized(&nodes.get("node-1").await?)
    })
    .await
    .with_context(|| format!("--- controller\n{}\n--- daemon\n{}", controller.log(), daemon.log()))?;
    controller.stop().await?;
    daemon.stop().await?;
    Ok(())
}
