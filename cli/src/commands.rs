//! The commands: each asks the daemon, does its part here, and shows the result.

mod clusters;
mod info;
mod kubeconfig;
mod load_balancers;
mod registries;
mod set_username;

use std::time::SystemTime;

use crate::{
    Args, Failure, Provider, Terminal,
    args::{ClustersCommand, Command, LoadBalancersCommand, ProviderCommand, RegistryCommand},
    registry_user::moment,
};

/// Does what the command line asks for.
pub(crate) async fn run(args: Args, terminal: &mut Terminal) -> Result<(), Failure> {
    let Args { provider: flags, output, command } = args;
    match command {
        Command::Provider(ProviderCommand::Info) => {
            info::show(&Provider::connect(&flags).await?, output, terminal).await
        }
        Command::Clusters(ClustersCommand::List) => {
            clusters::list(&Provider::connect(&flags).await?, output, terminal).await
        }
        Command::Kubeconfig(args) => kubeconfig::write(&flags, &args, terminal).await,
        Command::Credential(args) => kubeconfig::credential(&flags, &args, terminal).await,
        Command::LoadBalancers(LoadBalancersCommand::List { cluster_id, cluster_name, access }) => {
            let id = load_balancers::cluster_id(cluster_id, &access).await?;
            load_balancers::list(&Provider::connect(&flags).await?, id, cluster_name, output, terminal).await
        }
        Command::Registry(command) => {
            let provider = Provider::connect(&flags).await?;
            match command {
                RegistryCommand::List => registries::list(&provider, output, terminal).await,
                RegistryCommand::Users { registry } => registries::users(&provider, &registry, output, terminal).await,
                RegistryCommand::SetUsername(args) => set_username::run(&provider, args, output, terminal).await,
                RegistryCommand::Revoke(args) => registries::revoke(&provider, &args, terminal).await,
                RegistryCommand::Credential(args) => registries::credential(&provider, &args, terminal).await,
            }
        }
    }
}

/// A time of the API's, for people. Empty: there is none.
fn time(time: Option<prost_types::Timestamp>) -> String {
    time.and_then(|time| SystemTime::try_from(time).ok()).map_or_else(String::new, moment)
}
