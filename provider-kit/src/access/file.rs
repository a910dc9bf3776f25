//! The access file, as administrators write it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use provider_hop::tls::San;
use serde::Deserialize;

use super::{Access, Rule, bucket};
use crate::{
    caller::Identity,
    class::Class,
    profiles,
    rate::Rate,
    tenancy::{Share, Tenant},
};

/// What the file calls the daemon's own account profile, which has no name.
const DEFAULT_ACCOUNT: &str = "default";

/// Adds the callers of a file's text.
pub(super) fn add(mut access: Access, text: &str, default_rate: Option<Rate>) -> Result<Access, Vec<String>> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| vec![error.to_string()])?;
    let mut faults = Vec::new();
    let tenants = file.tenants(&mut faults);
    access.nameless = Arc::new(nameless(&tenants));
    for (i, entry) in file.callers.iter().enumerate() {
        match entry.rule(&tenants, &access.nameless, default_rate) {
            Ok((identity, rule)) => {
                if access.rules.insert(identity.clone(), Arc::new(rule)).is_some() {
                    faults.push(format!("callers[{i}]: {identity} is allowed twice"));
                }
            }
            Err(problems) => faults.extend(problems.into_iter().map(|problem| format!("callers[{i}]{problem}"))),
        }
    }
    if faults.is_empty() { Ok(access) } else { Err(faults) }
}

/// Who names no tenant uses the daemon's own account, which tenants may use, too.
fn nameless(tenants: &BTreeMap<String, Arc<Tenant>>) -> Tenant {
    let sharers = tenants.values().filter(|tenant| tenant.account.is_empty());
    Tenant {
        shares_account: sharers.clone().next().is_some(),
        reserved: sharers.flat_map(|tenant| tenant.uses.iter().cloned()).collect(),
        ..Tenant::default()
    }
}

/// The file, YAML.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    callers: Vec<Entry>,
    #[serde(default)]
    tenants: BTreeMap<String, TenantEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    /// Either this or `uid`.
    san: Option<String>,
    uid: Option<u32>,
    /// `read`, `write`, `secret`. Absent: the first two.
    classes: Option<Vec<Class>>,
    /// Cluster ids the caller speaks for. Absent: any.
    #[serde(default)]
    clusters: BTreeSet<String>,
    /// The tenant meant when a request names none. Absent: the daemon's default profile.
    default_tenant: Option<String>,
    /// Tenants a request may name.
    #[serde(default)]
    tenants: Vec<String>,
    /// Absent: the daemon's `--caller-requests-per-second`.
    requests_per_second: Option<u32>,
}

/// As [`Tenant`], in the file's words.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TenantEntry {
    account: Option<String>,
    max_load_balancers: Option<u32>,
    max_public_addresses: Option<u32>,
    max_bandwidth: Option<u32>,
    #[serde(default)]
    load_balancer_classes: BTreeSet<String>,
    #[serde(default)]
    vpcs: BTreeSet<String>,
    #[serde(default)]
    subnets: BTreeSet<String>,
    #[serde(default)]
    billing: BTreeSet<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    uses: BTreeSet<String>,
    calls_per_second: Option<u32>,
    concurrent_writes: Option<u32>,
}

impl File {
    fn tenants(&self, faults: &mut Vec<String>) -> BTreeMap<String, Arc<Tenant>> {
        let mut tenants: BTreeMap<String, Tenant> = BTreeMap::new();
        for (name, entry) in &self.tenants {
            entry.check(name, faults);
            tenants.insert(name.clone(), entry.tenant(name));
        }
        let shared: Vec<(String, String, BTreeSet<String>)> =
            tenants.values().map(|tenant| (tenant.name.clone(), tenant.account.clone(), tenant.uses.clone())).collect();
        for tenant in tenants.values_mut() {
            let sharers =
                || shared.iter().filter(|(name, account, _)| *account == tenant.account && *name != tenant.name);
            // The daemon's own account is also that of all who name no tenant.
            tenant.shares_account = tenant.account.is_empty() || sharers().next().is_some();
            tenant.reserved = sharers().flat_map(|(.., uses)| uses.iter().cloned()).collect();
        }
        tenants.into_iter().map(|(name, tenant)| (name, Arc::new(tenant))).collect()
    }
}

