//! Whose a load balancer is, for listings.

use cloud_provider_api::v1;
use provider_kit::Tenant;

use super::tenancy::owner_within;
use crate::api::elb::LoadBalancer;

/// The entry of a load balancer, if it is the cluster's and the tenant's. `named`: the tenant as the caller named it.
pub(crate) fn owned_by(
    cluster: &v1::Cluster,
    tenant: &Tenant,
    named: &str,
    lb: &LoadBalancer,
) -> Option<v1::OwnedLoadBalancer> {
    let owner = owner_within(tenant, &lb.description).filter(|owner| owner.cluster == cluster.id)?;
    let public = lb.eip().map(|eip| eip.eip_address.clone());
    let addresses = public.into_iter().chain([lb.vip_address.clone(), lb.ipv6_vip_address.clone()]);
    Some(v1::OwnedLoadBalancer {
        key: Some(v1::LoadBalancerKey {
            cluster: Some(cluster.clone()),
            service_namespace: owner.namespace,
            service_name: owner.service,
            service_uid: owner.uid,
            tenant: named.to_owned(),
            handle: format!("elb:{}", lb.id),
            attempted: false,
            published_addresses: Vec::new(),
        }),
        name: lb.name.clone(),
        addresses: addresses.filter(|address| !address.is_empty()).collect(),
        created_at: made_at(&lb.created_at),
    })
}

/// UTC, with or without saying so.
fn made_at(text: &str) -> Option<prost_types::Timestamp> {
    let text = if text.ends_with('Z') { text.to_owned() } else { format!("{text}Z") };
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clusters_own_are_listed() {
        let cluster = |id: &str| v1::Cluster { id: id.to_owned(), name: "n".to_owned() };
        let mut lb = LoadBalancer {
            id: "lb-1".to_owned(),
            description: "k8s:c1/u1 done=x:y svc=default/web".to_owned(),
            vip_address: "192.168.0.9".to_owned(),
            created_at: "2026-11-20T01:02:03".to_owned(),
            ..LoadBalancer::default()
        };
        let owned = owned_by(&cluster("c1"), &Tenant::default(), "", &lb).unwrap();
        let key = owned.key.unwrap();
        assert_eq!((key.service_namespace.as_str(), key.service_name.as_str()), ("default", "web"));
        assert_eq!((key.service_uid.as_str(), key.handle.as_str()), ("u1", "elb:lb-1"));
        assert_eq!(owned.addresses, ["192.168.0.9"]);
        assert_eq!(owned.created_at.unwrap().seconds, 1_795_136_523);
        assert_eq!(owned_by(&cluster("c2"), &Tenant::default(), "", &lb), None);
        lb.description.clear();
        assert_eq!(owned_by(&cluster("c1"), &Tenant::default(), "", &lb), None);
    }
}
