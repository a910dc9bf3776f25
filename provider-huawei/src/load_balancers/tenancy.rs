//! What a tenant may ask for, which objects it may name, and how many it may have.

use std::collections::BTreeMap;

use provider_kit::{
    Result, Tenant,
    tenancy::{Counted, Have, Named},
};

use super::engine::Engine;
use crate::{
    PROVIDER,
    annotations::Settings,
    api::{
        eip::PublicIp,
        elb::{LoadBalancer, Tag},
    },
    fault,
    plan::{
        owner::{Owner, owner_of},
        record::{EIP_NEW, Record},
        seen::mark_of,
        step::{Action, Step},
        wanted::Wanted,
    },
};

/// The annotations that name or choose, as `BadRequest` has them.
pub(super) const ID: &str = "annotations[kubernetes.io/elb.id]";
pub(super) const ADOPT: &str = "annotations[kubernetes.io/elb.adopt]";
const CLASS: &str = "annotations[kubernetes.io/elb.class]";
const SUBNET: &str = "annotations[kubernetes.io/elb.subnet-id]";
const NETWORK: &str = "annotations[kubernetes.io/elb.ipv6-network-id]";
const EIP: &str = "annotations[kubernetes.io/elb.eip-auto-create-option]";

impl Engine<'_> {
    /// Refuses what is beyond the tenant's limits, and objects that are not its to name. `wanted`: of a load balancer.
    pub(super) fn permit(&self, settings: &Settings, wanted: Option<&Wanted>) -> Result<()> {
        let mut limits = self.tenant.limits();
        if let Some(class) = settings.class {
            limits.class(CLASS, class.as_str());
        }
        if let Some(eip) = &settings.eip {
            // Of a shared bandwidth neither is the Service's to say.
            if eip.share_id.is_none() {
                limits.billing(EIP, &eip.charge_mode);
            }
            if let Some(size) = eip.bandwidth_size {
                limits.bandwidth(EIP, size);
            }
        }
        if let Some(wanted) = wanted.filter(|wanted| wanted.existing.is_none()) {
            let place = &wanted.placement;
            if let Some(subnet) = &place.subnet {
                limits.subnet(SUBNET, subnet);
            }
            if let Some(network) = place.ipv6_network.as_ref().filter(|_| wanted.families.v6) {
                limits.subnet(NETWORK, network);
            }
            if let Some(vpc) = &wanted.vpc {
                limits.vpc(SUBNET, vpc);
            }
        }
        limits.finish(PROVIDER)?;
        named(settings).try_for_each(|object| self.tenant.check_named(PROVIDER, &object))
    }

    /// Refuses what these steps would make beyond the tenant's quotas. The count is that of the cloud's list.
    pub(super) async fn within_quotas(&self, steps: &[Step]) -> Result<()> {
        let limited = self.tenant.limited(|counted| steps.iter().any(|step| makes(step, counted)));
        if limited.is_empty() {
            return Ok(());
        }
        let balancers = self.cloud.load_balancers().await.map_err(|error| fault::of(&error))?;
        let key = self.owner().digest();
        let mut wanted = Vec::new();
        for counted in limited {
            let have = match counted {
                Counted::LoadBalancers => {
                    let owners = balancers.iter().filter_map(|lb| owner_within(self.tenant, &lb.description));
                    owners.map(|owner| owner.digest()).collect()
                }
                Counted::PublicAddresses => {
                    let eips = self.cloud.public_ips().await.map_err(|error| fault::of(&error))?;
                    addresses(self.tenant, &eips, &balancers)
                }
            };
            wanted.push((counted, have));
        }
        self.memory.quotas.take(PROVIDER, self.tenant, &wanted, &key)
    }

    /// Nothing is left of what counted, or nothing was made.
    pub(super) fn give_back_quotas(&self) {
        self.memory.quotas.give_back(self.tenant, &self.owner().digest());
    }

    /// Nothing is left of what counted but a public address that is kept.
    pub(super) fn give_back_balancer(&self) {
        self.memory.quotas.give_back_one(self.tenant, Counted::LoadBalancers, &self.owner().digest());
    }
}

/// The tenant's public addresses, wherever they are: those that serve a Service, and those that are kept.
fn addresses(tenant: &Tenant, eips: &[PublicIp], balancers: &[LoadBalancer]) -> Have {
    // Of some only the load balancer's record tells that they were allocated by us.
    let mut recorded = BTreeMap::new();
    for lb in balancers {
        let Some(owner) = owner_within(tenant, &lb.description) else { continue };
        let bound = lb.eip().map_or(lb.id.as_str(), |eip| &eip.eip_id);
        let id = Record::read(&lb.description).eip.map(|id| if id == EIP_NEW { bound.to_owned() } else { id });
        recorded.extend(id.map(|id| (id, owner.digest())));
    }
    let mut have = Have::default();
    for eip in eips {
        let mark = mark_of(eip).filter(|mark| !tenant.shares_account || mark.is_of(&tenant.name));
        let by_record = recorded.remove(&eip.id);
        let key = mark.map(|mark| mark.digest).or(by_record.as_deref());
        match key {
            Some(key) if eip.port_id.is_empty() => have.is_kept(key),
            Some(key) => have.serves(key),
            None => {}
        }
    }
    // The list may lack what was just made.
    for key in recorded.into_values() {
        have.serves(key);
    }
    have
}