impl TenantEntry {
    fn check(&self, name: &str, faults: &mut Vec<String>) {
        let mut wrong = |field: &str, problem: &str| faults.push(format!("tenants.{name}{field}: {problem}"));
        // It stands among other words in what the cloud keeps for us.
        if !profiles::is_name(name) || name.len() > 40 {
            wrong("", "a tenant's name is 1 to 40 of a-z, 0-9 and -");
        }
        if self.account.as_ref().is_some_and(|account| !profiles::is_name(account)) {
            wrong(".account", "is no name of an account profile: default, or the NAME of an --account=NAME=FILE");
        }
        for (field, value) in
            [(".callsPerSecond", self.calls_per_second), (".concurrentWrites", self.concurrent_writes)]
        {
            if value == Some(0) {
                wrong(field, "0 would let nothing through; leave it out for no limit of its own");
            }
        }
        for key in self.tags.keys() {
            if key.is_empty() || key.starts_with("k8s-") {
                wrong(&format!(".tags.{key}"), "keys are not empty, and those that begin with k8s- are ours");
            }
        }
    }

    fn tenant(&self, name: &str) -> Tenant {
        let account = match self.account.as_deref() {
            None => name.to_owned(),
            Some(DEFAULT_ACCOUNT) => String::new(),
            Some(account) => account.to_owned(),
        };
        Tenant {
            name: name.to_owned(),
            account,
            shares_account: true,
            reserved: BTreeSet::new(),
            max_load_balancers: self.max_load_balancers,
            max_public_addresses: self.max_public_addresses,
            max_bandwidth: self.max_bandwidth,
            classes: self.load_balancer_classes.clone(),
            vpcs: self.vpcs.clone(),
            subnets: self.subnets.clone(),
            billing: self.billing.clone(),
            tags: self.tags.clone(),
            uses: self.uses.clone(),
            share: Share { calls_per_second: self.calls_per_second, concurrent_writes: self.concurrent_writes },
        }
    }
}

impl Entry {
    fn rule(
        &self,
        known: &BTreeMap<String, Arc<Tenant>>,
        nameless: &Arc<Tenant>,
        default_rate: Option<Rate>,
    ) -> Result<(Identity, Rule), Vec<String>> {
        let mut faults = Vec::new();
        let identity = self.identity().map_err(|fault| faults.push(fault)).ok();
        let mut tenant = |name: &String| {
            known.get(name).cloned().unwrap_or_else(|| {
                faults.push(format!(": tenant {name:?} is not among the file's tenants"));
                Arc::default()
            })
        };
        let tenants: Vec<Arc<Tenant>> = self.tenants.iter().map(&mut tenant).collect();
        let default_tenant = self.default_tenant.as_ref().map_or_else(|| Arc::clone(nameless), &mut tenant);
        let rate = self.requests_per_second.map_or(default_rate, Rate::per_second);
        let classes = self.classes.clone().unwrap_or_else(|| vec![Class::Read, Class::Write]);
        match identity {
            Some(identity) if faults.is_empty() => Ok((
                identity,
                Rule {
                    classes: classes.into_iter().collect(),
                    clusters: self.clusters.clone(),
                    default_tenant,
                    tenants,
                    bucket: bucket(rate),
                },
            )),
            _ => Err(faults),
        }
    }

