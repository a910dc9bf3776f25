//! What a tenant may ask for, which objects it may name, and how many it may have.

use std::collections::BTreeSet;

use provider_kit::{Result, Tenant, tenancy::Counted};

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
                    Counted::LoadBalancers => all.iter().filter_map(|lb| counts_for(self.tenant, lb)).collect(),
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

/// What a load balancer counts as, if it is the tenant's: its Service's, or one that was left to be used by another.
fn counts_for(tenant: &Tenant, lb: &LoadBalancer) -> Option<String> {
    let reserved =
        || (is_reserved(lb) && tenant.counts(tenant_of_balancer(lb).unwrap_or_default())).then(|| lb.id.clone());
    owner_within(tenant, &lb.desc).map(|owner| owner.memory_key()).or_else(reserved)
}

/// The tenant's public addresses: one for each Service that has one, and those that are kept for nobody.
fn addresses(tenant: &Tenant, eips: &[Eip], balancers: &[LoadBalancer]) -> BTreeSet<String> {
    let mut counted = BTreeSet::new();
    for eip in eips {
        let Some((cluster, uid)) = service_of(&eip.tags) else { continue };
        if !tenant.counts(tenant_of(&eip.tags).unwrap_or_default()) {
            continue;
        }
        // One that is paid in advance outlives its use; so may one whose release failed, beside the one that took its place.
        let kept = eip.instance_id.is_empty() && eip.is_prepaid();
        if kept || !counted.insert(format!("{cluster}/{uid}")) {
            counted.insert(eip.ip.clone());
        }
    }
    let edge = balancers.iter().filter(|lb| lb.kind == Kind::Edge && !lb.public_ip.is_empty());
    counted.extend(edge.filter_map(|lb| counts_for(tenant, lb)));
    counted
}

fn makes(step: &Step, counted: Counted) -> bool {
    match (&step.action, counted) {
        (Action::CreateLoadBalancer(..), Counted::LoadBalancers)
        | (Action::CreateEip(..), Counted::PublicAddresses) => true,
        (Action::CreateLoadBalancer(_, new, _), Counted::PublicAddresses) => new.need_public_ip == Some(true),
        _ => false,
    }
}