/// The key under which a Service is remembered.
pub(super) fn memory_key(owner: &Owner) -> String {
    format!("{}/{}", owner.cluster, owner.uid)
}

/// The owner a load balancer's description names, if a tenant's: in an account of its own everything is.
pub(super) fn owner_within(tenant: &Tenant, description: &str) -> Option<Owner> {
    owner_of(description).filter(|owner| tenant.counts(&owner.tenant))
}

/// A load balancer that an annotation names. `None`: it is not there.
pub(super) fn named_balancer<'a>(field: &'a str, id: &'a str, lb: Option<&'a LoadBalancer>) -> Named<'a> {
    let tenant = lb.and_then(|lb| Tenant::of_tags(lb.tags.iter().map(Tag::pair)));
    Named { kind: "load balancer", field, said: id, id: None, tenant }
}

/// Objects that annotations name and of which the cloud cannot say whose they are. Subnets have a list of their own.
fn named(settings: &Settings) -> impl Iterator<Item = Named<'_>> {
    let eip = settings.eip.as_ref();
    [
        ("public address", "annotations[kubernetes.io/elb.eip-id]", settings.eip_id.as_deref()),
        ("shared bandwidth", EIP, eip.and_then(|eip| eip.share_id.as_deref())),
        ("certificate", "annotations[kubernetes.io/elb.default-tls-container-ref]", settings.certificate.as_deref()),
        (
            "IP group",
            "annotations[kubernetes.io/elb.acl-id]",
            settings.access_list.as_ref().map(|list| list.id.as_str()),
        ),
        ("NAT gateway", "annotations[kubernetes.io/natgateway.id]", settings.nat_gateway.as_deref()),
        ("enterprise project", "annotations[kubernetes.io/elb.enterpriseID]", settings.enterprise_project.as_deref()),
    ]
    .into_iter()
    .filter_map(|(kind, field, said)| Some(Named { kind, field, said: said?, id: None, tenant: None }))
}

