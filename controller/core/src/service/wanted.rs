//! What a Service wants of the cloud, and a hash by which "the same as last time" is told without keeping last time.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    digest::Digest,
    endpoint_set::EndpointSet,
    names::{ANNOTATION_HANDLE, ANNOTATION_PROVIDER, ANNOTATION_TENANT},
    node_set::NodeSet,
    provider::LoadBalancerSpec,
    source_ranges::{self, InvalidSourceRange},
    view::{IpFamily, IpFamilyPolicy, Service, ServicePort},
};

use super::{
    ownership::{needs_health_check, requests_only_local_traffic},
    picked::InvalidPick,
};

/// What a Service says that makes no sense: field, value and remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidService {
    /// Who may connect.
    #[error(transparent)]
    SourceRange(#[from] InvalidSourceRange),
    /// Which nodes receive traffic.
    #[error(transparent)]
    Pick(#[from] InvalidPick),
}

/// What a Service wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Everything but the members. Its annotations are those the provider reads.
    pub spec: LoadBalancerSpec,
    /// The nodes that receive traffic.
    pub nodes: Arc<NodeSet>,
    /// The pods that receive traffic directly; none for a provider that does not ask for them.
    pub endpoints: EndpointSet,
    /// Stands for all of them.
    pub hash: SpecHash,
}

impl Wanted {
    /// What `service` wants of a provider that reads the annotations under `prefixes`, for `tenant`.
    ///
    /// Every value that is sent is in the hash, and nothing else: a label or an annotation of another system changes
    /// nothing in the cloud, so it causes no call.
    pub fn new(
        service: &Service,
        tenant: &str,
        prefixes: &[String],
        nodes: Arc<NodeSet>,
        endpoints: EndpointSet,
    ) -> Result<Self, InvalidService> {
        let spec = LoadBalancerSpec {
            ports: service.ports.clone(),
            source_ranges: source_ranges::to_send(&source_ranges::source_ranges(service)?),
            local_traffic: requests_only_local_traffic(service),
            health_check_node_port: service.health_check_node_port.filter(|_| needs_health_check(service)),
            client_ip_affinity: service.client_ip_affinity,
            load_balancer_ip: service.load_balancer_ip.clone(),
            load_balancer_class: service.load_balancer_class.clone().unwrap_or_default(),
            ip_families: service.ip_families.clone(),
            ip_family_policy: service.ip_family_policy,
            annotations: sent_annotations(&service.annotations, prefixes),
            external_ips: service.external_ips.clone(),
        };
        let hash =
            SpecHash { spec: spec_digest(&service.uid, tenant, &spec), members: members_digest(&nodes, &endpoints) };
        Ok(Self { spec, nodes, endpoints, hash })
    }

    /// Whether anybody receives traffic.
    pub fn has_members(&self) -> bool {
        !self.nodes.members.is_empty() || !self.endpoints.members.is_empty()
    }
}

/// The annotations a provider is sent: those under one of its prefixes, without our own notes, which change as a
/// consequence of its answers.
pub fn sent_annotations(annotations: &BTreeMap<String, String>, prefixes: &[String]) -> BTreeMap<String, String> {
    let ours = |key: &str| [ANNOTATION_HANDLE, ANNOTATION_PROVIDER, ANNOTATION_TENANT].contains(&key);
    annotations
        .iter()
        .filter(|(key, _)| !ours(key) && prefixes.iter().any(|prefix| key.starts_with(prefix)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Stands for a load balancer's spec and members. The two halves are kept apart, so that it can be told after a restart,
/// from the cloud's record alone, that only members changed.
///
/// Written `<24 hex digits>-<16 hex digits>`: short enough for the tags of every cloud we know. A provider that knows the first half
/// alone answers it with the hyphen, which is a [`SpecHash`] of no members there could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecHash {
    /// All but the members.
    pub spec: String,
    /// The members.
    pub members: String,
}

impl SpecHash {
    /// Reads what a provider gave back. Anything else than what we write stands for a load balancer in an unknown state.
    pub fn parse(text: &str) -> Option<Self> {
        let (spec, members) = text.split_once('-')?;
        Some(Self { spec: spec.to_owned(), members: members.to_owned() })
    }
}

impl fmt::Display for SpecHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.spec, self.members)
    }
}

/// Bytes of the digest in the second half of a [`SpecHash`].
const MEMBERS_BYTES: usize = 8;

fn members_digest(nodes: &NodeSet, endpoints: &EndpointSet) -> String {
    // As it always was where there are no endpoints: another hash would make every load balancer be done once more.
    if endpoints.members.is_empty() {
        return nodes.digest.clone();
    }
    let mut digest = Digest::new();
    digest.text(&nodes.digest).text(&endpoints.digest);
    digest.finish(MEMBERS_BYTES)
}

/// Bytes of the digest in the first half of a [`SpecHash`].
const SPEC_BYTES: usize = 12;

fn spec_digest(uid: &str, tenant: &str, spec: &LoadBalancerSpec) -> String {
    // Taken apart so that a new field cannot be forgotten here.
    let LoadBalancerSpec {
        ports,
        source_ranges,
        local_traffic,
        health_check_node_port,
        client_ip_affinity,
        load_balancer_ip,
        load_balancer_class,
        ip_families,
        ip_family_policy,
        annotations,
        external_ips,
    } = spec;
    let mut digest = Digest::new();
    digest.text(uid).text(tenant);
    digest.list(ports, |digest, port| {
        let ServicePort { name, protocol, port, node_port, target_port, app_protocol } = port;
        digest.text(name).text(protocol.as_str()).number(*port).option(*node_port, |digest, port| {
            digest.number(port);
        });
        digest.text(target_port).text(app_protocol);
    });
    digest.list(source_ranges, |digest, range| {
        digest.text(range);
    });
    digest.flag(*local_traffic);
    digest.option(*health_check_node_port, |digest, port| {
        digest.number(port);
    });
    digest.option(*client_ip_affinity, |digest, timeout| {
        digest.number(timeout.as_secs());
    });
    digest.text(load_balancer_ip).text(load_balancer_class);
    digest.list(ip_families, |digest, family| {
        digest.flag(*family == IpFamily::V6);
    });
    digest.text(match ip_family_policy {
        IpFamilyPolicy::SingleStack => "single",
        IpFamilyPolicy::PreferDualStack => "prefer",
        IpFamilyPolicy::RequireDualStack => "require",
    });
    digest.list(annotations, |digest, (key, value)| {
        digest.text(key).text(value);
    });
    digest.list(external_ips, |digest, ip| {
        digest.text(ip);
    });
    digest.finish(SPEC_BYTES)
}

#[cfg(test)]
mod tests;
