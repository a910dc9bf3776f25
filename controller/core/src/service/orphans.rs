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
///
/// `tenant_of`: the tenant a Service is looked after as. The same load balancer may be listed for several tenants, where two names
/// lead to one account.
pub fn orphans<'a>(
    owned: &'a [OwnedLoadBalancer],
    services: &BTreeMap<&str, &Service>,
    tenant_of: impl Fn(&Service) -> Option<String>,
) -> Vec<Orphan<'a>> {
    let listed_for = |load_balancer: &OwnedLoadBalancer, tenant: &str| {
        owned.iter().any(|other| {
            (&other.uid, &other.handle, other.tenant.as_str()) == (&load_balancer.uid, &load_balancer.handle, tenant)
        })
    };
    owned
        .iter()
        .filter_map(|load_balancer| {
            let because = match services.get(load_balancer.uid.as_str()) {
                None => "no Service has its UID",
                Some(service) if !wants_load_balancer(service) && !has_finalizer(service) => {
                    "its Service is of another type and holds no finalizer"
                }
                Some(service) => match tenant_of(service) {
                    Some(tenant) if tenant != load_balancer.tenant && !listed_for(load_balancer, &tenant) => {
                        "its Service is another tenant's now"
                    }
                    _ => return None,
                },
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
            tenant: String::new(),
            handle: format!("id-of-{uid}"),
            cloud_name: format!("lb-{uid}"),
        });
        let found: Vec<_> = orphans(&owned, &services, |_| Some(String::new()))
            .iter()
            .map(|orphan| orphan.load_balancer.cloud_name.as_str())
            .collect();
        assert_eq!(found, ["lb-stripped", "lb-unheard-of"]);
    }

    #[test]
    fn what_was_made_for_another_tenant_is_an_orphan_unless_both_names_lead_to_it() {
        let service = Service { uid: "u1".into(), ..service() };
        let services = [("u1", &service)].into();
        let of = |tenant: &str, handle: &str| OwnedLoadBalancer {
            namespace: String::new(),
            name: String::new(),
            uid: "u1".into(),
            tenant: tenant.into(),
            handle: handle.into(),
            cloud_name: "lb".into(),
        };
        for (case, owned, now, expected) in [
            ("its own", vec![of("a", "1")], Some("a"), 0),
            ("another's", vec![of("a", "1")], Some("b"), 1),
            ("one for each", vec![of("a", "1"), of("b", "2")], Some("b"), 1),
            ("one, by two names", vec![of("a", "1"), of("", "1")], Some(""), 0),
            ("nobody knows whose", vec![of("a", "1")], None, 0),
        ] {
            let found = orphans(&owned, &services, |_| now.map(Into::into));
            assert_eq!(found.len(), expected, "{case}");
            assert!(found.iter().all(|orphan| orphan.load_balancer.handle == "1"), "{case}");
        }
    }
}
