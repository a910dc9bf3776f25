//! `identity.proto`: who the provider is.

use std::collections::BTreeSet;

use cloud_provider_api::{API_MINORS, v1};
use controller_core::{
    fault::reason,
    provider::{Account, Capability},
};

use super::{
    Refusal,
    common::{Excerpt, ID, InvalidField, bounded, required, wire_cluster},
};
use crate::provider::{Cluster, Info, Limits};

/// A handshake the controller does not go on with.
#[derive(Debug, thiserror::Error)]
pub(in crate::provider) enum InvalidHandshake {
    #[error(transparent)]
    Field(#[from] InvalidField),
    #[error("provider_name {0} is not 1-63 bytes of [a-z0-9.-]")]
    Name(Excerpt),
    #[error("api_minor {0} was not offered; this build speaks {API_MINORS:?}")]
    Minor(u32),
    #[error("provider_id_schemes holds {0}, which is no scheme: give it without \"://\"")]
    Scheme(Excerpt),
    #[error("{0} is empty")]
    Empty(&'static str),
    #[error("account {account} in region {region} is not among the configured ones")]
    ForeignAccount { account: Excerpt, region: Excerpt },
}

impl Refusal for InvalidHandshake {
    fn reason(&self) -> &'static str {
        match self {
            Self::Minor(_) => reason::API_VERSION,
            Self::ForeignAccount { .. } => reason::WRONG_ACCOUNT,
            _ => reason::BAD_ANSWER,
        }
    }
}

/// What this controller says of itself.
pub(in crate::provider) fn request(cluster: &Cluster) -> v1::HandshakeRequest {
    v1::HandshakeRequest {
        controller_name: env!("CARGO_PKG_NAME").to_owned(),
        controller_version: env!("CARGO_PKG_VERSION").to_owned(),
        api_minors: API_MINORS.to_vec(),
        capabilities: Capability::ALL.into_iter().map(|capability| wire_capability(capability).into()).collect(),
        cluster: Some(wire_cluster(cluster)),
    }
}

/// What the provider says of itself. `configured` are the accounts that may be served; empty: any.
pub(in crate::provider) fn info(wire: v1::HandshakeResponse, configured: &[Account]) -> Result<Info, InvalidHandshake> {
    let capabilities = wire.capabilities().filter_map(capability).collect();
    if !API_MINORS.contains(&wire.api_minor) {
        return Err(InvalidHandshake::Minor(wire.api_minor));
    }
    if !is_provider_name(&wire.provider_name) {
        return Err(InvalidHandshake::Name(Excerpt::of(&wire.provider_name)));
    }
    Ok(Info {
        name: wire.provider_name,
        version: bounded("provider_version", wire.provider_version, ID)?,
        api_minor: wire.api_minor,
        epoch: required("epoch", wire.epoch, 64)?,
        schemes: schemes(wire.provider_id_schemes)?,
        accounts: accounts(wire.accounts, configured)?,
        capabilities,
        limits: limits(wire.limits.unwrap_or_default()),
        annotation_prefixes: not_empty("annotation_prefixes", wire.annotation_prefixes)?,
        node_selector_annotations: not_empty("node_selector_annotations", wire.node_selector_annotations)?,
        tenants: wire.tenants.into_iter().map(|tenant| required("tenants", tenant, ID)).collect::<Result<_, _>>()?,
    })
}

fn is_provider_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
}

fn schemes(wire: Vec<String>) -> Result<Vec<String>, InvalidHandshake> {
    if wire.is_empty() {
        return Err(InvalidHandshake::Empty("provider_id_schemes"));
    }
    let well_formed =
        |scheme: &str| scheme.len() <= 63 && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    match wire.iter().find(|scheme| !well_formed(scheme)) {
        Some(scheme) => Err(InvalidHandshake::Scheme(Excerpt::of(scheme))),
        None => Ok(wire.into_iter().collect::<BTreeSet<_>>().into_iter().collect()),
    }
}

fn accounts(wire: Vec<v1::Account>, configured: &[Account]) -> Result<Vec<Account>, InvalidHandshake> {
    if wire.is_empty() {
        return Err(InvalidHandshake::Empty("accounts"));
    }
    wire.into_iter()
        .map(|account| {
            let account = Account {
                id: required("accounts.id", account.id, ID)?,
                region: required("accounts.region", account.region, 253)?,
            };
            if configured.is_empty() || configured.contains(&account) {
                return Ok(account);
            }
            Err(InvalidHandshake::ForeignAccount {
                account: Excerpt::of(&account.id),
                region: Excerpt::of(&account.region),
            })
        })
        .collect()
}

/// Keys of annotations, or prefixes of them. The empty one is neither: as a prefix it would hand over every annotation there is.
fn not_empty(field: &'static str, wire: Vec<String>) -> Result<Vec<String>, InvalidHandshake> {
    Ok(wire.into_iter().map(|key| required(field, key, 317)).collect::<Result<_, _>>()?)
}

fn limits(wire: v1::Limits) -> Limits {
    let standard = Limits::default();
    // Zero would let nothing through: it is read as "not said".
    let or = |said: Option<u32>, standard: usize| {
        said.filter(|said| *said > 0).and_then(|said| usize::try_from(said).ok()).unwrap_or(standard)
    };
    Limits {
        instances: or(wire.max_instances, standard.instances),
        routes: or(wire.max_routes, standard.routes),
        members: or(wire.max_members, standard.members),
        load_balancer_concurrency: or(wire.load_balancer_concurrency, standard.load_balancer_concurrency),
    }
}

const fn wire_capability(capability: Capability) -> v1::Capability {
    match capability {
        Capability::Instances => v1::Capability::Instances,
        Capability::InstanceWatch => v1::Capability::InstanceWatch,
        Capability::LoadBalancers => v1::Capability::LoadBalancers,
        Capability::LoadBalancerPlan => v1::Capability::LoadBalancerPlan,
        Capability::LoadBalancerList => v1::Capability::LoadBalancerList,
        Capability::PodEndpoints => v1::Capability::PodEndpoints,
        Capability::DualStack => v1::Capability::DualStack,
        Capability::MemberDrain => v1::Capability::MemberDrain,
        Capability::Routes => v1::Capability::Routes,
        Capability::Clusters => v1::Capability::Clusters,
        Capability::Registries => v1::Capability::Registries,
        Capability::Tenants => v1::Capability::Tenants,
    }
}

fn capability(wire: v1::Capability) -> Option<Capability> {
    Capability::ALL.into_iter().find(|capability| wire_capability(*capability) == wire)
}

#[cfg(test)]
mod tests;
