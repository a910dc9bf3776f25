//! What is collected from the file, and how it is put together.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use cloud_rest::{Credentials, Secret, TransportSettings, Url};

use super::{Config, Environment, InstanceTypeStyle, Keys, NodeSettings, Profile, Role, ZoneStyle};
use crate::endpoints::{Endpoints, Plain, Service, Templates, read_url};

/// Where machines find their metadata.
const METADATA: &str = "http://169.254.169.254";
/// Where the Secret with the gateway's token is mounted.
const TOKEN_FOLDER: &str = "/var/run/secrets/cce/cce-plugin-token";
/// The region the SDK takes when none is named.
const DEFAULT_REGION: &str = "bj";
/// The public regions.
const REGIONS: [&str; 11] = ["bj", "gz", "su", "bd", "fwh", "hkg", "yq", "nj", "cd", "fsh", "sin"];

/// The file's values, as far as they are fit by themselves.
#[derive(Debug)]
pub(super) struct Draft {
    pub cluster_id: String,
    pub cluster_name: String,
    pub region: String,
    pub account_id: Option<String>,
    pub vpc_id: Option<String>,
    pub subnet_ids: Vec<String>,
    pub profile: Option<String>,
    pub profile_file: Option<PathBuf>,
    pub dry_run: bool,
    pub source: Option<String>,
    pub access_key: String,
    pub secret_key: Secret,
    pub session_token: Option<Secret>,
    pub secret_folder: Option<PathBuf>,
    pub token_folder: Option<PathBuf>,
    pub metadata: Option<Url>,
    pub role_name: String,
    pub role_account: Option<String>,
    pub role_user: Option<String>,
    pub role_duration: Duration,
    pub endpoint: Option<String>,
    pub endpoints: BTreeMap<Service, String>,
    pub gateway: Option<String>,
    pub ca_files: Vec<PathBuf>,
    pub proxy: Option<String>,
    pub proxy_from_environment: bool,
    pub connect_timeout: Option<Duration>,
    pub request_timeout: Option<Duration>,
    pub bare_metal: Option<bool>,
    pub instance_type_style: Option<InstanceTypeStyle>,
    pub nodes: NodeSettings,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            cluster_id: String::new(),
            cluster_name: String::new(),
            region: String::new(),
            account_id: None,
            vpc_id: None,
            subnet_ids: Vec::new(),
            profile: None,
            profile_file: None,
            dry_run: false,
            source: None,
            access_key: String::new(),
            secret_key: Secret::default(),
            session_token: None,
            secret_folder: None,
            token_folder: None,
            metadata: None,
            role_name: String::new(),
            role_account: None,
            role_user: None,
            role_duration: Duration::from_hours(2),
            endpoint: None,
            endpoints: BTreeMap::new(),
            gateway: None,
            ca_files: Vec::new(),
            proxy: None,
            proxy_from_environment: false,
            connect_timeout: None,
            request_timeout: None,
            bare_metal: None,
            instance_type_style: None,
            nodes: NodeSettings {
                external_ip: true,
                instance_type_style: InstanceTypeStyle::Spec,
                zone_style: ZoneStyle::Cce,
                tag_labels: Vec::new(),
            },
        }
    }
}

/// Where faults and warnings go while the parts are put together.
struct Notes<'a> {
    faults: &'a mut Vec<String>,
    warnings: &'a mut Vec<String>,
}

impl Notes<'_> {
    fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    /// Reads an address and notes what there is to say about it.
    fn url(&mut self, name: &str, text: &str, plain: Plain) -> Option<Url> {
        match read_url(text, plain) {
            Ok((url, warning)) => {
                self.warnings.extend(warning.map(|warning| format!("{name} {warning}")));
                Some(url)
            }
            Err(fault) => {
                self.fault(format!("{name} {fault}"));
                None
            }
        }
    }
}

