//! Whether a Service wants a load balancer, whether ours is to be removed, and which provider has it.

use crate::{
    names::{ANNOTATION_PROVIDER, CLASS_PREFIX, FINALIZER_LB},
    view::{Service, ServiceType},
};

/// Whose a Service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'a> {
    /// The provider of this name.
    Provider(&'a str),
    /// Nobody we know: another controller's, or a class no provider of ours serves.
    Foreign,
    /// Not known before every provider has said its name.
    Waiting,
}

/// Whose `service` is, when `by_class` is what its class alone says.
///
/// A Service stays with the provider that has its load balancer: a new default provider, or a class that the command line
/// gives to another one now, must not take addresses from running Services. Only a class that itself names a provider
/// moves it, since a person wrote that on this Service; and a foreign class is foreign whatever else stands there.
pub fn owner<'a>(service: &'a Service, by_class: Owner<'a>) -> Owner<'a> {
    let Some(marked) = marked_provider(service) else { return by_class };
    match (service.load_balancer_class.as_deref(), by_class) {
        (Some(_), Owner::Foreign) => Owner::Foreign,
        (Some(class), _) => match class.strip_prefix(CLASS_PREFIX) {
            Some(_) => by_class,
            None => Owner::Provider(marked),
        },
        (None, _) => Owner::Provider(marked),
    }
}

/// Whether the Service is of type `LoadBalancer`. Whose it is then, is a matter of its class.
pub const fn wants_load_balancer(service: &Service) -> bool {
    matches!(service.kind, ServiceType::LoadBalancer)
}

/// Whether the finalizer for load balancers is there. Other controllers use the same one.
pub fn has_finalizer(service: &Service) -> bool {
    service.finalizers.iter().any(|finalizer| finalizer == FINALIZER_LB)
}

/// Whether a load balancer has to go before the Service is let go.
pub fn needs_cleanup(service: &Service) -> bool {
    has_finalizer(service) && (service.deleting || !wants_load_balancer(service))
}

/// The provider that has, or was about to make, the Service's load balancer, by our own mark on it.
pub fn marked_provider(service: &Service) -> Option<&str> {
    service.annotations.get(ANNOTATION_PROVIDER).map(String::as_str).filter(|name| !name.is_empty())
}

/// Whether traffic only goes to nodes that have an endpoint of the Service.
pub const fn requests_only_local_traffic(service: &Service) -> bool {
    matches!(service.kind, ServiceType::LoadBalancer | ServiceType::NodePort) && service.local_traffic
}

/// Whether the load balancer has to ask each node if it has an endpoint.
pub const fn needs_health_check(service: &Service) -> bool {
    wants_load_balancer(service) && requests_only_local_traffic(service)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::service;

    fn of_kind(kind: ServiceType, local_traffic: bool) -> Service {
        Service { kind, local_traffic, ..service() }
    }

    #[test]
    fn a_service_stays_with_the_provider_that_has_its_load_balancer() {
        use Owner::{Foreign, Provider, Waiting};
        for (case, class, mark, by_class, expected) in [
            ("new", None, None, Provider("b"), Provider("b")),
            ("the default changed", None, Some("a"), Provider("b"), Provider("a")),
            ("the default has no load balancers any more", None, Some("a"), Foreign, Provider("a")),
            ("the default is not known yet", None, Some("a"), Waiting, Provider("a")),
            ("the class went to another provider", Some("fast"), Some("a"), Provider("b"), Provider("a")),
            (
                "its class names another provider",
                Some("ccm.cloudprovider.io/b"),
                Some("a"),
                Provider("b"),
                Provider("b"),
            ),
            ("its class names a provider not known yet", Some("ccm.cloudprovider.io/b"), Some("a"), Waiting, Waiting),
            ("a foreign class", Some("other.example/lb"), Some("a"), Foreign, Foreign),
            ("a foreign class, never ours", Some("other.example/lb"), None, Foreign, Foreign),
        ] {
            let mut service = Service { load_balancer_class: class.map(Into::into), ..service() };
            service.annotations.extend(mark.map(|name| (ANNOTATION_PROVIDER.into(), name.into())));
            assert_eq!(owner(&service, by_class), expected, "{case}");
        }
    }

    #[test]
    fn cleanup_is_due_when_our_finalizer_outlives_the_wish() {
        // TestNeedsCleanup.
        for (case, finalizer, deleting, kind, expected) in [
            ("service without finalizer", false, false, ServiceType::LoadBalancer, false),
            ("service with finalizer without timestamp without LB", true, false, ServiceType::NodePort, true),
            ("service with finalizer without timestamp with LB", true, false, ServiceType::LoadBalancer, false),
            ("service with finalizer with timestamp", true, true, ServiceType::LoadBalancer, true),
        ] {
            let finalizers = if finalizer { vec![FINALIZER_LB.into()] } else { vec![] };
            let service = Service { deleting, finalizers, kind, ..service() };
            assert_eq!(needs_cleanup(&service), expected, "{case}");
        }
    }

    #[test]
    fn finds_the_finalizer_among_others() {
        // TestHasLBFinalizer.
        for (case, finalizers, expected) in [
            ("service without finalizer", vec![], false),
            ("service with unrelated finalizer", vec!["unrelated"], false),
            ("service with one finalizer", vec![FINALIZER_LB], true),
            ("service with multiple finalizers", vec![FINALIZER_LB, "unrelated"], true),
        ] {
            let service = Service { finalizers: finalizers.into_iter().map(Into::into).collect(), ..service() };
            assert_eq!(has_finalizer(&service), expected, "{case}");
        }
    }

    #[test]
    fn only_local_traffic_policies_keep_traffic_local() {
        // TestRequestsOnlyLocalTraffic.
        for (case, service, expected) in [
            ("empty", of_kind(ServiceType::default(), false), false),
            ("ClusterIP", of_kind(ServiceType::ClusterIp, false), false),
            ("NodePort", of_kind(ServiceType::NodePort, false), false),
            ("NodePort+Cluster", of_kind(ServiceType::NodePort, false), false),
            ("LB+Cluster", of_kind(ServiceType::LoadBalancer, false), false),
            ("NodePort+Local", of_kind(ServiceType::NodePort, true), true),
            ("LB+Local", of_kind(ServiceType::LoadBalancer, true), true),
        ] {
            assert_eq!(requests_only_local_traffic(&service), expected, "{case}");
        }
    }

    #[test]
    fn only_a_load_balancer_with_local_traffic_needs_a_health_check() {
        // TestNeedsHealthCheck.
        for (case, service, expected) in [
            ("ClusterIP", of_kind(ServiceType::ClusterIp, false), false),
            ("NodePort+Cluster", of_kind(ServiceType::NodePort, false), false),
            ("NodePort+Local", of_kind(ServiceType::NodePort, true), false),
            ("LB+Cluster", of_kind(ServiceType::LoadBalancer, false), false),
            ("LB+Local", of_kind(ServiceType::LoadBalancer, true), true),
        ] {
            assert_eq!(needs_health_check(&service), expected, "{case}");
        }
    }
}
