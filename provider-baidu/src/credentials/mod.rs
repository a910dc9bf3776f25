//! Where keys come from: the configuration, a folder, the gateway's token, the machine's role, and a role assumed with one of these.

mod files;
mod metadata;
mod sts;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use cloud_rest::{Client, Dialect, Settings, Sign, Source, Transport};

pub use self::{
    files::{ConfigFile, KeyFolder, TokenFolder},
    metadata::Metadata,
    sts::AssumedRole,
};
use provider_kit::rest::Traces;

use crate::{
    config::{Config, Keys},
    dialect::Baidu,
    endpoints::Service,
    sign::{AccessKey, Gateway},
};

/// What the calls of an account profile are signed with, and how.
pub struct Signing {
    /// Puts the signature on.
    pub sign: Arc<dyn Sign>,
    /// Reads refusals.
    pub dialect: Arc<dyn Dialect>,
    /// Where keys come from.
    pub source: Arc<dyn Source>,
    /// Files and folders whose change means that there may be others.
    pub watched: Vec<PathBuf>,
}

/// As the configuration wants it. `file` is where the configuration was read, and is read again for its keys; `direct` is a transport
/// without a proxy, for the metadata service.
///
/// The error names what is unfit.
pub fn signing(
    account: &str,
    config: &Config,
    file: Option<PathBuf>,
    transport: &Transport,
    direct: &Transport,
    traces: &Traces,
) -> Result<Signing, String> {
    let (mut sign, mut gateway): (Arc<dyn Sign>, bool) = (Arc::new(AccessKey::default()), false);
    let mut watched = Vec::new();
    let source: Arc<dyn Source> = match &config.keys {
        Keys::Given(credentials) => match file {
            None => Arc::new(credentials.clone()),
            Some(file) => {
                watched.push(file.clone());
                Arc::new(ConfigFile(file))
            }
        },
        Keys::Folder(folder) => {
            watched.push(folder.clone());
            Arc::new(KeyFolder(folder.clone()))
        }
        Keys::Gateway { url, folder } => {
            watched.push(folder.clone());
            sign = Arc::new(Gateway::new(url, &config.cluster_id).map_err(|fault| format!("GatewayEndpoint {fault}"))?);
            gateway = true;
            Arc::new(TokenFolder(folder.clone()))
        }
        Keys::Metadata { endpoint } => Arc::new(Metadata::new(account, direct.clone(), endpoint.clone())),
    };
    let dialect: Arc<dyn Dialect> = Arc::new(Baidu { gateway });
    let source = match &config.role {
        None => source,
        Some(role) => {
            let settings = Settings::new(account, transport.clone(), sign.clone(), dialect.clone(), source);
            let settings = Settings { metrics: traces.metrics(), ..settings };
            let (client, base) = (Client::new(settings), config.endpoints.of(Service::Sts).clone());
            Arc::new(AssumedRole::new(client, base, role.clone()))
        }
    };
    Ok(Signing { sign, dialect, source, watched })
}
