//! The configuration: the `cloud-config` file of the Go provider, with more keys, and its fallbacks in the environment.
//!
//! Unknown keys are ignored, as they always were, and told. All faults are reported at once.

mod ini;
mod keys;
mod page;
mod profile;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use cloud_rest::{Credentials, Secret, Url};

pub use self::page::markdown;
pub use self::profile::{Features, Profile, Signature};
use crate::endpoints::{Endpoints, Service, Templates, base_url, without_version};

/// Reads an environment variable; a function, so that tests need no process environment.
pub type Environment<'a> = &'a (dyn Fn(&str) -> Option<String> + Send + Sync);

/// The process's own environment.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// One account profile's configuration, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from, if it was one.
    pub file: Option<PathBuf>,
    /// Region id.
    pub region: String,
    /// Project id, if it is given.
    pub project_id: Option<String>,
    /// Enterprise project of what is created.
    pub enterprise_project_id: Option<String>,
    /// VPC, subnet and security group.
    pub vpc: Vpc,
    /// Base URLs.
    pub endpoints: Endpoints,
    /// The kind of installation, and what it has.
    pub profile: Profile,
    /// Where keys come from.
    pub keys: Keys,
    /// The agency that is assumed with them.
    pub agency: Option<Agency>,
    /// Connections.
    pub connection: Connection,
}

impl Config {
    /// Whether another configuration differs in more than its keys: such a change needs a restart.
    pub fn differs_beyond_keys(&self, other: &Self) -> bool {
        Self { keys: self.keys.clone(), ..other.clone() } != *self
    }
}

/// The section `Vpc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vpc {
    /// VPC id.
    pub id: Option<String>,
    /// IPv4 subnet id of new load balancers' addresses.
    pub subnet_id: Option<String>,
    /// Security group of nodes.
    pub security_group_id: Option<String>,
    /// Route table of pod networks. `None`: the VPC's default one.
    pub route_table_id: Option<String>,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// The configuration file.
    Given(Credentials),
    /// A folder with a file for each.
    Folder(PathBuf),
    /// The environment.
    Environment(Credentials),
    /// The machine's agency, through its metadata service.
    Metadata {
        /// The service's address.
        endpoint: Url,
        /// Whether it may have tokens.
        token: bool,
    },
}

/// An agency to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agency {
    /// Its name.
    pub name: String,
    /// Its account's id.
    pub domain_id: Option<String>,
    /// Its account's name.
    pub domain_name: Option<String>,
    /// How long its keys shall last.
    pub duration: Duration,
}

/// How services are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// PEM certificates trusted beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// Proxy.
    pub proxy: Option<String>,
    /// Whether the environment may name a proxy.
    pub proxy_from_environment: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest time of one attempt.
    pub request_timeout: Duration,
}

/// A configuration and what people should know about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Keys and sections that are ignored, and values that are odd.
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

/// What is collected from the file before it is put together.
#[derive(Debug)]
struct Draft {
    region: String,
    access_key: String,
    secret_key: Secret,
    security_token: Option<Secret>,
    secret_folder: Option<PathBuf>,
    project_id: Option<String>,
    enterprise_project_id: Option<String>,
    cloud: Option<String>,
    auth_url: Option<Url>,
    profile: Option<String>,
    profile_file: Option<PathBuf>,
    ca_files: Vec<PathBuf>,
    proxy: Option<String>,
    proxy_from_environment: bool,
    connect_timeout: Duration,
    request_timeout: Duration,
    signature: Option<Signature>,
    sign_host: Option<bool>,
    agency_name: String,
    agency_domain_id: Option<String>,
    agency_domain_name: Option<String>,
    agency_duration: Duration,
    metadata_endpoint: Option<Url>,
    vpc: Vpc,
    endpoints: BTreeMap<Service, Url>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            region: String::new(),
            access_key: String::new(),
            secret_key: Secret::default(),
            security_token: None,
            secret_folder: None,
            project_id: None,
            enterprise_project_id: None,
            cloud: None,
            auth_url: None,
            profile: None,
            profile_file: None,
            ca_files: Vec::new(),
            proxy: None,
            proxy_from_environment: false,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(1),
            signature: None,
            sign_host: None,
            agency_name: String::new(),
            agency_domain_id: None,
            agency_domain_name: None,
            agency_duration: Duration::from_hours(1),
            metadata_endpoint: None,
            vpc: Vpc::default(),
            endpoints: BTreeMap::new(),
        }
    }
}

