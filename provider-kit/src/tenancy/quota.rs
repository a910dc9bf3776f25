//! How much a tenant has of something, so that what is made at the same time counts, too.
//!
//! The count is the cloud's own: what its lists say is the tenant's. A list lags behind what was just made, so a Service for which
//! something is being made counts from the moment it was let pass, for a while.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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
    /// All there are.
    const ALL: [Self; 2] = [Self::LoadBalancers, Self::PublicAddresses];

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

    fn exhausted(self, provider: &'static str, tenant: &Tenant, count: usize) -> Error {
        let (what, name, most) = (self.as_str(), &tenant.name, self.most(tenant).unwrap_or_default());
        let message = format!(
            "tenant {name:?} may have {most} {what} and has {count}: delete a Service that has one, or have an administrator raise \
             the limit in the daemon's access file"
        );
        Error::cloud(provider, Reason::QuotaExhausted, message).quota(what, format!("{most} for tenant {name}"))
    }
}

impl Tenant {
    /// Of what is about to be made, that which the tenant has a limited number of.
    pub fn limited(&self, makes: impl Fn(Counted) -> bool) -> Vec<Counted> {
        Counted::ALL.into_iter().filter(|counted| counted.most(self).is_some() && makes(*counted)).collect()
    }

    /// Whether something counts as the tenant's whose record names the tenant `said`. In an account of its own everything does.
    pub fn counts(&self, said: &str) -> bool {
        !self.shares_account || said == self.name
    }
}

/// What a tenant has of something by the cloud's record, by the Service it was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    serving: BTreeSet<String>,
    kept: BTreeMap<String, usize>,
}

impl Have {
    /// What serves the Service with this key. One that has it may be given another in its place. A second one that does counts as kept.
    pub fn serves(&mut self, key: impl Into<String>) {
        let key = key.into();
        if !self.serving.insert(key.clone()) {
            self.is_kept(key);
        }
    }

    /// What was made for the Service with this key, or is known by this id, and serves nobody.
    pub fn is_kept(&mut self, key: impl Into<String>) {
        *self.kept.entry(key.into()).or_default() += 1;
    }

    fn count(&self) -> usize {
        self.serving.len() + self.kept.values().sum::<usize>()
    }

    fn kept_of(&self, key: &str) -> usize {
        self.kept.get(key).copied().unwrap_or_default()
    }
}

