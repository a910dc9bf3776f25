//! The annotations of a Service that this provider reads: one table, from which `docs/baidu-annotations.md` is made.

mod page;
mod read;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::collections::HashMap;

use crate::api::balancers::Kind;

pub use self::page::markdown;
pub(crate) use self::table::{BACKEND_LABEL, BANDWIDTH, BILLING, EXIST_ID, ID, PAYMENT, SUBNET, TYPE};

/// The prefixes of the annotations, for the handshake.
pub(crate) const PREFIXES: [&str; 2] =
    ["service.beta.kubernetes.io/cce-load-balancer-", "service.beta.kubernetes.io/cce-elastic-ip-"];

/// What the annotations of a Service say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The load balancer to use, or that was made.
    pub(crate) id: Option<String>,
    /// The user's load balancer to use.
    pub(crate) exist_id: Option<String>,
    /// The load balancer the Go provider made.
    pub(crate) added_id: Option<String>,
    /// The address the Go provider made.
    pub(crate) added_eip: Option<String>,
    /// The kind to be made.
    pub(crate) kind: Option<Kind>,
    /// Name of the load balancer.
    pub(crate) name: Option<String>,
    /// No public address.
    pub(crate) internal: bool,
    /// For accounts of the cloud's own.
    pub(crate) allocate_vip: bool,
    /// Subnet of the load balancer.
    pub(crate) subnet_id: Option<String>,
    /// Most servers.
    pub(crate) most_servers: Option<u16>,
    /// The load balancer outlives the Service.
    pub(crate) reserve: bool,
    /// How servers are chosen.
    pub(crate) scheduler: Option<&'static str>,
    /// Seconds to wait for a server.
    pub(crate) check_timeout: Option<u16>,
    /// Seconds between checks.
    pub(crate) check_interval: Option<u16>,
    /// Failures until a server is out.
    pub(crate) unhealthy: Option<u16>,
    /// Successes until it is back.
    pub(crate) healthy: Option<u16>,
    /// What UDP servers are sent.
    pub(crate) check_string: Option<String>,
    /// The public address to be made.
    pub(crate) eip: EipSettings,
}

/// What the annotations say of the public address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EipSettings {
    pub(crate) name: Option<String>,
    pub(crate) payment_timing: Option<&'static str>,
    pub(crate) billing_method: Option<&'static str>,
    pub(crate) bandwidth: Option<u16>,
    pub(crate) reservation: Option<u16>,
}

/// An annotation that makes no sense: its key, and what is wrong with its value and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) key: String,
    pub(crate) problem: String,
}

impl Settings {
    /// Reads the annotations, all faults at once. Those it does not know are left alone.
    pub(crate) fn read(annotations: &HashMap<String, String>) -> Result<Self, Vec<Fault>> {
        let (settings, faults) = read::read(annotations);
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    /// What is readable, for a removal: nothing in it can fail, and what cannot be read keeps what might be meant to stay.
    pub(crate) fn lenient(annotations: &HashMap<String, String>) -> Self {
        read::read(annotations).0
    }
}
