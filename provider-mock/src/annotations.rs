//! The annotations this provider reads.

use std::collections::HashMap;

use crate::scenario::IpModeSetting;

/// Prefix of this provider's own annotations.
pub const PREFIX: &str = "mock.cloudprovider.io/";
/// On a Service: how packets arrive, `proxy` or `vip`. Default: the scenario's `loadBalancers.ipMode`.
pub const IP_MODE: &str = "mock.cloudprovider.io/ip-mode";
/// On a Service: a DNS name to answer in place of the address.
pub const HOSTNAME: &str = "mock.cloudprovider.io/hostname";
/// On a Service: a label selector; only nodes with such labels receive its traffic. The caller applies it.
pub const NODE_SELECTOR: &str = "mock.cloudprovider.io/node-selector";
/// On a Node, written by the kubelet: the IPs given by `--node-ip`. A machine made on demand takes the first.
pub const PROVIDED_NODE_IP: &str = "alpha.kubernetes.io/provided-node-ip";

/// What the annotations of a Service ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceAnnotations {
    pub(crate) ip_mode: Option<IpModeSetting>,
    pub(crate) hostname: Option<String>,
}

/// An annotation that makes no sense: its key and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnnotationFault {
    pub(crate) key: &'static str,
    pub(crate) fault: String,
}

impl ServiceAnnotations {
    /// Reads the annotations of a Service, all faults at once. Those it does not know are left alone.
    pub(crate) fn read(annotations: &HashMap<String, String>) -> Result<Self, Vec<AnnotationFault>> {
        let mut read = Self::default();
        let mut faults = Vec::new();
        match annotations.get(IP_MODE).map(String::as_str) {
            None => {}
            Some("proxy") => read.ip_mode = Some(IpModeSetting::Proxy),
            Some("vip") => read.ip_mode = Some(IpModeSetting::Vip),
            Some(other) => {
                faults.push(AnnotationFault { key: IP_MODE, fault: format!("{other:?}: write proxy or vip") });
            }
        }
        if let Some(name) = annotations.get(HOSTNAME) {
            let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
            if !name.is_empty() && name.len() <= 253 && name.chars().all(valid) {
                read.hostname = Some(name.clone());
            } else {
                let fault = format!("{name:?}: write a DNS name of 1 to 253 bytes");
                faults.push(AnnotationFault { key: HOSTNAME, fault });
            }
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }
}
