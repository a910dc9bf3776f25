//! Which tenant a Service belongs to.
//!
//! The map of namespaces to tenants is an administrator's alone. Nothing a tenant can write says whose its Services are: no label of
//! its namespace and no annotation. What a Service notes of the tenant its load balancer was made for is a hint about where that load
//! balancer is, for the day the map changes: it leads to a look and to a clean-up, in which the daemon finds only what carries the
//! Service's own UID; nothing is ever made by it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    names::ANNOTATION_TENANT,
    service::{ownership::marked_provider, record::Record},
    view::Service,
};

/// Longest name of a tenant.
const LONGEST: usize = 63;

/// Namespaces and their tenants. The tenant `""` is the caller's own: what the daemon takes one to be that names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantMap {
    namespaces: BTreeMap<String, String>,
    /// Beginnings of names, the longest first.
    prefixes: Vec<(String, String)>,
    unmapped: Option<String>,
}

impl Default for TenantMap {
    /// Everybody is the caller's own tenant.
    fn default() -> Self {
        Self { namespaces: BTreeMap::new(), prefixes: Vec::new(), unmapped: Some(String::new()) }
    }
}

impl TenantMap {
    /// Of namespaces, or beginnings of their names with a `*` at the end, and the tenant of all others; `None`: they are refused.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(entries: &BTreeMap<String, String>, unmapped: Option<String>) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut map = Self { unmapped, ..Self::default() };
        for (pattern, tenant) in entries {
            if !is_name(tenant) {
                faults
                    .push(format!("{pattern}: {tenant:?} cannot be a tenant's name: 1 to {LONGEST} of a-z, 0-9 and -"));
            }
            match pattern.strip_suffix('*') {
                Some(prefix) if prefix.is_empty() || is_name(prefix) => {
                    map.prefixes.push((prefix.to_owned(), tenant.clone()));
                }
                None if is_name(pattern) => _ = map.namespaces.insert(pattern.clone(), tenant.clone()),
                _ => faults.push(format!("{pattern:?} is no namespace, and no beginning of one followed by *")),
            }
        }
        if map.unmapped.as_ref().is_some_and(|tenant| !tenant.is_empty() && !is_name(tenant)) {
            faults
                .push(format!("unmapped: {:?} cannot be a tenant's name", map.unmapped.as_deref().unwrap_or_default()));
        }
        map.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        if faults.is_empty() { Ok(map) } else { Err(faults) }
    }

    /// The tenant of a namespace; `None`: it has none, and may have no load balancer.
    pub fn of(&self, namespace: &str) -> Option<&str> {
        let by_prefix =
            || self.prefixes.iter().find(|(prefix, _)| namespace.starts_with(prefix)).map(|(_, tenant)| tenant);
        self.namespaces.get(namespace).or_else(by_prefix).or(self.unmapped.as_ref()).map(String::as_str)
    }

    /// All tenants it names.
    pub fn tenants(&self) -> BTreeSet<&str> {
        let named = self.namespaces.values().chain(self.prefixes.iter().map(|(_, tenant)| tenant));
        named.chain(&self.unmapped).map(String::as_str).filter(|tenant| !tenant.is_empty()).collect()
    }

    /// Whether it tells tenants apart at all.
    pub fn is_in_use(&self) -> bool {
        self.unmapped.is_none() || !self.tenants().is_empty()
    }
}

fn is_name(text: &str) -> bool {
    let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    (1..=LONGEST).contains(&text.len()) && letters
}

/// The tenant a Service says its load balancer was made for, as far as it has one; `""` where nothing is noted.
pub fn noted_tenant(service: &Service) -> Option<&str> {
    marked_provider(service)?;
    Some(service.annotations.get(ANNOTATION_TENANT).map_or("", String::as_str))
}

