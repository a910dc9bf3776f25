//! What kind of thing a method does, which decides who may call it.

use serde::Deserialize;

/// A class of methods. A caller is allowed classes, not methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Changes nothing.
    Read,
    /// Changes something in the cloud.
    Write,
    /// Answers credentials.
    Secret,
}

impl Class {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Secret => "secret",
        }
    }
}

/// A method, as the gate sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    pub(crate) class: Class,
    /// It may go on for as long as both sides live, so a shutdown has to end it.
    pub(crate) watch: bool,
    /// Health and reflection: asked by tools that set no deadline.
    pub(crate) plumbing: bool,
}

impl Method {
    /// By the path of a call, `/package.Service/Method`.
    pub(crate) fn of(path: &str) -> Self {
        let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
        let class = match service {
            "cloudprovider.v1.Identity" | "cloudprovider.v1.Instances" => Class::Read,
            "cloudprovider.v1.LoadBalancers" | "cloudprovider.v1.Routes" => class_by_verb(method),
            // Whole services, lists too: who may not have the secrets has no business there. A service nobody thought of
            // is treated alike.
            _ if !is_plumbing(service) => Class::Secret,
            _ => Class::Read,
        };
        Self { class, watch: method.starts_with("Watch"), plumbing: is_plumbing(service) }
    }
}

fn is_plumbing(service: &str) -> bool {
    service.starts_with("grpc.health.") || service.starts_with("grpc.reflection.")
}

fn class_by_verb(method: &str) -> Class {
    let reads = ["Get", "List", "Plan", "Watch"];
    if reads.iter().any(|verb| method.starts_with(verb)) { Class::Read } else { Class::Write }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cloud_provider_api::FILE_DESCRIPTOR_SET;
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// A method added to the API fails here until somebody has said what it is.
    #[test]
    fn every_method_of_the_api_has_its_class() {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let mut found = BTreeMap::new();
        for file in set.file.iter().filter(|file| file.package() == "cloudprovider.v1") {
            for service in &file.service {
                for method in &service.method {
                    let class = Method::of(&format!("/cloudprovider.v1.{}/{}", service.name(), method.name())).class;
                    found.insert(format!("{}/{}", service.name(), method.name()), class.as_str());
                }
            }
        }
        let expected: BTreeMap<String, &str> = [
            ("Identity/Handshake", "read"),
            ("Identity/GetStatus", "read"),
            ("Instances/BatchGetInstances", "read"),
            ("Instances/WatchInstances", "read"),
            ("LoadBalancers/EnsureLoadBalancer", "write"),
            ("LoadBalancers/UpdateLoadBalancerMembers", "write"),
            ("LoadBalancers/DeleteLoadBalancer", "write"),
            ("LoadBalancers/GetLoadBalancer", "read"),
            ("LoadBalancers/PlanLoadBalancer", "read"),
            ("LoadBalancers/ListLoadBalancers", "read"),
            ("Routes/ListRoutes", "read"),
            ("Routes/CreateRoutes", "write"),
            ("Routes/DeleteRoutes", "write"),
            ("Clusters/ListClusters", "secret"),
            ("Clusters/IssueKubeconfig", "secret"),
            ("Registries/ListRegistries", "secret"),
            ("Registries/ListRegistryUsers", "secret"),
            ("Registries/ReplaceRegistryUser", "secret"),
            ("Registries/RevokeRegistryUser", "secret"),
            ("Registries/IssueRegistryCredential", "secret"),
        ]
        .into_iter()
        .map(|(method, class)| (method.to_owned(), class))
        .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_known_is_guarded_most() {
        assert_eq!(Method::of("/cloudprovider.v1.LoadBalancers/Frobnicate").class, Class::Write);
        assert_eq!(Method::of("/other.Service/Get").class, Class::Secret);
        assert_eq!(Method::of("nonsense").class, Class::Secret);
    }

    #[test]
    fn plumbing_and_watches_are_told_apart() {
        let health = Method::of("/grpc.health.v1.Health/Watch");
        assert!(health.plumbing && health.watch && health.class == Class::Read);
        assert!(Method::of("/cloudprovider.v1.Instances/WatchInstances").watch);
        assert!(!Method::of("/cloudprovider.v1.Instances/BatchGetInstances").watch);
    }
}
