//! Class `dnat`: gather, plan and apply for rules of a NAT gateway.

use std::collections::{BTreeMap, HashMap};

use cloud_provider_api::{error::Reason, v1};
use futures::future::join_all;
use provider_kit::{Error, Result, load_balancers::Progress, tenancy::Named};

use super::{apply::Apply, engine::Engine, gather, handle::Handle, state};
use crate::{
    PROVIDER,
    annotations::Settings,
    api::nat::Rule,
    fault,
    plan::{
        PortKey,
        dnat::{self, Candidate, Chosen, WantedRules},
        owner::{Claim, Owner},
        step::Step,
        wanted::{Place, port_key},
    },
};

/// The cluster's id as the Go provider knew it, for adopting its rules.
const GO_CLUSTER_ID: &str = "CLUSTER_ID";

/// What a plan was made of.
struct Gathered {
    wanted: WantedRules,
    rules: Vec<Rule>,
}

impl Engine<'_> {
    /// Ensures the rules. `address`: the public one; `None`: the one the rules have.
    pub(super) async fn ensure_rules(
        &self,
        settings: &Settings,
        ports: &[v1::ServicePort],
        members: Option<&v1::Members>,
        address: Option<&str>,
        hash: &str,
    ) -> Result<v1::LoadBalancerState> {
        // An address leads through one gateway: at the former one its rules have to go first.
        let former = self.handle().gateway.filter(|former| settings.nat_gateway.as_ref() != Some(former));
        if let Some(former) = former
            && let wait @ Progress::Wait { .. } = self.remove_rules(Some(&former)).await?
        {
            return Ok(state::waiting(wait, &self.handle()));
        }
        let gathered = self.gather_rules(settings, ports, members, address).await?;
        let gateway = gathered.wanted.gateway.clone();
        let owner = self.owner();
        let handle = self.handle_with(&gateway, &gathered.rules);
        if let Some(wait) = unsettled(&owner, &gathered.rules) {
            return Ok(state::waiting(wait, &handle));
        }
        let steps = plan(&gathered, hash)?;
        let quiet = steps.is_empty();
        let key = self.memory_key();
        let mut apply = Apply::new(self.cloud, self.memory, &key);
        if let wait @ Progress::Wait { .. } = apply.run(steps).await? {
            return Ok(state::waiting(wait, &handle));
        }
        let rules = if quiet { gathered.rules } else { self.rules_of(&gateway).await? };
        let handle = self.handle_with(&gateway, &rules);
        if let Some(wait) = unsettled(&owner, &rules) {
            return Ok(state::waiting(wait, &handle));
        }
        let ingress = ingress(&owner, &rules);
        if ingress.is_empty() {
            let wait = Progress::wait("no node is there to lead to, or its rules do not show yet");
            return Ok(state::waiting(wait, &handle));
        }
        Ok(state::ready(ingress, hash.to_owned(), &handle, Vec::new()))
    }

    pub(super) async fn plan_rules(
        &self,
        settings: &Settings,
        spec: &v1::LoadBalancerSpec,
        members: Option<&v1::Members>,
    ) -> Result<Vec<Step>> {
        let gathered = self.gather_rules(settings, &spec.ports, members, Some(&spec.load_balancer_ip)).await?;
        plan(&gathered, "planned")
    }

    async fn gather_rules(
        &self,
        settings: &Settings,
        ports: &[v1::ServicePort],
        members: Option<&v1::Members>,
        address: Option<&str>,
    ) -> Result<Gathered> {
        let owner = self.owner();
        let gateway_id = settings.nat_gateway.clone().unwrap_or_default();
        let wanted_ports = node_ports(ports)?;
        let (gateway, rules) =
            futures::future::try_join(self.cloud.nat_gateway(&gateway_id), self.cloud.dnat_rules(Some(&gateway_id)))
                .await
                .map_err(|error| fault::of(&error))?;
        self.check_listed(Some(&gateway_id), &rules).await?;
        if let Some(vpc) = self.cloud.config().vpc.id.as_ref().filter(|vpc| **vpc != gateway.router_id) {
            let problem =
                format!("{gateway_id}: the gateway is in VPC {}, not {vpc} of section [Vpc]", gateway.router_id);
            return Err(Error::cloud(PROVIDER, Reason::ReferenceMissing, problem));
        }
        let eip = if let Some(address) = address {
            self.address(address).await?
        } else {
            let rule = dnat::own(&owner, &rules).next().ok_or_else(|| self.absent())?;
            rule.floating_ip_id.clone()
        };
        let always = |_: &Place| true;
        let place = self.memory.place(self.cloud, always).await.map_err(|error| fault::of(&error))?;
        let candidates = candidates(members, &place);
        let chosen = match dnat::choose(&owner, &rules, &candidates) {
            None => None,
            Some(candidate) => Some(self.interface(candidate, &place).await?),
        };
        let wanted = WantedRules { owner, gateway: gateway_id, eip, ports: wanted_ports, chosen };
        Ok(Gathered { wanted, rules })
    }

    /// The id of the public address.
    async fn address(&self, address: &str) -> Result<String> {
        const FIELD: &str = "spec.load_balancer_ip";
        if address.is_empty() {
            let problem = "class dnat needs spec.loadBalancerIP: a public address (EIP) of yours";
            return Err(Error::cloud(PROVIDER, Reason::Unsupported, problem).violation(FIELD, problem));
        }
        let found = self.cloud.public_ips_at(address).await.map_err(|error| fault::of(&error))?;
        let eip = found.into_iter().find(|eip| eip.public_ip_address == address);
        let id = eip.as_ref().map(|eip| eip.id.as_str());
        let named = Named { kind: "public address (EIP)", field: FIELD, said: address, id, tenant: None };
        self.tenant.check_named(PROVIDER, &named)?;
        let Some(eip) = &eip else { return Err(self.tenant.not_there(PROVIDER, &named)) };
        if !eip.port_id.is_empty() {
            let message = format!("public address {address} is bound to port {}: unbind it there", eip.port_id);
            return Err(Error::cloud(PROVIDER, Reason::NotOurs, message));
        }
        Ok(eip.id.clone())
    }

    async fn interface(&self, candidate: &Candidate, place: &Place) -> Result<Chosen> {
        let ports = self.cloud.ports_at(&candidate.address).await.map_err(|error| fault::of(&error))?;
        let subnet = candidate.address.parse().ok().and_then(|address| place.subnet_of(address));
        // Private addresses repeat between VPCs.
        let here = |port: &&crate::api::nat::Port| {
            port.fixed_ips.iter().any(|ip| {
                ip.ip_address == candidate.address && subnet.as_ref().is_none_or(|subnet| ip.subnet_id == *subnet)
            })
        };
        let mut fitting = ports.iter().filter(here);
        match (fitting.next(), fitting.next()) {
            (Some(port), None) => Ok(Chosen { node: candidate.node.clone(), port_id: port.id.clone() }),
            (found, _) => {
                let what = if found.is_some() { "several ports have" } else { "no port has" };
                let message = format!("{what} address {} of node {}", candidate.address, candidate.node);
                Err(Error::cloud(PROVIDER, Reason::ReferenceMissing, message))
            }
        }
    }

    /// What the caller is to keep: the gateway, and our rules as the list shows them, else as they were.
    fn handle_with(&self, gateway: &str, rules: &[Rule]) -> Handle {
        let before = self.handle();
        let shown: Vec<String> = dnat::own(&self.owner(), rules).map(|rule| rule.id.clone()).collect();
        let rules = if shown.is_empty() { before.rules } else { shown };
        Handle { balancers: before.balancers, gateway: Some(gateway.to_owned()), rules }
    }

    /// A rule that the handle names and the list lacks is gone only if the cloud says so of that rule. `gateway`: whose rules the
    /// list has; `None`: all.
    async fn check_listed(&self, gateway: Option<&str>, rules: &[Rule]) -> Result<()> {
        let handle = self.handle();
        let missing = handle.rules.iter().filter(|id| !rules.iter().any(|rule| rule.id == **id));
        for (id, shown) in missing.clone().zip(join_all(missing.map(|id| self.cloud.dnat_rule(id))).await) {
            let expected = |rule: &Rule| {
                gateway.is_none_or(|gateway| gateway == rule.nat_gateway_id)
                    && self.owner().claim(&rule.description) == Claim::Ours
            };
            match shown {
                Ok(rule) if expected(&rule) => {
                    return Err(gather::unfinished("NAT gateway", &rule.nat_gateway_id, "DNAT rule", id));
                }
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(fault::of(&error)),
            }
        }
        Ok(())
    }

    async fn rules_of(&self, gateway: &str) -> Result<Vec<Rule>> {
        self.cloud.dnat_rules(Some(gateway)).await.map_err(|error| fault::of(&error))
    }

    /// Removes the rules. `gateway`: `None` looks at all of the project.
    pub(super) async fn remove_rules(&self, gateway: Option<&str>) -> Result<Progress> {
        let owner = self.owner();
        let rules = self.cloud.dnat_rules(gateway).await.map_err(|error| fault::of(&error))?;
        self.check_listed(gateway, &rules).await?;
        let steps = dnat::removal(&owner, &rules);
        if steps.is_empty() {
            return Ok(Progress::Done);
        }
        let key = self.memory_key();
        self.memory.creations.going(&key);
        if let wait @ Progress::Wait { .. } = Apply::new(self.cloud, self.memory, &key).run(steps).await? {
            return Ok(wait);
        }
        let left = self.cloud.dnat_rules(gateway).await.map_err(|error| fault::of(&error))?;
        match dnat::own(&owner, &left).next() {
            Some(rule) => Ok(Progress::wait(format!("DNAT rule {} is being deleted", rule.id))),
            None => Ok(Progress::Done),
        }
    }

    /// The steps of that removal.
    pub(super) async fn plan_rules_removal(&self, gateway: Option<&str>) -> Result<Vec<Step>> {
        let rules = self.cloud.dnat_rules(gateway).await.map_err(|error| fault::of(&error))?;
        Ok(dnat::removal(&self.owner(), &rules))
    }

    pub(super) async fn look_at_rules(&self, gateway: &str) -> Result<v1::LoadBalancerState> {
        let owner = self.owner();
        let rules = self.rules_of(gateway).await?;
        self.check_listed(Some(gateway), &rules).await?;
        let handle = self.handle_with(gateway, &rules);
        let ingress = ingress(&owner, &rules);
        if ingress.is_empty() {
            return Err(self.absent());
        }
        if let Some(wait) = unsettled(&owner, &rules) {
            return Ok(state::waiting(wait, &handle));
        }
        let hash = dnat::achieved(&owner, &rules).filter(|_| handle.balancers.is_empty());
        Ok(state::ready(ingress, hash.unwrap_or_default(), &handle, Vec::new()))
    }

    /// What a Service asks for that rules cannot do.
    pub(super) fn check_rules(spec: &v1::LoadBalancerSpec) -> Result<()> {
        let open = spec.source_ranges.iter().all(|range| range.ends_with("/0"));
        if !open {
            let problem =
                "DNAT rules admit everybody: use class shared or dedicated, or remove loadBalancerSourceRanges";
            return Err(Error::cloud(PROVIDER, Reason::Unsupported, problem).violation("spec.source_ranges", problem));
        }
        if spec.ip_family_policy() == v1::IpFamilyPolicy::RequireDualStack {
            let message = "ipFamilyPolicy RequireDualStack: DNAT rules have an IPv4 address only";
            return Err(Error::cloud(PROVIDER, Reason::Unsupported, message).with_code(tonic::Code::FailedPrecondition));
        }
        Ok(())
    }
}

