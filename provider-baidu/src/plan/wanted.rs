//! What a Service wants, in the cloud's words.

mod members;
mod ports;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use cloud_provider_api::{error::Reason, v1};
use ipnet::IpNet;

pub(crate) use self::{
    members::{WantedMember, wanted_members},
    ports::WantedPort,
};
use super::{Note, Refusal, owner::Owner};
use crate::{
    annotations::{self, EipSettings, Settings},
    api::balancers::Kind,
};

/// Who the load balancers belong to, for people.
pub(crate) const CLOUD: &str = "Baidu AI Cloud";

/// All that a Service wants of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) owner: Owner,
    /// The kind to be made.
    pub(crate) kind: Kind,
    /// The load balancer an annotation names.
    pub(crate) named: Option<Named>,
    /// The one the Go provider wrote that it made.
    pub(crate) added: Option<String>,
    /// A name of the user's choice.
    pub(crate) name: Option<String>,
    pub(crate) subnet: Option<String>,
    /// The address inside.
    pub(crate) address: Option<String>,
    pub(crate) allocate_vip: bool,
    pub(crate) reserve: bool,
    pub(crate) eip: WantedEip,
    pub(crate) eip_settings: EipSettings,
    /// Most Mbit/s of an address. `None`: the cloud's.
    pub(crate) most_bandwidth: Option<u32>,
    pub(crate) ports: Vec<WantedPort>,
    pub(crate) members: Vec<WantedMember>,
    /// The scheduler is what it is for the sake of `sessionAffinity`.
    pub(crate) sticky: bool,
    /// For people.
    pub(crate) notes: Vec<Note>,
}

/// A load balancer that an annotation names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The annotation.
    pub(crate) key: &'static str,
    pub(crate) id: String,
}

impl Named {
    /// As `BadRequest` has it.
    pub(crate) fn field(&self) -> String {
        format!("annotations[{}]", self.key)
    }
}

/// The public address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WantedEip {
    /// None: the address inside alone.
    None,
    /// The user's.
    Existing(String),
    /// One to be made, unless one is bound.
    Made,
    /// It is part of the load balancer, at the edge.
    Included,
}

/// What is known beside the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) settings: &'a Settings,
    /// The kind that is made unless an annotation says otherwise.
    pub(crate) kind: Kind,
    /// The kinds the installation has.
    pub(crate) kinds: &'a [Kind],
    /// The installation has public addresses.
    pub(crate) public: bool,
}

impl Wanted {
    /// Of a request, or all that is wrong with it.
    pub(crate) fn read(
        owner: Owner,
        spec: &v1::LoadBalancerSpec,
        members: Option<&v1::Members>,
        around: &Surroundings<'_>,
    ) -> Result<Self, Refusal> {
        let settings = around.settings;
        let kind = settings.kind.unwrap_or(around.kind);
        let (mut faults, mut notes) = (Vec::new(), Vec::new());
        if !around.kinds.contains(&kind) {
            let problem = format!("{} does not exist in this profile", kind.name());
            faults.push((format!("annotations[{}]", annotations::TYPE), problem));
        }
        let internal = settings.internal || !around.public;
        let (ports, sticky) = ports::wanted_ports(spec, settings, kind, &mut faults, &mut notes);
        source_ranges(spec, &mut faults);
        families(spec, &mut faults, &mut notes)?;
        let address = address(spec, &mut faults);
        let (eip, address) = match (address, internal, kind) {
            (Some(address), true, _) => (WantedEip::None, Some(address)),
            (None, true, _) => (WantedEip::None, None),
            (Some(address), false, Kind::Edge) => {
                let problem = format!("{address}: at the edge, addresses outside cannot be chosen; remove it");
                faults.push(("spec.load_balancer_ip".to_owned(), problem));
                (WantedEip::Included, None)
            }
            (None, false, Kind::Edge) => (WantedEip::Included, None),
            (Some(address), false, _) => (WantedEip::Existing(address), None),
            (None, false, _) => (WantedEip::Made, None),
        };
        if kind == Kind::Edge && settings.eip != EipSettings::default() {
            let message = "at the edge, public addresses are part of the load balancer: cce-elastic-ip-* has no effect";
            notes.push(Note { reason: "AnnotationUnused", warning: false, message: message.to_owned() });
        }
        if !faults.is_empty() {
            return Err(Refusal::fields(Reason::Unsupported, faults));
        }
        let most_bandwidth = owner.tenant.max_bandwidth;
        let members = wanted_members(&owner, members, kind, settings, &mut notes);
        let named = |key, id: &Option<String>| id.clone().map(|id| Named { key, id });
        Ok(Self {
            owner,
            kind,
            named: named(annotations::EXIST_ID, &settings.exist_id).or_else(|| named(annotations::ID, &settings.id)),
            added: settings.added_id.clone(),
            name: settings.name.clone(),
            subnet: settings.subnet_id.clone(),
            address,
            allocate_vip: settings.allocate_vip,
            reserve: settings.reserve,
            eip,
            eip_settings: settings.eip.clone(),
            most_bandwidth,
            ports,
            members,
            sticky,
            notes,
        })
    }