fn makes(step: &Step, counted: Counted) -> bool {
    match (&step.action, counted) {
        (Action::CreateSharedLoadBalancer(_) | Action::CreateLoadBalancer(_), Counted::LoadBalancers)
        | (Action::CreatePublicip(_), Counted::PublicAddresses) => true,
        (Action::CreateLoadBalancer(new), Counted::PublicAddresses) => new.publicip.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        annotations::{AccessList, Class, EipOption},
        api::elb::BoundEip,
    };

    fn settings() -> Settings {
        Settings {
            class: Some(Class::Dedicated),
            eip_id: Some("eip".to_owned()),
            eip: Some(EipOption {
                ip_type: "5_bgp".to_owned(),
                bandwidth_size: None,
                share_id: Some("bandwidth".to_owned()),
                charge_mode: "traffic".to_owned(),
            }),
            certificate: Some("certificate".to_owned()),
            access_list: Some(AccessList { id: "group".to_owned(), black: false }),
            nat_gateway: Some("gateway".to_owned()),
            enterprise_project: Some("project".to_owned()),
            ..Settings::default()
        }
    }

    #[test]
    fn everything_an_annotation_can_name_is_asked_about() {
        let settings = settings();
        let said: Vec<&str> = named(&settings).map(|object| object.said).collect();
        assert_eq!(said, ["eip", "bandwidth", "certificate", "group", "gateway", "project"]);
        let tenant = Tenant { name: "b".to_owned(), shares_account: true, ..Tenant::default() };
        for object in named(&settings) {
            assert!(!tenant.may_name(&object), "{}", object.said);
            let listed = Tenant { uses: [object.said.to_owned()].into(), ..tenant.clone() };
            assert!(listed.may_name(&object), "{}", object.said);
        }
    }

    #[test]
    fn a_tenant_counts_what_the_cloud_says_is_its_own() {
        let of =
            |tenant: &str| Owner { cluster: "c".into(), uid: "u".into(), tenant: tenant.into(), ..Owner::default() };
        let text = |tenant: &str| Record::default().write(&of(tenant), None);
        let b = |shares_account| Tenant { name: "b".to_owned(), shares_account, ..Tenant::default() };
        let nameless = |shares_account| Tenant { shares_account, ..Tenant::default() };
        for (case, tenant, description, expected) in [
            ("its own", b(true), text("b"), true),
            ("another's", b(true), text("a"), false),
            ("from before there were tenants", b(true), text(""), false),
            ("from before, in an account of its own", b(false), text(""), true),
            ("of those without a tenant", nameless(true), text(""), true),
            ("a tenant's, for those without", nameless(true), text("b"), false),
            ("nobody's", b(false), "anything".to_owned(), false),
        ] {
            assert_eq!(owner_within(&tenant, &description).is_some(), expected, "{case}");
        }
    }

    #[test]
    fn addresses_count_wherever_they_are_and_once() {
        let of = |uid: &str, tenant: &str| Owner {
            cluster: "c".into(),
            uid: uid.into(),
            tenant: tenant.into(),
            ..Owner::default()
        };
        let lb = |owner: &Owner, recorded: Option<&str>, bound: Option<&str>| LoadBalancer {
            id: "lb".to_owned(),
            description: Record { eip: recorded.map(ToOwned::to_owned), ..Record::default() }.write(owner, None),
            eips: bound.map(|id| BoundEip { eip_id: id.to_owned(), ..BoundEip::default() }).into_iter().collect(),
            ..LoadBalancer::default()
        };
        let eip = |id: &str, alias: String, bandwidth: String, bound: bool| PublicIp {
            id: id.to_owned(),
            alias,
            bandwidth_name: bandwidth,
            port_id: if bound { "port".to_owned() } else { String::new() },
            ..PublicIp::default()
        };
        let none = String::new;
        let (ours, before, theirs) = (of("u1", "b"), of("u1", ""), of("u2", "a"));
        let name = |owner: &Owner| owner.address_name();
        let long = of("u1", &"b".repeat(40));
        let sharing = Tenant { name: "b".to_owned(), shares_account: true, ..Tenant::default() };
        let own = Tenant { shares_account: false, ..sharing.clone() };
        let of_long = Tenant { name: long.tenant.clone(), ..sharing.clone() };
        let digest = ours.digest();
        let serves = |keys: &[&str]| keys.iter().fold(Have::default(), |mut have, key| (have.serves(*key), have).1);
        let kept = |mut have: Have, key: &str| (have.is_kept(key), have).1;
        let at = serves(&[&digest]);
        for (case, tenant, eips, balancers, expected) in [
            ("its Service's", &sharing, vec![eip("e1", name(&ours), none(), true)], vec![], at.clone()),
            ("by its bandwidth", &sharing, vec![eip("e1", none(), name(&ours), true)], vec![], at.clone()),
            ("of a long name", &of_long, vec![eip("e1", name(&long), none(), true)], vec![], at.clone()),
            ("kept", &sharing, vec![eip("e1", name(&ours), none(), false)], vec![], kept(serves(&[]), &digest)),
            (
                "kept, and its Service has another",
                &sharing,
                vec![eip("e1", name(&ours), none(), false), eip("e2", name(&ours), none(), true)],
                vec![lb(&ours, Some("e2"), Some("e2"))],
                kept(at.clone(), &digest),
            ),
            (
                "kept, and bound by hand to something else",
                &sharing,
                vec![eip("e1", name(&ours), none(), true), eip("e2", name(&ours), none(), true)],
                vec![lb(&ours, Some("e1"), Some("e1"))],
                kept(at.clone(), &digest),
            ),
            ("another's", &sharing, vec![eip("e1", name(&theirs), none(), true)], vec![], Have::default()),
            (
                "another's, in an account of its own",
                &own,
                vec![eip("e1", name(&theirs), none(), false)],
                vec![],
                kept(serves(&[]), &theirs.digest()),
            ),
            (
                "from before there were tenants",
                &sharing,
                vec![eip("e1", name(&before), none(), true)],
                vec![],
                Have::default(),
            ),
            (
                "from before, at a load balancer that is the tenant's by now",
                &sharing,
                vec![eip("e1", name(&before), none(), true)],
                vec![lb(&ours, Some("e1"), Some("e1"))],
                at.clone(),
            ),
            (
                "from before, kept, and named since",
                &sharing,
                vec![eip("e1", name(&ours), name(&before), false)],
                vec![],
                kept(serves(&[]), &digest),
            ),
            (
                "made with its load balancer, of a shared bandwidth",
                &sharing,
                vec![eip("e1", none(), "shared".to_owned(), true)],
                vec![lb(&ours, Some(EIP_NEW), Some("e1"))],
                at.clone(),
            ),
            ("not to be seen yet", &sharing, vec![], vec![lb(&ours, Some(EIP_NEW), None)], at.clone()),
            (
                "the user's",
                &own,
                vec![eip("e1", "mine".to_owned(), "k8s-mine".to_owned(), true)],
                vec![lb(&ours, None, Some("e1"))],
                Have::default(),
            ),
        ] {
            assert_eq!(addresses(tenant, &eips, &balancers), expected, "{case}");
        }
    }
}
