//! `load_balancers.proto`: the load balancers of Services.

use std::{collections::BTreeMap, time::Duration};

use cloud_provider_api::v1::{
    self, delete_load_balancer_response::Outcome, list_load_balancers_response, load_balancer_state,
};
use controller_core::{
    provider::{
        DeleteState, EndpointMember, LoadBalancerKey, LoadBalancerSpec, LoadBalancerState, NodeMember,
        OwnedLoadBalancer, Phase, PlanStep,
    },
    time::Timestamp,
    view::{Ingress, IpFamily, IpFamilyPolicy, IpMode, PortStatus, Protocol, ServicePort},
};

use super::{
    Refusal,
    common::{
        Excerpt, HANDLE, ID, InvalidField, bounded, duration, is_dns_name, is_usable_ip, malformed, notices,
        observed_at, port, required, text, wire_addresses, wire_annotations, wire_cluster, wire_duration,
        wire_protocol,
    },
    list::Page,
};
use crate::provider::{Cluster, Info};

/// Bounds of a delay between two looks.
const POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(300));

/// An answer about a load balancer that is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::provider) enum InvalidLoadBalancer {
    #[error(transparent)]
    Field(#[from] InvalidField),
    #[error("the answer says neither ready nor in progress")]
    NoPhase,
    #[error("the answer says neither deleted nor in progress")]
    NoOutcome,
    #[error("ready without ingress")]
    NoIngress,
    #[error("ingress with {0}")]
    Ingress(&'static str),
    #[error("in_progress.poll_after is missing or negative")]
    PollAfter,
    #[error("key belongs to cluster {0}, not to this one")]
    OtherCluster(Excerpt),
    #[error("key belongs to tenant {0}, not to the one asked for")]
    OtherTenant(Excerpt),
}

impl Refusal for InvalidLoadBalancer {}

/// What every request about one load balancer needs.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) struct About<'a> {
    pub(in crate::provider) cluster: &'a Cluster,
    pub(in crate::provider) info: &'a Info,
    pub(in crate::provider) key: &'a LoadBalancerKey,
}

impl About<'_> {
    fn key(&self) -> v1::LoadBalancerKey {
        v1::LoadBalancerKey {
            cluster: Some(wire_cluster(self.cluster)),
            service_namespace: self.key.namespace.clone(),
            service_name: self.key.name.clone(),
            service_uid: self.key.uid.clone(),
            tenant: self.key.tenant.clone(),
            handle: self.key.handle.clone(),
            attempted: self.key.attempted,
            published_addresses: self.key.published.clone(),
        }
    }

    fn annotations<M: FromIterator<(String, String)>>(&self, annotations: &BTreeMap<String, String>) -> M {
        wire_annotations(annotations, &self.info.annotation_prefixes)
    }
}

/// What a load balancer should be, and who answers behind it.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) struct Wanted<'a> {
    pub(in crate::provider) spec: &'a LoadBalancerSpec,
    pub(in crate::provider) members: &'a [NodeMember],
    pub(in crate::provider) endpoints: &'a [EndpointMember],
    pub(in crate::provider) hash: &'a str,
}

pub(in crate::provider) fn ensure_request(about: About<'_>, wanted: Wanted<'_>) -> v1::EnsureLoadBalancerRequest {
    v1::EnsureLoadBalancerRequest {
        key: Some(about.key()),
        spec: Some(wire_spec(about, wanted.spec)),
        members: Some(wire_members(wanted)),
        spec_hash: wanted.hash.to_owned(),
    }
}

pub(in crate::provider) fn members_request(
    about: About<'_>,
    wanted: Wanted<'_>,
) -> v1::UpdateLoadBalancerMembersRequest {
    v1::UpdateLoadBalancerMembersRequest {
        key: Some(about.key()),
        ports: wire_ports(&wanted.spec.ports),
        members: Some(wire_members(wanted)),
        spec_hash: wanted.hash.to_owned(),
        annotations: about.annotations(&wanted.spec.annotations),
    }
}

pub(in crate::provider) fn delete_request(
    about: About<'_>,
    annotations: &BTreeMap<String, String>,
) -> v1::DeleteLoadBalancerRequest {
    v1::DeleteLoadBalancerRequest { key: Some(about.key()), annotations: about.annotations(annotations) }
}

pub(in crate::provider) fn get_request(
    about: About<'_>,
    annotations: &BTreeMap<String, String>,
) -> v1::GetLoadBalancerRequest {
    v1::GetLoadBalancerRequest { key: Some(about.key()), annotations: about.annotations(annotations) }
}

pub(in crate::provider) fn plan_request(
    about: About<'_>,
    wanted: Wanted<'_>,
    delete: bool,
) -> v1::PlanLoadBalancerRequest {
    v1::PlanLoadBalancerRequest {
        key: Some(about.key()),
        spec: Some(wire_spec(about, wanted.spec)),
        members: Some(wire_members(wanted)),
        delete,
    }
}

