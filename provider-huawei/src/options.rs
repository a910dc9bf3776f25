//! The operator's defaults for load balancers: the content of the Go provider's ConfigMap `loadbalancer-config`, mounted as a
//! file or a folder. An annotation on the Service overrides each of them.

use std::{io, path::Path};

use serde::Deserialize;

/// `loadBalancerOption` of the ConfigMap. Keys it does not know are left alone, as the Go provider did: old files carry some
/// that never had an effect.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", default)]
pub struct LoadBalancerOptions {
    /// Default of `kubernetes.io/elb.class`. Empty: a Service has to say its class.
    pub default_elb_class: String,
    /// Default of `kubernetes.io/elb.lb-algorithm`. Empty: `ROUND_ROBIN`.
    pub lb_algorithm: String,
    /// Default of `kubernetes.io/elb.keep-eip`.
    pub keep_eip: bool,
    /// Default of `kubernetes.io/elb.enable-cross-vpc`.
    pub enable_cross_vpc: bool,
    /// Default of `kubernetes.io/elb.l4-flavor-id`.
    pub l4_flavor_id: String,
    /// Default of `kubernetes.io/elb.l7-flavor-id`.
    pub l7_flavor_id: String,
    /// Default of `kubernetes.io/elb.session-affinity-flag`.
    pub session_affinity_flag: String,
    /// Default of `kubernetes.io/elb.session-affinity-option`.
    pub session_affinity_option: Option<serde_json::Value>,
    /// Default of `kubernetes.io/elb.enable-transparent-client-ip`.
    pub enable_transparent_client_ip: bool,
    /// Default of `kubernetes.io/elb.idle-timeout`, seconds. 0: the platform's.
    pub idle_timeout: u32,
    /// Default of `kubernetes.io/elb.request-timeout`, seconds. 0: the platform's.
    pub request_timeout: u32,
    /// Default of `kubernetes.io/elb.response-timeout`, seconds. 0: the platform's.
    pub response_timeout: u32,
    /// Default of `kubernetes.io/elb.health-check-flag`.
    pub health_check_flag: String,
    /// Default of `kubernetes.io/elb.health-check-option`.
    pub health_check_option: Option<serde_json::Value>,
    /// Default of `kubernetes.io/elb.availability-zones`. New: the Go provider had no defaults that would do for a dedicated load
    /// balancer.
    pub availability_zones: String,
    /// Default of `kubernetes.io/elb.eip-auto-create-option`. New.
    pub eip_auto_create_option: Option<serde_json::Value>,
    /// Replaces the cluster's name in the names the Go provider gave its load balancers: needed to find those.
    pub business_name: String,
    /// Not empty: the Go provider handled only Services of class `huaweicloud.com/elb`. Which Services are asked for is the
    /// controller's matter now, so it has no effect here.
    pub loadbalancer_class: String,
}

/// `networkingOption` of the ConfigMap: which of a server's networks hold which kind of address.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", default)]
pub struct NetworkingOptions {
    /// VPC ids whose addresses count as external.
    pub public_network_name: Vec<String>,
    /// VPC ids whose addresses count as internal. Empty: all.
    pub internal_network_name: Vec<String>,
}

/// What the ConfigMap says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `loadBalancerOption`.
    pub load_balancers: LoadBalancerOptions,
    /// `networkingOption`.
    pub networking: NetworkingOptions,
}

/// Why the options cannot be used: every fault, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct OptionsError(pub Vec<String>);

const LOAD_BALANCER: &str = "loadBalancerOption";
const NETWORKING: &str = "networkingOption";
/// Read by nobody, in the Go provider neither.
const METADATA: &str = "metadataOption";

impl Options {
    /// Reads a mounted ConfigMap: a folder with a file for each key, or one file, which may be the manifest, its `data`, or the
    /// bare content of `loadBalancerOption`. JSON or YAML.
    pub fn load(path: &Path) -> Result<Self, OptionsError> {
        let shown = path.display();
        if !path.is_dir() {
            let text =
                std::fs::read_to_string(path).map_err(|fault| OptionsError(vec![format!("{shown}: {fault}")]))?;
            return Self::parse(&text).map_err(|faults| {
                OptionsError(faults.0.into_iter().map(|fault| format!("{shown}: {fault}")).collect())
            });
        }
        let mut texts = Vec::new();
        for key in [LOAD_BALANCER, NETWORKING] {
            match std::fs::read_to_string(path.join(key)) {
                Ok(text) => texts.push((key, text)),
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
                Err(fault) => return Err(OptionsError(vec![format!("{shown}/{key}: {fault}")])),
            }
        }
        Self::of_keys(texts.iter().map(|(key, text)| (*key, text.as_str())))
    }

    /// Reads one file's content.
    pub fn parse(text: &str) -> Result<Self, OptionsError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let document: serde_json::Value = serde_saphyr::from_str(text)
            .map_err(|fault| OptionsError(vec![format!("is neither JSON nor YAML: {}", first_line(&fault))]))?;
        let data = document.get("data").unwrap_or(&document);
        let keys = [LOAD_BALANCER, NETWORKING, METADATA];
        if !keys.iter().any(|key| data.get(*key).is_some()) && document.get("kind").is_none() {
            let text = document.to_string();
            return Self::of_keys([(LOAD_BALANCER, text.as_str())]);
        }
        let texts: Vec<(&str, String)> = [LOAD_BALANCER, NETWORKING]
            .into_iter()
            .filter_map(|key| {
                let value = data.get(key)?;
                Some((key, value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)))
            })
            .collect();
        Self::of_keys(texts.iter().map(|(key, text)| (*key, text.as_str())))
    }

    fn of_keys<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        let mut faults = Vec::new();
        for (key, text) in texts {
            let text = if text.trim().is_empty() { "{}" } else { text };
            let read = match key {
                LOAD_BALANCER => serde_json::from_str(text).map(|read| options.load_balancers = read),
                _ => serde_json::from_str(text).map(|read| options.networking = read),
            };
            if let Err(fault) = read {
                faults.push(format!("{key}: {fault}"));
            }
        }
        faults.extend(crate::annotations::check_defaults(&options.load_balancers));
        if faults.is_empty() { Ok(options) } else { Err(OptionsError(faults)) }
    }
}

fn first_line(fault: &impl std::fmt::Display) -> String {
    fault.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
