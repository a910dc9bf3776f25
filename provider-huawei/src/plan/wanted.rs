//! What a Service wants, in the cloud's words.

mod listeners;
mod members;
mod site;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};

use cloud_provider_api::{error::Reason, v1};
use ipnet::IpNet;

pub(crate) use self::listeners::port_key;
pub use self::{
    listeners::{ListenerSettings, MonitorSpec, Speaks},
    members::{Place, WantedMember, wanted_members},
};
use super::{Note, PortKey, Refusal, owner::Owner};
use crate::{
    annotations::{AccessList, Algorithm, Class, EipOption, Settings},
    api::elb::Persistence,
    config::Features,
};

/// All that a Service wants of a load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Whose it is.
    pub owner: Owner,
    /// Shared or dedicated.
    pub dedicated: bool,
    /// The user's load balancer to use.
    pub existing: Option<String>,
    /// How one is made.
    pub placement: Placement,
    /// The public address.
    pub eip: WantedEip,
    /// It outlives the Service.
    pub keep_eip: bool,
    /// The ports, in the Service's order.
    pub ports: Vec<WantedPort>,
    /// Who may connect.
    pub admission: Admission,
    /// The families that are answered.
    pub families: Families,
    /// What a person says about load balancers of the Go provider's.
    pub adopt: Option<String>,
    /// The VPC, if the configuration names it.
    pub vpc: Option<String>,
    /// The Go provider's name of the cluster, where it differs.
    pub business_name: String,
    /// For people.
    pub notes: Vec<Note>,
}

/// Where and how a load balancer is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// IPv4 subnet of the virtual address.
    pub subnet: Option<String>,
    /// The virtual address.
    pub address: Option<Ipv4Addr>,
    /// Network of the virtual IPv6 address.
    pub ipv6_network: Option<String>,
    /// Zones of a dedicated one.
    pub zones: Vec<String>,
    /// Flavor for TCP and UDP.
    pub l4_flavor: Option<String>,
    /// Flavor for HTTP.
    pub l7_flavor: Option<String>,
    /// Members by address alone.
    pub cross_vpc: bool,
    /// Who pays.
    pub enterprise_project: Option<String>,
}

/// The public address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedEip {
    /// None: the virtual address alone.
    None,
    /// The user's.
    Existing(String),
    /// One to allocate, unless one is bound.
    Allocate(EipOption),
}

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Everybody.
    All,
    /// These, by an IP group of ours.
    Only(Vec<IpNet>),
    /// As an IP group of the user's says.
    Group(AccessList),
}

/// Address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

/// One port of the Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPort {
    /// Which.
    pub key: PortKey,
    /// What its listener speaks.
    pub speaks: Speaks,
    /// How members are chosen.
    pub algorithm: Algorithm,
    /// Stickiness.
    pub persistence: Option<Persistence>,
    /// Health checks.
    pub monitor: Option<MonitorSpec>,
    /// The rest of its listener.
    pub listener: ListenerSettings,
    /// Who answers.
    pub members: Vec<WantedMember>,
}

/// What is known beside the request.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// What the annotations say.
    pub settings: &'a Settings,
    /// Where things are.
    pub place: &'a Place,
    /// `business-name` of the options.
    pub business_name: &'a str,
    /// `enterprise-project-id` of the configuration.
    pub enterprise_project: Option<&'a str>,
    /// What the installation has.
    pub features: &'a Features,
}

impl Wanted {
    /// Of a request, or all that is wrong with it.
    pub fn read(
        owner: Owner,
        spec: &v1::LoadBalancerSpec,
        members: Option<&v1::Members>,
        around: &Surroundings<'_>,
    ) -> Result<Self, Refusal> {
        let settings = around.settings;
        let dedicated = settings.class == Some(Class::Dedicated);
        let mut faults = Vec::new();
        let mut notes = unused(settings);
        site::check(spec, settings, dedicated, around.features, &mut faults);
        let ports = listeners::wanted_ports(spec, settings, dedicated, around.features, &mut faults, &mut notes);
        let (families, ipv6_network) = families(spec, around, dedicated, &mut faults, &mut notes)?;
        let admission = admission(spec, settings, families, &mut faults);
        let address = address(spec, &mut faults).or(settings.vip_address);
        let place = around.place;
        // The subnet of the address that is asked for, else what the annotation or the configuration says.
        let subnet = settings
            .subnet_id
            .clone()
            .or_else(|| address.and_then(|address| place.subnet_of(address.into())))
            .or_else(|| place.default_subnet.clone());
        if !faults.is_empty() {
            return Err(Refusal::fields(Reason::Unsupported, faults));
        }
        let mut ports = ports;
        members::attach(&mut ports, &spec.ports, members, around, &mut notes)?;
        Ok(Self {
            owner,
            dedicated,
            existing: settings.id.clone(),
            placement: Placement {
                subnet,
                address,
                ipv6_network,
                zones: settings.zones.clone(),
                l4_flavor: settings.l4_flavor.clone(),
                l7_flavor: settings.l7_flavor.clone(),
                cross_vpc: dedicated && settings.cross_vpc,
                enterprise_project: enterprise_project(around),
            },
            eip: match (&settings.eip_id, &settings.eip) {
                (Some(id), _) => WantedEip::Existing(id.clone()),
                (None, Some(option)) => WantedEip::Allocate(option.clone()),
                (None, None) => WantedEip::None,
            },
            keep_eip: settings.keep_eip,
            ports,
            admission,
            families,
            adopt: settings.adopt.clone(),
            vpc: place.vpc.clone(),
            business_name: around.business_name.to_owned(),
            notes,
        })
    }
}