pub(in crate::provider) fn list_request(cluster: &Cluster, tenant: &str) -> v1::ListLoadBalancersRequest {
    v1::ListLoadBalancersRequest { cluster: Some(wire_cluster(cluster)), tenant: tenant.to_owned() }
}

fn wire_spec(about: About<'_>, spec: &LoadBalancerSpec) -> v1::LoadBalancerSpec {
    let policy = if spec.local_traffic { v1::TrafficPolicy::Local } else { v1::TrafficPolicy::Cluster };
    v1::LoadBalancerSpec {
        ports: wire_ports(&spec.ports),
        source_ranges: spec.source_ranges.clone(),
        external_traffic_policy: policy.into(),
        health_check_node_port: spec.health_check_node_port.map(u32::from),
        client_ip_affinity: spec.client_ip_affinity.map(wire_duration),
        load_balancer_ip: spec.load_balancer_ip.clone(),
        load_balancer_class: spec.load_balancer_class.clone(),
        ip_families: spec
            .ip_families
            .iter()
            .map(|family| match family {
                IpFamily::V4 => v1::IpFamily::Ipv4.into(),
                IpFamily::V6 => v1::IpFamily::Ipv6.into(),
            })
            .collect(),
        ip_family_policy: match spec.ip_family_policy {
            IpFamilyPolicy::SingleStack => v1::IpFamilyPolicy::SingleStack,
            IpFamilyPolicy::PreferDualStack => v1::IpFamilyPolicy::PreferDualStack,
            IpFamilyPolicy::RequireDualStack => v1::IpFamilyPolicy::RequireDualStack,
        }
        .into(),
        annotations: about.annotations(&spec.annotations),
        external_ips: spec.external_ips.clone(),
    }
}

fn wire_ports(ports: &[ServicePort]) -> Vec<v1::ServicePort> {
    ports
        .iter()
        .map(|port| v1::ServicePort {
            name: port.name.clone(),
            protocol: wire_protocol(port.protocol).into(),
            port: port.port.into(),
            node_port: port.node_port.map(u32::from),
            target_port: port.target_port.clone(),
            app_protocol: port.app_protocol.clone(),
        })
        .collect()
}

fn wire_members(wanted: Wanted<'_>) -> v1::Members {
    let nodes = wanted.members.iter().map(|member| v1::NodeMember {
        node_name: member.node_name.clone(),
        provider_id: member.provider_id.clone(),
        addresses: wire_addresses(&member.addresses),
        zone: member.zone.clone(),
        draining: member.draining,
    });
    let endpoints = wanted.endpoints.iter().map(|endpoint| v1::EndpointMember {
        address: endpoint.address.to_string(),
        port: endpoint.port.into(),
        port_name: endpoint.port_name.clone(),
        node_name: endpoint.node_name.clone(),
        zone: endpoint.zone.clone(),
        ready: endpoint.ready,
        draining: endpoint.draining,
    });
    v1::Members { nodes: nodes.collect(), endpoints: endpoints.collect() }
}

/// How far a load balancer is.
pub(in crate::provider) fn state(
    wire: Option<v1::LoadBalancerState>,
) -> Result<LoadBalancerState, InvalidLoadBalancer> {
    let wire = wire.ok_or(InvalidField::Missing { field: "state" })?;
    let phase = match wire.phase.ok_or(InvalidLoadBalancer::NoPhase)? {
        load_balancer_state::Phase::Ready(ready) => {
            Phase::Ready { ingress: ingresses(ready.ingress)?, spec_hash: bounded("spec_hash", ready.spec_hash, 64)? }
        }
        load_balancer_state::Phase::InProgress(progress) => {
            let (poll_after, message) = in_progress(&progress)?;
            Phase::InProgress { poll_after, message }
        }
    };
    Ok(LoadBalancerState { phase, handle: bounded("handle", wire.handle, HANDLE)?, notices: notices(wire.notices) })
}

/// The state, and when the cloud said so.
pub(in crate::provider) fn observed_state(
    wire: v1::GetLoadBalancerResponse,
    now: Timestamp,
) -> Result<(LoadBalancerState, Timestamp), InvalidLoadBalancer> {
    Ok((state(wire.state)?, observed_at("observed_at", wire.observed_at, now)?))
}

/// How far a removal is.
pub(in crate::provider) fn delete_state(
    wire: v1::DeleteLoadBalancerResponse,
) -> Result<DeleteState, InvalidLoadBalancer> {
    let in_progress = match wire.outcome.ok_or(InvalidLoadBalancer::NoOutcome)? {
        Outcome::Deleted(_) => None,
        Outcome::InProgress(progress) => Some(in_progress(&progress)?),
    };
    Ok(DeleteState { in_progress, notices: notices(wire.notices) })
}

