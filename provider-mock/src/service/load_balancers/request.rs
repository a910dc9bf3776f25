//! What a request asks for, checked and in the cloud's words.

use std::{collections::HashSet, net::Ipv4Addr};

use cloud_provider_api::{error::Reason, v1};
use ipnet::IpNet;

use crate::{
    annotations::ServiceAnnotations,
    cloud::{Attributes, Cloud, Listener, LoadBalancer, MemberSet, Owner, Protocol, Time},
    scenario::Scenario,
    service::{Refusal, Who, check::Checker, plan::Wanted},
};

/// A change somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) owner: Owner,
    pub(super) namespace: String,
    pub(super) service: String,
    pub(super) address: Option<Ipv4Addr>,
    /// Most load balancers of the tenant.
    pub(super) limit: Option<u32>,
    /// Most public addresses of the tenant.
    pub(super) addresses: Option<u32>,
    pub(super) wanted: Wanted,
}

/// The parts that requests share.
struct Parts<'a> {
    key: Option<&'a v1::LoadBalancerKey>,
    spec: Option<&'a v1::LoadBalancerSpec>,
    ports: &'a [v1::ServicePort],
    members: Option<&'a v1::Members>,
    /// `None`: the request has none.
    spec_hash: Option<&'a str>,
}

impl Change {
    pub(super) fn ensure(cloud: &Cloud, who: &Who, request: &v1::EnsureLoadBalancerRequest) -> Result<Self, Refusal> {
        let spec = required_spec(request.spec.as_ref())?;
        let parts = Parts {
            key: request.key.as_ref(),
            spec: Some(spec),
            ports: &spec.ports,
            members: request.members.as_ref(),
            spec_hash: Some(&request.spec_hash),
        };
        Self::read(cloud, who, &parts)
    }

    pub(super) fn members(
        cloud: &Cloud,
        who: &Who,
        request: &v1::UpdateLoadBalancerMembersRequest,
    ) -> Result<Self, Refusal> {
        let parts = Parts {
            key: request.key.as_ref(),
            spec: None,
            ports: &request.ports,
            members: request.members.as_ref(),
            spec_hash: Some(&request.spec_hash),
        };
        Self::read(cloud, who, &parts)
    }

    pub(super) fn plan(cloud: &Cloud, who: &Who, request: &v1::PlanLoadBalancerRequest) -> Result<Self, Refusal> {
        let spec = required_spec(request.spec.as_ref())?;
        let parts = Parts {
            key: request.key.as_ref(),
            spec: Some(spec),
            ports: &spec.ports,
            members: request.members.as_ref(),
            spec_hash: None,
        };
        Self::read(cloud, who, &parts)
    }

    fn read(cloud: &Cloud, who: &Who, parts: &Parts<'_>) -> Result<Self, Refusal> {
        let scenario = cloud.scenario();
        let mut checker = Checker::default();
        checker.key(parts.key);
        let listeners = listeners(&mut checker, parts.ports);
        if let Some(members) = parts.members {
            check_members(&mut checker, members);
        }
        if let Some(hash) = parts.spec_hash {
            checker.text("spec_hash", hash, 1..=64);
        }
        if let Some(spec) = parts.spec {
            check_spec(&mut checker, spec);
        }
        checker.finish()?;
        let key = parts.key.cloned().unwrap_or_default();
        who.cluster(key.cluster.as_ref())?;
        let tenant = who.tenant(&scenario, &key.tenant)?;
        let key = v1::LoadBalancerKey { tenant: tenant.name.clone(), ..key };
        let members = parts.members.map(MemberSet::from_wire).unwrap_or_default();
        let most = usize::try_from(scenario.provider.max_members).unwrap_or(usize::MAX);
        if members.most() > most {
            let message = format!("{} members: the cloud takes {most} at most", members.most());
            return Err(Refusal::new(Reason::OutOfRange, message));
        }
        let (attributes, address) = match parts.spec {
            Some(spec) => (Some(attributes(&scenario, spec)?), address(spec)?),
            None => (None, None),
        };
        let spec_hash = parts.spec_hash.unwrap_or_default().to_owned();
        Ok(Self {
            owner: Owner::of(&key),
            namespace: key.service_namespace,
            service: key.service_name,
            address,
            limit: tenant.max_load_balancers,
            addresses: tenant.max_public_addresses,
            wanted: Wanted { listeners, attributes, members: cloud.share_members(members), spec_hash },
        })
    }

    /// `namespace/name` of the Service.
    pub(super) fn service_key(&self) -> String {
        format!("{}/{}", self.namespace, self.service)
    }

    /// The load balancer as it would be just after its creation.
    pub(super) fn fresh(&self) -> LoadBalancer {
        LoadBalancer {
            id: "(new)".to_owned(),
            name: String::new(),
            owner: self.owner.clone(),
            namespace: self.namespace.clone(),
            service: self.service.clone(),
            address: self.address.unwrap_or(Ipv4Addr::UNSPECIFIED),
            created_at: Time::default(),
            ready_at: Time::default(),
            gone_at: None,
            listeners: Vec::new(),
            attributes: None,
            members: 0,
            spec_hash: String::new(),
            member_updates: 0,
            spec_updates: 0,
        }
    }
}

