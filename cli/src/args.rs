//! The command line. The comments are help texts, shown as they are; `docs/cpctl.md` is made from them.

mod kubeconfig;
mod provider;
mod registry;
mod values;

use clap::{Parser, Subcommand, ValueEnum};

pub use self::{
    kubeconfig::{ClusterArgs, CredentialArgs, Endpoint, KubeconfigArgs},
    provider::ProviderArgs,
    registry::{ClusterAccess, CredentialFormat, RegistryCommand, RevokeArgs, SetUsernameArgs, ShortLivedArgs},
};

/// Kubeconfigs, registry users and more, from a provider daemon that holds the cloud's keys.
#[derive(Clone, Debug, Parser)]
#[command(name = "cpctl", version, max_term_width = 110, after_help = after_help())]
pub struct Args {
    /// The daemon.
    #[command(flatten)]
    pub provider: ProviderArgs,
    /// Form of what is printed.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables for people.
    Table,
    /// JSON for programs.
    Json,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// The daemon itself.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// The cloud's managed clusters.
    #[command(subcommand)]
    Clusters(ClustersCommand),
    /// Has a kubeconfig issued for a managed cluster and merges it into a file.
    Kubeconfig(KubeconfigArgs),
    /// Answers a client's question for credentials, as an exec plugin of kubeconfig files (client.authentication.k8s.io).
    ///
    /// `cpctl kubeconfig --exec` writes the entry that calls it. What it got is kept, for its own user only, until shortly before it
    /// ends.
    Credential(CredentialArgs),
    /// Image registries, their users, and pull secrets.
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Load balancers that the daemon made for a cluster.
    #[command(subcommand)]
    LoadBalancers(LoadBalancersCommand),
}

/// About the daemon itself.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ProviderCommand {
    /// Shakes hands and shows what the daemon is, can and serves.
    Info,
}

/// About managed clusters.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ClustersCommand {
    /// Lists them.
    List,
}

/// About load balancers.
#[derive(Clone, Debug, Subcommand)]
pub enum LoadBalancersCommand {
    /// Lists those that carry a cluster's id.
    List {
        /// The id the controller uses: the UID of the cluster's namespace kube-system, unless it was told another. Default: that UID, read
        /// from the cluster the kubeconfig leads to.
        #[arg(long, value_name = "ID")]
        cluster_id: Option<String>,
        /// The controller's --cluster-name.
        #[arg(long, value_name = "NAME", default_value = "kubernetes")]
        cluster_name: String,
        /// The cluster.
        #[command(flatten)]
        access: ClusterAccess,
    },
}

fn after_help() -> String {
    let mut text = "Exit codes:\n  0  done\n".to_owned();
    for kind in crate::Kind::ALL {
        text += &format!("  {}  {}\n", kind.exit_code(), kind.meaning());
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn flags_of_the_connection_may_stand_behind_the_command() {
        let args =
            Args::try_parse_from(["cpctl", "clusters", "list", "--provider", "unix:/p", "--output=json"]).unwrap();
        assert_eq!((args.provider.provider.as_deref(), args.output), (Some("unix:/p"), Output::Json));
    }
}