/// How a Service stands to its tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The tenant to speak for in calls about its load balancer.
    pub tenant: String,
    /// Why nothing may be made for it. `None`: all is well.
    pub obstacle: Option<Obstacle>,
    /// Another tenant that is asked to remove what it may have, too, before the Service is let go: the Service's note and the map
    /// differ, and nobody can tell which was right.
    pub also: Option<String>,
}

/// Why nothing may be made for a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its namespace has no tenant.
    Unmapped,
    /// Its load balancer was made for another tenant than its namespace has now.
    Moved {
        /// The tenant now; `None`: none.
        now: Option<String>,
    },
    /// As [`Obstacle::Moved`], and the provider does not serve the former tenant (any more).
    Unserved,
}

impl Standing {
    /// Of a Service whose namespace has the tenant `mapped`. `served`: whether the provider serves a tenant.
    pub fn of(service: &Service, record: &Record, mapped: Option<&str>, served: impl Fn(&str) -> bool) -> Self {
        let other = |now: &&str| record.tenant_hint(service).is_some_and(|hint| hint != *now);
        let also = mapped.filter(|now| served(now)).filter(other).map(ToOwned::to_owned);
        // From before there were tenants, and handed over to this one by a note: the only one that says what nobody knew before.
        let handed_over = |before: &&str| before.is_empty() && noted_tenant(service) == mapped;
        let made_for =
            record.made_for(service).map(|before| if handed_over(&before) { mapped.unwrap_or(before) } else { before });
        let (tenant, obstacle) = match (made_for, mapped) {
            (None, Some(tenant)) => (tenant, None),
            (None, None) => ("", Some(Obstacle::Unmapped)),
            (Some(before), Some(now)) if before == now => (now, None),
            (Some(before), _) if !served(before) => (before, Some(Obstacle::Unserved)),
            (Some(before), now) => (before, Some(Obstacle::Moved { now: now.map(ToOwned::to_owned) })),
        };
        Self { tenant: tenant.to_owned(), obstacle, also }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)], unmapped: Option<&str>) -> Result<TenantMap, Vec<String>> {
        let entries = entries.iter().map(|(pattern, tenant)| ((*pattern).to_owned(), (*tenant).to_owned())).collect();
        TenantMap::new(&entries, unmapped.map(ToOwned::to_owned))
    }

    #[test]
    fn a_namespace_has_one_tenant() {
        let entries = [("shop", "a"), ("shop-*", "b"), ("shop-eu-*", "c"), ("*-x", "never")];
        let map = map(&entries[..3], None).unwrap();
        for (namespace, tenant) in [
            ("shop", Some("a")),
            ("shop-", Some("b")),
            ("shop-us", Some("b")),
            ("shop-eu-1", Some("c")),
            ("shopping", None),
            ("kube-system", None),
            ("", None),
        ] {
            assert_eq!(map.of(namespace), tenant, "{namespace}");
        }
        assert_eq!(map.tenants(), ["a", "b", "c"].into());
        assert!(self::map(&entries, None).is_err());
    }

    #[test]
    fn whoever_is_not_mapped_is_the_callers_own_another_or_refused() {
        for (unmapped, in_use) in [(Some(""), false), (Some("rest"), true), (None, true)] {
            let map = map(&[], unmapped).unwrap();
            assert_eq!((map.of("any"), map.is_in_use()), (unmapped, in_use));
        }
        assert_eq!(TenantMap::default(), map(&[], Some("")).unwrap());
        assert_eq!(map(&[("*", "all")], None).unwrap().of("any"), Some("all"));
    }

    #[test]
    fn everything_wrong_is_told() {
        let faults = map(&[("Shop", "a"), ("b*c", "a"), ("d", ""), ("e", "A B")], Some("no/name")).unwrap_err();
        assert_eq!(faults.len(), 5, "{faults:?}");
        for part in ["\"Shop\"", "\"b*c\"", "d: \"\"", "e: \"A B\"", "unmapped: \"no/name\""] {
            assert!(faults.iter().any(|fault| fault.contains(part)), "{part} not in {faults:?}");
        }
    }
}