fn required_spec(spec: Option<&v1::LoadBalancerSpec>) -> Result<&v1::LoadBalancerSpec, Refusal> {
    spec.ok_or_else(|| Refusal::field(Reason::FieldInvalid, "spec", "is missing"))
}

fn listeners(checker: &mut Checker, ports: &[v1::ServicePort]) -> Vec<Listener> {
    if ports.is_empty() {
        checker.fault("spec.ports", "at least one is needed");
    }
    let mut seen = HashSet::new();
    let mut names = HashSet::new();
    let mut listeners = Vec::with_capacity(ports.len());
    for (index, port) in ports.iter().enumerate() {
        let mut fault = |field: &str, fault: String| checker.fault(format!("spec.ports[{index}].{field}"), fault);
        let number = |value: u32| u16::try_from(value).ok().filter(|number| *number > 0);
        let protocol = Protocol::from_wire(port.protocol());
        if protocol.is_none() {
            fault("protocol", "is unspecified or unknown".to_owned());
        }
        let node_port = port.node_port.map(|value| (value, number(value)));
        if let Some((value, None)) = node_port {
            fault("node_port", format!("{value} is not within 1 to 65535"));
        }
        if !names.insert(&port.name) {
            fault("name", format!("{:?} is not unique", port.name));
        }
        let (Some(protocol), Some(number)) = (protocol, number(port.port)) else {
            if protocol.is_some() {
                fault("port", format!("{} is not within 1 to 65535", port.port));
            }
            continue;
        };
        if !seen.insert((protocol, number)) {
            fault("port", format!("{protocol} {number} is there twice"));
        }
        let node_port = node_port.and_then(|(_, number)| number);
        listeners.push(Listener { protocol, port: number, name: port.name.clone(), node_port });
    }
    listeners
}

fn check_members(checker: &mut Checker, members: &v1::Members) {
    let mut names = HashSet::with_capacity(members.nodes.len());
    for (index, node) in members.nodes.iter().enumerate() {
        checker.text(&format!("members.nodes[{index}].node_name"), &node.node_name, 1..=253);
        if !names.insert(&node.node_name) {
            checker.fault(format!("members.nodes[{index}].node_name"), format!("{:?} is not unique", node.node_name));
        }
    }
    for (index, endpoint) in members.endpoints.iter().enumerate() {
        if endpoint.address.parse::<std::net::IpAddr>().is_err() {
            let fault = format!("{:?} is no IP address", endpoint.address);
            checker.fault(format!("members.endpoints[{index}].address"), fault);
        }
        if !(1..=65535).contains(&endpoint.port) {
            let fault = format!("{} is not within 1 to 65535", endpoint.port);
            checker.fault(format!("members.endpoints[{index}].port"), fault);
        }
    }
}

fn check_spec(checker: &mut Checker, spec: &v1::LoadBalancerSpec) {
    checker.annotations("spec.annotations", &spec.annotations);
    for (index, range) in spec.source_ranges.iter().enumerate() {
        if range.parse::<IpNet>().is_err() {
            checker.fault(format!("spec.source_ranges[{index}]"), format!("{range:?} is no CIDR"));
        }
    }
    if let Some(port) = spec.health_check_node_port
        && !(1..=65535).contains(&port)
    {
        checker.fault("spec.health_check_node_port", format!("{port} is not within 1 to 65535"));
    }
}

fn attributes(scenario: &Scenario, spec: &v1::LoadBalancerSpec) -> Result<Attributes, Refusal> {
    if spec.ip_family_policy() == v1::IpFamilyPolicy::RequireDualStack {
        let message = "spec.ip_family_policy: the mock's load balancers have an IPv4 address only";
        return Err(Refusal::with_code(tonic::Code::FailedPrecondition, Reason::Unsupported, message));
    }
    if spec.ip_families().next() == Some(v1::IpFamily::Ipv6)
        && spec.ip_family_policy() != v1::IpFamilyPolicy::PreferDualStack
    {
        let fault = "IPv6: the mock's load balancers have an IPv4 address only".to_owned();
        return Err(Refusal::field(Reason::Unsupported, "spec.ip_families", fault));
    }
    let asked = ServiceAnnotations::read(&spec.annotations).map_err(|faults| {
        let violations = faults.into_iter().map(|fault| (format!("annotations[{}]", fault.key), fault.fault));
        Refusal::invalid(Reason::AnnotationInvalid, violations.collect())
    })?;
    let local = spec.external_traffic_policy() == v1::TrafficPolicy::Local;
    Ok(Attributes {
        source_ranges: spec.source_ranges.clone(),
        health_check_node_port: spec.health_check_node_port.filter(|_| local).and_then(|port| u16::try_from(port).ok()),
        client_ip_affinity: spec.client_ip_affinity.and_then(|duration| duration.try_into().ok()),
        ip_mode: asked.ip_mode.unwrap_or(scenario.load_balancers.ip_mode),
        hostname: asked.hostname,
    })
}

fn address(spec: &v1::LoadBalancerSpec) -> Result<Option<Ipv4Addr>, Refusal> {
    let wanted = &spec.load_balancer_ip;
    if wanted.is_empty() {
        return Ok(None);
    }
    wanted.parse().map(Some).map_err(|_| {
        let fault = format!("{wanted:?}: the mock's load balancers have an IPv4 address only");
        Refusal::field(Reason::Unsupported, "spec.load_balancer_ip", fault)
    })
}
