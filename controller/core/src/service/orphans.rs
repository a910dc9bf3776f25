//! Load balancers of the cluster that no Service accounts for.

use std::collections::BTreeMap;

use crate::{provider::OwnedLoadBalancer, view::Service};

use super::ownership::{has_finalizer, wants_load_balancer};

/// A load balancer without a Service that accounts for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Orphan<'a> {
    /// The load balancer.
    pub load_balancer: &'a OwnedLoadBalancer,
    /// Why nothing will ever remove it, for people.
    pub because: &'static str,
}

/// The orphans among `owned`. They are told of and left alone: something was stripped of its finalizer or changed behind
/// the controller's back, and a person has to say whether its traffic is still wanted.
pub fn orphans<'a>(owned: &'a [OwnedLoadBalancer], services: &BTreeMap<&str, &Service>) -> Vec<Orphan<'a>> {
    owned
        .iter()
        .filter_map(|load_balancer| {
            let because = match services.get(load_balancer.uid.as_str()) {
                None => "no Service has its UID",
                Some(service) if !wants_load_balancer(service) && !has_finalizer(service) => {
                    "its Service is of another type and holds no finalizer"
                }
                Some(_) => return None,
            };
            Some(Orphan { load_balancer, because })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{names::FINALIZER_LB, service::tests::service, view::ServiceType};

    #[test]
    fn orphans_are_what_no_service_accounts_for() {
        let wanting = Service { uid: "wanting".into(), ..service() };
        let kind = ServiceType::ClusterIp;
        let leaving = Service { uid: "leaving".into(), kind, finalizers: vec![FINALIZER_LB.into()], ..service() };
        let stripped = Service { uid: "stripped".into(), kind, ..service() };
        let services = [&wanting, &leaving, &stripped].map(|service| (service.uid.as_str(), service)).into();
        let owned = ["wanting", "leaving", "stripped", "unheard-of"].map(|uid| OwnedLoadBalancer {
            namespace: String::new(),
            name: String::new(),
            uid: uid.into(),
            cloud_name: format!("lb-{uid}"),
        });
        let found: Vec<_> =
            orphans(&owned, &services).iter().map(|orphan| orphan.load_balancer.cloud_name.as_str()).collect();
        assert_eq!(found, ["lb-stripped", "lb-unheard-of"]);
    }
}
