//! What a tenant may ask for, which objects it may name, and how many it may have.

use std::collections::BTreeMap;

use provider_kit::{
    Result, Tenant,
    tenancy::{Counted, Have},
};

use super::engine::Engine;
use crate::{
    PROVIDER, annotations,
    api::{
        balancers::{Kind, LoadBalancer},
        eip::Eip,
    },
    fault,
    plan::{
        balancer::Site,
        eip::is_ours,
        owner::{Owner, is_reserved, named_address, owner_of, service_of, tenant_of, tenant_of_balancer},
        record::Record,
        seen::{Balancer, Seen},
        step::{Action, Step},
        wanted::{Wanted, WantedEip},
    },
};

fn field(annotation: &str) -> String {
    format!("annotations[{annotation}]")
}

impl Engine<'_> {
    /// The kind that is made by itself: the first that the tenant may have.
    pub(super) fn default_kind(&self) -> Kind {
        let may = |kind: &&Kind| self.tenant.classes.is_empty() || self.tenant.classes.contains(kind.word());
        self.kinds.iter().find(may).or(self.kinds.first()).copied().unwrap_or_default()
    }

    /// Refuses what is beyond the tenant's limits, before anything is looked at.
    pub(super) fn permit(&self, wanted: &Wanted) -> Result<()> {
        let mut limits = self.tenant.limits();
        if wanted.named.is_none() {
            limits.class(&field(annotations::TYPE), wanted.kind.word());
            if let Some(subnet) = &wanted.subnet {
                limits.subnet(&field(annotations::SUBNET), subnet);
            }
        }
        if wanted.eip == WantedEip::Made {
            let eip = &wanted.eip_settings;
            let said_by = if eip.is_prepaid() { annotations::PAYMENT } else { annotations::BILLING };
            limits.billing(&field(said_by), eip.way_of_paying());
            limits.bandwidth(&field(annotations::BANDWIDTH), wanted.new_bandwidth().into());
        }
        limits.finish(PROVIDER)
    }

    /// Refuses a place that is not the tenant's.
    pub(super) fn permit_place(&self, wanted: &Wanted, site: &Site) -> Result<()> {
        let mut limits = self.tenant.limits();
        // At the edge there are places, and no subnets to choose.
        if wanted.kind != Kind::Edge {
            let field = field(annotations::SUBNET);
            limits.subnet(&field, &site.subnet).vpc(&field, &site.vpc);
        }
        limits.finish(PROVIDER)
    }

    /// Refuses an address that is not the tenant's to name.
    pub(super) fn permit_address(&self, wanted: &Wanted, seen: &Seen) -> Result<()> {
        let WantedEip::Existing(ip) = &wanted.eip else { return Ok(()) };
        let eip = seen.eips.get(ip);
        let nothing = Balancer::default();
        let mut balancers = seen.target.iter().chain(&seen.leftovers).chain([&nothing]);
        if eip.is_some_and(|eip| balancers.any(|balancer| is_ours(&wanted.owner, balancer, eip))) {
            return Ok(());
        }
        self.tenant.check_named(PROVIDER, &named_address(ip, eip))
    }

    /// Refuses what these steps would make beyond the tenant's quotas. The count is that of the cloud's lists. `all`: all load balancers,
    /// if they have been listed.
    pub(super) async fn within_quotas(&self, steps: &[Step], all: Option<&[LoadBalancer]>) -> Result<()> {
        let limited = self.tenant.limited(|counted| steps.iter().any(|step| makes(step, counted)));
        if limited.is_empty() {
            return Ok(());
        }
        let listed;
        let all = if let Some(all) = all {
            all
        } else {
            listed = super::gather::all_balancers(self.cloud, self.kinds).await?;
            &listed
        };
        let mut wanted = Vec::new();
        for counted in limited {
            wanted.push((
                counted,
                match counted {
                    Counted::LoadBalancers => balancers(self.tenant, all),
                    Counted::PublicAddresses => {
                        let eips = self.cloud.eips().await.map_err(|error| fault::of(&error))?;
                        addresses(self.tenant, &eips, all)
                    }
                },
            ));
        }
        self.memory.quotas.take(PROVIDER, self.tenant, &wanted, &self.memory_key())
    }

    /// Nothing is left of what counted, or nothing was made.
    pub(super) fn give_back_quotas(&self) {
        self.memory.quotas.give_back(self.tenant, &self.memory_key());
    }
}

/// The owner a load balancer's description names, if a tenant's: in an account of its own everything is.
pub(super) fn owner_within(tenant: &Tenant, description: &str) -> Option<Owner> {
    owner_of(description).filter(|owner| tenant.counts(&owner.tenant.name))
}

/// The tenant's load balancers: those of its Services, and those that were left to be used by another.
fn balancers(tenant: &Tenant, all: &[LoadBalancer]) -> Have {
    let mut have = Have::default();
    for lb in all {
        if let Some(owner) = owner_within(tenant, &lb.desc) {
            have.serves(owner.memory_key());
        } else if is_reserved(lb) && tenant.counts(tenant_of_balancer(lb).unwrap_or_default()) {
            have.is_kept(&lb.id);
        }
    }
    have
}

