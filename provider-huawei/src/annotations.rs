//! The annotations of a Service that this provider reads: one table, from which `docs/huawei-annotations.md` is made.

mod page;
mod read;
mod table;
mod values;

use std::collections::{BTreeMap, HashMap};

pub use page::markdown;
pub(crate) use read::check_defaults;
pub use table::{Annotation, all};
pub use values::{
    AccessList, Affinity, Algorithm, Class, EipOption, HealthOption, L7Port, L7Protocol, PersistenceKind,
};

/// The prefixes of the annotations, for the handshake.
pub const PREFIXES: [&str; 2] = ["kubernetes.io/elb.", "kubernetes.io/natgateway."];

/// What the annotations of a Service say, with the operator's defaults in the gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Which implementation. `None`: neither the Service nor the operator says.
    pub class: Option<Class>,
    /// An existing load balancer to use.
    pub id: Option<String>,
    /// A load balancer of the Go provider's that a person declares to be this Service's.
    pub adopt: Option<String>,
    /// IPv4 subnet of the virtual address.
    pub subnet_id: Option<String>,
    /// The virtual address, where the Service's `loadBalancerIP` says none.
    pub vip_address: Option<std::net::Ipv4Addr>,
    /// Network of the virtual IPv6 address.
    pub ipv6_network_id: Option<String>,
    /// An existing public address to bind.
    pub eip_id: Option<String>,
    /// The public address outlives the Service.
    pub keep_eip: bool,
    /// A public address to allocate.
    pub eip: Option<EipOption>,
    /// How members are chosen.
    pub algorithm: Algorithm,
    /// Whether a client stays with a member. `None`: as the Service's own `sessionAffinity` says.
    pub affinity: Option<bool>,
    /// How, once it does.
    pub affinity_option: Affinity,
    /// Members are checked.
    pub health_check: bool,
    /// How.
    pub health_option: HealthOption,
    /// Members see the client's address.
    pub transparent_client_ip: bool,
    /// HTTP listeners that add `X-Forwarded-Host`.
    pub x_forwarded_host: bool,
    /// Certificate of TLS listeners.
    pub certificate: Option<String>,
    /// Layer-7 protocol by port.
    pub protocol_ports: BTreeMap<u16, L7Protocol>,
    /// Seconds an idle connection stays.
    pub idle_timeout: Option<u32>,
    /// Seconds to wait for a request.
    pub request_timeout: Option<u32>,
    /// Seconds to wait for a response.
    pub response_timeout: Option<u32>,
    /// Availability zones of a dedicated load balancer.
    pub zones: Vec<String>,
    /// Members outside the VPC, by address.
    pub cross_vpc: bool,
    /// Flavor for TCP and UDP.
    pub l4_flavor: Option<String>,
    /// Flavor for HTTP.
    pub l7_flavor: Option<String>,
    /// Enterprise project of what is made.
    pub enterprise_project: Option<String>,
    /// An existing IP group that admits or bars clients.
    pub access_list: Option<AccessList>,
    /// NAT gateway of class `dnat`.
    pub nat_gateway: Option<String>,
    /// Annotations that are set and have no effect with this class.
    pub unused: Vec<&'static str>,
}

/// An annotation that makes no sense: its key, and what is wrong with its value and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The annotation.
    pub key: String,
    /// The value, and the remedy.
    pub problem: String,
}

impl Settings {
    /// Reads the annotations, all faults at once. Those it does not know are left alone.
    pub fn read(
        annotations: &HashMap<String, String>,
        options: &crate::options::LoadBalancerOptions,
    ) -> Result<Self, Vec<Fault>> {
        read::read(annotations, options)
    }
}

/// What a deletion goes by: hints alone, for the cloud's record decides. Nothing in it can fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionHints {
    /// The class, where it is readable.
    pub class: Option<Class>,
    /// The load balancer the Service names.
    pub id: Option<String>,
    /// The public address the Service names: never released.
    pub eip_id: Option<String>,
    /// The load balancer a person declares to be this Service's, or `none`.
    pub adopt: Option<String>,
    /// A public address is wanted, as far as one can read.
    pub wants_eip: bool,
    /// The public address is kept. So it is when nobody can read what was meant.
    pub keep_eip: bool,
    /// NAT gateway of class `dnat`.
    pub nat_gateway: Option<String>,
}

impl DeletionHints {
    /// Takes what is readable.
    pub fn read(annotations: &HashMap<String, String>, options: &crate::options::LoadBalancerOptions) -> Self {
        let text =
            |key: &str| annotations.get(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        Self {
            class: text(table::CLASS)
                .or_else(|| Some(options.default_elb_class.clone()))
                .and_then(|value| values::class(&value).ok()),
            id: text(table::ID),
            adopt: text(table::ADOPT),
            wants_eip: text(table::EIP_ID).is_some() || wants_allocated(&text, options),
            eip_id: text(table::EIP_ID),
            keep_eip: match text(table::KEEP_EIP) {
                None => options.keep_eip,
                Some(value) => values::boolean(&value).unwrap_or(true),
            },
            nat_gateway: text(table::NAT_GATEWAY),
        }
    }
}

/// Whether a public address is to be allocated, as far as one can read.
fn wants_allocated(text: &impl Fn(&str) -> Option<String>, options: &crate::options::LoadBalancerOptions) -> bool {
    match text(table::EIP_OPTION) {
        Some(option) => option != "none",
        None => {
            match text(table::AUTOCREATE).map(|json| values::json(&json).and_then(|json| values::autocreate(&json))) {
                Some(made) => made.is_ok_and(|made| made.eip.is_some()),
                None => options.eip_auto_create_option.is_some(),
            }
        }
    }
}

#[cfg(test)]
mod tests;
