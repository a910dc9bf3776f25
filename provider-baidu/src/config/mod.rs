//! The configuration: the JSON file of the Go provider, with more keys.
//!
//! Names are read in any case, as Go does. Unknown keys are ignored, as they always were, and told. All faults are reported at once.

mod draft;
mod json;
mod keys;
mod page;
mod profile;

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use cloud_rest::{Credentials, TransportSettings, Url};
use serde_json::Value;

use self::draft::Draft;
pub use self::page::markdown;
pub use self::profile::{Features, Profile};
use crate::endpoints::Endpoints;

/// Reads an environment variable; a function, so that tests need no process environment.
pub type Environment<'a> = &'a (dyn Fn(&str) -> Option<String> + Send + Sync);

/// One account profile's configuration, complete and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// CCE's id of the cluster.
    pub cluster_id: String,
    /// What people call it.
    pub cluster_name: String,
    /// Region code.
    pub region: String,
    /// The account's id, or what stands for it.
    pub account_id: String,
    /// VPC of routes and load balancers.
    pub vpc_id: Option<String>,
    /// Subnets of load balancers, in order of preference.
    pub subnet_ids: Vec<String>,
    /// Base URLs.
    pub endpoints: Endpoints,
    /// The kind of installation, and what it has.
    pub profile: Profile,
    /// Where keys come from.
    pub keys: Keys,
    /// The role that is assumed with them.
    pub role: Option<Role>,
    /// Connections.
    pub transport: TransportSettings,
    /// How nodes are described.
    pub nodes: NodeSettings,
    /// Whether calls that change something are refused.
    pub dry_run: bool,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// The configuration file.
    Given(Credentials),
    /// A folder with a file for each.
    Folder(PathBuf),
    /// No key but a token, for the gateway that signs.
    Gateway {
        /// Where the gateway is.
        url: Url,
        /// The folder of the token.
        folder: PathBuf,
    },
    /// The machine's role, through its metadata service.
    Metadata {
        /// The service's address.
        endpoint: Url,
    },
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its account's id.
    pub account_id: String,
    /// The user who assumes it.
    pub user_id: Option<String>,
    /// How long its keys shall last.
    pub duration: Duration,
}

/// How nodes are described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// Public addresses are shown.
    pub external_ip: bool,
    /// The size's name.
    pub instance_type_style: InstanceTypeStyle,
    /// The zone's name.
    pub zone_style: ZoneStyle,
    /// Keys of the tags that become labels.
    pub tag_labels: Vec<String>,
}

/// What a machine's size is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceTypeStyle {
    /// `bcc.g5.c4m16`.
    Spec,
    /// `BCC` or `GPU`, as the Go provider did.
    Legacy,
}

/// What a zone is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneStyle {
    /// `zoneA`, as CCE does.
    Cce,
    /// `cn-bj-a`, as BCC does.
    Cloud,
}

/// A configuration and what people should know about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Keys that are ignored, and values that are odd.
    pub warnings: Vec<String>,
}

/// Everything that is wrong, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Faults {}

/// Reads a file.
pub fn load(path: &Path, environment: Environment<'_>) -> Result<Loaded, Faults> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Faults(vec![format!("cloud-config {}: {error}", path.display())]))?;
    parse(&text, environment)
        .map_err(|Faults(faults)| Faults(faults.iter().map(|fault| format!("{}: {fault}", path.display())).collect()))
}

/// Reads a file's text.
pub fn parse(text: &str, environment: Environment<'_>) -> Result<Loaded, Faults> {
    let pairs = json::parse(text).map_err(|fault| Faults(vec![fault]))?.0;
    let (mut draft, mut faults, mut warnings) = (Draft::default(), Vec::new(), Vec::new());
    for (at, (name, value)) in pairs.iter().enumerate() {
        let Some(key) = keys::KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name)) else {
            warnings.push(format!("{name} is unknown and ignored"));
            continue;
        };
        if pairs[at + 1..].iter().any(|(later, _)| later.eq_ignore_ascii_case(name)) {
            warnings.push(format!("{name} is there more than once: the last one counts"));
            continue;
        }
        if is_nothing(value) {
            continue;
        }
        if let Err(fault) = (key.apply)(&mut draft, value) {
            faults.push(format!("{} {fault}", key.name));
        }
    }
    match draft.finish(environment, &mut faults, &mut warnings) {
        Some(config) if faults.is_empty() => Ok(Loaded { config, warnings }),
        _ => Err(Faults(faults)),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests;