/// Reads a file.
pub fn load(path: &Path, environment: Environment<'_>) -> Result<Loaded, Faults> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Faults(vec![format!("cloud-config {}: {error}", path.display())]))?;
    let loaded = parse(&text, environment);
    let loaded = loaded.map(|mut loaded| {
        loaded.config.file = Some(path.to_owned());
        loaded
    });
    loaded.map_err(|Faults(faults)| Faults(faults.iter().map(|fault| format!("{}: {fault}", path.display())).collect()))
}

/// Reads a file's text.
pub fn parse(text: &str, environment: Environment<'_>) -> Result<Loaded, Faults> {
    let (entries, faults) = ini::parse(text);
    let mut faults: Vec<String> =
        faults.into_iter().map(|fault| format!("line {}: {}", fault.line, fault.what)).collect();
    let (mut draft, mut warnings) = (Draft::default(), Vec::new());
    for entry in &entries {
        let key = keys::KEYS.iter().find(|key| {
            entry.subsection.is_empty() && key.section.eq_ignore_ascii_case(&entry.section) && key.name == entry.key
        });
        let Some(key) = key else {
            warnings.push(format!("line {}: [{}] {} is unknown and ignored", entry.line, entry.section, entry.key));
            continue;
        };
        let value = entry.value.trim();
        if value.is_empty() {
            continue;
        }
        if let Err(fault) = (key.apply)(&mut draft, value) {
            faults.push(format!("line {}: [{}] {} {fault}", entry.line, key.section, key.name));
        }
    }
    let config = draft.finish(environment, &mut faults);
    match config {
        Some(config) if faults.is_empty() => Ok(Loaded { config, warnings }),
        _ => Err(Faults(faults)),
    }
}

impl Draft {
    fn finish(self, environment: Environment<'_>, faults: &mut Vec<String>) -> Option<Config> {
        let profile = self.chosen_profile(faults);
        if self.region.is_empty() {
            faults.push("[Global] region is missing: name the region, such as `ap-southeast-1`".to_owned());
        }
        let mut profile = profile?;
        profile.signature = self.signature.unwrap_or(profile.signature);
        profile.sign_host = self.sign_host.unwrap_or(profile.sign_host);
        let keys = self.keys(&profile, environment, faults);
        let agency = self.agency(faults);
        let endpoints = self.endpoints(&profile, environment, faults);
        Some(Config {
            file: None,
            region: self.region,
            project_id: self.project_id.or_else(|| set(environment, "HUAWEICLOUD_SDK_PROJECT_ID")),
            enterprise_project_id: self.enterprise_project_id,
            vpc: self.vpc,
            endpoints: endpoints?,
            profile,
            keys: keys?,
            agency,
            connection: Connection {
                ca_files: self.ca_files,
                proxy: self.proxy,
                proxy_from_environment: self.proxy_from_environment,
                connect_timeout: self.connect_timeout,
                request_timeout: self.request_timeout,
            },
        })
    }

    fn chosen_profile(&self, faults: &mut Vec<String>) -> Option<Profile> {
        let read = match (&self.profile, &self.profile_file) {
            (Some(_), Some(_)) => Err("[Global] profile and profile-file exclude each other: keep one".to_owned()),
            (_, Some(file)) => std::fs::read_to_string(file)
                .map_err(|error| error.to_string())
                .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
                .map_err(|error| format!("[Global] profile-file {}: {error}", file.display())),
            (name, None) => {
                let name = name.as_deref().unwrap_or(Profile::DEFAULT);
                Profile::named(name).cloned().ok_or_else(|| {
                    let known: Vec<&str> = Profile::all().map(|(name, _)| name).collect();
                    format!("[Global] profile `{name}` is unknown: one of {}", known.join(", "))
                })
            }
        };
        read.map_err(|fault| faults.push(fault)).ok()
    }

