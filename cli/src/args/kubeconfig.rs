//! Flags of `kubeconfig` and `credential`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::values::lifetime;

/// Which cluster, and what its kubeconfig should be like.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// The cloud's id of the cluster: `cpctl clusters list` shows it.
    #[arg(long, value_name = "ID")]
    pub cluster: String,
    /// The endpoint to reach it by. Default: the cloud's.
    #[arg(long, value_enum)]
    pub endpoint: Option<Endpoint>,
    /// How long the key shall last, such as 1h. Default: the cloud's. Not every cloud lets it be chosen.
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    pub lifetime: Option<Duration>,
}

/// Where a cluster's API server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Endpoint {
    /// From the internet.
    Public,
    /// From the cluster's private network.
    Vpc,
}

impl Endpoint {
    /// As it is written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Vpc => "vpc",
        }
    }
}

/// What to do with a kubeconfig.
#[derive(Args, Clone, Debug)]
pub struct KubeconfigArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// The file to merge it into. Default: the first of $KUBECONFIG, or ~/.kube/config.
    #[arg(long, value_name = "FILE", conflicts_with = "stdout")]
    pub kubeconfig: Option<PathBuf>,
    /// Print it instead of writing a file. It is secret.
    #[arg(long)]
    pub stdout: bool,
    /// Name of the context, and of the cluster and user it joins. Default: cpctl-ID.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Make it the current context. Without a current context it becomes it anyway.
    #[arg(long)]
    pub set_current: bool,
    /// Write an entry that has cpctl fetch the credential when it is needed, so that no key is in the file.
    #[arg(long)]
    pub exec: bool,
    /// The program of the --exec entry. Default: cpctl, if that is what is found on the path, or else where this program is.
    #[arg(long, value_name = "PATH", requires = "exec")]
    pub exec_command: Option<String>,
    /// Overwrite entries of these names that cpctl did not write.
    #[arg(long)]
    pub force: bool,
}

/// For an exec plugin.
#[derive(Args, Clone, Debug)]
pub struct CredentialArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Keep nothing, and use nothing that was kept.
    #[arg(long)]
    pub no_cache: bool,
    /// Print it even if a person and no client is asking. It is secret.
    #[arg(long)]
    pub stdout: bool,
}