impl Wanted {
    /// Whether clients within the cluster have to go through the load balancer: it ends TLS or reads requests.
    pub fn is_proxy(&self) -> bool {
        self.ports.iter().any(|port| port.speaks.is_http())
    }
}

/// `0` is the cloud's default project, which the call may not name.
fn enterprise_project(around: &Surroundings<'_>) -> Option<String> {
    if !around.features.enterprise_projects {
        return None;
    }
    let project = around.settings.enterprise_project.as_deref().or(around.enterprise_project)?;
    Some(project.to_owned()).filter(|project| !project.is_empty() && project != "0")
}

fn unused(settings: &Settings) -> Vec<Note> {
    if settings.unused.is_empty() {
        return Vec::new();
    }
    let class = settings.class.map_or("", Class::as_str);
    let message = format!("no effect with class {class}: {}", settings.unused.join(", "));
    vec![Note { reason: "AnnotationUnused", warning: false, message }]
}

fn families(
    spec: &v1::LoadBalancerSpec,
    around: &Surroundings<'_>,
    dedicated: bool,
    faults: &mut Vec<(String, String)>,
    notes: &mut Vec<Note>,
) -> Result<(Families, Option<String>), Refusal> {
    use v1::{IpFamily, IpFamilyPolicy as Policy};
    let v4_only = (Families { v4: true, v6: false }, None);
    let named: Vec<IpFamily> = spec.ip_families().collect();
    let policy = spec.ip_family_policy();
    let dual = match policy {
        Policy::RequireDualStack | Policy::PreferDualStack => true,
        _ => named.contains(&IpFamily::Ipv4) && named.contains(&IpFamily::Ipv6),
    };
    let v6_first = named.first() == Some(&IpFamily::Ipv6);
    if !dual && !v6_first {
        return Ok(v4_only);
    }
    let network = around.settings.ipv6_network_id.clone().or_else(|| around.place.ipv6_network.clone());
    let why_not = match (dedicated, &network) {
        _ if !around.features.ipv6 => "this installation has no IPv6",
        (false, _) => "a shared load balancer has an IPv4 address only; class dedicated has both",
        (true, None) => "the subnet has no IPv6: switch it on, or set kubernetes.io/elb.ipv6-network-id",
        (true, Some(_)) => return Ok((Families { v4: dual, v6: true }, network)),
    };
    if policy == Policy::RequireDualStack {
        let message = format!("ipFamilyPolicy RequireDualStack: {why_not}");
        return Err(Refusal { precondition: true, ..Refusal::new(Reason::Unsupported, message) });
    }
    if !dual {
        faults.push(("spec.ip_families".to_owned(), format!("IPv6: {why_not}")));
        return Ok(v4_only);
    }
    notes.push(Note { reason: "SingleStack", warning: false, message: format!("IPv4 only: {why_not}") });
    Ok(v4_only)
}

fn admission(
    spec: &v1::LoadBalancerSpec,
    settings: &Settings,
    families: Families,
    faults: &mut Vec<(String, String)>,
) -> Admission {
    let mut ranges = Vec::new();
    for (index, range) in spec.source_ranges.iter().enumerate() {
        match range.parse::<IpNet>() {
            Ok(range) => ranges.push(range.trunc()),
            Err(_) => faults.push((format!("spec.source_ranges[{index}]"), format!("{range:?} is no CIDR"))),
        }
    }
    ranges.sort_unstable();
    ranges.dedup();
    let everybody = |v6: bool| ranges.iter().any(|range| range.prefix_len() == 0 && range.addr().is_ipv6() == v6);
    let open = (!families.v4 || everybody(false)) && (!families.v6 || everybody(true));
    match &settings.access_list {
        Some(_) if !ranges.is_empty() && !open => {
            let problem = "loadBalancerSourceRanges and kubernetes.io/elb.acl-id both say who may connect: remove one";
            faults.push(("spec.source_ranges".to_owned(), problem.to_owned()));
            Admission::All
        }
        Some(list) => Admission::Group(list.clone()),
        None if ranges.is_empty() || open => Admission::All,
        None => Admission::Only(ranges),
    }
}

fn address(spec: &v1::LoadBalancerSpec, faults: &mut Vec<(String, String)>) -> Option<Ipv4Addr> {
    let wanted = &spec.load_balancer_ip;
    if wanted.is_empty() {
        return None;
    }
    match wanted.parse() {
        Ok(IpAddr::V4(address)) => Some(address),
        Ok(IpAddr::V6(_)) => {
            let problem = format!("{wanted}: only an IPv4 address can be chosen; remove it");
            faults.push(("spec.load_balancer_ip".to_owned(), problem));
            None
        }
        Err(_) => {
            faults.push(("spec.load_balancer_ip".to_owned(), format!("{wanted:?} is no IP address")));
            None
        }
    }
}
