//! Scenario files: the world and what goes wrong in it. The reference for people is this crate's README.

mod check;
mod rule;
mod settings;
mod text;

#[cfg(test)]
mod tests;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::cloud::MachinePatch;

pub(crate) use self::check::Fault;
pub use self::{
    rule::{
        Delay, Effect, Failure, Lie, LoseAnswer, LoseBy, LosePoint, Match, Point, Quota, Rule, RuleCount, StaleReads,
        Throttle, Violation, When,
    },
    settings::{
        AccountSettings, ClusterSettings, InstanceMode, InstanceSettings, IpModeSetting, LoadBalancerSettings,
        MachineSettings, Network, ProviderSettings, RegistrySettings, RouteEntry, RouteSettings, TenantSettings,
    },
    text::{Glob, parse_duration},
};

/// A scenario. The default is an empty cloud that makes machines on demand and where nothing goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// Who the provider is.
    pub provider: ProviderSettings,
    /// Accounts and regions served; the first is where things are made. Default: `mock-account` in `mock-region`.
    pub accounts: Vec<AccountSettings>,
    /// Where addresses come from.
    pub network: Network,
    /// Machines.
    pub instances: InstanceSettings,
    /// Load balancers.
    pub load_balancers: LoadBalancerSettings,
    /// Routes.
    pub routes: RouteSettings,
    /// Account profiles callers may name.
    pub tenants: Vec<TenantSettings>,
    /// Managed clusters. Absent: the provider has no such service.
    pub clusters: Option<Vec<ClusterSettings>>,
    /// Image registries. Absent: the provider has no such service.
    pub registries: Option<Vec<RegistrySettings>>,
    /// Most items in a page of a streamed list. Default 100.
    pub page_size: usize,
    /// How long every call of the API takes at least. Default 0.
    #[serde(deserialize_with = "text::duration")]
    pub latency: Duration,
    /// What goes wrong.
    pub rules: Vec<Rule>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            provider: ProviderSettings::default(),
            accounts: Vec::new(),
            network: Network::default(),
            instances: InstanceSettings::default(),
            load_balancers: LoadBalancerSettings::default(),
            routes: RouteSettings::default(),
            tenants: Vec::new(),
            clusters: None,
            registries: None,
            page_size: 100,
            latency: Duration::ZERO,
            rules: Vec::new(),
        }
    }
}

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("scenario {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not YAML of the right shape: the message says where.
    #[error("scenario: {0}")]
    Shape(String),
    /// It says what cannot be.
    #[error("scenario: {}", Faults(.0))]
    Faults(Vec<(String, String)>),
}

struct Faults<'a>(&'a [Fault]);

impl fmt::Display for Faults<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (field, fault)) in self.0.iter().enumerate() {
            write!(f, "{}{field}: {fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl Scenario {
    /// Reads a scenario from a file.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), or the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = fs::read_to_string(path).map_err(|source| ScenarioError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads a scenario from YAML. JSON is YAML.
    ///
    /// # Errors
    /// A field nobody knows, a value that is none, or things that cannot be: the latter all at once.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = if text.trim().is_empty() { Self::default() } else { from_yaml(text)? };
        scenario.check()
    }

    /// The scenario, if everything it says can be.
    ///
    /// # Errors
    /// All that cannot.
    pub fn check(self) -> Result<Self, ScenarioError> {
        let faults = self.faults();
        if faults.is_empty() { Ok(self) } else { Err(ScenarioError::Faults(faults)) }
    }

    /// The accounts, never empty.
    pub fn accounts(&self) -> Vec<AccountSettings> {
        if self.accounts.is_empty() { vec![AccountSettings::default()] } else { self.accounts.clone() }
    }

    /// The account things are made in.
    pub fn account(&self) -> AccountSettings {
        self.accounts.first().cloned().unwrap_or_default()
    }
}

/// Reads rules from YAML.
///
/// # Errors
/// As [`Scenario::parse`].
pub fn parse_rules(text: &str) -> Result<Vec<Rule>, ScenarioError> {
    check_rules(from_yaml(text)?)
}

/// Reads a list of machines from YAML.
///
/// # Errors
/// A field nobody knows, or a value that is none. What cannot be is for the cloud to say.
pub fn parse_machines(text: &str) -> Result<Vec<MachineSettings>, ScenarioError> {
    from_yaml(text)
}

/// Reads a change of a machine from YAML.
///
/// # Errors
/// As [`parse_machines`].
pub fn parse_patch(text: &str) -> Result<MachinePatch, ScenarioError> {
    from_yaml(text)
}

/// The rules, if everything they say can be.
///
/// # Errors
/// All that cannot.
pub fn check_rules(rules: Vec<Rule>) -> Result<Vec<Rule>, ScenarioError> {
    let faults = check::rule_faults(&rules);
    if faults.is_empty() { Ok(rules) } else { Err(ScenarioError::Faults(faults)) }
}

fn from_yaml<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, ScenarioError> {
    serde_saphyr::from_str(text).map_err(|error| ScenarioError::Shape(error.to_string()))
}
