//! How much a tenant has of something, so that what is made at the same time counts, too.
//!
//! The count is the cloud's own: what its lists say is the tenant's. A list lags behind what was just made, so a Service for which
//! something is being made counts from the moment it was let pass, for a while.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use cloud_provider_api::error::Reason;
use tokio::time::Instant;

use super::Tenant;
use crate::error::{Error, Result};

/// How long a list may lack what was just made.
const SETTLE: Duration = Duration::from_mins(2);

/// Something a tenant has a limited number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Load balancers.
    LoadBalancers,
    /// Public addresses allocated for it.
    PublicAddresses,
}

impl Counted {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoadBalancers => "load balancers",
            Self::PublicAddresses => "public addresses",
        }
    }

    /// The tenant's limit; `None`: none.
    pub const fn most(self, tenant: &Tenant) -> Option<u32> {
        match self {
            Self::LoadBalancers => tenant.max_load_balancers,
            Self::PublicAddresses => tenant.max_public_addresses,
        }
    }
}

/// What is being made for the tenants of an account.
#[derive(Debug, Default)]
pub struct Quotas {
    making: Mutex<HashMap<(String, Counted), HashMap<String, Instant>>>,
}

impl Quotas {
    /// Lets one more pass for the Service with this key, if the tenant may have one more. `have`: keys of the Services that have
    /// one already, by the cloud's record.
    ///
    /// # Errors
    /// `QUOTA_EXHAUSTED`, with the limit and the count.
    pub fn take(
        &self,
        provider: &'static str,
        tenant: &Tenant,
        counted: Counted,
        have: &BTreeSet<String>,
        key: &str,
    ) -> Result<()> {
        let Some(most) = counted.most(tenant) else { return Ok(()) };
        let now = Instant::now();
        let mut all = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let making = all.entry((tenant.name.clone(), counted)).or_default();
        making.retain(|key, since| now < *since + SETTLE && !have.contains(key));
        if have.contains(key) || making.contains_key(key) {
            return Ok(());
        }
        let count = have.len() + making.len();
        if count < most as usize {
            making.insert(key.to_owned(), now);
            return Ok(());
        }
        let (what, name) = (counted.as_str(), &tenant.name);
        let message = format!(
            "tenant {name:?} may have {most} {what} and has {count}: delete a Service that has one, or have an administrator raise \
             the limit in the daemon's access file"
        );
        Err(Error::cloud(provider, Reason::QuotaExhausted, message).quota(what, format!("{most} for tenant {name}")))
    }

    /// What was let pass was not made after all, and never will be, or is gone.
    pub fn give_back(&self, tenant: &Tenant, counted: Counted, key: &str) {
        let mut all = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(making) = all.get_mut(&(tenant.name.clone(), counted)) {
            making.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: Counted = Counted::LoadBalancers;

    fn tenant(name: &str, most: Option<u32>) -> Tenant {
        Tenant { name: name.to_owned(), max_load_balancers: most, ..Tenant::default() }
    }

    fn take(quotas: &Quotas, tenant: &Tenant, have: &[&str], key: &str) -> bool {
        let have = have.iter().map(ToString::to_string).collect();
        quotas.take("mock", tenant, WHAT, &have, key).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_made_counts_before_the_lists_show_it() {
        let (quotas, tenant) = (Quotas::default(), tenant("a", Some(2)));
        assert!(take(&quotas, &tenant, &[], "one"));
        assert!(take(&quotas, &tenant, &[], "two"));
        assert!(!take(&quotas, &tenant, &[], "three"));
        assert!(take(&quotas, &tenant, &[], "one"), "again for the same Service");
        assert!(!take(&quotas, &tenant, &["one"], "three"), "once it shows, it counts once");
        quotas.give_back(&tenant, WHAT, "two");
        assert!(take(&quotas, &tenant, &["one"], "three"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_came_is_forgotten_and_what_is_there_is_not() {
        let (quotas, tenant) = (Quotas::default(), tenant("a", Some(1)));
        assert!(take(&quotas, &tenant, &[], "one"));
        tokio::time::advance(SETTLE).await;
        assert!(take(&quotas, &tenant, &[], "two"));
        assert!(!take(&quotas, &tenant, &["two"], "three"));
        assert!(take(&quotas, &tenant, &["two", "three"], "three"), "beyond the limit already, and not for it");
    }

    #[test]
    fn tenants_do_not_count_against_each_other() {
        let quotas = Quotas::default();
        assert!(take(&quotas, &tenant("a", Some(1)), &[], "one"));
        assert!(take(&quotas, &tenant("b", Some(1)), &[], "two"));
        assert!(!take(&quotas, &tenant("b", Some(0)), &[], "three"));
        for n in 0..100 {
            assert!(take(&quotas, &tenant("c", None), &[], &n.to_string()));
        }
    }
}