impl Draft {
    pub(super) fn finish(
        mut self,
        environment: Environment<'_>,
        faults: &mut Vec<String>,
        warnings: &mut Vec<String>,
    ) -> Option<Config> {
        let notes = &mut Notes { faults, warnings };
        if self.cluster_id.is_empty() {
            notes.fault("ClusterId is missing: name the cluster by CCE's id, such as `cce-1a2b3c4d`");
        }
        self.settle_region(notes);
        self.settle_nodes(notes);
        let profile = self.chosen_profile(notes);
        let role = self.role(notes);
        let mut profile = profile?;
        profile.features.bbc = self.bare_metal.unwrap_or(profile.features.bbc);
        if role.is_some() && !profile.features.roles {
            notes.fault("RoleName: this profile's installation has no roles to assume");
        }
        let endpoints = self.endpoints(&profile, notes);
        let keys = self.keys(&profile, environment, notes);
        let mut subnet_ids: Vec<String> = Vec::new();
        for id in self.subnet_ids {
            if !subnet_ids.contains(&id) {
                subnet_ids.push(id);
            }
        }
        let account_id = self.account_id.or(self.role_account).unwrap_or_else(|| self.cluster_id.clone());
        let defaults = TransportSettings::default();
        Some(Config {
            transport: TransportSettings {
                connect_timeout: self.connect_timeout.unwrap_or(defaults.connect_timeout),
                timeout: self.request_timeout.unwrap_or(defaults.timeout),
                ca_files: self.ca_files,
                proxy: self.proxy,
                proxy_from_environment: self.proxy_from_environment,
                // What the Go provider sends, so that the cloud's own records stay alike.
                user_agent: format!("cce-k8s:{}", self.cluster_id),
                ..defaults
            },
            cluster_id: self.cluster_id,
            cluster_name: self.cluster_name,
            region: self.region,
            account_id,
            vpc_id: self.vpc_id,
            subnet_ids,
            endpoints: endpoints?,
            profile,
            keys: keys?,
            role,
            nodes: self.nodes,
            dry_run: self.dry_run,
        })
    }

    fn settle_region(&mut self, notes: &mut Notes<'_>) {
        match self.region.as_str() {
            "" => {
                notes.warnings.push(format!("Region is missing: `{DEFAULT_REGION}` is taken"));
                DEFAULT_REGION.clone_into(&mut self.region);
            }
            "hk" => "hkg".clone_into(&mut self.region),
            region if !REGIONS.contains(&region) => {
                notes.warnings.push(format!("Region `{region}` is none of {}", REGIONS.join(", ")));
            }
            _ => {}
        }
    }

    fn settle_nodes(&mut self, notes: &mut Notes<'_>) {
        match self.instance_type_style {
            Some(style) => self.nodes.instance_type_style = style,
            None => notes.warnings.push(
                "InstanceTypeStyle is not set: nodes are labelled with their specs; set `legacy` to keep the labels of the Go provider"
                    .to_owned(),
            ),
        }
        for key in &self.nodes.tag_labels {
            let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if key.is_empty() || key.len() > 63 || !key.chars().all(fit) {
                notes.faults.push(format!("NodeTagLabels: `{key}` cannot be the name of a label"));
            }
        }
    }

    fn chosen_profile(&self, notes: &mut Notes<'_>) -> Option<Profile> {
        let read = match (&self.profile, &self.profile_file) {
            (Some(_), Some(_)) => Err("Profile and ProfileFile exclude each other: keep one".to_owned()),
            (_, Some(file)) => std::fs::read_to_string(file)
                .map_err(|error| error.to_string())
                .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
                .map_err(|error| format!("ProfileFile {}: {error}", file.display())),
            (name, None) => {
                let name = name.as_deref().unwrap_or(Profile::DEFAULT);
                Profile::named(name).cloned().ok_or_else(|| {
                    let known: Vec<&str> = Profile::all().map(|(name, _)| name).collect();
                    format!("Profile `{name}` is unknown: one of {}", known.join(", "))
                })
            }
        };
        read.map_err(|fault| notes.fault(fault)).ok()
    }

    fn endpoints(&self, profile: &Profile, notes: &mut Notes<'_>) -> Option<Endpoints> {
        let plain = if profile.plain_http { Plain::Allowed } else { Plain::Replaced };
        let mut overrides = BTreeMap::new();
        for (service, text) in &self.endpoints {
            overrides.extend(notes.url(&format!("Endpoints {service}"), text, plain).map(|url| (*service, url)));
        }
        let endpoint = self.endpoint.as_deref().map(|text| notes.url("Endpoint", text, plain));
        let endpoint = match endpoint {
            Some(None) => return None,
            Some(endpoint) => endpoint,
            None => None,
        };
        if let Some(url) = endpoint.as_ref().filter(|_| !profile.has_one_base()) {
            overrides.entry(Service::Cce).or_insert_with(|| url.clone());
        }
        let templates = Templates { service: &profile.service, own: &profile.own };
        let endpoints = Endpoints::new(&templates, &self.region, endpoint.as_ref(), &overrides);
        endpoints.map_err(|fault| notes.fault(fault)).ok()
    }