    fn endpoints(
        &self,
        profile: &Profile,
        environment: Environment<'_>,
        faults: &mut Vec<String>,
    ) -> Option<Endpoints> {
        let Some(cloud) = self.cloud.as_deref().or(profile.cloud.as_deref()) else {
            faults.push("[Global] cloud is missing: this profile has no default, name the site's domain".to_owned());
            return None;
        };
        let mut overrides = self.endpoints.clone();
        if let Some(iam) =
            set(environment, "HUAWEICLOUD_SDK_IAM_ENDPOINT").filter(|_| !overrides.contains_key(&Service::Iam))
        {
            match base_url(&iam) {
                Ok(url) => drop(overrides.insert(Service::Iam, without_version(url))),
                Err(fault) => faults.push(format!("HUAWEICLOUD_SDK_IAM_ENDPOINT {fault}")),
            }
        }
        if let Some(url) = &self.auth_url {
            overrides.entry(Service::Iam).or_insert_with(|| without_version(url.clone()));
        }
        let templates = Templates { service: &profile.service, iam: &profile.iam };
        Endpoints::new(&templates, &self.region, cloud, &overrides).map_err(|fault| faults.push(fault)).ok()
    }

    fn keys(&self, profile: &Profile, environment: Environment<'_>, faults: &mut Vec<String>) -> Option<Keys> {
        match (self.access_key.is_empty(), self.secret_key.is_empty()) {
            (false, false) => {
                let token = self.security_token.clone();
                let (id, secret) = (self.access_key.clone(), self.secret_key.clone());
                return Some(Keys::Given(Credentials { id, secret, token, expires_at: None }));
            }
            (true, false) => faults.push("[Global] access-key is missing beside secret-key".to_owned()),
            (false, true) => faults.push("[Global] secret-key is missing beside access-key".to_owned()),
            (true, true) if self.security_token.is_some() => {
                faults.push("[Global] security-token needs access-key and secret-key beside it".to_owned());
            }
            (true, true) => return self.keys_from_elsewhere(profile, environment, faults),
        }
        None
    }

    fn keys_from_elsewhere(
        &self,
        profile: &Profile,
        environment: Environment<'_>,
        faults: &mut Vec<String>,
    ) -> Option<Keys> {
        if let Some(folder) = &self.secret_folder {
            return Some(Keys::Folder(folder.clone()));
        }
        match (set(environment, "HUAWEICLOUD_SDK_AK"), set(environment, "HUAWEICLOUD_SDK_SK")) {
            (Some(id), Some(secret)) => {
                let token = set(environment, "HUAWEICLOUD_SDK_SECURITY_TOKEN").map(Secret::new);
                Some(Keys::Environment(Credentials { id, secret: Secret::new(secret), token, expires_at: None }))
            }
            (None, None) if profile.features.agencies => {
                let endpoint = self.metadata_endpoint.clone();
                let endpoint = endpoint.unwrap_or_else(|| METADATA.parse().expect("a URL"));
                Some(Keys::Metadata { endpoint, token: profile.features.metadata_token })
            }
            (None, None) => {
                faults.push("[Global] access-key and secret-key are missing, and machines of this profile have no agency to use instead".to_owned());
                None
            }
            _ => {
                faults
                    .push("of HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK only one is set: set both or none".to_owned());
                None
            }
        }
    }

    fn agency(&self, faults: &mut Vec<String>) -> Option<Agency> {
        let (domain_id, domain_name) = (self.agency_domain_id.clone(), self.agency_domain_name.clone());
        match (self.agency_name.is_empty(), domain_id.is_some() || domain_name.is_some()) {
            (true, false) => None,
            (true, true) => {
                faults.push("[Global] agency-name is missing beside the agency's account".to_owned());
                None
            }
            (false, false) => {
                faults.push("[Global] agency-domain-id or agency-domain-name is missing beside agency-name".to_owned());
                None
            }
            (false, true) => {
                Some(Agency { name: self.agency_name.clone(), domain_id, domain_name, duration: self.agency_duration })
            }
        }
    }
}

/// Where machines find their metadata.
const METADATA: &str = "http://169.254.169.254";

fn set(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
