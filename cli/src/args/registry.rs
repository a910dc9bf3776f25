//! Flags of `registry`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use super::values::{duration, lifetime};

/// About image registries.
#[derive(Clone, Debug, Subcommand)]
pub enum RegistryCommand {
    /// Lists the account's registries.
    List,
    /// Lists a registry's users.
    Users {
        /// The cloud's id of the registry: `cpctl registry list` shows it.
        #[arg(long, value_name = "ID")]
        registry: String,
    },
    /// Changes the name pull secrets log in with: makes a user of that name, rewrites the secrets, and ends the old user later.
    ///
    /// Clouds rename no users. So a user of the new name is made with the rights of the old one, its login is tried, every pull secret that
    /// has the old login gets the new one, and after a grace the old user is revoked: with the same command and --finish. At no moment does a
    /// pull secret lack a login that works. The command may be interrupted anywhere and run again: it goes on where it stood.
    SetUsername(SetUsernameArgs),
    /// Revokes a user. Whatever still logs in with it fails from then on.
    Revoke(RevokeArgs),
    /// Has a login issued that ends by itself.
    Credential(ShortLivedArgs),
}

/// How the cluster with the pull secrets is reached.
#[derive(Args, Clone, Debug, Default)]
pub struct ClusterAccess {
    /// The kubeconfig of the cluster. Default: $KUBECONFIG, ~/.kube/config, or the pod's own service account.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig. Default: the current one.
    #[arg(long, value_name = "NAME")]
    pub kube_context: Option<String>,
}

/// Where pull secrets are looked for.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct ScopeArgs {
    /// A namespace to work in. Repeat it for several.
    #[arg(long, value_name = "NAME")]
    pub namespace: Vec<String>,
    /// Work in every namespace.
    #[arg(long)]
    pub all_namespaces: bool,
}

/// How much is asked and checked.
#[derive(Args, Clone, Copy, Debug)]
pub struct Certainty {
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Show the plan and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not try whether the new login works at the registry.
    #[arg(long)]
    pub skip_verify: bool,
}

/// A change of the name pull secrets log in with.
#[derive(Args, Clone, Debug)]
pub struct SetUsernameArgs {
    /// The cloud's id of the registry: `cpctl registry list` shows it.
    #[arg(long, value_name = "ID")]
    pub registry: String,
    /// The wanted name. The cloud may put a prefix of its own in front.
    #[arg(long, value_name = "NEW")]
    pub username: String,
    /// The user to be replaced, by its id: `cpctl registry users` shows it. Its rights are given to the new one, and pull secrets with its name
    /// are rewritten. Without it only --secret is written.
    #[arg(long, value_name = "USER-ID")]
    pub replaces: Option<String>,
    /// Where pull secrets are.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// A pull secret that shall hold the login in each namespace: made where it is missing.
    #[arg(long, value_name = "NAME")]
    pub secret: Option<String>,
    /// Let ServiceAccounts use what was made: --secret for `default`, and the successors of immutable secrets where those were used.
    #[arg(long)]
    pub service_accounts: bool,
    /// How long the old user stays after the last secret was rewritten.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    pub grace: Duration,
    /// Revoke the old user now, if its grace is over and nothing uses it any more.
    #[arg(long, requires = "replaces")]
    pub finish: bool,
    /// Give a user of that name that an earlier change left behind a new password, although what uses the present one is not in this
    /// cluster and stops to work.
    #[arg(long)]
    pub take_over: bool,
    /// Where the record of the change is kept until it is finished, a Secret. Default: the first --namespace, or kube-system.
    #[arg(long, value_name = "NAME")]
    pub state_namespace: Option<String>,
    /// How much is asked and checked.
    #[command(flatten)]
    pub certainty: Certainty,
    /// The cluster.
    #[command(flatten)]
    pub access: ClusterAccess,
}

/// A user to be revoked.
#[derive(Args, Clone, Debug)]
pub struct RevokeArgs {
    /// The cloud's id of the registry: `cpctl registry list` shows it.
    #[arg(long, value_name = "ID")]
    pub registry: String,
    /// The user, by its id: `cpctl registry users` shows it.
    #[arg(long, value_name = "USER-ID")]
    pub user: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// A login that ends by itself.
#[derive(Args, Clone, Debug)]
pub struct ShortLivedArgs {
    /// The cloud's id of the registry: `cpctl registry list` shows it.
    #[arg(long, value_name = "ID")]
    pub registry: String,
    /// How long it shall last, such as 1h. Default: the cloud's.
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    pub lifetime: Option<Duration>,
    /// What is printed.
    #[arg(long, value_enum, default_value_t = CredentialFormat::Helper)]
    pub format: CredentialFormat,
    /// Print it even to a screen. It is secret.
    #[arg(long)]
    pub stdout: bool,
}

/// What is printed of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CredentialFormat {
    /// What docker credential helpers answer: ServerURL, Username, Secret.
    Helper,
    /// A docker config file with the login for each of the registry's hosts.
    DockerConfig,
    /// The password alone, for `docker login --password-stdin`; the user's name goes to standard error.
    Password,
}