    fn keys(&self, profile: &Profile, environment: Environment<'_>, notes: &mut Notes<'_>) -> Option<Keys> {
        let has_key = !self.access_key.is_empty() || !self.secret_key.is_empty();
        let source = match self.source.as_deref() {
            Some("sts") if self.role_name.is_empty() => {
                notes.fault("RoleName is missing: CredentialSource `sts` assumes a role");
                return None;
            }
            Some("sts") if has_key => "static",
            Some("sts") if self.secret_folder.is_some() => "file",
            Some("sts") => "imds",
            Some(source) => source,
            None if profile.gateway.is_some() => "gateway",
            None if has_key => "static",
            None if self.secret_folder.is_some() => "file",
            None => {
                notes.fault(
                    "AccessKeyID and SecretAccessKey are missing: set them, or SecretFolder, or CredentialSource to `gateway` (clusters \
                     that CCE runs) or `imds` (the machine's role)",
                );
                return None;
            }
        };
        match source {
            "static" => Some(self.given(notes)),
            "file" => {
                if self.secret_folder.is_none() {
                    notes.fault("SecretFolder is missing: CredentialSource `file` reads it");
                }
                self.secret_folder.clone().map(Keys::Folder)
            }
            "gateway" => self.gateway(profile, environment, notes),
            "imds" if !profile.features.roles => {
                notes.fault("CredentialSource `imds`: machines of this profile have no roles");
                None
            }
            "imds" => {
                let endpoint = self.metadata.clone().unwrap_or_else(|| METADATA.parse().expect("a URL"));
                Some(Keys::Metadata { endpoint })
            }
            other => {
                notes.fault(format!("CredentialSource is `{other}`: one of static, file, gateway, imds, sts"));
                None
            }
        }
    }

    fn given(&self, notes: &mut Notes<'_>) -> Keys {
        for (name, missing) in
            [("AccessKeyID", self.access_key.is_empty()), ("SecretAccessKey", self.secret_key.is_empty())]
        {
            if missing {
                notes.fault(format!("{name} is missing: the keys of this file are to be used"));
            }
        }
        Keys::Given(Credentials {
            id: self.access_key.clone(),
            secret: self.secret_key.clone(),
            token: self.session_token.clone(),
            expires_at: None,
        })
    }

    fn gateway(&self, profile: &Profile, environment: Environment<'_>, notes: &mut Notes<'_>) -> Option<Keys> {
        if !self.role_name.is_empty() {
            notes.fault("RoleName: behind the gateway no role can be assumed, for there are no keys to assume it with");
        }
        let set = |name: &str| environment(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let from_environment = || set("CCE_GATEWAY_ENDPOINT").or_else(|| set("CCE_GATEWAY_HOST"));
        let from_profile = || profile.gateway.as_ref().map(|template| template.replace("{region}", &self.region));
        let Some(text) = self.gateway.clone().or_else(from_environment).or_else(from_profile) else {
            notes.fault("GatewayEndpoint is missing: this profile knows no gateway");
            return None;
        };
        // CCE's gateway is plain HTTP, inside the user's own VPC.
        let text = if text.contains("://") { text } else { format!("http://{text}") };
        let url = match read_url(&text, Plain::Allowed) {
            Ok((url, _)) => url,
            Err(fault) => {
                notes.fault(format!("GatewayEndpoint {fault}"));
                return None;
            }
        };
        if let Err(fault) = crate::sign::Gateway::new(&url, &self.cluster_id) {
            notes.fault(format!("GatewayEndpoint {fault}"));
        }
        let folder = self.token_folder.clone().unwrap_or_else(|| PathBuf::from(TOKEN_FOLDER));
        Some(Keys::Gateway { url, folder })
    }

    fn role(&self, notes: &mut Notes<'_>) -> Option<Role> {
        match (self.role_name.is_empty(), self.role_account.clone()) {
            (true, None) => {}
            (true, Some(_)) => notes.fault("RoleName is missing beside RoleAccountId"),
            (false, None) => notes.fault("RoleAccountId is missing beside RoleName"),
            (false, Some(account_id)) => {
                return Some(Role {
                    name: self.role_name.clone(),
                    account_id,
                    user_id: self.role_user.clone(),
                    duration: self.role_duration,
                });
            }
        }
        None
    }
}
