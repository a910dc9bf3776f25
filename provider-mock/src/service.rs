//! The services of the API: each call passes [`gate`], which does what the rules want, and then works on the cloud.

mod bend;
mod check;
mod clusters;
mod gate;
mod identity;
mod instances;
mod load_balancers;
mod pages;
mod plan;
mod refusal;
mod registries;
mod routes;
mod watch;
mod who;

use cloud_provider_api::v1::Capability;

pub(crate) use self::{bend::StaleAnswers, gate::Call, refusal::Refusal, registries::RegistryUsers, who::Who};

/// Every method, and the capability it needs.
const CAPABILITIES: &[(&str, Option<Capability>)] = &[
    ("Handshake", None),
    ("GetStatus", None),
    ("BatchGetInstances", Some(Capability::Instances)),
    ("WatchInstances", Some(Capability::InstanceWatch)),
    ("EnsureLoadBalancer", Some(Capability::LoadBalancers)),
    ("UpdateLoadBalancerMembers", Some(Capability::LoadBalancers)),
    ("DeleteLoadBalancer", Some(Capability::LoadBalancers)),
    ("GetLoadBalancer", Some(Capability::LoadBalancers)),
    ("PlanLoadBalancer", Some(Capability::LoadBalancerPlan)),
    ("ListLoadBalancers", Some(Capability::LoadBalancerList)),
    ("ListRoutes", Some(Capability::Routes)),
    ("CreateRoutes", Some(Capability::Routes)),
    ("DeleteRoutes", Some(Capability::Routes)),
    ("ListClusters", Some(Capability::Clusters)),
    ("IssueKubeconfig", Some(Capability::Clusters)),
    ("ListRegistries", Some(Capability::Registries)),
    ("ListRegistryUsers", Some(Capability::Registries)),
    ("ReplaceRegistryUser", Some(Capability::Registries)),
    ("RevokeRegistryUser", Some(Capability::Registries)),
    ("IssueRegistryCredential", Some(Capability::Registries)),
];

/// Names of all methods.
pub(crate) fn methods() -> impl Iterator<Item = &'static str> {
    CAPABILITIES.iter().map(|(method, _)| *method)
}

/// The capability a method needs. `None`: none.
fn capability_of(method: &str) -> Option<Capability> {
    CAPABILITIES.iter().find(|(name, _)| *name == method).and_then(|(_, capability)| *capability)
}