impl<K: Into<String>> FromIterator<K> for Have {
    /// Of what serves these Services, one each.
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Self { serving: keys.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// What is being made for a Service.
#[derive(Clone, Copy, Debug)]
struct Making {
    since: Instant,
    /// How many of those made before were kept then.
    kept: usize,
}

/// What is being made for the tenants of an account.
#[derive(Debug, Default)]
pub struct Quotas {
    making: Mutex<HashMap<(String, Counted), HashMap<String, Making>>>,
}

impl Quotas {
    /// Lets one more of each pass for the Service with this key, if the tenant may have one more of all of them. With each goes what is
    /// there already.
    ///
    /// # Errors
    /// `QUOTA_EXHAUSTED`, with the limit and the count. Then nothing counts that did not count before.
    pub fn take(&self, provider: &'static str, tenant: &Tenant, wanted: &[(Counted, Have)], key: &str) -> Result<()> {
        let mut taken = Vec::new();
        for (counted, have) in wanted {
            match self.take_one(tenant, *counted, have, key) {
                Ok(true) => taken.push(*counted),
                Ok(false) => {}
                Err(count) => {
                    for counted in taken {
                        self.give_back_one(tenant, counted, key);
                    }
                    return Err(counted.exhausted(provider, tenant, count));
                }
            }
        }
        Ok(())
    }

    /// Whether it counts from now on, and did not before; else how many there are.
    fn take_one(&self, tenant: &Tenant, counted: Counted, have: &Have, key: &str) -> std::result::Result<bool, usize> {
        let Some(most) = counted.most(tenant) else { return Ok(false) };
        let now = Instant::now();
        let mut all = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let making = all.entry((tenant.name.clone(), counted)).or_default();
        let shows = |key: &str, made: &Making| have.serving.contains(key) || have.kept_of(key) > made.kept;
        making.retain(|key, made| now < made.since + SETTLE && !shows(key, made));
        if have.serving.contains(key) || making.contains_key(key) {
            return Ok(false);
        }
        let count = have.count() + making.len();
        if count >= most as usize {
            return Err(count);
        }
        making.insert(key.to_owned(), Making { since: now, kept: have.kept_of(key) });
        Ok(true)
    }

    /// What was let pass was not made after all, and never will be, or is gone.
    pub fn give_back(&self, tenant: &Tenant, key: &str) {
        for counted in Counted::ALL {
            self.give_back_one(tenant, counted, key);
        }
    }

    /// The same of one thing, while others go on counting.
    pub fn give_back_one(&self, tenant: &Tenant, counted: Counted, key: &str) {
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
        quotas.take("mock", tenant, &[(WHAT, have.iter().copied().collect())], key).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_made_counts_before_the_lists_show_it() {
        let (quotas, tenant) = (Quotas::default(), tenant("a", Some(2)));
        assert!(take(&quotas, &tenant, &[], "one"));
        assert!(take(&quotas, &tenant, &[], "two"));
        assert!(!take(&quotas, &tenant, &[], "three"));
        assert!(take(&quotas, &tenant, &[], "one"), "again for the same Service");
        assert!(!take(&quotas, &tenant, &["one"], "three"), "once it shows, it counts once");
        quotas.give_back(&tenant, "two");
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

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_counts_and_gives_no_right_to_another() {
        let (quotas, tenant) = (Quotas::default(), tenant("a", Some(2)));
        let take = |have: &Have, key: &str| quotas.take("mock", &tenant, &[(WHAT, have.clone())], key).is_ok();
        let mut have = Have::default();
        assert!(take(&have, "one"));
        have.is_kept("one");
        assert!(take(&have, "two"), "it shows, and counts once");
        quotas.give_back(&tenant, "two");
        assert!(take(&have, "one"), "another for the same Service");
        assert!(take(&have, "one"), "which is still being made");
        assert!(!take(&have, "two"), "and counts beside the first");
        have.is_kept("one");
        assert!(!take(&have, "one"), "both show, and are kept");
        let mut twice = Have::default();
        twice.serves("one");
        twice.serves("one");
        assert!(!take(&twice, "two"), "each counts");
        assert!(take(&twice, "one"), "one may take the place of another");
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

    #[tokio::test(start_paused = true)]
    async fn all_of_what_is_wanted_passes_or_nothing() {
        let quotas = Quotas::default();
        let tenant = Tenant { max_public_addresses: Some(0), ..tenant("a", Some(1)) };
        let both = [(WHAT, Have::default()), (Counted::PublicAddresses, Have::default())];
        let error = quotas.take("mock", &tenant, &both, "one").unwrap_err();
        assert!(error.message().contains("may have 0 public addresses and has 0"), "{}", error.message());
        assert!(take(&quotas, &tenant, &[], "two"), "the refused one does not count");
        quotas.take("mock", &tenant, &both, "two").unwrap_err();
        assert!(!take(&quotas, &tenant, &[], "three"), "what passed before still counts");
        assert_eq!(tenant.limited(|counted| counted == Counted::PublicAddresses), [Counted::PublicAddresses]);
        assert!(Tenant::default().limited(|_| true).is_empty());
    }

    #[test]
    fn in_a_shared_account_a_tenants_is_what_is_marked() {
        let b = |shares_account| Tenant { shares_account, ..tenant("b", None) };
        let nameless = |shares_account| Tenant { shares_account, ..Tenant::default() };
        for (case, tenant, said, expected) in [
            ("its own", b(true), "b", true),
            ("another's", b(true), "a", false),
            ("from before there were tenants", b(true), "", false),
            ("from before, in an account of its own", b(false), "", true),
            ("of those without a tenant", nameless(true), "", true),
            ("a tenant's, for those without", nameless(true), "b", false),
        ] {
            assert_eq!(tenant.counts(said), expected, "{case}");
        }
    }
}
