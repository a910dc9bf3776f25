//! The command line of the controller.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use control_plane::ControlPlane;
use control_plane::process::Launch;

use crate::{Binaries, binaries, manifests};

/// What a controller is started with.
#[derive(Clone, Debug)]
pub struct ControllerSettings {
    /// Whose rights it has.
    pub kubeconfig: PathBuf,
    /// `--provider`, each.
    pub providers: Vec<String>,
    /// `--cluster-name`.
    pub cluster_name: String,
    /// Whether it takes part in a leader election; otherwise it is alone.
    pub leader_elect: bool,
    /// Where it serves HTTPS; 0: not at all.
    pub secure_port: u16,
    /// Further flags.
    pub args: Vec<String>,
}

impl ControllerSettings {
    /// A controller on its own for one provider.
    pub fn new(kubeconfig: impl Into<PathBuf>, provider: impl Into<String>) -> Self {
        Self {
            kubeconfig: kubeconfig.into(),
            providers: vec![provider.into()],
            cluster_name: "test".to_owned(),
            leader_elect: false,
            secure_port: 0,
            args: Vec::new(),
        }
    }

    /// Adds a flag.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// The command, with its log in a file of this folder.
    pub fn launch(&self, binaries: &Binaries, folder: &Path, name: &str) -> Launch {
        Launch::new(binaries.controller(), folder.join(format!("{name}.log")))
            .arg(format!("--kubeconfig={}", self.kubeconfig.display()))
            .args(self.providers.iter().map(|provider| format!("--provider={provider}")))
            .arg(format!("--cluster-name={}", self.cluster_name))
            .arg(format!("--leader-elect={}", self.leader_elect))
            .arg(format!("--secure-port={}", self.secure_port))
            .args(&self.args)
    }
}

/// Applies the manifest that people apply, and answers a kubeconfig of its service account: its rights and no others.
pub async fn rights(plane: &ControlPlane) -> Result<PathBuf> {
    let manifest = binaries::workspace_root().join("deploy/rbac.yaml");
    let yaml = std::fs::read_to_string(&manifest).with_context(|| format!("read {}", manifest.display()))?;
    manifests::apply(&plane.client().await?, &yaml).await?;
    plane.service_account_kubeconfig("kube-system", "cloud-controller-manager").await
}