    /// Name of the load balancer that is made.
    pub(crate) fn balancer_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.owner.balancer_name())
    }

    /// Mbit/s of the address that is made: what is asked for, else the most there may be.
    pub(crate) fn new_bandwidth(&self) -> u16 {
        let most = self.eip_settings.most_bandwidth();
        let default = self.most_bandwidth.and_then(|mbps| u16::try_from(mbps).ok()).map_or(most, |mbps| mbps.min(most));
        self.eip_settings.bandwidth.unwrap_or(default)
    }

    /// Name of the address that is made.
    pub(crate) fn eip_name(&self) -> String {
        let name = self.eip_settings.name.clone().unwrap_or_else(|| self.balancer_name());
        super::owner::cut(&name)
    }
}

/// Nothing that hangs on a load balancer of this cloud's says who may connect.
fn source_ranges(spec: &v1::LoadBalancerSpec, faults: &mut Vec<(String, String)>) {
    let mut closed = false;
    for (index, range) in spec.source_ranges.iter().enumerate() {
        match range.parse::<IpNet>() {
            Ok(range) => closed |= range.prefix_len() > 0,
            Err(_) => faults.push((format!("spec.source_ranges[{index}]"), format!("{range:?} is no CIDR"))),
        }
    }
    let open = spec.source_ranges.iter().any(|range| range == "0.0.0.0/0");
    if closed && !open {
        let problem = "a load balancer of Baidu AI Cloud's admits everybody: remove loadBalancerSourceRanges and bind a security \
                       group to the load balancer in the console, or filter with a NetworkPolicy";
        faults.push(("spec.source_ranges".to_owned(), problem.to_owned()));
    }
}

fn families(
    spec: &v1::LoadBalancerSpec,
    faults: &mut Vec<(String, String)>,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    use v1::{IpFamily, IpFamilyPolicy as Policy};
    const WHY: &str = "a load balancer of Baidu AI Cloud's has one family, and this provider makes IPv4 ones";
    let named: Vec<IpFamily> = spec.ip_families().collect();
    match spec.ip_family_policy() {
        Policy::RequireDualStack => {
            let message = format!("ipFamilyPolicy RequireDualStack: {WHY}");
            return Err(Refusal { precondition: true, ..Refusal::new(Reason::Unsupported, message) });
        }
        Policy::PreferDualStack => {
            notes.push(Note { reason: "SingleStack", warning: false, message: format!("IPv4 only: {WHY}") });
        }
        _ if named.first() == Some(&IpFamily::Ipv6) => {
            faults.push(("spec.ip_families".to_owned(), format!("IPv6: {WHY}")));
        }
        _ => {}
    }
    Ok(())
}

fn address(spec: &v1::LoadBalancerSpec, faults: &mut Vec<(String, String)>) -> Option<String> {
    let wanted = &spec.load_balancer_ip;
    if wanted.is_empty() {
        return None;
    }
    match wanted.parse() {
        Ok(IpAddr::V4(address)) => Some(address.to_string()),
        Ok(IpAddr::V6(_)) => {
            faults.push(("spec.load_balancer_ip".to_owned(), format!("{wanted}: only IPv4 addresses can be chosen")));
            None
        }
        Err(_) => {
            faults.push(("spec.load_balancer_ip".to_owned(), format!("{wanted:?} is no IP address")));
            None
        }
    }
}