    fn identity(&self) -> Result<Identity, String> {
        match (&self.san, self.uid) {
            (Some(san), None) => san.parse::<San>().map(Identity::San).map_err(|error| format!(".san: {error}")),
            (None, Some(uid)) => Ok(Identity::Uid(uid)),
            _ => Err(": needs either san or uid".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use cloud_provider_api::{error::Reason, v1::Cluster};
    use provider_hop::PeerIdentity;

    use super::*;

    const FILE: &str = "
callers:
  - san: spiffe://prod/ccm
    clusters: [prod]
    defaultTenant: shared
    tenants: [team-a, team-b]
    requestsPerSecond: 20
  - uid: 1000
    classes: [read, secret]
tenants:
  shared: { account: default, uses: [lb-1] }
  team-a: { maxLoadBalancers: 10, loadBalancerClasses: [shared], tags: { cost: '7' }, callsPerSecond: 5 }
  team-b: { account: default, uses: [lb-2] }
";

    fn file(text: &str) -> Result<Access, Vec<String>> {
        Access::nobody().add_text(text, None)
    }

    fn san(name: &str) -> PeerIdentity {
        PeerIdentity::San(vec![name.parse().unwrap()])
    }

    fn cluster(id: &str) -> Cluster {
        Cluster { id: id.to_owned(), name: "n".to_owned() }
    }

    #[test]
    fn a_caller_gets_its_clusters_and_tenants_and_no_others() {
        let access = file(FILE).unwrap();
        let caller = access.admit(&san("spiffe://prod/ccm")).unwrap();
        assert_eq!(caller.tenants(), ["team-a", "team-b"]);
        assert_eq!(caller.tenant("").unwrap().name, "shared");
        assert_eq!(caller.tenant("team-a").unwrap().max_load_balancers, Some(10));
        assert_eq!(caller.tenant("team-c").unwrap_err().reason(), Reason::TenantNotAllowed);
        assert_eq!(caller.tenant("shared").unwrap_err().reason(), Reason::TenantNotAllowed);
        caller.cluster(Some(&cluster("prod"))).unwrap();
        assert_eq!(caller.cluster(Some(&cluster("other"))).unwrap_err().reason(), Reason::TenantNotAllowed);
        for malformed in [None, Some(cluster("")), Some(cluster("UPPER")), Some(cluster(&"a".repeat(64)))] {
            assert_eq!(caller.cluster(malformed.as_ref()).unwrap_err().reason(), Reason::FieldInvalid);
        }
        assert!(!caller.rule.classes.contains(&Class::Secret));
    }

    #[test]
    fn who_shares_an_account_is_known_and_what_others_use_there() {
        let access = file(FILE).unwrap();
        let caller = access.admit(&san("spiffe://prod/ccm")).unwrap();
        let set = |id: &str| BTreeSet::from([id.to_owned()]);
        let own = caller.tenant("team-a").unwrap();
        assert_eq!((own.account.as_str(), own.shares_account, own.reserved.is_empty()), ("team-a", false, true));
        let sharing = caller.tenant("team-b").unwrap();
        assert_eq!((sharing.account.as_str(), sharing.shares_account), ("", true));
        assert_eq!((&sharing.uses, &sharing.reserved), (&set("lb-2"), &set("lb-1")));
        let nameless = access.admit(&PeerIdentity::Uid { uid: 1000, gid: 1, pid: None }).unwrap();
        let nameless = nameless.tenant("").unwrap();
        assert!(nameless.shares_account && nameless.reserved.len() == 2, "{nameless:?}");
    }

    #[test]
    fn any_of_a_certificates_names_lets_its_holder_in() {
        let access = file(FILE).unwrap();
        let both = PeerIdentity::San(vec!["x.example".parse().unwrap(), "spiffe://prod/ccm".parse().unwrap()]);
        assert_eq!(access.admit(&both).unwrap().to_string(), "san:spiffe://prod/ccm");
        assert!(access.admit(&san("spiffe://prod/ccm2")).is_none());
        assert!(access.admit(&PeerIdentity::San(Vec::new())).is_none());
        assert!(access.admit(&PeerIdentity::InsecureLoopback).is_none());
    }

    #[test]
    fn every_fault_of_a_file_is_reported() {
        let faults = file(
            "
callers:
  - san: '*.example'
    tenants: [nobody]
  - {}
  - uid: 1
  - uid: 1
tenants:
  Team A: {}
  b: { account: 'no name', callsPerSecond: 0, tags: { k8s-tenant: a } }
",
        )
        .unwrap_err();
        let expected = [
            "callers[0].san",
            "tenant \"nobody\"",
            "callers[1]: needs either",
            "callers[3]: uid:1 is allowed twice",
            "tenants.Team A: a tenant's name",
            "tenants.b.account: is no name",
            "tenants.b.callsPerSecond: 0 would",
            "tenants.b.tags.k8s-tenant: keys",
        ];
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for part in expected {
            assert!(faults.iter().any(|fault| fault.contains(part)), "{part} not in {faults:?}");
        }
    }
}