fn in_progress(wire: &v1::InProgress) -> Result<(Duration, String), InvalidLoadBalancer> {
    let poll_after = wire.poll_after.and_then(duration).ok_or(InvalidLoadBalancer::PollAfter)?;
    Ok((poll_after.clamp(POLL.0, POLL.1), text(&wire.message)))
}

fn ingresses(wire: Vec<v1::Ingress>) -> Result<Vec<Ingress>, InvalidLoadBalancer> {
    if wire.is_empty() {
        return Err(InvalidLoadBalancer::NoIngress);
    }
    wire.into_iter().map(ingress).collect()
}

fn ingress(wire: v1::Ingress) -> Result<Ingress, InvalidLoadBalancer> {
    let mode = wire.ip_mode();
    let ip_mode = match (wire.ip.is_empty(), wire.hostname.is_empty()) {
        (true, true) => return Err(InvalidLoadBalancer::Ingress("neither ip nor hostname")),
        (false, false) => return Err(InvalidLoadBalancer::Ingress("both ip and hostname")),
        (true, false) => {
            if !is_dns_name(&wire.hostname) || wire.hostname.parse::<std::net::IpAddr>().is_ok() {
                return Err(malformed("ingress.hostname", &wire.hostname, "a DNS name").into());
            }
            // Kubernetes refuses a mode without an IP.
            None
        }
        (false, true) => {
            if !is_usable_ip(&wire.ip) {
                return Err(malformed("ingress.ip", &wire.ip, "an IP address that can be reached").into());
            }
            Some(if mode == v1::IpMode::Proxy { IpMode::Proxy } else { IpMode::Vip })
        }
    };
    let ports = wire.ports.into_iter().map(port_status).collect::<Result<_, _>>()?;
    Ok(Ingress { ip: wire.ip, hostname: wire.hostname, ip_mode, ports })
}

fn port_status(wire: v1::PortStatus) -> Result<PortStatus, InvalidLoadBalancer> {
    let protocol = match wire.protocol() {
        v1::Protocol::Unspecified => {
            let value = wire.protocol.to_string();
            return Err(malformed("ingress.ports.protocol", &value, "a protocol").into());
        }
        v1::Protocol::Tcp => Protocol::Tcp,
        v1::Protocol::Udp => Protocol::Udp,
        v1::Protocol::Sctp => Protocol::Sctp,
    };
    let error = bounded("ingress.ports.error", wire.error, 316)?;
    Ok(PortStatus {
        port: port("ingress.ports.port", wire.port)?,
        protocol,
        error: Some(error).filter(|error| !error.is_empty()),
    })
}

/// The steps that would be taken.
pub(in crate::provider) fn steps(wire: v1::PlanLoadBalancerResponse) -> Vec<PlanStep> {
    wire.steps
        .into_iter()
        .map(|step| PlanStep {
            action: text(&step.action),
            target: text(&step.target),
            reason: text(&step.reason),
            waits: step.waits,
        })
        .collect()
}

/// A page of the list of load balancers.
pub(in crate::provider) fn page(wire: v1::ListLoadBalancersResponse) -> Page<v1::OwnedLoadBalancer> {
    match wire.page {
        Some(list_load_balancers_response::Page::Items(page)) => Page::Items(page.load_balancers),
        Some(list_load_balancers_response::Page::Complete(complete)) => Page::Complete(complete),
        None => Page::Unknown,
    }
}

/// The load balancers of this cluster and tenant. The daemon filters by both; one that does not is not believed anything.
/// Two of one key are let through: they are what an audit is for.
pub(in crate::provider) fn owned(
    cluster: &Cluster,
    tenant: &str,
    wire: Vec<v1::OwnedLoadBalancer>,
) -> Result<Vec<OwnedLoadBalancer>, InvalidLoadBalancer> {
    wire.into_iter()
        .map(|wire| {
            let key = wire.key.ok_or(InvalidField::Missing { field: "key" })?;
            let owner = key.cluster.map(|cluster| cluster.id).unwrap_or_default();
            if owner != cluster.id {
                return Err(InvalidLoadBalancer::OtherCluster(Excerpt::of(&owner)));
            }
            if key.tenant != tenant {
                return Err(InvalidLoadBalancer::OtherTenant(Excerpt::of(&key.tenant)));
            }
            Ok(OwnedLoadBalancer {
                namespace: bounded("key.service_namespace", key.service_namespace, 63)?,
                name: bounded("key.service_name", key.service_name, 63)?,
                uid: required("key.service_uid", key.service_uid, 63)?,
                tenant: tenant.to_owned(),
                handle: bounded("key.handle", key.handle, HANDLE)?,
                cloud_name: bounded("name", wire.name, ID)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