fn plan(gathered: &Gathered, hash: &str) -> Result<Vec<Step>> {
    let go_cluster = std::env::var(GO_CLUSTER_ID).ok();
    dnat::plan(&gathered.wanted, &gathered.rules, go_cluster.as_deref(), hash).map_err(gather::refused)
}

/// Rules can be changed only once they are settled.
fn unsettled(owner: &Owner, rules: &[Rule]) -> Option<Progress> {
    let pending = dnat::own(owner, rules).find(|rule| rule.status.starts_with("PENDING"))?;
    Some(Progress::wait(format!("DNAT rule {} is {}", pending.id, pending.status)))
}

fn ingress(owner: &Owner, rules: &[Rule]) -> Vec<v1::Ingress> {
    let address = dnat::own(owner, rules).map(|rule| &rule.floating_ip_address).find(|address| !address.is_empty());
    let ip_mode = v1::IpMode::Vip.into();
    address.map(|ip| v1::Ingress { ip: ip.clone(), ip_mode, ..v1::Ingress::default() }).into_iter().collect()
}

fn node_ports(ports: &[v1::ServicePort]) -> Result<BTreeMap<PortKey, u16>> {
    let mut by_port = BTreeMap::new();
    for (index, port) in ports.iter().enumerate() {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        let key = port_key(port).map_err(|(name, problem)| {
            let problem = format!("{}: {problem}", field(name));
            Error::cloud(PROVIDER, Reason::Unsupported, problem.clone()).violation(field(name), problem)
        })?;
        let node_port = port.node_port.and_then(|port| u16::try_from(port).ok()).ok_or_else(|| {
            let problem = "class dnat leads to node ports: set allocateLoadBalancerNodePorts to true";
            Error::cloud(PROVIDER, Reason::Unsupported, problem).violation(field("node_port"), problem)
        })?;
        by_port.insert(key, node_port);
    }
    Ok(by_port)
}

/// Nodes with an address in the VPC; of those, the ones with a ready pod of the Service where that is known.
fn candidates(members: Option<&v1::Members>, place: &Place) -> Vec<Candidate> {
    let Some(members) = members else { return Vec::new() };
    let mut ready: HashMap<&str, bool> = HashMap::new();
    for endpoint in members.endpoints.iter().filter(|endpoint| endpoint.ready) {
        ready.insert(&endpoint.node_name, true);
    }
    let all: Vec<Candidate> = members.nodes.iter().filter_map(|node| candidate(node, place)).collect();
    let with_pod: Vec<Candidate> =
        all.iter().filter(|candidate| ready.contains_key(candidate.node.as_str())).cloned().collect();
    if with_pod.is_empty() { all } else { with_pod }
}

fn candidate(node: &v1::NodeMember, place: &Place) -> Option<Candidate> {
    let address = node
        .addresses
        .iter()
        .filter(|address| address.r#type() == v1::AddressType::InternalIp)
        .find(|address| address.address.parse().is_ok_and(|address| place.subnet_of(address).is_some()))?;
    Some(Candidate { node: node.node_name.clone(), address: address.address.clone(), draining: node.draining })
}