/// The tenant's public addresses, wherever they are: those that serve a Service, and those that are kept.
fn addresses(tenant: &Tenant, eips: &[Eip], balancers: &[LoadBalancer]) -> Have {
    let mut have = Have::default();
    let mut at: BTreeMap<&str, (String, Option<String>)> = BTreeMap::new();
    for lb in balancers {
        let Some(owner) = owner_within(tenant, &lb.desc) else { continue };
        if lb.kind != Kind::Edge {
            at.insert(&lb.id, (owner.memory_key(), Record::read(&lb.desc).eip));
        } else if !lb.public_ip.is_empty() {
            have.serves(owner.memory_key());
        }
    }
    for eip in eips {
        let tagged = service_of(&eip.tags).filter(|_| tenant.counts(tenant_of(&eip.tags).unwrap_or_default()));
        // Of those that the Go provider made only the load balancer's record tells.
        let recorded = at.get(eip.instance_id.as_str()).filter(|(_, recorded)| recorded.as_ref() == Some(&eip.ip));
        let tagged = tagged.map(|(cluster, uid)| format!("{cluster}/{uid}"));
        let Some(key) = tagged.or_else(|| recorded.map(|(key, _)| key.clone())) else { continue };
        // One that is paid in advance outlives its use.
        if eip.instance_id.is_empty() && eip.is_prepaid() { have.is_kept(key) } else { have.serves(key) }
    }
    have
}

fn makes(step: &Step, counted: Counted) -> bool {
    match (&step.action, counted) {
        (Action::CreateLoadBalancer(..), Counted::LoadBalancers)
        | (Action::CreateEip(..), Counted::PublicAddresses) => true,
        (Action::CreateLoadBalancer(_, new, _), Counted::PublicAddresses) => new.need_public_ip == Some(true),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn addresses_count_wherever_they_are_and_once() {
        let of = |uid: &str, tenant: &str| Owner {
            cluster: "c".to_owned(),
            uid: uid.to_owned(),
            tenant: Arc::new(Tenant { name: tenant.to_owned(), ..Tenant::default() }),
            ..Owner::default()
        };
        let (ours, theirs) = (of("u1", "b"), of("u2", "a"));
        let eip = |ip: &str, owner: Option<&Owner>, at: &str, timing: &str| Eip {
            ip: ip.to_owned(),
            instance_id: at.to_owned(),
            payment_timing: timing.to_owned(),
            tags: owner.map(Owner::tags).unwrap_or_default(),
            ..Eip::default()
        };
        let lb = |owner: &Owner, recorded: &str| LoadBalancer {
            id: "lb-1".to_owned(),
            desc: Record { eip: Some(recorded.to_owned()), ..Record::default() }.write(owner),
            ..LoadBalancer::default()
        };
        let edge = LoadBalancer { kind: Kind::Edge, public_ip: "1.1.1.9".to_owned(), ..lb(&ours, "1.1.1.9") };
        let sharing = Tenant { name: "b".to_owned(), shares_account: true, ..Tenant::default() };
        let serves = |keys: &[&str]| keys.iter().fold(Have::default(), |mut have, key| (have.serves(*key), have).1);
        let kept = |mut have: Have| (have.is_kept("c/u1"), have).1;
        for (case, eips, balancers, expected) in [
            ("its Service's", vec![eip("1.1.1.1", Some(&ours), "lb-1", "Postpaid")], vec![], serves(&["c/u1"])),
            ("to be bound", vec![eip("1.1.1.1", Some(&ours), "", "Postpaid")], vec![], serves(&["c/u1"])),
            ("paid in advance, kept", vec![eip("1.1.1.1", Some(&ours), "", "Prepaid")], vec![], kept(serves(&[]))),
            (
                "kept, and its Service has another",
                vec![eip("1.1.1.1", Some(&ours), "", "Prepaid"), eip("1.1.1.2", Some(&ours), "lb-1", "Prepaid")],
                vec![lb(&ours, "1.1.1.2")],
                kept(serves(&["c/u1"])),
            ),
            (
                "the Go provider's",
                vec![eip("1.1.1.1", None, "lb-1", "Postpaid")],
                vec![lb(&ours, "1.1.1.1")],
                serves(&["c/u1"]),
            ),
            (
                "the user's, at the same load balancer",
                vec![eip("1.1.1.2", None, "lb-1", "Postpaid")],
                vec![lb(&ours, "1.1.1.1")],
                Have::default(),
            ),
            (
                "somebody's who has the address by now",
                vec![eip("1.1.1.1", None, "i-1", "Postpaid")],
                vec![lb(&ours, "1.1.1.1")],
                Have::default(),
            ),
            (
                "another's",
                vec![eip("1.1.1.1", Some(&theirs), "lb-1", "Postpaid")],
                vec![lb(&theirs, "1.1.1.1")],
                Have::default(),
            ),
            ("at the edge", vec![], vec![edge], serves(&["c/u1"])),
        ] {
            assert_eq!(addresses(&sharing, &eips, &balancers), expected, "{case}");
        }
    }
}
